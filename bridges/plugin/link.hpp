/* The network thread: it finds rnnmuse or starts it, takes a player, and carries notes and values both ways over OSC. */

#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "osc.hpp"
#include "parameters.hpp"
#include "timeline.hpp"
#include "udp.hpp"

namespace rnnmuse {

constexpr int64_t kSecond = 1000000000;

/* What the instances in this process share. */
struct Process {
  std::mutex lock; /* never taken by an audio thread */
  class Link* leader = nullptr;
  int64_t started = 0; /* when the engine was last started */
  Timeline::Shared shared;
};

inline Process& process() {
  static Process* one = new Process; /* never deleted: a host may end while threads run */
  return *one;
}

/* The folder in which the Python package says how it is started, and where takes are saved. */
inline std::string data_folder() {
  const auto env = [](const char* name) { const char* value = std::getenv(name); return std::string(value ? value : ""); };
#if defined _WIN32
  return env("LOCALAPPDATA") + "\\rnnmuse";
#elif defined __APPLE__
  return env("HOME") + "/Library/Application Support/rnnmuse";
#else
  const std::string base = env("XDG_DATA_HOME");
  return (base.empty() ? env("HOME") + "/.local/share" : base) + "/rnnmuse";
#endif
}

/* Where `pip install`, pipx and package managers put the command. */
inline std::vector<std::string> programs() {
#if defined _WIN32
  return {"rnnmuse.exe"};
#else
  const char* home = std::getenv("HOME");
  const std::string mine = home ? std::string(home) + "/.local/bin/rnnmuse" : "rnnmuse";
  return {"rnnmuse", mine, "/usr/local/bin/rnnmuse", "/opt/homebrew/bin/rnnmuse"};
#endif
}

/* A note for the window, by the plan's beats. */
struct Shown {
  double beat, end;
  uint8_t pitch, velocity, channel;
};

class Link {
 public:
  Link() {
    timeline.shared = &process().shared;
    for (int i = 0; i < kCount; i++) values[i] = kRows[i].normal;
    const char* port = std::getenv("RNNMUSE_PORT");
    if (port && std::atoi(port) > 0) port_ = std::atoi(port);
  }

  ~Link() { close(); }

  void open() {
    if (!thread_.joinable() && udp_.open()) stop_ = false, thread_ = std::thread([this] { run(); });
  }

  void close() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    std::lock_guard<std::mutex> hold(process().lock);
    if (process().leader == this) process().leader = nullptr;
  }

  Timeline timeline;

  /* Set by the host's threads and the window, and by what other clients of rnnmuse set. */
  std::atomic<float> values[kCount];
  std::atomic<bool> moved[kCount]{}; /* by rnnmuse: the host is to be told */
  void move(int index) {
    moved[index].store(true, std::memory_order_relaxed);
    moving_.store(true, std::memory_order_release);
  }
  bool any_moved() { return moving_.load(std::memory_order_relaxed) && moving_.exchange(false, std::memory_order_acquire); }

  std::atomic<int> player{0}; /* that it has; 0 for none yet */

  /* The window's: guarded by `lock`, which no audio thread takes. */
  std::mutex lock;
  std::vector<Shown> planned, played;
  std::string model_name; /* where it is none of the list */
  std::string error;

  void set_model(const std::string& name) {
    std::lock_guard<std::mutex> hold(lock);
    model_back_ = name.empty() && !model_name.empty(); /* to the one of the list */
    model_name = name;
    model_changed_ = true;
  }

  int status() const { return static_cast<int>(values[kStatus].load(std::memory_order_relaxed)); }

 private:
  void run() {
    uint8_t packet[65536];
    int64_t began = now_ns();
    while (!stop_) {
      const int64_t now = now_ns();
      if (now - asked_ > (connected() ? 2 : 1) * kSecond / (player ? 1 : 4)) ask(now);
      if (!heard_ && now - began > kSecond * 3 / 2) start_engine(now);
      if (heard_ && now - heard_ > 5 * kSecond) lost(), began = now;
      const bool busy = timeline.rolling() || offline_;
      size_t size = udp_.receive(port_, packet, sizeof packet, busy ? 1 : 4);
      for (; size; size = udp_.receive(port_, packet, sizeof packet, 0)) {
        heard_ = now_ns();
        osc::each_message(packet, size, [this](const osc::Message& message, uint64_t) { take(message); });
      }
      Notice notice;
      while (timeline.to_stage.pop(notice)) tell(notice);
      if (cue_due_ && now_ns() >= cue_due_) send_cue();
      if (heard_ && player) send_values();
      Order left;
      if (timeline.heard_by_host.pop(left)) {
        std::lock_guard<std::mutex> hold(lock);
        do keep(left);
        while (timeline.heard_by_host.pop(left));
      }
      timeline.there.store(heard_ && player, std::memory_order_relaxed);
    }
    if (heard_) {
      if (player) send(path("mode").s("off"));
      send(osc::Builder("/rnnmuse/unsubscribe"));
      send(osc::Builder("/rnnmuse/claim").i(-1));
    }
  }

