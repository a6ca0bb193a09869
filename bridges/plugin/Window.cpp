/* The plugin's window: who plays, in which key and mode, the pad, and what is about to be played. */

#include "take.hpp"

#include "DistrhoUI.hpp"

#include "Plugin.hpp"

START_NAMESPACE_DISTRHO

using namespace rnnmuse;

class Window : public UI {
 public:
  Window() : UI(DISTRHO_UI_DEFAULT_WIDTH, DISTRHO_UI_DEFAULT_HEIGHT), plugin_(static_cast<MusePlugin*>(getPluginInstancePointer())) {
    loadSharedResources();
    const double scale = getScaleFactor();
    setGeometryConstraints(static_cast<uint>(480 * scale), static_cast<uint>(315 * scale), false, false);
    if (scale != 1.0) setSize(static_cast<uint>(DISTRHO_UI_DEFAULT_WIDTH * scale), static_cast<uint>(DISTRHO_UI_DEFAULT_HEIGHT * scale));
  }

 protected:
  void parameterChanged(uint32_t, float) override { repaint(); }
  void stateChanged(const char*, const char*) override {}
  void programLoaded(uint32_t) override { repaint(); }
  void uiIdle() override { repaint(); }

  /* ---- what is drawn; units are those of a window of 640 x 420 ---- */

  struct Box {
    float x, y, w, h;
    bool has(double px, double py) const { return px >= x && px < x + w && py >= y && py < y + h; }
  };
  struct Field {
    Box box;
    int index;
    const char* name;
  };
  static constexpr Field kFields[] = {
      {{16, 62, 144, 46}, kModel, "Model"},   {{168, 62, 144, 46}, kMode, "Mode"},          {{320, 62, 144, 46}, kKey, "Key"},
      {{472, 62, 152, 46}, kChord, "Chord"},  {{16, 116, 144, 46}, kDensity, "Density"},    {{168, 116, 144, 46}, kTemperature, "Temperature"},
      {{320, 116, 144, 46}, kRepeat, "Repeat"}, {{472, 116, 152, 46}, kVelocity, "Velocity"},
  };
  static constexpr Box kRoll = {16, 176, 448, 196}, kPadBox = {472, 176, 152, 152}, kFreezeBox = {472, 336, 72, 36}, kBypassBox = {552, 336, 72, 36},
                       kSave = {16, 380, 220, 28}, kPresetBox = {456, 8, 168, 36};
  static constexpr double kBeats = 8; /* shown in the roll: so many, a quarter of them over */

  double unit() const { return std::min(getWidth() / 640.0, getHeight() / 420.0); }

  void ink(int rgb, int alpha = 255) { fillColor(Color(rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255, alpha)); }

  void box(const Box& where, int rgb) {
    beginPath();
    roundedRect(where.x, where.y, where.w, where.h, 4);
    ink(rgb);
    fill();
  }

  void write(float x, float y, float size, const char* words, int rgb = 0xE8E6E0, int align = ALIGN_LEFT | ALIGN_MIDDLE) {
    fontSize(size);
    textAlign(align);
    ink(rgb);
    text(x, y, words, nullptr);
  }

  /* Text that is cut where it would leave its box. */
  void write_within(float x, float y, float size, const char* words, float width, int rgb = 0xE8E6E0) {
    save();
    intersectScissor(x, y - size, width, 2 * size);
    write(x, y, size, words, rgb);
    restore();
  }

  float value(int index) const { return plugin_ ? plugin_->link.values[index].load(std::memory_order_relaxed) : kRows[index].normal; }

  void onNanoDisplay() override {
    const float scale = static_cast<float>(unit());
    beginPath();
    rect(0, 0, getWidth(), getHeight());
    ink(0x1B1D22);
    fill();
    this->scale(scale, scale);
    head();
    for (const Field& field : kFields) show(field);
    preset();
    roll();
    pad();
    toggle(kFreezeBox, kFreeze, "Freeze");
    toggle(kBypassBox, kBypass, "Bypass");
    box(kSave, over_ == &kSave ? 0x4A5160 : 0x363B46);
    write(kSave.x + kSave.w / 2, kSave.y + 15, 14, "Save what was just played as MIDI", 0xE8E6E0, ALIGN_CENTER | ALIGN_MIDDLE);
    if (!said_.empty()) write_within(248, 395, 12, said_.c_str(), 376, 0xA9B0BC);
  }

