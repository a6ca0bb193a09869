/* A VST3 plugin in plugin_host.cpp, by travesty, the plain interface that DPF has. */

#include "distrho/src/travesty/audio_processor.h"
#include "distrho/src/travesty/component.h"
#include "distrho/src/travesty/edit_controller.h"
#include "distrho/src/travesty/events.h"
#include "distrho/src/travesty/factory.h"
#include "distrho/src/travesty/host.h"
#include "distrho/src/travesty/bstream.h"
#include "distrho/src/travesty/unit.h"

struct Vst3 : Format {
  void* library = nullptr;
  v3_component** component = nullptr;
  v3_audio_processor** processor = nullptr;
  v3_edit_controller** controller = nullptr;
  v3_plugin_factory** factory = nullptr;
  double rate = 48000;
  static constexpr double kNone = 0;
  uint32_t first = 0; /* DPF's own parameters, such as each controller of each channel, come before ours */

  /* the host's own objects: each is one, and stays */
  static v3_result V3_API no_other(void*, const v3_tuid, void** found) { return *found = nullptr, V3_NO_INTERFACE; }
  static uint32_t V3_API one(void*) { return 1; }

  struct EventTable { v3_funknown base; v3_event_list list; };
  struct QueueTable { v3_funknown base; v3_param_value_queue queue; };
  struct ChangesTable { v3_funknown base; v3_param_changes changes; };
  struct StreamTable { v3_funknown base; v3_bstream stream; };

  template <class Table>
  struct Object { const Table* table; Vst3* host; int index; };

  static uint32_t V3_API event_count(void* self) { return static_cast<Object<EventTable>*>(self)->index ? 0 : static_cast<uint32_t>(notes_in()); }
  static int notes_in() {
    int count = 0;
    for (int i = 0; i < block.count_in; i++) count += (block.in[i].bytes[0] & 0xF0) != 0xB0;
    return count;
  }
  static v3_result V3_API get_event(void*, int32_t index, v3_event* event) {
    for (int i = 0; i < block.count_in; i++) {
      const Event& in = block.in[i];
      if ((in.bytes[0] & 0xF0) == 0xB0 || index--) continue;
      *event = {};
      event->sample_offset = static_cast<int32_t>(in.frame);
      if ((in.bytes[0] & 0xF0) == 0x90) {
        event->type = V3_EVENT_NOTE_ON;
        event->note_on.channel = in.bytes[0] & 15, event->note_on.pitch = in.bytes[1], event->note_on.velocity = in.bytes[2] / 127.0f, event->note_on.note_id = -1;
      } else {
        event->type = V3_EVENT_NOTE_OFF;
        event->note_off.channel = in.bytes[0] & 15, event->note_off.pitch = in.bytes[1], event->note_off.note_id = -1;
      }
      return V3_OK;
    }
    return V3_INVALID_ARG;
  }
  static v3_result V3_API add_event(void*, v3_event* event) {
    const auto frame = static_cast<uint32_t>(event->sample_offset);
    if (event->type == V3_EVENT_NOTE_ON)
      return block.leave(frame, static_cast<uint8_t>(0x90 | event->note_on.channel), static_cast<uint8_t>(event->note_on.pitch), static_cast<uint8_t>(event->note_on.velocity * 127 + 0.5f)) ? V3_OK : V3_NOMEM;
    if (event->type == V3_EVENT_NOTE_OFF)
      return block.leave(frame, static_cast<uint8_t>(0x80 | event->note_off.channel), static_cast<uint8_t>(event->note_off.pitch), 0) ? V3_OK : V3_NOMEM;
    if (event->type == V3_EVENT_LEGACY_MIDI_CC_OUT)
      return block.leave(frame, static_cast<uint8_t>(0xB0 | event->midi_cc_out.channel), event->midi_cc_out.cc_number, static_cast<uint8_t>(event->midi_cc_out.value)) ? V3_OK : V3_NOMEM;
    return V3_OK;
  }
  static const EventTable& events() {
    static const EventTable table = {{no_other, one, one}, {event_count, get_event, add_event}};
    return table;
  }

