/* What the host says of its time, in full, put before DPF's own source of each format.

   DPF 1.6 hands on bars, beats and ticks: without the bar line of CLAP, wrong in 7/8 (VST3) and in 6/8 (CLAP), a bar early
   at the end of each bar and with every change moved to the block's beginning (LV2), and without VST3's and CLAP's word
   that the host renders offline. So where DPF sets its position, the format's own is read too: `setTimePosition` is a macro
   for what follows it here. */

#pragma once

#include "link.hpp" /* before DPF's headers, see Plugin.hpp */

#include "src/DistrhoPluginInternal.hpp"

namespace rnnmuse {

/* Places of one block, as the host says them. */
struct HostTime {
  static constexpr int kMost = 64;
  Place places[kMost];
  Place last; /* LV2 says only what has changed */
  int count = 0;
  bool offline = false;

  void add(const Place& place) {
    if (count < kMost) places[count++] = place;
  }
};

HostTime& host_time(void* plugin);
bool any_changed(void* plugin); /* once for each change */
float changed_value(void* plugin, unsigned index, bool& changed);

}  // namespace rnnmuse

#if defined(DISTRHO_PLUGIN_TARGET_CLAP)
#include "src/clap/entry.h"
#include "src/clap/plugin-factory.h"
#include "src/clap/ext/audio-ports.h"
#include "src/clap/ext/latency.h"
#include "src/clap/ext/gui.h"
#include "src/clap/ext/note-ports.h"
#include "src/clap/ext/params.h"
#include "src/clap/ext/state.h"
#include "src/clap/ext/thread-check.h"
#include "src/clap/ext/timer-support.h"

namespace rnnmuse {

inline Place place_of(const clap_event_transport_t* at, uint32_t frame) {
  Place out;
  out.frame = frame;
  out.playing = (at->flags & CLAP_TRANSPORT_IS_PLAYING) && !(at->flags & CLAP_TRANSPORT_IS_WITHIN_PRE_ROLL);
  out.bpm = at->flags & CLAP_TRANSPORT_HAS_TEMPO ? at->tempo : 0;
  out.known = at->flags & CLAP_TRANSPORT_HAS_BEATS_TIMELINE;
  out.beat = static_cast<double>(at->song_pos_beats) / CLAP_BEATTIME_FACTOR;
  out.metre = out.known && (at->flags & CLAP_TRANSPORT_HAS_TIME_SIGNATURE);
  out.numerator = at->tsig_num, out.denominator = at->tsig_denom;
  out.bar = static_cast<double>(at->bar_start) / CLAP_BEATTIME_FACTOR;
  return out;
}

/* The block's places; values that rnnmuse changed go out to the host. */
inline void hear(void* plugin, const clap_process_t* block) {
  HostTime& time = host_time(plugin);
  time.count = 0;
  if (block->transport) time.add(place_of(block->transport, 0));
  const uint32_t count = block->in_events ? block->in_events->size(block->in_events) : 0;
  for (uint32_t i = 0; i < count; i++) {
    const clap_event_header_t* event = block->in_events->get(block->in_events, i);
    if (event->space_id == CLAP_CORE_EVENT_SPACE_ID && event->type == CLAP_EVENT_TRANSPORT)
      time.add(place_of(reinterpret_cast<const clap_event_transport_t*>(event), event->time));
  }
  if (!block->out_events || !any_changed(plugin)) return;
  for (unsigned i = 0; i < kInputs; i++) {
    bool changed = false;
    const float value = changed_value(plugin, i, changed);
    if (!changed) continue;
    clap_event_param_value_t out = {{sizeof(clap_event_param_value_t), 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0},
                                    i, nullptr, -1, -1, -1, -1, static_cast<double>(value)};
    block->out_events->try_push(block->out_events, &out.header);
  }
}

}  // namespace rnnmuse

/* A transport event is no MIDI event: DPF prints that from the audio thread. */
#undef DISTRHO_SAFE_ASSERT_UINT2_BREAK
#define DISTRHO_SAFE_ASSERT_UINT2_BREAK(condition, first, second) if (!(condition)) break;
#define setTimePosition(position) setTimePosition(position), rnnmuse::hear(fPlugin.getInstancePointer(), process)

