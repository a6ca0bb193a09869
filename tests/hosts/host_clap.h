/* A CLAP plugin in plugin_host.c. */

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
