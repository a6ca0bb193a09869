/* A host of one instance of the plugin, as CLAP, VST3 or LV2, that plays a score of transports.

   plugin_host FORMAT FILE WORD VALUE ...

   Words, in order: rate R, block N, tempo B, metre N D, set INDEX VALUE, wait SECONDS (until it is connected, standing),
   stand SECONDS, play SECONDS, loop BEATS SECONDS, at BEAT (the place for what follows), jump BEAT, note PITCH VELOCITY,
   cc NUMBER VALUE, anew R (deactivated, and activated at another rate), preset N, control INDEX VALUE (VST3: by the
   controller alone), values (as the plugin says them), bounce SECONDS (as fast as it can; `offline` before it: and the format's own word for it), save, load,
   instances N (of which the first is printed), again N (so many times loaded and let go), guard (the audio thread's allocations and locks are counted, system calls
   but reading the clock end the process), guilty N, params, window
   WIDTH HEIGHT (CLAP's, floating, while the score is played; `scale S` before it: at that scale). Prints what left: "on|off BEAT CHANNEL PITCH VELOCITY" by the
   host's beats, "cc …", "param INDEX VALUE" for what the plugin set, and at the end counts. */

#ifdef _WIN32 /* under wine: CLAP alone, nothing is guarded */
#define PLAIN
#include <windows.h>
#define dlopen(file, how) reinterpret_cast<void*>(LoadLibraryA(file))
#define dlsym(library, name) reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(library), name))
#define dlclose(library) FreeLibrary(reinterpret_cast<HMODULE>(library))
#define dlerror() "not loaded"
#define CLOCK_BOOTTIME CLOCK_MONOTONIC
#else
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "../../bridges/plugin/parameters.hpp"

/* ---- what is counted: these stand before the C library's own ---- */

static thread_local bool inside;
static std::atomic<unsigned> allocations, locks;

#ifndef PLAIN
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void __libc_free(void*);
static void allocated() { if (inside) allocations++; }
void* malloc(size_t size) { return allocated(), __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return allocated(), __libc_calloc(count, size); }
void* realloc(void* at, size_t size) { return allocated(), __libc_realloc(at, size); }
void free(void* at) { allocated(), __libc_free(at); }
int pthread_mutex_lock(pthread_mutex_t* lock) noexcept {
  static int (*real)(pthread_mutex_t*);
  if (!real) *reinterpret_cast<void**>(&real) = dlsym(RTLD_NEXT, "pthread_mutex_lock");
  if (inside) locks++;
  return real(lock);
}
}
#endif

#ifdef _WIN32
static void forbid() {}
#else
static void forbid() {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_BOOTTIME, 0, 1), /* the host's own sleep */
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  const sock_fprog program = {sizeof rules / sizeof *rules, rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) std::puts("no seccomp"), _exit(77);
}
#endif

/* ---- a block, whatever the format ---- */

struct Event { uint32_t frame; uint8_t bytes[3]; };
struct Point { unsigned index; double value; };
struct Block {
  uint32_t frames = 256;
  bool playing = false, offline = false;
  double beat = 0, bpm = 120;
  int numerator = 4, denominator = 4;
  Event in[64];
  int count_in = 0;
  Point points[64];
  int count_points = 0;
  Event out[4096];
  int count_out = 0;
  uint32_t last = 0, faults = 0;

  bool leave(uint32_t frame, uint8_t a, uint8_t b, uint8_t c) {
    if (frame < last || frame >= frames) faults++; /* in order, in the block */
    last = frame;
    if (count_out == 4096) return false;
    out[count_out++] = {frame, {a, b, c}};
    return true;
  }
};
static Block block;
constexpr int kMostInstances = 32;
static double all_shown[kMostInstances][64];
static double* shown = all_shown[0]; /* of the instance that is processed */