#elif defined(DISTRHO_PLUGIN_TARGET_VST3)
#include "src/travesty/audio_processor.h"

namespace rnnmuse {

inline void hear(void* plugin, const v3_process_data* block) {
  HostTime& time = host_time(plugin);
  time.count = 0;
  time.offline = block->process_mode == V3_OFFLINE;
  const v3_process_context* at = block->ctx;
  if (!at) return;
  Place out;
  out.playing = at->state & V3_PROCESS_CTX_PLAYING;
  out.bpm = at->state & V3_PROCESS_CTX_TEMPO_VALID ? at->bpm : 0;
  out.known = at->state & V3_PROCESS_CTX_PROJECT_TIME_VALID;
  out.beat = at->project_time_quarters;
  out.metre = out.known && (at->state & V3_PROCESS_CTX_TIME_SIG_VALID);
  out.numerator = at->time_sig_numerator, out.denominator = at->time_sig_denom;
  const double bar = out.denominator > 0 ? 4.0 * out.numerator / out.denominator : 4.0;
  out.bar = at->state & V3_PROCESS_CTX_BAR_POSITION_VALID ? at->bar_position_quarters : bar > 0 ? std::floor(out.beat / bar) * bar : 0;
  time.add(out);
}

}  // namespace rnnmuse

#define setTimePosition(position) setTimePosition(position), rnnmuse::hear(fPlugin.getInstancePointer(), data)

#elif defined(DISTRHO_PLUGIN_TARGET_LV2)
#include "src/lv2/atom.h"
#include "src/lv2/atom-util.h"

namespace rnnmuse {

template <class Uris>
double number(const LV2_Atom* atom, const Uris& ids, double otherwise) {
  if (!atom) return otherwise;
  if (atom->type == ids.atomDouble) return reinterpret_cast<const LV2_Atom_Double*>(atom)->body;
  if (atom->type == ids.atomFloat) return reinterpret_cast<const LV2_Atom_Float*>(atom)->body;
  if (atom->type == ids.atomInt) return reinterpret_cast<const LV2_Atom_Int*>(atom)->body;
  if (atom->type == ids.atomLong) return static_cast<double>(reinterpret_cast<const LV2_Atom_Long*>(atom)->body);
  return otherwise;
}

template <class Uris>
void hear(void* plugin, const LV2_Atom_Event* event, const Uris& ids) {
  const LV2_Atom_Object* object = reinterpret_cast<const LV2_Atom_Object*>(&event->body);
  const LV2_Atom *bar = nullptr, *bar_beat = nullptr, *unit = nullptr, *per_bar = nullptr, *bpm = nullptr, *speed = nullptr;
  LV2_ATOM_OBJECT_FOREACH(object, property) { /* in one pass: lv2_atom_object_get compares each with each */
    const LV2_Atom* const value = &property->value;
    if (property->key == ids.timeBar) bar = value;
    else if (property->key == ids.timeBarBeat) bar_beat = value;
    else if (property->key == ids.timeBeatUnit) unit = value;
    else if (property->key == ids.timeBeatsPerBar) per_bar = value;
    else if (property->key == ids.timeBeatsPerMinute) bpm = value;
    else if (property->key == ids.timeSpeed) speed = value;
  }
  HostTime& time = host_time(plugin);
  Place out = time.last;
  out.frame = static_cast<uint32_t>(event->time.frames < 0 ? 0 : event->time.frames);
  if (speed) out.playing = number(speed, ids, 0) != 0;
  out.numerator = static_cast<int>(std::lround(number(per_bar, ids, out.numerator)));
  out.denominator = static_cast<int>(std::lround(number(unit, ids, out.denominator)));
  out.metre = per_bar != nullptr && bar != nullptr;
  out.known = bar_beat != nullptr;
  const double quarter = out.denominator > 0 ? 4.0 / out.denominator : 1;
  if (bpm) out.bpm = number(bpm, ids, 120) * quarter;
  out.bar = number(bar, ids, 0) * number(per_bar, ids, out.numerator) * quarter;
  out.beat = out.bar + number(bar_beat, ids, 0) * quarter;
  time.last = out;
  time.add(out);
}

}  // namespace rnnmuse
#endif /* LV2's call is in dpf.sed */

#include "HostPresets.hpp"
