/* The audio thread's part: the host's time, the notes that are planned on it, and what leaves in each block.

   The stage plans on a line of its own that only goes forward; the host's position is that line plus `offset_`. Where the
   host jumps, every note that sounds ends on that frame, and the plan goes on at the new place: what was to come on the
   next beat comes on the next beat there. So the first beat of a loop sounds in every pass, though nobody can be asked in
   time. Where the new place lies elsewhere within a beat, up to a beat of the plan is played again.

   Nothing here locks, allocates or calls the system. */

#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ring.hpp"

namespace rnnmuse {

constexpr double kPpq = 960;

/* What the stage says: a note that is planned, notes taken back from a beat on, notes that end, a player that is muted, the
   beat of the plan that sounds now. */
struct Order {
  enum Kind : uint8_t { On, Off, Recall, End, Mute, Here } kind;
  uint8_t channel, pitch, velocity;
  double beat;
};

/* What the stage is told: see `Link::tell`. `a`, `b`, `c` by kind. */
struct Notice {
  enum Kind : uint8_t { Note, Roll, Stop, Cue, Render, Metre } kind;
  int number, channel;
  double a, b, c;
  int64_t at; /* monotonic nanoseconds at which the frame is played */
};

/* The host's transport as it is from a frame of the block on; beats are quarter notes. */
struct Place {
  uint32_t frame = 0;
  bool playing = false, known = false;
  double beat = 0, bpm = 120, bar = 0; /* bar: where the bar began, if `metre` */
  bool metre = false;
  int numerator = 4, denominator = 4;
};

struct Midi {
  uint32_t frame;
  uint8_t size, data[3];
};

/* A list that is kept in order of beats, equals as they came. */
template <int Size>
class Plan {
 public:
  bool add(const Order& order, bool first = false) { /* of equals */
    if (count_ == Size) return false;
    int at = count_++;
    for (; at > 0 && (orders_[at - 1].beat > order.beat || (first && orders_[at - 1].beat == order.beat)); at--) orders_[at] = orders_[at - 1];
    orders_[at] = order;
    return true;
  }
  bool empty() const { return !count_; }
  int count() const { return count_; }
  const Order& first() const { return orders_[0]; }
  const Order& operator[](int index) const { return orders_[index]; }
  void remove(int index) { std::memmove(orders_ + index, orders_ + index + 1, sizeof(Order) * static_cast<size_t>(--count_ - index)); }
  void clear() { count_ = 0; }

 private:
  Order orders_[Size];
  int count_ = 0;
};

class Timeline {
 public:
  static constexpr int kMost = 2048;         /* events that leave in one block */
  static constexpr double kLate = 0.25;      /* beats after which a note that comes late is left out */
  static constexpr double kJump = 1.0 / 16;  /* beats of the host's position off its line that are a jump */
  static constexpr double kRemembered = 4;   /* beats of what was played that a jump may play again */
  static constexpr double kRound = 1.0 / 480; /* positions that hosts round to their ticks lie within this */

  Ring<Order, 2048> from_stage;
  Ring<Notice, 1024> to_stage;
  Ring<Order, 1024> heard_by_host; /* what left, by the host's beats: for the window */

  /* Settings of the instance, set by any thread. */
  std::atomic<bool> thru{true}, bypass{false}, leads{true}, there{false};
  std::atomic<double> swing{0.5};
  std::atomic<bool> reacts{false}; /* the player answers what it hears: nothing may be fetched far ahead of the host */

  /* Shown to other threads. */
  std::atomic<unsigned> dropped{0}, played{0};
  std::atomic<double> shown_beat{0}, shown_plan{0}, shown_bpm{120};
  std::atomic<bool> shown_playing{false}, shown_offline{false};
  std::atomic<int> shown_bar{1}, shown_beat_in_bar{1};

  /* Who leads in this process: followers take its offset. */
  struct Shared {
    std::atomic<double> offset{0}, cue{0};
    std::atomic<bool> rolling{false};
  };
  Shared* shared = nullptr;
  std::atomic<bool> leader{false};

  double horizon() const { return horizon_.load(std::memory_order_acquire); }
  void set_horizon(double beat) { horizon_.store(beat, std::memory_order_release); }

  void set_rate(double rate) { rate_ = rate; }

