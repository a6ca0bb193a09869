/* rnnmuse as an LV2 plugin: a MIDI effect that a player of `rnnmuse live` sits behind.

   Two threads. The host's audio thread (`run`) never locks, allocates or waits: what it has to say goes into one ring,
   what it has to play comes out of another, both with one writer and one reader. The network thread, at the other ends,
   speaks OSC with liblo. If rnnmuse is away, the rings fill or stay empty, `status` is 0 and the plugin is silent.

   Notes arrive AHEAD seconds before their time. While the host rolls and leads, a note is placed by its beat on the
   host's own timeline, to the sample; otherwise by the time tag of its bundle. */

#include <lo/lo.h>
#include <lv2/atom/atom.h>
#include <lv2/atom/forge.h>
#include <lv2/atom/util.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/time/time.h>
#include <lv2/urid/urid.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLUGIN "urn:rnnmuse:player"
#define AHEAD 0.1
#define RING 1024   /* a power of two */
#define WAITING 512 /* notes that have come and are not due yet */
#define NTP 2208988800u

enum { IN, OUT, PLAYER, MODE, LEAD, TEMPERATURE, TOP_P, DENSITY, VELOCITY, HUMANISE, LOW, HIGH, PORT, STATUS, DROPPED, PORTS };
enum { FIRST_PARAMETER = TEMPERATURE, LAST_PARAMETER = HIGH };

static const char *const MODES[] = {"off", "free", "continue", "answer", "accompany", "hold", "loop"};
static const char *const NAMES[PORTS] = {
    [TEMPERATURE] = "temperature", [TOP_P] = "top_p", [DENSITY] = "density", [VELOCITY] = "velocity",
    [HUMANISE] = "humanise",       [LOW] = "low",     [HIGH] = "high"};

/* What passes between the threads. To the network: a note heard, a control that moved, the host's transport.
   From it: a note to play. `at` is monotonic nanoseconds, `beat` a position in quarter notes. */
typedef struct {
  enum { NOTE, CONTROL, TRANSPORT } kind;
  int pitch, velocity, index;
  double value, beat;
  int64_t at;
} Item;

typedef struct {
  Item items[RING];
  atomic_uint written, taken;
} Ring;

static bool push(Ring *ring, const Item *item) {
  const unsigned at = atomic_load_explicit(&ring->written, memory_order_relaxed);
  if (at - atomic_load_explicit(&ring->taken, memory_order_acquire) >= RING) return false;
  ring->items[at % RING] = *item;
  atomic_store_explicit(&ring->written, at + 1, memory_order_release);
  return true;
}

static bool pop(Ring *ring, Item *item) {
  const unsigned at = atomic_load_explicit(&ring->taken, memory_order_relaxed);
  if (at == atomic_load_explicit(&ring->written, memory_order_acquire)) return false;
  *item = ring->items[at % RING];
  atomic_store_explicit(&ring->taken, at + 1, memory_order_release);
  return true;
}

typedef struct {
  const LV2_Atom_Sequence *in;
  LV2_Atom_Sequence *out;
  float *ports[PORTS];
  struct { LV2_URID midi, sequence, object, blank, position, speed, bpm, bar, bar_beat, per_bar, f32, f64, i32, i64; } id;
  double rate;

  /* the audio thread's own */
  Item waiting[WAITING];
  int count;
  bool sounding[128];
  float last[PORTS];
  bool rolling, was_there;
  double beat, bpm, per_bar, until_told;
  int64_t block; /* the filtered time at which this block begins */
  unsigned dropped;

  /* shared */
  Ring to_network, from_network;
  atomic_int player, port, there, stop;

  /* the network thread's own */
  pthread_t thread;
  lo_server server;
  lo_address engine;
  int64_t heard, asked;
  double controls[PORTS];
  bool known[PORTS], led;
} Plugin;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the network thread ---- */

static int64_t monotonic(lo_timetag tag) {
  if (tag.sec == 0) return now_ns();
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  const int64_t wall = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
  const int64_t due = ((int64_t)tag.sec - NTP) * 1000000000 + (int64_t)(tag.frac / 4294967296.0 * 1e9);
  return now_ns() + due - wall;
}

