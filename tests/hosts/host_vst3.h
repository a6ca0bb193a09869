/* A VST3 plugin in plugin_host.c. */

#include <vst3_c_api.h>

typedef Steinberg_tresult Result;
typedef Steinberg_int32 Int;
#define OK Steinberg_kResultOk

static void *library;
static struct Steinberg_Vst_IComponent *component;
static struct Steinberg_Vst_IAudioProcessor *processor;
static struct Steinberg_Vst_IEditController *controller;
static double status;
static Steinberg_Vst_ParamID moved;
static double moved_to;

/* The host's own objects: each is one, and stays. */
static Result no_other(void *self, const Steinberg_TUID id, void **found) {
  return (void)self, (void)id, *found = NULL, Steinberg_kNoInterface;
}
static Steinberg_uint32 one(void *self) { return (void)self, 1; }

static Steinberg_Vst_ParamID moved_id(void *self) { return (void)self, moved; }
static Int moved_points(void *self) { return (void)self, 1; }
static Result moved_point(void *self, Int index, Int *frame, double *value) {
  return (void)self, (void)index, *frame = 0, *value = moved_to, OK;
}
static Result no_point(void *self, Int frame, double value, Int *index) {
  return (void)self, (void)frame, (void)value, (void)index, Steinberg_kResultFalse;
}
static const Steinberg_Vst_IParamValueQueueVtbl MOVED = {no_other, one, one, moved_id, moved_points, moved_point, no_point};
static struct { const void *table; } moved_queue = {&MOVED};

static Steinberg_Vst_ParamID told;
static Result tell(void *self, Int frame, double value, Int *index) {
  (void)self, (void)index;
  if (frame < 0 || frame >= FRAMES) abort();
  if (told == 11) status = value; /* Connected */
  return OK;
}
static const Steinberg_Vst_IParamValueQueueVtbl TOLD = {no_other, one, one, NULL, NULL, NULL, tell};
static struct { const void *table; } told_queue = {&TOLD};

static Int changes(void *self) { return (void)self, 1; }
static struct Steinberg_Vst_IParamValueQueue *change(void *self, Int index) { return (void)self, (void)index, (void *)&moved_queue; }
static struct Steinberg_Vst_IParamValueQueue *changed(void *self, const Steinberg_Vst_ParamID *id, Int *index) {
  return (void)self, (void)index, told = *id, (void *)&told_queue;
}
static const Steinberg_Vst_IParameterChangesVtbl CHANGES = {no_other, one, one, changes, change, changed};
static struct { const void *table; } changes_in = {&CHANGES}, changes_out = {&CHANGES};

static Int event_count(void *self) { return (void)self, count_in; }
static Result event_in(void *self, Int index, struct Steinberg_Vst_Event *event) {
  (void)self;
  const Midi *midi = &now_in[index];
  *event = (struct Steinberg_Vst_Event){.sampleOffset = (Int)midi->frame};
  if (midi->bytes[0] == 0x90) {
    event->type = Steinberg_Vst_Event_EventTypes_kNoteOnEvent;
    event->Steinberg_Vst_Event_noteOn =
        (struct Steinberg_Vst_NoteOnEvent){.pitch = midi->bytes[1], .velocity = midi->bytes[2] / 127.0f, .noteId = -1};
  } else {
    event->type = Steinberg_Vst_Event_EventTypes_kNoteOffEvent;
    event->Steinberg_Vst_Event_noteOff = (struct Steinberg_Vst_NoteOffEvent){.pitch = midi->bytes[1], .noteId = -1};
  }
  return OK;
}
static Int out_frame;
static Result event_out(void *self, struct Steinberg_Vst_Event *event) {
  (void)self;
  if (event->sampleOffset < out_frame || event->sampleOffset >= FRAMES) abort(); /* events must be in order */
  out_frame = event->sampleOffset;
  if (count_out == MOST) return Steinberg_kResultFalse;
  if (event->type == Steinberg_Vst_Event_EventTypes_kNoteOnEvent) {
    const struct Steinberg_Vst_NoteOnEvent *note = &event->Steinberg_Vst_Event_noteOn;
    now_out[count_out++] = (Midi){(uint32_t)out_frame, {0x90, (uint8_t)note->pitch, (uint8_t)(note->velocity * 127 + 0.5f)}};
  } else {
    now_out[count_out++] = (Midi){(uint32_t)out_frame, {0x80, (uint8_t)event->Steinberg_Vst_Event_noteOff.pitch, 0}};
  }
  return OK;
}
static const Steinberg_Vst_IEventListVtbl EVENTS = {no_other, one, one, event_count, event_in, event_out};
static struct { const void *table; } events_in = {&EVENTS}, events_out = {&EVENTS};

