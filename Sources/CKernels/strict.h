// Loops whose results reach the model: each rounding is fixed by the source (no contraction into
// fused multiply-adds, fixed lanes, fixed order), so every instruction set gives the same bits.
// The including file defines NAME(x), the symbol suffix.
#include <math.h>

#include "CKernels.h"

#pragma clang fp contract(off)

typedef float NAME(f16) __attribute__((ext_vector_type(16)));
typedef double NAME(d16) __attribute__((ext_vector_type(16)));
typedef double NAME(d8) __attribute__((ext_vector_type(8)));
typedef float NAME(f8) __attribute__((ext_vector_type(8)));
typedef float NAME(f4) __attribute__((ext_vector_type(4)));
typedef double NAME(d4) __attribute__((ext_vector_type(4)));
typedef _Bool NAME(b16) __attribute__((ext_vector_type(16)));
typedef int32_t NAME(i16) __attribute__((ext_vector_type(16)));
typedef int64_t NAME(l8) __attribute__((ext_vector_type(8)));
typedef NAME(d16) NAME(d16_unaligned) __attribute__((aligned(8)));
typedef NAME(d8) NAME(d8_unaligned) __attribute__((aligned(8)));
typedef NAME(d4) NAME(d4_unaligned) __attribute__((aligned(8)));
typedef NAME(f16) NAME(f16_unaligned) __attribute__((aligned(4)));
typedef NAME(i16) NAME(i16_unaligned) __attribute__((aligned(4)));

#define UNROLL _Pragma("clang loop unroll(full)")
enum { NAME(exact_group) = 4 };

static inline __attribute__((always_inline)) void NAME(exact_fold)(
    const float *x, int64_t d, const double *c, int64_t k, int64_t first, const int count,
    NAME(d8) best[2], NAME(d8) second[2], NAME(l8) label[2]) {
  NAME(d8) sum[NAME(exact_group)][2];
  UNROLL for (int j = 0; j < count; j++) sum[j][0] = sum[j][1] = 0;
  for (int64_t i = 0; i < d; i++) {
    NAME(d8) point[2];
    UNROLL for (int r = 0; r < 2; r++) point[r] =
        __builtin_convertvector(*(const NAME(f8) *)(x + i * TRANCHE_TILE + r * 8), NAME(d8));
    UNROLL for (int j = 0; j < count; j++) {
      NAME(d8) center = c[i * k + first + j];
      UNROLL for (int r = 0; r < 2; r++) {
        NAME(d8) difference = point[r] - center;
        NAME(d8) square = difference * difference;
        sum[j][r] = sum[j][r] + square;
      }
    }
  }
  UNROLL for (int j = 0; j < count; j++) {
    UNROLL for (int r = 0; r < 2; r++) {
      NAME(l8) less = sum[j][r] < best[r];
      NAME(d8) larger = less ? best[r] : sum[j][r];
      second[r] = larger < second[r] ? larger : second[r];
      best[r] = less ? sum[j][r] : best[r];
      label[r] = less ? (NAME(l8))(first + j) : label[r];
    }
  }
}

void NAME(tranche_exact_assign)(
    const tranche_problem *p, int64_t first, int64_t last, int32_t *labels, double *nearest,
    double *furthest) {
  const int64_t d = p->d, k = p->k;
  for (int64_t tile = first; tile < last; tile++) {
    for (int part = 0; part < TRANCHE_TILE; part += 16) {
      const float *x = p->x + tile * d * TRANCHE_TILE + part;
      NAME(d8) best[2], second[2];
      NAME(l8) label[2];
      for (int r = 0; r < 2; r++) {
        best[r] = second[r] = (NAME(d8))__builtin_inf();
        label[r] = 0;
      }
      int64_t j = 0;
      for (; j + NAME(exact_group) <= k; j += NAME(exact_group))
        NAME(exact_fold)(x, d, p->exact, k, j, NAME(exact_group), best, second, label);
      for (; j < k; j++) NAME(exact_fold)(x, d, p->exact, k, j, 1, best, second, label);
      int64_t at = (tile - first) * TRANCHE_TILE + part;
      for (int r = 0; r < 2; r++) {
        for (int l = 0; l < 8; l++) labels[at + r * 8 + l] = (int32_t)label[r][l];
        *(NAME(d8_unaligned) *)(nearest + at + r * 8) = best[r];
        *(NAME(d8_unaligned) *)(furthest + at + r * 8) = second[r];
      }
    }
  }
}

