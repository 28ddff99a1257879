/* PNG through libpng. Of 16 bits the low 8 are dropped; so is alpha. */
#include "backend/ref/image.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

typedef struct png_source {
    image_file file;
    size_t at;
    char message[160]; /* libpng's error message */
    png_structp png;
    png_infop info;
} png_source;

static void on_error(png_structp png, png_const_charp message)
{
    png_source *s = png_get_error_ptr(png);
    snprintf(s->message, sizeof s->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep out, size_t n)
{
    png_source *s = png_get_io_ptr(png);
    if (n > s->file.size - s->at)
        png_error(png, "the file ends too early");
    memcpy(out, s->file.data + s->at, n);
    s->at += n;
}

static void prepare(png_source *s)
{
    png_set_user_limits(s->png, (png_uint_32)IMAGE_MAX_PIXELS, (png_uint_32)IMAGE_MAX_PIXELS);
    png_set_chunk_malloc_max(s->png, 1 << 26);
    png_set_read_fn(s->png, s, on_read);
    png_read_info(s->png, s->info);
    png_set_expand(s->png);
    png_set_strip_16(s->png);
    png_set_strip_alpha(s->png);
    png_set_gray_to_rgb(s->png);
    png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
}

/* Everything that libpng may leave by longjmp: owns no memory outside *s and *to. */
static sib_code read_all(png_source *s, image *to, sib_error *err)
{
    if (setjmp(png_jmpbuf(s->png)))
        return err_set(err, SIB_ERR_FORMAT, "PNG: %s", s->message);
    prepare(s);
    sib_code code =
        image_begin(to, png_get_image_width(s->png, s->info), png_get_image_height(s->png, s->info), err);
    if (code != SIB_OK)
        return code;
    if (png_get_rowbytes(s->png, s->info) != 3 * to->width)
        return err_set(err, SIB_ERR_UNSUPPORTED, "PNG: rows are not RGB");
    int passes =
        png_get_interlace_type(s->png, s->info) == PNG_INTERLACE_ADAM7 ? PNG_INTERLACE_ADAM7_PASSES : 1;
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < to->height; y++)
            png_read_row(s->png, to->rgb + y * to->width * 3, NULL);
    png_read_end(s->png, NULL);
    return SIB_OK;
}

sib_code image_read_png(image_file from, image *to, sib_error *err)
{
    png_source s = {.file = from};
    s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
    s.info = s.png ? png_create_info_struct(s.png) : NULL;
    sib_code code =
        s.info ? read_all(&s, to, err) : err_set(err, SIB_ERR_MEMORY, "no memory to read a PNG file");
    png_destroy_read_struct(&s.png, &s.info, NULL);
    return code;
}
