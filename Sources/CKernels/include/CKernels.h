// Hot loops over column tiles. Nothing here allocates, threads or fails.
//
// A tile is TRANCHE_TILE points of d features: feature j of point p of tile t is
// x[(t * d + j) * TRANCHE_TILE + p]. SIMD lanes are points, so every tile is read front to back.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Asks for a cache line that will be read and written soon.
static inline void tranche_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

#define TRANCHE_TILE 64
// Most centroids that one pass over a tile's features scores at once.
#define TRANCHE_GROUP_LIMIT 6

// Points and centroids of an assignment, in the layouts that the kernels read.
typedef struct {
  const float *x;          // tiles
  const float *tile_norm;  // per tile: at least the largest norm of its points
  int64_t rows;
  int64_t d;
  int64_t k;
  const float *packed;  // negated centroids in groups of `group`, then of `group - 1`: [d][group]
  const float *negated;  // k x d: the same values, centroid by centroid
  const float *half;    // k: half of each centroid's squared norm
  int64_t group;        // 1...TRANCHE_GROUP_LIMIT
  int64_t wide_groups;  // how many groups hold `group` centroids; the rest hold one less
  int64_t groups;
  const double *exact;  // d x k: the centroids, feature by feature
  double gamma;         // the bound of Kernels/RoundingBound.swift
  double smallest_norm, largest_norm;  // of the centroids
} tranche_problem;

// Labels of the points of tiles [first, last): out has TRANCHE_TILE entries per tile, padding
// lanes included. Returns how many points were decided in Double.
typedef int64_t (*tranche_assign_function)(
    const tranche_problem *problem, int64_t first, int64_t last, int32_t *labels);

int64_t tranche_assign_generic(const tranche_problem *, int64_t, int64_t, int32_t *);
int64_t tranche_assign_avx2(const tranche_problem *, int64_t, int64_t, int32_t *);
int64_t tranche_assign_avx512(const tranche_problem *, int64_t, int64_t, int32_t *);
// Centroids per group that suit the instruction set's registers.
int64_t tranche_group_generic(void);
int64_t tranche_group_avx2(void);
int64_t tranche_group_avx512(void);

// Bounds that let a pass leave out what cannot be nearest (bounded.h).
#define TRANCHE_BOUND_POINTS 16
#define TRANCHE_BOUND_GROUP 8
typedef struct {
  float *margin;           // per 16 points: one entry per group
  const float *centroids;  // negated, in groups of 8: [d][8], unused places 0
  const float *half;       // 8 per group, unused places +inf
  int64_t groups;
  const float *drift;        // k: at least how far each centroid moved since the last pass
  const float *group_drift;  // per group: the largest
  int32_t is_first;          // there are no margins yet
} tranche_bounds;

// As tranche_assign_function, with `previous`, the labels of the last pass (of any pass, when it is
// the first), from tile `first` on. `scratch` is 64-byte aligned room for 17 floats per group. Adds
// to `scored` how many groups were scored, for 16 points each. k * d must be below 2^31.
typedef int64_t (*tranche_bounded_function)(
    const tranche_problem *problem, const tranche_bounds *bounds, int64_t first, int64_t last,
    const int32_t *previous, int32_t *labels, float *scratch, int64_t *scored);
int64_t tranche_assign_bounded_generic(const tranche_problem *, const tranche_bounds *, int64_t,
                                       int64_t, const int32_t *, int32_t *, float *, int64_t *);
int64_t tranche_assign_bounded_avx2(const tranche_problem *, const tranche_bounds *, int64_t,
                                    int64_t, const int32_t *, int32_t *, float *, int64_t *);
int64_t tranche_assign_bounded_avx512(const tranche_problem *, const tranche_bounds *, int64_t,
                                      int64_t, const int32_t *, int32_t *, float *, int64_t *);

int tranche_supports_avx2(void);
int tranche_supports_avx512(void);

// How far ahead, in floats, a pass over tiles asks for memory (into the second cache): 8 KB or a
// tile. Hardware prefetchers stop at page ends, which a tile of 8 features meets at every second
// tile. Measured, one thread, 3M x 8, k = 8: 8.8 ms without, 8.3 into the first cache, 5.6-7.5 into
// the second; twice as fast as without while neighbours load the memory bus.
static inline int64_t tranche_ahead(int64_t d) {
  int64_t tile = d * TRANCHE_TILE;
  return tile >= 2048 ? tile : 2048;
}

