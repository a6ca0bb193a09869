/* An event of the stream model in C: what rnnmuse/models/stream.py computes in numpy and onnxruntime, which is the
   definition and what tests hold this against. rnnmuse/models/kernel.py calls it.

   event.h is compiled once for each instruction set, with gcc; `kernel` returns the functions of one that this machine
   has. The plain ones are for tests: they are slower than onnxruntime, which has code for each processor.
   No function allocates, locks or keeps anything. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif


enum { BLOCK = 32, FIELDS = 7, READERS = 4, COPIES = 4, SHARED = 4 };
enum { BEATS_CLASSES = 32, SUB_CLASSES = 24, PITCHES = 128, INTERVALS = 50, WIDEST = 24 };
enum { BEATS, SUB, KIND, PART, PITCH, FIRST_PLACED = KIND };
enum { MOST_CLASSES = 256, MOST_WIDTH = 1024 };

/* A matrix in 4 bits, of `outputs` rows (a multiple of 16) and `inputs` columns (a multiple of 32), as MatMulNBits of
   onnxruntime: a scale for each 32 weights of a row, level 8 is zero. 16 rows lie together: of each 32 columns there
   are four pieces of 64 bytes; byte 4 r + j of piece l has, of row r, column 4 l + j in its low half and column
   16 + 4 l + j in its high half. `scales` are (outputs / 16, inputs / 32, 16). */
struct four_bits {
  const uint8_t *bits;
  const float *scales, *bias;
  int32_t inputs, outputs;
};

struct model {
  const float *table; /* rows whose sum is the trunk's input, `embed` wide */
  struct four_bits inputs, hidden, out, said[2];
  const float *heads[FIELDS], *biases[FIELDS];              /* (classes, head) and (classes) */
  const float *chosen[FIELDS - 1], *places;                 /* rows that chosen classes and the place add to `hidden` */
  const float *null_key, *null_value, *bonus, *asked;       /* (R x K), (V), (R, 4), rows of (R x K) */
  const float *values;                                      /* rows whose sum is the value of a slot */
  int32_t classes[FIELDS], asked_at[SHARED], values_at[FIELDS + 1], rows, embed, units, head, width, value;
};

/* The arrays of a Memory: rows of keys and of fields are `stride` and `field_stride` apart. */
struct memory {
  float *keys, *values;
  uint8_t *fields;
  int64_t *times;
  int64_t stride, field_stride;
};

/* A distribution. What the memory points to of beats, sub, pitch as it was, pitch by interval, and the gates of these
   copies; how many of the chosen classes are added to `hidden` (7, head), what the heads read; weights of the last draw. */
struct page {
  double beats[BEATS_CLASSES], sub[SUB_CLASSES], kept[PITCHES], moved[PITCHES], gates[COPIES];
  int64_t added;
  float weights[MOST_CLASSES], hidden[];
};

/* `out` is what is computed from the trunk's new state: the heads' input (7 x head), the key of the slot to come and the
   queries (width each), the gates of the copies and the mixing of both reads. `chosen` are the classes so far. */
struct kernel {
  int32_t (*step)(const struct model *, const int32_t *rows, int32_t count, const float *state,
                  float *new_state, float *out);
  void (*read)(const struct model *, int32_t which, const float *out, struct page *, const struct memory *,
               int64_t first, int64_t count, const float *table, int64_t lags, int64_t now, const int32_t *more,
               int32_t more_count, float nats, int32_t lifted, const uint8_t *chosen, int32_t last);
  void (*choose)(const struct model *, struct page *, const uint8_t *chosen, int32_t count, const int32_t *places,
                 int32_t place_count);
  int32_t (*draw)(const struct model *, struct page *, int32_t head, const uint8_t *chosen, int32_t chosen_count,
                  const uint8_t *shut, int32_t mixed, const uint8_t *mask, const float *lean, float temperature,
                  double top_p, double random);
};

/* A class by its weight, in the order of the classes, as rnnmuse/models/sampling.py. -1: the mask allows none.
   -2: it may lie outside the nucleus, and another number has to be drawn for `drawn_inside`. */
