/* Images in files of several formats, as RGB: one reader per format; image.c finds out which. */
#ifndef REF_IMAGE_H
#define REF_IMAGE_H

#include <sibyl/tensor.h>

/* Max pixels of an image: what a damaged or hostile header may make a reader ask for. */
#define IMAGE_MAX_PIXELS (INT64_C(1) << 26)
/* Max bytes of its pixels: so many for any file, and for each byte of it. A page of black and white at 600 dots per inch
   has some 1,000 bytes as RGB per byte of its PNG; a file made to harm 24,000. */
#define IMAGE_BYTES          (UINT64_C(48) << 20)
#define IMAGE_BYTES_PER_BYTE 2048

typedef struct image {
    size_t file_bytes; /* of the file that it is read from */
    size_t width, height;
    uint8_t *rgb; /* (height, width, 3), from mem_alloc; NULL until image_begin */
} image;

/* The bytes of a file. */
typedef struct image_file {
    const uint8_t *data;
    size_t size;
} image_file;

/* Room for width * height pixels, cleared; to->file_bytes is set. Errors: SIB_ERR_FORMAT (no pixels), SIB_ERR_SIZE (too
   many, by themselves or for a file of that size), SIB_ERR_MEMORY. */
sib_code image_begin(image *to, uint64_t width, uint64_t height, sib_error *err);

/* The pixels as `format` has them: "RGB", "BGR" or "Grayscale". out: (height, width, 3, or 1 for grey). */
void image_put(const image *from, sib_str format, uint8_t *out);

/* Readers: fill *to, whose memory the caller frees, also after a failure. Errors: SIB_ERR_FORMAT for what is damaged,
   SIB_ERR_UNSUPPORTED, SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code image_read_bmp(image_file from, image *to, sib_error *err);
sib_code image_read_pnm(image_file from, image *to, sib_error *err);
sib_code image_read_png(image_file from, image *to, sib_error *err);
sib_code image_read_jpeg(image_file from, image *to, sib_error *err);
sib_code image_read_webp(image_file from, image *to, sib_error *err);
sib_code image_read_tiff(image_file from, image *to, sib_error *err);
sib_code image_read_jpeg2000(image_file from, image *to, sib_error *err);

#endif