// The float score gap below which a point of norm at most `rho` is decided in Double: B of
// Kernels/RoundingBound.swift.
static inline float tranche_gap_bound(const tranche_problem *p, double rho) {
  double reach = (1 + 8 * p->gamma) * (2 * rho + p->smallest_norm);
  double m = reach < p->largest_norm ? reach : p->largest_norm;
  double wide = rho + m;
  double bound = 2 * p->gamma * (0.5 * m * m + rho * m) +
                 (double)(p->d + 3) * (0x1p-51 * (wide * wide) + 0x1p-125);
  // One per cent covers these roundings, the conversion's and the gap's.
  return (float)(1.01 * bound);
}

// Whether `gap` is within the bound of the point's own norm: asked of points that are within that of
// their tile's largest, so that one outlier does not send its neighbours to Double.
int tranche_is_close(const tranche_problem *p, int64_t tile, int point, float gap);

// Double, by the definition: labels of the `mask`ed points of one tile.
void tranche_recheck(const tranche_problem *problem, int64_t tile, uint64_t mask, int32_t *labels);

// Strict loops: the same bits on every instruction set. `level` 0 = baseline, 2 = AVX2, 3 = AVX-512
// picks the code path only.

// Double squared distances to the nearest and second-nearest centroid and the nearest's label for
// tiles [first, last); outputs have TRANCHE_TILE entries per tile. second is +inf when k = 1.
void tranche_exact_assign(int level, const tranche_problem *problem, int64_t first, int64_t last,
                          int32_t *labels, double *nearest, double *second);

// Double squared distances of points to the centroid their label names.
void tranche_distances(int level, const float *x, int64_t d, int64_t first, int64_t last,
                       const double *exact, int64_t k, const int32_t *labels, double *out);

// The k-means++ pass over tiles [first, last), at most TRANCHE_TRIALS candidates (row-major):
// nearest = min(nearest, squared distance to chosen) unless chosen is null, and
// sums[l] = sum of weight * min(nearest, squared distance to candidate l).
// nearest and weights (null = 1 each) start at tile `first`; padding lanes must hold 0 in nearest.
#define TRANCHE_TRIALS 24
void tranche_seed(int level, const float *x, int64_t d, int64_t first, int64_t last,
                  const float *chosen, const float *candidates, int64_t trials, float *nearest,
                  const double *weights, double *sums);

// One shard's part of an iteration: labels, and what they do to the sums (k x d) and weights (k).
enum {
  TRANCHE_PASS_FIRST,    // all points into the sums; there are no labels yet
  TRANCHE_PASS_ALL,      // all points into the sums
  TRANCHE_PASS_CHANGED,  // points with a new label: out of their old sums, into their new ones
};
#define TRANCHE_PASS_TILES 16
typedef struct {
  tranche_assign_function assign;  // null: the labels are in `fresh`
  int32_t *fresh;   // room for TRANCHE_PASS_TILES tiles, or the labels from the first tile on
  void *labels;     // stored labels from the first tile on; null (with FIRST): none are kept
  int32_t label_bytes;  // 1 or 4 for each stored label
  int32_t mode;
  const double *weights;  // from the first tile on; null: 1 each
  double *sums, *cluster_weights;  // added to
  int64_t changed, rechecked;      // added to: labels that changed, points decided in Double
} tranche_pass_state;
// Without `assign`, only x, rows, d and k of the problem are read. Sums of one pass depend on the
// range and the mode, not on how labels were found.
void tranche_pass(int level, const tranche_problem *problem, int64_t first, int64_t last,
                  tranche_pass_state *state);

// Where all points are summed and k * d is small, each tile is summed whole, in eight lanes, without
// a branch for any point: measured, 2 to 4 times faster than point by point.
#define TRANCHE_DENSE_CLUSTERS 16
#define TRANCHE_DENSE_SUMS 128
static inline int tranche_sums_are_dense(int64_t d, int64_t k) {
  return k <= TRANCHE_DENSE_CLUSTERS && k * d <= TRANCHE_DENSE_SUMS;
}