void NAME(tranche_distances)(
    const float *x, int64_t d, int64_t first, int64_t last, const double *exact, int64_t k,
    const int32_t *restrict labels, double *restrict out) {
  for (int64_t tile = first; tile < last; tile++, labels += TRANCHE_TILE, out += TRANCHE_TILE) {
    const float *points = x + tile * d * TRANCHE_TILE;
    for (int p = 0; p < TRANCHE_TILE; p++) out[p] = 0;
    for (int64_t i = 0; i < d; i++) {
      const float *column = points + i * TRANCHE_TILE;
      const double *centers = exact + i * k;
#pragma clang loop vectorize(enable)
      for (int p = 0; p < TRANCHE_TILE; p++) {
        double difference = (double)column[p] - centers[labels[p]];
        double square = difference * difference;
        out[p] = out[p] + square;
      }
    }
  }
}

// Squared distances of 64 points to one row, in Float.
static inline __attribute__((always_inline)) void NAME(squared)(
    const float *x, int64_t d, const float *row, NAME(f16) out[4]) {
  UNROLL for (int r = 0; r < 4; r++) out[r] = 0;
  for (int64_t i = 0; i < d; i++) {
    NAME(f16) center = row[i];
    UNROLL for (int r = 0; r < 4; r++) {
      NAME(f16) difference = *(const NAME(f16) *)(x + i * TRANCHE_TILE + r * 16) - center;
      NAME(f16) square = difference * difference;
      out[r] = out[r] + square;
    }
  }
}

void NAME(tranche_seed)(
    const float *x, int64_t d, int64_t first, int64_t last, const float *chosen,
    const float *candidates, int64_t trials, float *nearest, const double *weights, double *sums) {
  NAME(d16) total[TRANCHE_TRIALS];
  for (int64_t l = 0; l < trials; l++) total[l] = 0;
  for (int64_t tile = first; tile < last; tile++, nearest += TRANCHE_TILE) {
    const float *points = x + tile * d * TRANCHE_TILE;
    NAME(f16) current[4], distance[4];
    UNROLL for (int r = 0; r < 4; r++) current[r] =
        *(const NAME(f16_unaligned) *)(nearest + r * 16);
    if (chosen) {
      NAME(squared)(points, d, chosen, distance);
      UNROLL for (int r = 0; r < 4; r++) {
        current[r] = distance[r] < current[r] ? distance[r] : current[r];
        *(NAME(f16_unaligned) *)(nearest + r * 16) = current[r];
      }
    }
    for (int64_t l = 0; l < trials; l++) {
      NAME(squared)(points, d, candidates + l * d, distance);
      NAME(d16) sum = total[l];
      UNROLL for (int r = 0; r < 4; r++) {
        NAME(f16) least = distance[r] < current[r] ? distance[r] : current[r];
        NAME(d16) wide = __builtin_convertvector(least, NAME(d16));
        if (weights) {
          NAME(d16) weight = *(const NAME(d16_unaligned) *)(weights + r * 16);
          wide = wide * weight;
        }
        sum = sum + wide;
      }
      total[l] = sum;
    }
    if (weights) weights += TRANCHE_TILE;
  }
  for (int64_t l = 0; l < trials; l++) {
    double sum = 0;
    for (int lane = 0; lane < 16; lane++) sum = sum + total[l][lane];
    sums[l] = sum;
  }
}

