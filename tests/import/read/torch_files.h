/* PyTorch's files by hand: pickles opcode by opcode, zip archives entry by entry. */
#ifndef TESTS_IMPORT_TORCH_FILES_H
#define TESTS_IMPORT_TORCH_FILES_H

#include "files.h"

/* ---- Pickles: each function appends the opcodes that push one value ----------------------------------- */

static inline void k_begin(bytes *b)
{
    b_append(b, "\x80\x02", 2);
}

static inline void k_text(bytes *b, const char *text)
{
    f_u8(b, 'X');
    f_u32(b, (uint32_t)strlen(text));
    f_text(b, text);
}

static inline void k_int(bytes *b, int32_t v)
{
    f_u8(b, 'J');
    f_u32(b, (uint32_t)v);
}

static inline void k_float(bytes *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    f_u8(b, 'G');
    for (int i = 7; i >= 0; i--)
        f_u8(b, (unsigned)(bits >> (8 * i)) & 255);
}

static inline void k_global(bytes *b, const char *module, const char *name)
{
    f_u8(b, 'c');
    f_text(b, module);
    f_u8(b, '\n');
    f_text(b, name);
    f_u8(b, '\n');
}

void k_ints(bytes *b, size_t n, const int64_t *v);

typedef struct torch_tensor {
    const char *storage_type; /* such as "FloatStorage" */
    const char *key;
    int64_t numel;
    int64_t offset;
    size_t rank;
    const int64_t *dims, *strides;
    bool view; /* sixth item of a persistent id in the legacy format, None */
} torch_tensor;

void k_storage(bytes *b, const torch_tensor *t);
void k_tensor(bytes *b, const torch_tensor *t);

/* ---- Archives -------------------------------------------------------------------------------------- */

/* False values in the directory or in the local header of an entry. All zero: the true ones. */
typedef struct zip_lie {
    unsigned method, flags;
    uint64_t size, packed; /* in the directory, or 0 */
    uint64_t local_size;
    uint64_t header; /* false offset of the entry, or 0 */
    const char *local_name;
    bool wide; /* sizes and offset are in the 64-bit extra fields */
} zip_lie;

typedef struct zip_writer {
    bytes out, directory;
    unsigned n;
    uint64_t hole; /* bytes of zeros that the file has before the next entry, and `out` does not */
} zip_writer;

void zip_add(zip_writer *z, const char *name, const void *data, size_t n, const zip_lie *lie);
/* Ends the archive, with a 64-bit end record if `wide`. */
bytes zip_end(zip_writer *z, bool wide);

/* An archive of a pickle, which is freed, and the storages "0" (six floats) and "1" (four halves). */
bytes torch_archive(bytes pickle);
/* A legacy file of an object and the same storages, with their names. */
bytes torch_legacy(bytes object);
/* {"a": 2 x 3 floats, "t": its transpose, "h": a Parameter of halves, "n": 3, "s": "text", "d": {"x":
   0.5}}. */
bytes torch_sample_pickle(bool legacy);
/* Protocol 4, with types the other lacks: an OrderedDict of the pairs {"a": six floats of an untyped storage,
   "dev": a device, "size": (4, 5), "long": -2, "big": 2^78, "bytes": "xy", "flags": (True, False), "mixed":
   [1, "b"], "none": None}. */
bytes torch_sample_pickle_4(void);

#endif