  void head() {
    const int status = plugin_ ? plugin_->link.status() : 0;
    write(16, 24, 22, "rnnmuse");
    beginPath();
    circle(118, 24, 5);
    ink(status == kConnected ? 0x6CC28B : status == kStarting || status == kLooking ? 0xE0B45A : 0xD9705F);
    fill();
    char line[120];
    if (plugin_ && status == kConnected) {
      const Timeline& time = plugin_->link.timeline;
      std::snprintf(line, sizeof line, "player %d   %s   bar %d   %.1f bpm%s", plugin_->link.player.load(),
                    time.shown_playing ? "plays" : "waits for play", time.shown_bar.load(), time.shown_bpm.load(), time.shown_offline ? "   offline" : "");
      write(132, 24, 15, line);
    } else {
      write(132, 24, 15, kStatuses[status < 0 || status >= size_of(kStatuses) ? 0 : status]);
      if (status == kNotInstalled) write(16, 46, 13, "pip install rnnmuse, then: rnnmuse bridges install plugin", 0xE0B45A);
    }
    if (plugin_ && status == kConnected) {
      const std::lock_guard<std::mutex> hold(plugin_->link.lock);
      if (!plugin_->link.error.empty()) write_within(16, 46, 12, plugin_->link.error.c_str(), 608, 0xD9A05F);
    }
  }

  void show(const Field& field) {
    box(field.box, over_ == &field.box ? 0x343944 : 0x282C35);
    write(field.box.x + 8, field.box.y + 13, 12, field.name, 0xA9B0BC);
    const ParameterRow& row = kRows[field.index];
    char room[48];
    const char* words = room;
    if (row.kind == kList) {
      words = list_text(field.index, static_cast<int>(std::lround(value(field.index))), room, sizeof room);
      if (field.index == kModel && plugin_) {
        const std::lock_guard<std::mutex> hold(plugin_->link.lock);
        if (!plugin_->link.model_name.empty()) std::snprintf(room, sizeof room, "%s", plugin_->link.model_name.c_str()), words = room;
      }
      write(field.box.x + field.box.w - 12, field.box.y + 31, 13, "\xE2\x80\xBA", 0xA9B0BC);
    } else {
      std::snprintf(room, sizeof room, field.index == kDensity && value(field.index) == 0 ? "the model's own" : "%.2f", static_cast<double>(value(field.index)));
      beginPath();
      rect(field.box.x + 8, field.box.y + 40, (field.box.w - 16) * (value(field.index) - row.low) / (row.high - row.low), 3);
      ink(0x7FA7D9);
      fill();
    }
    write_within(field.box.x + 8, field.box.y + 30, 16, words, field.box.w - 24);
  }

  int shown_preset() const { return preset_of([this](int index) { return value(index); }); }

  void preset() {
    box(kPresetBox, over_ == &kPresetBox ? 0x343944 : 0x282C35);
    write(kPresetBox.x + 8, kPresetBox.y + 10, 11, "Preset", 0xA9B0BC);
    const int found = shown_preset();
    write_within(kPresetBox.x + 8, kPresetBox.y + 25, 15, found < 0 ? "your own" : kPresets[found].name, kPresetBox.w - 24);
    write(kPresetBox.x + kPresetBox.w - 12, kPresetBox.y + 25, 13, "\xE2\x80\xBA", 0xA9B0BC);
  }

  void load_preset(int number) {
    if (plugin_) plugin_->link.set_model("");
    for (const int index : kPresetParameters) {
      editParameter(static_cast<uint32_t>(index), true);
      set(index, preset_value(number, index));
      editParameter(static_cast<uint32_t>(index), false);
    }
  }

