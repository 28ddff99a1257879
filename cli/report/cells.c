/* Digests as small images. */
#include "report/html.h"
#include "report/parts.h"

#include <math.h>
#include <string.h>

/* ---- Cells ------------------------------------------------------------------------------------------- */

/* Blue below 0, orange above, 16 colours of a bitmap: number 0 marks elements that are not finite, 8 is zero. */
static void put_colours(uint8_t *out)
{
    static const uint8_t ends[2][3] = {{0xac, 0x66, 0x21}, {0x06, 0x58, 0xb3}}; /* blue, green, red */
    static const uint8_t not_finite[3] = {0xd0, 0x00, 0xd0};
    memcpy(out, not_finite, 3);
    for (int i = 1; i < 16; i++)
        for (int c = 0; c < 3; c++)
            out[4 * i + c] = (uint8_t)lround(247 + (ends[i > 8][c] - 247.0) * abs(i - 8) / 7);
}

static uint8_t colour_of(const sib_digest *d, uint32_t row, uint32_t column, double scale)
{
    double x = (double)d->cells[row][column];
    if (d->not_finite[row] >> column & 1 || !isfinite(x))
        return 0;
    return (uint8_t)(8 + (scale > 0 ? lround(7 * x / scale) : 0));
}

static void put_number(uint8_t *at, uint32_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(number >> 8 * i);
}

/* A bitmap (BMP) of 4 bits per pixel, which every browser shows. */
void report_cells(FILE *f, const sib_digest *d)
{
    enum { HEAD = 14 + 40 + 16 * 4 };
    uint8_t image[HEAD + SIB_DIGEST_SIDE * SIB_DIGEST_SIDE / 2] = {'B', 'M'};
    size_t stride = (d->columns + 7) / 8 * 4, size = HEAD + stride * d->rows;
    if (!d->rows || !d->columns)
        return;
    double scale = 0;
    for (uint32_t r = 0; r < d->rows; r++)
        for (uint32_t c = 0; c < d->columns; c++)
            if (isfinite(d->cells[r][c]))
                scale = fmax(scale, fabs((double)d->cells[r][c]));
    const struct {
        int at, bytes;
        uint32_t number;
    } fields[] = {{2, 4, (uint32_t)size}, {10, 4, HEAD}, {14, 4, 40}, {18, 4, d->columns},
                  {22, 4, d->rows},       {26, 2, 1},    {28, 2, 4},  {46, 4, 16}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        put_number(image + fields[i].at, fields[i].number, fields[i].bytes);
    put_colours(image + 14 + 40);
    for (uint32_t r = 0; r < d->rows; r++)
        for (uint32_t c = 0; c < d->columns; c++) /* rows from the bottom up */
            image[HEAD + (d->rows - 1 - r) * stride + c / 2] |=
                (uint8_t)(colour_of(d, r, c, scale) << (c & 1 ? 0 : 4));
    fputs("<img alt=\"\" src=\"data:image/bmp;base64,", f);
    html_base64(f, image, size);
    fputs("\">", f);
}

/* ---- Histogram --------------------------------------------------------------------------------------- */

/* Heights by the square root, so that few elements are seen beside many. */
void report_histogram(FILE *f, const sib_digest *d)
{
    uint64_t max = 0;
    for (int i = 0; i < SIB_DIGEST_BINS; i++)
        max = d->histogram[i] > max ? d->histogram[i] : max;
    if (!max || !(d->min < d->max))
        return;
    fprintf(f, "<svg class=\"hist\" viewBox=\"0 0 %d 20\" preserveAspectRatio=\"none\"><path d=\"M0 20",
            SIB_DIGEST_BINS);
    for (int i = 0; i < SIB_DIGEST_BINS; i++)
        fprintf(f, "V%.0fh1", 20 - 20 * sqrt((double)d->histogram[i] / (double)max));
    fputs("V20z\"/></svg>", f);
}
