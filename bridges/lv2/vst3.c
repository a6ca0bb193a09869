/* rnnmuse as a VST3 plugin: an instrument of notes without a sound, that a player of `rnnmuse live` sits behind. What it
   does is in core.h. A prototype: it has run in the test's own host (tests/hosts/plugin_host.c) and in Ardour. */

#include "core.h"
#include "parameters.h"
#include <vst3_c_api.h>

typedef Steinberg_tresult Result;
typedef Steinberg_int32 Int;
enum { AUDIO = Steinberg_Vst_MediaTypes_kAudio, EVENT = Steinberg_Vst_MediaTypes_kEvent, OUTPUT = Steinberg_Vst_BusDirections_kOutput };

typedef struct Plugin Plugin;

/* An interface is a pointer to its table of functions; whose it is stands behind it. */
typedef struct { const void *table; Plugin *plugin; } Face;

struct Plugin {
  Face component, processor, controller, requirements;
  atomic_uint references;
  bool open;
  Core core;
  Values values; /* one set for both ends: what the host's window sets is saved, though no block has been called since */
  size_t sample;
  struct Steinberg_Vst_IEventList *out;
};

static Plugin *of(void *face) { return ((Face *)face)->plugin; }

/* ---- the audio thread ---- */

static bool emit(void *to, int64_t frame, int pitch, int velocity) {
  Plugin *p = to;
  if (!p->out) return false;
  struct Steinberg_Vst_Event event = {.sampleOffset = (Int)frame, .ppqPosition = core_beat(&p->core, frame)};
  if (velocity) {
    event.type = Steinberg_Vst_Event_EventTypes_kNoteOnEvent;
    event.Steinberg_Vst_Event_noteOn =
        (struct Steinberg_Vst_NoteOnEvent){.pitch = (int16_t)pitch, .velocity = (float)velocity / 127, .noteId = -1};
  } else {
    event.type = Steinberg_Vst_Event_EventTypes_kNoteOffEvent;
    event.Steinberg_Vst_Event_noteOff = (struct Steinberg_Vst_NoteOffEvent){.pitch = (int16_t)pitch, .noteId = -1};
  }
  return p->out->lpVtbl->addEvent(p->out, &event) == Steinberg_kResultOk;
}

static double steps(uint32_t index) { return RANGE[index].kind & STEPPED ? RANGE[index].high - RANGE[index].low : 0; }

/* The host's numbers are from 0 to 1; what has steps has equal parts of that. */
static double plain(uint32_t index, double normal) {
  const double range = RANGE[index].high - RANGE[index].low;
  return RANGE[index].low + (steps(index) > 0 ? fmin(range, floor(normal * (range + 1))) : normal * range);
}

static double normal(uint32_t index, double value) { return (value - RANGE[index].low) / (RANGE[index].high - RANGE[index].low); }

static void set(Plugin *p, uint32_t index, double value) {
  if (index < CONTROLS && !isnan(value)) value_set(p->values, index, plain(index, value));
}

static void take_changes(Plugin *p, struct Steinberg_Vst_IParameterChanges *changes) {
  const Int count = changes ? changes->lpVtbl->getParameterCount(changes) : 0;
  for (Int i = 0; i < count; i++) {
    struct Steinberg_Vst_IParamValueQueue *queue = changes->lpVtbl->getParameterData(changes, i);
    const Int points = queue ? queue->lpVtbl->getPointCount(queue) : 0;
    Int frame;
    double value;
    if (points > 0 && queue->lpVtbl->getPoint(queue, points - 1, &frame, &value) == Steinberg_kResultOk)
      set(p, queue->lpVtbl->getParameterId(queue), value);
  }
}

