/* The presets and the groups of parameters where DPF 1.6 does not hand them to the host: CLAP's preset discovery and
   loading, VST3's units with their program list. `dpf.sed` puts the calls into DPF's own source. LV2's presets are DPF's. */

#pragma once

#include "presets.hpp"

#if defined(DISTRHO_PLUGIN_TARGET_CLAP)

namespace rnnmuse {

/* CLAP 1.2: factory/preset-discovery.h and ext/preset-load.h, which DPF 1.6 does not have. */
struct ClapPluginId { const char *abi, *id; };
struct ClapReceiver {
  void* data;
  void(CLAP_ABI* on_error)(const ClapReceiver*, int32_t, const char*);
  bool(CLAP_ABI* begin_preset)(const ClapReceiver*, const char* name, const char* key);
  void(CLAP_ABI* add_plugin_id)(const ClapReceiver*, const ClapPluginId*);
  void(CLAP_ABI* set_soundpack_id)(const ClapReceiver*, const char*);
  void(CLAP_ABI* set_flags)(const ClapReceiver*, uint32_t);
  void(CLAP_ABI* add_creator)(const ClapReceiver*, const char*);
  void(CLAP_ABI* set_description)(const ClapReceiver*, const char*);
  void(CLAP_ABI* set_timestamps)(const ClapReceiver*, uint64_t, uint64_t);
  void(CLAP_ABI* add_feature)(const ClapReceiver*, const char*);
  void(CLAP_ABI* add_extra_info)(const ClapReceiver*, const char*, const char*);
};
struct ClapFiletype { const char *name, *description, *extension; };
struct ClapLocation {
  uint32_t flags;
  const char* name;
  uint32_t kind;
  const char* location;
};
struct ClapSoundpack;
struct ClapIndexer {
  clap_version_t version;
  const char *name, *vendor, *url, *number;
  void* data;
  bool(CLAP_ABI* declare_filetype)(const ClapIndexer*, const ClapFiletype*);
  bool(CLAP_ABI* declare_location)(const ClapIndexer*, const ClapLocation*);
  bool(CLAP_ABI* declare_soundpack)(const ClapIndexer*, const ClapSoundpack*);
  const void*(CLAP_ABI* get_extension)(const ClapIndexer*, const char*);
};
struct ClapProviderAbout {
  clap_version_t version;
  const char *id, *name, *vendor;
};
struct ClapProvider {
  const ClapProviderAbout* about;
  void* data;
  bool(CLAP_ABI* init)(const ClapProvider*);
  void(CLAP_ABI* destroy)(const ClapProvider*);
  bool(CLAP_ABI* get_metadata)(const ClapProvider*, uint32_t kind, const char* location, const ClapReceiver*);
  const void*(CLAP_ABI* get_extension)(const ClapProvider*, const char*);
};
struct ClapPresetFactory {
  uint32_t(CLAP_ABI* count)(const ClapPresetFactory*);
  const ClapProviderAbout*(CLAP_ABI* get_descriptor)(const ClapPresetFactory*, uint32_t);
  const ClapProvider*(CLAP_ABI* create)(const ClapPresetFactory*, const ClapIndexer*, const char*);
};
struct ClapPresetLoad { bool(CLAP_ABI* from_location)(const clap_plugin_t*, uint32_t kind, const char* location, const char* key); };

constexpr uint32_t kInPlugin = 1, kFactoryContent = 1;

inline const ClapProviderAbout& preset_provider() {
  static const ClapProviderAbout about = {CLAP_VERSION, "rnnmuse.presets", "rnnmuse", "rnnmuse"};
  return about;
}

inline CLAP_ABI bool declare_presets(const ClapProvider* self) {
  const auto* indexer = static_cast<const ClapIndexer*>(self->data);
  const ClapLocation here = {kFactoryContent, "rnnmuse", kInPlugin, nullptr};
  return indexer->declare_location(indexer, &here);
}

inline CLAP_ABI bool tell_presets(const ClapProvider*, uint32_t kind, const char*, const ClapReceiver* to) {
  if (kind != kInPlugin) return false;
  static const ClapPluginId plugin = {"clap", DISTRHO_PLUGIN_CLAP_ID};
  for (const Preset& preset : kPresets) {
    if (!to->begin_preset(to, preset.name, preset.key)) return true;
    to->add_plugin_id(to, &plugin);
    to->add_creator(to, DISTRHO_PLUGIN_BRAND);
    to->set_description(to, preset.about);
    to->add_feature(to, preset.feature);
  }
  return true;
}

inline const void* preset_factory(const char* id) {
  static const ClapPresetFactory factory = {
      [](const ClapPresetFactory*) -> uint32_t { return 1; },
      [](const ClapPresetFactory*, uint32_t index) { return index ? nullptr : &preset_provider(); },
      [](const ClapPresetFactory*, const ClapIndexer* indexer, const char* wanted) -> const ClapProvider* {
        if (!wanted || std::strcmp(wanted, preset_provider().id)) return nullptr;
        return new ClapProvider{&preset_provider(), const_cast<ClapIndexer*>(indexer), declare_presets,
                                [](const ClapProvider* self) { delete self; }, tell_presets,
                                [](const ClapProvider*, const char*) -> const void* { return nullptr; }};
      }};
  return !std::strcmp(id, "clap.preset-discovery-factory/2") || !std::strcmp(id, "clap.preset-discovery-factory/draft-2") ? &factory : nullptr;
}

/* A preset is loaded as a state that holds nothing but its number: DPF then tells the host and the window. */
inline CLAP_ABI bool load_preset(const clap_plugin_t* plugin, uint32_t kind, const char*, const char* key) {
  const int number = preset_by_key(key);
  const auto* state = static_cast<const clap_plugin_state_t*>(plugin->get_extension(plugin, CLAP_EXT_STATE));
  if (kind != kInPlugin || number < 0 || !state) return false;
  struct Text {
    char bytes[40];
    uint64_t size, at;
  } text = {};
  text.size = static_cast<uint64_t>(std::snprintf(text.bytes, sizeof text.bytes, "__dpf_program__%c%d%c\xfe", 0, number, 0)) + 1;
  const clap_istream_t stream = {&text, [](const clap_istream_t* from, void* data, uint64_t size) -> int64_t {
    auto* source = static_cast<Text*>(from->ctx);
    const uint64_t left = source->size - source->at, some = left < size ? left : size;
    std::memcpy(data, source->bytes + source->at, some);
    source->at += some;
    return static_cast<int64_t>(some);
  }};
  return state->load(plugin, &stream);
}

inline const void* preset_load(const char* id) {
  static const ClapPresetLoad load = {load_preset};
  return !std::strcmp(id, "clap.preset-load/2") || !std::strcmp(id, "clap.preset-load.draft/2") ? &load : nullptr;
}

}  // namespace rnnmuse

