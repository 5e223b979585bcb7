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
#include "logarithm.h"
#include "pass.h"
#include "rows.h"
#include "dropout.h"

// A byte of the result is 0x80 where the word's byte is x and 0 elsewhere, exactly (H. S. Warren,
// Hacker's Delight, 6-1).
static inline uint64_t equal_bytes(uint64_t word, uint8_t x) {
  const uint64_t low = 0x7f7f7f7f7f7f7f7full;
  const uint64_t difference = word ^ (0x0101010101010101ull * x);
  return ~(((difference & low) + low) | difference | low);
}
static inline uint64_t matches_generic(
    const uint8_t *p, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  uint64_t hits = 0;
  for (int byte = 0; byte < 64; byte += 8) {
    uint64_t word;
    __builtin_memcpy(&word, p + byte, 8);
    const uint64_t found =
        equal_bytes(word, a) | equal_bytes(word, b) | equal_bytes(word, c) | equal_bytes(word, d);
    // One bit of each byte, gathered by a multiplication.
    hits |= ((found >> 7) * 0x0102040810204080ull >> 56) << byte;
  }
  return hits;
}
#define MATCHES matches_generic
#include "structure.h"