  void toggle(const Box& where, int index, const char* words) {
    const bool on = value(index) > 0.5f;
    box(where, on ? 0xC9855A : over_ == &where ? 0x343944 : 0x282C35);
    write(where.x + where.w / 2, where.y + 19, 14, words, on ? 0x1B1D22 : 0xE8E6E0, ALIGN_CENTER | ALIGN_MIDDLE);
  }

  void roll() {
    box(kRoll, 0x14161A);
    if (!plugin_) return;
    const Timeline& time = plugin_->link.timeline;
    const double now = time.shown_plan, first = now - kBeats / 4;
    std::vector<Shown> notes;
    {
      const std::lock_guard<std::mutex> hold(plugin_->link.lock);
      for (const Shown& note : plugin_->link.planned)
        if (note.beat < first + kBeats && (note.end < 0 || note.end > first)) notes.push_back(note);
    }
    int low = 127, high = 0;
    for (const Shown& note : notes) low = std::min<int>(low, note.pitch), high = std::max<int>(high, note.pitch);
    if (high - low < 23) {
      const int middle = notes.empty() ? 60 : (low + high) / 2;
      low = middle - 12, high = middle + 12;
    }
    save();
    intersectScissor(kRoll.x, kRoll.y, kRoll.w, kRoll.h);
    for (double beat = std::ceil(first); beat < first + kBeats; beat += 1) {
      beginPath();
      rect(static_cast<float>(kRoll.x + (beat - first) / kBeats * kRoll.w), kRoll.y, 1, kRoll.h);
      ink(0x2C313B);
      fill();
    }
    const float step = (kRoll.h - 8) / static_cast<float>(high - low + 1);
    static constexpr int colours[] = {0x7FA7D9, 0xC9855A, 0x6CC28B, 0xD9C15F, 0xB58BD9, 0x5FC7C9, 0xD96F93, 0x9DB35F};
    for (const Shown& note : notes) {
      const double end = note.end < 0 ? first + kBeats : note.end;
      const auto x = static_cast<float>(kRoll.x + (note.beat - first) / kBeats * kRoll.w);
      const auto w = static_cast<float>(std::max(2.0, (end - note.beat) / kBeats * kRoll.w - 1));
      beginPath();
      rect(x, kRoll.y + 4 + step * static_cast<float>(high - note.pitch), w, std::max(2.0f, step - 1));
      ink(colours[note.channel & 7], note.beat < now ? 110 : 130 + note.velocity);
      fill();
    }
    beginPath();
    rect(static_cast<float>(kRoll.x + kRoll.w / 4), kRoll.y, 2, kRoll.h);
    ink(0xE8E6E0);
    fill();
    restore();
    if (notes.empty()) write(kRoll.x + kRoll.w / 2, kRoll.y + kRoll.h / 2, 14, "what is about to be played is shown here", 0x8A919D, ALIGN_CENTER | ALIGN_MIDDLE);
  }

  void pad() {
    box(kPadBox, 0x14161A);
    write(kPadBox.x + 8, kPadBox.y + 14, 12, "Pad (phrases, beats)", 0x8A919D);
    beginPath();
    circle(kPadBox.x + value(kX) * kPadBox.w, kPadBox.y + (1 - value(kY)) * kPadBox.h, 8);
    ink(0x7FA7D9);
    fill();
  }

  /* ---- the mouse ---- */

  void set(int index, float to) {
    const ParameterRow& row = kRows[index];
    to = std::min(row.high, std::max(row.low, row.kind == kReal ? to : std::round(to)));
    if (plugin_) plugin_->link.values[index].store(to, std::memory_order_relaxed); /* seen at once; the host sets it too */
    setParameterValue(static_cast<uint32_t>(index), to);
    repaint();
  }

  void drag_pad(double x, double y) {
    set(kX, static_cast<float>((x - kPadBox.x) / kPadBox.w));
    set(kY, static_cast<float>(1 - (y - kPadBox.y) / kPadBox.h));
  }