  bool connected() const { return heard_ != 0; }

  void set_status(int status) { values[kStatus] = static_cast<float>(status); }

  void lost() {
    heard_ = 0, player = 0, ready_ = false, granted_ = false;
    for (float& one : sent_) one = NAN;
    set_status(kLooking);
    std::lock_guard<std::mutex> hold(lock);
    planned.clear();
  }

  /* ---- out ---- */

  void send(osc::Builder& message) {
    const uint8_t* data = message.finish();
    udp_.send(port_, data, message.size);
  }
  void send(osc::Builder&& message) { send(message); }

  osc::Builder path(const char* word) {
    char text[96];
    if (word[0] == '/') std::snprintf(text, sizeof text, "%s", word);
    else std::snprintf(text, sizeof text, "/rnnmuse/player/%d/%s", player.load(), word);
    return osc::Builder(text);
  }

  void ask(int64_t now) {
    asked_ = now;
    if (!player) {
      send(osc::Builder("/rnnmuse/claim").i(wanted()));
      if (!heard_) return;
    }
    send(osc::Builder("/rnnmuse/subscribe").f(10));
    send(osc::Builder("/rnnmuse/watch").f(10));
    send(osc::Builder("/rnnmuse/claim").i(player ? player.load() : wanted()));
    lead();
    if (!ready_) send(osc::Builder("/rnnmuse/sync").i(0));
  }

  int wanted() const { return static_cast<int>(std::lround(values[kPlayer].load(std::memory_order_relaxed))); }

  /* One instance of this process leads rnnmuse's clock; the others follow it. */
  void lead() {
    const bool wants = values[kLeads] > 0.5f;
    std::lock_guard<std::mutex> hold(process().lock);
    if (process().leader == nullptr && wants && player) process().leader = this;
    if (process().leader == this && !(wants && player)) {
      process().leader = nullptr;
      if (granted_) send(osc::Builder("/rnnmuse/transport/source").s("internal"));
      send(osc::Builder("/rnnmuse/lead").i(0));
    }
    const bool leads = process().leader == this;
    if (leads && heard_) send(osc::Builder("/rnnmuse/lead").i(1));
    if (!leads) granted_ = false;
    timeline.leader.store(leads, std::memory_order_relaxed);
  }

  void tell(const Notice& notice) {
    if (notice.kind == Notice::Cue) cue_ = notice; /* said again once somebody is there */
    if (notice.kind == Notice::Metre) metre_ = notice;
    if (!heard_ || !player) return;
    switch (notice.kind) {
      case Notice::Note:
        send(path("note").i(notice.number).i(static_cast<int>(notice.a)));
        break;
      case Notice::Roll:
        cue_due_ = 0;
        if (granted_) {
          const double beat = notice.a + static_cast<double>(now_ns() - notice.at) * 1e-9 * notice.b / 60;
          send(osc::Builder("/rnnmuse/transport/beat").f(std::max(0.0, beat)).f(limited(notice.b)));
        }
        break;
      case Notice::Stop:
        if (granted_) send(osc::Builder("/rnnmuse/transport/stop"));
        offline_ = false;
        break;
      case Notice::Cue: /* a playhead that is dragged says many places: the last counts */
        cue_due_ = std::max(now_ns(), cued_ + kSecond / 20);
        break;
      case Notice::Render:
        offline_ = true;
        if (cue_due_) send_cue();
        send(osc::Builder("/rnnmuse/transport/render").f(std::max(0.0, notice.a)).f(limited(notice.b)));
        break;
      case Notice::Metre:
        if (granted_)
          send(osc::Builder("/rnnmuse/transport/metre").i(std::min(notice.number, 64)).i(denominator(notice.channel)).f(notice.a));
        if (!timeline.rolling() && cue_.bpm_known()) cue_due_ = std::max(now_ns(), cued_ + kSecond / 20); /* the plan is made in it */
        break;
    }
  }