  /* a queue for each parameter that moves: 0 to 63 are points, from 64 on a controller */
  static v3_param_id V3_API queue_id(void* self) { return static_cast<Object<QueueTable>*>(self)->host->id_of(static_cast<Object<QueueTable>*>(self)->index); }
  static int32_t V3_API queue_count(void*) { return 1; }
  static v3_result V3_API queue_point(void* self, int32_t, int32_t* frame, double* value) {
    auto* queue = static_cast<Object<QueueTable>*>(self);
    *frame = 0;
    if (queue->index >= 64) *value = queue->host->cc[queue->index - 64].bytes[2] / 127.0;
    else *value = v3_cpp_obj(queue->host->controller)->plain_parameter_to_normalised(queue->host->controller, queue_id(self), block.points[queue->index].value);
    return V3_OK;
  }
  static v3_result V3_API add_point(void* self, int32_t frame, double value, int32_t*) {
    auto* queue = static_cast<Object<QueueTable>*>(self);
    if (frame < 0) block.faults++;
    const uint32_t id = queue->host->told;
    if (id >= queue->host->first && id - queue->host->first < 64) {
      const uint32_t index = id - queue->host->first;
      shown[index] = v3_cpp_obj(queue->host->controller)->normalised_parameter_to_plain(queue->host->controller, id, value);
      if (index < rnnmuse::kInputs) Clap::say("param %.6f %d %d %d\n", shown[index], static_cast<int>(index), 0, 0);
    }
    return V3_OK;
  }
  static const QueueTable& queues() {
    static const QueueTable table = {{no_other, one, one}, {queue_id, queue_count, queue_point, add_point}};
    return table;
  }
  Object<QueueTable> queue_in[128], queue_out = {&queues(), this, 0};
  uint32_t told = 0;
  Event cc[64];
  int count_cc = 0;
  v3_param_id id_of(int index) const {
    if (index < 64) return first + block.points[index].index;
    return cc_first + static_cast<uint32_t>((cc[index - 64].bytes[0] & 15) * 130 + cc[index - 64].bytes[1]);
  }
  uint32_t cc_first = 0;

  static int32_t V3_API change_count(void* self) {
    auto* changes = static_cast<Object<ChangesTable>*>(self);
    return changes->index ? 0 : block.count_points + changes->host->count_cc;
  }
  static v3_param_value_queue** V3_API change(void* self, int32_t index) {
    Vst3* host = static_cast<Object<ChangesTable>*>(self)->host;
    const int which = index < block.count_points ? index : 64 + index - block.count_points;
    host->queue_in[which] = {&queues(), host, which};
    return reinterpret_cast<v3_param_value_queue**>(&host->queue_in[which]);
  }
  static v3_param_value_queue** V3_API add_change(void* self, v3_param_id* id, int32_t*) {
    Vst3* host = static_cast<Object<ChangesTable>*>(self)->host;
    host->told = *id;
    return reinterpret_cast<v3_param_value_queue**>(&host->queue_out);
  }
  static const ChangesTable& changes() {
    static const ChangesTable table = {{no_other, one, one}, {change_count, change, add_change}};
    return table;
  }

  struct Text { const StreamTable* table; std::string text; size_t at; };
  static v3_result V3_API stream_read(void* self, void* data, int32_t size, int32_t* read) {
    auto* stream = static_cast<Text*>(self);
    const size_t left = stream->text.size() - stream->at, some = left < static_cast<size_t>(size) ? left : static_cast<size_t>(size);
    std::memcpy(data, stream->text.data() + stream->at, some);
    stream->at += some;
    if (read) *read = static_cast<int32_t>(some);
    return V3_OK;
  }
  static v3_result V3_API stream_write(void* self, void* data, int32_t size, int32_t* written) {
    static_cast<Text*>(self)->text.append(static_cast<const char*>(data), static_cast<size_t>(size));
    if (written) *written = size;
    return V3_OK;
  }
  static v3_result V3_API stream_seek(void*, int64_t, int32_t, int64_t*) { return V3_NOT_IMPLEMENTED; }
  static v3_result V3_API stream_tell(void*, int64_t*) { return V3_NOT_IMPLEMENTED; }
  static const StreamTable& streams() {
    static const StreamTable table = {{no_other, one, one}, {stream_read, stream_write, stream_seek, stream_tell}};
    return table;
  }

