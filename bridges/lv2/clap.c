/* rnnmuse as a CLAP plugin: a note effect that a player of `rnnmuse live` sits behind. What it does is in core.h.
   A prototype: it has run in the test's own host (tests/hosts/plugin_host.c), not in a DAW yet. */

#include "core.h"
#include "parameters.h"
#include <clap/clap.h>

typedef struct {
  clap_plugin_t plugin; /* first: the host's pointer is ours */
  Core core;
  Values values;
  const clap_output_events_t *out;
} Plugin;

static Plugin *of(const clap_plugin_t *plugin) { return (Plugin *)plugin; }

/* ---- the audio thread ---- */

static bool emit(void *to, int64_t frame, int pitch, int velocity) {
  const clap_event_note_t note = {
      .header = {sizeof note, (uint32_t)frame, CLAP_CORE_EVENT_SPACE_ID, velocity ? CLAP_EVENT_NOTE_ON : CLAP_EVENT_NOTE_OFF, 0},
      .note_id = -1, .port_index = 0, .channel = 0, .key = (int16_t)pitch, .velocity = velocity / 127.0};
  const clap_output_events_t *out = ((Plugin *)to)->out;
  return out->try_push(out, &note.header);
}

static void show(Plugin *p, int index, double value, uint32_t frame) {
  if (atomic_exchange_explicit(&p->values[index], value, memory_order_relaxed) == value) return;
  const clap_event_param_value_t moved = {
      .header = {sizeof moved, frame, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0},
      .param_id = (clap_id)index, .note_id = -1, .port_index = -1, .channel = -1, .key = -1, .value = value};
  p->out->try_push(p->out, &moved.header);
}

static void position(Plugin *p, const clap_event_transport_t *at, int64_t frame) {
  const double beat = at->flags & CLAP_TRANSPORT_HAS_BEATS_TIMELINE ? (double)at->song_pos_beats / CLAP_BEATTIME_FACTOR
                                                                   : core_beat(&p->core, frame);
  core_position(&p->core, frame, at->flags & CLAP_TRANSPORT_IS_PLAYING, at->flags & CLAP_TRANSPORT_HAS_TEMPO ? at->tempo : p->core.bpm, beat);
}

static void take_event(Plugin *p, const clap_event_header_t *event) {
  if (event->space_id != CLAP_CORE_EVENT_SPACE_ID) return;
  if (event->type == CLAP_EVENT_NOTE_ON || event->type == CLAP_EVENT_NOTE_OFF || event->type == CLAP_EVENT_NOTE_CHOKE) {
    const clap_event_note_t *note = (const clap_event_note_t *)event;
    const double strength = event->type == CLAP_EVENT_NOTE_ON ? fmax(1, round(note->velocity * 127)) : 0;
    if (note->key >= 0 && note->key < 128) core_note(&p->core, note->key, (int)fmin(strength, 127));
    else if (note->key < 0) core_silence(&p->core, event->time); /* every key */
  } else if (event->type == CLAP_EVENT_MIDI) {
    core_midi(&p->core, ((const clap_event_midi_t *)event)->data, event->time);
  } else if (event->type == CLAP_EVENT_PARAM_VALUE) {
    const clap_event_param_value_t *moved = (const clap_event_param_value_t *)event;
    value_set(p->values, moved->param_id, moved->value);
  } else if (event->type == CLAP_EVENT_TRANSPORT) {
    position(p, (const clap_event_transport_t *)event, event->time);
  }
}

static clap_process_status process(const clap_plugin_t *plugin, const clap_process_t *block) {
  Plugin *p = of(plugin);
  p->out = block->out_events;
  core_begin(&p->core, emit, p, block->frames_count);
  if (block->transport) position(p, block->transport, 0);
  const uint32_t count = block->in_events->size(block->in_events);
  for (uint32_t i = 0; i < count; i++) take_event(p, block->in_events->get(block->in_events, i));
  for (int i = 0; i < CONTROLS; i++) core_control(&p->core, i, atomic_load_explicit(&p->values[i], memory_order_relaxed));
  core_end(&p->core);
  const uint32_t last = block->frames_count ? block->frames_count - 1 : 0;
  show(p, STATUS, core_there(&p->core), last);
  show(p, DROPPED, p->core.dropped, last);
  return CLAP_PROCESS_CONTINUE;
}

/* ---- parameters, ports, state ---- */

static uint32_t param_count(const clap_plugin_t *plugin) { return (void)plugin, SHOWN; }

static bool param_info(const clap_plugin_t *plugin, uint32_t index, clap_param_info_t *info) {
  (void)plugin;
  if (index >= SHOWN) return false;
  const unsigned kind = RANGE[index].kind;
  const clap_param_info_flags flags = (kind & STEPPED ? CLAP_PARAM_IS_STEPPED : 0) | (kind & LIST ? CLAP_PARAM_IS_ENUM : 0) |
                                      (kind & AUTOMATED ? CLAP_PARAM_IS_AUTOMATABLE : 0) | (kind & SHOWN_ONLY ? CLAP_PARAM_IS_READONLY : 0);
  *info = (clap_param_info_t){.id = index, .flags = flags, .min_value = RANGE[index].low,
                              .max_value = RANGE[index].high, .default_value = RANGE[index].otherwise};
  snprintf(info->name, sizeof info->name, "%s", RANGE[index].name);
  return true;
}

static bool param_value(const clap_plugin_t *plugin, clap_id index, double *value) {
  if (index >= SHOWN) return false;
  *value = atomic_load(&of(plugin)->values[index]);
  return true;
}

