/* BMP of Windows and OS/2. Source: Microsoft, "Bitmap Storage", BITMAPINFOHEADER, BITMAPV5HEADER, "Bitmap
   Compression". */
#include "backend/ref/image.h"
#include "base/error.h"

#include <string.h>

enum { PLAIN = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHA_BITFIELDS = 6 };

typedef struct bmp {
    image_file file;
    uint32_t pixels, width, height, bits, compression, colours;
    bool from_top;
    size_t palette, entry; /* offset; bytes of an entry */
    uint32_t masks[3];     /* of red, green, blue */
} bmp;

static uint32_t number(const bmp *b, size_t at, int bytes)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes && at + (size_t)i < b->file.size; i++)
        v |= (uint32_t)b->file.data[at + (size_t)i] << 8 * i;
    return v;
}

static sib_code damaged(sib_error *err, const char *what)
{
    return err_set(err, SIB_ERR_FORMAT, "BMP: %s", what);
}

/* ---- Header -------------------------------------------------------------------------------------------- */

static sib_code read_masks(bmp *b, size_t header)
{
    static const uint32_t fixed[2][3] = {{0x7C00, 0x03E0, 0x001F}, {0xFF0000, 0x00FF00, 0x0000FF}};
    bool given = b->compression == BITFIELDS || b->compression == ALPHA_BITFIELDS;
    for (size_t k = 0; k < 3; k++)
        b->masks[k] = given ? number(b, 54 + 4 * k, 4) : fixed[b->bits == 16 ? 0 : 1][k];
    if (given && header == 40)
        b->palette += b->compression == ALPHA_BITFIELDS ? 16 : 12;
    return SIB_OK;
}

static sib_code read_header(bmp *b, sib_error *err)
{
    uint32_t header = number(b, 14, 4);
    b->pixels = number(b, 10, 4);
    if (b->file.size < 26 || (header != 12 && header < 40) || header > b->file.size - 14)
        return damaged(err, "the header is cut off or of unknown kind");
    bool old = header == 12;
    uint32_t height = old ? number(b, 20, 2) : number(b, 22, 4);
    b->width = old ? number(b, 18, 2) : number(b, 18, 4);
    b->from_top = !old && height >> 31;
    b->height = b->from_top ? 0u - height : height;
    b->bits = number(b, old ? 24 : 28, 2);
    b->compression = old ? PLAIN : number(b, 30, 4);
    b->colours = old ? 0 : number(b, 46, 4);
    b->palette = 14 + (size_t)header;
    b->entry = old ? 3 : 4;
    bool indexed = b->bits == 1 || b->bits == 4 || b->bits == 8;
    if (indexed && (!b->colours || b->colours > 1u << b->bits))
        b->colours = 1u << b->bits;
    bool known = (b->compression == PLAIN && (indexed || b->bits == 16 || b->bits == 24 || b->bits == 32)) ||
                 (b->compression == RLE8 && b->bits == 8) || (b->compression == RLE4 && b->bits == 4) ||
                 ((b->compression == BITFIELDS || b->compression == ALPHA_BITFIELDS) &&
                  (b->bits == 16 || b->bits == 32));
    if (!known)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "BMP: %u bits per pixel with compression %u are not supported", b->bits,
                       b->compression);
    return read_masks(b, header);
}

/* ---- Pixels -------------------------------------------------------------------------------------------- */

static void put_index(const bmp *b, uint32_t index, uint8_t *out)
{
    if (index >= b->colours) /* beyond the palette: stays black */
        return;
    uint32_t v = number(b, b->palette + index * b->entry, 3);
    out[0] = (uint8_t)(v >> 16);
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)v;
}

/* The bits under a mask, scaled to 0 .. 255 and rounded. */
static uint8_t masked(uint32_t v, uint32_t mask)
{
    if (!mask)
        return 0;
    int shift = __builtin_ctz(mask);
    uint64_t max = mask >> shift, part = (v & mask) >> shift;
    return (uint8_t)((2 * 255 * part + max) / (2 * max));
}