  /* The host begins anew, perhaps at another rate. What sounded ends in the first block: not every host has ended it. */
  void reset() {
    pending_.clear(), past_.clear();
    anew_ = true;
    rolling_ = false, known_ = false, cued_ = kNowhere;
    told_metre_ = Place();
  }

  /* One block. `wait` is called where the host renders offline and the plan does not reach the block's end yet; `write`
     takes three bytes at a frame and is false where the host's buffer is full. */
  template <class Write, class Wait>
  void process(uint32_t frames, int64_t now, const Place* places, int count, const Midi* in, int heard, bool offline, Write write, Wait wait) {
    out_ = 0, first_beat_ = beat_ - offset_;
    now_ = now, offline_ = offline;
    take_orders();
    const bool away = bypass.load(std::memory_order_relaxed) || !there.load(std::memory_order_relaxed);
    if (away && !was_away_) end_all(0), pending_.clear();
    was_away_ = away;
    if (anew_) end_all(0), anew_ = false;
    for (int i = 0; i < carried_; i++) put(0, 0x80 | carry_[i].channel, carry_[i].pitch, 0, true);
    carried_ = 0;
    for (int i = 0; i < heard; i++) take(in[i]);
    uint32_t at = 0;
    for (int i = 0; i < count; i++) {
      const uint32_t to = places[i].frame < frames ? places[i].frame : frames;
      advance(at, to, wait);
      go_to(to, places[i]);
      at = to;
    }
    advance(at, frames, wait);
    leave(write);
    tell(frames);
  }

  bool rolling() const { return shown_playing.load(std::memory_order_relaxed); } /* by any thread */

 private:
  static constexpr double kNowhere = -1e9;

  /* ---- time ---- */

  double beats(uint32_t frames) const { return frames * bpm_ / 60 / rate_; }

  /* Where a beat of the plan sounds: its second eighth is moved by the swing. */
  double swung(double beat) const {
    const double place = swing.load(std::memory_order_relaxed);
    if (place == 0.5) return beat;
    const double whole = std::floor(beat), within = beat - whole;
    return whole + (within <= 0.5 ? within * place * 2 : place + (within - 0.5) * (1 - place) * 2);
  }

  void go_to(uint32_t frame, const Place& place) {
    bpm_ = place.bpm > 0 ? place.bpm : bpm_;
    if (!leads.load(std::memory_order_relaxed)) {
      if (rolling_) stop(frame);
      return;
    }
    if (!place.known) { /* no position, but it may roll: the line goes on */
      if (place.playing != rolling_) place.playing ? start(frame, beat_) : stop(frame);
      return;
    }
    if (!place.playing) {
      if (rolling_) stop(frame);
      beat_ = place.beat;
      if (!known_ || std::fabs(beat_ - cued_) > 1e-6) cue();
      known_ = true;
      metre(place);
      return;
    }
    known_ = true;
    const double off = place.beat - beat_;
    if (!rolling_) start(frame, place.beat);
    else if (std::fabs(off) > kJump) jump(frame, place.beat);
    else if (std::fabs(off) > kRound) beat_ = place.beat; /* it drifted: the host's word counts */
    else if (std::fabs(off) > 1e-9) beat_ += off / 16;    /* a rounded position: our own line goes on */
    metre(place);
  }

  void start(uint32_t frame, double beat) {
    end_all(frame);
    rolling_ = true;
    beat_ = beat;
    const bool follows = shared && !leader.load(std::memory_order_relaxed);
    if (follows && shared->rolling.load(std::memory_order_acquire)) {
      offset_ = shared->offset.load(std::memory_order_relaxed);
    } else {
      const double from = follows ? shared->cue.load(std::memory_order_relaxed) : cued_;
      double place = from == kNowhere ? beat : from;
      if (std::fabs(place - beat) > 1e-9) { /* the first place after the cue with the same share of a beat */
        const double ahead = (beat - std::floor(beat)) - (place - std::floor(place));
        place += ahead < -1e-9 ? ahead + 1 : ahead;
      }
      offset_ = beat - place;
    }
    kept_from_ = beat_ - offset_;
    forget_before(kept_from_ - 1e-6);
    publish();
    until_told_ = 0;
    cued_ = kNowhere;
  }