static bool param_text(const clap_plugin_t *plugin, clap_id index, double value, char *text, uint32_t size) {
  return (void)plugin, value_text(index, value, text, size);
}

static bool param_from_text(const clap_plugin_t *plugin, clap_id index, const char *text, double *value) {
  return (void)plugin, value_from_text(index, text, value);
}

static void param_flush(const clap_plugin_t *plugin, const clap_input_events_t *in, const clap_output_events_t *out) {
  (void)out;
  const uint32_t count = in->size(in);
  for (uint32_t i = 0; i < count; i++) {
    const clap_event_header_t *event = in->get(in, i);
    if (event->space_id == CLAP_CORE_EVENT_SPACE_ID && event->type == CLAP_EVENT_PARAM_VALUE) take_event(of(plugin), event);
  }
}

static const clap_plugin_params_t PARAMS = {param_count, param_info, param_value, param_text, param_from_text, param_flush};

static uint32_t port_count(const clap_plugin_t *plugin, bool input) { return (void)plugin, (void)input, 1; }

static bool port_info(const clap_plugin_t *plugin, uint32_t index, bool input, clap_note_port_info_t *info) {
  (void)plugin;
  if (index) return false;
  *info = (clap_note_port_info_t){.id = input ? 0 : 1, .preferred_dialect = CLAP_NOTE_DIALECT_CLAP,
                                  .supported_dialects = input ? CLAP_NOTE_DIALECT_CLAP | CLAP_NOTE_DIALECT_MIDI : CLAP_NOTE_DIALECT_CLAP};
  snprintf(info->name, sizeof info->name, input ? "In" : "Out");
  return true;
}

static const clap_plugin_note_ports_t PORTS = {port_count, port_info};

static bool save(const clap_plugin_t *plugin, const clap_ostream_t *stream) {
  char text[STATE_SIZE];
  const int length = state_write(of(plugin)->values, text);
  for (int at = 0; at < length;) {
    const int64_t written = stream->write(stream, text + at, (uint64_t)(length - at));
    if (written <= 0) return false;
    at += (int)written;
  }
  return true;
}

static bool load(const clap_plugin_t *plugin, const clap_istream_t *stream) {
  char text[4096];
  int64_t length = 0, got;
  while (length < (int64_t)sizeof text - 1 && (got = stream->read(stream, text + length, sizeof text - 1 - (uint64_t)length)) > 0) length += got;
  text[length] = 0;
  return state_read(of(plugin)->values, text);
}

static const clap_plugin_state_t STATE = {save, load};

static const void *extension(const clap_plugin_t *plugin, const char *id) {
  (void)plugin;
  return !strcmp(id, CLAP_EXT_PARAMS) ? (const void *)&PARAMS : !strcmp(id, CLAP_EXT_NOTE_PORTS) ? (const void *)&PORTS
         : !strcmp(id, CLAP_EXT_STATE) ? (const void *)&STATE : NULL;
}

/* ---- the plugin's life ---- */

static bool init(const clap_plugin_t *plugin) { return core_open(&of(plugin)->core); }

static void destroy(const clap_plugin_t *plugin) {
  if (of(plugin)->core.server) core_close(&of(plugin)->core);
  free(of(plugin));
}

static bool activate(const clap_plugin_t *plugin, double rate, uint32_t least, uint32_t most) {
  (void)least, (void)most;
  of(plugin)->core.rate = rate;
  core_reset(&of(plugin)->core);
  return true;
}

static void nothing(const clap_plugin_t *plugin) { (void)plugin; }
static bool start(const clap_plugin_t *plugin) { return (void)plugin, true; }
static void reset(const clap_plugin_t *plugin) { core_reset(&of(plugin)->core); }

static const char *const FEATURES[] = {CLAP_PLUGIN_FEATURE_NOTE_EFFECT, NULL};
static const clap_plugin_descriptor_t DESCRIPTOR = {
    .clap_version = CLAP_VERSION_INIT, .id = "rnnmuse.player", .name = "rnnmuse", .vendor = "rnnmuse", .url = "", .manual_url = "",
    .support_url = "", .version = "0.1", .description = "A player of rnnmuse live: hears the notes of the track and plays its own.",
    .features = FEATURES};

static uint32_t plugin_count(const clap_plugin_factory_t *factory) { return (void)factory, 1; }

static const clap_plugin_descriptor_t *descriptor(const clap_plugin_factory_t *factory, uint32_t index) {
  return (void)factory, index ? NULL : &DESCRIPTOR;
}

static const clap_plugin_t *create(const clap_plugin_factory_t *factory, const clap_host_t *host, const char *id) {
  (void)factory;
  if (strcmp(id, DESCRIPTOR.id) || !clap_version_is_compatible(host->clap_version)) return NULL;
  Plugin *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->plugin = (clap_plugin_t){&DESCRIPTOR, p, init, destroy, activate, nothing, start, nothing, reset, process, extension, nothing};
  p->core.rate = 48000;
  values_reset(p->values);
  return &p->plugin;
}

static const clap_plugin_factory_t FACTORY = {plugin_count, descriptor, create};
static bool entry_init(const char *path) { return (void)path, true; }
static void entry_deinit(void) {}
static const void *factory(const char *id) { return strcmp(id, CLAP_PLUGIN_FACTORY_ID) ? NULL : &FACTORY; }

CLAP_EXPORT const clap_plugin_entry_t clap_entry = {CLAP_VERSION_INIT, entry_init, entry_deinit, factory};