static int heard(const char *path, const char *types, lo_arg **a, int n, lo_message message, void *data) {
  Plugin *p = data;
  int player;
  char word[16];
  p->heard = now_ns();
  if (sscanf(path, "/rnnmuse/out/%d/%15s", &player, word) == 2 && !strcmp(word, "note")) {
    if (player == atomic_load(&p->player) && !strcmp(types, "iiff")) {
      const Item note = {NOTE, a[0]->i & 127, a[1]->i & 127, 0, a[2]->f, a[3]->f, monotonic(lo_message_get_timestamp(message))};
      push(&p->from_network, &note);
    }
  } else if (!strcmp(path, "/rnnmuse/probe") && n == 1 && types[0] == 'i') {
    lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, "/rnnmuse/probed", "is", a[0]->i, "lv2");
  }
  return 0;
}

static void ask(Plugin *p, const char *word, const char *types, double value, const char *text) {
  char path[80];
  snprintf(path, sizeof path, "/rnnmuse/player/%d/%s", atomic_load(&p->player), word);
  if (types[0] == 's') lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, path, "s", text);
  else lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, path, "f", value);
}

static void send_control(Plugin *p, int index, double value) {
  char word[40];
  if (index == MODE) {
    const int mode = (int)value;
    if (mode < 0 || mode > 6) return;
    ask(p, "mode", "s", 0, MODES[mode]);
    if (mode == 1) ask(p, "start", "f", 1, NULL);
  } else if (index == LEAD) {
    if (value > 0.5 || p->led) lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, "/rnnmuse/transport/source", "s", value > 0.5 ? "osc" : "internal");
    p->led = value > 0.5;
  } else if (index >= FIRST_PARAMETER && index <= LAST_PARAMETER) {
    snprintf(word, sizeof word, "param/%s", NAMES[index]);
    ask(p, word, "f", value, NULL);
  }
}

static void take(Plugin *p, const Item *item) {
  char path[80];
  if (item->kind == CONTROL) {
    p->controls[item->index] = item->value;
    p->known[item->index] = true;
    if (item->index == PLAYER || item->index == PORT) {
      p->asked = 0; /* another player or engine: tell it everything */
      if (item->index == PORT) p->heard = 0;
      else
        for (int i = MODE; i <= LAST_PARAMETER; i++)
          if (p->known[i]) send_control(p, i, p->controls[i]);
    } else if (p->heard) {
      send_control(p, item->index, item->value);
    }
  } else if (item->kind == NOTE) {
    snprintf(path, sizeof path, "/rnnmuse/player/%d/note", atomic_load(&p->player));
    lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, path, "ii", item->pitch, item->velocity);
  } else if (p->led) {
    if (item->index) {
      const double beat = item->beat + (double)(now_ns() - item->at) * 1e-9 * item->value / 60;
      lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, "/rnnmuse/transport/beat", "ff", beat < 0 ? 0 : beat, item->value);
    } else {
      lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, "/rnnmuse/transport/stop", "");
    }
  }
}

static void quiet(int number, const char *text, const char *path) { (void)number, (void)text, (void)path; }

static void *network(void *data) {
  Plugin *p = data;
  int port = 0;
  Item item;
  while (!atomic_load(&p->stop)) {
    if (port != atomic_load(&p->port)) {
      char text[8];
      port = atomic_load(&p->port);
      snprintf(text, sizeof text, "%d", port);
      if (p->engine) lo_address_free(p->engine);
      p->engine = lo_address_new("127.0.0.1", text);
    }
    const int64_t now = now_ns();
    if (now - p->asked > 2000000000) { /* the lease is renewed, or rnnmuse found again */
      const bool away = !atomic_load(&p->there);
      p->asked = now;
      lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, "/rnnmuse/subscribe", "ff", 10.0, AHEAD);
      if (away)
        for (int i = MODE; i <= LAST_PARAMETER; i++)
          if (p->known[i]) send_control(p, i, p->controls[i]);
    }
    atomic_store(&p->there, p->heard && now - p->heard < 5000000000);
    lo_server_recv_noblock(p->server, 1);
    while (lo_server_recv_noblock(p->server, 0) > 0) {}
    while (pop(&p->to_network, &item)) take(p, &item);
  }
  lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, "/rnnmuse/unsubscribe", "");
  return NULL;
}

/* ---- the audio thread ---- */

static void say(Plugin *p, Item item) {
  if (!push(&p->to_network, &item)) p->dropped++;
}

static bool emit(Plugin *p, uint32_t capacity, int64_t frame, int pitch, int velocity) {
  struct { LV2_Atom_Event event; uint8_t data[8]; } out;
  out.event.time.frames = frame;
  out.event.body.type = p->id.midi;
  out.event.body.size = 3;
  uint8_t *bytes = (uint8_t *)(&out.event + 1);
  bytes[0] = velocity ? 0x90 : 0x80;
  bytes[1] = (uint8_t)pitch;
  bytes[2] = (uint8_t)velocity;
  if (!lv2_atom_sequence_append_event(p->out, capacity, &out.event)) return false;
  p->sounding[pitch] = velocity > 0;
  return true;
}

