/* Decodes images of several formats to RGB: one reader per format; image.c detects the format. */
#ifndef REF_IMAGE_H
#define REF_IMAGE_H

#include <sibyl/tensor.h>

/* Max pixels of an image, whatever a damaged or hostile header claims. */
#define IMAGE_MAX_PIXELS (INT64_C(1) << 26)
/* Max bytes of the pixels: a base for any file, plus some for each of its bytes. A black and white page at
   600 dots per inch has about 1,000 bytes of RGB per byte of its PNG; a hostile file 24,000. */
#define IMAGE_BYTES          (UINT64_C(48) << 20)
#define IMAGE_BYTES_PER_BYTE 2048

typedef struct image {
    size_t file_bytes; /* of the file */
    size_t width, height;
    uint8_t *rgb; /* (height, width, 3), from mem_alloc; NULL until image_begin */
} image;

typedef struct image_file {
    const uint8_t *data;
    size_t size;
} image_file;

/* Allocates width * height cleared pixels; to->file_bytes must be set. Errors: SIB_ERR_FORMAT (no pixels),
   SIB_ERR_SIZE (too many, or too many for a file of that size), SIB_ERR_MEMORY. */
sib_code image_begin(image *to, uint64_t width, uint64_t height, sib_error *err);

/* Writes the pixels in `format`: "RGB", "BGR" or "Grayscale". out: (height, width, 3, or 1 for grey). */
void image_put(const image *from, sib_str format, uint8_t *out);

/* Readers fill *to, whose memory the caller frees even after a failure. Errors: SIB_ERR_FORMAT for damaged
   files, SIB_ERR_UNSUPPORTED, SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code image_read_bmp(image_file from, image *to, sib_error *err);
sib_code image_read_pnm(image_file from, image *to, sib_error *err);
sib_code image_read_png(image_file from, image *to, sib_error *err);
sib_code image_read_jpeg(image_file from, image *to, sib_error *err);
sib_code image_read_webp(image_file from, image *to, sib_error *err);
sib_code image_read_tiff(image_file from, image *to, sib_error *err);
sib_code image_read_jpeg2000(image_file from, image *to, sib_error *err);

#endif
