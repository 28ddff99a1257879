/* JPEG through libjpeg-turbo with its defaults: accurate integer transform, smooth upsampling. */
#include "backend/ref/image.h"
#include "base/alloc.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

typedef struct jpeg_source {
    struct jpeg_error_mgr handlers; /* first, since the library returns a pointer to it */
    jmp_buf back;
    char message[JMSG_LENGTH_MAX];
    bool cut; /* the file ends early */
    struct jpeg_decompress_struct jpeg;
    uint8_t *row; /* of CMYK pixels */
} jpeg_source;

static void on_error(j_common_ptr jpeg)
{
    jpeg_source *s = (jpeg_source *)jpeg->err;
    s->handlers.format_message(jpeg, s->message);
    longjmp(s->back, 1);
}

/* Ignores warnings, except for missing data. */
static void on_message(j_common_ptr jpeg, int level)
{
    jpeg_source *s = (jpeg_source *)jpeg->err;
    int code = s->handlers.msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER))
        s->cut = true;
}

static void no_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* Converts CMYK; inverted: as Adobe's programs write it. */
static void from_cmyk(const uint8_t *row, size_t n, bool inverted, uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            unsigned ink = row[4 * i + (size_t)k], black = row[4 * i + 3];
            unsigned light = inverted ? ink * black : (255 - ink) * (255 - black);
            out[3 * i + (size_t)k] = (uint8_t)((light + 127) / 255);
        }
}

static sib_code read_rows(jpeg_source *s, image *to, sib_error *err)
{
    bool cmyk = s->jpeg.out_color_space == JCS_CMYK;
    while (s->jpeg.output_scanline < s->jpeg.output_height) {
        uint8_t *line = to->rgb + (size_t)s->jpeg.output_scanline * to->width * 3;
        JSAMPROW row = cmyk ? s->row : line;
        if (jpeg_read_scanlines(&s->jpeg, &row, 1) != 1)
            return err_set(err, SIB_ERR_FORMAT, "JPEG: a row is missing");
        if (cmyk)
            from_cmyk(s->row, to->width, s->jpeg.saw_Adobe_marker, line);
        if (s->cut)
            return err_set(err, SIB_ERR_FORMAT, "JPEG: the file ends or breaks off in row %u of %zu",
                           s->jpeg.output_scanline, to->height);
    }
    return SIB_OK;
}

/* Everything that the library may leave by longjmp: owns no memory outside *s and *to. */
static sib_code read_all(jpeg_source *s, image_file from, image *to, sib_error *err)
{
    if (setjmp(s->back))
        return err_set(err, SIB_ERR_FORMAT, "JPEG: %s", s->message);
    jpeg_create_decompress(&s->jpeg);
    jpeg_mem_src(&s->jpeg, from.data, (unsigned long)from.size);
    jpeg_read_header(&s->jpeg, TRUE);
    bool cmyk = s->jpeg.jpeg_color_space == JCS_CMYK || s->jpeg.jpeg_color_space == JCS_YCCK;
    s->jpeg.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    sib_code code = image_begin(to, s->jpeg.image_width, s->jpeg.image_height, err);
    if (code == SIB_OK && cmyk && !(s->row = mem_alloc(to->width, 4)))
        code = err_memory(err, to->width * 4, "a row of an image");
    if (code != SIB_OK)
        return code;
    jpeg_start_decompress(&s->jpeg);
    code = read_rows(s, to, err);
    if (code == SIB_OK)
        jpeg_finish_decompress(&s->jpeg);
    return code;
}

sib_code image_read_jpeg(image_file from, image *to, sib_error *err)
{
    jpeg_source s = {.cut = false};
    s.jpeg.err = jpeg_std_error(&s.handlers);
    s.handlers.error_exit = on_error;
    s.handlers.emit_message = on_message;
    s.handlers.output_message = no_output;
    sib_code code = read_all(&s, from, to, err);
    jpeg_destroy_decompress(&s.jpeg);
    mem_free(s.row);
    return code;
}
