// Haswell and later, Zen and later: 256-bit vectors with fused multiply-add, 16 registers.
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2,popcnt"))), apply_to = function)
#define NAME(x) x##_avx2
#define LANES 8
#define VECTORS 4
#define GROUP 3
#include "fused.h"
#undef UNROLL
#include "strict.h"
#pragma clang attribute pop
#endif
