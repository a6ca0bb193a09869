/* A CLAP plugin in plugin_host.cpp; the headers are those that DPF has. */

#include "distrho/src/clap/entry.h"
#include "distrho/src/clap/plugin-factory.h"
#include "distrho/src/clap/ext/params.h"
#include "distrho/src/clap/ext/gui.h"
#include "distrho/src/clap/ext/state.h"
#include "distrho/src/clap/ext/timer-support.h"

struct Clap : Format {
  void* library = nullptr;
  const clap_plugin_entry_t* entry = nullptr;
  const clap_plugin_t* plugin = nullptr;
  const clap_plugin_params_t* params = nullptr;
  int64_t steady = 0;

  static bool add_timer(const clap_host_t* host, uint32_t, clap_id* id) { return static_cast<Clap*>(host->host_data)->timed = true, *id = 1, true; }
  static bool remove_timer(const clap_host_t* host, clap_id) { return static_cast<Clap*>(host->host_data)->timed = false, true; }
  static bool resize(const clap_host_t*, uint32_t, uint32_t) { return true; }
  static const void* extension(const clap_host_t*, const char* id) {
    static const clap_host_timer_support_t timers = {add_timer, remove_timer};
    static const clap_host_gui_t gui = {nothing, resize, [](const clap_host_t*) { return true; }, [](const clap_host_t*) { return true; }, [](const clap_host_t*, bool) {}};
    return !std::strcmp(id, CLAP_EXT_TIMER_SUPPORT) ? static_cast<const void*>(&timers) : !std::strcmp(id, CLAP_EXT_GUI) ? &gui : nullptr;
  }
  bool timed = false;
  const clap_plugin_gui_t* gui = nullptr;
  static void nothing(const clap_host_t*) {}
  clap_host_t host = {CLAP_VERSION_INIT, nullptr, "plugin_host", "", "", "1", extension, nothing, nothing, nothing};

  struct In { union { clap_event_header_t header; clap_event_midi_t midi; clap_event_param_value_t param; }; } events[128];
  uint32_t count = 0;

  static uint32_t size(const clap_input_events_t* list) { return static_cast<Clap*>(list->ctx)->count; }
  static const clap_event_header_t* get(const clap_input_events_t* list, uint32_t index) { return &static_cast<Clap*>(list->ctx)->events[index].header; }
  static bool push(const clap_output_events_t*, const clap_event_header_t* event) {
    if (event->space_id != CLAP_CORE_EVENT_SPACE_ID) return false;
    if (event->type == CLAP_EVENT_MIDI) {
      const auto* midi = reinterpret_cast<const clap_event_midi_t*>(event);
      return block.leave(event->time, midi->data[0], midi->data[1], midi->data[2]);
    }
    if (event->type == CLAP_EVENT_PARAM_VALUE) {
      const auto* param = reinterpret_cast<const clap_event_param_value_t*>(event);
      if (param->param_id < 64) shown[param->param_id] = param->value;
      if (param->param_id < rnnmuse::kInputs) say("param %.6f %d %d %d\n", param->value, static_cast<int>(param->param_id), 0, 0);
    }
    return true;
  }
  static void say(const char* format, double a, int b, int c, int d);