struct Format {
  virtual ~Format() = default;
  virtual bool load(const char* file) = 0;
  virtual void activate(double rate, uint32_t most) = 0;
  virtual void prepare() {} /* what a host does before it calls: not timed */
  virtual void process() = 0;
  virtual void deactivate() = 0;
  virtual std::string save() = 0;
  virtual bool restore(const std::string&) = 0;
  virtual void list() = 0;
  virtual bool preset(int number) = 0;
  virtual double value(unsigned index) = 0; /* as the plugin says it */
  virtual bool control(unsigned, double) { return false; } /* where a format can set one beside the blocks */
  virtual double text_value(unsigned, const char*) { return 0; }
  virtual bool show(double, uint32_t, uint32_t) { return false; } /* its window */
  virtual void idle() {}
  virtual void unload() = 0;
};

#include "plugin_host_clap.hpp"
#ifndef _WIN32
#include "plugin_host_lv2.hpp"
#include "plugin_host_vst3.hpp"
#endif

/* ---- the score ---- */

static double rate = 48000;
static long blocks;
static double spent, longest;
static bool all_sounding[kMostInstances][16][128];
static std::vector<Format*> instances;
static long notes, faults, twice;

static void sleep_until(timespec& at, double seconds) {
#ifdef _WIN32
  (void)at;
  static double owed = 0;
  owed += seconds;
  if (owed > 0.01) Sleep(static_cast<DWORD>(owed * 1000)), owed -= static_cast<DWORD>(owed * 1000) / 1000.0;
  return;
#else
  at.tv_nsec += static_cast<long>(seconds * 1e9);
  while (at.tv_nsec >= 1000000000) at.tv_sec++, at.tv_nsec -= 1000000000;
  clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, nullptr);
#endif
}

static std::vector<std::string> lines;
static char text_room[1 << 22];
static size_t text_used;
static void say(const char* format, double a, int b, int c, int d) { /* kept: the audio thread may not write */
  if (text_used + 128 < sizeof text_room) text_used += static_cast<size_t>(snprintf(text_room + text_used, 128, format, a, b, c, d));
}

/* One block of one instance; of the first alone the notes are printed. */
static void run_one(Format& format, size_t which) {
  block.count_out = 0, block.last = 0;
  shown = all_shown[which];
  auto& sounding = all_sounding[which];
  timespec a, b;
  format.prepare();
  clock_gettime(CLOCK_MONOTONIC, &a);
  inside = true;
  format.process();
  inside = false;
  clock_gettime(CLOCK_MONOTONIC, &b);
  const double took = static_cast<double>(b.tv_sec - a.tv_sec) + static_cast<double>(b.tv_nsec - a.tv_nsec) * 1e-9;
  spent += took, blocks++;
  if (took > longest) longest = took;
  faults += block.faults, block.faults = 0;
  for (int i = 0; i < block.count_out; i++) {
    const Event& event = block.out[i];
    const double beat = block.beat + (block.playing ? event.frame * block.bpm / 60 / rate : 0);
    const int kind = event.bytes[0] & 0xF0, channel = event.bytes[0] & 15;
    if (kind == 0x90 || kind == 0x80) {
      const bool on = kind == 0x90 && event.bytes[2];
      bool& sounds = sounding[channel][event.bytes[1]];
      twice += sounds == on;
      sounds = on;
      notes += on;
      if (!which) say(on ? "on %.6f %d %d %d\n" : "off %.6f %d %d %d\n", beat, channel, event.bytes[1], event.bytes[2]);
    } else if (!which) {
      say("midi %.6f %d %d %d\n", beat, event.bytes[0], event.bytes[1], event.bytes[2]);
    }
  }
}

static void run_block(Format& format) {
  run_one(format, 0);
  for (size_t i = 1; i < instances.size(); i++) run_one(*instances[i], i);
  shown = all_shown[0];
  block.count_in = block.count_points = 0;
  if (block.playing) block.beat += block.frames * block.bpm / 60 / rate;
}

static bool guarded, reached = true;
static int guilty;

