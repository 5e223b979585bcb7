// One shard's part of a Lloyd iteration, once for every instruction set; included after strict.h.
// Assignment and sums alternate every few tiles: points are read from memory once, and that memory is
// asked for while sums are taken.

// Moves one point's `weight * x` into gain and, unless null, out of loss. Eight features at once:
// they are independent sums.
static inline __attribute__((always_inline)) void NAME(move)(
    const float *x, int64_t d, double weight, double *gain, double *loss) {
  int64_t i = 0;
  for (; i + 8 <= d; i += 8) {
    const float *f = x + i * TRANCHE_TILE;
    NAME(f8) point = {f[0], f[64], f[128], f[192], f[256], f[320], f[384], f[448]};
    NAME(d8) value = weight * __builtin_convertvector(point, NAME(d8));
    NAME(d8_unaligned) *to = (NAME(d8_unaligned) *)(gain + i);
    *to = *to + value;
    if (loss) {
      NAME(d8_unaligned) *from = (NAME(d8_unaligned) *)(loss + i);
      *from = *from - value;
    }
  }
  for (; i < d; i++) {
    double value = weight * (double)x[i * TRANCHE_TILE];
    gain[i] = gain[i] + value;
    if (loss) loss[i] = loss[i] - value;
  }
}

// The same for up to four features, in sums of four places per cluster.
static inline __attribute__((always_inline)) void NAME(move_narrow)(
    const float *x, int64_t d, double weight, double *gain, double *loss) {
  NAME(f4) point = {x[0], d > 1 ? x[64] : 0, d > 2 ? x[128] : 0, d > 3 ? x[192] : 0};
  NAME(d4) value = weight * __builtin_convertvector(point, NAME(d4));
  NAME(d4_unaligned) *to = (NAME(d4_unaligned) *)gain;
  *to = *to + value;
  if (loss) {
    NAME(d4_unaligned) *from = (NAME(d4_unaligned) *)loss;
    *from = *from - value;
  }
}

enum {
  // Most clusters whose sums of up to four features are kept in four places each.
  NAME(narrow_clusters) = 64,
  // Features summed at once: their 64 values in Double fill 24 of 32 registers.
  NAME(dense_columns) = 3,
};

// Adds `count` columns of one tile to their clusters' sums, in lanes of eight points:
// lanes[(j * d + i) * 8 + l]. Points whose key is no cluster are passed over.
static inline __attribute__((always_inline)) void NAME(sum_columns)(
    const float *x, int64_t d, int64_t k, const NAME(i8) key[8], const int count, double *lanes) {
  NAME(d8) value[NAME(dense_columns)][8];
  UNROLL for (int i = 0; i < count; i++)
    UNROLL for (int r = 0; r < 8; r++) value[i][r] = __builtin_convertvector(
        *(const NAME(f8) *)(x + i * TRANCHE_TILE + r * 8), NAME(d8));
  for (int64_t j = 0; j < k; j++) {
    NAME(d8) sum[NAME(dense_columns)];
    UNROLL for (int i = 0; i < count; i++) sum[i] =
        *(const NAME(d8_unaligned) *)(lanes + (j * d + i) * 8);
    UNROLL for (int r = 0; r < 8; r++) {
      NAME(l8) own = __builtin_convertvector(key[r] == (NAME(i8))(int32_t)j, NAME(l8));
      UNROLL for (int i = 0; i < count; i++) sum[i] = own ? sum[i] + value[i][r] : sum[i];
    }
    UNROLL for (int i = 0; i < count; i++)
      *(NAME(d8_unaligned) *)(lanes + (j * d + i) * 8) = sum[i];
  }
}

// Adds a whole tile to the lanes, and to `counts` how many points each cluster has.
static inline __attribute__((always_inline)) void NAME(sum_tile)(
    const float *x, int64_t d, int64_t k, const int32_t *labels, int64_t valid, double *lanes,
    int64_t *counts) {
  NAME(i8) key[8];
  __builtin_memcpy(key, labels, sizeof key);
  if (valid < TRANCHE_TILE)
    for (int p = 0; p < TRANCHE_TILE; p++)
      if (p >= valid) key[p / 8][p % 8] = -1;
  int64_t i = 0;
  for (; i + 3 <= d; i += 3)
    NAME(sum_columns)(x + i * TRANCHE_TILE, d, k, key, 3, lanes + i * 8);
  if (i + 2 == d) NAME(sum_columns)(x + i * TRANCHE_TILE, d, k, key, 2, lanes + i * 8);
  if (i + 1 == d) NAME(sum_columns)(x + i * TRANCHE_TILE, d, k, key, 1, lanes + i * 8);
  NAME(c8) narrow[8];
  UNROLL for (int r = 0; r < 8; r++) narrow[r] = __builtin_convertvector(key[r], NAME(c8));
  NAME(c64) bytes;
  __builtin_memcpy(&bytes, narrow, sizeof bytes);
  for (int64_t j = 0; j < k; j++) {
    NAME(b64) own = __builtin_convertvector(bytes == (NAME(c64))(uint8_t)j, NAME(b64));
    uint64_t mask;
    __builtin_memcpy(&mask, &own, sizeof mask);
    counts[j] += __builtin_popcountll(mask);
  }
}

