// Haswell and later, Zen and later: 256-bit vectors with fused multiply-add, 16 registers: 12 sums,
// 2 point vectors and a broadcast (4 x 3 spills: 1.6 times slower at d = 16, k = 32).
#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2,popcnt"))), apply_to = function)
#define NAME(x) x##_avx2
#define LANES 8
#define VECTORS 2
#define GROUP 6
#include "fused.h"
#define GATHER(base, indices) ((NAME(vf))_mm256_i32gather_ps(base, (__m256i)(indices), 4))
#include "bounded.h"
#define FUSED(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "peaks.h"
#undef UNROLL
#include "strict.h"
#include "logarithm.h"
#include "pass.h"
#include "rows.h"
#include "dropout.h"
#define EQUAL(v, x) _mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)(x)))
static inline uint64_t half_avx2(const uint8_t *p, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  const __m256i v = _mm256_loadu_si256((const __m256i *)p);
  const __m256i found = _mm256_or_si256(
      _mm256_or_si256(EQUAL(v, a), EQUAL(v, b)), _mm256_or_si256(EQUAL(v, c), EQUAL(v, d)));
  return (uint32_t)_mm256_movemask_epi8(found);
}
static inline uint64_t matches_avx2(const uint8_t *p, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return half_avx2(p, a, b, c, d) | half_avx2(p + 32, a, b, c, d) << 32;
}
#define MATCHES matches_avx2
#include "structure.h"
#pragma clang attribute pop
#endif
