/* The plugin as DPF and the window see it. */

#pragma once

#include "link.hpp" /* first: DPF has a strncpy of its own, over which Windows' headers stumble */

#include "DistrhoPlugin.hpp"

#include "HostTime.hpp"
#include "presets.hpp"

START_NAMESPACE_DISTRHO

class MusePlugin : public Plugin {
 public:
  MusePlugin();
  ~MusePlugin() override;

  rnnmuse::Link link;
  rnnmuse::HostTime time;

  bool takeChanged(uint32_t index, float& value) {
    if (index >= rnnmuse::kInputs || !link.moved[index].exchange(false, std::memory_order_relaxed)) return false;
    value = link.values[index].load(std::memory_order_relaxed);
    return true;
  }

 protected:
  const char* getLabel() const override { return "rnnmuse"; }
  const char* getMaker() const override { return "rnnmuse"; }
  const char* getDescription() const override { return "Plays along, answers, continues: a player of rnnmuse in the track."; }
  const char* getLicense() const override { return "Apache-2.0"; }
  uint32_t getVersion() const override { return d_version(0, 2, 0); }
  int64_t getUniqueId() const override { return d_cconst('m', 'u', 's', 'e'); }

  void initParameter(uint32_t index, Parameter& parameter) override;
  void initPortGroup(uint32_t group, PortGroup& port) override;
  void initState(uint32_t index, State& state) override;
  void initProgramName(uint32_t index, String& name) override { name = index < rnnmuse::kPresetCount ? rnnmuse::kPresets[index].name : ""; }
  void loadProgram(uint32_t index) override;
  float getParameterValue(uint32_t index) const override;
  void setParameterValue(uint32_t index, float value) override;
  String getState(const char* key) const override;
  void setState(const char* key, const char* value) override;
  void activate() override;
  void run(const float** inputs, float** outputs, uint32_t frames, const MidiEvent* events, uint32_t count) override;
  void sampleRateChanged(double rate) override { link.timeline.set_rate(rate); }

 private:
  bool faster(uint32_t frames, int64_t now);

  rnnmuse::Midi in_[1024];
  int64_t since_ = 0, waited_ = 0;
  double passed_ = 0;
  bool fast_ = false;
};

END_NAMESPACE_DISTRHO