static int32_t drawn(const float *weights, int32_t count, double top_p, double random) {
  double running[MOST_CLASSES], total = 0, heavier = 0;
  int32_t at = 0;
  for (int32_t i = 0; i < count; i++) running[i] = total += weights[i];
  if (!(total > 0)) return -1;
  while (at < count - 1 && running[at] <= random * total) at++;
  while (weights[at] == 0) at--;
  if (top_p >= 1 || weights[at] > (1 - top_p) * total) return at;
  for (int32_t i = 0; i < count; i++)
    if (weights[i] > weights[at]) heavier += weights[i];
  return heavier < top_p * total ? at : -2;
}

/* One of the heaviest classes that together weigh `top_p` of all; of equal ones the first is taken first. */
EXPORT int32_t drawn_inside(const struct page *page, int32_t count, double top_p, double random) {
  const float *weights = page->weights;
  int32_t order[MOST_CLASSES], kept;
  double running[MOST_CLASSES], sum = 0, total = 0;
  for (int32_t i = 0; i < count; i++) {
    int32_t j = i;
    total += weights[i];
    for (; j > 0 && weights[order[j - 1]] < weights[i]; j--) order[j] = order[j - 1];
    order[j] = i;
  }
  for (int32_t i = 0; i < count; i++) running[i] = sum += weights[order[i]];
  for (kept = 0; kept < count - 1 && running[kept] < top_p * total; kept++) {}
  for (int32_t k = 0; k < kept; k++)
    if (running[k] > random * running[kept]) return order[k];
  return order[kept];
}

/* Writes slot `row`: its key, and what came next: the seven classes of the event at `after` and the interval that led
   to it. 0 where one of them is none of the model's; nothing is written then. */
EXPORT int32_t remember(const struct model *m, const struct memory *memory, int64_t row, const float *key,
                        const uint8_t *event, int64_t before, int64_t after) {
  float *value = memory->values + row * m->value;
  for (int f = 0; f <= FIELDS; f++)
    if (event[f] >= (f < FIELDS ? m->classes[f] : INTERVALS)) return 0;
  for (int32_t k = 0; k < m->width; k++) memory->keys[k * memory->stride + row] = key[k];
  memset(value, 0, m->value * sizeof *value);
  for (int f = 0; f <= FIELDS; f++)
    for (int32_t v = 0; v < m->value; v++) value[v] += m->values[(m->values_at[f] + event[f]) * m->value + v];
  for (int f = 0; f <= PITCH; f++) memory->fields[f * memory->field_stride + row] = event[f];
  memory->fields[(PITCH + 1) * memory->field_stride + row] = event[FIELDS];
  memory->times[row] = before, memory->times[row + 1] = after;
  return 1;
}

#define JOINED(name, level) name##_##level
#define EVENT(name, level) JOINED(name, level)

#define LEVEL plain
#include "event.h"
#undef LEVEL

#if defined(__x86_64__) && !defined(__clang__) /* clang knows no target for a part of a file */
#define LEVELS
#include <immintrin.h>
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LEVEL avx2
#define AVX2
#include "event.h"
#undef AVX2
#undef LEVEL
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,prefer-vector-width=512")
#define LEVEL vnni
#define VNNI
#include "event.h"
#undef VNNI
#undef LEVEL
#pragma GCC pop_options
#endif

/* The functions of one instruction set: 0 plain, 1 AVX2, 2 AVX-512 with VNNI; NULL where this machine has it not. */
EXPORT const struct kernel *kernel(int32_t level) {
#ifdef LEVELS
  __builtin_cpu_init();
  if (level == 2 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return &kernel_vnni;
  if (level == 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &kernel_avx2;
#endif
  return level == 0 ? &kernel_plain : NULL;
}

/* Counts up where a function changes. */
EXPORT int32_t version(void) { return 3; }
EXPORT int32_t size_of_model(void) { return sizeof(struct model); }
EXPORT int32_t size_of_page(void) { return sizeof(struct page); }