static void take_event(Plugin *p, const struct Steinberg_Vst_Event *event) {
  const bool on = event->type == Steinberg_Vst_Event_EventTypes_kNoteOnEvent;
  if (!on && event->type != Steinberg_Vst_Event_EventTypes_kNoteOffEvent) return;
  const int pitch = on ? event->Steinberg_Vst_Event_noteOn.pitch : event->Steinberg_Vst_Event_noteOff.pitch;
  const double velocity = on ? fmin(fmax(1, round(event->Steinberg_Vst_Event_noteOn.velocity * 127)), 127) : 0;
  if (pitch < 0 || pitch > 127) return;
  core_midi(&p->core, (uint8_t[]){on ? 0x90 : 0x80, (uint8_t)pitch, (uint8_t)velocity}, event->sampleOffset);
}

static void position(Plugin *p, const struct Steinberg_Vst_ProcessContext *at) {
  const bool rolls = at->state & Steinberg_Vst_ProcessContext_StatesAndFlags_kPlaying;
  const bool tempo = at->state & Steinberg_Vst_ProcessContext_StatesAndFlags_kTempoValid;
  const bool music = at->state & Steinberg_Vst_ProcessContext_StatesAndFlags_kProjectTimeMusicValid;
  core_position(&p->core, 0, rolls, tempo ? at->tempo : p->core.bpm, music ? at->projectTimeMusic : core_beat(&p->core, 0));
}

static void show(Plugin *p, struct Steinberg_Vst_IParameterChanges *changes, uint32_t index, double value, Int frame) {
  Int at;
  if (atomic_exchange_explicit(&p->values[index], value, memory_order_relaxed) == value || !changes) return;
  struct Steinberg_Vst_IParamValueQueue *queue = changes->lpVtbl->addParameterData(changes, &index, &at);
  if (queue) queue->lpVtbl->addPoint(queue, frame, normal(index, value), &at);
}

static void be_silent(Plugin *p, struct Steinberg_Vst_ProcessData *block) {
  for (Int bus = 0; bus < block->numOutputs && block->outputs; bus++) {
    struct Steinberg_Vst_AudioBusBuffers *audio = &block->outputs[bus];
    for (Int i = 0; i < audio->numChannels && audio->Steinberg_Vst_AudioBusBuffers_channelBuffers32; i++) {
      float *channel = audio->Steinberg_Vst_AudioBusBuffers_channelBuffers32[i];
      if (channel) memset(channel, 0, (size_t)block->numSamples * p->sample);
    }
    audio->silenceFlags = (1ull << audio->numChannels) - 1;
  }
}

static Result process(void *face, struct Steinberg_Vst_ProcessData *block) {
  Plugin *p = of(face);
  take_changes(p, block->inputParameterChanges);
  if (block->numSamples <= 0) return Steinberg_kResultOk; /* the host only hands over parameters */
  be_silent(p, block);
  p->out = block->outputEvents;
  core_begin(&p->core, emit, p, (uint32_t)block->numSamples);
  if (block->processContext) position(p, block->processContext);
  struct Steinberg_Vst_IEventList *in = block->inputEvents;
  const Int count = in ? in->lpVtbl->getEventCount(in) : 0;
  struct Steinberg_Vst_Event event;
  for (Int i = 0; i < count; i++)
    if (in->lpVtbl->getEvent(in, i, &event) == Steinberg_kResultOk) take_event(p, &event);
  for (int i = 0; i < CONTROLS; i++) core_control(&p->core, i, atomic_load_explicit(&p->values[i], memory_order_relaxed));
  core_end(&p->core);
  show(p, block->outputParameterChanges, STATUS, core_there(&p->core), block->numSamples - 1);
  show(p, block->outputParameterChanges, DROPPED, p->core.dropped, block->numSamples - 1);
  return Steinberg_kResultOk;
}

/* ---- its life ---- */

static Result query(void *face, const Steinberg_TUID id, void **found);

static Steinberg_uint32 hold(void *face) { return atomic_fetch_add(&of(face)->references, 1) + 1; }

static Result terminate(void *face) {
  Plugin *p = of(face);
  if (p->open) core_close(&p->core);
  p->open = false;
  return Steinberg_kResultOk;
}