static void perform(Format& format, const std::vector<std::string>& words) {
  timespec at;
  clock_gettime(CLOCK_BOOTTIME, &at);
  double saved_place = 0;
  std::string kept;
  if (guarded) forbid();
  for (size_t i = 0; i < words.size(); i++) {
    const std::string& word = words[i];
    const auto number = [&] { return std::strtod(words[++i].c_str(), nullptr); };
    const auto roll = [&](double seconds, double loop, bool fast) {
      const double begin = saved_place;
      block.playing = loop >= 0;
      if (block.playing) block.beat = begin;
      const auto count = static_cast<long>(std::ceil(seconds * rate / block.frames));
      const uint32_t size = block.frames;
      for (long n = 0; n < count; n++) {
        if (guilty && n == 9) {
          inside = true;
          static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
          static void* volatile none; /* nothing, but the compiler cannot know */
          if (guilty == 1) free(none);
          if (guilty == 2) pthread_mutex_lock(&mutex);
#ifndef _WIN32
          if (guilty == 3) getppid();
#endif
          inside = false, guilty = 0;
        }
        uint32_t left = size;
        while (left) { /* a block ends where the loop does */
          block.frames = left;
          if (loop > 0) {
            const double frames = std::ceil((begin + loop - block.beat) * 60 / block.bpm * rate - 1e-6);
            if (frames < left) block.frames = frames < 1 ? 1 : static_cast<uint32_t>(frames);
          }
          left -= block.frames;
          run_block(format);
          if (loop > 0 && block.beat > begin + loop - 1e-4) say("pass %.6f %d %d %d\n", block.beat, 0, 0, 0), block.beat = begin;
        }
        block.frames = size;
        if (!fast) sleep_until(at, size / rate);
      }
      if (block.playing) saved_place = block.beat;
      clock_gettime(CLOCK_BOOTTIME, &at);
    };
    if (word == "set") {
      const auto index = static_cast<unsigned>(number());
      block.points[block.count_points++] = {index, number()};
    } else if (word == "wait") {
      const double seconds = number();
      block.playing = false, block.beat = saved_place;
      reached = false;
      for (double t = 0; t < seconds && !reached; t += block.frames / rate) {
        run_block(format);
        reached = true;
        for (size_t n = 0; n < instances.size(); n++) {
          const double status = all_shown[n][rnnmuse::kStatus];
          reached = reached && (status == rnnmuse::kConnected || (n && status == rnnmuse::kNoPlayer));
        }
        sleep_until(at, block.frames / rate);
      }
      say("reached %.0f %d %d %d\n", reached, 0, 0, 0);
    } else if (word == "stand") {
      block.beat = saved_place;
      roll(number(), -1, false);
    } else if (word == "play") {
      roll(number(), 0, false);
    } else if (word == "loop") {
      const double beats = number();
      roll(number(), beats, false);
    } else if (word == "bounce") {
      roll(number(), 0, true);
    } else if (word == "at") {
      saved_place = number();
    } else if (word == "jump") {
      saved_place = number();
      say("jump %.6f %d %d %d\n", saved_place, 0, 0, 0);
    } else if (word == "offline") {
      block.offline = true;
    } else if (word == "tempo") {
      block.bpm = number();
    } else if (word == "metre") {
      block.numerator = static_cast<int>(number()), block.denominator = static_cast<int>(number());
    } else if (word == "block") {
      block.frames = static_cast<uint32_t>(number());
    } else if (word == "note") {
      const int pitch = static_cast<int>(number()), velocity = static_cast<int>(number());
      block.in[block.count_in++] = {0, {static_cast<uint8_t>((velocity ? 0x90 : 0x80) | 2), static_cast<uint8_t>(pitch), static_cast<uint8_t>(velocity)}};
    } else if (word == "cc") {
      const int cc = static_cast<int>(number()), value = static_cast<int>(number());
      block.in[block.count_in++] = {0, {0xB2, static_cast<uint8_t>(cc), static_cast<uint8_t>(value)}};
      if (block.count_in == 64) run_block(format);
    } else if (word == "anew") {
      rate = number();
      for (Format* one : instances) one->deactivate(), one->activate(rate, 4096);
    } else if (word == "preset") {
      say("loaded %.0f %d %d %d\n", format.preset(static_cast<int>(number())), 0, 0, 0);
    } else if (word == "control") {
      const auto index = static_cast<unsigned>(number());
      say("controlled %.0f %d %d %d\n", format.control(index, number()), 0, 0, 0);
    } else if (word == "values") {
      for (int n = 0; n < rnnmuse::kInputs; n++) say("value %.6f %d %d %d\n", format.value(static_cast<unsigned>(n)), n, 0, 0);
    } else if (word == "save") {
      kept = format.save();
      say("saved %.0f %d %d %d\n", static_cast<double>(kept.size()), 0, 0, 0);
    } else if (word == "load") {
      say("loaded %.0f %d %d %d\n", format.restore(kept), 0, 0, 0);
    }
  }
}