#elif defined(DISTRHO_PLUGIN_TARGET_VST3)
#include "src/travesty/unit.h"

namespace rnnmuse {

constexpr int32_t kPresetList = 1;

inline void put_wide(v3_str_128 to, const char* text) {
  int at = 0;
  for (; text[at] && at < 127; at++) to[at] = static_cast<int16_t>(text[at]);
  to[at] = 0;
}

/* The unit of a parameter: one a group, the host's own in the root. */
inline int32_t unit_of(uint32_t index) { return index < kInputs ? kRows[index].group + 1 : 0; }

struct Units : v3_unit_information_cpp {
  Units() {
    query_interface = [](void* self, const v3_tuid iid, void** found) -> v3_result {
      const bool ours = v3_tuid_match(iid, v3_funknown_iid) || v3_tuid_match(iid, v3_unit_information_iid);
      *found = ours ? self : nullptr;
      return ours ? V3_OK : V3_NO_INTERFACE;
    };
    ref = unref = [](void*) -> uint32_t { return 1; }; /* it is there as long as the library */
    unit.get_unit_count = [](void*) -> int32_t { return 1 + kGroups; };
    unit.get_unit_info = [](void*, int32_t index, v3_unit_info* out) -> v3_result {
      if (index < 0 || index > kGroups) return V3_INVALID_ARG;
      out->id = index, out->parent_unit_id = index ? 0 : -1, out->program_list_id = index ? -1 : kPresetList;
      put_wide(out->name, index ? kGroupNames[index - 1] : "rnnmuse");
      return V3_OK;
    };
    unit.get_program_list_count = [](void*) -> int32_t { return 1; };
    unit.get_program_list_info = [](void*, int32_t index, v3_program_list_info* out) -> v3_result {
      if (index) return V3_INVALID_ARG;
      out->id = kPresetList, out->programCount = kPresetCount;
      put_wide(out->name, "Presets");
      return V3_OK;
    };
    unit.get_program_name = [](void*, int32_t list, int32_t index, v3_str_128 name) -> v3_result {
      if (list != kPresetList || index < 0 || index >= kPresetCount) return V3_INVALID_ARG;
      put_wide(name, kPresets[index].name);
      return V3_OK;
    };
    unit.get_program_info = [](void*, int32_t, int32_t, const char*, v3_str_128) -> v3_result { return V3_NOT_IMPLEMENTED; };
    unit.has_program_pitch_names = [](void*, int32_t, int32_t) -> v3_result { return V3_FALSE; };
    unit.get_program_pitch_name = [](void*, int32_t, int32_t, int16_t, v3_str_128) -> v3_result { return V3_NOT_IMPLEMENTED; };
    unit.get_selected_unit = [](void*) -> int32_t { return 0; };
    unit.select_unit = [](void*, int32_t) -> v3_result { return V3_OK; };
    unit.get_unit_by_bus = [](void*, int32_t, int32_t, int32_t, int32_t, int32_t* out) -> v3_result { return *out = 0, V3_OK; };
    unit.set_unit_program_data = [](void*, int32_t, int32_t, v3_bstream**) -> v3_result { return V3_NOT_IMPLEMENTED; };
  }
};

inline bool units(const v3_tuid iid, void** found) {
  if (!v3_tuid_match(iid, v3_unit_information_iid)) return false;
  static Units one;
  static Units* at = &one;
  *found = &at;
  return true;
}

}  // namespace rnnmuse
#endif
