/* Conversions to and from bytes for a convolution whose sums are floats, for conv2d.inc.h: loops that
   compilers vectorise. */

static void conv2d_from_u8(const uint8_t *src, int32_t zero, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(src[i] - zero);
}

static void conv2d_from_s8(const int8_t *src, int32_t zero, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(src[i] - zero);
}

static void conv2d_add_integers(const float *sums, size_t n, int32_t *y, bool add)
{
    if (add)
        for (size_t i = 0; i < n; i++)
            y[i] += (int32_t)sums[i];
    else
        for (size_t i = 0; i < n; i++)
            y[i] = (int32_t)sums[i];
}

/* ---- Sums to bytes ------------------------------------------------------------------------------------

   A byte is (sum + bias) * scale in double, rounded to even. In float the product is off by less than 3 ULP,
   2^-14 within the range of bytes; so where it is further than that from a half, it rounds the same way.
   A piece with a product nearer to a half is computed again in double. */

#define INLINE        static inline __attribute__((always_inline))
#define BYTES_VECTORS 4 /* vectors of sums at once */
#define BYTES_OFF     0x1p-13f

/* How sums are converted to bytes. */
typedef struct bytes_scale {
    int32_t bias;
    double scale;
    int32_t zero, low, high; /* the bytes' zero point and bounds */
} bytes_scale;

/* Forms of rint() and of comparisons of integers that vectorise: adding 1.5 * 2^52 leaves a double whose low
   bits are the product, rounded to even. |sum * scale| is below 2^51. */
static inline uint8_t bytes_exactly(const bytes_scale *by, int32_t sum, uint32_t less)
{
    const double shift = 0x1.8p52;
    int32_t whole = (int32_t)((uint32_t)sum - less + (uint32_t)by->bias);
    double v = (double)whole * by->scale + shift;
    int64_t bits, base;
    memcpy(&bits, &v, sizeof bits);
    memcpy(&base, &shift, sizeof base);
    bits += by->zero - base;
    bits = bits > by->low ? bits : by->low;
    return (uint8_t)(bits < by->high ? bits : by->high);
}

/* Repeats a piece in double where float is ambiguous. */
INLINE void bytes_again(const bytes_scale *by, const int32_t *sums, const uint32_t *less, size_t n,
                        uint8_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = bytes_exactly(by, sums[i], less ? less[i] : 0);
}

/* count vectors: a constant where this is inlined. less: NULL for zeros */
INLINE void bytes_piece(const bytes_scale *by, const int32_t *sums, const uint32_t *less, int count,
                        uint8_t *y)
{
    vf scale = vf_set1((float)by->scale), zero = vf_set1((float)by->zero), furthest = vf_zero();
    vf low = vf_set1((float)(by->low - by->zero)), high = vf_set1((float)(by->high - by->zero));
    UNROLL for (int i = 0; i < count; i++)
    {
        size_t at = (size_t)i * VF_LANES;
        vf v = vf_mul(vf_of_sums(sums + at, less ? less + at : NULL, (uint32_t)by->bias), scale);
        v = vf_min(high, vf_max(low, v));
        vf whole = vf_round(v);
        furthest = vf_max(furthest, vf_abs(vf_sub(v, whole)));
        if (by->low < 0)
            vf_store_s8((int8_t *)y + at, vf_add(whole, zero));
        else
            vf_store_u8(y + at, vf_add(whole, zero));
    }
    if (vf_any_less(vf_set1(0.5f - BYTES_OFF), furthest))
        bytes_again(by, sums, less, (size_t)count * VF_LANES, y);
}

#ifdef VF_BYTES_OF_SUMS
/* Max error of a product in float: 0 where the scale is a power of 2, since then the product is exact (and
   often halfway between two bytes), and sums that give bytes are exact in float. */
static inline float bytes_off(double scale)
{
    int exponent;
    double size = frexp(fabs(scale), &exponent);
    return size == 0.5 && exponent > -15 ? 0.0f : BYTES_OFF;
}