// Moves one point's `weight * x` into gain and, unless null, out of loss. Eight features at once:
// they are independent sums.
static inline __attribute__((always_inline)) void NAME(move)(
    const float *x, int64_t d, double weight, double *gain, double *loss) {
  int64_t i = 0;
  for (; i + 8 <= d; i += 8) {
    const float *f = x + i * TRANCHE_TILE;
    NAME(f8) point = {f[0], f[64], f[128], f[192], f[256], f[320], f[384], f[448]};
    NAME(d8) value = weight * __builtin_convertvector(point, NAME(d8));
    NAME(d8_unaligned) *to = (NAME(d8_unaligned) *)(gain + i);
    *to = *to + value;
    if (loss) {
      NAME(d8_unaligned) *from = (NAME(d8_unaligned) *)(loss + i);
      *from = *from - value;
    }
  }
  for (; i < d; i++) {
    double value = weight * (double)x[i * TRANCHE_TILE];
    gain[i] = gain[i] + value;
    if (loss) loss[i] = loss[i] - value;
  }
}

// The same for up to four features, in sums of four places per cluster.
static inline __attribute__((always_inline)) void NAME(move_narrow)(
    const float *x, int64_t d, double weight, double *gain, double *loss) {
  NAME(f4) point = {x[0], d > 1 ? x[64] : 0, d > 2 ? x[128] : 0, d > 3 ? x[192] : 0};
  NAME(d4) value = weight * __builtin_convertvector(point, NAME(d4));
  NAME(d4_unaligned) *to = (NAME(d4_unaligned) *)gain;
  *to = *to + value;
  if (loss) {
    NAME(d4_unaligned) *from = (NAME(d4_unaligned) *)loss;
    *from = *from - value;
  }
}

// Sums by cluster of `count` columns of one tile, added to (or, if `leaving`, taken from) lanes of
// eight points: lanes[(j * d + i) * 8 + l]. Points whose key is no cluster are passed over.
static inline __attribute__((always_inline)) void NAME(sum_columns)(
    const float *x, int64_t d, int64_t k, const NAME(l8) key[8], const int count,
    const int leaving, double *lanes) {
  for (int64_t j = 0; j < k; j++) {
    NAME(d8) sum[4];
    UNROLL for (int i = 0; i < count; i++) sum[i] =
        *(const NAME(d8_unaligned) *)(lanes + (j * d + i) * 8);
    UNROLL for (int r = 0; r < 8; r++) {
      NAME(l8) own = key[r] == (NAME(l8))j;
      UNROLL for (int i = 0; i < count; i++) {
        NAME(d8) value = __builtin_convertvector(
            *(const NAME(f8) *)(x + i * TRANCHE_TILE + r * 8), NAME(d8));
        NAME(d8) part = own ? value : (NAME(d8))0;
        sum[i] = leaving ? sum[i] - part : sum[i] + part;
      }
    }
    UNROLL for (int i = 0; i < count; i++)
      *(NAME(d8_unaligned) *)(lanes + (j * d + i) * 8) = sum[i];
  }
}

// Most sums k * d that a tile is taken into as a whole, and the fewest changed points that make that
// cheaper than moving them one by one.
enum { NAME(dense_sums) = 40, NAME(dense_points) = 12 };
// Most clusters whose sums of up to four features are kept in four places each.
enum { NAME(narrow_clusters) = 64 };

static inline __attribute__((always_inline)) void NAME(sum_tile)(
    const float *x, int64_t d, int64_t k, const int32_t *labels, uint64_t mask, const int leaving,
    double *lanes, double *cluster_weights) {
  NAME(l8) key[8];
  for (int r = 0; r < 8; r++)
    for (int l = 0; l < 8; l++)
      key[r][l] = mask >> (r * 8 + l) & 1 ? labels[r * 8 + l] : -1;
  int64_t i = 0;
  for (; i + 4 <= d; i += 4)
    NAME(sum_columns)(x + i * TRANCHE_TILE, d, k, key, 4, leaving, lanes + i * 8);
  const float *rest = x + i * TRANCHE_TILE;
  switch (d - i) {
    case 3: NAME(sum_columns)(rest, d, k, key, 3, leaving, lanes + i * 8); break;
    case 2: NAME(sum_columns)(rest, d, k, key, 2, leaving, lanes + i * 8); break;
    case 1: NAME(sum_columns)(rest, d, k, key, 1, leaving, lanes + i * 8); break;
  }
  for (int64_t j = 0; j < k; j++) {
    NAME(l8) count = 0;
    for (int r = 0; r < 8; r++) count -= key[r] == (NAME(l8))j;
    int64_t points = __builtin_reduce_add(count);
    cluster_weights[j] += leaving ? -(double)points : (double)points;
  }
}

