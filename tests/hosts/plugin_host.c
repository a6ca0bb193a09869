/* A host for one plugin, LV2 or (with -DCLAP) CLAP, that watches what its audio thread does.

   plugin_host FILE ENGINE_PORT BLOCKS ROLLS [guilty]

   Each block of 256 frames is called for at its time. What the plugin plays it hears in the next block, one control moves all
   the time, and with ROLLS 1 the transport rolls at 120 in the middle half. In the audio thread every allocation and
   every lock is counted, and any system call but reading the clock and the sleep between blocks ends the process
   (seccomp, SIGSYS). "guilty" does what is forbidden (1 frees, 2 locks, 3 calls the system), to show that it is seen. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FRAMES 256
#define RATE 48000
#define MOST 1024 /* notes in a block */

/* ---- what is counted: this program's functions stand before those of the C library ---- */

static _Thread_local bool inside;
static atomic_uint allocations, locks;

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void allocated(void) {
  if (inside) atomic_fetch_add(&allocations, 1);
}

void *malloc(size_t size) { return allocated(), __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return allocated(), __libc_calloc(count, size); }
void *realloc(void *at, size_t size) { return allocated(), __libc_realloc(at, size); }
void *aligned_alloc(size_t to, size_t size) { return allocated(), __libc_memalign(to, size); }
void free(void *at) { allocated(), __libc_free(at); }
int posix_memalign(void **at, size_t to, size_t size) {
  allocated();
  return (*at = __libc_memalign(to, size)) ? 0 : ENOMEM;
}

#define LOCK(name, type)                                          \
  int name(type *lock) {                                          \
    static int (*real)(type *);                                   \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);         \
    if (inside) atomic_fetch_add(&locks, 1);                      \
    return real(lock);                                            \
  }
LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK(sem_wait, sem_t)

/* No system call but reading the clock, and sleeping by a clock that only the loop below sleeps by. */
static void forbid(void) {
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 3, 0), /* a sleep that a stop has cut */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_BOOTTIME, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  const struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
    puts("no seccomp");
    _exit(77);
  }
}

/* ---- the plugin, in its format ---- */

typedef struct { uint32_t frame; uint8_t bytes[3]; } Midi;
static Midi now_in[MOST], now_out[MOST];
static int count_in, count_out;

#ifdef CLAP
#include <clap/clap.h>

static const clap_plugin_t *plugin;
static clap_event_midi_t midi_events[MOST];
static clap_event_param_value_t moved;
static _Atomic double status;
static int events;

static const void *host_extension(const clap_host_t *host, const char *id) { return (void)host, (void)id, NULL; }
static void host_request(const clap_host_t *host) { (void)host; }
static const clap_host_t HOST = {CLAP_VERSION_INIT, NULL, "plugin_host", "rnnmuse", "", "1", host_extension, host_request, host_request, host_request};

static uint32_t in_size(const clap_input_events_t *list) { return (void)list, (uint32_t)events; }
static const clap_event_header_t *in_get(const clap_input_events_t *list, uint32_t i) {
  (void)list;
  return i ? &midi_events[i - 1].header : &moved.header;
}
static uint32_t out_frame;
static bool out_push(const clap_output_events_t *list, const clap_event_header_t *event) {
  (void)list;
  if (event->time < out_frame) abort(); /* events must be in order */
  out_frame = event->time;
  if (event->type == CLAP_EVENT_PARAM_VALUE) {
    const clap_event_param_value_t *value = (const clap_event_param_value_t *)event;
    if (value->param_id == 11) status = value->value; /* Connected */
    return true;
  }
  if (count_out == MOST) return false;
  const clap_event_note_t *note = (const clap_event_note_t *)event;
  const bool on = event->type == CLAP_EVENT_NOTE_ON;
  now_out[count_out++] = (Midi){event->time, {on ? 0x90 : 0x80, (uint8_t)note->key, on ? (uint8_t)(note->velocity * 127 + 0.5) : 0}};
  return true;
}

