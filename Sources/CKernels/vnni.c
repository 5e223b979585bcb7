// Assignment in integers: 16-bit features and centroids, products summed exactly in 32 bits, two
// products where a multiply-add of floats does one. Whoever it cannot tell apart is scored in Float,
// as every other kernel does (Kernels/IntegerBound.swift has the proof). Sapphire Rapids, Ice Lake and
// Zen 4 have it.
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#include "CKernels.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,bmi,bmi2,popcnt"))), apply_to = function)

#define UNROLL _Pragma("clang loop unroll(full)")

enum {
  LANES = 16,
  VECTORS = TRANCHE_TILE / LANES,
  GROUP = 6,
  PAIRS = TRANCHE_INTEGER_COLUMNS / 2,
  // Undecided points of a tile from which on the whole tile is scored in Float.
  MANY = 12,
};

// Scores are positive integers below the pattern of infinity, in which order integers are floats: the
// minimum of floats runs on two ports, that of integers on one. Their lowest bits are the label.
typedef struct {
  __m512 best[VECTORS], second[VECTORS];
} scores;

static inline __attribute__((always_inline)) void fold_group(
    const int32_t *points, int64_t pairs, const int32_t *c, const int32_t *half,
    const int32_t *labels, const int group, const __m512i keep, scores *s) {
  __m512i score[GROUP][VECTORS];
  UNROLL for (int j = 0; j < group; j++)
    UNROLL for (int r = 0; r < VECTORS; r++) score[j][r] = _mm512_set1_epi32(half[j]);
#pragma clang loop unroll(disable) vectorize(disable)
  for (int64_t i = 0; i < pairs; i++) {
    __m512i point[VECTORS];
    UNROLL for (int r = 0; r < VECTORS; r++) point[r] =
        _mm512_load_si512(points + i * TRANCHE_TILE + r * LANES);
    UNROLL for (int j = 0; j < group; j++) {
      const __m512i value = _mm512_set1_epi32(c[i * group + j]);
      UNROLL for (int r = 0; r < VECTORS; r++) score[j][r] =
          _mm512_dpwssd_epi32(score[j][r], value, point[r]);
    }
  }
  UNROLL for (int j = 0; j < group; j++) {
    const __m512i label = _mm512_set1_epi32(labels[j]);
    UNROLL for (int r = 0; r < VECTORS; r++) {
      // (score & keep) | label
      const __m512 value =
          _mm512_castsi512_ps(_mm512_ternarylogic_epi32(score[j][r], keep, label, 0xea));
      s->second[r] = _mm512_min_ps(s->second[r], _mm512_max_ps(s->best[r], value));
      s->best[r] = _mm512_min_ps(s->best[r], value);
    }
  }
}

// Two features to a word, each round(scale * x). Asks for the tile at `later`.
static inline void quantize(
    const float *x, const float *later, int64_t d, float scale, int32_t *out) {
  const __m512 factor = _mm512_set1_ps(scale);
  const __m512i low = _mm512_set1_epi32(0xffff);
  for (int64_t i = 0; i < d; i += 2, out += TRANCHE_TILE) {
    const float *even = x + i * TRANCHE_TILE;
    const int is_last = i + 1 == d;
    UNROLL for (int r = 0; r < VECTORS; r++) {
      const __m512i a =
          _mm512_cvtps_epi32(_mm512_mul_ps(factor, _mm512_load_ps(even + r * LANES)));
      __m512i b = _mm512_setzero_si512();
      if (!is_last) {
        b = _mm512_cvtps_epi32(
            _mm512_mul_ps(factor, _mm512_load_ps(even + TRANCHE_TILE + r * LANES)));
        __builtin_prefetch(later + (i + 1) * TRANCHE_TILE + r * LANES, 0, 2);
      }
      __builtin_prefetch(later + i * TRANCHE_TILE + r * LANES, 0, 2);
      // (a & low) | (b << 16)
      _mm512_store_si512(
          out + r * LANES, _mm512_ternarylogic_epi32(a, low, _mm512_slli_epi32(b, 16), 0xea));
    }
  }
}

// One point in Float; lanes are centroids. Returns whether Double must decide.
static int settle_point(
    const tranche_problem *p, int64_t tile, int point, float bound, int32_t *label) {
  const int64_t d = p->d, width = p->column_width;
  const float *x = p->x + tile * d * TRANCHE_TILE + point;
  __m512 best = _mm512_set1_ps(__builtin_inff()), second = best;
  __m512i own = _mm512_setzero_si512();
  for (int64_t first = 0; first < width; first += TRANCHE_TILE) {
    __m512 score[4];
    UNROLL for (int r = 0; r < 4; r++) score[r] = _mm512_loadu_ps(p->half + first + r * LANES);
    for (int64_t i = 0; i < d; i++) {
      const __m512 value = _mm512_set1_ps(x[i * TRANCHE_TILE]);
      const float *c = p->by_column + (first * d + i * TRANCHE_TILE);
      UNROLL for (int r = 0; r < 4; r++) score[r] =
          _mm512_fmadd_ps(value, _mm512_loadu_ps(c + r * LANES), score[r]);
    }
    UNROLL for (int r = 0; r < 4; r++) {
      const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
      const __mmask16 less = _mm512_cmp_ps_mask(score[r], best, _CMP_LT_OQ);
      second = _mm512_min_ps(second, _mm512_max_ps(best, score[r]));
      best = _mm512_min_ps(best, score[r]);
      own = _mm512_mask_mov_epi32(
          own, less, _mm512_add_epi32(lane, _mm512_set1_epi32((int32_t)first + r * LANES)));
    }
  }
  const float least = _mm512_reduce_min_ps(best);
  const __mmask16 at = _mm512_cmp_ps_mask(best, _mm512_set1_ps(least), _CMP_EQ_OQ);
  // Best scores of the other lanes are runners-up, too.
  const __mmask16 winner = at & -at;
  const float next = fminf(
      _mm512_reduce_min_ps(second),
      _mm512_mask_reduce_min_ps((__mmask16)~winner, best));
  *label = _mm512_mask_reduce_add_epi32(winner, own);
  const float gap = next - least;
  return !(gap > bound) && tranche_is_close(p, tile, point, gap);
}