static Steinberg_uint32 release(void *face) {
  Plugin *p = of(face);
  const unsigned left = atomic_fetch_sub(&p->references, 1) - 1;
  if (left) return left;
  terminate(face);
  free(p);
  return 0;
}

static Result initialize(void *face, struct Steinberg_FUnknown *host) {
  (void)host;
  Plugin *p = of(face);
  if (p->open) return Steinberg_kResultOk; /* by the other of its two ends */
  memset(&p->core, 0, sizeof p->core);
  p->core.rate = 48000;
  p->open = core_open(&p->core);
  return p->open ? Steinberg_kResultOk : Steinberg_kResultFalse;
}

static Result setup(void *face, struct Steinberg_Vst_ProcessSetup *how) {
  Plugin *p = of(face);
  p->core.rate = how->sampleRate;
  p->sample = how->symbolicSampleSize == Steinberg_Vst_SymbolicSampleSizes_kSample64 ? sizeof(double) : sizeof(float);
  return Steinberg_kResultOk;
}

static Result set_active(void *face, Steinberg_TBool active) {
  if (active) core_reset(&of(face)->core);
  return Steinberg_kResultOk;
}

static Result set_processing(void *face, Steinberg_TBool on) { return (void)face, (void)on, Steinberg_kResultOk; }

/* ---- busses: notes in, notes out, and the sound that hosts want of an instrument ---- */

static void wide(Steinberg_Vst_TChar *to, const char *from, size_t size) {
  size_t i = 0;
  for (; from[i] && i < size - 1; i++) to[i] = (unsigned char)from[i];
  to[i] = 0;
}

static Int bus_count(void *face, Int media, Int direction) { return (void)face, media == EVENT || (media == AUDIO && direction == OUTPUT); }

static Result bus_info(void *face, Int media, Int direction, Int index, struct Steinberg_Vst_BusInfo *bus) {
  if (index || !bus_count(face, media, direction)) return Steinberg_kInvalidArgument;
  *bus = (struct Steinberg_Vst_BusInfo){.mediaType = media, .direction = direction, .channelCount = media == AUDIO ? 2 : 16,
                                        .busType = Steinberg_Vst_BusTypes_kMain, .flags = Steinberg_Vst_BusInfo_BusFlags_kDefaultActive};
  wide(bus->name, media == AUDIO ? "Silence" : direction == OUTPUT ? "Notes out" : "Notes in", 128);
  return Steinberg_kResultOk;
}

static Result activate_bus(void *face, Int media, Int direction, Int index, Steinberg_TBool on) {
  (void)on;
  return index || !bus_count(face, media, direction) ? Steinberg_kInvalidArgument : Steinberg_kResultOk;
}

static Result set_arrangement(void *face, Steinberg_Vst_SpeakerArrangement *in, Int ins, Steinberg_Vst_SpeakerArrangement *out, Int outs) {
  (void)face, (void)in;
  return !ins && outs == 1 && *out == Steinberg_Vst_SpeakerArr_kStereo ? Steinberg_kResultTrue : Steinberg_kResultFalse;
}

static Result arrangement(void *face, Int direction, Int index, Steinberg_Vst_SpeakerArrangement *found) {
  if (index || !bus_count(face, AUDIO, direction)) return Steinberg_kInvalidArgument;
  *found = Steinberg_Vst_SpeakerArr_kStereo;
  return Steinberg_kResultOk;
}

static Result can_process(void *face, Int size) {
  (void)face;
  const bool known = size == Steinberg_Vst_SymbolicSampleSizes_kSample32 || size == Steinberg_Vst_SymbolicSampleSizes_kSample64;
  return known ? Steinberg_kResultTrue : Steinberg_kResultFalse;
}

