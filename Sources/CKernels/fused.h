// The fused assignment, once for every instruction set. The including file defines
//   NAME(x)  the symbol suffix,  LANES  floats per vector,
//   VECTORS  point vectors held at once,  GROUP  most centroids scored at once.
// Accumulators, minimum, second minimum and label stay in registers: no n x k matrix exists.
#include "CKernels.h"

typedef float NAME(vf) __attribute__((ext_vector_type(LANES)));
typedef int32_t NAME(vi) __attribute__((ext_vector_type(LANES)));
typedef NAME(vf) NAME(vf_unaligned) __attribute__((aligned(4)));
typedef NAME(vi) NAME(vi_unaligned) __attribute__((aligned(4)));

typedef struct {
  NAME(vf) best[VECTORS], second[VECTORS];
  NAME(vi) label[VECTORS];
} NAME(state);

#define UNROLL _Pragma("clang loop unroll(full)")

// Cache lines of one feature that VECTORS vectors fill.
enum { NAME(all_lines) = (LANES * VECTORS + 15) / 16 };

// Scores `group` centroids against VECTORS vectors of points and folds them into the state; the first
// group (`is_first`) makes it. Asks for `lines` cache lines a feature from `ahead` on.
static inline __attribute__((always_inline)) void NAME(fold_group)(
    const float *x, int64_t d, const float *c, const float *half, int32_t first_label,
    const int group, const int is_first, const float *ahead, const int lines, NAME(state) *s) {
  NAME(vf) score[GROUP][VECTORS];
  UNROLL for (int j = 0; j < group; j++) {
    NAME(vf) start = half[j];
    UNROLL for (int r = 0; r < VECTORS; r++) score[j][r] = start;
  }
#pragma clang loop unroll(disable) vectorize(disable)
  for (int64_t i = 0; i < d; i++) {
    NAME(vf) point[VECTORS];
    UNROLL for (int r = 0; r < VECTORS; r++) point[r] =
        *(const NAME(vf) *)(x + i * TRANCHE_TILE + r * LANES);
    UNROLL for (int l = 0; l < lines; l++)
        __builtin_prefetch(ahead + i * TRANCHE_TILE + l * 16, 0, 2);
    UNROLL for (int j = 0; j < group; j++) {
      NAME(vf) value = c[i * group + j];
      UNROLL for (int r = 0; r < VECTORS; r++) score[j][r] += value * point[r];
    }
  }
  UNROLL for (int j = 0; j < group; j++) {
    NAME(vi) label = first_label + j;
    UNROLL for (int r = 0; r < VECTORS; r++) {
      if (is_first && j == 0) {
        s->best[r] = score[0][r];
        s->second[r] = (NAME(vf))__builtin_inff();
        s->label[r] = label;
        continue;
      }
      NAME(vf) value = score[j][r], best = s->best[r];
      NAME(vi) less = value < best;
      NAME(vf) larger = less ? best : value;
      s->second[r] = is_first && j == 1 ? larger : larger < s->second[r] ? larger : s->second[r];
      s->best[r] = less ? value : best;
      s->label[r] = less ? label : s->label[r];
    }
  }
}

