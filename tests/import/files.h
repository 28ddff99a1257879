/* Checkpoints made by hand, so that tests say what a file holds, and seeds for what changes files by chance. */
#ifndef TESTS_IMPORT_FILES_H
#define TESTS_IMPORT_FILES_H

#include "import/reader.h"
#include "onnx/bytes.h"

static inline void f_u8(bytes *b, unsigned v)
{
    uint8_t byte = (uint8_t)v;
    b_append(b, &byte, 1);
}

static inline void f_u16(bytes *b, unsigned v)
{
    uint16_t x = (uint16_t)v;
    b_append(b, &x, 2);
}

static inline void f_u32(bytes *b, uint32_t v)
{
    b_append(b, &v, 4);
}

static inline void f_u64(bytes *b, uint64_t v)
{
    b_append(b, &v, 8);
}

static inline void f_text(bytes *b, const char *text)
{
    b_append(b, text, strlen(text));
}

static inline void f_zeros(bytes *b, size_t n)
{
    while (n--)
        f_u8(b, 0);
}

/* A safetensors file of a header and n bytes of elements. */
bytes file_safetensors(const char *header, const void *data, size_t n);

/* Writes a file; its path stays for 16 calls. */
const char *file_save(const char *folder, const char *name, bytes b);

/* Opens bytes, which are freed. */
sib_code file_open(bytes b, checkpoint **out, sib_error *err);

/* All elements as doubles, compared with n values that must be the same. */
void file_check_weight(const checkpoint *c, const char *name, size_t rank, const int64_t *dims,
                       const double *values);

/* Opens the bytes again and again, a further allocation failing each time, until it succeeds: always SIB_ERR_MEMORY, and
   all memory given back. */
void file_check_memory(bytes b);

#endif
