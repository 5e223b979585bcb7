// The integral over the time of drop-out of Pareto/NBD: see `DropOutIntegral` in CustomerValue.
// Included behind strict.h: the same bits on every instruction set.

// e^x for |x| < 700. Source: FDLIBM e_exp.c, as in SpecialFunctions.
static inline __attribute__((always_inline)) NAME(d8) NAME(exp8)(NAME(d8) x) {
  const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  // Added and taken away, it rounds; the sum's low bits hold the integer.
  const double round = 0x1.8p52;
  NAME(d8) shifted = x * 1.44269504088896338700 + round;
  NAME(d8) k = shifted - round;
  NAME(d8) high = x - k * ln2_high;
  NAME(d8) low = k * ln2_low;
  NAME(d8) r = high - low;
  NAME(d8) t = r * r;
  NAME(d8) c = r - t * (1.66666666666666019037e-01 + t * (-2.77777777770155933842e-03 +
      t * (6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 +
      t * 4.13813679705723846039e-08))));
  NAME(d8) y = 1 - ((low - (r * c) / (2 - c)) - high);
  return (NAME(d8))((NAME(l8))y + ((NAME(l8))shifted << 52));
}

// ln x of normal numbers. Source: FDLIBM e_log.c, as in SpecialFunctions.
static inline __attribute__((always_inline)) NAME(d8) NAME(log8)(NAME(d8) x) {
  const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  // x = 2^k (1 + f), with 1 + f from the root of 1/2 to that of 2.
  NAME(l8) bits = (NAME(l8))x + (0x3FF0000000000000 - 0x3FE6A09E667F3BCD);
  NAME(d8) k = (NAME(d8))((bits >> 52) + (0x4338000000000000 - 0x3FF)) - 0x1.8p52;
  NAME(d8) f = (NAME(d8))((bits & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD) - 1;
  NAME(d8) s = f / (2 + f);
  NAME(d8) z = s * s;
  NAME(d8) w = z * z;
  NAME(d8) even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 +
      w * 1.531383769920937332e-01));
  NAME(d8) odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 +
      w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  NAME(d8) half = 0.5 * f * f;
  return k * ln2_high - ((half - (s * (half + (even + odd)) + k * ln2_low)) - f);
}

// Pairs of lanes, then pairs of pairs: one order for all.
static inline __attribute__((always_inline)) double NAME(sum8)(NAME(d8) x) {
  return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

void NAME(tranche_drop_out)(const tranche_drop_out_panels *p, int with_moments, double *sums) {
  // 16-point Gauss-Legendre on -1...1.
  const NAME(d8) node = {0.0950125098376374402, 0.281603550779258913, 0.458016777657227386,
                         0.617876244402643748,  0.755404408355003034, 0.865631202387831744,
                         0.944575023073232576,  0.989400934991649933};
  const NAME(d8) weight = {0.189450610455068496, 0.182603415044923589, 0.169156519395002538,
                           0.149595988816576732, 0.124628971255533872, 0.0951585116824927848,
                           0.0622535239386478929, 0.0271524594117540949};
  const double inverse_other = 1 / (p->base + p->gap);
  NAME(d8) total = 0;
  // Of near and far: means of the logarithms and inverses, then products.
  NAME(d8) first[4] = {0, 0, 0, 0}, second[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (int64_t panel = 0; panel < p->panels; panel++) {
    const double centre = (2 * (double)panel + 1) * p->half;
    UNROLL for (int side = 0; side < 2; side++) {
      NAME(d8) w = side ? centre + p->half * node : centre - p->half * node;
      NAME(d8) grown = p->base * NAME(exp8)(w);
      NAME(d8) other = NAME(log8)((grown + p->gap) * inverse_other);
      NAME(d8) power = -p->near * w - p->far * other;
      // Far out nothing is left: 1e-304 is as good as 0, and exp8 ends there.
      power = power < -700 ? (NAME(d8))-700.0 : power;
      NAME(d8) density = weight * NAME(exp8)(power);
      total = total + density;
      if (!with_moments) continue;
      NAME(d8) value[4] = {w - p->log_near, other - p->log_far, 1 / grown, 1 / (grown + p->gap)};
      int at = 0;
      UNROLL for (int i = 0; i < 4; i++) {
        NAME(d8) part = density * value[i];
        first[i] = first[i] + part;
        UNROLL for (int j = i; j < 4; j++, at++) second[at] = second[at] + part * value[j];
      }
    }
  }
  sums[0] = NAME(sum8)(total);
  if (!with_moments) return;
  for (int i = 0; i < 4; i++) sums[1 + i] = NAME(sum8)(first[i]);
  for (int i = 0; i < 10; i++) sums[5 + i] = NAME(sum8)(second[i]);
}
