/* Included by kernel.c once for each instruction set. */

#define E(name) EVENT(name, LEVEL)
#ifdef VNNI
#define LANES 16 /* numbers of a vector */
#define TILE 4   /* vectors of a value that are summed at once: with READERS, what the registers hold */
#else
#define LANES 8
#define TILE 2
#endif
typedef float E(floats) __attribute__((vector_size(4 * LANES)));
typedef int32_t E(ints) __attribute__((vector_size(4 * LANES)));
#define FLOATS E(floats)
#define INTS E(ints)
#define SPLAT(x) ((FLOATS){} + (x))

static inline FLOATS E(at)(const float *p) {
  FLOATS v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline void E(put)(float *p, FLOATS v) { memcpy(p, &v, sizeof v); }

static inline float E(sum)(FLOATS v) {
  float part[LANES];
  memcpy(part, &v, sizeof v);
  for (int width = LANES / 2; width; width /= 2)
    for (int i = 0; i < width; i++) part[i] += part[i + width];
  return part[0];
}

static inline FLOATS E(rounded)(FLOATS x) { return (x + 12582912.0f) - 12582912.0f; }

static inline FLOATS E(larger)(FLOATS x, FLOATS y) {
  INTS x_is = x > y;
  return (FLOATS)(((INTS)x & x_is) | ((INTS)y & ~x_is));
}

/* e^x to 1e-7, for x up to 88; 0 under -87 */
static inline FLOATS E(exp)(FLOATS x) {
  INTS dead = x < -87.0f;
  x = -E(larger)(-E(larger)(x, SPLAT(-87.0f)), SPLAT(-88.0f));
  FLOATS n = E(rounded)(x * 1.44269504f);
  FLOATS r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  FLOATS p = SPLAT(1.9875691e-4f);
  p = p * r + 1.3981999e-3f;
  p = p * r + 8.3334519e-3f;
  p = p * r + 4.1665796e-2f;
  p = p * r + 1.6666666e-1f;
  p = p * r + 5.0000001e-1f;
  p = p * r * r + r + 1.0f;
  INTS power = (__builtin_convertvector(n, INTS) + 127) << 23;
  return (FLOATS)((INTS)(p * (FLOATS)power) & ~dead);
}

static inline FLOATS E(sigmoid)(FLOATS x) { return 1.0f / (1.0f + E(exp)(-x)); }

/* A row in 8 bits, a scale for each 32 numbers (as onnxruntime's accuracy level 4). */
struct E(row) {
  int8_t numbers[MOST_WIDTH] __attribute__((aligned(64)));
  float scales[MOST_WIDTH / BLOCK];
  int32_t sums[MOST_WIDTH / BLOCK];
};

static void E(in_eight_bits)(const float *x, int32_t count, struct E(row) * row) {
  for (int32_t b = 0; b < count / BLOCK; b++, x += BLOCK) {
    float most = 0;
    int32_t sum = 0;
    for (int i = 0; i < BLOCK; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    float inverse = most != 0 ? 127 / most : 0;
    for (int i = 0; i < BLOCK; i++) {
      float whole = (x[i] * inverse + 12582912.0f) - 12582912.0f;
      sum += row->numbers[b * BLOCK + i] = (int8_t)(int32_t)whole;
    }
    row->scales[b] = most / 127, row->sums[b] = sum;
  }
}

/* The product of 32 columns of 16 rows, four pieces, with 32 numbers: integers. */
static inline void E(dot)(const uint8_t *bits, const int8_t *numbers, int32_t *dots) {
#if defined(VNNI)
  __m512i dot = _mm512_setzero_si512(), half = _mm512_set1_epi8(15);
  for (int l = 0; l < 4; l++) {
    int32_t first, second;
    memcpy(&first, numbers + 4 * l, 4), memcpy(&second, numbers + 16 + 4 * l, 4);
    __m512i both = _mm512_loadu_si512(bits + 64 * l);
    dot = _mm512_dpbusd_epi32(dot, _mm512_and_si512(both, half), _mm512_set1_epi32(first));
    dot = _mm512_dpbusd_epi32(dot, _mm512_and_si512(_mm512_srli_epi16(both, 4), half), _mm512_set1_epi32(second));
  }
  _mm512_storeu_si512(dots, dot);
#elif defined(AVX2)
  __m256i half = _mm256_set1_epi8(15);
  for (int side = 0; side < 2; side++) {
    __m256i pairs = _mm256_setzero_si256(); /* 16 products of at most 15 x 127 fit */
    for (int l = 0; l < 4; l++) {
      int32_t first, second;
      memcpy(&first, numbers + 4 * l, 4), memcpy(&second, numbers + 16 + 4 * l, 4);
      __m256i both = _mm256_loadu_si256((const __m256i *)(bits + 64 * l + 32 * side));
      pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(_mm256_and_si256(both, half), _mm256_set1_epi32(first)));
      both = _mm256_and_si256(_mm256_srli_epi16(both, 4), half);
      pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(both, _mm256_set1_epi32(second)));
    }
    _mm256_storeu_si256((__m256i *)(dots + 8 * side), _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
#else
  memset(dots, 0, 16 * sizeof *dots);
  for (int l = 0; l < 4; l++)
    for (int r = 0; r < 16; r++)
      for (int j = 0; j < 4; j++) {
        int both = bits[64 * l + 4 * r + j];
        dots[r] += (both & 15) * numbers[4 * l + j] + (both >> 4) * numbers[16 + 4 * l + j];
      }
#endif
}

static void E(product)(const struct four_bits *w, const struct E(row) * row, float *out) {
  const uint8_t *bits = w->bits;
  const float *scales = w->scales;
  for (int32_t n = 0; n < w->outputs; n += 16) {
    FLOATS sum[16 / LANES];
    for (int h = 0; h < 16 / LANES; h++) sum[h] = w->bias ? E(at)(w->bias + n + h * LANES) : SPLAT(0.0f);
    for (int32_t b = 0; b < w->inputs / BLOCK; b++, bits += 4 * 64, scales += 16) {
      INTS dots[16 / LANES];
      E(dot)(bits, row->numbers + b * BLOCK, (int32_t *)dots);
      for (int h = 0; h < 16 / LANES; h++)
        sum[h] += __builtin_convertvector(dots[h] - 8 * row->sums[b], FLOATS) *
                  (E(at)(scales + h * LANES) * row->scales[b]);
    }
    for (int h = 0; h < 16 / LANES; h++) E(put)(out + n + h * LANES, sum[h]);
  }
}

/* The GRU of the trunk, and what is computed from its new state. 0 where a row is none of the table's. */
static int32_t E(step)(const struct model *m, const int32_t *rows, int32_t count, const float *state,
                       float *new_state, float *out) {
  float x[MOST_WIDTH], from_x[3 * MOST_WIDTH], from_state[3 * MOST_WIDTH];
  struct E(row) row;
  int32_t units = m->units;
  for (int32_t i = 0; i < count; i++)
    if (rows[i] < 0 || rows[i] >= m->rows) return 0;
  memcpy(x, m->table + (int64_t)rows[0] * m->embed, m->embed * sizeof *x);
  for (int32_t i = 1; i < count; i++)
    for (int32_t k = 0; k < m->embed; k++) x[k] += m->table[(int64_t)rows[i] * m->embed + k];
  E(in_eight_bits)(x, m->embed, &row);
  E(product)(&m->inputs, &row, from_x);
  E(in_eight_bits)(state, units, &row);
  E(product)(&m->hidden, &row, from_state);
  for (int32_t k = 0; k < units; k += LANES) {
    FLOATS reset = E(sigmoid)(E(at)(from_x + k) + E(at)(from_state + k));
    FLOATS update = E(sigmoid)(E(at)(from_x + units + k) + E(at)(from_state + units + k));
    FLOATS new = E(at)(from_x + 2 * units + k) + reset * E(at)(from_state + 2 * units + k);
    new = 2.0f * E(sigmoid)(2.0f * new) - 1.0f;
    E(put)(new_state + k, new + update * (E(at)(state + k) - new));
  }
  E(in_eight_bits)(new_state, units, &row);
  E(product)(&m->out, &row, out);
  return 1;
}

/* The sum of the weights of each class of a field of the slots. In four parts: a class often follows itself. */
static void E(counted)(const uint8_t *field, const float *weights, int64_t count, double *out, int classes) {
  double parts[4][256] = {{0}};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int j = 0; j < 4; j++) parts[j][field[i + j]] += weights[i + j];
  for (; i < count; i++) parts[0][field[i]] += weights[i];
  for (int c = 0; c < classes; c++) out[c] = (parts[0][c] + parts[1][c]) + (parts[2][c] + parts[3][c]);
}

/* A read of the memory. Read 1 sets what the heads read, read 2 adds to the last three; both count the classes that
   the slots point to. `table` (lags, R) is the bias of each lag; `nats` are added to the slots `more`, and half of them
   to the gates whose bits are in `lifted`; `last` is the pitch that intervals count from, -1 for none. */
static void E(read)(const struct model *m, int32_t which, const float *out, struct page *page,
                    const struct memory *memory, int64_t first, int64_t count, const float *table, int64_t lags,
                    int64_t now, const int32_t *more, int32_t more_count, float nats, int32_t lifted,
                    const uint8_t *chosen, int32_t last) {
  int64_t width = (count + 15) / 16 * 16, key = m->width / READERS;
  float scores[READERS][width + 16], found[MOST_WIDTH], said[FIELDS * MOST_WIDTH], query[MOST_WIDTH], shares[READERS];
  const float *gates = out + FIELDS * m->head + 3 * m->width;
  const float *mixing = gates + COPIES + which * READERS;
  const int64_t *times = memory->times + first + which;
  const uint8_t *fields = memory->fields + first;
  struct E(row) row;

  memcpy(query, out + FIELDS * m->head + (1 + which) * m->width, m->width * sizeof *query);
  for (int f = 0; which && f < SHARED; f++)
    for (int32_t k = 0; k < m->width; k++) query[k] += m->asked[(int64_t)(m->asked_at[f] + chosen[f]) * m->width + k];
  for (int64_t i = 0; i < count; i++) {
    int64_t lag = now - times[i];
    const float *bias = table + READERS * (lag < 0 ? 0 : lag >= lags ? lags - 1 : lag);
    for (int r = 0; r < READERS; r++) scores[r][i] = bias[r];
  }
  for (int r = 0; r < READERS; r++)
    for (int64_t i = count; i < width; i++) scores[r][i] = -1e9f;
  for (int32_t k = 0; k < more_count; k++)
    for (int r = 0; r < READERS; r++)
      if (more[k] < count) scores[r][more[k]] += nats;
  if (which)
    for (int f = 0; f < SHARED; f++)
      for (int r = 0; r < READERS; r++) {
        float bonus = m->bonus[r * SHARED + f];
        const uint8_t *own = fields + f * memory->field_stride;
        for (int64_t i = 0; i < count; i++) scores[r][i] += own[i] == chosen[f] ? bonus : 0.0f;
      }
  for (int r = 0; r < READERS; r++) {
    const float *q = query + r * key, *keys = memory->keys + r * key * memory->stride + first;
    for (int64_t k = 0; k < key; k += 4, keys += 4 * memory->stride) {
      const float *a = keys, *b = a + memory->stride, *c = b + memory->stride, *d = c + memory->stride;
      for (int64_t i = 0; i < count; i++)
        scores[r][i] += (a[i] * q[k] + b[i] * q[k + 1]) + (c[i] * q[k + 2] + d[i] * q[k + 3]);
    }
    float null = 0, most;
    for (int64_t k = 0; k < key; k++) null += q[k] * m->null_key[r * key + k];
    FLOATS largest = SPLAT(null);
    for (int64_t j = 0; j < width; j += LANES) largest = E(larger)(largest, E(at)(scores[r] + j));
    most = largest[0];
    for (int j = 1; j < LANES; j++) most = largest[j] > most ? largest[j] : most;
    FLOATS total = SPLAT(0.0f);
    for (int64_t j = 0; j < width; j += LANES) {
      FLOATS weight = E(exp)(E(at)(scores[r] + j) - most);
      E(put)(scores[r] + j, weight);
      total += weight;
    }
    float own[LANES];
    E(put)(own, E(exp)(SPLAT(null - most)));
    float whole = E(sum)(total) + own[0];
    shares[r] = 1 / whole;
    for (int32_t v = 0; v < m->value; v++) found[r * m->value + v] = own[0] * m->null_value[v];
  }
  for (int32_t v = 0; v < m->value; v += LANES * TILE) {
    FLOATS sum[READERS][TILE];
    for (int r = 0; r < READERS; r++)
      for (int t = 0; t < TILE; t++) sum[r][t] = E(at)(found + r * m->value + v + LANES * t);
    const float *values = memory->values + first * m->value + v;
    for (int64_t i = 0; i < count; i++, values += m->value)
      for (int t = 0; t < TILE; t++)
        for (int r = 0; r < READERS; r++) sum[r][t] += E(at)(values + LANES * t) * scores[r][i];
    for (int r = 0; r < READERS; r++)
      for (int t = 0; t < TILE; t++) E(put)(found + r * m->value + v + LANES * t, sum[r][t] * shares[r]);
  }
  E(in_eight_bits)(found, READERS * m->value, &row);
  E(product)(&m->said[which], &row, said);
  float *hidden = page->hidden + (which ? PITCH * m->head : 0);
  int32_t heads = (which ? FIELDS - PITCH : FIELDS) * m->head;
  for (int32_t k = 0; k < heads; k++) hidden[k] = (which ? hidden[k] : out[k]) + said[k];

  float most = mixing[0], mixed[READERS], whole = 0;
  for (int r = 1; r < READERS; r++) most = mixing[r] > most ? mixing[r] : most;
  for (int r = 0; r < READERS; r++) whole += mixed[r] = expf(mixing[r] - most);
  for (int r = 0; r < READERS; r++) shares[r] *= mixed[r] / whole;
  for (int c = 0; c < COPIES; c++) page->gates[c] = (which ? page->gates[c] : gates[c]) + (lifted >> c & 1 ? nats / 2 : 0);
  for (int64_t i = 0; i < width; i++)
    scores[0][i] = shares[0] * scores[0][i] + shares[1] * scores[1][i] + shares[2] * scores[2][i] +
                   shares[3] * scores[3][i];
  const uint8_t *one = fields + (which ? 4 : 0) * memory->field_stride, *two = one + memory->field_stride;
  if (!which) {
    E(counted)(one, scores[0], count, page->beats, BEATS_CLASSES);
    E(counted)(two, scores[0], count, page->sub, SUB_CLASSES);
    return;
  }
  double moves[INTERVALS];
  E(counted)(one, scores[0], count, page->kept, PITCHES);
  E(counted)(two, scores[0], count, moves, INTERVALS);
  for (int32_t pitch = 0; pitch < PITCHES; pitch++) {
    int32_t move = pitch - last;
    page->moved[pitch] = last >= 0 && move >= -WIDEST && move <= WIDEST ? moves[move + WIDEST] : 0;
  }
}

/* What the chosen classes that are new and the place (rows of `places`) add to what the heads after them read. */
static void E(choose)(const struct model *m, struct page *page, const uint8_t *chosen, int32_t count,
                      const int32_t *places, int32_t place_count) {
  for (; page->added < count; page->added++) {
    int64_t head = page->added + 1, size = (FIELDS - head) * m->head;
    if (head == FIELDS) continue;
    const float *row = m->chosen[head - 1] + chosen[head - 1] * size;
    float *hidden = page->hidden + head * m->head;
    for (int64_t k = 0; k < size; k++) hidden[k] += row[k];
  }
  for (int32_t i = 0; i < place_count; i++) {
    int64_t size = (FIELDS - FIRST_PLACED) * m->head;
    const float *row = m->places + places[i] * size;
    for (int64_t k = 0; k < size; k++) page->hidden[FIRST_PLACED * m->head + k] += row[k];
  }
}

/* Logits of a head. */
static void E(logits)(const struct model *m, int32_t head, const float *hidden, float *out) {
  float x[MOST_WIDTH];
  hidden += head * m->head;
  for (int32_t k = 0; k < m->head; k++) x[k] = hidden[k] > 0 ? hidden[k] : 0;
  for (int32_t c = 0; c < m->classes[head]; c++) {
    const float *row = m->heads[head] + c * m->head;
    FLOATS sum = SPLAT(0.0f);
    for (int32_t k = 0; k < m->head; k += LANES) sum += E(at)(row + k) * E(at)(x + k);
    out[c] = E(sum)(sum) + m->biases[head][c];
  }
}

/* e^(x / temperature) of logits, the largest 1, in place; returns 0 where all are shut */
static int E(raised)(float *x, int32_t count, float temperature) {
  float most = -1e30f;
  for (int32_t c = 0; c < count; c++) most = x[c] > most ? x[c] : most;
  if (most <= -1e29f) return 0;
  for (int32_t c = count; c % LANES; c++) x[c] = -1e30f;
  for (int32_t c = 0; c < count; c += LANES) E(put)(x + c, E(exp)((E(at)(x + c) - most) / temperature));
  return 1;
}

/* Weights (classes, room for MOST_CLASSES) of a head that is mixed with the classes that the memory points to; 0 where
   `shut`. */
static void E(mixture)(const struct model *m, const struct page *page, int32_t head, const uint8_t *shut,
                       float *weights) {
  int32_t count = m->classes[head];
  E(logits)(m, head, page->hidden, weights);
  if (shut)
    for (int32_t c = 0; c < count; c++) weights[c] = shut[c] ? -1e29f : weights[c];
  E(raised)(weights, count, 1);
  const double *copies[2] = {head == BEATS ? page->beats : head == SUB ? page->sub : page->kept, page->moved};
  int first = head == BEATS ? 0 : head == SUB ? 1 : 2, number = head == PITCH ? 2 : 1;
  double most = 0, own, whole, shares[2] = {0}, total = 0;
  for (int k = 0; k < number; k++) most = page->gates[first + k] > most ? page->gates[first + k] : most;
  whole = own = exp(-most);
  for (int k = 0; k < number; k++) whole += shares[k] = exp(page->gates[first + k] - most);
  for (int32_t c = 0; c < count; c++) total += weights[c];
  for (int32_t c = 0; c < count; c++) {
    weights[c] *= (float)(own / (whole * total));
    for (int k = 0; k < number; k++) weights[c] += (float)(copies[k][c] * (shares[k] / whole));
    weights[c] += 1e-8f;
    if (shut && shut[c]) weights[c] = 0;
  }
}

/* Draws a class of a head, as `drawn`; its weights are left for `drawn_inside`. */
static int32_t E(draw)(const struct model *m, struct page *page, int32_t head, const uint8_t *chosen,
                       int32_t chosen_count, const uint8_t *shut, int32_t mixed, const uint8_t *mask,
                       const float *lean, float temperature, double top_p, double random) {
  float *weights = page->weights;
  E(choose)(m, page, chosen, chosen_count, NULL, 0);
  int32_t count = m->classes[head], likeliest = 0;
  if (mixed) {
    E(mixture)(m, page, head, shut, weights);
    for (int32_t c = 0; mask && c < count; c++) weights[c] *= mask[c];
    if (lean) {
      float most = -INFINITY, by[MOST_CLASSES];
      for (int32_t c = 0; c < count; c++) most = weights[c] > 0 && lean[c] > most ? lean[c] : most;
      for (int32_t c = 0; c < count; c++) by[c] = lean[c] > most ? 0 : lean[c] - most;
      for (int32_t c = 0; c < count; c += LANES) E(put)(by + c, E(exp)(E(at)(by + c)));
      for (int32_t c = 0; c < count; c++) weights[c] *= by[c];
    }
    for (int32_t c = 1; c < count; c++) likeliest = weights[c] > weights[likeliest] ? c : likeliest;
    float most = weights[likeliest];
    if (temperature != 1 && temperature >= 1e-3f && most > 0)
      for (int32_t c = 0; c < count; c++)
        weights[c] = weights[c] > 0 ? powf(weights[c] / most, 1 / temperature) : 0;
    if (temperature < 1e-3f) return most > 0 ? likeliest : -1;
  } else {
    E(logits)(m, head, page->hidden, weights);
    for (int32_t c = 0; c < count; c++) weights[c] = mask && !mask[c] ? -1e30f : weights[c] + (lean ? lean[c] : 0);
    for (int32_t c = 1; c < count; c++) likeliest = weights[c] > weights[likeliest] ? c : likeliest;
    if (temperature < 1e-3f) return weights[likeliest] > -1e29f ? likeliest : -1;
    if (!E(raised)(weights, count, temperature)) return -1;
  }
  return drawn(weights, count, top_p, random);
}

static const struct kernel E(kernel) = {E(step), E(read), E(choose), E(draw)};

#undef SPLAT
#undef INTS
#undef FLOATS
#undef TILE
#undef LANES
#undef E
