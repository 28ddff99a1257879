/* Shared by the readers of checkpoints: the file being read, and the functions that add its contents. A
   reader passes each weight and fact to ckpt_weight and ckpt_fact, which check what every format requires:
   names, dims, sizes, and that the bytes are in the file. A reader checks the other rules of its format. */
#ifndef IMPORT_READER_H
#define IMPORT_READER_H

#include "base/error.h"
#include "base/mapping.h"
#include "base/names.h"
#include "base/str.h"
#include "graph/arena.h"
#include "import/read/checkpoint.h"

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
    name_map weight_names, fact_names; /* name to index */
    size_t name_bytes;                 /* total of all names and keys */
    checkpoint *adapter;               /* that was merged into the weights, or NULL */
};

/* The same as checkpoint_open for a file's bytes, which are copied. label: its path in messages. */
sib_code checkpoint_open_bytes(const char *label, const void *data, size_t n, checkpoint **out,
                               sib_error *err);

/* Whether a file of these bytes is in a format that may hold weights. */
bool checkpoint_recognises(byte_span bytes);

typedef struct ckpt_file {
    checkpoint *c;
    const char *path; /* for messages */
    byte_span bytes;
    size_t file;                     /* index of the file in the checkpoint */
    size_t first_weight, first_fact; /* indices at which this file's begin */
    sib_error *err;
} ckpt_file;

/* A format: recognises a file by its bytes, and reads it. */
typedef struct checkpoint_format {
    const char *name;
    bool (*recognises)(byte_span bytes);
    sib_code (*read)(ckpt_file *s);
    bool weights; /* a file of it may hold weights */
} checkpoint_format;

/* Max bytes of a name or key. Valid files have no longer ones, and without a limit a small file with nested
   objects could cost much memory, since their keys are joined. */
#define READER_MAX_NAME 4096
/* Max nesting of objects. */
#define READER_MAX_NESTED 32
/* Max bytes of all names and keys of a checkpoint. */
#define READER_MAX_NAMES (256u << 20)

#define READER_STR(s) (int)((s).length < 100 ? (s).length : 100), (s).data ? (s).data : ""

/* An error at byte `at` of the file, or at none (SIB_NO_OFFSET): the path and a sentence. */
sib_code ckpt_fail(ckpt_file *s, sib_code code, uint64_t at, const char *format, ...) ERR_PRINTF(4, 5);
#if defined(SIBYL_ASSERTIONS)
#define ckpt_fail(...) err_failed(ckpt_fail(__VA_ARGS__))
#endif

/* Reads the next n bytes, or a little-endian number, at *at, and advances *at. what: for the message where
   the file ends before. */
sib_code ckpt_take(ckpt_file *s, uint64_t *at, uint64_t n, const char *what, byte_span *out);
sib_code ckpt_u32(ckpt_file *s, uint64_t *at, const char *what, uint32_t *out);
sib_code ckpt_i32(ckpt_file *s, uint64_t *at, const char *what, int32_t *out);
sib_code ckpt_u64(ckpt_file *s, uint64_t *at, const char *what, uint64_t *out);

/* Adds a weight, with dims in PyTorch's order. strides: (rank) in elements, or NULL for dense. size: checked
   against what the elements need. at: offset of its description, for messages. */
sib_code ckpt_weight(ckpt_file *s, sib_str name, const weight_format *format, size_t rank,
                     const int64_t *dims, const int64_t *strides, uint64_t offset, uint64_t size,
                     uint64_t at);
/* Checks that no two weights of this file share bytes, and with `gapless` that they fill [begin, end of the
   file). */
sib_code ckpt_check_ranges(ckpt_file *s, uint64_t begin, bool gapless);

/* Adds a fact with memory for n items: *items is the member for its kind, (n), zeroed, to be filled at once.
   Where an earlier file has the key its fact is kept, and the items are ignored. A duplicate key in one file
   is refused. */
sib_code ckpt_fact(ckpt_file *s, sib_str key, fact_kind kind, bool list, size_t n, uint64_t at, void **items);
/* A fact of one integer. */
sib_code ckpt_fact_int(ckpt_file *s, sib_str key, int64_t value, uint64_t at);
/* Copies a string that lives only as long as the reader runs. */
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
/* The row of an element type by ggml's number. NULL where Sibyl has none: *name is then ggml's name for it,
   or "a type without name" for an unknown number. */
const weight_format *weight_format_of_ggml(uint32_t number, const char **name);

/* ---- Readers -------------------------------------------------------------------------------------- */

extern const checkpoint_format format_safetensors, format_pytorch, format_whisper, format_rwkv, format_gguf,
    format_json;

#endif