static char kept[4096];
static Int kept_at;
static Result keep(void *self, void *data, Int size, Int *written) { /* a few bytes at a time, as it may */
  (void)self;
  *written = size < 7 ? size : 7;
  strncat(kept, data, (size_t)*written);
  return OK;
}
static Result give(void *self, void *data, Int size, Int *read) {
  (void)self;
  Int left = (Int)strlen(kept) - kept_at;
  if (left > size) left = size;
  if (left > 5) left = 5;
  memcpy(data, kept + kept_at, (size_t)left);
  kept_at += left;
  return *read = left, OK;
}
static const Steinberg_IBStreamVtbl STREAM = {no_other, one, one, give, keep, NULL, NULL};
static struct { const void *table; } stream = {&STREAM};

static float sound[2][FRAMES];

static bool process(Int frames, bool rolling, double beat) {
  struct Steinberg_Vst_ProcessContext at = {
      .state = Steinberg_Vst_ProcessContext_StatesAndFlags_kTempoValid |
               Steinberg_Vst_ProcessContext_StatesAndFlags_kProjectTimeMusicValid |
               (rolling ? Steinberg_Vst_ProcessContext_StatesAndFlags_kPlaying : 0),
      .sampleRate = RATE, .projectTimeMusic = beat, .tempo = 120};
  float *channels[] = {sound[0], sound[1]};
  struct Steinberg_Vst_AudioBusBuffers bus = {.numChannels = 2, .Steinberg_Vst_AudioBusBuffers_channelBuffers32 = channels};
  struct Steinberg_Vst_ProcessData block = {
      .numSamples = frames, .numOutputs = frames ? 1 : 0, .outputs = frames ? &bus : NULL,
      .inputParameterChanges = (void *)&changes_in, .outputParameterChanges = (void *)&changes_out,
      .inputEvents = (void *)&events_in, .outputEvents = (void *)&events_out, .processContext = &at};
  out_frame = 0;
  return processor->lpVtbl->process(processor, &block) == OK;
}

static double plain(Steinberg_Vst_ParamID id, double value) { return controller->lpVtbl->normalizedParamToPlain(controller, id, value); }

/* What a host does with each parameter when it opens the plugin. */
static bool try_parameter(Int index, int engine, bool rolls) {
  struct Steinberg_Vst_ParameterInfo info;
  Steinberg_Vst_String128 text;
  char name[128];
  double back;
  if (controller->lpVtbl->getParameterInfo(controller, index, &info) != OK) return false;
  for (int i = 0; i < 128; i++) name[i] = (char)info.title[i];
  const double otherwise = plain(info.id, info.defaultNormalizedValue);
  const double value = !strcmp(name, "OSC port") ? engine : !strcmp(name, "Host leads") ? rolls : otherwise;
  moved = info.id, moved_to = controller->lpVtbl->plainParamToNormalized(controller, info.id, value);
  controller->lpVtbl->getParamStringByValue(controller, info.id, moved_to, text);
  if (controller->lpVtbl->getParamValueByString(controller, info.id, text, &back) != OK) return false;
  const double float_error = plain(info.id, (float)moved_to) - value; /* some hosts count in floats */
  if (back - moved_to > 0.001 || moved_to - back > 0.001 || float_error > 0.0001 || float_error < -0.0001) return false;
  printf("parameter %s %g %g %g\n", name, otherwise, plain(info.id, 0), plain(info.id, 1));
  return process(0, false, 0);
}

