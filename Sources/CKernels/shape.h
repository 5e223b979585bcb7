// Features on their way to samples, once for every instruction set; included after strict.h, whose
// promise holds here too: the same bits everywhere.

// sign(x) · ln(1 + |x|), as SignedLogarithm.value in Swift: the same operations in the same order.
static inline __attribute__((always_inline)) NAME(d8) NAME(signed_logarithm)(NAME(d8) x) {
  typedef NAME(l8) bits8;
  const bits8 bits = (bits8)x;
  const NAME(d8) magnitude = (NAME(d8))(bits & (bits8)INT64_MAX);
  const NAME(d8) u = 1 + magnitude;
  const bits8 shifted = (bits8)u + 0x00095f6200000000LL;
  // The sign bit is never set here.
  const NAME(d8) k = (NAME(d8))((bits8)0x4330000000000000LL | shifted >> 52) - 0x1.00000000003ffp52;
  const bits8 is_near = k == 0;
  const NAME(d8) lost = (k >= 2 ? 1 - (u - magnitude) : magnitude - (u - 1)) / u;
  const NAME(d8) mantissa =
      (NAME(d8))((shifted & 0x000fffffffffffffLL) + 0x3fe6a09e00000000LL) - 1;
  const NAME(d8) f = is_near ? magnitude : mantissa;
  const NAME(d8) correction = is_near ? (NAME(d8))0 : lost;
  const NAME(d8) half_square = 0.5 * f * f;
  const NAME(d8) s = f / (2 + f);
  const NAME(d8) z = s * s;
  const NAME(d8) w = z * z;
  const NAME(d8) even =
      w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const NAME(d8) odd =
      z * (6.666666666666735130e-01 +
           w * (2.857142874366239149e-01 +
                w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const NAME(d8) series = odd + even;
  const NAME(d8) sum = s * (half_square + series) + (k * 1.90821492927058770002e-10 + correction);
  const NAME(d8) result = sum - half_square + f + k * 6.93147180369123816490e-01;
  const NAME(d8) with_sign = (NAME(d8))((bits8)result | (bits & (bits8)INT64_MIN));
  return magnitude < __builtin_inf() ? with_sign : x;
}

static inline __attribute__((always_inline)) NAME(d8) NAME(shaped)(
    NAME(d8) x, const tranche_shape *shape) {
  const NAME(d8) magnitude = (NAME(d8))((NAME(l8))x & (NAME(l8))INT64_MAX);
  x = magnitude < __builtin_inf() ? x : (NAME(d8))shape->filler;
  x = x < shape->floor ? (NAME(d8))shape->floor : x;
  x = x > shape->ceiling ? (NAME(d8))shape->ceiling : x;
  if (shape->is_logarithmic) x = NAME(signed_logarithm)(x);
  return shape->is_scaled ? (x - shape->center) / shape->scale : x;
}

void NAME(tranche_shape_values)(
    const double *values, int64_t count, const tranche_shape *shape, double *out) {
  int64_t row = 0;
  for (; row + 8 <= count; row += 8) {
    *(NAME(d8_unaligned) *)(out + row) =
        NAME(shaped)(*(const NAME(d8_unaligned) *)(values + row), shape);
  }
  if (row == count) return;
  NAME(d8) rest = 0;
  for (int64_t lane = 0; row + lane < count; lane++) rest[lane] = values[row + lane];
  rest = NAME(shaped)(rest, shape);
  for (int64_t lane = 0; row + lane < count; lane++) out[row + lane] = rest[lane];
}

// Two vectors of eight lanes take turns, so that additions need not wait for one another; lanes are
// added in their order.
void NAME(tranche_deviations)(const double *values, int64_t count, double pivot, double *sums) {
  NAME(d8) sum[2] = {0, 0}, squares[2] = {0, 0};
  int64_t row = 0;
  for (; row + 16 <= count; row += 16) {
    UNROLL for (int half = 0; half < 2; half++) {
      const NAME(d8) difference = *(const NAME(d8_unaligned) *)(values + row + half * 8) - pivot;
      const NAME(d8) square = difference * difference;
      sum[half] = sum[half] + difference;
      squares[half] = squares[half] + square;
    }
  }
  sum[0] = sum[0] + sum[1];
  squares[0] = squares[0] + squares[1];
  sums[0] = sums[1] = 0;
  for (int lane = 0; lane < 8; lane++) {
    sums[0] += sum[0][lane];
    sums[1] += squares[0][lane];
  }
  for (; row < count; row++) {
    const double difference = values[row] - pivot;
    const double square = difference * difference;
    sums[0] += difference;
    sums[1] += square;
  }
}