  void stop(uint32_t frame) {
    end_all(frame);
    rolling_ = false;
    pending_.clear(), past_.clear();
    notice({Notice::Stop, 0, 0, 0, 0, 0, now_});
    publish();
    cued_ = kNowhere;
  }

  /* Ask for the plan of where the host stands: a start from there has its first beat. */
  void cue() {
    cued_ = beat_ > 0 ? beat_ : 0;
    offset_ = 0;
    pending_.clear(), past_.clear();
    if (shared && leader.load(std::memory_order_relaxed)) shared->cue.store(cued_, std::memory_order_relaxed);
    set_horizon(kNowhere);
    notice({Notice::Cue, 0, 0, cued_, bpm_, 0, now_});
  }

  void jump(uint32_t frame, double beat) {
    end_all(frame);
    const double here = beat_ - offset_;
    double back = (beat - std::floor(beat)) - (here - std::floor(here));
    if (back > 1e-6) back -= 1; /* rather than ahead of what is planned */
    if (std::fabs(back) < 1e-4 || std::fabs(back + 1) < 1e-4) back = 0; /* the same share of a beat */
    if (here + back < kept_from_ - 1e-6) back += 1;                     /* so much is not remembered */
    offset_ = std::round(beat - (here + back));
    beat_ = beat;
    const double place = beat_ - offset_;
    while (past_.count() && past_[past_.count() - 1].beat >= place - 1e-6) {
      pending_.add(past_[past_.count() - 1], true);
      past_.remove(past_.count() - 1);
    }
    forget_before(place - 1e-6);
    publish();
    until_told_ = 0;
    told_metre_.metre = false; /* the bar lines lie elsewhere on the plan's line */
  }

  void publish() {
    if (!shared || !leader.load(std::memory_order_relaxed)) return;
    shared->offset.store(offset_, std::memory_order_relaxed);
    shared->rolling.store(rolling_, std::memory_order_release);
  }

  void metre(const Place& place) {
    if (!place.metre || place.numerator < 1 || place.denominator < 1) return;
    const double bar = 4.0 * place.numerator / place.denominator;
    double line = place.bar - offset_;
    line -= std::floor(line / bar) * bar; /* the first on the plan's line: one word says where all are */
    if (bar - line < 1e-6) line = 0;
    shown_bar.store(static_cast<int>(std::floor(place.bar / bar + 0.5)) + 1, std::memory_order_relaxed);
    bar_ = place.bar, bar_beats_ = bar;
    if (told_metre_.metre && told_metre_.numerator == place.numerator && told_metre_.denominator == place.denominator &&
        std::fabs(told_metre_.bar - line) < 1e-3)
      return;
    told_metre_ = place;
    told_metre_.bar = line;
    const double here = beat_ - offset_;
    const double last = line + std::floor((here - line) / bar) * bar; /* the line at or before the place */
    notice({Notice::Metre, place.numerator, place.denominator, last > 0 ? last : line, 0, 0, now_});
  }

  template <class Wait>
  void advance(uint32_t from, uint32_t to, Wait& wait) {
    if (to <= from) return;
    const double step = beats(to - from);
    if (!leads.load(std::memory_order_relaxed)) free_run(from);
    if (!rolling_) return;
    const double begin = beat_ - offset_, end = begin + step;
    if (offline_ && there.load(std::memory_order_relaxed) && horizon() < end) {
      const double more = reacts.load(std::memory_order_relaxed) ? 0 : 1;
      notice({Notice::Render, 0, 0, end + more, bpm_, 0, now_});
      wait(end);
      take_orders();
    }
    while (!pending_.empty()) {
      const Order order = pending_.first();
      const double due = swung(order.beat);
      if (due >= end - 1e-9) break;
      double frame = from + std::ceil((due - begin) * 60 / bpm_ * rate_ - 1e-3);
      if (frame >= to) break; /* less than a sample before the end: it begins what comes next */
      pending_.remove(0);
      if (order.kind == Order::On && (due < begin - kLate || muted_)) {
        dropped.fetch_add(!muted_, std::memory_order_relaxed);
        continue;
      }
      if (frame < from) frame = from;
      put(static_cast<uint32_t>(frame), (order.kind == Order::On ? 0x90 : 0x80) | order.channel, order.pitch, order.velocity, true, order.beat);
      remember(order);
    }
    beat_ += step;
  }