// All centroids. The first groups ask for the memory of a later tile, each for `lines` cache lines a
// feature: more at once than the core has fill buffers for would hold up the points' own loads
// (measured: 10 % of a pass at d = 16, k = 32).
static inline __attribute__((always_inline)) void NAME(fold_groups)(
    const tranche_problem *p, const float *x, const float *ahead, const int group,
    const int lines, NAME(state) *s) {
  const int64_t d = p->d, groups = p->groups, wide = p->wide_groups;
  const int64_t asking = NAME(all_lines) / lines;
  const float *c = p->packed, *half = p->half;
  NAME(fold_group)(x, d, c, half, 0, group, 1, ahead, lines, s);
  int32_t label = group;
  int64_t g = 1;
  c += group * d;
  for (; g < wide && g < asking; g++, label += group, c += group * d)
    NAME(fold_group)(x, d, c, half + label, label, group, 0, ahead + g * lines * 16, lines, s);
  for (; g < wide; g++, label += group, c += group * d)
    NAME(fold_group)(x, d, c, half + label, label, group, 0, ahead, 0, s);
  if (group == 1) return;
  for (; g < groups && g < asking; g++, label += group - 1, c += (group - 1) * d)
    NAME(fold_group)(x, d, c, half + label, label, group - 1, 0, ahead + g * lines * 16, lines, s);
  for (; g < groups; g++, label += group - 1, c += (group - 1) * d)
    NAME(fold_group)(x, d, c, half + label, label, group - 1, 0, ahead, 0, s);
}

static inline __attribute__((always_inline)) int64_t NAME(assign_tiles)(
    const tranche_problem *p, int64_t first, int64_t last, int32_t *labels, const int group) {
  const int64_t d = p->d, groups = p->groups;
  const int64_t ahead = tranche_ahead(d);
  int64_t rechecked = 0;
  for (int64_t tile = first; tile < last; tile++, labels += TRANCHE_TILE) {
    const float *x = p->x + tile * d * TRANCHE_TILE;
    const float bound = tranche_gap_bound(p, p->tile_norm[tile]);
    uint64_t mask = 0;
    for (int part = 0; part < TRANCHE_TILE; part += LANES * VECTORS) {
      NAME(state) s;
      const float *points = x + part, *later = points + ahead;
      // Several groups hold more than half as many centroids as one may.
      if (2 * group <= GROUP || groups == 1)
        NAME(fold_group)(
            points, d, p->packed, p->half, 0, group, 1, later, NAME(all_lines), &s);
      else if (groups < NAME(all_lines))
        NAME(fold_groups)(p, points, later, group, NAME(all_lines) > 1 ? NAME(all_lines) / 2 : 1, &s);
      else
        NAME(fold_groups)(p, points, later, group, 1, &s);
      NAME(vi) close = 0;
      UNROLL for (int r = 0; r < VECTORS; r++) {
        *(NAME(vi_unaligned) *)(labels + part + r * LANES) = s.label[r];
        close |= ~(s.second[r] - s.best[r] > (NAME(vf))bound);
      }
      if (__builtin_reduce_or(close)) {
        for (int r = 0; r < VECTORS; r++) {
          NAME(vf) gaps = s.second[r] - s.best[r];
          for (int l = 0; l < LANES; l++) {
            int point = part + r * LANES + l;
            if (!(gaps[l] > bound) && tranche_is_close(p, tile, point, gaps[l]))
              mask |= 1ull << point;
          }
        }
      }
    }
    int64_t valid = p->rows - tile * TRANCHE_TILE;
    if (valid < TRANCHE_TILE) mask &= (1ull << valid) - 1;
    if (mask) {
      rechecked += __builtin_popcountll(mask);
      tranche_recheck(p, tile, mask, labels);
    }
  }
  return rechecked;
}

int64_t NAME(tranche_group)(void) { return GROUP; }

int64_t NAME(tranche_assign)(
    const tranche_problem *p, int64_t first, int64_t last, int32_t *labels) {
  switch (p->group) {
    case 1: return NAME(assign_tiles)(p, first, last, labels, 1);
    case 2: return NAME(assign_tiles)(p, first, last, labels, 2);
    case 3: return NAME(assign_tiles)(p, first, last, labels, 3);
#if GROUP >= 4
    case 4: return NAME(assign_tiles)(p, first, last, labels, 4);
#endif
#if GROUP >= 5
    case 5: return NAME(assign_tiles)(p, first, last, labels, 5);
#endif
#if GROUP >= 6
    case 6: return NAME(assign_tiles)(p, first, last, labels, 6);
#endif
  }
  __builtin_trap();
}