  static double limited(double bpm) { return std::min(999.0, std::max(20.0, bpm)); }
  static int denominator(int wanted) {
    int out = 1;
    while (out < wanted && out < 32) out *= 2;
    return out;
  }

  void send_cue() {
    cue_due_ = 0;
    cued_ = now_ns();
    if (!timeline.rolling()) send(osc::Builder("/rnnmuse/transport/cue").f(cue_.a).f(limited(cue_.b)));
  }

  /* Each value that is another than what was last sent. */
  void send_values() {
    char text[64];
    bool anew = false;
    const bool freezes = values[kFreeze] > 0.5f;
    {
      const std::lock_guard<std::mutex> hold(lock);
      if (model_back_) model_back_ = false, sent_[kModel] = NAN;
    }
    for (int i = 0; i < kInputs; i++) {
      const float value = values[i].load(std::memory_order_relaxed);
      if (value == sent_[i]) continue;
      const bool first = std::isnan(sent_[i]);
      sent_[i] = value;
      set_at_[i] = now_ns();
      switch (i) {
        case kPlayer:
          if (!first && wanted() && wanted() != player) another_player();
          continue;
        case kFreeze:
          if (!first || freezes) send(path("mode").s(freezes ? "loop" : kModes[mode()]));
          continue;
        case kMode:
          timeline.reacts = mode() != 1 && mode() != 6;
          if (!freezes) send(path("mode").s(kModes[mode()]));
          continue;
        case kLeads:
          timeline.leads = value > 0.5f;
          lead();
          continue;
        case kThru: timeline.thru = value > 0.5f; continue;
        case kBypass: timeline.bypass = value > 0.5f; continue;
        case kModel: {
          std::lock_guard<std::mutex> hold(lock);
          if (!model_name.empty() && first) continue; /* the name that the project has is sent below */
          model_name.clear();
          break;
        }
        case kX: case kY: case kVary:
          if (first && value == kRows[i].normal) continue; /* only phrase models have a pad */
          break;
        case kSwing:
          timeline.swing = value;
          if (first && value == kRows[i].normal) continue;
          break;
      }
      if (!kRows[i].address) continue;
      osc::Builder message = path(kRows[i].address);
      if (kRows[i].kind == kList) message.s(list_word(i, static_cast<int>(std::lround(value)), text, sizeof text));
      else if (kRows[i].kind == kWhole) message.i(static_cast<int>(std::lround(value)));
      else message.f(value);
      send(message);
      anew = true;
    }
    if (anew && !timeline.rolling()) send(osc::Builder("/rnnmuse/sync").i(++syncs_)); /* then the plan begins anew with them */
    std::lock_guard<std::mutex> hold(lock);
    if (model_changed_ || (model_first_ && !model_name.empty())) {
      model_changed_ = model_first_ = false;
      if (!model_name.empty()) send(path("model").s(model_name.c_str()));
    }
  }

  int mode() const { return std::clamp(static_cast<int>(std::lround(values[kMode].load())), 0, size_of(kModes) - 1); }

  void another_player() {
    send(path("mode").s("off"));
    player = 0;
    timeline.from_stage.push({Order::End, 0, 0, 0, -1});
    for (float& one : sent_) one = NAN;
    asked_ = 0;
  }

  /* ---- in ---- */

