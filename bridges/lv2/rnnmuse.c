/* rnnmuse as an LV2 plugin: a MIDI effect that a player of `rnnmuse live` sits behind. What it does is in core.h. */

#include "core.h"
#include <lv2/atom/atom.h>
#include <lv2/atom/forge.h>
#include <lv2/atom/util.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/time/time.h>
#include <lv2/urid/urid.h>

enum { IN, OUT, FIRST_CONTROL };

typedef struct {
  Core core;
  const LV2_Atom_Sequence *in;
  LV2_Atom_Sequence *out;
  uint32_t capacity;
  float *ports[SHOWN];
  double per_bar;
  struct { LV2_URID midi, sequence, object, blank, position, speed, bpm, bar, bar_beat, per_bar, f32, f64, i32, i64; } id;
} Plugin;

static bool emit(void *to, int64_t frame, int pitch, int velocity) {
  Plugin *p = to;
  struct { LV2_Atom_Event event; uint8_t data[8]; } out;
  out.event.time.frames = frame;
  out.event.body.type = p->id.midi;
  out.event.body.size = 3;
  uint8_t *bytes = (uint8_t *)(&out.event + 1);
  bytes[0] = velocity ? 0x90 : 0x80;
  bytes[1] = (uint8_t)pitch;
  bytes[2] = (uint8_t)velocity;
  return lv2_atom_sequence_append_event(p->out, p->capacity, &out.event) != NULL;
}

static double number(const Plugin *p, const LV2_Atom *atom, double otherwise) {
  if (!atom) return otherwise;
  if (atom->type == p->id.f32) return ((const LV2_Atom_Float *)atom)->body;
  if (atom->type == p->id.f64) return ((const LV2_Atom_Double *)atom)->body;
  if (atom->type == p->id.i32) return ((const LV2_Atom_Int *)atom)->body;
  if (atom->type == p->id.i64) return (double)((const LV2_Atom_Long *)atom)->body;
  return otherwise;
}

static void position(Plugin *p, const LV2_Atom_Object *object, int64_t frame) {
  const LV2_Atom *speed = NULL, *bpm = NULL, *bar = NULL, *bar_beat = NULL, *per_bar = NULL;
  lv2_atom_object_get(object, p->id.speed, &speed, p->id.bpm, &bpm, p->id.bar, &bar, p->id.bar_beat, &bar_beat,
                      p->id.per_bar, &per_bar, 0);
  p->per_bar = number(p, per_bar, p->per_bar);
  const double beat = bar_beat ? number(p, bar, 0) * p->per_bar + number(p, bar_beat, 0) : core_beat(&p->core, frame);
  core_position(&p->core, frame, number(p, speed, p->core.rolling) != 0.0, number(p, bpm, p->core.bpm), beat);
}

static void run(LV2_Handle handle, uint32_t frames) {
  Plugin *p = handle;
  p->capacity = p->out->atom.size;
  lv2_atom_sequence_clear(p->out);
  p->out->atom.type = p->id.sequence;
  core_begin(&p->core, emit, p, frames);
  for (int i = 0; i < CONTROLS; i++) core_control(&p->core, i, *p->ports[i]);
  LV2_ATOM_SEQUENCE_FOREACH(p->in, event) {
    if (event->body.type == p->id.midi && event->body.size == 3) {
      core_midi(&p->core, (const uint8_t *)(event + 1), event->time.frames);
    } else if (event->body.type == p->id.object || event->body.type == p->id.blank) {
      const LV2_Atom_Object *object = (const LV2_Atom_Object *)&event->body;
      if (object->body.otype == p->id.position) position(p, object, event->time.frames);
    }
  }
  core_end(&p->core);
  *p->ports[STATUS] = core_there(&p->core) ? 1.0f : 0.0f;
  *p->ports[DROPPED] = (float)p->core.dropped;
}

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *path, const LV2_Feature *const *features) {
  (void)descriptor, (void)path;
  LV2_URID_Map *map = NULL;
  for (int i = 0; features[i]; i++)
    if (!strcmp(features[i]->URI, LV2_URID__map)) map = features[i]->data;
  if (!map) return NULL;
  Plugin *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->core.rate = rate;
  p->per_bar = 4;
#define ID(uri) map->map(map->handle, uri)
  p->id.midi = ID(LV2_MIDI__MidiEvent), p->id.sequence = ID(LV2_ATOM__Sequence);
  p->id.object = ID(LV2_ATOM__Object), p->id.blank = ID(LV2_ATOM__Blank), p->id.position = ID(LV2_TIME__Position);
  p->id.speed = ID(LV2_TIME__speed), p->id.bpm = ID(LV2_TIME__beatsPerMinute), p->id.bar = ID(LV2_TIME__bar);
  p->id.bar_beat = ID(LV2_TIME__barBeat), p->id.per_bar = ID(LV2_TIME__beatsPerBar);
  p->id.f32 = ID(LV2_ATOM__Float), p->id.f64 = ID(LV2_ATOM__Double), p->id.i32 = ID(LV2_ATOM__Int), p->id.i64 = ID(LV2_ATOM__Long);
  if (core_open(&p->core)) return p;
  free(p);
  return NULL;
}

static void connect_port(LV2_Handle handle, uint32_t index, void *data) {
  Plugin *p = handle;
  if (index == IN) p->in = data;
  else if (index == OUT) p->out = data;
  else if (index - FIRST_CONTROL < SHOWN) p->ports[index - FIRST_CONTROL] = data;
}

static void activate(LV2_Handle handle) { core_reset(&((Plugin *)handle)->core); }

static void cleanup(LV2_Handle handle) {
  core_close(&((Plugin *)handle)->core);
  free(handle);
}

static const LV2_Descriptor DESCRIPTOR = {"urn:rnnmuse:player", instantiate, connect_port, activate, run, NULL, cleanup, NULL};

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index) { return index ? NULL : &DESCRIPTOR; }
