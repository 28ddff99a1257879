/* Whole numbers at the edges of a convolution whose sums are floats, for conv2d.inc.h: loops that compilers vectorise. */

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

static void conv2d_whole(const float *sums, size_t n, int32_t *y, bool add)
{
    if (add)
        for (size_t i = 0; i < n; i++)
            y[i] += (int32_t)sums[i];
    else
        for (size_t i = 0; i < n; i++)
            y[i] = (int32_t)sums[i];
}

/* The number that stands for a sum, as one from low to high: rint() and whole comparisons as loops vectorise them. Adding
   1.5 * 2^52 leaves a double whose last bits are the sum, rounded to even. |sum * scale| is below 2^51. */
static inline int64_t requantized(int32_t sum, int32_t bias, double scale, int64_t zero, int64_t low,
                                  int64_t high)
{
    const double shift = 0x1.8p52;
    int32_t whole = (int32_t)((uint32_t)sum + (uint32_t)bias);
    double v = (double)whole * scale + shift;
    int64_t bits, base;
    memcpy(&bits, &v, sizeof bits);
    memcpy(&base, &shift, sizeof base);
    bits += zero - base;
    bits = bits > low ? bits : low;
    return bits < high ? bits : high;
}

/* The same where the scale is so large that every sum but 0 leaves the range of bytes. */
static double tame(double scale)
{
    return scale < -0x1p19 ? -0x1p19 : scale < 0x1p19 ? scale : 0x1p19;
}

static void conv2d_to_u8(const int32_t *sums, int32_t bias, double scale, int32_t zero, size_t n, uint8_t *y)
{
    scale = tame(scale);
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)requantized(sums[i], bias, scale, zero, 0, 255);
}

static void conv2d_to_s8(const int32_t *sums, int32_t bias, double scale, int32_t zero, size_t n, int8_t *y)
{
    scale = tame(scale);
    for (size_t i = 0; i < n; i++)
        y[i] = (int8_t)requantized(sums[i], bias, scale, zero, -128, 127);
}

static void conv2d_less_to_u8(const int32_t *restrict sums, const uint32_t *restrict less, int32_t bias,
                              double scale, int32_t zero, size_t n, uint8_t *restrict y)
{
    scale = tame(scale);
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)requantized((int32_t)((uint32_t)sums[i] - less[i]), bias, scale, zero, 0, 255);
}

static void conv2d_less_to_s8(const int32_t *restrict sums, const uint32_t *restrict less, int32_t bias,
                              double scale, int32_t zero, size_t n, int8_t *restrict y)
{
    scale = tame(scale);
    for (size_t i = 0; i < n; i++)
        y[i] = (int8_t)requantized((int32_t)((uint32_t)sums[i] - less[i]), bias, scale, zero, -128, 127);
}

static void conv2d_less_to_s32(const int32_t *restrict sums, const uint32_t *restrict less, int32_t bias,
                               size_t n, int32_t *restrict y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (int32_t)((uint32_t)sums[i] - less[i] + (uint32_t)bias);
}