  void take(const osc::Message& message) {
    int number;
    char word[40];
    if (std::sscanf(message.address, "/rnnmuse/out/%d/%39s", &number, word) == 2) {
      if (number == player) take_order(word, message);
    } else if (std::sscanf(message.address, "/rnnmuse/player/%d/%39s", &number, word) == 2) {
      if (number == player) take_value(message.address + std::strlen("/rnnmuse/player/") + (number > 9 ? 3 : 2), message);
    } else if (message.is("/rnnmuse/transport/swing")) {
      take_value(message.address, message);
    } else if (message.is("/rnnmuse/transport/rendered")) {
      timeline.set_horizon(message.number(0));
    } else if (message.is("/rnnmuse/synced")) {
      ready_ = true; /* the engine has taken all that was said */
      if (player) set_status(kConnected);
      if (static_cast<int>(message.number(0)) == syncs_ && syncs_ && !timeline.rolling() && cue_.bpm_known()) send_cue();
    } else if (message.is("/rnnmuse/claim") && message.count) {
      claimed(static_cast<int>(message.number(0)));
    } else if (message.is("/rnnmuse/lead") && message.count) {
      granted(message.number(0) > 0);
    } else if (message.is("/rnnmuse/beat")) {
      if (timeline.leader && !granted_ && timeline.leads) timeline.from_stage.push({Order::Here, 0, 0, 0, message.number(0)});
    } else if (message.is("/rnnmuse/probe")) {
      send(osc::Builder("/rnnmuse/probed").i(static_cast<int>(message.number(0))).s("plugin"));
    } else if (message.is("/rnnmuse/error")) {
      std::lock_guard<std::mutex> hold(lock);
      error = message.text(2);
    }
  }

  void claimed(int number) {
    if (!number) {
      set_status(kNoPlayer);
      return;
    }
    if (number == player) {
      if (ready_) set_status(kConnected);
      return;
    }
    player = number;
    if (!ready_) set_status(kStarting);
    for (float& one : sent_) one = NAN;
    sent_[kPlayer] = static_cast<float>(number);
    if (values[kPlayer] != static_cast<float>(number)) values[kPlayer] = static_cast<float>(number), move(kPlayer);
    model_first_ = true;
    asked_ = 0; /* subscribe and watch now */
    lead();
    if (cue_.bpm_known()) cue_due_ = now_ns();
  }

  /* Of the processes that would lead one does: the others follow its plan. */
  void granted(bool now) {
    if (now) send(osc::Builder("/rnnmuse/transport/source").s("osc"));
    if (now && !granted_) {
      granted_ = true;
      if (metre_.number) tell(Notice(metre_));
    }
    granted_ = now && timeline.leader;
  }

