/* An LV2 plugin in plugin_host.cpp. */

#include <lv2/atom/forge.h>
#include <lv2/atom/util.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <lv2/time/time.h>
#include <lv2/urid/urid.h>
#include <lv2/worker/worker.h>

#include <map>

struct Lv2 : Format {
  void* library = nullptr;
  const LV2_Descriptor* about = nullptr;
  LV2_Handle plugin = nullptr;
  std::map<std::string, LV2_URID> ids;
  LV2_URID_Map map = {this, [](LV2_URID_Map_Handle self, const char* uri) -> LV2_URID {
    auto& all = static_cast<Lv2*>(self)->ids;
    return all.emplace(uri, static_cast<LV2_URID>(all.size() + 1)).first->second;
  }};
  LV2_URID id(const char* uri) { return map.map(map.handle, uri); }
  alignas(8) uint8_t in[65536], out[65536];
  float ports[64] = {};
  LV2_Atom_Forge forge;
  LV2_URID midi = 0, position = 0, speed = 0, bpm = 0, bar = 0, bar_beat = 0, per_bar = 0, unit = 0;
  std::map<LV2_URID, std::string> kept;
  static constexpr int kParameters = rnnmuse::kCount;

  bool load(const char* file) override {
    library = dlopen(file, RTLD_NOW);
    if (!library) return std::fprintf(stderr, "%s\n", dlerror()), false;
    using Describe = const LV2_Descriptor* (*)(uint32_t);
    about = reinterpret_cast<Describe>(dlsym(library, "lv2_descriptor"))(0);
    midi = id(LV2_MIDI__MidiEvent), position = id(LV2_TIME__Position), speed = id(LV2_TIME__speed), bpm = id(LV2_TIME__beatsPerMinute);
    bar = id(LV2_TIME__bar), bar_beat = id(LV2_TIME__barBeat), per_bar = id(LV2_TIME__beatsPerBar), unit = id(LV2_TIME__beatUnit);
    return true;
  }
  void activate(double rate, uint32_t most) override {
    if (plugin) return about->activate(plugin); /* LV2's rate is that of the instance */
    const int32_t size = static_cast<int32_t>(most);
    const float single = static_cast<float>(rate);
    LV2_Options_Option options[] = {{LV2_OPTIONS_INSTANCE, 0, id(LV2_BUF_SIZE__maxBlockLength), sizeof size, id(LV2_ATOM__Int), &size},
                                    {LV2_OPTIONS_INSTANCE, 0, id("http://lv2plug.in/ns/ext/parameters#sampleRate"), sizeof single, id(LV2_ATOM__Float), &single},
                                    {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, nullptr}};
    LV2_Worker_Schedule worker = {this, [](LV2_Worker_Schedule_Handle, uint32_t, const void*) { return LV2_WORKER_SUCCESS; }};
    const LV2_Feature features[] = {{LV2_URID__map, &map}, {LV2_OPTIONS__options, options}, {LV2_BUF_SIZE__boundedBlockLength, nullptr}, {LV2_WORKER__schedule, &worker}};
    const LV2_Feature* list[] = {&features[0], &features[1], &features[2], &features[3], nullptr};
    plugin = about->instantiate(about, rate, "", list);
    about->connect_port(plugin, 0, in);
    about->connect_port(plugin, 1, out);
    for (uint32_t i = 0; i < kParameters; i++) about->connect_port(plugin, 2 + i, &ports[i]);
    for (int i = 0; i < kParameters; i++) ports[i] = rnnmuse::kRows[i].normal;
    ports[rnnmuse::kBypass] = 1; /* lv2:enabled is the bypass turned round */
    lv2_atom_forge_init(&forge, &map);
    about->activate(plugin);
  }
  void prepare() override {
    LV2_Atom_Forge_Frame sequence, object;
    lv2_atom_forge_set_buffer(&forge, in, sizeof in);
    lv2_atom_forge_sequence_head(&forge, &sequence, 0);
    lv2_atom_forge_frame_time(&forge, 0);
    lv2_atom_forge_object(&forge, &object, 0, position);
    const double quarter = 4.0 / block.denominator, length = block.numerator * quarter, whole = std::floor(block.beat / length + 1e-9);
    lv2_atom_forge_key(&forge, speed), lv2_atom_forge_float(&forge, block.playing);
    lv2_atom_forge_key(&forge, bpm), lv2_atom_forge_float(&forge, static_cast<float>(block.bpm / quarter));
    lv2_atom_forge_key(&forge, per_bar), lv2_atom_forge_float(&forge, static_cast<float>(block.numerator));
    lv2_atom_forge_key(&forge, unit), lv2_atom_forge_int(&forge, block.denominator);
    lv2_atom_forge_key(&forge, bar), lv2_atom_forge_long(&forge, static_cast<int64_t>(whole));
    lv2_atom_forge_key(&forge, bar_beat), lv2_atom_forge_double(&forge, (block.beat - whole * length) / quarter);
    lv2_atom_forge_pop(&forge, &object);
    for (int i = 0; i < block.count_in; i++) {
      lv2_atom_forge_frame_time(&forge, block.in[i].frame);
      lv2_atom_forge_atom(&forge, 3, midi);
      lv2_atom_forge_write(&forge, block.in[i].bytes, 3);
    }
    lv2_atom_forge_pop(&forge, &sequence);
    for (int i = 0; i < block.count_points; i++) ports[block.points[i].index] = static_cast<float>(block.points[i].value);
    auto* leaving = reinterpret_cast<LV2_Atom_Sequence*>(out);
    leaving->atom.size = sizeof out - sizeof(LV2_Atom);
  }
  void process() override {
    auto* leaving = reinterpret_cast<LV2_Atom_Sequence*>(out);
    about->run(plugin, block.frames);
    LV2_ATOM_SEQUENCE_FOREACH(leaving, event) {
      if (event->body.type != midi) continue;
      const auto* bytes = reinterpret_cast<const uint8_t*>(event + 1);
      block.leave(static_cast<uint32_t>(event->time.frames), bytes[0], bytes[1], bytes[2]);
    }
    for (int i = rnnmuse::kInputs; i < kParameters; i++) shown[i] = static_cast<double>(ports[i]);
  }
  void deactivate() override { about->deactivate(plugin); }
  std::string save() override {
    const auto* state = static_cast<const LV2_State_Interface*>(about->extension_data(LV2_STATE__interface));
    if (!state) return "";
    kept.clear();
    state->save(plugin, [](LV2_State_Handle self, uint32_t key, const void* value, size_t size, uint32_t, uint32_t) {
      static_cast<Lv2*>(self)->kept[key] = std::string(static_cast<const char*>(value), size);
      return LV2_STATE_SUCCESS;
    }, this, 0, nullptr);
    return "kept";
  }
  bool restore(const std::string&) override { return true; }
  struct Programs {
    struct About { uint32_t bank, program; const char* name; };
    const About* (*get)(LV2_Handle, uint32_t);
    void (*select)(LV2_Handle, uint32_t, uint32_t);
  };
  void list() override {
    activate(48000, 4096);
    const auto* programs = static_cast<const Programs*>(about->extension_data("http://kxstudio.sf.net/ns/lv2ext/programs#Interface"));
    for (uint32_t i = 0; const Programs::About* one = programs ? programs->get(plugin, i) : nullptr; i++) std::printf("preset %u|%s\n", i, one->name);
    deactivate();
    about->cleanup(plugin);
    plugin = nullptr;
  }
  bool preset(int number) override {
    const auto* programs = static_cast<const Programs*>(about->extension_data("http://kxstudio.sf.net/ns/lv2ext/programs#Interface"));
    if (!programs || !programs->get(plugin, static_cast<uint32_t>(number))) return false;
    programs->select(plugin, 0, static_cast<uint32_t>(number));
    return true;
  }
  double value(unsigned index) override { return static_cast<double>(ports[index]); }
  void unload() override { about->cleanup(plugin), dlclose(library); }
};
