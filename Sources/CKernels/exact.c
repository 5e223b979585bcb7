// Decisions in Double and the building of tiles.
#include <math.h>

#include "CKernels.h"

#pragma clang fp contract(off)

int tranche_is_close(const tranche_problem *p, int64_t tile, int point, float gap) {
  const float *x = p->x + tile * p->d * TRANCHE_TILE + point;
  double square = 0;
  for (int64_t i = 0; i < p->d; i++) {
    double value = x[i * TRANCHE_TILE];
    square += value * value;
  }
  // One part in a million covers the roundings of the sum and the root.
  return !(gap > tranche_gap_bound(p, sqrt(square) * 1.000001));
}

void tranche_recheck(const tranche_problem *p, int64_t tile, uint64_t mask, int32_t *labels) {
  const int64_t d = p->d, k = p->k;
  for (; mask; mask &= mask - 1) {
    int point = __builtin_ctzll(mask);
    const float *x = p->x + tile * d * TRANCHE_TILE + point;
    double best = __builtin_inf();
    int32_t label = 0;
    for (int64_t first = 0; first < k; first += 64) {
      int64_t count = k - first < 64 ? k - first : 64;
      double sum[64] = {0};
      for (int64_t i = 0; i < d; i++) {
        double value = x[i * TRANCHE_TILE];
        const double *c = p->exact + i * k + first;
        for (int64_t j = 0; j < count; j++) {
          double difference = value - c[j];
          double square = difference * difference;
          sum[j] = sum[j] + square;
        }
      }
      for (int64_t j = 0; j < count; j++) {
        if (sum[j] < best) {
          best = sum[j];
          label = (int32_t)(first + j);
        }
      }
    }
    labels[point] = label;
  }
}

int64_t tranche_settle(
    const tranche_problem *p, int64_t first, int64_t last, const float *best, const float *second,
    int32_t *labels) {
  int64_t rechecked = 0;
  for (int64_t tile = first; tile < last; tile++) {
    const int64_t at = (tile - first) * TRANCHE_TILE;
    const float bound = tranche_gap_bound(p, p->tile_norm[tile]);
    int64_t valid = p->rows - tile * TRANCHE_TILE;
    if (valid > TRANCHE_TILE) valid = TRANCHE_TILE;
    uint64_t mask = 0;
    for (int l = 0; l < valid; l++) {
      float gap = second[at + l] - best[at + l];
      if (!(gap > bound) && tranche_is_close(p, tile, l, gap)) mask |= 1ull << l;
    }
    if (mask) {
      rechecked += __builtin_popcountll(mask);
      tranche_recheck(p, tile, mask, labels + at);
    }
  }
  return rechecked;
}

#define FILL(suffix, type)                                                                       \
  int64_t tranche_fill_##suffix(float *x, int64_t rows, int64_t d, int64_t column, int64_t first, \
                                int64_t last, const type *values, double center, double limit) { \
    int64_t bad = -1;                                                                            \
    for (int64_t tile = first; tile < last; tile++) {                                            \
      float *out = x + (tile * d + column) * TRANCHE_TILE;                                       \
      const type *in = values + tile * TRANCHE_TILE;                                             \
      int64_t valid = rows - tile * TRANCHE_TILE;                                                \
      if (valid > TRANCHE_TILE) valid = TRANCHE_TILE;                                            \
      int wrong = 0;                                                                             \
      for (int64_t p = 0; p < valid; p++) {                                                      \
        double value = (double)in[p] - center;                                                   \
        wrong |= !(fabs(value) <= limit);                                                        \
        out[p] = (float)value;                                                                   \
      }                                                                                          \
      for (int64_t p = valid; p < TRANCHE_TILE; p++) out[p] = 0;                                 \
      if (wrong && bad < 0) {                                                                    \
        for (int64_t p = 0; p < valid && bad < 0; p++)                                           \
          if (!(fabs((double)in[p] - center) <= limit)) bad = tile * TRANCHE_TILE + p;           \
      }                                                                                          \
    }                                                                                            \
    return bad;                                                                                  \
  }
FILL(double, double)
FILL(float, float)

int64_t tranche_fill_rows(float *x, int64_t rows, int64_t d, int64_t first, int64_t last,
                          const float *values, const double *centers, double limit) {
  int64_t bad = -1;
  for (int64_t tile = first; tile < last && bad < 0; tile++) {
    float *out = x + tile * d * TRANCHE_TILE;
    const float *in = values + tile * TRANCHE_TILE * d;
    int64_t valid = rows - tile * TRANCHE_TILE;
    if (valid > TRANCHE_TILE) valid = TRANCHE_TILE;
    int wrong = 0;
    for (int64_t i = 0; i < d; i++) {
      const double center = centers[i];
      for (int64_t p = 0; p < valid; p++) {
        double value = (double)in[p * d + i] - center;
        wrong |= !(fabs(value) <= limit);
        out[i * TRANCHE_TILE + p] = (float)value;
      }
      for (int64_t p = valid; p < TRANCHE_TILE; p++) out[i * TRANCHE_TILE + p] = 0;
    }
    if (wrong) {
      for (int64_t v = 0; v < valid * d && bad < 0; v++)
        if (!(fabs((double)in[v] - centers[v % d]) <= limit)) bad = tile * TRANCHE_TILE * d + v;
    }
  }
  return bad;
}

void tranche_tile_norms(const float *x, int64_t d, int64_t first, int64_t last, float *norms) {
  for (int64_t tile = first; tile < last; tile++) {
    const float *points = x + tile * d * TRANCHE_TILE;
    double square[TRANCHE_TILE] = {0};
    for (int64_t i = 0; i < d; i++)
      for (int p = 0; p < TRANCHE_TILE; p++) {
        double value = points[i * TRANCHE_TILE + p];
        square[p] += value * value;
      }
    double largest = 0;
    for (int p = 0; p < TRANCHE_TILE; p++) largest = square[p] > largest ? square[p] : largest;
    // One part in a million covers the roundings of the sum, the root and the conversion.
    norms[tile] = (float)(sqrt(largest) * 1.000001);
  }
}