static void set(clap_id index, double value) {
  moved = (clap_event_param_value_t){.header = {sizeof moved, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0}, .param_id = index,
                                     .note_id = -1, .port_index = -1, .channel = -1, .key = -1, .value = value};
}

static char kept[4096];
static int64_t keep(const clap_ostream_t *stream, const void *data, uint64_t size) { /* a few bytes at a time, as it may */
  (void)stream;
  const uint64_t some = size < 7 ? size : 7;
  strncat(kept, data, some);
  return (int64_t)some;
}
static int64_t give(const clap_istream_t *stream, void *data, uint64_t size) {
  size_t *at = stream->ctx, left = strlen(kept) - *at;
  if (left > size) left = size;
  if (left > 5) left = 5;
  memcpy(data, kept + *at, left);
  *at += left;
  return (int64_t)left;
}

static bool load(const char *file, int engine, bool rolls) {
  void *library = dlopen(file, RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), false;
  const clap_plugin_entry_t *entry = dlsym(library, "clap_entry");
  if (!entry || !entry->init(file)) return false;
  const clap_plugin_factory_t *factory = entry->get_factory(CLAP_PLUGIN_FACTORY_ID);
  const clap_plugin_descriptor_t *about = factory->get_plugin_descriptor(factory, 0);
  plugin = factory->create_plugin(factory, &HOST, about->id);
  if (!plugin || !plugin->init(plugin)) return false;
  const clap_plugin_params_t *params = plugin->get_extension(plugin, CLAP_EXT_PARAMS);
  events = 1;
  for (uint32_t i = 0; i < params->count(plugin); i++) {
    clap_param_info_t info;
    char text[64];
    params->get_info(plugin, i, &info);
    double value = !strcmp(info.name, "OSC port") ? engine : !strcmp(info.name, "Host leads") ? rolls : info.default_value, back;
    params->value_to_text(plugin, info.id, value, text, sizeof text);
    if (!params->text_to_value(plugin, info.id, text, &back) || back - value > 0.001 || value - back > 0.001) return false;
    printf("parameter %s %g %g %g\n", info.name, info.default_value, info.min_value, info.max_value);
    set(info.id, value);
    params->flush(plugin, &(clap_input_events_t){NULL, in_size, in_get}, &(clap_output_events_t){NULL, out_push});
  }
  const clap_plugin_state_t *state = plugin->get_extension(plugin, CLAP_EXT_STATE);
  double before, after;
  size_t at = 0;
  if (!state->save(plugin, &(clap_ostream_t){NULL, keep})) return false;
  params->get_value(plugin, 10, &before);
  set(10, 9);
  params->flush(plugin, &(clap_input_events_t){NULL, in_size, in_get}, &(clap_output_events_t){NULL, out_push});
  if (!state->load(plugin, &(clap_istream_t){&at, give})) return false;
  params->get_value(plugin, 10, &after);
  printf("state %s\n", before == engine && after == engine ? "kept" : "lost");
  return plugin->activate(plugin, RATE, FRAMES, FRAMES);
}

static void ready(void) { plugin->start_processing(plugin); }

static void call(bool rolling, double beat, double temperature) {
  const clap_event_transport_t at = {
      .header = {sizeof at, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, 0},
      .flags = CLAP_TRANSPORT_HAS_TEMPO | CLAP_TRANSPORT_HAS_BEATS_TIMELINE | (rolling ? CLAP_TRANSPORT_IS_PLAYING : 0),
      .song_pos_beats = (clap_beattime)(beat * CLAP_BEATTIME_FACTOR), .tempo = 120};
  set(3, temperature);
  for (int i = 0; i < count_in; i++)
    midi_events[i] = (clap_event_midi_t){.header = {sizeof *midi_events, now_in[i].frame, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, 0},
                                         .data = {now_in[i].bytes[0], now_in[i].bytes[1], now_in[i].bytes[2]}};
  events = 1 + count_in;
  const clap_input_events_t in = {NULL, in_size, in_get};
  const clap_output_events_t out = {NULL, out_push};
  const clap_process_t block = {.frames_count = FRAMES, .transport = &at, .in_events = &in, .out_events = &out};
  out_frame = 0;
  plugin->process(plugin, &block);
}

