// What any CPU runs: 128-bit vectors (SSE2 on x86-64, NEON on arm64).
#define NAME(x) x##_generic
#define LANES 4
#define VECTORS 2
#define GROUP 6
#include "fused.h"
#include "bounded.h"
#define FUSED(a, b, c) ((a) * (b) + (c))
#include "peaks.h"
#undef UNROLL
#include "strict.h"
#include "pass.h"
#include "rows.h"