  /* The stage's own clock leads: notes come at their time. */
  void free_run(uint32_t from) {
    while (!pending_.empty()) {
      const Order order = pending_.first();
      pending_.remove(0);
      put(from, (order.kind == Order::On ? 0x90 : 0x80) | order.channel, order.pitch, order.velocity, true, order.beat);
    }
  }

  void remember(const Order& order) {
    while (past_.count() && (past_.first().beat < order.beat - kRemembered || past_.count() > 900)) {
      kept_from_ = past_.first().beat + 1e-6;
      past_.remove(0);
    }
    past_.add(order);
  }

  void forget_before(double beat) {
    while (!pending_.empty() && pending_.first().beat < beat) pending_.remove(0);
  }

  /* ---- the plan ---- */

  void take_orders() {
    Order order;
    while (from_stage.pop(order)) {
      if (order.kind == Order::Mute) {
        muted_ = order.velocity;
        if (muted_) end_all(0);
        continue;
      }
      if (order.kind == Order::Here) {
        here(order.beat);
        continue;
      }
      if (order.kind == Order::Recall) recall(order.beat);
      else if (order.kind == Order::End) end_from(order.beat);
      else if (!pending_.add(order)) dropped.fetch_add(1, std::memory_order_relaxed);
    }
  }

  /* Another process leads: where its plan stands. Both lines lie whole beats apart. */
  void here(double beat) {
    const double offset = std::round(beat_ - beat);
    if (!rolling_ || offline_ || offset == offset_ || std::fabs(beat_ - beat - offset) > 0.4) return;
    end_all(0);
    offset_ = offset;
    kept_from_ = beat_ - offset_;
    past_.clear();
    forget_before(kept_from_ - kLate);
    publish();
    told_metre_.metre = false;
  }

  void recall(double beat) {
    for (int i = pending_.count() - 1; i >= 0; i--) {
      if (pending_[i].kind != Order::On || pending_[i].beat < beat - 1e-6) continue;
      const Order on = pending_[i];
      pending_.remove(i);
      for (int j = i; j < pending_.count(); j++) /* its end, which would cut another note */
        if (pending_[j].kind == Order::Off && pending_[j].pitch == on.pitch && pending_[j].channel == on.channel) {
          pending_.remove(j);
          break;
        }
    }
    for (int channel = 0; channel < 16; channel++)
      for (int pitch = 0; pitch < 128; pitch++)
        if (sounding_[channel][pitch] && struck_[channel][pitch] >= beat - 1e-6) put(0, 0x80 | channel, pitch, 0, true);
  }

  /* Every note that sounds ends at a beat of the plan, or at once. */
  void end_from(double beat) {
    if (!rolling_ || beat <= beat_ - offset_) {
      end_all(0);
      return;
    }
    std::memcpy(open_, sounding_, sizeof open_);
    for (int i = 0; i < pending_.count() && pending_[i].beat < beat; i++)
      open_[pending_[i].channel][pending_[i].pitch] = pending_[i].kind == Order::On;
    for (int channel = 0; channel < 16; channel++)
      for (int pitch = 0; pitch < 128; pitch++)
        if (open_[channel][pitch]) pending_.add({Order::Off, static_cast<uint8_t>(channel), static_cast<uint8_t>(pitch), 0, beat});
  }

  /* ---- events ---- */

  struct Out {
    uint32_t frame;
    bool ours;
    uint8_t size, data[3];
    double beat;
  };

  void put(uint32_t frame, int status, int pitch, int velocity, bool ours, double beat = 0) {
    put_raw({frame, ours, 3, {static_cast<uint8_t>(status), static_cast<uint8_t>(pitch), static_cast<uint8_t>(velocity)}, beat});
  }

  void put_raw(const Out& event) {
    if (out_ == kMost) {
      dropped.fetch_add(1, std::memory_order_relaxed);
      if (event.ours && (event.data[0] & 0xF0) == 0x80) carry(event);
      return;
    }
    int at = out_++;
    for (; at > 0 && outs_[at - 1].frame > event.frame; at--) outs_[at] = outs_[at - 1];
    outs_[at] = event;
  }

  void carry(const Out& event) {
    if (carried_ < kMost) carry_[carried_++] = {Order::Off, static_cast<uint8_t>(event.data[0] & 15), event.data[1], 0, 0};
  }

