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

/* The number that stands for a sum, as one from low to high. */
static inline int32_t requantized(int32_t sum, int32_t bias, double scale, double zero, double low,
                                  double high)
{
    int32_t whole = (int32_t)((uint32_t)sum + (uint32_t)bias);
    double v = rint((double)whole * scale) + zero;
    v = v > low ? v : low;
    v = v < high ? v : high;
    return (int32_t)v;
}

static void conv2d_to_u8(const int32_t *sums, int32_t bias, double scale, int32_t zero, size_t n, uint8_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)requantized(sums[i], bias, scale, zero, 0, 255);
}

static void conv2d_to_s8(const int32_t *sums, int32_t bias, double scale, int32_t zero, size_t n, int8_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (int8_t)requantized(sums[i], bias, scale, zero, -128, 127);
}
