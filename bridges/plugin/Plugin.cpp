/* rnnmuse as a plugin: a note effect that a player of rnnmuse sits behind. LV2, VST3 and CLAP are made of it by DPF. */

#include "Plugin.hpp"

namespace rnnmuse {

HostTime& host_time(void* plugin) { return static_cast<DISTRHO_NAMESPACE::MusePlugin*>(plugin)->time; }

bool any_changed(void* plugin) { return static_cast<DISTRHO_NAMESPACE::MusePlugin*>(plugin)->link.any_moved(); }

float changed_value(void* plugin, unsigned index, bool& changed) {
  float value = 0;
  changed = static_cast<DISTRHO_NAMESPACE::MusePlugin*>(plugin)->takeChanged(index, value);
  return value;
}

}  // namespace rnnmuse

START_NAMESPACE_DISTRHO

using namespace rnnmuse;

MusePlugin::MusePlugin() : Plugin(kCount, kPresetCount, 1) {
  link.timeline.set_rate(getSampleRate());
  if (!isDummyInstance()) link.open();
}

MusePlugin::~MusePlugin() { link.close(); }

void MusePlugin::initParameter(uint32_t index, Parameter& parameter) {
  const ParameterRow& row = kRows[index];
  parameter.name = row.name, parameter.symbol = row.symbol, parameter.unit = row.unit;
  parameter.ranges.min = row.low, parameter.ranges.max = row.high, parameter.ranges.def = row.normal;
  parameter.groupId = row.group;
  parameter.hints = index < kInputs ? kParameterIsAutomatable : kParameterIsOutput;
  if (index == kPlayer) parameter.description = "0 takes a free one";
  if (index == kBypass) {
    parameter.initDesignation(kParameterDesignationBypass);
    parameter.groupId = row.group;
    return;
  }
  if (row.kind == kSwitch) parameter.hints |= kParameterIsBoolean | kParameterIsInteger;
  if (row.kind == kWhole || row.kind == kList) parameter.hints |= kParameterIsInteger;
  if (row.kind != kList) return;
  const int count = static_cast<int>(row.high) + 1;
  ParameterEnumerationValue* const values = new ParameterEnumerationValue[count];
  char text[32];
  for (int i = 0; i < count; i++) values[i].value = static_cast<float>(i), values[i].label = list_text(static_cast<int>(index), i, text, sizeof text);
  parameter.enumValues.count = static_cast<uint8_t>(count);
  parameter.enumValues.restrictedMode = true;
  parameter.enumValues.values = values;
}

void MusePlugin::initPortGroup(uint32_t group, PortGroup& port) {
  static const char* const symbols[kGroups] = {"playing", "harmony", "music", "feel", "pad", "host"};
  if (group < kGroups) port.name = kGroupNames[group], port.symbol = symbols[group];
}

void MusePlugin::initState(uint32_t, State& state) {
  state.key = "model", state.label = "A model by its name", state.defaultValue = "";
  state.description = "A model that is not in the list, such as one of your own";
}

float MusePlugin::getParameterValue(uint32_t index) const {
  if (index == kDropped) return static_cast<float>(link.timeline.dropped.load(std::memory_order_relaxed));
  return index < kCount ? link.values[index].load(std::memory_order_relaxed) : 0;
}

void MusePlugin::setParameterValue(uint32_t index, float value) {
  if (index >= kInputs || std::isnan(value)) return;
  const ParameterRow& row = kRows[index];
  value = value < row.low ? row.low : value > row.high ? row.high : value;
  link.values[index].store(row.kind == kReal ? value : std::round(value), std::memory_order_relaxed);
  if (index == kThru) link.timeline.thru.store(value > 0.5f, std::memory_order_relaxed);
  if (index == kBypass) link.timeline.bypass.store(value > 0.5f, std::memory_order_relaxed);
}

String MusePlugin::getState(const char*) const {
  Link& mine = const_cast<Link&>(link);
  const std::lock_guard<std::mutex> hold(mine.lock);
  return String(mine.model_name.c_str());
}

void MusePlugin::setState(const char* key, const char* value) {
  if (!std::strcmp(key, "model")) link.set_model(value);
}

void MusePlugin::loadProgram(uint32_t index) {
  if (index >= kPresetCount) return;
  link.set_model("");
  for (const int one : kPresetParameters) {
    setParameterValue(static_cast<uint32_t>(one), preset_value(static_cast<int>(index), one));
    link.move(one);
  }
}

void MusePlugin::activate() {
  link.timeline.set_rate(getSampleRate());
  link.timeline.reset();
  since_ = 0, fast_ = false;
}

/* Whether blocks come clearly faster than they last: a quarter of a second of sound in less than a third of that, until it takes
   most of its time again. What was waited for the engine does not count. */
bool MusePlugin::faster(uint32_t frames, int64_t now) {
  if (!since_) since_ = now, passed_ = 0, waited_ = 0;
  const double took = static_cast<double>(now - since_ - waited_) * 1e-9;
  if (passed_ > 0.25) {
    fast_ = took < passed_ * (fast_ ? 0.8 : 1.0 / 3);
    since_ = now, passed_ = 0, waited_ = 0;
  }
  passed_ += frames / getSampleRate();
  return fast_;
}

void MusePlugin::run(const float**, float**, uint32_t frames, const MidiEvent* events, uint32_t count) {
  int heard = 0;
  for (uint32_t i = 0; i < count && heard < 1024; i++) {
    const MidiEvent& event = events[i];
    if (!event.size || event.size > 3 || event.data[0] < 0x80) continue;
    in_[heard++] = {event.frame < frames ? event.frame : frames - 1, static_cast<uint8_t>(event.size), {event.data[0], event.data[1], event.data[2]}};
  }
  const int64_t now = now_ns();
  const bool fast = faster(frames, now);
  const auto write = [this](uint32_t frame, const uint8_t* data, uint8_t size) {
    MidiEvent out;
    out.frame = frame, out.size = size, out.dataExt = nullptr;
    std::memcpy(out.data, data, 3);
    return writeMidiEvent(out);
  };
  /* Only where the host renders offline: it waits for the engine. */
  const auto wait = [this](double end) {
    const int64_t began = now_ns(), most = 5 * kSecond;
    while (link.timeline.horizon() < end && link.timeline.there.load(std::memory_order_relaxed) && now_ns() - began < most)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    waited_ += now_ns() - began;
  };
  link.timeline.process(frames, now, time.places, time.count, in_, heard, time.offline || fast, write, wait);
  time.count = 0;
#if !defined(RNNMUSE_NO_REQUESTS)
  for (uint32_t i = 0; i < kInputs && (i || link.any_moved()); i++) {
    float value;
    if (link.moved[i].load(std::memory_order_relaxed) && takeChanged(i, value)) requestParameterValueChange(i, value);
  }
#endif
}

Plugin* createPlugin() { return new MusePlugin; }

END_NAMESPACE_DISTRHO
