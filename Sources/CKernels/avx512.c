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
#include "pass.h"
#include "rows.h"
#pragma clang attribute pop
#endif
