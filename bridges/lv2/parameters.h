/* The plugin's parameters, where the format has them described in code (LV2 has its Turtle): ranges by the core's own
   numbers, texts, state. To be included after core.h. */

enum { STEPPED = 1, LIST = 2, AUTOMATED = 4, SHOWN_ONLY = 8 };

static const struct { const char *name; double low, high, otherwise; unsigned kind; } RANGE[SHOWN] = {
    [PLAYER] = {"Player", 1, 16, 1, STEPPED},
    [MODE] = {"Mode", 0, MODE_COUNT - 1, 4, STEPPED | LIST | AUTOMATED},
    [LEAD] = {"Host leads", 0, 1, 1, STEPPED},
    [TEMPERATURE] = {"Temperature", 0, 5, 1, AUTOMATED},
    [TOP_P] = {"Top p", 0.01, 1, 0.96, AUTOMATED},
    [DENSITY] = {"Density", 0, 24, 0, AUTOMATED},
    [VELOCITY] = {"Velocity", 0, 2, 1, AUTOMATED},
    [HUMANISE] = {"Humanise", 0, 2, 1, AUTOMATED},
    [LOW] = {"Lowest note", 0, 127, 0, STEPPED | AUTOMATED},
    [HIGH] = {"Highest note", 0, 127, 127, STEPPED | AUTOMATED},
    [PORT] = {"OSC port", 1, 65535, 7707, STEPPED},
    [STATUS] = {"Connected", 0, 1, 0, STEPPED | SHOWN_ONLY},
    [DROPPED] = {"Dropped", 0, 1000000, 0, STEPPED | SHOWN_ONLY},
};

/* Set by either thread of the host, read by the audio thread. */
typedef _Atomic double Values[SHOWN];

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a double that two threads share would need a lock");

static void values_reset(Values values) {
  for (int i = 0; i < SHOWN; i++) atomic_store(&values[i], RANGE[i].otherwise);
}

static void value_set(Values values, uint32_t index, double value) {
  if (index >= CONTROLS || isnan(value)) return;
  value = fmin(fmax(value, RANGE[index].low), RANGE[index].high);
  atomic_store_explicit(&values[index], RANGE[index].kind & STEPPED ? round(value) : value, memory_order_relaxed);
}

static bool value_text(uint32_t index, double value, char *text, size_t size) {
  if (index >= SHOWN) return false;
  if (index == MODE && value >= 0 && value < MODE_COUNT - 0.5) snprintf(text, size, "%s", MODES[(int)round(value)]);
  else snprintf(text, size, RANGE[index].kind & STEPPED ? "%.0f" : "%.3f", value);
  return true;
}

static bool value_from_text(uint32_t index, const char *text, double *value) {
  if (index >= SHOWN) return false;
  for (int mode = 0; index == MODE && mode < MODE_COUNT; mode++)
    if (!strcmp(text, MODES[mode])) return *value = mode, true;
  char *end;
  *value = strtod(text, &end);
  return end != text && isfinite(*value);
}

/* The state is a line "name millionths" for each control: whole numbers, as a decimal point is not the same everywhere. */
enum { STATE_SIZE = 1024 };

static int state_write(Values values, char text[STATE_SIZE]) {
  int length = 0;
  for (int i = 0; i < CONTROLS; i++)
    length += snprintf(text + length, (size_t)(STATE_SIZE - length), "%s %lld\n", NAMES[i], llround(atomic_load(&values[i]) * 1e6));
  return length;
}

static bool state_read(Values values, const char *text) {
  char name[32];
  long long millionths;
  int found = 0, used;
  for (; sscanf(text, "%31s %lld%n", name, &millionths, &used) == 2; text += used)
    for (uint32_t i = 0; i < CONTROLS; i++)
      if (!strcmp(name, NAMES[i])) value_set(values, i, (double)millionths / 1e6), found++;
  return found > 0;
}
