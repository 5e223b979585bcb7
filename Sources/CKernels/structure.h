// Finds the bytes that give a text file its structure. A template over the vector width.
//
// Places of every byte that is a, b, c or d, ascending, in out (room for `count` entries and 64
// more). Reads up to 63 bytes past the end, which must be readable; they are not reported.
int64_t NAME(tranche_structure)(
    const uint8_t *bytes, int64_t count, uint8_t a, uint8_t b, uint8_t c, uint8_t d,
    uint32_t *out) {
  uint32_t *next = out;
  for (int64_t start = 0; start < count; start += 64) {
    uint64_t hits = MATCHES(bytes + start, a, b, c, d);
    if (count - start < 64) hits &= ((uint64_t)1 << (count - start)) - 1;
    // Written four at a time: how many there are is hardly ever guessed right.
    uint32_t *place = next;
    next += __builtin_popcountll(hits);
    while (hits != 0) {
      for (int step = 0; step < 4; step++) {
        place[step] = (uint32_t)start + (uint32_t)__builtin_ctzll(hits | (uint64_t)1 << 63);
        hits &= hits - 1;
      }
      place += 4;
    }
  }
  return next - out;
}