  void take_order(const char* word, const osc::Message& message) {
    Order order{};
    if (!timeline.leads) { /* rnnmuse's own clock runs: notes come at their time */
      const int pitch = static_cast<int>(message.number(0)) & 127;
      if (!std::strcmp(word, "planned")) channel_of_[pitch] = static_cast<uint8_t>((static_cast<int>(message.number(4)) - 1) & 15);
      if (std::strcmp(word, "note")) return;
      const auto velocity = static_cast<uint8_t>(static_cast<int>(message.number(1)) & 127);
      if (velocity) struck_on_[pitch] = channel_of_[pitch];
      const Order now = {velocity ? Order::On : Order::Off, velocity ? channel_of_[pitch] : struck_on_[pitch], static_cast<uint8_t>(pitch), velocity, 0};
      if (!timeline.from_stage.push(now)) timeline.dropped.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (!std::strcmp(word, "planned")) {
      order.kind = message.number(1) > 0 ? Order::On : Order::Off;
      order.pitch = static_cast<uint8_t>(static_cast<int>(message.number(0)) & 127);
      order.velocity = static_cast<uint8_t>(static_cast<int>(message.number(1)) & 127);
      order.beat = std::round(message.number(2) * kPpq) / kPpq;
      order.channel = static_cast<uint8_t>((static_cast<int>(message.number(4)) - 1) & 15);
    } else if (!std::strcmp(word, "recalled") || !std::strcmp(word, "ended")) {
      order.kind = word[0] == 'r' ? Order::Recall : Order::End;
      order.beat = std::round(message.number(0) * kPpq) / kPpq;
    } else {
      return;
    }
    if (!timeline.from_stage.push(order)) timeline.dropped.fetch_add(1, std::memory_order_relaxed);
    std::lock_guard<std::mutex> hold(lock);
    show(order);
  }

  void take_value(const char* word, const osc::Message& message) {
    if (!std::strcmp(word, "mute")) timeline.from_stage.push({Order::Mute, 0, 0, static_cast<uint8_t>(message.number(0) > 0), 0});
    for (int i = 0; i < kInputs; i++) {
      if (!kRows[i].address || std::strcmp(kRows[i].address, word)) continue;
      if (now_ns() - set_at_[i] < kSecond / 3) return; /* our own word comes back */
      float value = static_cast<float>(message.number(0));
      if (kRows[i].kind == kList) {
        const int found = list_value(i, message.text(0));
        if (i == kMode && values[kFreeze] > 0.5f) return;
        if (i == kModel && found < 0) {
          std::lock_guard<std::mutex> hold(lock);
          model_name = message.text(0);
        }
        if (found < 0) return;
        value = static_cast<float>(found);
      }
      value = std::clamp(value, kRows[i].low, kRows[i].high);
      sent_[i] = value;
      if (i == kMode) timeline.reacts = value != 1 && value != 6;
      if (i == kSwing) timeline.swing = value;
      if (values[i].exchange(value) != value) move(i);
      return;
    }
  }

  /* ---- for the window; the caller holds `lock` ---- */

  void show(const Order& order) {
    if (order.kind == Order::On) {
      if (planned.size() > 2000) planned.erase(planned.begin(), planned.begin() + 500);
      planned.push_back({order.beat, -1, order.pitch, order.velocity, order.channel});
    } else if (order.kind == Order::Off) {
      for (auto note = planned.rbegin(); note != planned.rend(); ++note)
        if (note->pitch == order.pitch && note->channel == order.channel && note->end < 0) {
          note->end = order.beat;
          break;
        }
    } else if (order.kind == Order::Recall) {
      planned.erase(std::remove_if(planned.begin(), planned.end(), [&](const Shown& note) { return note.beat >= order.beat; }), planned.end());
    } else if (order.kind == Order::End) {
      for (Shown& note : planned)
        if (note.end < 0) note.end = std::max(note.beat, order.beat);
    }
  }

  void keep(const Order& order) {
    if (order.kind == Order::On) {
      if (played.size() > 8000) played.erase(played.begin(), played.begin() + 2000);
      played.push_back({order.beat, -1, order.pitch, order.velocity, order.channel});
      return;
    }
    for (auto note = played.rbegin(); note != played.rend(); ++note)
      if (note->pitch == order.pitch && note->channel == order.channel && note->end < 0) {
        note->end = std::max(note->beat + 0.01, order.beat);
        break;
      }
  }

  /* ---- the engine ---- */

  void start_engine(int64_t now) {
    std::vector<std::string> words;
    const char* named = std::getenv("RNNMUSE_ENGINE"); /* "none" for never */
    if ((named && !std::strcmp(named, "none")) || now - tried_ < kSecond) return;
    tried_ = now;
    std::ifstream file(named ? std::string(named) : data_folder() + (data_folder().find('\\') == std::string::npos ? "/" : "\\") + "engine.txt");
    for (std::string line; std::getline(file, line);) {
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
      if (!line.empty() && line[0] != '#') words.push_back(line);
    }
    std::lock_guard<std::mutex> hold(process().lock);
    if (process().started && now - process().started < 40 * kSecond) {
      if (status() != kStarting) set_status(now - process().started < 30 * kSecond ? kStarting : kFailed);
      return;
    }
    process().started = now;
    const bool said = !words.empty();
    words.push_back("--osc-port");
    words.push_back(std::to_string(port_));
    if (said && start_program(words)) return set_status(kStarting);
    for (const std::string& program : programs()) /* nobody has said how: as a package's installer leaves it */
      if (!named && start_program({program, "live", "--no-midi", "--until-alone", "20", "--osc-port", std::to_string(port_)})) return set_status(kStarting);
    if (said) return set_status(kFailed);
    process().started = 0;
    set_status(kNotInstalled);
  }

  struct Cue : Notice {
    Cue() : Notice{Notice::Cue, 0, 0, 0, 0, 0, 0} {}
    Cue& operator=(const Notice& other) { return static_cast<Notice&>(*this) = other, *this; }
    bool bpm_known() const { return b > 0; }
  };

  Udp udp_;
  int port_ = 7707;
  std::thread thread_;
  std::atomic<bool> stop_{false}, moving_{false};
  int64_t heard_ = 0, asked_ = 0, tried_ = -kSecond, cue_due_ = 0, cued_ = 0;
  int syncs_ = 0;
  uint8_t channel_of_[128] = {}, struck_on_[128] = {};
  bool offline_ = false, ready_ = false, granted_ = false, model_changed_ = false, model_first_ = false, model_back_ = false;
  Cue cue_;
  Notice metre_{};
  float sent_[kCount] = {};
  int64_t set_at_[kCount] = {};
};

}  // namespace rnnmuse
