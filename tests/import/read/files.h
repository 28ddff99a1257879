/* Checkpoints made by hand, so that tests show the content of a file, and seeds for mutations. */
#ifndef TESTS_IMPORT_FILES_H
#define TESTS_IMPORT_FILES_H

#include "import/read/reader.h"
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

/* A tensor in the form of whisper.cpp and rwkv.cpp. dims: (rank), outermost first. */
void file_ggml_tensor(bytes *b, const char *name, uint32_t type, size_t rank, const int64_t *dims,
                      const void *data, size_t n);
/* The file up to the first tensor: whisper.cpp with 2 x 3 filters and three tokens, rwkv.cpp. */
bytes file_whisper(int32_t ftype);
bytes file_rwkv(int32_t version);

/* Parts of GGUF: the head, keys, descriptions of tensors. */
bytes file_gguf(uint32_t version, uint64_t n_tensors, uint64_t n_keys);
void file_gguf_text(bytes *b, const char *text);
void file_gguf_key(bytes *b, const char *key, uint32_t type);
void file_gguf_array(bytes *b, const char *key, uint32_t type, uint64_t n);
void file_gguf_tensor(bytes *b, const char *name, uint32_t type, size_t rank, const int64_t *dims,
                      uint64_t offset);
void file_pad(bytes *b, size_t alignment);

/* A file of each supported format, with several weights and facts. n: 0, 1, ...; data is NULL at the end. */
bytes file_sample(size_t n, const char **name);

/* Writes a file. The path is valid for the next 16 calls. */
const char *file_save(const char *folder, const char *name, bytes b);

/* Opens bytes, which are freed. */
sib_code file_open(bytes b, checkpoint **out, sib_error *err);
/* Fails unless the bytes, which are freed, are refused with these words. */
void file_refused(bytes b, sib_code code, const char *words);

/* Compares all elements, as doubles, with n values for equality. */
void file_check_weight(const checkpoint *c, const char *name, size_t rank, const int64_t *dims,
                       const double *values);

/* Opens the first n bytes of sample k for every n from `begin` on: each is rejected as malformed or, if
   `may_end` is set (a format without a count of its tensors), is a file of fewer tensors. */
void file_check_cut(size_t k, size_t begin, bool may_end);
/* Opens the bytes repeatedly, with a later allocation failing each time, until it succeeds: each failure is
   SIB_ERR_MEMORY and frees all memory. */
void file_check_memory(bytes b);

#endif