  bool load(const char* file) override {
    library = dlopen(file, RTLD_NOW);
    if (!library) return std::fprintf(stderr, "%s\n", dlerror()), false;
    using Enter = bool (*)(void*);
    using Get = v3_plugin_factory** (*)();
    const auto enter = reinterpret_cast<Enter>(dlsym(library, "ModuleEntry"));
    const auto get = reinterpret_cast<Get>(dlsym(library, "GetPluginFactory"));
    if (!enter || !get || !enter(library)) return false;
    factory = get();
    v3_class_info about;
    if (v3_cpp_obj(factory)->get_class_info(factory, 0, &about) != V3_OK) return false;
    void* made = nullptr;
    if (v3_cpp_obj(factory)->create_instance(factory, about.class_id, v3_component_iid, &made) != V3_OK) return false;
    component = static_cast<v3_component**>(made);
    if (v3_cpp_obj_initialize(component, static_cast<v3_funknown**>(nullptr)) != V3_OK) return false;
    if (v3_cpp_obj_query_interface(component, v3_audio_processor_iid, &processor) != V3_OK) return false;
    if (v3_cpp_obj_query_interface(component, v3_edit_controller_iid, &controller) != V3_OK) {
      v3_tuid id;
      if (v3_cpp_obj(component)->get_controller_class_id(component, id) != V3_OK) return false;
      if (v3_cpp_obj(factory)->create_instance(factory, id, v3_edit_controller_iid, &made) != V3_OK) return false;
      controller = static_cast<v3_edit_controller**>(made);
      if (v3_cpp_obj_initialize(controller, static_cast<v3_funknown**>(nullptr)) != V3_OK) return false;
    }
    for (int32_t i = 0; i < v3_cpp_obj(controller)->get_parameter_count(controller); i++) {
      v3_param_info info;
      if (v3_cpp_obj(controller)->get_parameter_info(controller, i, &info) != V3_OK) return false;
      char name[128];
      for (int n = 0; n < 128; n++) name[n] = static_cast<char>(info.title[n]);
      if (!std::strcmp(name, "Player")) first = info.param_id;
    }
    v3_midi_mapping** mapping = nullptr;
    if (v3_cpp_obj_query_interface(controller, v3_midi_mapping_iid, &mapping) == V3_OK)
      v3_cpp_obj(mapping)->get_midi_controller_assignment(mapping, 0, 0, 0, &cc_first);
    return true;
  }
  void activate(double sample_rate, uint32_t most) override {
    rate = sample_rate;
    v3_process_setup how = {block.offline ? V3_OFFLINE : V3_REALTIME, V3_SAMPLE_32, static_cast<int32_t>(most), rate};
    for (int32_t direction = 0; direction < 2; direction++)
      if (v3_cpp_obj(component)->get_bus_count(component, V3_EVENT, direction)) v3_cpp_obj(component)->activate_bus(component, V3_EVENT, direction, 0, true);
    v3_cpp_obj(processor)->setup_processing(processor, &how);
    v3_cpp_obj(component)->set_active(component, true);
    v3_cpp_obj(processor)->set_processing(processor, true);
  }
  void process() override {
    v3_process_context at = {};
    at.state = V3_PROCESS_CTX_TEMPO_VALID | V3_PROCESS_CTX_PROJECT_TIME_VALID | V3_PROCESS_CTX_TIME_SIG_VALID | V3_PROCESS_CTX_BAR_POSITION_VALID |
               (block.playing ? V3_PROCESS_CTX_PLAYING : 0);
    at.sample_rate = rate, at.bpm = block.bpm, at.project_time_quarters = block.beat;
    at.time_sig_numerator = block.numerator, at.time_sig_denom = block.denominator;
    const double bar = 4.0 * block.numerator / block.denominator;
    at.bar_position_quarters = std::floor(block.beat / bar) * bar;
    count_cc = 0;
    for (int i = 0; i < block.count_in; i++)
      if ((block.in[i].bytes[0] & 0xF0) == 0xB0) cc[count_cc++] = block.in[i];
    Object<EventTable> in = {&events(), this, 0}, out = {&events(), this, 1};
    Object<ChangesTable> moved = {&changes(), this, 0}, moves = {&changes(), this, 1};
    v3_process_data data = {};
    data.process_mode = block.offline ? V3_OFFLINE : V3_REALTIME;
    data.symbolic_sample_size = V3_SAMPLE_32;
    data.nframes = static_cast<int32_t>(block.frames);
    data.input_params = reinterpret_cast<v3_param_changes**>(&moved), data.output_params = reinterpret_cast<v3_param_changes**>(&moves);
    data.input_events = reinterpret_cast<v3_event_list**>(&in), data.output_events = reinterpret_cast<v3_event_list**>(&out);
    data.ctx = &at;
    v3_cpp_obj(processor)->process(processor, &data);
  }
  void deactivate() override {
    v3_cpp_obj(processor)->set_processing(processor, false);
    v3_cpp_obj(component)->set_active(component, false);
  }
  std::string save() override {
    Text stream = {&streams(), "", 0};
    return v3_cpp_obj(component)->get_state(component, reinterpret_cast<v3_bstream**>(&stream)) == V3_OK ? stream.text : "";
  }
  bool restore(const std::string& text) override {
    Text stream = {&streams(), text, 0};
    return v3_cpp_obj(component)->set_state(component, reinterpret_cast<v3_bstream**>(&stream)) == V3_OK;
  }
  void list() override {
    const int32_t count = v3_cpp_obj(controller)->get_parameter_count(controller);
    v3_unit_information** units = nullptr;
    if (v3_cpp_obj_query_interface(controller, v3_unit_information_iid, &units) == V3_OK) {
      v3_unit_info unit;
      const auto narrow = [](const int16_t* from) {
        std::string out;
        while (*from) out += static_cast<char>(*from++);
        return out;
      };
      for (int32_t i = 0; i < v3_cpp_obj(units)->get_unit_count(units); i++)
        if (v3_cpp_obj(units)->get_unit_info(units, i, &unit) == V3_OK) std::printf("unit %d|%s|%d\n", unit.id, narrow(unit.name).c_str(), unit.program_list_id);
      v3_program_list_info presets;
      v3_str_128 name;
      if (v3_cpp_obj(units)->get_program_list_info(units, 0, &presets) == V3_OK)
        for (int32_t i = 0; i < presets.programCount; i++)
          if (v3_cpp_obj(units)->get_program_name(units, presets.id, i, name) == V3_OK) std::printf("preset %d|%s\n", i, narrow(name).c_str());
    }
    for (int32_t i = 0; i < count; i++) {
      v3_param_info info;
      v3_cpp_obj(controller)->get_parameter_info(controller, i, &info);
      if (info.param_id < first) continue;
      char name[128], text[128];
      v3_str_128 shown_text;
      for (int n = 0; n < 128; n++) name[n] = static_cast<char>(info.title[n]);
      v3_cpp_obj(controller)->get_parameter_string_for_value(controller, info.param_id, 1, shown_text);
      for (int n = 0; n < 128; n++) text[n] = static_cast<char>(shown_text[n]);
      double back = -1;
      v3_cpp_obj(controller)->get_parameter_value_for_string(controller, info.param_id, shown_text, &back);
      const auto plain = [&](double value) { return v3_cpp_obj(controller)->normalised_parameter_to_plain(controller, info.param_id, value); };
      std::printf("parameter %u|%s|%d|%g|%g|%g|%g|%s|%d|%u\n", info.param_id - first, name, info.unit_id, plain(0), plain(1), plain(info.default_normalised_value),
                  plain(v3_cpp_obj(controller)->get_parameter_normalised(controller, info.param_id)), text, std::fabs(back - 1) < 1e-3, info.flags);
    }
  }
  bool preset(int number) override {
    const int32_t count = v3_cpp_obj(controller)->get_parameter_count(controller);
    for (int32_t i = 0; i < count; i++) {
      v3_param_info info;
      v3_cpp_obj(controller)->get_parameter_info(controller, i, &info);
      if (info.flags & V3_PARAM_PROGRAM_CHANGE)
        return v3_cpp_obj(controller)->set_parameter_normalised(controller, info.param_id, number / static_cast<double>(info.step_count)) == V3_OK;
    }
    return false;
  }
  double value(unsigned index) override {
    return v3_cpp_obj(controller)->normalised_parameter_to_plain(controller, first + index, v3_cpp_obj(controller)->get_parameter_normalised(controller, first + index));
  }
  bool control(unsigned index, double value) override { /* by the controller alone */
    const double normal = v3_cpp_obj(controller)->plain_parameter_to_normalised(controller, first + index, value);
    return v3_cpp_obj(controller)->set_parameter_normalised(controller, first + index, normal) == V3_OK;
  }
  void unload() override {
    if (processor) v3_cpp_obj_unref(processor);
    if (controller) v3_cpp_obj_terminate(controller), v3_cpp_obj_unref(controller);
    v3_cpp_obj_terminate(component);
    v3_cpp_obj_unref(component);
    v3_cpp_obj_unref(factory);
    using Leave = bool (*)();
    if (const auto leave = reinterpret_cast<Leave>(dlsym(library, "ModuleExit"))) leave();
    dlclose(library);
  }
};