  bool onMouse(const MouseEvent& event) override {
    const double x = event.pos.getX() / unit(), y = event.pos.getY() / unit();
    if (!event.press) {
      if (dragged_ >= 0) editParameter(static_cast<uint32_t>(dragged_), false);
      if (on_pad_) editParameter(kX, false), editParameter(kY, false);
      dragged_ = -1, on_pad_ = false;
      return true;
    }
    if (kPadBox.has(x, y)) {
      on_pad_ = true;
      editParameter(kX, true), editParameter(kY, true);
      drag_pad(x, y);
      return true;
    }
    for (const Field& field : kFields) {
      if (!field.box.has(x, y)) continue;
      const ParameterRow& row = kRows[field.index];
      if (row.kind == kList) { /* the right half goes on, the left back, and round */
        const int count = static_cast<int>(row.high) + 1, step = event.button == 3 || x < field.box.x + field.box.w / 3 ? count - 1 : 1;
        editParameter(static_cast<uint32_t>(field.index), true);
        set(field.index, static_cast<float>((static_cast<int>(std::lround(value(field.index))) + step) % count));
        editParameter(static_cast<uint32_t>(field.index), false);
      } else {
        dragged_ = field.index, from_ = x, begun_ = value(field.index);
        editParameter(static_cast<uint32_t>(field.index), true);
      }
      return true;
    }
    if (kPresetBox.has(x, y)) { /* the right part goes on, the left edge back, and round */
      const int found = shown_preset();
      const bool back = event.button == 3 || x < kPresetBox.x + kPresetBox.w / 3;
      load_preset(found < 0 ? 0 : (found + (back ? kPresetCount - 1 : 1)) % kPresetCount);
      return true;
    }
    if (kFreezeBox.has(x, y)) return set(kFreeze, value(kFreeze) > 0.5f ? 0 : 1), true;
    if (kBypassBox.has(x, y)) return set(kBypass, value(kBypass) > 0.5f ? 0 : 1), true;
    if (kSave.has(x, y) && plugin_) {
      std::vector<Shown> notes;
      {
        const std::lock_guard<std::mutex> hold(plugin_->link.lock);
        notes = plugin_->link.played;
      }
      if (notes.empty()) said_ = "Nothing was played yet.";
      else if ((said_ = save_take(notes, plugin_->link.timeline.shown_bpm)).empty()) said_ = "The file could not be written.";
      repaint();
      return true;
    }
    return false;
  }

  bool onMotion(const MotionEvent& event) override {
    const double x = event.pos.getX() / unit(), y = event.pos.getY() / unit();
    if (on_pad_) return drag_pad(x, y), true;
    if (dragged_ >= 0) {
      const ParameterRow& row = kRows[dragged_];
      const double way = (x - from_) / 200;
      set(dragged_, begun_ + static_cast<float>(way) * (row.high - row.low));
      return true;
    }
    const Box* over = nullptr;
    for (const Field& field : kFields)
      if (field.box.has(x, y)) over = &field.box;
    for (const Box* one : {&kFreezeBox, &kBypassBox, &kSave, &kPresetBox})
      if (one->has(x, y)) over = one;
    if (over != over_) over_ = over, repaint();
    return false;
  }

  bool onScroll(const ScrollEvent& event) override {
    const double x = event.pos.getX() / unit(), y = event.pos.getY() / unit();
    for (const Field& field : kFields) {
      if (!field.box.has(x, y)) continue;
      const ParameterRow& row = kRows[field.index];
      const double step = row.kind == kReal ? (row.high - row.low) / 50 : 1;
      set(field.index, value(field.index) + static_cast<float>(event.delta.getY() > 0 ? step : -step));
      return true;
    }
    return false;
  }

 private:
  MusePlugin* plugin_;
  const Box* over_ = nullptr;
  int dragged_ = -1;
  bool on_pad_ = false;
  double from_ = 0;
  float begun_ = 0;
  std::string said_;

  DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(Window)
};

UI* createUI() { return new Window; }

END_NAMESPACE_DISTRHO