static bool connected(void) { return status > 0.5; }
static void unload(void) {
  plugin->stop_processing(plugin);
  plugin->deactivate(plugin);
  plugin->destroy(plugin);
}

#else
#include <lv2/atom/forge.h>
#include <lv2/atom/util.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/time/time.h>
#include <lv2/urid/urid.h>

static const LV2_Descriptor *about;
static LV2_Handle plugin;
static char *uris[64];
static _Alignas(8) uint8_t in_data[65536], out_data[65536];
static float ports[32];
static LV2_Atom_Forge forge;
static LV2_URID midi, position, speed, bpm, bar, bar_beat, per_bar;

static LV2_URID id(LV2_URID_Map_Handle handle, const char *uri) {
  (void)handle;
  unsigned i = 0;
  for (; uris[i]; i++)
    if (!strcmp(uris[i], uri)) return i + 1;
  uris[i] = strdup(uri);
  return i + 1;
}
static LV2_URID_Map map = {NULL, id};

static bool load(const char *file, int engine, bool rolls) {
  void *library = dlopen(file, RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), false;
  const LV2_Descriptor *(*describe)(uint32_t);
  *(void **)&describe = dlsym(library, "lv2_descriptor");
  about = describe(0);
  const LV2_Feature feature = {LV2_URID__map, &map}, *features[] = {&feature, NULL};
  plugin = about->instantiate(about, RATE, "", features);
  if (!plugin) return false;
  const float values[] = {0, 0, 1, 4, rolls, 1, 0.96f, 0, 1, 1, 0, 127, (float)engine};
  memcpy(ports, values, sizeof values);
  about->connect_port(plugin, 0, in_data);
  about->connect_port(plugin, 1, out_data);
  for (uint32_t i = 2; i < 15; i++) about->connect_port(plugin, i, &ports[i]);
  lv2_atom_forge_init(&forge, &map);
  midi = id(NULL, LV2_MIDI__MidiEvent), position = id(NULL, LV2_TIME__Position), speed = id(NULL, LV2_TIME__speed);
  bpm = id(NULL, LV2_TIME__beatsPerMinute), bar = id(NULL, LV2_TIME__bar), bar_beat = id(NULL, LV2_TIME__barBeat);
  per_bar = id(NULL, LV2_TIME__beatsPerBar);
  about->activate(plugin);
  return true;
}

static void ready(void) {}

static void call(bool rolling, double beat, double temperature) {
  LV2_Atom_Forge_Frame sequence, object;
  lv2_atom_forge_set_buffer(&forge, in_data, sizeof in_data);
  lv2_atom_forge_sequence_head(&forge, &sequence, 0);
  lv2_atom_forge_frame_time(&forge, 0);
  lv2_atom_forge_object(&forge, &object, 0, position);
  lv2_atom_forge_key(&forge, speed), lv2_atom_forge_float(&forge, rolling);
  lv2_atom_forge_key(&forge, bpm), lv2_atom_forge_float(&forge, 120);
  lv2_atom_forge_key(&forge, per_bar), lv2_atom_forge_float(&forge, 4);
  lv2_atom_forge_key(&forge, bar), lv2_atom_forge_long(&forge, (int64_t)(beat / 4));
  lv2_atom_forge_key(&forge, bar_beat), lv2_atom_forge_float(&forge, (float)(beat - 4 * (int64_t)(beat / 4)));
  lv2_atom_forge_pop(&forge, &object);
  for (int i = 0; i < count_in; i++) {
    lv2_atom_forge_frame_time(&forge, now_in[i].frame);
    lv2_atom_forge_atom(&forge, 3, midi);
    lv2_atom_forge_write(&forge, now_in[i].bytes, 3);
  }
  lv2_atom_forge_pop(&forge, &sequence);
  ports[5] = (float)temperature;
  LV2_Atom_Sequence *out = (LV2_Atom_Sequence *)out_data;
  out->atom.size = sizeof out_data - sizeof(LV2_Atom);
  about->run(plugin, FRAMES);
  int64_t last = 0;
  LV2_ATOM_SEQUENCE_FOREACH(out, event) {
    if (event->time.frames < last) abort(); /* events must be in order */
    last = event->time.frames;
    if (count_out == MOST) abort();
    const uint8_t *bytes = (const uint8_t *)(event + 1);
    now_out[count_out++] = (Midi){(uint32_t)last, {bytes[0], bytes[1], bytes[2]}};
  }
}

