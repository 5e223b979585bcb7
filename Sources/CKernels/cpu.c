// Which instruction sets run here, and the strict loops' entry points.
#include "CKernels.h"

#if defined(__x86_64__)
int tranche_supports_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
}
int tranche_supports_avx512(void) {
  return tranche_supports_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#define DISPATCH(result, function, parameters, arguments) \
  result function##_generic parameters;                   \
  result function##_avx2 parameters;                      \
  result function##_avx512 parameters;                    \
  result function(int level, STRIP parameters {           \
    if (level >= 3) return function##_avx512 arguments;   \
    if (level >= 2) return function##_avx2 arguments;     \
    return function##_generic arguments;                  \
  }
#else
int tranche_supports_avx2(void) { return 0; }
int tranche_supports_avx512(void) { return 0; }
int64_t tranche_assign_avx2(const tranche_problem *p, int64_t a, int64_t b, int32_t *l) {
  return tranche_assign_generic(p, a, b, l);
}
int64_t tranche_assign_avx512(const tranche_problem *p, int64_t a, int64_t b, int32_t *l) {
  return tranche_assign_generic(p, a, b, l);
}
int64_t tranche_assign_bounded_avx2(
    const tranche_problem *p, const tranche_bounds *b, int64_t first, int64_t last,
    const int32_t *previous, int32_t *labels, float *scratch, int64_t *scored) {
  return tranche_assign_bounded_generic(p, b, first, last, previous, labels, scratch, scored);
}
int64_t tranche_assign_bounded_avx512(
    const tranche_problem *p, const tranche_bounds *b, int64_t first, int64_t last,
    const int32_t *previous, int32_t *labels, float *scratch, int64_t *scored) {
  return tranche_assign_bounded_generic(p, b, first, last, previous, labels, scratch, scored);
}
int64_t tranche_group_avx2(void) { return tranche_group_generic(); }
int64_t tranche_group_avx512(void) { return tranche_group_generic(); }
#define DISPATCH(result, function, parameters, arguments) \
  result function##_generic parameters;                   \
  result function(int level, STRIP parameters {           \
    (void)level;                                          \
    return function##_generic arguments;                  \
  }
#endif
// `STRIP (a, b)` is `a, b)`: the parameter list without its opening parenthesis.
#define STRIP_(...) __VA_ARGS__)
#define STRIP STRIP_

DISPATCH(int64_t, tranche_structure,
         (const uint8_t *bytes, int64_t count, uint8_t a, uint8_t b, uint8_t c, uint8_t d,
          uint32_t *out),
         (bytes, count, a, b, c, d, out))
DISPATCH(void, tranche_exact_assign,
         (const tranche_problem *problem, int64_t first, int64_t last, int32_t *labels,
          double *nearest, double *second),
         (problem, first, last, labels, nearest, second))
DISPATCH(void, tranche_distances,
         (const float *x, int64_t d, int64_t first, int64_t last, const double *exact, int64_t k,
          const int32_t *labels, double *out),
         (x, d, first, last, exact, k, labels, out))
DISPATCH(void, tranche_seed,
         (const float *x, int64_t d, int64_t first, int64_t last, const float *chosen,
          const float *candidates, int64_t trials, float *nearest, const double *weights,
          double *sums),
         (x, d, first, last, chosen, candidates, trials, nearest, weights, sums))
DISPATCH(void, tranche_pass,
         (const tranche_problem *problem, int64_t first, int64_t last, tranche_pass_state *state),
         (problem, first, last, state))
DISPATCH(double, tranche_conclude,
         (const double *squared, const int32_t *labels, const double *weights, int64_t rows,
          int64_t k, float *distances, int64_t *sizes, double *cluster_weights),
         (squared, labels, weights, rows, k, distances, sizes, cluster_weights))
DISPATCH(void, tranche_signed_logarithm, (double *values, int64_t count), (values, count))
DISPATCH(int64_t, tranche_fill_double,
         (float *x, int64_t rows, int64_t d, int64_t column, int64_t first, int64_t last,
          const double *values, double center, double limit),
         (x, rows, d, column, first, last, values, center, limit))
DISPATCH(int64_t, tranche_fill_float,
         (float *x, int64_t rows, int64_t d, int64_t column, int64_t first, int64_t last,
          const float *values, double center, double limit),
         (x, rows, d, column, first, last, values, center, limit))
DISPATCH(void, tranche_tile_norms,
         (const float *x, int64_t d, int64_t first, int64_t last, float *norms),
         (x, d, first, last, norms))
DISPATCH(int64_t, tranche_fill_rows,
         (float *x, float *norms, int64_t rows, int64_t d, int64_t first, int64_t last,
          const float *values, const double *centers, double limit),
         (x, norms, rows, d, first, last, values, centers, limit))
DISPATCH(void, tranche_drop_out,
         (const tranche_drop_out_panels *panels, int with_moments, double *sums),
         (panels, with_moments, sums))
DISPATCH(void, tranche_row_sums,
         (const float *values, int64_t rows, int64_t d, double *lanes, double *sums),
         (values, rows, d, lanes, sums))
DISPATCH(void, tranche_fold_scores,
         (const float *scores, int64_t width, const float *half, int64_t count,
          int32_t first_label, float *best, float *second, int32_t *labels),
         (scores, width, half, count, first_label, best, second, labels))
DISPATCH(void, tranche_cluster_distances,
         (const float *tile, int64_t d, const float *samples, const int64_t *offsets,
          int64_t clusters, double *sums),
         (tile, d, samples, offsets, clusters, sums))
DISPATCH(float, tranche_multiply_add, (int64_t rounds, float seed), (rounds, seed))
DISPATCH(int64_t, tranche_flops, (int64_t rounds), (rounds))
DISPATCH(float, tranche_read, (const float *x, int64_t count), (x, count))
