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
#include "pass.h"
#include "rows.h"
#pragma clang attribute pop
#endif
