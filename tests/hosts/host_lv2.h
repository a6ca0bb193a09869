/* An LV2 plugin in plugin_host.c. */

#include <lv2/atom/forge.h>
#include <lv2/atom/util.h>
#include <lv2/core/lv2.h>
#include <lv2/midi/midi.h>
#include <lv2/time/time.h>
#include <lv2/urid/urid.h>

static const LV2_Descriptor *about;
static LV2_Handle plugin;
static char *uris[64];
static _Alignas(8) uint8_t in_data[65536], out_data[65536];
static float ports[32];
static LV2_Atom_Forge forge;
static LV2_URID midi, position, speed, bpm, bar, bar_beat, per_bar;

static LV2_URID id(LV2_URID_Map_Handle handle, const char *uri) {
  (void)handle;
  unsigned i = 0;
  for (; uris[i]; i++)
    if (!strcmp(uris[i], uri)) return i + 1;
  uris[i] = strdup(uri);
  return i + 1;
}
static LV2_URID_Map map = {NULL, id};

static bool load(const char *file, int engine, bool rolls) {
  void *library = dlopen(file, RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), false;
  const LV2_Descriptor *(*describe)(uint32_t);
  *(void **)&describe = dlsym(library, "lv2_descriptor");
  about = describe(0);
  const LV2_Feature feature = {LV2_URID__map, &map}, *features[] = {&feature, NULL};
  plugin = about->instantiate(about, RATE, "", features);
  if (!plugin) return false;
  const float values[] = {0, 0, 1, 4, rolls, 1, 0.96f, 0, 1, 1, 0, 127, (float)engine};
  memcpy(ports, values, sizeof values);
  about->connect_port(plugin, 0, in_data);
  about->connect_port(plugin, 1, out_data);
  for (uint32_t i = 2; i < 15; i++) about->connect_port(plugin, i, &ports[i]);
  lv2_atom_forge_init(&forge, &map);
  midi = id(NULL, LV2_MIDI__MidiEvent), position = id(NULL, LV2_TIME__Position), speed = id(NULL, LV2_TIME__speed);
  bpm = id(NULL, LV2_TIME__beatsPerMinute), bar = id(NULL, LV2_TIME__bar), bar_beat = id(NULL, LV2_TIME__barBeat);
  per_bar = id(NULL, LV2_TIME__beatsPerBar);
  about->activate(plugin);
  return true;
}

static void ready(void) {}

static void call(bool rolling, double beat, double temperature) {
  LV2_Atom_Forge_Frame sequence, object;
  lv2_atom_forge_set_buffer(&forge, in_data, sizeof in_data);
  lv2_atom_forge_sequence_head(&forge, &sequence, 0);
  lv2_atom_forge_frame_time(&forge, 0);
  lv2_atom_forge_object(&forge, &object, 0, position);
  lv2_atom_forge_key(&forge, speed), lv2_atom_forge_float(&forge, rolling);
  lv2_atom_forge_key(&forge, bpm), lv2_atom_forge_float(&forge, 120);
  lv2_atom_forge_key(&forge, per_bar), lv2_atom_forge_float(&forge, 4);
  lv2_atom_forge_key(&forge, bar), lv2_atom_forge_long(&forge, (int64_t)(beat / 4));
  lv2_atom_forge_key(&forge, bar_beat), lv2_atom_forge_float(&forge, (float)(beat - 4 * (int64_t)(beat / 4)));
  lv2_atom_forge_pop(&forge, &object);
  for (int i = 0; i < count_in; i++) {
    lv2_atom_forge_frame_time(&forge, now_in[i].frame);
    lv2_atom_forge_atom(&forge, 3, midi);
    lv2_atom_forge_write(&forge, now_in[i].bytes, 3);
  }
  lv2_atom_forge_pop(&forge, &sequence);
  ports[5] = (float)temperature;
  LV2_Atom_Sequence *out = (LV2_Atom_Sequence *)out_data;
  out->atom.size = sizeof out_data - sizeof(LV2_Atom);
  about->run(plugin, FRAMES);
  int64_t last = 0;
  LV2_ATOM_SEQUENCE_FOREACH(out, event) {
    if (event->time.frames < last) abort(); /* events must be in order */
    last = event->time.frames;
    if (count_out == MOST) abort();
    const uint8_t *bytes = (const uint8_t *)(event + 1);
    now_out[count_out++] = (Midi){(uint32_t)last, {bytes[0], bytes[1], bytes[2]}};
  }
}

static bool connected(void) { return ports[13] > 0.5f; }
static void unload(void) { about->cleanup(plugin); }