// Settles the points of `mask` in Float, or else in Double. Returns how many in Double.
static int64_t settle(const tranche_problem *p, int64_t tile, uint64_t mask, int32_t *labels) {
  const float bound = tranche_gap_bound(p, p->tile_norm[tile]);
  uint64_t close = 0;
  for (; mask; mask &= mask - 1) {
    const int point = __builtin_ctzll(mask);
    if (settle_point(p, tile, point, bound, labels + point)) close |= 1ull << point;
  }
  if (close) tranche_recheck(p, tile, close, labels);
  return __builtin_popcountll(close);
}

static inline __attribute__((always_inline)) int64_t assign_tiles(
    const tranche_problem *p, int64_t first, int64_t last, int32_t *labels, const int group) {
  const int64_t d = p->d, k = p->k, pairs = (d + 1) / 2;
  const int64_t wide = p->wide_groups, groups = p->groups;
  const tranche_integers *integers = &p->integers;
  _Alignas(64) int32_t points[PAIRS * TRANCHE_TILE];
  _Alignas(64) int32_t half[TRANCHE_INTEGER_CLUSTERS];
  const __m512i keep = _mm512_set1_epi32(-(1 << integers->label_bits));
  int64_t undecided = 0;
  for (int64_t tile = first; tile < last; tile++, labels += TRANCHE_TILE) {
    const float *x = p->x + tile * d * TRANCHE_TILE;
    const double rho = p->tile_norm[tile];
    const float scale = tranche_integer_scale(p, rho);
    const int32_t bound = tranche_integer_bound(p, rho, scale);
    quantize(x, tile + 1 < last ? x + d * TRANCHE_TILE : x + tranche_ahead(d), d, scale, points);
    const __m512 product = _mm512_set1_ps((float)(scale * integers->scale));
    for (int64_t j = 0; j < k; j += LANES)
      _mm512_store_si512(
          half + j,
          _mm512_add_epi32(
              _mm512_set1_epi32(1 << 30),
              _mm512_cvtps_epi32(_mm512_mul_ps(product, _mm512_loadu_ps(p->half + j)))));
    scores s;
    UNROLL for (int r = 0; r < VECTORS; r++) s.best[r] = s.second[r] =
        _mm512_castsi512_ps(_mm512_set1_epi32(0x7f7fffff));
    const int32_t *c = integers->packed, *label = integers->labels;
    int64_t at = 0, g = 0;
    for (; g < wide; g++, at += group, c += group * pairs)
      fold_group(points, pairs, c, half + at, label + at, group, keep, &s);
    if (group > 1)
      for (; g < groups; g++, at += group - 1, c += (group - 1) * pairs)
        fold_group(points, pairs, c, half + at, label + at, group - 1, keep, &s);
    uint64_t mask = 0;
    UNROLL for (int r = 0; r < VECTORS; r++) {
      const __m512i best = _mm512_castps_si512(s.best[r]), next = _mm512_castps_si512(s.second[r]);
      _mm512_storeu_si512(labels + r * LANES, _mm512_andnot_si512(keep, best));
      const __m512i gap =
          _mm512_sub_epi32(_mm512_and_si512(next, keep), _mm512_and_si512(best, keep));
      mask |= (uint64_t)_mm512_cmple_epi32_mask(gap, _mm512_set1_epi32(bound)) << (r * LANES);
    }
    const int64_t valid = p->rows - tile * TRANCHE_TILE;
    if (valid < TRANCHE_TILE) mask &= (1ull << valid) - 1;
    if (__builtin_popcountll(mask) > MANY)
      undecided += tranche_assign_avx512(p, tile, tile + 1, labels);
    else if (mask)
      undecided += settle(p, tile, mask, labels);
  }
  return undecided;
}

int64_t tranche_assign_vnni(
    const tranche_problem *p, int64_t first, int64_t last, int32_t *labels) {
  if (!p->integers.packed) return tranche_assign_avx512(p, first, last, labels);
  switch (p->group) {
    case 1: return assign_tiles(p, first, last, labels, 1);
    case 2: return assign_tiles(p, first, last, labels, 2);
    case 3: return assign_tiles(p, first, last, labels, 3);
    case 4: return assign_tiles(p, first, last, labels, 4);
    case 5: return assign_tiles(p, first, last, labels, 5);
    case 6: return assign_tiles(p, first, last, labels, 6);
  }
  __builtin_trap();
}
#pragma clang attribute pop
#endif