static Steinberg_uint32 latency(void *face) { return (void)face, 0; }
static Steinberg_uint32 tail(void *face) { return (void)face, Steinberg_Vst_kInfiniteTail; } /* its notes come out of silence */
static Result no_class(void *face, Steinberg_TUID id) { return (void)face, (void)id, Steinberg_kNotImplemented; } /* one is both */
static Result io_mode(void *face, Int mode) { return (void)face, (void)mode, Steinberg_kNotImplemented; }

static Result routing(void *face, struct Steinberg_Vst_RoutingInfo *in, struct Steinberg_Vst_RoutingInfo *out) {
  return (void)face, (void)in, (void)out, Steinberg_kNotImplemented;
}

static Steinberg_uint32 needs(void *face) {
  (void)face;
  return Steinberg_Vst_IProcessContextRequirements_Flags_kNeedProjectTimeMusic |
         Steinberg_Vst_IProcessContextRequirements_Flags_kNeedTempo |
         Steinberg_Vst_IProcessContextRequirements_Flags_kNeedTransportState;
}

/* ---- state, parameters ---- */

static Result get_state(void *face, struct Steinberg_IBStream *stream) {
  char text[STATE_SIZE];
  const Int length = state_write(of(face)->values, text);
  for (Int at = 0, written; at < length; at += written) {
    written = 0;
    if (stream->lpVtbl->write(stream, text + at, length - at, &written) != Steinberg_kResultOk || written <= 0) return Steinberg_kResultFalse;
  }
  return Steinberg_kResultOk;
}

static Result set_state(void *face, struct Steinberg_IBStream *stream) {
  char text[4096];
  Int length = 0, got = 0;
  while (length < (Int)sizeof text - 1 &&
         stream->lpVtbl->read(stream, text + length, (Int)sizeof text - 1 - length, &got) == Steinberg_kResultOk && got > 0)
    length += got, got = 0;
  text[length] = 0;
  return state_read(of(face)->values, text) ? Steinberg_kResultOk : Steinberg_kResultFalse;
}

/* The window's own state: there is none. */
static Result no_state(void *face, struct Steinberg_IBStream *stream) { return (void)face, (void)stream, Steinberg_kResultOk; }

static Int param_count(void *face) { return (void)face, SHOWN; }

static Result param_info(void *face, Int index, struct Steinberg_Vst_ParameterInfo *info) {
  (void)face;
  if (index < 0 || index >= SHOWN) return Steinberg_kInvalidArgument;
  const unsigned kind = RANGE[index].kind;
  *info = (struct Steinberg_Vst_ParameterInfo){.id = (uint32_t)index, .stepCount = (Int)steps((uint32_t)index),
                                               .defaultNormalizedValue = normal((uint32_t)index, RANGE[index].otherwise)};
  /* Hosts without a window of the plugin's own let one set only what can be automated: so that is all. */
  info->flags = (kind & LIST ? Steinberg_Vst_ParameterInfo_ParameterFlags_kIsList : 0) |
                (kind & SHOWN_ONLY ? Steinberg_Vst_ParameterInfo_ParameterFlags_kIsReadOnly
                                   : Steinberg_Vst_ParameterInfo_ParameterFlags_kCanAutomate);
  wide(info->title, RANGE[index].name, 128);
  wide(info->shortTitle, NAMES[index], 128);
  return Steinberg_kResultOk;
}

static Result param_text(void *face, Steinberg_Vst_ParamID index, double value, Steinberg_Vst_String128 to) {
  (void)face;
  char text[64];
  if (index >= SHOWN || !value_text(index, plain(index, value), text, sizeof text)) return Steinberg_kInvalidArgument;
  wide(to, text, 128);
  return Steinberg_kResultOk;
}

static Result param_from_text(void *face, Steinberg_Vst_ParamID index, Steinberg_Vst_TChar *from, double *value) {
  (void)face;
  char text[64];
  size_t i = 0;
  for (; from[i] && i < sizeof text - 1; i++) text[i] = from[i] > 0 && from[i] < 128 ? (char)from[i] : '?';
  text[i] = 0;
  if (!value_from_text(index, text, value)) return Steinberg_kResultFalse;
  *value = fmin(fmax(normal(index, *value), 0), 1);
  return Steinberg_kResultOk;
}