static bool connected(void) { return ports[13] > 0.5f; }
static void unload(void) { about->cleanup(plugin); }
#endif

/* ---- the host ---- */

static int blocks, guilty;
static bool rolls;
static atomic_int done, there;
static atomic_uint notes, longest_ns;

static void *volatile kept_from_the_compiler; /* nothing, but it cannot know */

_Noreturn static void *audio(void *data) {
  (void)data;
  struct timespec at, begin, end;
  bool sounding[128] = {0};
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  ready();
  forbid();
  clock_gettime(CLOCK_BOOTTIME, &at);
  double beat = 0;
  for (int block = 0; block < blocks; block++) {
    const bool rolling = rolls && block >= blocks / 4 && block < 3 * blocks / 4;
    count_out = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    inside = true;
    call(rolling, beat, 0.5 + (block % 100) / 100.0);
    if (guilty == 1 && block == 9) free(kept_from_the_compiler);
    if (guilty == 2 && block == 9) pthread_mutex_lock(&lock);
    if (guilty == 3 && block == 9) getppid();
    inside = false;
    clock_gettime(CLOCK_MONOTONIC, &end);
    const unsigned took = (unsigned)((end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec);
    if (took > longest_ns) longest_ns = took;
    for (int i = 0; i < count_out; i++) sounding[now_out[i].bytes[1]] = now_out[i].bytes[0] == 0x90, notes += now_out[i].bytes[0] == 0x90;
    memcpy(now_in, now_out, sizeof now_in);
    count_in = count_out;
    there = connected();
    if (rolling) beat += FRAMES * 120.0 / 60 / RATE;
    at.tv_nsec += FRAMES * 1000000000LL / RATE;
    if (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
    clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, NULL);
  }
  int open = 0;
  for (int i = 0; i < 128; i++) open += sounding[i];
  done = 1 + open;
  for (;;) clock_nanosleep(CLOCK_BOOTTIME, 0, &(struct timespec){9, 0}, NULL); /* ending would be a system call */
}

int main(int count, char **words) {
  if (count < 5) return fprintf(stderr, "plugin_host FILE ENGINE_PORT BLOCKS ROLLS [1|2|3]\n"), 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  blocks = atoi(words[3]), rolls = atoi(words[4]), guilty = count > 5 ? atoi(words[5]) : 0;
  pthread_mutex_t bind = PTHREAD_MUTEX_INITIALIZER; /* finds the real functions before the audio thread needs them */
  pthread_mutex_lock(&bind), pthread_mutex_unlock(&bind);
  if (!load(words[1], atoi(words[2]), rolls)) return fprintf(stderr, "%s was not loaded\n", words[1]), 1;
  pthread_t thread;
  pthread_create(&thread, NULL, audio, NULL);
  puts("running");
  for (int before = 0; !done; usleep(20000))
    if (there != before) printf("connected %d\n", before = there);
  printf("blocks %d notes %u allocations %u locks %u open %d longest %u us\n", blocks, notes, allocations, locks, done - 1, longest_ns / 1000);
  unload();
  _exit(0);
}
