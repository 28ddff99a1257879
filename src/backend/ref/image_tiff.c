/* TIFF through libtiff: the first image of a file. */
#include "backend/ref/image.h"
#include "base/alloc.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

typedef struct tiff_source {
    image_file file;
    uint64_t at;
    char message[160]; /* the first error message of libtiff */
} tiff_source;

static tmsize_t on_read(thandle_t handle, void *out, tmsize_t n)
{
    tiff_source *s = handle;
    uint64_t left = s->at < s->file.size ? s->file.size - s->at : 0;
    uint64_t got = n < 0 ? 0 : (uint64_t)n < left ? (uint64_t)n : left;
    if (got)
        memcpy(out, s->file.data + s->at, got);
    s->at += got;
    return (tmsize_t)got;
}

static tmsize_t on_write(thandle_t handle, void *data, tmsize_t n)
{
    (void)handle;
    (void)data;
    (void)n;
    return -1;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
    tiff_source *s = handle;
    s->at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? s->at + offset : s->file.size + offset;
    return s->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return ((tiff_source *)handle)->file.size;
}

static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list list)
{
    tiff_source *s = user;
    (void)tiff;
    (void)module;
    if (!*s->message)
        vsnprintf(s->message, sizeof s->message, format, list);
    return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list list)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)list;
    return 1;
}

static TIFF *open_file(tiff_source *s)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, s);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, s);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)IMAGE_MAX_PIXELS * 8);
    TIFF *tiff = TIFFClientOpenExt("picture", "rm", s, on_read, on_write, on_seek, on_close, on_size, NULL,
                                   NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

static sib_code read_pixels(TIFF *tiff, const tiff_source *s, image *to, sib_error *err)
{
    uint32_t width = 0, height = 0, *pixels;
    char message[1024] = "";
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) || !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height))
        return err_set(err, SIB_ERR_FORMAT, "TIFF: the size is missing");
    if (!TIFFRGBAImageOK(tiff, message))
        return err_set(err, SIB_ERR_UNSUPPORTED, "TIFF: %.200s", message);
    sib_code code = image_begin(to, width, height, err);
    if (code != SIB_OK)
        return code;
    size_t n = to->width * to->height;
    pixels = mem_alloc(n, sizeof *pixels);
    if (!pixels)
        return err_memory(err, n * sizeof *pixels, "the pixels of an image");
    if (!TIFFReadRGBAImageOriented(tiff, width, height, pixels, ORIENTATION_TOPLEFT, 1))
        code = err_set(err, SIB_ERR_FORMAT, "TIFF: %s", *s->message ? s->message : "the data are damaged");
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        to->rgb[3 * i] = (uint8_t)TIFFGetR(pixels[i]);
        to->rgb[3 * i + 1] = (uint8_t)TIFFGetG(pixels[i]);
        to->rgb[3 * i + 2] = (uint8_t)TIFFGetB(pixels[i]);
    }
    mem_free(pixels);
    return code;
}

sib_code image_read_tiff(image_file from, image *to, sib_error *err)
{
    tiff_source s = {.file = from};
    TIFF *tiff = open_file(&s);
    if (!tiff)
        return err_set(err, SIB_ERR_FORMAT, "TIFF: %s", *s.message ? s.message : "the file cannot be opened");
    sib_code code = read_pixels(tiff, &s, to, err);
    TIFFClose(tiff);
    return code;
}