static void end_all(Plugin *p, uint32_t capacity, int64_t frame) {
  for (int pitch = 0; pitch < 128; pitch++)
    if (p->sounding[pitch]) emit(p, capacity, frame, pitch, 0);
}

static double number(const Plugin *p, const LV2_Atom *atom, double otherwise) {
  if (!atom) return otherwise;
  if (atom->type == p->id.f32) return ((const LV2_Atom_Float *)atom)->body;
  if (atom->type == p->id.f64) return ((const LV2_Atom_Double *)atom)->body;
  if (atom->type == p->id.i32) return ((const LV2_Atom_Int *)atom)->body;
  if (atom->type == p->id.i64) return (double)((const LV2_Atom_Long *)atom)->body;
  return otherwise;
}

/* The host's transport at a frame of this block. */
static void position(Plugin *p, const LV2_Atom_Object *object, int64_t frame, uint32_t capacity) {
  const LV2_Atom *speed = NULL, *bpm = NULL, *bar = NULL, *bar_beat = NULL, *per_bar = NULL;
  lv2_atom_object_get(object, p->id.speed, &speed, p->id.bpm, &bpm, p->id.bar, &bar, p->id.bar_beat, &bar_beat,
                      p->id.per_bar, &per_bar, 0);
  const double tempo = number(p, bpm, p->bpm), before = p->bpm;
  const bool rolls = number(p, speed, p->rolling) != 0.0;
  p->bpm = tempo > 0 ? tempo : 120.0;
  p->per_bar = number(p, per_bar, p->per_bar);
  double beat = p->beat + (p->rolling ? frame * before / 60 / p->rate : 0.0);
  if (bar_beat) beat = number(p, bar, 0) * p->per_bar + number(p, bar_beat, 0);
  const double at_block = beat - (rolls ? frame * p->bpm / 60 / p->rate : 0.0);
  const bool moved = rolls != p->rolling || before != p->bpm || fabs(at_block - p->beat) > 0.01;
  if (moved) {
    p->until_told = 0;
    if (!rolls && p->rolling) { /* what is planned for another place is void */
      end_all(p, capacity, frame);
      p->count = 0;
      say(p, (Item){.kind = TRANSPORT, .index = 0});
    }
  }
  p->beat = at_block;
  p->rolling = rolls;
}

static int64_t frame_of(const Plugin *p, const Item *note) {
  if (p->rolling && *p->ports[LEAD] > 0.5f) return llround((note->beat - p->beat) * 60 / p->bpm * p->rate);
  return llround((double)(note->at - p->block) * 1e-9 * p->rate);
}

static void run(LV2_Handle handle, uint32_t frames) {
  Plugin *p = handle;
  const uint32_t capacity = p->out->atom.size;
  Item item;
  lv2_atom_sequence_clear(p->out);
  p->out->atom.type = p->id.sequence;

  /* Blocks are called in bursts and late; a line through their times is what the host plays by. */
  const int64_t now = now_ns(), expected = p->block;
  p->block = expected + (now - expected) / 16;
  if (!expected || llabs(now - expected) > 50000000) p->block = now;

  atomic_store_explicit(&p->player, (int)*p->ports[PLAYER], memory_order_relaxed);
  atomic_store_explicit(&p->port, (int)*p->ports[PORT], memory_order_relaxed);
  for (int i = PLAYER; i <= PORT; i++)
    if (p->last[i] != *p->ports[i]) {
      p->last[i] = *p->ports[i];
      say(p, (Item){.kind = CONTROL, .index = i, .value = p->last[i]});
    }

  LV2_ATOM_SEQUENCE_FOREACH(p->in, event) {
    const uint8_t *data = (const uint8_t *)(event + 1);
    if (event->body.type == p->id.midi && event->body.size == 3) {
      const int kind = data[0] & 0xF0;
      if (kind == 0x90 || kind == 0x80)
        say(p, (Item){.kind = NOTE, .pitch = data[1], .velocity = kind == 0x90 ? data[2] : 0});
      else if (kind == 0xB0 && (data[1] == 120 || data[1] == 123))
        end_all(p, capacity, event->time.frames);
    } else if (event->body.type == p->id.object || event->body.type == p->id.blank) {
      const LV2_Atom_Object *object = (const LV2_Atom_Object *)&event->body;
      if (object->body.otype == p->id.position) position(p, object, event->time.frames, capacity);
    }
  }

  while (p->count < WAITING && pop(&p->from_network, &item))
    if (!item.velocity || item.at > now - 1000000000) p->waiting[p->count++] = item; /* the host may have slept */
  for (;;) { /* those due in this block, the earliest first; at one frame in the order they came */
    int first = -1;
    int64_t least = frames;
    for (int i = 0; i < p->count; i++) {
      const int64_t frame = frame_of(p, &p->waiting[i]);
      if (frame < least) least = frame, first = i;
    }
    if (first < 0) break;
    const Item note = p->waiting[first];
    if (!emit(p, capacity, least < 0 ? 0 : least, note.pitch, note.velocity)) break; /* full: in the next block */
    memmove(&p->waiting[first], &p->waiting[first + 1], (size_t)(--p->count - first) * sizeof note);
  }

  const bool there = atomic_load_explicit(&p->there, memory_order_relaxed);
  if (p->was_there && !there) {
    p->count = 0;
    end_all(p, capacity, frames ? frames - 1 : 0);
  }
  p->was_there = there;
  *p->ports[STATUS] = there ? 1.0f : 0.0f;
  *p->ports[DROPPED] = (float)p->dropped;

  if (p->rolling) {
    p->until_told -= frames;
    if (p->until_told <= 0) {
      p->until_told = p->rate / 10;
      say(p, (Item){.kind = TRANSPORT, .index = 1, .value = p->bpm, .beat = p->beat, .at = now});
    }
    p->beat += frames * p->bpm / 60 / p->rate;
  }
  p->block += (int64_t)(frames * 1e9 / p->rate);
}