/* BYTES_VECTORS at once, under a scale below 1, so that products are int32; n >= BYTES_VECTORS * VF_LANES. */
INLINE void bytes_small(const bytes_scale *by, const int32_t *sums, const uint32_t *less, size_t n,
                        uint8_t *y)
{
    const size_t piece = BYTES_VECTORS * VF_LANES;
    const float doubt = bytes_off(by->scale);
    for (size_t i = 0; i < n; i += piece) {
        size_t at = i + piece > n ? n - piece : i;
        const uint32_t *off = less ? less + at : NULL;
        if (vf_bytes_of_sums(sums + at, off, (uint32_t)by->bias, (float)by->scale, doubt, by->zero,
                             by->low < 0, y + at))
            bytes_again(by, sums + at, off, piece, y + at);
    }
}
#endif

/* The remaining sums are computed in a full piece together with some before them; n >= count * VF_LANES. */
INLINE void bytes_pieces(const bytes_scale *by, const int32_t *sums, const uint32_t *less, size_t n,
                         int count, uint8_t *y)
{
    size_t piece = (size_t)count * VF_LANES;
    for (size_t i = 0; i < n; i += piece) {
        size_t at = i + piece > n ? n - piece : i;
        bytes_piece(by, sums + at, less ? less + at : NULL, count, y + at);
    }
}

INLINE void bytes_all(bytes_scale by, const int32_t *sums, const uint32_t *less, size_t n, uint8_t *y)
{
    int32_t short_sums[VF_LANES] = {0};
    uint32_t short_less[VF_LANES] = {0};
    uint8_t bytes[VF_LANES];
#ifdef VF_BYTES_OF_SUMS
    if (n >= BYTES_VECTORS * VF_LANES && by.scale > -0.99 && by.scale < 0.99) {
        bytes_small(&by, sums, less, n, y);
        return;
    }
#endif
    if (n >= BYTES_VECTORS * VF_LANES) {
        bytes_pieces(&by, sums, less, n, BYTES_VECTORS, y);
    } else if (n >= VF_LANES) {
        bytes_pieces(&by, sums, less, n, 1, y);
    } else if (n) {
        memcpy(short_sums, sums, n * sizeof *sums);
        if (less)
            memcpy(short_less, less, n * sizeof *less);
        bytes_piece(&by, short_sums, less ? short_less : NULL, 1, bytes);
        memcpy(y, bytes, n);
    }
}

/* Replaces a scale that is so large that every sum but 0 leaves the range of bytes, and NaN, by an equivalent
   one. */
static double tame(double scale)
{
    return scale < -0x1p19 ? -0x1p19 : scale < 0x1p19 ? scale : 0x1p19;
}

static void conv2d_to_u8(const int32_t *sums, int32_t bias, double scale, int32_t zero, size_t n, uint8_t *y)
{
    bytes_all((bytes_scale){bias, tame(scale), zero, 0, 255}, sums, NULL, n, y);
}

static void conv2d_to_s8(const int32_t *sums, int32_t bias, double scale, int32_t zero, size_t n, int8_t *y)
{
    bytes_all((bytes_scale){bias, tame(scale), zero, -128, 127}, sums, NULL, n, (uint8_t *)y);
}

static void conv2d_less_to_u8(const int32_t *sums, const uint32_t *less, int32_t bias, double scale,
                              int32_t zero, size_t n, uint8_t *y)
{
    bytes_all((bytes_scale){bias, tame(scale), zero, 0, 255}, sums, less, n, y);
}

static void conv2d_less_to_s8(const int32_t *sums, const uint32_t *less, int32_t bias, double scale,
                              int32_t zero, size_t n, int8_t *y)
{
    bytes_all((bytes_scale){bias, tame(scale), zero, -128, 127}, sums, less, n, (uint8_t *)y);
}

static void conv2d_less_to_s32(const int32_t *restrict sums, const uint32_t *restrict less, int32_t bias,
                               size_t n, int32_t *restrict y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (int32_t)((uint32_t)sums[i] - less[i] + (uint32_t)bias);
}
