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
typedef int32_t NAME(i8) __attribute__((ext_vector_type(8)));
typedef uint8_t NAME(c8) __attribute__((ext_vector_type(8)));
typedef uint8_t NAME(c64) __attribute__((ext_vector_type(64)));
typedef _Bool NAME(b64) __attribute__((ext_vector_type(64)));
typedef uint8_t NAME(c16) __attribute__((ext_vector_type(16)));
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
    const double *prices, NAME(d8) best[2], NAME(d8) second[2], NAME(l8) label[2]) {
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
    const NAME(d8) price = prices ? prices[first + j] : 0;
    UNROLL for (int r = 0; r < 2; r++) {
      if (prices) sum[j][r] = sum[j][r] + price;
      NAME(l8) less = sum[j][r] < best[r];
      NAME(d8) larger = less ? best[r] : sum[j][r];
      second[r] = larger < second[r] ? larger : second[r];
      best[r] = less ? sum[j][r] : best[r];
      label[r] = less ? (NAME(l8))(first + j) : label[r];
    }
  }
}

void NAME(tranche_exact_assign)(
    const tranche_problem *p, const double *prices, int64_t first, int64_t last, int32_t *labels,
    double *nearest, double *furthest) {
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
        NAME(exact_fold)(x, d, p->exact, k, j, NAME(exact_group), prices, best, second, label);
      for (; j < k; j++) NAME(exact_fold)(x, d, p->exact, k, j, 1, prices, best, second, label);
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
#ifdef DISTANCES_BY_TABLE
  if (k <= 32) {
    DISTANCES_BY_TABLE(x, d, first, last, exact, k, labels, out);
    return;
  }
#endif
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

// Squared distances of 64 points to one row, in Float. Asks for a cache line a feature at `later`.
static inline __attribute__((always_inline)) void NAME(squared)(
    const float *x, int64_t d, const float *row, const float *later, NAME(f16) out[4]) {
  UNROLL for (int r = 0; r < 4; r++) out[r] = 0;
  for (int64_t i = 0; i < d; i++) {
    NAME(f16) center = row[i];
    __builtin_prefetch(later + i * TRANCHE_TILE, 0, 2);
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
  const int64_t ahead = tranche_ahead(d);
  for (int64_t tile = first; tile < last; tile++, nearest += TRANCHE_TILE) {
    const float *points = x + tile * d * TRANCHE_TILE, *later = points + ahead;
    NAME(f16) current[4], distance[4];
    UNROLL for (int r = 0; r < 4; r++) current[r] =
        *(const NAME(f16_unaligned) *)(nearest + r * 16);
    if (chosen) {
      NAME(squared)(points, d, chosen, later, distance);
      UNROLL for (int r = 0; r < 4; r++) {
        current[r] = distance[r] < current[r] ? distance[r] : current[r];
        *(NAME(f16_unaligned) *)(nearest + r * 16) = current[r];
      }
    }
    for (int64_t l = 0; l < trials; l++) {
      // Each candidate asks for another of a later tile's cache lines.
      NAME(squared)(points, d, candidates + l * d, later + (l + 1) % 4 * 16, distance);
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
      if (distances) {
        NAME(f8) distance = __builtin_convertvector(__builtin_elementwise_sqrt(square), NAME(f8));
        __builtin_memcpy(distances + row + r * 8, &distance, sizeof distance);
      }
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
    if (distances) distances[row] = (float)sqrt(square);
    if (weights) square = square * weights[row];
    total = total + square;
    sizes[labels[row]]++;
  }
  for (row = 0; weights && row < rows; row++) cluster_weights[labels[row]] += weights[row];
  return total;
}

// One column of tiles [first, last) from `values`, which are doubles or, if `is_single`, floats.
static inline __attribute__((always_inline)) int64_t NAME(fill_column)(
    float *x, int64_t rows, int64_t d, int64_t column, int64_t first, int64_t last,
    const void *values, const int is_single, double center, double limit) {
#define VALUE(row) (is_single ? (double)((const float *)values)[row] : ((const double *)values)[row])
  int64_t bad = -1;
  for (int64_t tile = first; tile < last; tile++) {
    float *restrict out = x + (tile * d + column) * TRANCHE_TILE;
    const int64_t start = tile * TRANCHE_TILE;
    int64_t valid = rows - start;
    if (valid > TRANCHE_TILE) valid = TRANCHE_TILE;
    int wrong = 0;
    for (int64_t p = 0; p < valid; p++) {
      double value = VALUE(start + p) - center;
      wrong |= !(fabs(value) <= limit);
      out[p] = (float)value;
    }
    for (int64_t p = valid; p < TRANCHE_TILE; p++) out[p] = 0;
    for (int64_t p = 0; wrong && bad < 0 && p < valid; p++)
      if (!(fabs(VALUE(start + p) - center) <= limit)) bad = start + p;
  }
  return bad;
#undef VALUE
}

int64_t NAME(tranche_fill_double)(
    float *x, int64_t rows, int64_t d, int64_t column, int64_t first, int64_t last,
    const double *values, double center, double limit) {
  return NAME(fill_column)(x, rows, d, column, first, last, values, 0, center, limit);
}

int64_t NAME(tranche_fill_float)(
    float *x, int64_t rows, int64_t d, int64_t column, int64_t first, int64_t last,
    const float *values, double center, double limit) {
  return NAME(fill_column)(x, rows, d, column, first, last, values, 1, center, limit);
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
