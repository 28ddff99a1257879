/* NumPy's .npy format, for files and for members of archives. Source: "NEP 1: A Simple File Format for
   NumPy Arrays", versions 1.0 to 3.0 of numpy.lib.format. */
#ifndef TENSOR_NPY_H
#define TENSOR_NPY_H

#include <sibyl/tensor.h>

/* ---- The header ----------------------------------------------------------------------------------- */

/* Magic, version and length (2 bytes in version 1, 4 in later ones) precede the header's text. */
#define NPY_MAGIC       "\x93NUMPY"
#define NPY_MAGIC_BYTES 6
#define NPY_PREFIX_MAX  12

/* Max bytes of text that are read: far above what 16 dims take. */
#define NPY_TEXT_LIMIT (1 << 20)

/* Max bytes of headers written: in version 1.0, whose 16-bit length always suffices. */
#define NPY_HEADER_MAX 576

typedef enum npy_layout {
    NPY_NUMBERS, /* as in memory, except that packed elements take a byte each */
    NPY_UTF32,   /* strings of item / 4 characters, zero-padded */
    NPY_BYTES    /* strings of item bytes, zero-padded */
} npy_layout;

typedef struct npy_header {
    sib_dtype dtype;
    npy_layout layout;
    size_t item; /* bytes of one element in the file */
    bool swapped, fortran;
    bool opaque; /* 'V': bytes of a type that NumPy does not know */
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* (rank) */
} npy_header;

/* Parses the text (n bytes) of a header; `offset` is its position in the file `name`, for messages.
   Errors: SIB_ERR_FORMAT with the offset, SIB_ERR_UNSUPPORTED. */
sib_code npy_parse(const char *text, size_t n, uint64_t offset, const char *name, npy_header *out,
                   sib_error *err);

/* Writes magic, version, length and text for a C-order array in native byte order. item: as in npy_header,
   for strings. Returns the bytes written, a multiple of 64. */
size_t npy_format(sib_dtype dtype, size_t item, size_t rank, const int64_t *dims, char out[NPY_HEADER_MAX]);

/* ---- Arrays --------------------------------------------------------------------------------------- */

/* A source of arrays. */
typedef struct npy_input {
    /* Reads n bytes, fewer only at the end. */
    sib_code (*read)(struct npy_input *in, void *dst, size_t n, size_t *got, sib_error *err);
    void *source;
    const char *name;      /* for messages */
    uint64_t size, offset; /* total bytes, UINT64_MAX where unknown; bytes read so far */
    uint64_t max_bytes;    /* of memory for the elements; 0: any */
} npy_input;

/* Reads one array and nothing beyond it. Errors: as sib_npy_load_bytes. */
sib_code npy_read(npy_input *in, sib_tensor **out, sib_error *err);

/* An array in the format of a file. */
typedef struct npy_image {
    char header[NPY_HEADER_MAX];
    size_t header_bytes, data_bytes;
    const void *data;
    void *owned; /* memory of data, NULL where that belongs to the tensor */
} npy_image;

/* t must outlive the image. name: for messages. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE, SIB_ERR_VALUE. */
sib_code npy_image_make(const sib_tensor *t, const char *name, npy_image *out, sib_error *err);
void npy_image_free(npy_image *image);

#endif
