/* What a host can automate: names, ranges and units, and the OSC address of each. */

#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rnnmuse {

enum Index {
  kPlayer, kModel, kMode, kFreeze,
  kKey, kScale, kChord, kLow, kHigh, kPolyphony,
  kTemperature, kTopP, kDensity, kRepeat, kMemory, kSeed,
  kVelocity, kHumanise, kExpression, kSwing,
  kX, kY, kVary,
  kLeads, kThru, kBypass,
  kInputs, kStatus = kInputs, kDropped, kCount
};

enum Group { kPlaying, kHarmony, kChance, kFeel, kPad, kHost, kGroups };
inline constexpr const char* kGroupNames[kGroups] = {"Player", "Harmony", "Music", "Feel", "Pad", "Host"};

enum Kind { kReal, kWhole, kSwitch, kList };

struct ParameterRow {
  const char *name, *symbol, *unit;
  float low, high, normal;
  Kind kind;
  Group group;
  const char* address; /* a word of a player, or a whole address; null for what the plugin itself does */
};

inline constexpr const char* kModels[] = {"lieder", "piano", "leadsheet", "grooves", "band", "phrases", "beats"};
inline constexpr const char* kModes[] = {"off", "free", "continue", "answer", "accompany", "hold", "loop", "harmonise"};
inline constexpr const char* kRoots[] = {"C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"};
inline constexpr const char* kScales[] = {
    "the key's own", "major", "minor", "harmonic minor", "melodic minor", "dorian", "phrygian", "lydian", "mixolydian",
    "locrian", "phrygian dominant", "lydian dominant", "altered", "harmonic major", "hungarian minor", "pentatonic",
    "minor pentatonic", "blues", "major blues", "whole tone", "diminished"};
inline constexpr const char* kQualities[] = {"", "m", "7", "maj7", "m7", "dim", "sus4", "6"};
inline constexpr const char* kStatuses[] = {"looking for rnnmuse", "starting rnnmuse", "connected", "rnnmuse is not installed",
                                            "rnnmuse did not start", "all 16 players are taken"};
enum Status { kLooking, kStarting, kConnected, kNotInstalled, kFailed, kNoPlayer };

constexpr int kKeyCount = 25, kChordCount = 1 + 12 * 8;
template <class T, int N>
constexpr int size_of(const T (&)[N]) { return N; }

inline constexpr ParameterRow kRows[kCount] = {
    {"Player", "player", "", 0, 16, 0, kWhole, kPlaying, nullptr},
    {"Model", "model", "", 0, size_of(kModels) - 1, 0, kList, kPlaying, "model"},
    {"Mode", "mode", "", 0, size_of(kModes) - 1, 1, kList, kPlaying, "mode"},
    {"Freeze", "freeze", "", 0, 1, 0, kSwitch, kPlaying, nullptr},
    {"Key", "key", "", 0, kKeyCount - 1, 0, kList, kHarmony, "param/key"},
    {"Scale", "scale", "", 0, size_of(kScales) - 1, 0, kList, kHarmony, "param/scale"},
    {"Chord", "chord", "", 0, kChordCount - 1, 0, kList, kHarmony, "param/chord"},
    {"Lowest note", "low", "", 0, 127, 0, kWhole, kHarmony, "param/low"},
    {"Highest note", "high", "", 0, 127, 127, kWhole, kHarmony, "param/high"},
    {"Polyphony", "polyphony", "", 0, 16, 0, kWhole, kHarmony, "param/polyphony"},
    {"Temperature", "temperature", "", 0, 5, 1, kReal, kChance, "param/temperature"},
    {"Top p", "top_p", "", 0, 1, 0, kReal, kChance, "param/top_p"},
    {"Density", "density", "notes a beat", 0, 24, 0, kReal, kChance, "param/density"},
    {"Repeat", "repeat", "", 0, 1, 0.5f, kReal, kChance, "param/repeat"},
    {"Memory", "memory", "beats", 0, 64, 16, kReal, kChance, "param/memory"},
    {"Seed", "seed", "", 0, 9999, 1, kWhole, kChance, "param/seed"},
    {"Velocity", "velocity", "x", 0, 2, 1, kReal, kFeel, "param/velocity"},
    {"Humanise", "humanise", "x", 0, 2, 1, kReal, kFeel, "param/humanise"},
    {"Expression", "expression", "x", 0, 2, 1, kReal, kFeel, "param/expression"},
    {"Swing", "swing", "", 0.5f, 0.75f, 0.5f, kReal, kFeel, "/rnnmuse/transport/swing"},
    {"Pad x", "x", "", 0, 1, 0.5f, kReal, kPad, "latent/x"},
    {"Pad y", "y", "", 0, 1, 0.5f, kReal, kPad, "latent/y"},
    {"Vary", "vary", "", 0, 1, 0, kReal, kPad, "latent/vary"},
    {"Host leads", "lead", "", 0, 1, 1, kSwitch, kHost, nullptr},
    {"Thru", "thru", "", 0, 1, 1, kSwitch, kHost, nullptr},
    {"Bypass", "bypass", "", 0, 1, 0, kSwitch, kHost, nullptr},
    {"Status", "status", "", 0, size_of(kStatuses) - 1, 0, kList, kHost, nullptr},
    {"Dropped", "dropped", "", 0, 1000000, 0, kWhole, kHost, nullptr},
};

/* The text of a value that is one of a list. */
inline const char* list_text(int index, int value, char* text, size_t size) {
  const auto pick = [&](const auto& names) { return value >= 0 && value < size_of(names) ? names[value] : ""; };
  switch (index) {
    case kModel: return pick(kModels);
    case kMode: return pick(kModes);
    case kScale: return pick(kScales);
    case kStatus: return pick(kStatuses);
    case kKey:
      if (value <= 0 || value >= kKeyCount) return "any key";
      std::snprintf(text, size, "%s %s", kRoots[(value - 1) % 12], value <= 12 ? "major" : "minor");
      return text;
    case kChord:
      if (value <= 0 || value >= kChordCount) return "no chord";
      std::snprintf(text, size, "%s%s", kRoots[(value - 1) / 8], kQualities[(value - 1) % 8]);
      return text;
  }
  return "";
}

/* What is sent for it: the first of key, scale and chord is an empty text. */
inline const char* list_word(int index, int value, char* text, size_t size) {
  if ((index == kKey || index == kScale || index == kChord) && value <= 0) return "";
  return list_text(index, value, text, size);
}

inline int list_value(int index, const char* word) {
  char text[32];
  for (int value = 0; value <= static_cast<int>(kRows[index].high); value++)
    if (!std::strcmp(list_word(index, value, text, sizeof text), word)) return value;
  return -1;
}

}  // namespace rnnmuse