static uint8_t *pixel_at(const bmp *b, image *to, size_t x, size_t y)
{
    return to->rgb + 3 * ((b->from_top ? y : to->height - 1 - y) * to->width + x);
}

static void read_row(const bmp *b, image *to, size_t y, size_t at)
{
    for (size_t x = 0; x < to->width; x++) {
        uint8_t *out = pixel_at(b, to, x, y);
        if (b->bits <= 8) {
            size_t bit = x * b->bits;
            uint32_t byte = number(b, at + bit / 8, 1);
            put_index(b, byte >> (8 - b->bits - bit % 8) & ((1u << b->bits) - 1), out);
            continue;
        }
        uint32_t v = number(b, at + x * (b->bits / 8), (int)b->bits / 8);
        for (size_t k = 0; k < 3; k++)
            out[k] = masked(v, b->masks[k]);
    }
}

static sib_code read_plain(const bmp *b, image *to, sib_error *err)
{
    size_t row = ((to->width * b->bits + 31) / 32) * 4;
    for (size_t y = 0; y < to->height; y++) {
        size_t at = b->pixels + y * row;
        if (at > b->file.size || b->file.size - at < (to->width * b->bits + 7) / 8)
            return damaged(err, "rows are missing at its end");
        read_row(b, to, y, at);
    }
    return SIB_OK;
}

/* ---- Runs ---------------------------------------------------------------------------------------------- */

/* Position of the next pixel. */
typedef struct cursor {
    size_t at, x, y;
} cursor;

static void put_run_pixel(const bmp *b, image *to, cursor *c, uint32_t index)
{
    if (c->x < to->width && c->y < to->height)
        put_index(b, index, pixel_at(b, to, c->x, c->y));
    c->x++;
}

/* Reads literal pixels, padded to 16 bits. */
static bool literal_run(const bmp *b, image *to, cursor *c, uint32_t n)
{
    size_t bytes = b->bits == 8 ? n : (n + 1) / 2;
    if (bytes > b->file.size - c->at)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t byte = number(b, c->at + i * b->bits / 8, 1);
        put_run_pixel(b, to, c, b->bits == 8 ? byte : i % 2 ? byte & 15 : byte >> 4);
    }
    c->at += bytes + bytes % 2;
    return true;
}

static sib_code read_runs(const bmp *b, image *to, sib_error *err)
{
    cursor c = {.at = b->pixels};
    while (c.y < to->height) {
        if (c.at > b->file.size || b->file.size - c.at < 2)
            return damaged(err, "a run is missing at its end");
        uint32_t n = number(b, c.at, 1), what = number(b, c.at + 1, 1);
        c.at += 2;
        if (n) {
            for (uint32_t i = 0; i < n; i++)
                put_run_pixel(b, to, &c, b->bits == 8 ? what : i % 2 ? what & 15 : what >> 4);
        } else if (what == 0) {
            c.x = 0;
            c.y++;
        } else if (what == 1)
            return SIB_OK;
        else if (what == 2) {
            c.x += number(b, c.at, 1);
            c.y += number(b, c.at + 1, 1);
            c.at += 2;
        } else if (!literal_run(b, to, &c, what))
            return damaged(err, "a run extends past the end of the file");
    }
    return SIB_OK;
}

sib_code image_read_bmp(image_file from, image *to, sib_error *err)
{
    bmp b = {.file = from};
    sib_code code = read_header(&b, err);
    bool runs = b.compression == RLE8 || b.compression == RLE4;
    /* run-length coding takes over 1/128 byte per pixel, but a 2-byte jump skips 255 rows: no size check */
    bool sane = b.width <= IMAGE_MAX_PIXELS && b.height <= IMAGE_MAX_PIXELS;
    if (code == SIB_OK && !runs && sane && (uint64_t)b.width * b.height / 8 * b.bits > from.size)
        code = damaged(err, "the file is too small for its pixels");
    if (code == SIB_OK)
        code = image_begin(to, b.width, b.height, err);
    if (code == SIB_OK)
        code = runs ? read_runs(&b, to, err) : read_plain(&b, to, err);
    return code;
}