int64_t NAME(tranche_update)(
    const float *x, int64_t rows, int64_t d, int64_t k, int64_t first, int64_t last,
    const int32_t *fresh, int32_t *labels, const double *weights, double *sums,
    double *cluster_weights) {
  int64_t changed = 0;
  // Whole tiles go into eight lanes, which are folded at the end.
  const int may_be_dense = !weights && k * d <= NAME(dense_sums);
  int is_dense = 0;
  double lanes[NAME(dense_sums) * 8];
  const int is_narrow = d <= 4 && k <= NAME(narrow_clusters);
  double narrow[NAME(narrow_clusters) * 4];
  for (int64_t i = 0; is_narrow && i < k * 4; i++) narrow[i] = 0;
  for (int64_t tile = first; tile < last;
       tile++, fresh += TRANCHE_TILE, labels += TRANCHE_TILE) {
    uint64_t mask = 0, known = 0;
    UNROLL for (int r = 0; r < 4; r++) {
      NAME(i16) old = *(const NAME(i16_unaligned) *)(labels + r * 16);
      NAME(i16) differs = *(const NAME(i16_unaligned) *)(fresh + r * 16) != old;
      NAME(b16) bits = __builtin_convertvector(differs, NAME(b16));
      NAME(b16) are_known = __builtin_convertvector(old >= 0, NAME(b16));
      uint16_t part, part_known;
      __builtin_memcpy(&part, &bits, 2);
      __builtin_memcpy(&part_known, &are_known, 2);
      mask |= (uint64_t)part << (r * 16);
      known |= (uint64_t)part_known << (r * 16);
    }
    int64_t valid = rows - tile * TRANCHE_TILE;
    if (valid < TRANCHE_TILE) mask &= (1ull << valid) - 1;
    const int64_t count = __builtin_popcountll(mask);
    changed += count;
    const float *points = x + tile * d * TRANCHE_TILE;
    if (may_be_dense && count >= NAME(dense_points)) {
      if (!is_dense) {
        is_dense = 1;
        for (int64_t i = 0; i < k * d * 8; i++) lanes[i] = 0;
      }
      NAME(sum_tile)(points, d, k, fresh, mask, 0, lanes, cluster_weights);
      if (mask & known)
        NAME(sum_tile)(points, d, k, labels, mask & known, 1, lanes, cluster_weights);
      for (int p = 0; p < TRANCHE_TILE; p++)
        labels[p] = mask >> p & 1 ? fresh[p] : labels[p];
      continue;
    }
    for (; mask; mask &= mask - 1) {
      int p = __builtin_ctzll(mask);
      int32_t from = labels[p], to = fresh[p];
      labels[p] = to;
      double weight = weights ? weights[p] : 1;
      if (from >= 0) cluster_weights[from] -= weight;
      if (is_narrow)
        NAME(move_narrow)(points + p, d, weight, narrow + to * 4, from >= 0 ? narrow + from * 4 : 0);
      else
        NAME(move)(points + p, d, weight, sums + to * d, from >= 0 ? sums + from * d : 0);
      cluster_weights[to] += weight;
    }
    if (weights) weights += TRANCHE_TILE;
  }
  if (is_dense) {
    for (int64_t i = 0; i < k * d; i++) {
      double sum = 0;
      for (int l = 0; l < 8; l++) sum = sum + lanes[i * 8 + l];
      sums[i] = sums[i] + sum;
    }
  }
  for (int64_t j = 0; is_narrow && j < k; j++)
    for (int64_t i = 0; i < d; i++) sums[j * d + i] = sums[j * d + i] + narrow[j * 4 + i];
  return changed;
}

