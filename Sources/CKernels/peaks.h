// What the processor can do at best: register-to-register multiply-adds, and reading memory front to
// back. The including file defines NAME(x), LANES and FUSED(a, b, c).
typedef float NAME(peak_vector) __attribute__((vector_size(LANES * 4)));
typedef NAME(peak_vector) NAME(peak_unaligned) __attribute__((aligned(4)));

#if defined(__x86_64__)
#define PEAK_REGISTER(value) "+v"(value)
#else
#define PEAK_REGISTER(value) "+w"(value)
#endif

// 12 chains hide the latency of 4 or 5 cycles of two units.
enum { NAME(peak_chains) = 12 };

int64_t NAME(tranche_flops)(int64_t rounds) { return rounds * 2 * LANES * NAME(peak_chains); }

float NAME(tranche_multiply_add)(int64_t rounds, float seed) {
  NAME(peak_vector) sums[NAME(peak_chains)], factor, term;
  for (int lane = 0; lane < LANES; lane++) {
    factor[lane] = 0.999f + seed * 1e-9f;
    term[lane] = 1e-3f + seed * 1e-9f;
  }
  _Pragma("clang loop unroll(full)") for (int i = 0; i < NAME(peak_chains); i++) sums[i] =
      term * (float)i;
  for (int64_t round = 0; round < rounds; round++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < NAME(peak_chains); i++) {
      sums[i] = FUSED(sums[i], factor, term);
      // Keeps each chain in its register: none is folded into another.
      __asm__ volatile("" : PEAK_REGISTER(sums[i]));
    }
  }
  float total = 0;
  for (int i = 0; i < NAME(peak_chains); i++) {
    for (int lane = 0; lane < LANES; lane++) total += sums[i][lane];
  }
  return total;
}

float NAME(tranche_read)(const float *x, int64_t count) {
  NAME(peak_vector) sums[4] = {{0}};
  int64_t i = 0;
  for (; i + 4 * LANES <= count; i += 4 * LANES) {
    __builtin_prefetch(x + i + 2048, 0, 2);
    _Pragma("clang loop unroll(full)") for (int j = 0; j < 4; j++) sums[j] +=
        *(const NAME(peak_unaligned) *)(x + i + j * LANES);
  }
  float total = 0;
  for (; i < count; i++) total += x[i];
  for (int j = 0; j < 4; j++) {
    for (int lane = 0; lane < LANES; lane++) total += sums[j][lane];
  }
  return total;
}