/* What hosts do, or may: ask for what there is not, hand over nothing, begin again. */
static bool careless(struct Steinberg_IPluginFactory *factory) {
  void *found = &found;
  const Steinberg_TUID other = {0};
  if (factory->lpVtbl->createInstance(factory, other, Steinberg_Vst_IComponent_iid, &found) == OK || found) return false;
  if (component->lpVtbl->queryInterface(component, other, &found) != Steinberg_kNoInterface || found) return false;
  for (int i = 0; i < 2; i++)
    if (component->lpVtbl->initialize(component, NULL) != OK || controller->lpVtbl->initialize(controller, NULL) != OK) return false;
  struct Steinberg_Vst_ProcessData nothing = {.numSamples = FRAMES};
  if (processor->lpVtbl->process(processor, &nothing) != OK) return false;
  if (component->lpVtbl->setState(component, (void *)&stream) == OK) return false; /* of a stream with nothing in it */
  controller->lpVtbl->setParamNormalized(controller, 999, 0.5);
  if (controller->lpVtbl->terminate(controller) != OK || component->lpVtbl->terminate(component) != OK) return false;
  return component->lpVtbl->initialize(component, NULL) == OK;
}

static bool load(const char *file, int engine, bool rolls) {
  library = dlopen(file, RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), false;
  bool (*enter)(void *);
  struct Steinberg_IPluginFactory *(*get)(void);
  *(void **)&enter = dlsym(library, "ModuleEntry");
  *(void **)&get = dlsym(library, "GetPluginFactory");
  if (!enter || !get || !enter(library)) return false;
  struct Steinberg_IPluginFactory *factory = get();
  struct Steinberg_PClassInfo about;
  if (factory->lpVtbl->getClassInfo(factory, 0, &about) != OK || strcmp(about.category, "Audio Module Class")) return false;
  if (factory->lpVtbl->createInstance(factory, about.cid, Steinberg_Vst_IComponent_iid, (void **)&component) != OK) return false;
  if (component->lpVtbl->initialize(component, NULL) != OK) return false;
  if (component->lpVtbl->queryInterface(component, Steinberg_Vst_IAudioProcessor_iid, (void **)&processor) != OK) return false;
  if (processor->lpVtbl->queryInterface(processor, Steinberg_Vst_IEditController_iid, (void **)&controller) != OK) return false;
  if (!careless(factory)) return false;
  for (Int direction = 0; direction < 2; direction++) { /* a bus of notes each way, sound only out */
    if (component->lpVtbl->getBusCount(component, Steinberg_Vst_MediaTypes_kEvent, direction) != 1) return false;
    if (component->lpVtbl->getBusCount(component, Steinberg_Vst_MediaTypes_kAudio, direction) != direction) return false;
    component->lpVtbl->activateBus(component, Steinberg_Vst_MediaTypes_kEvent, direction, 0, true);
  }
  struct Steinberg_Vst_ProcessSetup how = {.maxSamplesPerBlock = FRAMES, .sampleRate = RATE};
  if (processor->lpVtbl->setupProcessing(processor, &how) != OK || component->lpVtbl->setActive(component, true) != OK) return false;
  for (Int i = 0; i < controller->lpVtbl->getParameterCount(controller); i++)
    if (!try_parameter(i, engine, rolls)) return false;
  const Steinberg_Vst_ParamID port = 10;
  if (component->lpVtbl->getState(component, (void *)&stream) != OK) return false;
  controller->lpVtbl->setParamNormalized(controller, port, 0.5);
  const double between = controller->lpVtbl->getParamNormalized(controller, port);
  if (component->lpVtbl->setState(component, (void *)&stream) != OK) return false;
  kept_at = 0;
  if (controller->lpVtbl->setComponentState(controller, (void *)&stream) != OK) return false;
  const double after = controller->lpVtbl->getParamNormalized(controller, port);
  printf("state %s\n", between > 0.49 && plain(port, after) == engine ? "kept" : "lost");
  return true;
}

static void ready(void) { processor->lpVtbl->setProcessing(processor, true); }

static void call(bool rolling, double beat, double temperature) {
  moved = 3, moved_to = temperature / 5;
  sound[1][FRAMES - 1] = 1;
  if (!process(FRAMES, rolling, beat) || sound[1][FRAMES - 1] != 0) abort();
}

static bool connected(void) { return status > 0.5; }

static void unload(void) {
  bool (*leave)(void);
  *(void **)&leave = dlsym(library, "ModuleExit");
  processor->lpVtbl->setProcessing(processor, false);
  component->lpVtbl->setActive(component, false);
  component->lpVtbl->terminate(component);
  controller->lpVtbl->release(controller);
  processor->lpVtbl->release(processor);
  if (component->lpVtbl->release(component) || !leave()) abort(); /* somebody holds it still */
}
