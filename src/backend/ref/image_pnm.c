/* PBM, PGM and PPM, plain and raw. Source: the manual pages of Netpbm, pbm(5), pgm(5), ppm(5). */
#include "backend/ref/image.h"
#include "base/assert.h"
#include "base/error.h"

typedef struct pnm {
    image_file file;
    size_t at;
    int kind; /* 1 .. 6 */
    unsigned max;
} pnm;

static int next_byte(pnm *p)
{
    return p->at < p->file.size ? p->file.data[p->at++] : -1;
}

static bool is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next byte that is not white space; comments run from # to the end of the line. */
static int next_sign(pnm *p)
{
    int c = next_byte(p);
    while (is_space(c) || c == '#') {
        if (c == '#')
            while (c >= 0 && c != '\n' && c != '\r')
                c = next_byte(p);
        else
            c = next_byte(p);
    }
    return c;
}

/* Reads a number of at most 9 digits and the byte after it. Returns false where there is none. */
static bool next_number(pnm *p, unsigned *out)
{
    int c = next_sign(p), digits = 0;
    *out = 0;
    for (; c >= '0' && c <= '9' && digits < 10; digits++) {
        *out = *out * 10 + (unsigned)(c - '0');
        c = next_byte(p);
    }
    return digits > 0 && digits < 10 && (c < 0 || is_space(c) || c == '#');
}

/* A sample scaled to 0 .. 255 and rounded. */
static uint8_t scaled(const pnm *p, unsigned v)
{
    if (p->max == 255)
        return (uint8_t)(v > 255 ? 255 : v);
    SIB_ASSERT(p->max);
    v = v > p->max ? p->max : v;
    return (uint8_t)((2 * 255 * (uint64_t)v + p->max) / (2 * (uint64_t)p->max));
}

/* Reads the next sample of a plain file. Returns false where there is none. */
static bool plain_sample(pnm *p, unsigned *v)
{
    if (p->kind != 1)
        return next_number(p, v);
    int c = next_sign(p); /* bits need no space between them */
    *v = c == '0';        /* 1 is black */
    return c == '0' || c == '1';
}

static bool raw_sample(pnm *p, unsigned *v)
{
    int high = p->max > 255 ? next_byte(p) : 0, low = next_byte(p);
    *v = (unsigned)high << 8 | (unsigned)low;
    return high >= 0 && low >= 0;
}

static bool read_row(pnm *p, size_t n, uint8_t *out)
{
    size_t channels = p->kind % 3 ? 1 : 3;
    int bits = 0;
    for (size_t x = 0; x < n; x++)
        for (size_t k = 0; k < channels; k++) {
            unsigned v;
            if (p->kind == 4) {
                if (x % 8 == 0 && (bits = next_byte(p)) < 0)
                    return false;
                v = !(bits >> (7 - x % 8) & 1);
            } else if (!(p->kind < 4 ? plain_sample(p, &v) : raw_sample(p, &v)))
                return false;
            uint8_t level = scaled(p, v);
            for (size_t i = k; i < (channels == 1 ? 3 : k + 1); i++)
                out[3 * x + i] = level;
        }
    return true;
}

sib_code image_read_pnm(image_file from, image *to, sib_error *err)
{
    pnm p = {.file = from, .at = 2, .kind = from.data[1] - '0', .max = 1};
    unsigned width, height;
    if (!next_number(&p, &width) || !next_number(&p, &height) ||
        (p.kind % 3 != 1 && (!next_number(&p, &p.max) || p.max < 1 || p.max > 65535)))
        return err_set(err, SIB_ERR_FORMAT, "PNM: the header is damaged");
    /* every sample takes at least a bit: allocates nothing for pixels that the file cannot hold */
    if ((uint64_t)width * height / 8 > from.size)
        return err_set(err, SIB_ERR_FORMAT, "PNM: %u x %u pixels in a file of %zu bytes", width, height,
                       from.size);
    sib_code code = image_begin(to, width, height, err);
    for (size_t y = 0; y < to->height && code == SIB_OK; y++)
        if (!read_row(&p, to->width, to->rgb + 3 * y * to->width))
            code = err_set(err, SIB_ERR_FORMAT, "PNM: row %zu of %zu ends too early or holds no numbers", y,
                           to->height);
    return code;
}
