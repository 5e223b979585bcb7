// Skylake-SP and later, Zen 4 and later: 512-bit vectors, 32 registers.
#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2,popcnt"))), apply_to = function)
#define NAME(x) x##_avx512
#define LANES 16
#define VECTORS 4
#define GROUP 6
#include "fused.h"
#define GATHER(base, indices) ((NAME(vf))_mm512_i32gather_ps((__m512i)(indices), base, 4))
#include "bounded.h"
#define FUSED(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "peaks.h"
#undef UNROLL
#include "transpose.h"
#include "lookup.h"
#include "strict.h"
#include "logarithm.h"
#include "pass.h"
#include "rows.h"
#include "dropout.h"
#define EQUAL(v, x) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8((char)(x)))
static inline uint64_t matches_avx512(const uint8_t *p, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  const __m512i v = _mm512_loadu_si512(p);
  return EQUAL(v, a) | EQUAL(v, b) | EQUAL(v, c) | EQUAL(v, d);
}
#define MATCHES matches_avx512
#include "structure.h"
#pragma clang attribute pop
#endif