static double to_plain(void *face, Steinberg_Vst_ParamID index, double value) {
  return (void)face, index < SHOWN ? plain(index, value) : value;
}

static double to_normal(void *face, Steinberg_Vst_ParamID index, double value) {
  return (void)face, index < SHOWN ? normal(index, value) : value;
}

static double get_param(void *face, Steinberg_Vst_ParamID index) {
  return index < SHOWN ? normal(index, atomic_load(&of(face)->values[index])) : 0;
}

static Result set_param(void *face, Steinberg_Vst_ParamID index, double value) {
  if (index >= SHOWN) return Steinberg_kInvalidArgument;
  set(of(face), index, value); /* of what is only shown, the plugin knows better */
  return Steinberg_kResultOk;
}

static Result set_handler(void *face, struct Steinberg_Vst_IComponentHandler *handler) {
  return (void)face, (void)handler, Steinberg_kResultOk;
}

static struct Steinberg_IPlugView *no_view(void *face, Steinberg_FIDString name) { return (void)face, (void)name, NULL; }

/* ---- what the host finds ---- */

static const Steinberg_Vst_IComponentVtbl COMPONENT = {
    query, hold, release, initialize, terminate, no_class, io_mode, bus_count, bus_info, routing, activate_bus, set_active,
    set_state, get_state};
static const Steinberg_Vst_IAudioProcessorVtbl PROCESSOR = {
    query, hold, release, set_arrangement, arrangement, can_process, latency, setup, set_processing, process, tail};
static const Steinberg_Vst_IEditControllerVtbl CONTROLLER = {
    query, hold, release, initialize, terminate, set_state, no_state, no_state, param_count, param_info, param_text, param_from_text,
    to_plain, to_normal, get_param, set_param, set_handler, no_view};
static const Steinberg_Vst_IProcessContextRequirementsVtbl REQUIREMENTS = {query, hold, release, needs};

static bool same(const char *id, const char *other) { return !memcmp(id, other, sizeof(Steinberg_TUID)); }

static Result query(void *face, const Steinberg_TUID id, void **found) {
  Plugin *p = of(face);
  *found = same(id, Steinberg_FUnknown_iid) || same(id, Steinberg_IPluginBase_iid) ? &p->component
           : same(id, Steinberg_Vst_IComponent_iid)                                ? &p->component
           : same(id, Steinberg_Vst_IAudioProcessor_iid)                           ? &p->processor
           : same(id, Steinberg_Vst_IEditController_iid)                           ? &p->controller
           : same(id, Steinberg_Vst_IProcessContextRequirements_iid)               ? &p->requirements
                                                                                   : NULL;
  if (!*found) return Steinberg_kNoInterface;
  hold(face);
  return Steinberg_kResultOk;
}

static const Steinberg_TUID CLASS = SMTG_INLINE_UID(0xB0E78BF1, 0x2E334D2C, 0xBE3F7B84, 0x53DD637F);
static const char AUDIO_EFFECT[] = "Audio Module Class", KIND[] = "Instrument|Generator|OnlyRT"; /* the player's time is the real one */

static Result factory_query(void *face, const Steinberg_TUID id, void **found) {
  const bool known = same(id, Steinberg_FUnknown_iid) || same(id, Steinberg_IPluginFactory_iid) ||
                     same(id, Steinberg_IPluginFactory2_iid) || same(id, Steinberg_IPluginFactory3_iid);
  *found = known ? face : NULL;
  return known ? Steinberg_kResultOk : Steinberg_kNoInterface;
}

static Steinberg_uint32 one(void *face) { return (void)face, 1; } /* the factory stays */

static Result factory_info(void *face, struct Steinberg_PFactoryInfo *info) {
  (void)face;
  *info = (struct Steinberg_PFactoryInfo){.vendor = "rnnmuse", .flags = Steinberg_PFactoryInfo_FactoryFlags_kUnicode};
  return Steinberg_kResultOk;
}

