/* The plugin's two threads, under the thread sanitizer: blocks, values and the window's reads against a stage that answers.

   plugin_threads PORT SECONDS */

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "../../bridges/plugin/link.hpp"

using namespace rnnmuse;

int main(int count, char** words) {
  if (count < 3) return 2;
  static char room[32];
  std::snprintf(room, sizeof room, "RNNMUSE_PORT=%s", words[1]);
  putenv(room);
  static char none[] = "RNNMUSE_ENGINE=none";
  putenv(none);
  auto* link = new Link;
  link->open();
  std::atomic<bool> done{false};
  std::thread window([&] {
    while (!done) {
      {
        const std::lock_guard<std::mutex> hold(link->lock);
        volatile size_t seen = link->planned.size() + link->played.size();
        (void)seen;
      }
      link->values[kDensity] = static_cast<float>(link->timeline.played.load() % 8);
      std::this_thread::sleep_for(std::chrono::milliseconds(7));
    }
  });
  long notes = 0;
  std::thread audio([&] {
    double beat = 0;
    const int64_t end = now_ns() + static_cast<int64_t>(std::atof(words[2]) * 1e9);
    for (long n = 0; now_ns() < end; n++) {
      Place place;
      place.known = place.metre = true, place.bpm = 120, place.beat = beat;
      place.playing = n > 150 && n % 600 < 500;
      link->timeline.process(256, now_ns(), &place, 1, nullptr, 0, n % 1200 > 900, [&](uint32_t, const uint8_t* data, uint8_t) { return notes += (data[0] & 0xF0) == 0x90, true; },
                             [&](double horizon) { for (int i = 0; i < 100 && link->timeline.horizon() < horizon; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
      beat = place.playing ? std::fmod(beat + 256 * 2 / 48000.0, 7) : 0;
      std::this_thread::sleep_for(std::chrono::microseconds(5300));
    }
  });
  audio.join();
  done = true;
  window.join();
  link->close();
  std::printf("notes %ld\n", notes);
  delete link;
}
