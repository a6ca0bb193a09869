/* The plugin's Timeline under a host's transport, without a format or a network.

   plugin_timeline SEED JUMPS [late], or plugin_timeline two for two processes of a host

   A stage of its own plans a note on every beat, two beats ahead of what it was told, and hears of everything up to 20 ms
   late ("late": 60). The transport loops over 1 to 16 beats, jumps to random places, starts, stops, changes tempo and metre
   inside blocks of 1 to 4096 frames at 44.1 to 192 kHz. Counted are: beats without their note (missing), notes that lie
   more than a sample off their beat (off), notes without an end (open), ends that do not lie on the frame of a jump or
   stop (hung), events outside their block or out of order (outside). */

#include <cstdio>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "../../bridges/plugin/timeline.hpp"

using namespace rnnmuse;

static std::mt19937 dice;
static int below(int n) { return static_cast<int>(dice() % static_cast<unsigned>(n)); }
static double real(double low, double high) { return low + (high - low) * (dice() / 4294967296.0); }

struct Stage {
  Timeline& line;
  struct Due { double at; Notice notice; };
  std::deque<Due> mail;
  double planned = 0;

  void plan_to(double beat) {
    for (; planned < beat; planned += 1) {
      const uint8_t pitch = static_cast<uint8_t>(36 + static_cast<long>(planned) % 48);
      line.from_stage.push({Order::On, 3, pitch, 100, planned});
      line.from_stage.push({Order::Off, 3, pitch, 0, planned + 0.9});
    }
  }

  void work(double now, double latency) {
    Notice notice;
    while (line.to_stage.pop(notice)) mail.push_back({now + latency, notice});
    while (!mail.empty() && mail.front().at <= now) {
      const Notice said = mail.front().notice;
      mail.pop_front();
      if (said.kind == Notice::Stop || said.kind == Notice::Cue) {
        line.from_stage.push({Order::Recall, 0, 0, 0, 0});
        line.from_stage.push({Order::End, 0, 0, 0, 0});
      }
      if (said.kind == Notice::Cue) {
        planned = std::ceil(said.a - 1e-9);
        plan_to(said.a + 2);
      }
      if (said.kind == Notice::Roll) plan_to(said.a + 2.25);
    }
  }
};

/* Two processes of one host: one loops and leads, the other begins while it rolls and hears only where the plan stands.
   From the second beat after that on both play the same notes on the same frames. */
static int two_processes() {
  auto a = std::make_unique<Timeline>(), b = std::make_unique<Timeline>();
  Timeline::Shared of_a, of_b;
  a->there = b->there = a->leader = b->leader = true;
  a->shared = &of_a, b->shared = &of_b;
  const auto plan_all = [](Timeline& line) {
    for (int n = 0; n < 60; n++) {
      line.from_stage.push({Order::On, 0, static_cast<uint8_t>(36 + n), 100, static_cast<double>(n)});
      line.from_stage.push({Order::Off, 0, static_cast<uint8_t>(36 + n), 0, n + 0.5});
    }
  };
  double beat = 4, told = -1;
  int differ = 0, same = 0, since = -1;
  for (int block = 0; block < 6000; block++) {
    Place place;
    place.known = place.metre = true, place.playing = block > 40, place.beat = beat;
    std::vector<uint32_t> notes[2];
    const auto run = [&](Timeline& line, int which) {
      line.process(128, block * 2666667LL, &place, 1, nullptr, 0, false, [&](uint32_t frame, const uint8_t* data, uint8_t) {
        if ((data[0] & 0xF0) == 0x90) notes[which].push_back(frame * 128 + data[1]);
        return true;
      }, [](double) {});
    };
    if (block == 40) plan_all(*a);
    if (block == 3001) plan_all(*b);
    run(*a, 0);
    const double plan = a->shown_plan;
    if (block > 3000) {
      if (plan > told + 1) b->from_stage.push({Order::Here, 0, 0, 0, told = std::floor(plan)});
      run(*b, 1);
      if (since < 0) since = block;
      if (block > since + 400) differ += notes[0] != notes[1], same += !notes[0].empty();
    } else told = std::floor(plan);
    if (place.playing) beat += 128 * 2 / 48000.0;
    if (beat > 8 - 1e-6) beat = 4 + (beat - 8);
  }
  std::printf("differ %d same %d\n", differ, same);
  return 0;
}

