// sign(x) · ln(1 + |x|) of many values: the operations of Swift's SignedLogarithm in its order, so
// that every instruction set gives its bits. The including file defines NAME(x), the symbol suffix.
#include "CKernels.h"

#pragma clang fp contract(off)

typedef double NAME(real8) __attribute__((ext_vector_type(8)));
typedef uint64_t NAME(word8) __attribute__((ext_vector_type(8)));
typedef int64_t NAME(mask8) __attribute__((ext_vector_type(8)));
typedef NAME(real8) NAME(real8_unaligned) __attribute__((aligned(8)));

#define BITS(x) ((NAME(word8))(x))
#define REAL(x) ((NAME(real8))(x))

// `count` is a multiple of 8.
void NAME(tranche_signed_logarithm)(double *values, int64_t count) {
  for (int64_t row = 0; row < count; row += 8) {
    NAME(real8_unaligned) *place = (NAME(real8_unaligned) *)(values + row);
    const NAME(real8) x = *place;
    const NAME(word8) sign = BITS(x) & (NAME(word8))(1ull << 63);
    const NAME(real8) magnitude = REAL(BITS(x) ^ sign);
    const NAME(real8) u = 1.0 + magnitude;
    const NAME(word8) shifted = BITS(u) + (NAME(word8))0x00095f6200000000ull;
    const NAME(real8) k =
        REAL((NAME(word8))0x4330000000000000ull | (shifted >> (NAME(word8))52)) -
        0x1.00000000003ffp52;
    const NAME(mask8) is_near = k == (NAME(real8))0.0;
    const NAME(mask8) is_far = k >= (NAME(real8))2.0;
    const NAME(real8) lost = (is_far ? 1.0 - (u - magnitude) : magnitude - (u - 1.0)) / u;
    const NAME(real8) mantissa = REAL((shifted & (NAME(word8))0x000fffffffffffffull) +
                                     (NAME(word8))0x3fe6a09e00000000ull) - 1.0;
    const NAME(real8) f = is_near ? magnitude : mantissa;
    const NAME(real8) correction = is_near ? (NAME(real8))0.0 : lost;
    const NAME(real8) half_square = 0.5 * f * f;
    const NAME(real8) s = f / (2.0 + f);
    const NAME(real8) z = s * s;
    const NAME(real8) w = z * z;
    const NAME(real8) even =
        w * (3.999999999940941908e-01 +
             w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const NAME(real8) odd =
        z * (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 +
                  w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const NAME(real8) series = odd + even;
    const NAME(real8) sum =
        s * (half_square + series) + (k * 1.90821492927058770002e-10 + correction);
    const NAME(real8) result = sum - half_square + f + k * 6.93147180369123816490e-01;
    const NAME(mask8) is_finite = magnitude < (NAME(real8))__builtin_inf();
    *place = is_finite ? REAL(BITS(result) | sign) : x;
  }
}

#undef BITS
#undef REAL