  bool load(const char* file) override {
    host.host_data = this;
    library = dlopen(file, RTLD_NOW);
    if (!library) return std::fprintf(stderr, "%s\n", dlerror()), false;
    entry = static_cast<const clap_plugin_entry_t*>(dlsym(library, "clap_entry"));
    if (!entry || !entry->init(file)) return false;
    const auto* factory = static_cast<const clap_plugin_factory_t*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    const clap_plugin_descriptor_t* about = factory->get_plugin_descriptor(factory, 0);
    plugin = factory->create_plugin(factory, &host, about->id);
    if (!plugin || !plugin->init(plugin)) return false;
    params = static_cast<const clap_plugin_params_t*>(plugin->get_extension(plugin, CLAP_EXT_PARAMS));
    return params != nullptr;
  }
  void activate(double rate, uint32_t most) override {
    plugin->activate(plugin, rate, 1, most);
    plugin->start_processing(plugin);
  }
  void process() override {
    clap_event_transport_t at = {};
    at.header = {sizeof at, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, 0};
    at.flags = CLAP_TRANSPORT_HAS_TEMPO | CLAP_TRANSPORT_HAS_BEATS_TIMELINE | CLAP_TRANSPORT_HAS_TIME_SIGNATURE | (block.playing ? CLAP_TRANSPORT_IS_PLAYING : 0);
    at.song_pos_beats = static_cast<int64_t>(std::llround(block.beat * CLAP_BEATTIME_FACTOR));
    at.tempo = block.bpm;
    at.tsig_num = static_cast<uint16_t>(block.numerator), at.tsig_denom = static_cast<uint16_t>(block.denominator);
    const double bar = 4.0 * block.numerator / block.denominator;
    at.bar_start = static_cast<int64_t>(std::llround(std::floor(block.beat / bar) * bar * CLAP_BEATTIME_FACTOR));
    count = 0;
    for (int i = 0; i < block.count_points; i++) {
      events[count].param = {{sizeof(clap_event_param_value_t), 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0},
                             block.points[i].index, nullptr, -1, -1, -1, -1, block.points[i].value};
      count++;
    }
    for (int i = 0; i < block.count_in; i++) {
      events[count].midi = {{sizeof(clap_event_midi_t), block.in[i].frame, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, 0},
                            0, {block.in[i].bytes[0], block.in[i].bytes[1], block.in[i].bytes[2]}};
      count++;
    }
    const clap_input_events_t in = {this, size, get};
    const clap_output_events_t out = {this, push};
    const clap_process_t now = {steady, block.frames, &at, nullptr, nullptr, 0, 0, &in, &out};
    plugin->process(plugin, &now);
    steady += block.frames;
  }
  void deactivate() override {
    plugin->stop_processing(plugin);
    plugin->deactivate(plugin);
  }
  std::string save() override {
    const auto* state = static_cast<const clap_plugin_state_t*>(plugin->get_extension(plugin, CLAP_EXT_STATE));
    std::string out;
    const clap_ostream_t stream = {&out, [](const clap_ostream_t* to, const void* data, uint64_t size) -> int64_t {
      const uint64_t some = size < 7 ? size : 7; /* a few bytes at a time, as it may */
      static_cast<std::string*>(to->ctx)->append(static_cast<const char*>(data), some);
      return static_cast<int64_t>(some);
    }};
    return state && state->save(plugin, &stream) ? out : "";
  }
  bool restore(const std::string& text) override {
    const auto* state = static_cast<const clap_plugin_state_t*>(plugin->get_extension(plugin, CLAP_EXT_STATE));
    std::pair<const std::string*, size_t> from(&text, 0);
    const clap_istream_t stream = {&from, [](const clap_istream_t* in, void* data, uint64_t size) -> int64_t {
      auto* source = static_cast<std::pair<const std::string*, size_t>*>(in->ctx);
      const size_t left = source->first->size() - source->second, some = left < size ? left : size;
      std::memcpy(data, source->first->data() + source->second, some);
      source->second += some;
      return static_cast<int64_t>(some);
    }};
    return state && state->load(plugin, &stream);
  }
  void list() override {
    char text[256];
    find_presets();
    for (uint32_t i = 0; i < params->count(plugin); i++) {
      clap_param_info_t info;
      params->get_info(plugin, i, &info);
      double value = 0, back = -1;
      params->get_value(plugin, info.id, &value);
      params->value_to_text(plugin, info.id, info.max_value, text, sizeof text);
      params->text_to_value(plugin, info.id, text, &back);
      std::printf("parameter %u|%s|%s|%g|%g|%g|%g|%s|%d|%u\n", info.id, info.name, info.module, info.min_value, info.max_value, info.default_value,
                  value, text, std::fabs(back - info.max_value) < 1e-3, info.flags);
    }
  }
  /* every preset of the discovery: CLAP 1.2's own structures, as the plugin declares them too */
  std::vector<std::string> presets;
  void find_presets() {
    struct Receiver {
      std::vector<std::string>* keys;
      void (*on_error)(const Receiver*, int32_t, const char*);
      bool (*begin)(const Receiver*, const char*, const char*);
      void (*plugin)(const Receiver*, const void*);
      void (*soundpack)(const Receiver*, const char*);
      void (*flags)(const Receiver*, uint32_t);
      void (*creator)(const Receiver*, const char*);
      void (*description)(const Receiver*, const char*);
      void (*timestamps)(const Receiver*, uint64_t, uint64_t);
      void (*feature)(const Receiver*, const char*);
      void (*extra)(const Receiver*, const char*, const char*);
    };
    struct Location { uint32_t flags; const char* name; uint32_t kind; const char* location; };
    struct Indexer {
      clap_version_t version;
      const char *name, *vendor, *url, *number;
      void* data;
      bool (*filetype)(const Indexer*, const void*);
      bool (*location)(const Indexer*, const Location*);
      bool (*soundpack)(const Indexer*, const void*);
      const void* (*extension)(const Indexer*, const char*);
    };
    struct Provider {
      const void *about; void* data;
      bool (*init)(const Provider*);
      void (*destroy)(const Provider*);
      bool (*metadata)(const Provider*, uint32_t, const char*, const Receiver*);
      const void* (*extension)(const Provider*, const char*);
    };
    struct About { clap_version_t version; const char *id, *name, *vendor; };
    struct Factory {
      uint32_t (*count)(const Factory*);
      const About* (*about)(const Factory*, uint32_t);
      const Provider* (*create)(const Factory*, const Indexer*, const char*);
    };
    const auto* made = static_cast<const Factory*>(entry->get_factory("clap.preset-discovery-factory/2"));
    if (!made) return;
    for (uint32_t i = 0; i < made->count(made); i++) {
      int locations = 0;
      const Indexer indexer = {CLAP_VERSION, "plugin_host", "", "", "1", &locations, [](const Indexer*, const void*) { return true; },
                               [](const Indexer* self, const Location* at) { return ++*static_cast<int*>(self->data), at->kind == 1 && !at->location; },
                               [](const Indexer*, const void*) { return true; }, [](const Indexer*, const char*) -> const void* { return nullptr; }};
      const Provider* provider = made->create(made, &indexer, made->about(made, i)->id);
      const Receiver receiver = {&presets, [](const Receiver*, int32_t, const char*) {},
                                 [](const Receiver* self, const char* name, const char* key) {
                                   std::printf("preset %zu|%s|%s\n", self->keys->size(), name, key);
                                   return self->keys->push_back(key), true;
                                 },
                                 [](const Receiver*, const void*) {}, [](const Receiver*, const char*) {}, [](const Receiver*, uint32_t) {},
                                 [](const Receiver*, const char*) {}, [](const Receiver*, const char*) {}, [](const Receiver*, uint64_t, uint64_t) {},
                                 [](const Receiver*, const char*) {}, [](const Receiver*, const char*, const char*) {}};
      if (provider->init(provider) && locations == 1) provider->metadata(provider, 1, nullptr, &receiver);
      provider->destroy(provider);
    }
  }
  bool preset(int number) override {
    struct Load { bool (*from)(const clap_plugin_t*, uint32_t, const char*, const char*); };
    const auto* load = static_cast<const Load*>(plugin->get_extension(plugin, "clap.preset-load/2"));
    if (presets.empty()) find_presets();
    return load && number < static_cast<int>(presets.size()) && load->from(plugin, 1, nullptr, presets[static_cast<size_t>(number)].c_str()) &&
           !load->from(plugin, 1, nullptr, "none of ours");
  }
  double value(unsigned index) override {
    double found = -1;
    return params->get_value(plugin, index, &found) ? found : -1;
  }
  bool show(double scale, uint32_t width, uint32_t height) override {
    gui = static_cast<const clap_plugin_gui_t*>(plugin->get_extension(plugin, CLAP_EXT_GUI));
    if (!gui || !gui->create(plugin, CLAP_WINDOW_API_X11, true)) return false;
    if (scale > 0) gui->set_scale(plugin, scale);
    const bool shown_now = gui->show(plugin);
    if (width) gui->set_size(plugin, width, height);
    return shown_now;
  }
  void idle() override {
    const auto* timers = static_cast<const clap_plugin_timer_support_t*>(plugin->get_extension(plugin, CLAP_EXT_TIMER_SUPPORT));
    if (gui && timed && timers) timers->on_timer(plugin, 1);
  }
  void unload() override {
    if (gui) gui->destroy(plugin);
    plugin->destroy(plugin);
    entry->deinit();
    dlclose(library);
  }
};

static void say(const char* format, double a, int b, int c, int d);
void Clap::say(const char* format, double a, int b, int c, int d) { ::say(format, a, b, c, d); }
