/* Allocates the pixels of an image and converts them for ImageDecoder. */
#include "backend/ref/image.h"
#include "backend/ref/kernel.h"

sib_code image_begin(image *to, uint64_t width, uint64_t height, sib_error *err)
{
    if (!width || !height)
        return err_set(err, SIB_ERR_FORMAT, "the image has no pixels");
    if (width > IMAGE_MAX_PIXELS || height > IMAGE_MAX_PIXELS || width * height > IMAGE_MAX_PIXELS)
        return err_set(err, SIB_ERR_SIZE, "%llu x %llu pixels are more than the limit of %lld",
                       (unsigned long long)width, (unsigned long long)height, (long long)IMAGE_MAX_PIXELS);
    uint64_t limit = IMAGE_BYTES + IMAGE_BYTES_PER_BYTE * (uint64_t)to->file_bytes;
    if (3 * width * height > limit)
        return err_set(
            err, SIB_ERR_SIZE,
            "%llu x %llu pixels from %zu bytes: the limit for a file of that size is %llu bytes of pixels",
            (unsigned long long)width, (unsigned long long)height, to->file_bytes, (unsigned long long)limit);
    to->width = (size_t)width;
    to->height = (size_t)height;
    to->rgb = mem_calloc(to->width * to->height, 3);
    return to->rgb ? SIB_OK : err_memory(err, to->width * to->height * 3, "an image");
}

/* Luma of ITU-R BT.601 in 16 bits, rounded: 0.299 R + 0.587 G + 0.114 B. */
static uint8_t luma(const uint8_t *p)
{
    return (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
}

void image_put(const image *from, sib_str format, uint8_t *out)
{
    size_t n = from->width * from->height;
    bool backward = str_is(format, "BGR"), grey = str_is(format, "Grayscale");
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = from->rgb + 3 * i;
        if (grey) {
            out[i] = luma(p);
            continue;
        }
        out[3 * i] = p[backward ? 2 : 0];
        out[3 * i + 1] = p[1];
        out[3 * i + 2] = p[backward ? 0 : 2];
    }
}