double NAME(tranche_conclude)(
    const double *squared, const int32_t *labels, const double *weights, int64_t rows, int64_t k,
    float *distances, int64_t *sizes, double *cluster_weights) {
  NAME(d8) sum[2] = {0, 0};
  NAME(i16) counts[8];
  for (int j = 0; j < 8; j++) counts[j] = 0;
  int64_t row = 0;
  for (; row + 16 <= rows; row += 16) {
    UNROLL for (int r = 0; r < 2; r++) {
      NAME(d8) square = *(const NAME(d8_unaligned) *)(squared + row + r * 8);
      NAME(f8) distance = __builtin_convertvector(__builtin_elementwise_sqrt(square), NAME(f8));
      __builtin_memcpy(distances + row + r * 8, &distance, sizeof distance);
      if (weights) square = square * *(const NAME(d8_unaligned) *)(weights + row + r * 8);
      sum[r] = sum[r] + square;
    }
    if (k <= 8) {
      NAME(i16) own = *(const NAME(i16_unaligned) *)(labels + row);
      UNROLL for (int j = 0; j < 8; j++) counts[j] -= own == (NAME(i16))j;
    } else {
      for (int l = 0; l < 16; l++) sizes[labels[row + l]]++;
    }
  }
  double total = 0;
  for (int r = 0; r < 2; r++)
    for (int l = 0; l < 8; l++) total = total + sum[r][l];
  for (int j = 0; j < 8 && j < k; j++) sizes[j] += __builtin_reduce_add(counts[j]);
  for (; row < rows; row++) {
    double square = squared[row];
    distances[row] = (float)sqrt(square);
    if (weights) square = square * weights[row];
    total = total + square;
    sizes[labels[row]]++;
  }
  for (row = 0; weights && row < rows; row++) cluster_weights[labels[row]] += weights[row];
  return total;
}

int64_t NAME(tranche_fill_double)(
    float *x, int64_t rows, int64_t d, int64_t column, int64_t first, int64_t last,
    const double *values, double center, double limit) {
  int64_t bad = -1;
  for (int64_t tile = first; tile < last; tile++) {
    float *restrict out = x + (tile * d + column) * TRANCHE_TILE;
    const double *restrict in = values + tile * TRANCHE_TILE;
    int64_t valid = rows - tile * TRANCHE_TILE;
    if (valid > TRANCHE_TILE) valid = TRANCHE_TILE;
    int wrong = 0;
    for (int64_t p = 0; p < valid; p++) {
      double value = (double)in[p] - center;
      wrong |= !(fabs(value) <= limit);
      out[p] = (float)value;
    }
    for (int64_t p = valid; p < TRANCHE_TILE; p++) out[p] = 0;
    for (int64_t p = 0; wrong && bad < 0 && p < valid; p++)
      if (!(fabs((double)in[p] - center) <= limit)) bad = tile * TRANCHE_TILE + p;
  }
  return bad;
}

int64_t NAME(tranche_fill_float)(
    float *x, int64_t rows, int64_t d, int64_t column, int64_t first, int64_t last,
    const float *values, double center, double limit) {
  int64_t bad = -1;
  for (int64_t tile = first; tile < last; tile++) {
    float *restrict out = x + (tile * d + column) * TRANCHE_TILE;
    const float *restrict in = values + tile * TRANCHE_TILE;
    int64_t valid = rows - tile * TRANCHE_TILE;
    if (valid > TRANCHE_TILE) valid = TRANCHE_TILE;
    int wrong = 0;
    for (int64_t p = 0; p < valid; p++) {
      double value = (double)in[p] - center;
      wrong |= !(fabs(value) <= limit);
      out[p] = (float)value;
    }
    for (int64_t p = valid; p < TRANCHE_TILE; p++) out[p] = 0;
    for (int64_t p = 0; wrong && bad < 0 && p < valid; p++)
      if (!(fabs((double)in[p] - center) <= limit)) bad = tile * TRANCHE_TILE + p;
  }
  return bad;
}

