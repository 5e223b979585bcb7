// Squared distances to few centroids on AVX-512: a column of up to 32 centroids lies in registers and
// is permuted by label, where a gather takes a load per point. The same roundings as strict.h's loop.
#include <immintrin.h>

#include "CKernels.h"

#pragma clang fp contract(off)

#define UNROLL _Pragma("clang loop unroll(full)")

static inline __attribute__((always_inline)) void tranche_distances_by(
    const float *x, int64_t d, int64_t first, int64_t last, const double *exact, int64_t k,
    const int32_t *labels, double *out, const int tables) {
  __mmask8 inside[4];
  UNROLL for (int t = 0; t < tables; t++) inside[t] = (__mmask8)(k - t * 8 >= 8 ? 0xff : k <= t * 8 ? 0 : (1 << (k - t * 8)) - 1);
  for (int64_t tile = first; tile < last; tile++, labels += TRANCHE_TILE, out += TRANCHE_TILE) {
    const float *points = x + tile * d * TRANCHE_TILE;
    UNROLL for (int half = 0; half < TRANCHE_TILE; half += 32) {
      __m512i label[4];
      __m512d sum[4];
      __mmask8 upper[4];
      UNROLL for (int r = 0; r < 4; r++) {
        label[r] = _mm512_cvtepi32_epi64(
            _mm256_loadu_si256((const __m256i *)(labels + half + r * 8)));
        upper[r] = _mm512_test_epi64_mask(label[r], _mm512_set1_epi64(16));
        sum[r] = _mm512_setzero_pd();
      }
      for (int64_t i = 0; i < d; i++) {
        __m512d table[4];
        UNROLL for (int t = 0; t < tables; t++) table[t] =
            _mm512_maskz_loadu_pd(inside[t], exact + i * k + t * 8);
        UNROLL for (int r = 0; r < 4; r++) {
          __m512d center = tables == 1 ? _mm512_permutexvar_pd(label[r], table[0])
                                       : _mm512_permutex2var_pd(table[0], label[r], table[1]);
          if (tables == 4)
            center = _mm512_mask_blend_pd(
                upper[r], center, _mm512_permutex2var_pd(table[2], label[r], table[3]));
          __m512d difference =
              _mm512_cvtps_pd(_mm256_load_ps(points + i * TRANCHE_TILE + half + r * 8)) - center;
          __m512d square = difference * difference;
          sum[r] = sum[r] + square;
        }
      }
      UNROLL for (int r = 0; r < 4; r++) _mm512_storeu_pd(out + half + r * 8, sum[r]);
    }
  }
}

static void tranche_distances_by_table(
    const float *x, int64_t d, int64_t first, int64_t last, const double *exact, int64_t k,
    const int32_t *labels, double *out) {
  if (k <= 8)
    tranche_distances_by(x, d, first, last, exact, k, labels, out, 1);
  else if (k <= 16)
    tranche_distances_by(x, d, first, last, exact, k, labels, out, 2);
  else
    tranche_distances_by(x, d, first, last, exact, k, labels, out, 4);
}
#define DISTANCES_BY_TABLE tranche_distances_by_table
#undef UNROLL
