// The fused assignment with bounds, once for every instruction set; included after fused.h. The
// including file may define GATHER(base, indices): base[indices], lane by lane.
//
// A margin is kept per 16 points and group of 8 centroids: how much nearer each of the points is to
// its own centroid than to any other of the group, at least. While what the centroids moved since
// does not use it up, the group is not scored for these points; where no group is, not even the
// points are read. The proof is in Kernels/BoundedAssignment.swift.
enum {
  NAME(parts) = TRANCHE_BOUND_POINTS / LANES,
  // Centroids scored at once: eight sums in flight, or sixteen where there are 32 registers.
  NAME(step) = TRANCHE_BOUND_GROUP / NAME(parts),
  NAME(pair) = LANES == 16 ? 2 : 1,
};

typedef struct {
  NAME(vf) best[NAME(parts)], second[NAME(parts)];
  NAME(vi) label[NAME(parts)], own[NAME(parts)];
} NAME(bounded_state);

#ifndef GATHER
static inline __attribute__((always_inline)) NAME(vf) NAME(gather)(
    const float *base, NAME(vi) indices) {
  NAME(vf) values;
  for (int l = 0; l < LANES; l++) values[l] = base[indices[l]];
  return values;
}
#define GATHER(base, indices) NAME(gather)(base, indices)
#endif

// Scores `count` groups, folds them into the state, and leaves in `least` what each group's nearest
// centroid but the own scores.
static inline __attribute__((always_inline)) void NAME(score_groups)(
    const float *x, int64_t d, const tranche_bounds *b, const int32_t *groups, const int count,
    NAME(bounded_state) *s, float *least) {
  UNROLL for (int offset = 0; offset < TRANCHE_BOUND_GROUP; offset += NAME(step)) {
    NAME(vf) score[2][NAME(step)][NAME(parts)];
    const float *c[2];
    UNROLL for (int g = 0; g < count; g++) {
      c[g] = b->centroids + groups[g] * d * TRANCHE_BOUND_GROUP + offset;
      const float *half = b->half + groups[g] * TRANCHE_BOUND_GROUP + offset;
      UNROLL for (int j = 0; j < NAME(step); j++)
        UNROLL for (int r = 0; r < NAME(parts); r++) score[g][j][r] = half[j];
    }
#pragma clang loop unroll(disable) vectorize(disable)
    for (int64_t i = 0; i < d; i++) {
      NAME(vf) point[NAME(parts)];
      UNROLL for (int r = 0; r < NAME(parts); r++) point[r] =
          *(const NAME(vf) *)(x + i * TRANCHE_TILE + r * LANES);
      UNROLL for (int g = 0; g < count; g++)
        UNROLL for (int j = 0; j < NAME(step); j++) {
          NAME(vf) value = c[g][i * TRANCHE_BOUND_GROUP + j];
          UNROLL for (int r = 0; r < NAME(parts); r++) score[g][j][r] += value * point[r];
        }
    }
    UNROLL for (int g = 0; g < count; g++) {
      UNROLL for (int r = 0; r < NAME(parts); r++) {
        NAME(vf) *out = (NAME(vf) *)(least + g * TRANCHE_BOUND_POINTS + r * LANES);
        NAME(vf) lowest = offset ? *out : (NAME(vf))__builtin_inff();
        UNROLL for (int j = 0; j < NAME(step); j++) {
          NAME(vi) label = groups[g] * TRANCHE_BOUND_GROUP + offset + j;
          NAME(vf) value = label == s->own[r] ? (NAME(vf))__builtin_inff() : score[g][j][r];
          NAME(vf) best = s->best[r];
          lowest = value < lowest ? value : lowest;
          NAME(vi) less = value < best;
          NAME(vf) larger = less ? best : value;
          s->second[r] = larger < s->second[r] ? larger : s->second[r];
          s->best[r] = less ? value : best;
          s->label[r] = less ? label : s->label[r];
        }
        *out = lowest;
      }
    }
  }
}

// Takes from the margins of 16 points what the centroids moved; lists the groups to be scored.
static inline __attribute__((always_inline)) int64_t NAME(spend_margins)(
    const tranche_bounds *b, float *restrict margin, const int32_t *own, float enough,
    int32_t *restrict groups) {
  int64_t count = 0;
  if (b->is_first) {
    for (int64_t g = 0; g < b->groups; g++) groups[count++] = (int32_t)g;
    return count;
  }
  float moved = 0;
  for (int l = 0; l < TRANCHE_BOUND_POINTS; l++) {
    float drift = b->drift[own[l]];
    moved = drift > moved ? drift : moved;
  }
  int used_up = 0;
  for (int64_t g = 0; g < b->groups; g++) {
    float rest = margin[g] - (b->group_drift[g] + moved);
    // Four units in the last place cover the roundings of this line and the last.
    rest -= 0x1p-21f * (__builtin_fabsf(rest) + b->group_drift[g] + moved);
    margin[g] = rest;
    used_up |= !(rest > enough);
  }
  if (!used_up) return 0;
  for (int64_t g = 0; g < b->groups; g++) {
    groups[count] = (int32_t)g;
    count += !(margin[g] > enough);
  }
  return count;
}