static Int class_count(void *face) { return (void)face, 1; }

static Result class_info(void *face, Int index, struct Steinberg_PClassInfo *info) {
  (void)face;
  if (index) return Steinberg_kInvalidArgument;
  *info = (struct Steinberg_PClassInfo){.cardinality = Steinberg_PClassInfo_ClassCardinality_kManyInstances, .name = "rnnmuse"};
  memcpy(info->cid, CLASS, sizeof CLASS);
  memcpy(info->category, AUDIO_EFFECT, sizeof AUDIO_EFFECT);
  return Steinberg_kResultOk;
}

static Result class_info_2(void *face, Int index, struct Steinberg_PClassInfo2 *info) {
  (void)face;
  if (index) return Steinberg_kInvalidArgument;
  *info = (struct Steinberg_PClassInfo2){.cardinality = Steinberg_PClassInfo_ClassCardinality_kManyInstances,
                                         .name = "rnnmuse", .vendor = "rnnmuse", .version = "0.1"};
  memcpy(info->cid, CLASS, sizeof CLASS);
  memcpy(info->category, AUDIO_EFFECT, sizeof AUDIO_EFFECT);
  memcpy(info->subCategories, KIND, sizeof KIND);
  snprintf(info->sdkVersion, sizeof info->sdkVersion, "%s", Steinberg_Vst_SDKVersionString);
  return Steinberg_kResultOk;
}

static Result class_info_wide(void *face, Int index, struct Steinberg_PClassInfoW *info) {
  (void)face;
  if (index) return Steinberg_kInvalidArgument;
  *info = (struct Steinberg_PClassInfoW){.cardinality = Steinberg_PClassInfo_ClassCardinality_kManyInstances};
  memcpy(info->cid, CLASS, sizeof CLASS);
  memcpy(info->category, AUDIO_EFFECT, sizeof AUDIO_EFFECT);
  memcpy(info->subCategories, KIND, sizeof KIND);
  wide(info->name, "rnnmuse", 64), wide(info->vendor, "rnnmuse", 64), wide(info->version, "0.1", 64);
  wide(info->sdkVersion, Steinberg_Vst_SDKVersionString, 64);
  return Steinberg_kResultOk;
}

static Result create(void *face, Steinberg_FIDString class, Steinberg_FIDString interface, void **found) {
  (void)face;
  *found = NULL;
  if (!same(class, CLASS)) return Steinberg_kNoInterface;
  Plugin *p = calloc(1, sizeof *p);
  if (!p) return Steinberg_kOutOfMemory;
  p->component = (Face){&COMPONENT, p}, p->processor = (Face){&PROCESSOR, p};
  p->controller = (Face){&CONTROLLER, p}, p->requirements = (Face){&REQUIREMENTS, p};
  p->sample = sizeof(float);
  atomic_store(&p->references, 1);
  values_reset(p->values);
  const Result result = query(&p->component, interface, found);
  release(&p->component); /* the host's is what remains */
  return result;
}

static Result factory_host(void *face, struct Steinberg_FUnknown *host) { return (void)face, (void)host, Steinberg_kResultOk; }

static const Steinberg_IPluginFactory3Vtbl FACTORY = {
    factory_query, one, one, factory_info, class_count, class_info, create, class_info_2, class_info_wide, factory_host};

#define EXPORT __attribute__((visibility("default")))
EXPORT struct Steinberg_IPluginFactory *GetPluginFactory(void);
EXPORT bool ModuleEntry(void *library);
EXPORT bool ModuleExit(void);

struct Steinberg_IPluginFactory *GetPluginFactory(void) {
  static Face factory = {&FACTORY, NULL};
  return (struct Steinberg_IPluginFactory *)&factory;
}

bool ModuleEntry(void *library) { return (void)library, true; }
bool ModuleExit(void) { return true; }
