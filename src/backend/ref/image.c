/* ONNX ImageDecoder-20: decodes a file's bytes to [height, width, channels]. */
#include "backend/ref/image.h"
#include "backend/ref/kernel.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

typedef struct image_format {
    const char *magic;
    size_t at, n; /* offset and length */
    sib_code (*read)(image_file from, image *to, sib_error *err);
} image_format;

#if defined(SIBYL_BARE) /* without the libraries of images */
static sib_code no_reader(image_file from, image *to, sib_error *err)
{
    (void)from;
    (void)to;
    return err_set(err, SIB_ERR_UNSUPPORTED, "this build reads BMP, PBM, PGM and PPM files alone");
}
#define image_read_png      no_reader
#define image_read_jpeg     no_reader
#define image_read_webp     no_reader
#define image_read_tiff     no_reader
#define image_read_jpeg2000 no_reader
#endif

static const image_format formats[] = {
    {"\x89PNG\r\n\x1a\n", 0, 8, image_read_png},
    {"\xff\xd8\xff", 0, 3, image_read_jpeg},
    {"WEBP", 8, 4, image_read_webp},
    {"II*\0", 0, 4, image_read_tiff},
    {"MM\0*", 0, 4, image_read_tiff},
    {"II+\0", 0, 4, image_read_tiff},
    {"MM\0+", 0, 4, image_read_tiff},
    {"\0\0\0\x0cjP  \r\n\x87\n", 0, 12, image_read_jpeg2000},
    {"\xff\x4f\xff\x51", 0, 4, image_read_jpeg2000},
    {"BM", 0, 2, image_read_bmp},
    {"P1", 0, 2, image_read_pnm},
    {"P2", 0, 2, image_read_pnm},
    {"P3", 0, 2, image_read_pnm},
    {"P4", 0, 2, image_read_pnm},
    {"P5", 0, 2, image_read_pnm},
    {"P6", 0, 2, image_read_pnm},
};

static const image_format *format_of_file(image_file f)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (f.size >= formats[i].at + formats[i].n &&
            !memcmp(f.data + formats[i].at, formats[i].magic, formats[i].n))
            return &formats[i];
    return NULL;
}

sib_code ref_decode_image(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *out = NULL;
    image_spec spec = spec_image(c->node);
    sib_str format = spec.pixel_format;
    image_file file = {(const uint8_t *)x->data, (size_t)x->count};
    image img = {.file_bytes = file.size};
    sib_error err = SIB_ERROR_INIT;
    if (x->dtype != SIB_U8)
        return ref_fail(c, SIB_ERR_ARGUMENT, "the file's bytes are of %s, expected uint8",
                        sib_dtype_name(x->dtype));
    const image_format *kind = format_of_file(file);
    errno = 0;
    sib_code code =
        kind ? kind->read(file, &img, &err)
             : err_set(&err, SIB_ERR_FORMAT,
                       "the %zu bytes are not a BMP, JPEG, JPEG 2000, TIFF, PNG, WebP, PBM, PGM or PPM file",
                       file.size);
    /* Where memory fails, the libraries report a damaged image or return less of it; errno shows the
       cause. */
    if (errno == ENOMEM && code != SIB_ERR_MEMORY) {
        err = (sib_error)SIB_ERROR_INIT;
        code = err_memory(&err, file.size, "reading an image");
    }
    if (code == SIB_ERR_FORMAT && spec.empty) {
        img.width = img.height = 0;
        code = SIB_OK;
    }
    if (code != SIB_OK)
        code = ref_fail(c, code, "%s", err.message);
    if (code == SIB_OK)
        code = ref_make(
            c, 0, SIB_U8, 3,
            (int64_t[]){(int64_t)img.height, (int64_t)img.width, str_is(format, "Grayscale") ? 1 : 3}, &out);
    if (code == SIB_OK && out)
        image_put(&img, format, (uint8_t *)out->data);
    mem_free(img.rgb);
    return code;
}