// New margins of the scored groups.
static inline __attribute__((always_inline)) void NAME(renew_margins)(
    const int32_t *groups, int64_t count, const float *least, const NAME(vf) *square,
    const NAME(vf) *own_score, float error, float slack, float *margin) {
  NAME(vf) upper[NAME(parts)];
  UNROLL for (int r = 0; r < NAME(parts); r++) {
    NAME(vf) top = square[r] + 2 * own_score[r] + error;
    upper[r] = __builtin_elementwise_sqrt(top > 0 ? top : (NAME(vf))0);
  }
  for (int64_t at = 0; at < count; at++) {
    float narrowest = 1e30f;
    UNROLL for (int r = 0; r < NAME(parts); r++) {
      NAME(vf) low = *(const NAME(vf) *)(least + at * TRANCHE_BOUND_POINTS + r * LANES);
      low = square[r] + 2 * low - error;
      NAME(vf) gap = __builtin_elementwise_sqrt(low > 0 ? low : (NAME(vf))0) - upper[r];
      float narrow = __builtin_reduce_min(gap);
      narrowest = narrow < narrowest ? narrow : narrowest;
    }
    margin[groups[at]] = narrowest - slack;
  }
}

int64_t NAME(tranche_assign_bounded)(
    const tranche_problem *p, const tranche_bounds *b, int64_t first, int64_t last,
    const int32_t *previous, int32_t *labels, float *scratch, int64_t *scored) {
  const int64_t d = p->d, groups = b->groups;
  int32_t *list = (int32_t *)(scratch + groups * TRANCHE_BOUND_POINTS);
  int64_t rechecked = 0;
  for (int64_t tile = first; tile < last;
       tile++, previous += TRANCHE_TILE, labels += TRANCHE_TILE) {
    const double reach = (double)p->tile_norm[tile] + p->largest_norm;
    const float enough = (float)(0x1p-30 * reach);
    const float slack = (float)(0x1p-20 * reach);
    const float error = (float)((1.01 * p->gamma + 0x1p-20) * reach * reach);
    const float bound = tranche_gap_bound(p, p->tile_norm[tile]);
    const int64_t valid = p->rows - tile * TRANCHE_TILE;
    for (int part = 0; part < TRANCHE_TILE; part += TRANCHE_BOUND_POINTS) {
      int32_t own[TRANCHE_BOUND_POINTS] __attribute__((aligned(64)));
      for (int l = 0; l < TRANCHE_BOUND_POINTS; l++)
        own[l] = part + l < valid ? previous[part + l] : 0;
      float *margin =
          b->margin + (tile * (TRANCHE_TILE / TRANCHE_BOUND_POINTS) + part / TRANCHE_BOUND_POINTS) *
                          groups;
      const int64_t count = NAME(spend_margins)(b, margin, own, enough, list);
      __builtin_memcpy(labels + part, own, sizeof own);
      if (count == 0) continue;
      *scored += count;

      const float *x = p->x + tile * d * TRANCHE_TILE + part;
      NAME(bounded_state) s;
      NAME(vf) own_score[NAME(parts)], square[NAME(parts)];
      NAME(vi) row[NAME(parts)];
      UNROLL for (int r = 0; r < NAME(parts); r++) {
        s.own[r] = *(const NAME(vi) *)(own + r * LANES);
        row[r] = s.own[r] * (int32_t)d;
        own_score[r] = GATHER(p->half, s.own[r]);
        square[r] = 0;
      }
      for (int64_t i = 0; i < d; i++)
        UNROLL for (int r = 0; r < NAME(parts); r++) {
          NAME(vf) point = *(const NAME(vf) *)(x + i * TRANCHE_TILE + r * LANES);
          own_score[r] += GATHER(p->negated + i, row[r]) * point;
          square[r] += point * point;
        }
      UNROLL for (int r = 0; r < NAME(parts); r++) {
        s.best[r] = own_score[r];
        s.second[r] = (NAME(vf))__builtin_inff();
        s.label[r] = s.own[r];
      }
      int64_t at = 0;
      for (; at + NAME(pair) <= count; at += NAME(pair))
        NAME(score_groups)(
            x, d, b, list + at, NAME(pair), &s, scratch + at * TRANCHE_BOUND_POINTS);
      for (; at < count; at++)
        NAME(score_groups)(x, d, b, list + at, 1, &s, scratch + at * TRANCHE_BOUND_POINTS);

      uint64_t mask = 0;
      int changed = 0;
      UNROLL for (int r = 0; r < NAME(parts); r++) {
        *(NAME(vi_unaligned) *)(labels + part + r * LANES) = s.label[r];
        NAME(vi) close = ~(s.second[r] - s.best[r] > (NAME(vf))bound);
        NAME(vi) differs = s.label[r] != s.own[r];
        changed |= __builtin_reduce_or(differs) != 0;
        if (!__builtin_reduce_or(close)) continue;
        NAME(vf) gaps = s.second[r] - s.best[r];
        for (int l = 0; l < LANES; l++) {
          int point = part + r * LANES + l;
          if (point < valid && !(gaps[l] > bound) && tranche_is_close(p, tile, point, gaps[l]))
            mask |= 1ull << point;
        }
      }
      if (mask) {
        rechecked += __builtin_popcountll(mask);
        tranche_recheck(p, tile, mask, labels);
        // Near ties keep being looked at.
        for (at = 0; at < count; at++) margin[list[at]] = -1;
        changed = 1;
      } else {
        NAME(renew_margins)(list, count, scratch, square, s.best, error, slack, margin);
      }
      if (changed) {
        // A group's margin leaves out the own centroid: another, where the label is new.
        for (int l = 0; l < TRANCHE_BOUND_POINTS; l++) {
          int32_t now = labels[part + l];
          if (now == own[l]) continue;
          margin[now / TRANCHE_BOUND_GROUP] = -1;
          margin[own[l] / TRANCHE_BOUND_GROUP] = -1;
        }
      }
    }
  }
  return rechecked;
}