// What a fit reports of `rows` points: distances (unless null) = sqrt(squared), counts into sizes (k), weights
// (unless null) into cluster_weights (k). Returns the sum of weight * squared.
double tranche_conclude(int level, const double *squared, const int32_t *labels,
                        const double *weights, int64_t rows, int64_t k, float *distances,
                        int64_t *sizes, double *cluster_weights);

// values = sign(value) * ln(1 + |value|); `count` is a multiple of 8.
void tranche_signed_logarithm(int level, double *values, int64_t count);

// One column of tiles [first, last): float(value - center), padding 0. Returns the first row whose
// value is not finite or whose difference exceeds `limit` in magnitude, or -1.
int64_t tranche_fill_double(int level, float *x, int64_t rows, int64_t d, int64_t column, int64_t first,
                            int64_t last, const double *values, double center, double limit);
int64_t tranche_fill_float(int level, float *x, int64_t rows, int64_t d, int64_t column, int64_t first,
                           int64_t last, const float *values, double center, double limit);

// All columns of tiles [first, last) from row-major values, and the tiles' norms. Returns
// row * d + column of the first value, in that order, that is not finite or whose difference exceeds
// `limit`, or -1.
int64_t tranche_fill_rows(int level, float *x, float *norms, int64_t rows, int64_t d, int64_t first,
                          int64_t last, const float *values, const double *centers, double limit);
// Column sums of row-major values, in 16 lanes of rows; `lanes` is room for 16 x d.
void tranche_row_sums(int level, const float *values, int64_t rows, int64_t d, double *lanes,
                      double *sums);

// norms[t] >= the largest Euclidean norm of tile t's points.
void tranche_tile_norms(int level, const float *x, int64_t d, int64_t first, int64_t last, float *norms);

// Folds `count` rows of scores (row j: `width` points, the negated products) into the running
// best, second and label of each point; score = half[j] + scores[j].
void tranche_fold_scores(int level, const float *scores, int64_t width, const float *half,
                         int64_t count, int32_t first_label, float *best, float *second,
                         int32_t *labels);
// Sets the labels of points whose gap is within the tile's bound by recheck. The arrays cover tiles
// [first, last). Returns how many points were decided in Double.
int64_t tranche_settle(const tranche_problem *problem, int64_t first, int64_t last,
                       const float *best, const float *second, int32_t *labels);

// For the silhouette: sums[c * TRANCHE_TILE + p] = sum over samples of cluster c of the Euclidean
// distance to point p of the tile. Samples (row-major) are sorted by cluster; cluster c's are
// [offsets[c], offsets[c + 1]).
void tranche_cluster_distances(int level, const float *tile, int64_t d, const float *samples,
                               const int64_t *offsets, int64_t clusters, double *sums);

// Where (gamma + t) grows by e^w from `base`, gamma the lesser of two constants that lie `gap`
// apart: `panels` Gauss-Legendre panels of half length `half` over w, from 0 on, of
// e^(-near w - far ln((base e^w + gap) / (base + gap))).
typedef struct {
  double base, gap, near, far, half;
  // Taken from w and from the other logarithm before their means.
  double log_near, log_far;
  int64_t panels;
} tranche_drop_out_panels;
// sums[0] = the integral / half; with moments (15 sums) also those of the density times v, then
// times v v' (the upper triangle, row by row), v = w - log_near, other - log_far, 1 / (base e^w),
// 1 / (base e^w + gap).
void tranche_drop_out(int level, const tranche_drop_out_panels *panels, int with_moments,
                      double *sums);

// What this processor can do at best, for the roofline of `bench`. `level` as for the strict loops.
// Multiply-adds on registers, in all `tranche_flops` operations; the value keeps the work.
float tranche_multiply_add(int level, int64_t rounds, float seed);
int64_t tranche_flops(int level, int64_t rounds);
// The sum of `count` floats: memory read front to back.
float tranche_read(int level, const float *x, int64_t count);

// Places of every byte of a text that is a, b, c or d, ascending, in out (room for `count` entries and
// 64 more); returns how many. Reads up to 63 bytes past the end.
int64_t tranche_structure(
    int level, const uint8_t *bytes, int64_t count, uint8_t a, uint8_t b, uint8_t c, uint8_t d,
    uint32_t *out);