int main(int count, char** arguments) {
  if (count < 3) return 2;
  setvbuf(stdout, nullptr, _IOFBF, 1 << 16);
  pthread_mutex_t bind = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&bind), pthread_mutex_unlock(&bind);
  std::vector<std::string> words(arguments + 3, arguments + count);
  int again = 0, many = 1;
  double window_scale = 0;
  bool lists = false;
  for (size_t i = 0; i < words.size(); i++) {
    if (words[i] == "rate") rate = std::atof(words[i + 1].c_str());
    if (words[i] == "scale") window_scale = std::atof(words[i + 1].c_str());
    if (words[i] == "again") again = std::atoi(words[i + 1].c_str());
    if (words[i] == "instances") many = std::min(std::atoi(words[i + 1].c_str()), kMostInstances);
    if (words[i] == "guilty") guilty = std::atoi(words[i + 1].c_str());
    guarded |= words[i] == "guard", lists |= words[i] == "params";
  }
  const std::string kind = arguments[1];
  const auto made = [&]() -> Format* {
    if (kind == "clap") return new Clap;
#ifndef _WIN32
    if (kind == "lv2") return new Lv2;
    if (kind == "vst3") return new Vst3;
#endif
    return nullptr;
  };
  for (int i = 0; i < again; i++) {
    Format* one = made();
    if (!one->load(arguments[2])) return 1;
    one->activate(rate, 4096);
    for (int n = 0; n < 4; n++) run_block(*one);
    one->deactivate();
    one->unload();
    delete one;
  }
  Format* format = made();
  if (!format->load(arguments[2])) return std::fprintf(stderr, "%s was not loaded\n", arguments[2]), 1;
  if (lists) format->list();
  format->activate(rate, 4096);
  instances.push_back(format);
  while (static_cast<int>(instances.size()) < many) {
    instances.push_back(made());
    if (!instances.back()->load(arguments[2])) return 1;
    instances.back()->activate(rate, 4096);
  }
  for (size_t i = 0; i + 2 < words.size(); i++)
    if (words[i] == "window") std::printf("window %d\n", format->show(window_scale, static_cast<uint32_t>(std::atoi(words[i + 1].c_str())), static_cast<uint32_t>(std::atoi(words[i + 2].c_str()))));
  std::atomic<bool> done{false};
  std::thread audio([&] {
    perform(*format, words);
    done = true;
    if (guarded)
      for (;;) { /* ending would be a system call */
        timespec rest = {};
        clock_gettime(CLOCK_BOOTTIME, &rest);
        sleep_until(rest, 99);
      }
  });
  size_t told = 0;
  const auto print = [&] {
    const size_t used = text_used;
    fwrite(text_room + told, 1, used - told, stdout);
    fflush(stdout);
    told = used;
  };
  while (!done) usleep(20000), format->idle(), print();
  print();
  if (guarded) audio.detach();
  else audio.join();
  int open = 0;
  for (auto& instance : all_sounding) for (auto& channel : instance) for (const bool one : channel) open += one;
  for (size_t i = 0; i < instances.size() && many > 1; i++)
    std::printf("instance %zu status %.0f player %.0f\n", i, all_shown[i][rnnmuse::kStatus], instances[i]->value(rnnmuse::kPlayer));
  std::printf("end blocks %ld notes %ld open %d twice %ld faults %ld allocations %u locks %u mean_ns %.0f longest_us %.0f\n", blocks, notes, open, twice,
              faults, allocations.load(), locks.load(), blocks ? spent / static_cast<double>(blocks) * 1e9 : 0, longest * 1e6);
  fflush(stdout);
  if (guarded) _exit(0);
  for (Format* one : instances) one->deactivate(), one->unload(), delete one;
  return 0;
}
