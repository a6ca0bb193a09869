/* One player of `rnnmuse live` inside a host, whatever the plugin's format: LV2 in rnnmuse.c, CLAP in clap.c,
   VST3 in vst3.c.

   Two threads. The host's audio thread (between core_begin and core_end) never locks, allocates or waits: what it has to
   say goes into one ring, what it has to play comes out of another, both with one writer and one reader. The network
   thread, at the other ends, speaks OSC with liblo. If rnnmuse is away, the rings fill or stay empty, core_there is
   false and the plugin is silent.

   Notes arrive AHEAD seconds before their time. While the host rolls and leads, a note is placed by its beat on the
   host's own timeline, to the sample; otherwise by the time tag of its bundle. */

#include <lo/lo.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define AHEAD 0.1
#define RING 1024   /* a power of two */
#define WAITING 512 /* notes that have come and are not due yet */
#define TICK (1.0 / 900) /* of a beat; hosts round to less */
#define NTP 2208988800u

/* The controls, and after them what is only shown. */
enum { PLAYER, MODE, LEAD, TEMPERATURE, TOP_P, DENSITY, VELOCITY, HUMANISE, LOW, HIGH, PORT, CONTROLS, STATUS = CONTROLS, DROPPED, SHOWN };
enum { FIRST_PARAMETER = TEMPERATURE, LAST_PARAMETER = HIGH };

static const char *const MODES[] = {"off", "free", "continue", "answer", "accompany", "hold", "loop", "harmonise"};
enum { MODE_COUNT = sizeof MODES / sizeof *MODES };
static const char *const NAMES[SHOWN] = {"player",   "mode",     "lead", "temperature", "top_p", "density", "velocity",
                                         "humanise", "low",      "high", "port",        "status", "dropped"};

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

/* Hand a note to the host; false where its buffer is full. */
typedef bool (*Emit)(void *to, int64_t frame, int pitch, int velocity);

typedef struct {
  double rate;

  /* the audio thread's own */
  Emit emit;
  void *to;
  uint32_t frames;
  Item waiting[WAITING];
  int count;
  bool sounding[128];
  double last[CONTROLS];
  bool rolling, was_there;
  double beat, bpm, until_told;
  int64_t now, block; /* when this block was called for, and the filtered time at which it begins */
  int64_t latest;     /* the frame of the last event of this block: a host wants them in order */
  unsigned dropped;

  /* shared */
  Ring to_network, from_network;
  atomic_int player, port, there, stop;
  atomic_uint overrun; /* notes that found the ring full, as where the host has not called for a long time */

  /* the network thread's own */
  pthread_t thread;
  lo_server server;
  lo_address engine;
  int64_t heard, asked;
  double controls[CONTROLS];
  bool known[CONTROLS], led;
} Core;

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
  Core *p = data;
  int player;
  char word[16];
  p->heard = now_ns();
  if (sscanf(path, "/rnnmuse/out/%d/%15s", &player, word) == 2 && !strcmp(word, "note")) {
    if (player == atomic_load(&p->player) && !strcmp(types, "iiff")) {
      const Item note = {NOTE, a[0]->i & 127, a[1]->i & 127, 0, a[2]->f, a[3]->f, monotonic(lo_message_get_timestamp(message))};
      if (!push(&p->from_network, &note)) atomic_fetch_add(&p->overrun, 1);
    }
  } else if (!strcmp(path, "/rnnmuse/probe") && n == 1 && types[0] == 'i') {
    lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, "/rnnmuse/probed", "is", a[0]->i, "lv2");
  }
  return 0;
}

static void ask(Core *p, const char *word, const char *types, double value, const char *text) {
  char path[80];
  snprintf(path, sizeof path, "/rnnmuse/player/%d/%s", atomic_load(&p->player), word);
  if (types[0] == 's') lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, path, "s", text);
  else lo_send_from(p->engine, p->server, LO_TT_IMMEDIATE, path, "f", value);
}

