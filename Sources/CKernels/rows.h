// Row-major values to tiles, once for every instruction set; included after strict.h. The including
// file may define FILL_WHOLE_TILES, a faster way for tiles that are full.

void NAME(tranche_tile_norms)(const float *x, int64_t d, int64_t first, int64_t last, float *norms) {
  for (int64_t tile = first; tile < last; tile++) {
    const float *points = x + tile * d * TRANCHE_TILE;
    double square[TRANCHE_TILE] = {0};
    for (int64_t i = 0; i < d; i++)
      for (int p = 0; p < TRANCHE_TILE; p++) {
        double value = points[i * TRANCHE_TILE + p];
        square[p] += value * value;
      }
    double largest = 0;
    for (int p = 0; p < TRANCHE_TILE; p++) largest = square[p] > largest ? square[p] : largest;
    // One part in a million covers the roundings of the sum, the root and the conversion.
    norms[tile] = (float)(sqrt(largest) * 1.000001);
  }
}

// One tile of `valid` rows; `values` is its first. Returns whether a value is not usable.
static inline __attribute__((always_inline)) int NAME(fill_tile)(
    float *restrict out, int64_t d, int64_t valid, const float *restrict values,
    const double *centers, double limit) {
  int wrong = 0;
  for (int64_t i = 0; i < d; i++) {
    const double center = centers[i];
    if (valid >= TRANCHE_TILE) {
#pragma clang loop vectorize(enable)
      for (int p = 0; p < TRANCHE_TILE; p++) {
        double value = (double)values[p * d + i] - center;
        wrong |= !(fabs(value) <= limit);
        out[i * TRANCHE_TILE + p] = (float)value;
      }
      continue;
    }
    for (int p = 0; p < TRANCHE_TILE; p++) {
      double value = p < valid ? (double)values[p * d + i] - center : 0;
      wrong |= !(fabs(value) <= limit);
      out[i * TRANCHE_TILE + p] = (float)value;
    }
  }
  return wrong;
}

int64_t NAME(tranche_fill_rows)(
    float *x, float *norms, int64_t rows, int64_t d, int64_t first, int64_t last,
    const float *values, const double *centers, double limit) {
  int wrong = 0;
  int64_t tile = first;
#ifdef FILL_WHOLE_TILES
  const int64_t whole = rows / TRANCHE_TILE < last ? rows / TRANCHE_TILE : last;
  if (whole > first) {
    wrong = FILL_WHOLE_TILES(x, norms, d, first, whole, values, centers, limit);
    tile = whole;
  }
#endif
  for (; tile < last; tile++) {
    wrong |= NAME(fill_tile)(
        x + tile * d * TRANCHE_TILE, d, rows - tile * TRANCHE_TILE,
        values + tile * TRANCHE_TILE * d, centers, limit);
    NAME(tranche_tile_norms)(x, d, tile, tile + 1, norms);
  }
  if (!wrong) return -1;
  int64_t end = last * TRANCHE_TILE < rows ? last * TRANCHE_TILE : rows;
  for (int64_t at = first * TRANCHE_TILE * d; at < end * d; at++)
    if (!(fabs((double)values[at] - centers[at % d]) <= limit)) return at;
  return -1;
}

void NAME(tranche_row_sums)(
    const float *values, int64_t rows, int64_t d, double *restrict lanes, double *restrict sums) {
  for (int64_t i = 0; i < 16 * d; i++) lanes[i] = 0;
  int64_t row = 0;
  for (; row + 16 <= rows; row += 16) {
    const float *restrict in = values + row * d;
#pragma clang loop vectorize(enable)
    for (int64_t i = 0; i < 16 * d; i++) lanes[i] = lanes[i] + (double)in[i];
  }
  for (int64_t i = 0; i < d; i++) {
    double sum = 0;
    for (int64_t lane = 0; lane < 16; lane++) sum = sum + lanes[lane * d + i];
    for (int64_t rest = row; rest < rows; rest++) sum = sum + (double)values[rest * d + i];
    sums[i] = sum;
  }
}
