/* What was just played, written as a MIDI file of one track, and the folder shown. */

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "link.hpp"

#ifdef _WIN32
#include <direct.h>
#include <shellapi.h>
#else
#include <sys/stat.h>
#endif

namespace rnnmuse {

inline void make_folder(const std::string& path) {
  for (size_t at = 1; at <= path.size(); at++)
    if (at == path.size() || path[at] == '/' || path[at] == '\\') {
#ifdef _WIN32
      _mkdir(path.substr(0, at).c_str());
#else
      ::mkdir(path.substr(0, at).c_str(), 0777);
#endif
    }
}

inline std::string midi_file(std::vector<Shown> notes, double bpm) {
  struct Event { double beat; bool on; Shown note; };
  std::vector<Event> events;
  std::sort(notes.begin(), notes.end(), [](const Shown& a, const Shown& b) { return a.beat < b.beat; });
  const double first = notes.empty() ? 0 : std::max(0.0, std::floor(notes.front().beat / 4) * 4);
  for (const Shown& note : notes) {
    events.push_back({note.beat, true, note});
    events.push_back({note.end > note.beat ? note.end : note.beat + 0.25, false, note});
  }
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.beat < b.beat || (a.beat == b.beat && a.on < b.on); });
  std::string track;
  const auto number = [&](uint32_t value) { /* variable length */
    char bytes[5];
    int count = 0;
    do bytes[count++] = static_cast<char>(value & 127), value >>= 7;
    while (value);
    while (count--) track += static_cast<char>(bytes[count] | (count ? 0x80 : 0));
  };
  const auto tempo = static_cast<uint32_t>(60e6 / bpm + 0.5);
  track += std::string("\0\xFF\x51\x03", 4);
  for (int shift = 16; shift >= 0; shift -= 8) track += static_cast<char>(tempo >> shift & 255);
  uint32_t last = 0;
  for (const Event& event : events) {
    const auto tick = static_cast<uint32_t>(std::max(0.0, (event.beat - first) * 960) + 0.5);
    number(tick > last ? tick - last : 0);
    last = std::max(last, tick);
    track += static_cast<char>((event.on ? 0x90 : 0x80) | event.note.channel);
    track += static_cast<char>(event.note.pitch);
    track += static_cast<char>(event.on ? event.note.velocity : 0);
  }
  track += std::string("\0\xFF\x2F\0", 4);
  std::string out("MThd\0\0\0\6\0\0\0\1\x03\xC0MTrk", 18);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(track.size() >> shift & 255);
  return out + track;
}

/* Writes the file into the takes' folder, opens the folder; the file's name, or empty. */
inline std::string save_take(const std::vector<Shown>& notes, double bpm) {
  const char* slash = data_folder().find('\\') == std::string::npos ? "/" : "\\";
  const std::string folder = data_folder() + slash + "takes";
  make_folder(folder);
  char name[64];
  const std::time_t now = std::time(nullptr);
  std::strftime(name, sizeof name, "take-%Y%m%d-%H%M%S.mid", std::localtime(&now));
  const std::string path = folder + slash + name;
  std::FILE* file = std::fopen(path.c_str(), "wbx"); /* never over another */
  if (!file) return "";
  const std::string data = midi_file(notes, bpm);
  const bool written = std::fwrite(data.data(), 1, data.size(), file) == data.size();
  std::fclose(file);
  if (!written) return "";
  if (std::getenv("RNNMUSE_NO_FOLDER")) return path;
#if defined _WIN32
  ShellExecuteA(nullptr, "open", folder.c_str(), nullptr, nullptr, SW_SHOWNORMAL);
#elif defined __APPLE__
  start_program({"/usr/bin/open", folder});
#else
  start_program({"xdg-open", folder});
#endif
  return path;
}

}  // namespace rnnmuse