int main(int count, char** words) {
  if (count == 2) return two_processes();
  if (count < 3) return 2;
  dice.seed(static_cast<unsigned>(std::atoi(words[1])));
  const int jumps = std::atoi(words[2]);
  const double most_late = count > 3 ? 0.06 : 0.02;
  auto line = std::make_unique<Timeline>();
  line->there = true, line->leader = true;
  Stage stage{*line, {}, 0};
  long missing = 0, off = 0, open = 0, hung = 0, outside = 0, beats = 0, events = 0, blocks = 0, passes = 0;
  int done = 0;
  bool sounding[16][128] = {};
  double now = 0;
  Timeline::Shared shared;
  line->shared = &shared;

  while (done < jumps) {
    static const double rates[] = {44100, 48000, 88200, 96000, 176400, 192000};
    const double rate = rates[below(6)];
    line->set_rate(rate);
    line->reset(); /* where the take before rolled still, its notes end now */
    double beat = below(3) ? below(64) : real(0, 64), bpm = real(40, 240);
    int numerator = 4, denominator = 4;
    const bool loops = below(2);
    const double length = below(4) ? 1 + below(16) : real(1, 16);
    double loop_begin = loops ? std::floor(beat) : 0, loop_end = loop_begin + length;
    const int size = below(3) ? 1 << below(13) : 1 + below(4096);
    bool playing = false;
    double stopped_for = 0, left = 0;
    int here = 0; /* jumps of this take */
    for (long budget = 20000; here < 40 && budget; budget--) {
      const uint32_t frames = static_cast<uint32_t>(below(8) ? size : 1 + below(size));
      std::vector<Place> places;
      Place place;
      const auto say = [&](uint32_t frame) {
        place.frame = frame, place.playing = playing, place.known = true, place.beat = beat, place.bpm = bpm;
        place.metre = true, place.numerator = numerator, place.denominator = denominator;
        const double bar = 4.0 * numerator / denominator;
        place.bar = std::floor(beat / bar) * bar;
        places.push_back(place);
      };
      struct Want { double frame; };
      std::vector<Want> wants;    /* frames of beats in this block */
      std::vector<uint32_t> cuts; /* frames on which all must be silent */
      say(0);
      const auto roll = [&](uint32_t from, uint32_t to) { /* walk the host's line; a beat on the very end is the next one's */
        if (!playing || to <= from) return;
        const double end = beat + (to - from) * bpm / 60 / rate;
        const double sample = bpm / 60 / rate;
        for (double b = std::ceil(beat - 0.998 * sample); b < end; b += 1) {
          const double frame = from + std::ceil(std::fmax(0, (b - beat) / sample) - 1e-3);
          if (frame < to) wants.push_back({frame}); /* else it is the first of what comes next */
        }
        beat = end;
      };
      uint32_t at = 0;
      while (at < frames) {
        uint32_t next = frames;
        if (playing && loops && beat < loop_end) {
          const double to_end = std::ceil((loop_end - beat) * 60 / bpm * rate - 1e-3);
          if (to_end < next - at) next = at + static_cast<uint32_t>(to_end);
          if (next == at && loop_end - beat < 1e-3 * bpm / 60 / rate) { /* the loop's end is here */
            beat = loop_begin;
            cuts.push_back(at);
            here++, passes++;
            say(at);
            continue;
          }
        }
        const bool change = real(0, 1) < frames / rate / 0.3;
        if (change && next - at > 1) next = at + 1 + static_cast<uint32_t>(below(static_cast<int>(next - at)));
        roll(at, next);
        at = next;
        if (at >= frames) break;
        if (loops && playing && std::fabs(beat - loop_end) < 2 * bpm / 60 / rate) {
          beat = loop_begin, cuts.push_back(at), here++, passes++;
          say(at);
          continue;
        }
        if (!change) continue;
        const int what = below(4);
        if (what == 0) bpm = real(40, 240);
        if (what == 1) numerator = 2 + below(6), denominator = below(2) ? 4 : 8;
        if (what == 2 && playing && !loops) {
          const double to = below(2) ? below(64) : real(0, 64);
          if (std::fabs(to - beat) > 0.07) { /* less is not a jump, but a host that rounds */
            beat = to;
            cuts.push_back(at);
            here++;
          }
        }
        say(at);
      }
      const double seconds = frames / rate;
      /* run the block */
      struct Out { uint32_t frame; bool on; int pitch; };
      std::vector<Out> outs;
      uint32_t last = 0;
      bool before[16][128];
      std::memcpy(before, sounding, sizeof before);
      line->process(frames, static_cast<int64_t>(now * 1e9), places.data(), static_cast<int>(places.size()), nullptr, 0, false,
                    [&](uint32_t frame, const uint8_t* data, uint8_t) {
                      if (frame >= frames || frame < last) outside++;
                      last = frame;
                      events++;
                      const bool on = (data[0] & 0xF0) == 0x90;
                      if (on == sounding[data[0] & 15][data[1]]) open++;
                      sounding[data[0] & 15][data[1]] = on;
                      outs.push_back({frame, on, data[1]});
                      return true;
                    },
                    [](double) {});
      blocks++;
      for (const Want& want : wants) {
        beats++;
        bool found = false;
        for (const Out& out : outs)
          if (out.on && std::fabs(out.frame - want.frame) <= 1.001) found = true;
        missing += !found;
      }
      for (const Out& out : outs) {
        bool found = !out.on;
        for (const Want& want : wants)
          if (std::fabs(out.frame - want.frame) <= 1.001) found = true;
        off += !found;
      }
      for (const uint32_t cut : cuts) { /* what sounded before has ended on that frame: nothing crosses it */
        bool across[128] = {};
        for (int pitch = 0; pitch < 128; pitch++) across[pitch] = before[3][pitch];
        for (const Out& out : outs)
          if (out.frame < cut || (out.frame == cut && !out.on)) across[out.pitch] = out.on;
          else break;
        for (const bool one : across) hung += one;
      }
      stage.work(now, real(0.001, most_late));
      now += seconds;
      left -= seconds;
      bool any = false;
      for (auto& channel : sounding) for (bool one : channel) any |= one;
      if (!playing) {
        hung += any;
        stopped_for += seconds;
        if (stopped_for > 0.2) playing = true, left = loops ? real(10, 60) : real(1, 8), stopped_for = 0, here++;
      } else if (left < 0) { /* stop at the next block; a start comes from there, or from another place */
        playing = false;
        if (loops) beat = loop_begin;
        else if (below(2)) beat = below(64);
        stopped_for = 0;
      }
    }
    done += here + 1;
    if (below(2)) continue; /* let go of while it plays */
    /* the end: stop */
    Place stop;
    stop.known = true, stop.beat = beat;
    line->process(64, static_cast<int64_t>(now * 1e9), &stop, 1, nullptr, 0, false,
                  [&](uint32_t, const uint8_t* data, uint8_t) {
                    sounding[data[0] & 15][data[1]] = (data[0] & 0xF0) == 0x90;
                    return true;
                  },
                  [](double) {});
    stage.work(now, 0.001), now += 0.1;
    for (auto& channel : sounding) for (bool one : channel) open += one;
  }
  line->reset();
  line->process(64, static_cast<int64_t>(now * 1e9), nullptr, 0, nullptr, 0, false,
                [&](uint32_t, const uint8_t* data, uint8_t) { return sounding[data[0] & 15][data[1]] = (data[0] & 0xF0) == 0x90, true; }, [](double) {});
  for (auto& channel : sounding) for (bool one : channel) open += one;
  std::printf("jumps %d passes %ld blocks %ld beats %ld events %ld missing %ld off %ld open %ld hung %ld outside %ld dropped %u\n", done, passes, blocks,
              beats, events, missing, off, open, hung, outside, line->dropped.load());
  return 0;
}
