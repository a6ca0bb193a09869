/* The factory presets. They leave the player, the harmony, the seed, the swing and what is the host's as they are. */

#pragma once

#include "parameters.hpp"

namespace rnnmuse {

struct Setting {
  int index;
  float value;
};

struct Preset {
  const char *name, *key, *about, *feature; /* key: how a host names it in a project; feature: a word for its browser */
  Setting settings[8];                      /* the others of `kPresetParameters` are as usual */
  int count;
};

inline constexpr int kPresetParameters[] = {kModel, kMode, kFreeze, kLow, kHigh, kPolyphony, kTemperature, kTopP, kDensity, kRepeat,
                                            kMemory, kVelocity, kHumanise, kExpression, kX, kY, kVary};

inline constexpr Preset kPresets[] = {
    {"Default", "default", "Songs for voice and piano", "melody", {}, 0},
    {"Solo Piano", "solo-piano", "Plays the piano by itself", "piano", {{kModel, 1}}, 1},
    {"Quiet Piano", "quiet-piano", "Few, soft notes", "piano", {{kModel, 1}, {kDensity, 1.5f}, {kVelocity, 0.7f}, {kTemperature, 0.9f}}, 4},
    {"Lead Sheet", "lead-sheet", "A melody with chords", "melody", {{kModel, 2}}, 1},
    {"Drummer", "drummer", "A drum kit that keeps time", "drum", {{kModel, 3}}, 1},
    {"Jam Band", "jam-band", "Drums, bass and more", "band", {{kModel, 4}}, 1},
    {"Call and Response", "call-and-response", "Answers each phrase that you play", "melody", {{kModel, 2}, {kMode, 3}}, 2},
    {"Finish My Phrase", "finish-my-phrase", "Goes on where you stop, until you play again", "piano", {{kModel, 1}, {kMode, 2}}, 2},
    {"Piano Accompaniment", "piano-accompaniment", "Accompanies what you sing or play", "piano", {{kModel, 0}, {kMode, 4}}, 2},
    {"Backing Band", "backing-band", "A band beneath what you play", "band", {{kModel, 4}, {kMode, 4}}, 2},
    {"Harmoniser", "harmoniser", "Chords beneath your melody, two a bar", "chord", {{kModel, 0}, {kMode, 7}}, 2},
    {"Melody Pad", "melody-pad", "Melodies of four bars that the pad forms", "melody", {{kModel, 5}, {kVary, 0.25f}}, 2},
    {"Beat Pad", "beat-pad", "Drum patterns that the pad forms", "drum", {{kModel, 6}, {kVary, 0.25f}}, 2},
};
inline constexpr int kPresetCount = size_of(kPresets);

inline float preset_value(int preset, int index) {
  for (int i = 0; i < kPresets[preset].count; i++)
    if (kPresets[preset].settings[i].index == index) return kPresets[preset].settings[i].value;
  return kRows[index].normal;
}

inline int preset_by_key(const char* key) {
  for (int i = 0; key && i < kPresetCount; i++)
    if (!std::strcmp(kPresets[i].key, key)) return i;
  return -1;
}

/* The preset that values are, or -1. */
template <class Value>
int preset_of(Value value) {
  for (int i = 0; i < kPresetCount; i++) {
    bool same = true;
    for (const int index : kPresetParameters) {
      const float off = value(index) - preset_value(i, index);
      same = same && off < 1e-4f && off > -1e-4f;
    }
    if (same) return i;
  }
  return -1;
}

}  // namespace rnnmuse