int64_t NAME(tranche_fill_rows)(
    float *x, int64_t rows, int64_t d, int64_t first, int64_t last, const float *values,
    const double *centers, double limit) {
  int64_t bad = -1;
  for (int64_t tile = first; tile < last; tile++) {
    float *restrict out = x + tile * d * TRANCHE_TILE;
    const float *restrict in = values + tile * TRANCHE_TILE * d;
    int64_t valid = rows - tile * TRANCHE_TILE;
    int wrong = 0;
    if (valid >= TRANCHE_TILE) {
      for (int64_t i = 0; i < d; i++) {
        const double center = centers[i];
#pragma clang loop vectorize(enable)
        for (int p = 0; p < TRANCHE_TILE; p++) {
          double value = (double)in[p * d + i] - center;
          wrong |= !(fabs(value) <= limit);
          out[i * TRANCHE_TILE + p] = (float)value;
        }
      }
    } else {
      for (int64_t i = 0; i < d; i++)
        for (int p = 0; p < TRANCHE_TILE; p++) {
          double value = p < valid ? (double)in[p * d + i] - centers[i] : 0;
          wrong |= !(fabs(value) <= limit);
          out[i * TRANCHE_TILE + p] = (float)value;
        }
    }
    for (int64_t at = 0; wrong && bad < 0 && at < TRANCHE_TILE * d; at++)
      if (at / d < valid && !(fabs((double)in[at] - centers[at % d]) <= limit))
        bad = tile * TRANCHE_TILE * d + at;
  }
  return bad;
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

void NAME(tranche_fold_scores)(
    const float *scores, int64_t width, const float *half, int64_t count, int32_t first_label,
    float *best, float *second, int32_t *labels) {
  for (int64_t p = 0; p < width; p += 16) {
    NAME(f16) low = *(const NAME(f16_unaligned) *)(best + p);
    NAME(f16) next = *(const NAME(f16_unaligned) *)(second + p);
    NAME(i16) label = *(const NAME(i16_unaligned) *)(labels + p);
    for (int64_t j = 0; j < count; j++) {
      NAME(f16) value = *(const NAME(f16_unaligned) *)(scores + j * width + p) + half[j];
      NAME(i16) less = value < low;
      NAME(f16) larger = less ? low : value;
      next = larger < next ? larger : next;
      low = less ? value : low;
      label = less ? (NAME(i16))(first_label + (int32_t)j) : label;
    }
    *(NAME(f16_unaligned) *)(best + p) = low;
    *(NAME(f16_unaligned) *)(second + p) = next;
    *(NAME(i16_unaligned) *)(labels + p) = label;
  }
}

void NAME(tranche_cluster_distances)(
    const float *tile, int64_t d, const float *samples, const int64_t *offsets, int64_t clusters,
    double *sums) {
  for (int part = 0; part < TRANCHE_TILE; part += 16) {
    for (int64_t cluster = 0; cluster < clusters; cluster++) {
      NAME(d8) total[2] = {0, 0};
      for (int64_t m = offsets[cluster]; m < offsets[cluster + 1]; m++) {
        const float *sample = samples + m * d;
        NAME(d8) square[2] = {0, 0};
        for (int64_t i = 0; i < d; i++) {
          NAME(d8) center = (double)sample[i];
          UNROLL for (int r = 0; r < 2; r++) {
            NAME(d8) point = __builtin_convertvector(
                *(const NAME(f8) *)(tile + i * TRANCHE_TILE + part + r * 8), NAME(d8));
            NAME(d8) difference = point - center;
            NAME(d8) product = difference * difference;
            square[r] = square[r] + product;
          }
        }
        UNROLL for (int r = 0; r < 2; r++) total[r] =
            total[r] + __builtin_elementwise_sqrt(square[r]);
      }
      for (int r = 0; r < 2; r++)
        *(NAME(d8_unaligned) *)(sums + cluster * TRANCHE_TILE + part + r * 8) = total[r];
    }
  }
}