/* ---- the plugin's life ---- */

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *path, const LV2_Feature *const *features) {
  (void)descriptor, (void)path;
  LV2_URID_Map *map = NULL;
  for (int i = 0; features[i]; i++)
    if (!strcmp(features[i]->URI, LV2_URID__map)) map = features[i]->data;
  if (!map) return NULL;
  Plugin *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->rate = rate;
  p->bpm = 120;
  p->per_bar = 4;
  for (int i = 0; i < PORTS; i++) p->last[i] = NAN;
  atomic_store(&p->player, 1);
  atomic_store(&p->port, 7707);
#define ID(uri) map->map(map->handle, uri)
  p->id.midi = ID(LV2_MIDI__MidiEvent), p->id.sequence = ID(LV2_ATOM__Sequence);
  p->id.object = ID(LV2_ATOM__Object), p->id.blank = ID(LV2_ATOM__Blank), p->id.position = ID(LV2_TIME__Position);
  p->id.speed = ID(LV2_TIME__speed), p->id.bpm = ID(LV2_TIME__beatsPerMinute), p->id.bar = ID(LV2_TIME__bar);
  p->id.bar_beat = ID(LV2_TIME__barBeat), p->id.per_bar = ID(LV2_TIME__beatsPerBar);
  p->id.f32 = ID(LV2_ATOM__Float), p->id.f64 = ID(LV2_ATOM__Double), p->id.i32 = ID(LV2_ATOM__Int), p->id.i64 = ID(LV2_ATOM__Long);
  p->server = lo_server_new(NULL, quiet);
  if (!p->server) {
    free(p);
    return NULL;
  }
  lo_server_enable_queue(p->server, 0, 1); /* bundles are handed on at once: this plugin keeps their time itself */
  lo_server_add_method(p->server, NULL, NULL, heard, p);
  p->engine = lo_address_new("127.0.0.1", "7707");
  if (pthread_create(&p->thread, NULL, network, p)) {
    lo_server_free(p->server);
    lo_address_free(p->engine);
    free(p);
    return NULL;
  }
  return p;
}

static void connect_port(LV2_Handle handle, uint32_t index, void *data) {
  Plugin *p = handle;
  if (index == IN) p->in = data;
  else if (index == OUT) p->out = data;
  else if (index < PORTS) p->ports[index] = data;
}

static void activate(LV2_Handle handle) {
  Plugin *p = handle;
  p->count = 0;
  p->block = 0;
  p->rolling = false;
  memset(p->sounding, 0, sizeof p->sounding);
}

static void cleanup(LV2_Handle handle) {
  Plugin *p = handle;
  atomic_store(&p->stop, 1);
  pthread_join(p->thread, NULL);
  lo_server_free(p->server);
  lo_address_free(p->engine);
  free(p);
}

static const LV2_Descriptor DESCRIPTOR = {PLUGIN, instantiate, connect_port, activate, run, NULL, cleanup, NULL};

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index) { return index ? NULL : &DESCRIPTOR; }
