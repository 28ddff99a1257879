#include "drawing/png_file.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <string.h>

/* Connects libpng with the file. On failure libpng must be left by longjmp. */
typedef struct {
    FILE *stream;
    const char *name;
    sib_error *err;
    sib_code code;  /* of the failure */
    size_t lacking; /* bytes that could not be allocated, else 0 */
    jmp_buf leave;
    png_structp png;
    png_infop info;
    png_byte *row; /* (width, 3) */
} writer;

static void png_failed(png_structp png, png_const_charp message)
{
    writer *w = png_get_error_ptr(png);
    w->code = w->lacking ? err_memory(w->err, w->lacking, "an image")
                         : err_set(w->err, SIB_ERR_IO, "%s: cannot be written: %s", w->name, message);
    longjmp(w->leave, 1);
}

static void png_warned(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void png_write_bytes(png_structp png, png_bytep bytes, size_t n)
{
    writer *w = png_get_io_ptr(png);
    if (fwrite(bytes, 1, n, w->stream) != n)
        png_error(png, strerror(errno));
}

static void png_flush_bytes(png_structp png)
{
    (void)png;
}

static png_voidp png_take(png_structp png, png_alloc_size_t bytes)
{
    writer *w = png_get_mem_ptr(png);
    void *block = mem_alloc(bytes, 1);
    if (!block)
        w->lacking = bytes;
    return block;
}

static void png_give(png_structp png, png_voidp block)
{
    (void)png;
    mem_free(block);
}

/* The part that libpng may leave by longjmp: no local changes after setjmp. */
static sib_code write_rows(writer *w, const png_rows *rows)
{
    if (setjmp(w->leave))
        return w->code;
    w->png =
        png_create_write_struct_2(PNG_LIBPNG_VER_STRING, w, png_failed, png_warned, w, png_take, png_give);
    w->info = w->png ? png_create_info_struct(w->png) : NULL;
    if (!w->info)
        return err_memory(w->err, w->lacking, "an image");
    png_set_write_fn(w->png, w, png_write_bytes, png_flush_bytes);
    png_set_user_limits(w->png, 0x7FFFFFFF, 0x7FFFFFFF);
    png_set_IHDR(w->png, w->info, (png_uint_32)rows->width, (png_uint_32)rows->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB(w->png, w->info, PNG_sRGB_INTENT_PERCEPTUAL);
    png_write_info(w->png, w->info);
    for (size_t y = 0; y < rows->height; y++) {
        rows->row(rows->context, y, w->row);
        png_write_row(w->png, w->row);
    }
    png_write_end(w->png, w->info);
    return SIB_OK;
}

sib_code png_write_stream(const png_rows *rows, FILE *stream, const char *name, sib_error *err)
{
    writer w = {.stream = stream, .name = name, .err = err};
    w.row = mem_alloc(rows->width, 3);
    if (!w.row)
        return err_memory(err, 3 * rows->width, "a row of an image");
    sib_code code = write_rows(&w, rows);
    png_destroy_write_struct(&w.png, &w.info);
    mem_free(w.row);
    return code;
}

sib_code png_write_file(const png_rows *rows, const char *path, sib_error *err)
{
    outfile file;
    sib_code code = outfile_begin(&file, path, err);
    if (code != SIB_OK)
        return code;
    code = png_write_stream(rows, file.stream, path, err);
    if (code == SIB_OK)
        return outfile_commit(&file, err);
    outfile_abort(&file);
    return code;
}