static void send_control(Core *p, int index, double value) {
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

static void take(Core *p, const Item *item) {
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
  Core *p = data;
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

static void say(Core *p, Item item) {
  if (!push(&p->to_network, &item)) p->dropped++;
}

static bool strike(Core *p, int64_t frame, int pitch, int velocity) {
  if (frame < p->latest) frame = p->latest;
  if (!p->emit(p->to, frame, pitch, velocity)) return false;
  p->latest = frame;
  p->sounding[pitch] = velocity > 0;
  return true;
}

/* End what sounds, and forget what waits. */
static void core_silence(Core *p, int64_t frame) {
  p->count = 0;
  for (int pitch = 0; pitch < 128; pitch++)
    if (p->sounding[pitch]) strike(p, frame, pitch, 0);
}

static bool core_there(Core *p) { return atomic_load_explicit(&p->there, memory_order_relaxed); }

static void core_begin(Core *p, Emit emit, void *to, uint32_t frames) {
  p->emit = emit, p->to = to, p->frames = frames, p->latest = 0;
  /* Blocks are called in bursts and late; a line through their times is what the host plays by. */
  p->now = now_ns();
  const int64_t expected = p->block;
  p->block = expected + (p->now - expected) / 16;
  if (!expected || llabs(p->now - expected) > 50000000) p->block = p->now;
}

/* A control as it is now; the network thread is told where it moved. */
static void core_control(Core *p, int index, double value) {
  if (p->last[index] == value) return;
  if (index == PLAYER) {
    core_silence(p, 0); /* the ends of another player's notes would not come here any more */
    atomic_store_explicit(&p->player, (int)value, memory_order_relaxed);
  } else if (index == PORT) {
    atomic_store_explicit(&p->port, (int)value, memory_order_relaxed);
  }
  p->last[index] = value;
  say(p, (Item){.kind = CONTROL, .index = index, .value = value});
}

static void core_note(Core *p, int pitch, int velocity) { say(p, (Item){.kind = NOTE, .pitch = pitch, .velocity = velocity}); }

/* Three bytes of MIDI from the host. */
static void core_midi(Core *p, const uint8_t *data, int64_t frame) {
  const int kind = data[0] & 0xF0;
  if (kind == 0x90 || kind == 0x80) core_note(p, data[1], kind == 0x90 ? data[2] : 0);
  else if (kind == 0xB0 && (data[1] == 120 || data[1] == 123)) core_silence(p, frame);
}

/* Where the host's transport is at a frame of this block, as it goes on from what was said last. */
static double core_beat(const Core *p, int64_t frame) {
  return p->beat + (p->rolling ? (double)frame * p->bpm / 60 / p->rate : 0.0);
}

/* The host's transport at a frame of this block. */
static void core_position(Core *p, int64_t frame, bool rolls, double bpm, double beat) {
  const double before = p->bpm;
  p->bpm = bpm > 0 ? bpm : 120.0;
  const double at_block = beat - (rolls ? (double)frame * p->bpm / 60 / p->rate : 0.0);
  if (rolls != p->rolling || before != p->bpm || fabs(at_block - p->beat) > 0.01) p->until_told = 0;
  if (!rolls && p->rolling) { /* what is planned for another place is void */
    core_silence(p, frame);
    say(p, (Item){.kind = TRANSPORT, .index = 0});
  }
  /* Some hosts tell whole ticks (Ardour 1920 a beat, 12 samples at 120): while they agree, our own line goes on. */
  p->beat = rolls && p->rolling && fabs(at_block - p->beat) < TICK ? p->beat + (at_block - p->beat) / 16 : at_block;
  p->rolling = rolls;
}

static int64_t frame_of(const Core *p, const Item *note) {
  if (p->rolling && p->last[LEAD] > 0.5) return llround((note->beat - p->beat) * 60 / p->bpm * p->rate);
  return llround((double)(note->at - p->block) * 1e-9 * p->rate);
}

static void core_end(Core *p) {
  Item item;
  while (p->count < WAITING && pop(&p->from_network, &item))
    if (!item.velocity || item.at > p->now - 1000000000) p->waiting[p->count++] = item; /* the host may have slept */
  for (;;) { /* those due in this block, the earliest first; at one frame in the order they came */
    int first = -1;
    int64_t least = p->frames;
    for (int i = 0; i < p->count; i++) {
      const int64_t frame = frame_of(p, &p->waiting[i]);
      if (frame < least) least = frame, first = i;
    }
    if (first < 0) break;
    const Item note = p->waiting[first];
    if (!strike(p, least < 0 ? 0 : least, note.pitch, note.velocity)) break; /* full: in the next block */
    memmove(&p->waiting[first], &p->waiting[first + 1], (size_t)(--p->count - first) * sizeof note);
  }

  const unsigned overrun = atomic_exchange_explicit(&p->overrun, 0, memory_order_relaxed);
  const bool there = core_there(p);
  p->dropped += overrun;
  if (overrun || (p->was_there && !there)) core_silence(p, p->frames ? p->frames - 1 : 0); /* an end may be among them */
  p->was_there = there;

  if (p->rolling) {
    p->until_told -= p->frames;
    if (p->until_told <= 0) {
      p->until_told = p->rate / 10;
      say(p, (Item){.kind = TRANSPORT, .index = 1, .value = p->bpm, .beat = p->beat, .at = p->now});
    }
    p->beat += p->frames * p->bpm / 60 / p->rate;
  }
  p->block += (int64_t)(p->frames * 1e9 / p->rate);
}

/* ---- its life, in the host's main thread ---- */

static void core_reset(Core *p) {
  p->count = 0;
  p->block = 0;
  p->rolling = false;
  memset(p->sounding, 0, sizeof p->sounding);
}

static bool core_open(Core *p) {
  p->bpm = 120;
  for (int i = 0; i < CONTROLS; i++) p->last[i] = NAN;
  atomic_store(&p->player, 1);
  atomic_store(&p->port, 7707);
  p->server = lo_server_new(NULL, quiet);
  if (!p->server) return false;
  lo_server_enable_queue(p->server, 0, 1); /* bundles are handed on at once: this plugin keeps their time itself */
  /* Where the network thread is kept waiting, 0.6 s of dense notes fill the usual buffer, and UDP loses the rest. */
  setsockopt(lo_server_get_socket_fd(p->server), SOL_SOCKET, SO_RCVBUF, &(int){1 << 20}, sizeof(int));
  lo_server_add_method(p->server, NULL, NULL, heard, p);
  p->engine = lo_address_new("127.0.0.1", "7707");
  if (!pthread_create(&p->thread, NULL, network, p)) return true;
  lo_server_free(p->server);
  lo_address_free(p->engine);
  return false;
}

static void core_close(Core *p) {
  atomic_store(&p->stop, 1);
  pthread_join(p->thread, NULL);
  lo_server_free(p->server);
  lo_address_free(p->engine);
}