  /* Ends of everything that sounds, or will by what is in this block already. */
  void end_all(uint32_t frame) {
    std::memcpy(open_, sounding_, sizeof open_);
    for (int i = 0; i < out_; i++)
      if (outs_[i].ours) open_[outs_[i].data[0] & 15][outs_[i].data[1]] = (outs_[i].data[0] & 0xF0) == 0x90;
    for (int channel = 0; channel < 16; channel++)
      for (int pitch = 0; pitch < 128; pitch++)
        if (open_[channel][pitch]) put(frame, 0x80 | channel, pitch, 0, true);
  }

  void take(const Midi& event) {
    const int kind = event.data[0] & 0xF0;
    if (event.size == 3 && (kind == 0x90 || kind == 0x80)) {
      const int velocity = kind == 0x90 ? event.data[2] : 0;
      notice({Notice::Note, event.data[1], event.data[0] & 15, static_cast<double>(velocity), 0, 0, now_});
    } else if (event.size == 3 && kind == 0xB0 && (event.data[1] == 120 || event.data[1] == 123)) {
      end_all(event.frame);
    }
    if (thru.load(std::memory_order_relaxed) || bypass.load(std::memory_order_relaxed))
      put_raw({event.frame, false, event.size, {event.data[0], event.data[1], event.data[2]}, 0});
  }

  template <class Write>
  void leave(Write& write) {
    for (int i = 0; i < out_; i++) {
      const Out& event = outs_[i];
      if (!event.ours) {
        if (!write(event.frame, event.data, event.size)) dropped.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      const int channel = event.data[0] & 15, pitch = event.data[1];
      bool& sounds = sounding_[channel][pitch];
      if (sounds) { /* also before a stroke on a key that is down */
        const uint8_t off[] = {static_cast<uint8_t>(0x80 | channel), event.data[1], 0};
        if (!write(event.frame, off, 3)) {
          carry(event);
          continue;
        }
        sounds = false;
        record(Order::Off, event);
      }
      if ((event.data[0] & 0xF0) == 0x80) continue;
      if (write(event.frame, event.data, 3)) {
        sounds = true;
        struck_[channel][pitch] = event.beat;
        played.fetch_add(1, std::memory_order_relaxed);
        record(Order::On, event);
      } else dropped.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void record(Order::Kind kind, const Out& event) {
    const double beat = first_beat_ + beats(event.frame);
    heard_by_host.push({kind, static_cast<uint8_t>(event.data[0] & 15), event.data[1], event.data[2], beat});
  }

  void tell(uint32_t frames) {
    shown_playing.store(rolling_, std::memory_order_relaxed);
    shown_beat.store(beat_, std::memory_order_relaxed);
    shown_plan.store(beat_ - offset_, std::memory_order_relaxed);
    shown_bpm.store(bpm_, std::memory_order_relaxed);
    shown_offline.store(offline_, std::memory_order_relaxed);
    if (!rolling_ || offline_) return;
    until_told_ -= frames;
    if (until_told_ > 0) return;
    until_told_ = static_cast<int64_t>(rate_ / 10);
    notice({Notice::Roll, 0, 0, beat_ - offset_, bpm_, 0, now_ + static_cast<int64_t>(frames * 1e9 / rate_)});
  }

  void notice(const Notice& what) {
    if (!to_stage.push(what)) dropped.fetch_add(1, std::memory_order_relaxed);
  }

  double rate_ = 48000;
  int64_t now_ = 0, until_told_ = 0;
  bool rolling_ = false, known_ = false, offline_ = false, was_away_ = true, muted_ = false, anew_ = false;
  double beat_ = 0, first_beat_ = 0, bpm_ = 120, offset_ = 0, cued_ = kNowhere, kept_from_ = 0, bar_ = 0, bar_beats_ = 4;
  Place told_metre_;
  Plan<4096> pending_;
  Plan<1024> past_;
  Out outs_[kMost];
  Order carry_[kMost];
  int out_ = 0, carried_ = 0;
  bool sounding_[16][128] = {}, open_[16][128];
  double struck_[16][128] = {};
  std::atomic<double> horizon_{kNowhere};
};

}  // namespace rnnmuse
