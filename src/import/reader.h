/* What the readers of checkpoints share: one file while it is read, and what they add of it.

   A reader gives each weight and fact to ckpt_weight and ckpt_fact, which check all that any format promises: names,
   dims, sizes, and that bytes stand inside of the file. A reader checks what its own format promises beyond that. */
#ifndef IMPORT_READER_H
#define IMPORT_READER_H

#include "base/error.h"
#include "base/mapping.h"
#include "base/names.h"
#include "base/str.h"
#include "graph/arena.h"
#include "import/checkpoint.h"

#include <string.h>

typedef struct checkpoint_source {
    char *path;
    mapping *map;
} checkpoint_source;

struct checkpoint {
    const char *format; /* of the first file with weights, or NULL */
    graph_arena *arena; /* names and facts */
    checkpoint_source *files;
    size_t n_files;
    weight *weights;
    size_t n_weights, weights_capacity;
    fact *facts;
    size_t n_facts, facts_capacity;
    name_map weight_names, fact_names; /* to indices */
    size_t name_bytes;                 /* of all names and keys */
};

/* The same as checkpoint_open for a file's bytes, which are copied. label: its path in messages. */
sib_code checkpoint_open_bytes(const char *label, const void *data, size_t n, checkpoint **out,
                               sib_error *err);

typedef struct ckpt_file {
    checkpoint *c;
    const char *path; /* for messages */
    byte_span bytes;
    size_t file;                     /* its number */
    size_t first_weight, first_fact; /* of this file */
    sib_error *err;
} ckpt_file;

/* A format: whether a file's bytes are of it, and its reader. */
typedef struct checkpoint_format {
    const char *name;
    bool (*recognises)(byte_span bytes);
    sib_code (*read)(ckpt_file *s);
    bool weights; /* a file of it may hold weights */
} checkpoint_format;

/* What a name or key may have at most. Longer ones stand in no file that is right, and keys of nested objects are put
   together, so that a small file could ask for much memory. */
#define READER_MOST_NAME 4096
/* Objects in objects. */
#define READER_MOST_NESTED 32
/* Bytes of all names and keys of a checkpoint. */
#define READER_MOST_NAMES (256u << 20)

#define READER_STR(s) (int)((s).length < 100 ? (s).length : 100), (s).data ? (s).data : ""

/* A failure at byte `at` of the file, or at none (SIB_NO_OFFSET): the path and a sentence. */
sib_code ckpt_fail(ckpt_file *s, sib_code code, uint64_t at, const char *format, ...) ERR_PRINTF(4, 5);

/* The next n bytes, or a number, at *at, which moves on. what: for the sentence where the file ends before.
   Numbers stand in little-endian order. */
sib_code ckpt_take(ckpt_file *s, uint64_t *at, uint64_t n, const char *what, byte_span *out);
sib_code ckpt_u32(ckpt_file *s, uint64_t *at, const char *what, uint32_t *out);
sib_code ckpt_i32(ckpt_file *s, uint64_t *at, const char *what, int32_t *out);
sib_code ckpt_u64(ckpt_file *s, uint64_t *at, const char *what, uint64_t *out);

/* Adds a weight, with dims as PyTorch has them. strides: (rank) in elements, or NULL for dense ones. size: what the
   elements must take is compared with it. at: where the file tells of it, for messages. */
sib_code ckpt_weight(ckpt_file *s, sib_str name, const weight_format *format, size_t rank,
                     const int64_t *dims, const int64_t *strides, uint64_t offset, uint64_t size,
                     uint64_t at);
/* Checks that no two weights of this file share bytes, and with `gapless` that they fill [begin, end of the file). */
sib_code ckpt_check_ranges(ckpt_file *s, uint64_t begin, bool gapless);

/* Adds a fact with room for n items: *items is of its kind, (n), cleared, to be filled at once. Where an earlier file has
   the key its fact stays, and the room is for nothing. A key twice in one file is refused. */
sib_code ckpt_fact(ckpt_file *s, sib_str key, fact_kind kind, bool list, size_t n, uint64_t at, void **items);
/* A fact of one whole number. */
sib_code ckpt_fact_int(ckpt_file *s, sib_str key, int64_t value, uint64_t at);
/* A copy of a string that stands no longer than the reader runs. */
sib_code ckpt_keep(ckpt_file *s, sib_str text, sib_str *out);

static inline sib_str str_of_span(byte_span s)
{
    return (sib_str){(const char *)s.data, s.size};
}

/* ---- Rows of weight_format.c ------------------------------------------------------------------------ */

/* NULL where there is none. */
const weight_format *weight_format_of(sib_dtype dtype);
const weight_format *weight_format_named(const char *name);
/* Bytes of elements with these dims; false where they overflow or do not divide into blocks. */
bool weight_format_bytes(const weight_format *f, size_t rank, const int64_t *dims, uint64_t *bytes);
/* The row of an element type by ggml's number. NULL where Sibyl has none: *name then is ggml's for it, "a type without
   name" for a number that is not known. */
const weight_format *weight_format_of_ggml(uint32_t number, const char **name);

/* ---- Readers -------------------------------------------------------------------------------------- */

extern const checkpoint_format format_safetensors, format_pytorch, format_whisper, format_rwkv, format_gguf,
    format_json;

#endif