static inline __attribute__((always_inline)) void NAME(store_labels)(
    void *labels, int64_t at, const int bytes, const int32_t *fresh) {
  UNROLL for (int p = 0; p < TRANCHE_TILE; p += 16) {
    NAME(i16) wide = *(const NAME(i16_unaligned) *)(fresh + p);
    if (bytes == 1) {
      NAME(c16) narrow = __builtin_convertvector(wide, NAME(c16));
      __builtin_memcpy((uint8_t *)labels + at + p, &narrow, sizeof narrow);
    } else {
      __builtin_memcpy((int32_t *)labels + at + p, &wide, sizeof wide);
    }
  }
}

// Which points of a tile have another label than the stored one.
static inline __attribute__((always_inline)) uint64_t NAME(differences)(
    const void *labels, int64_t at, const int bytes, const int32_t *fresh) {
  uint64_t mask = 0;
  UNROLL for (int p = 0; p < TRANCHE_TILE; p += 16) {
    NAME(i16) stored;
    if (bytes == 1) {
      NAME(c16) narrow;
      __builtin_memcpy(&narrow, (const uint8_t *)labels + at + p, sizeof narrow);
      stored = __builtin_convertvector(narrow, NAME(i16));
    } else {
      __builtin_memcpy(&stored, (const int32_t *)labels + at + p, sizeof stored);
    }
    NAME(i16) differs = *(const NAME(i16_unaligned) *)(fresh + p) != stored;
    NAME(b16) bits = __builtin_convertvector(differs, NAME(b16));
    uint16_t part;
    __builtin_memcpy(&part, &bits, 2);
    mask |= (uint64_t)part << p;
  }
  return mask;
}

static inline __attribute__((always_inline)) void NAME(pass_tiles)(
    const tranche_problem *p, int64_t first, int64_t last, tranche_pass_state *state,
    const int bytes) {
  const int64_t d = p->d, k = p->k;
  const int takes_all = state->mode != TRANCHE_PASS_CHANGED;
  const int is_dense = takes_all && !state->weights && tranche_sums_are_dense(d, k);
  const int is_narrow = !is_dense && d <= 4 && k <= NAME(narrow_clusters);
  double *const sums = state->sums, *const cluster_weights = state->cluster_weights;
  double lanes[TRANCHE_DENSE_SUMS * 8] __attribute__((aligned(64)));
  int64_t counts[TRANCHE_DENSE_CLUSTERS];
  double narrow[NAME(narrow_clusters) * 4];
  if (is_dense) {
    for (int64_t i = 0; i < k * d * 8; i++) lanes[i] = 0;
    for (int64_t j = 0; j < k; j++) counts[j] = 0;
  }
  for (int64_t i = 0; is_narrow && i < k * 4; i++) narrow[i] = 0;

  int64_t step = 64 / d;
  step = step < 1 ? 1 : step > TRANCHE_PASS_TILES ? TRANCHE_PASS_TILES : step;
  for (int64_t begin = first; begin < last; begin += step) {
    const int64_t end = begin + step < last ? begin + step : last;
    const int32_t *fresh = state->fresh;
    if (state->assign)
      state->rechecked += state->assign(p, begin, end, state->fresh);
    else
      fresh += (begin - first) * TRANCHE_TILE;
    for (int64_t tile = begin; tile < end; tile++, fresh += TRANCHE_TILE) {
      const int64_t at = (tile - first) * TRANCHE_TILE;
      int64_t valid = p->rows - tile * TRANCHE_TILE;
      if (valid > TRANCHE_TILE) valid = TRANCHE_TILE;
      const uint64_t all = valid < TRANCHE_TILE ? (1ull << valid) - 1 : ~0ull;
      uint64_t mask = all;
      if (state->mode != TRANCHE_PASS_FIRST)
        mask &= NAME(differences)(state->labels, at, bytes, fresh);
      state->changed += __builtin_popcountll(mask);
      const float *points = p->x + tile * d * TRANCHE_TILE;
      if (is_dense) NAME(sum_tile)(points, d, k, fresh, valid, lanes, counts);
      for (uint64_t rest = is_dense ? 0 : takes_all ? all : mask; rest; rest &= rest - 1) {
        const int point = __builtin_ctzll(rest);
        const double weight = state->weights ? state->weights[at + point] : 1;
        const int32_t to = fresh[point];
        int32_t from = -1;
        if (!takes_all) {
          from = bytes == 1 ? ((const uint8_t *)state->labels)[at + point]
                            : ((const int32_t *)state->labels)[at + point];
          cluster_weights[from] -= weight;
        }
        if (is_narrow)
          NAME(move_narrow)(
              points + point, d, weight, narrow + to * 4, from >= 0 ? narrow + from * 4 : 0);
        else
          NAME(move)(points + point, d, weight, sums + to * d, from >= 0 ? sums + from * d : 0);
        cluster_weights[to] += weight;
      }
      if (state->labels && mask) NAME(store_labels)(state->labels, at, bytes, fresh);
    }
  }
  if (is_dense) {
    for (int64_t i = 0; i < k * d; i++) {
      double sum = 0;
      for (int l = 0; l < 8; l++) sum = sum + lanes[i * 8 + l];
      sums[i] = sums[i] + sum;
    }
    for (int64_t j = 0; j < k; j++)
      cluster_weights[j] += (double)counts[j];
  }
  for (int64_t j = 0; is_narrow && j < k; j++)
    for (int64_t i = 0; i < d; i++) sums[j * d + i] = sums[j * d + i] + narrow[j * 4 + i];
}

void NAME(tranche_pass)(
    const tranche_problem *p, int64_t first, int64_t last, tranche_pass_state *state) {
  if (state->label_bytes == 1)
    NAME(pass_tiles)(p, first, last, state, 1);
  else
    NAME(pass_tiles)(p, first, last, state, 4);
}
