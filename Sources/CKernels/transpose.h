// Row-major values to full tiles on AVX-512: 16 rows at a time through registers, stored past the
// caches, as the tiles are read again only when all are written. Measured, 5M x 8 on two threads into
// memory that is mapped: 17 ms, against 40 by gathers and plain stores.
#include <immintrin.h>
#include <math.h>

#include "CKernels.h"

#pragma clang fp contract(off)

#define UNROLL _Pragma("clang loop unroll(full)")

// Stores 16 rows of one column less its centre and adds their squares. Returns whether all are usable.
static inline __attribute__((always_inline)) int tranche_store_centered(
    __m512 column, double center, double limit, float *out, __m512d square[2]) {
  __m512d half[2] = {
      _mm512_cvtps_pd(_mm512_castps512_ps256(column)) - center,
      _mm512_cvtps_pd(_mm512_extractf32x8_ps(column, 1)) - center};
  __mmask8 usable = 0xff;
  __m256 rounded[2];
  UNROLL for (int r = 0; r < 2; r++) {
    usable &= _mm512_cmp_pd_mask(_mm512_abs_pd(half[r]), _mm512_set1_pd(limit), _CMP_LE_OQ);
    rounded[r] = _mm512_cvtpd_ps(half[r]);
    __m512d stored = _mm512_cvtps_pd(rounded[r]);
    __m512d product = stored * stored;
    square[r] = square[r] + product;
  }
  _mm512_stream_ps(out, _mm512_insertf32x8(_mm512_castps256_ps512(rounded[0]), rounded[1], 1));
  return usable == 0xff;
}

static inline __attribute__((always_inline)) double tranche_largest(
    double largest, const __m512d square[2]) {
  double found = _mm512_reduce_max_pd(_mm512_max_pd(square[0], square[1]));
  return found > largest ? found : largest;
}

// Up to eight columns: 16 rows fill `d` vectors, from which each column is picked.
static inline __attribute__((always_inline)) int tranche_fill_narrow(
    float *x, float *norms, const int d, int64_t first, int64_t last, const float *values,
    const double *centers, double limit) {
  const __m512i row = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  int usable = 1;
  for (int64_t tile = first; tile < last; tile++) {
    double largest = 0;
    for (int part = 0; part < TRANCHE_TILE; part += 16) {
      const float *in = values + (tile * TRANCHE_TILE + part) * d;
      __m512 source[8];
      UNROLL for (int i = 0; i < d; i++) source[i] = _mm512_loadu_ps(in + i * 16);
      __m512d square[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
      UNROLL for (int j = 0; j < d; j++) {
        // Row r's value is the (r d + j)-th of those in the vectors.
        __m512i place =
            _mm512_add_epi32(_mm512_mullo_epi32(row, _mm512_set1_epi32(d)), _mm512_set1_epi32(j));
        __m512 column =
            d == 1 ? source[0] : _mm512_permutex2var_ps(source[0], place, source[1]);
        UNROLL for (int s = 2; s < d; s++) {
          __mmask16 here =
              _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(place, 4), _mm512_set1_epi32(s));
          column = _mm512_mask_permutexvar_ps(column, here, place, source[s]);
        }
        usable &= tranche_store_centered(
            column, centers[j], limit, x + (tile * d + j) * TRANCHE_TILE + part, square);
      }
      largest = tranche_largest(largest, square);
    }
    norms[tile] = (float)(sqrt(largest) * 1.000001);
  }
  return !usable;
}

// 16 x 16 values, rows to columns.
static inline __attribute__((always_inline)) void tranche_transpose(__m512 r[16]) {
  __m512 t[16];
  UNROLL for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
#define PAIRS(half, a, b) \
  _mm512_castpd_ps(_mm512_unpack##half##_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)))
  UNROLL for (int i = 0; i < 16; i += 4) {
    r[i] = PAIRS(lo, t[i], t[i + 2]);
    r[i + 1] = PAIRS(hi, t[i], t[i + 2]);
    r[i + 2] = PAIRS(lo, t[i + 1], t[i + 3]);
    r[i + 3] = PAIRS(hi, t[i + 1], t[i + 3]);
  }
#undef PAIRS
  UNROLL for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0xdd);
  }
  UNROLL for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0x88);
    r[8 + i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0xdd);
    r[4 + i] = _mm512_shuffle_f32x4(t[4 + i], t[12 + i], 0x88);
    r[12 + i] = _mm512_shuffle_f32x4(t[4 + i], t[12 + i], 0xdd);
  }
}

// Any number of columns, 16 at a time.
static int tranche_fill_wide(
    float *x, float *norms, int64_t d, int64_t first, int64_t last, const float *values,
    const double *centers, double limit) {
  int usable = 1;
  for (int64_t tile = first; tile < last; tile++) {
    double largest = 0;
    for (int part = 0; part < TRANCHE_TILE; part += 16) {
      __m512d square[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
      for (int64_t j = 0; j < d; j += 16) {
        const float *in = values + (tile * TRANCHE_TILE + part) * d + j;
        const int64_t width = d - j < 16 ? d - j : 16;
        const __mmask16 mask = (__mmask16)((1u << width) - 1);
        __m512 r[16];
        UNROLL for (int i = 0; i < 16; i++) r[i] = _mm512_maskz_loadu_ps(mask, in + i * d);
        tranche_transpose(r);
        UNROLL for (int i = 0; i < 16; i++) {
          if (i < width)
            usable &= tranche_store_centered(
                r[i], centers[j + i], limit, x + (tile * d + j + i) * TRANCHE_TILE + part, square);
        }
      }
      largest = tranche_largest(largest, square);
    }
    norms[tile] = (float)(sqrt(largest) * 1.000001);
  }
  return !usable;
}

static int tranche_fill_whole_tiles(
    float *x, float *norms, int64_t d, int64_t first, int64_t last, const float *values,
    const double *centers, double limit) {
  int wrong = 0;
#define NARROW(columns)                                                                     \
  case columns:                                                                             \
    wrong = tranche_fill_narrow(x, norms, columns, first, last, values, centers, limit);    \
    break;
  switch (d) {
    NARROW(1) NARROW(2) NARROW(3) NARROW(4) NARROW(5) NARROW(6) NARROW(7) NARROW(8)
    default: wrong = tranche_fill_wide(x, norms, d, first, last, values, centers, limit);
  }
#undef NARROW
  // Stores past the caches become visible to other threads.
  _mm_sfence();
  return wrong;
}
#define FILL_WHOLE_TILES tranche_fill_whole_tiles
#undef UNROLL
