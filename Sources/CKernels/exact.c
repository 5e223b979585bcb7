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
