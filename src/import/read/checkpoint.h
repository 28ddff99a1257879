/* Checkpoints: named weights as views of mapped files in any format, and the metadata in those files.
   A reader per format (`checkpoint_format`, rows in checkpoint_open.c) recognises its files by their bytes, never
   by their name. Everything that a reader takes from a file is checked before use; nothing in a file is ever
   executed.
   An open checkpoint is immutable: several threads may use it. */
#ifndef IMPORT_CHECKPOINT_H
#define IMPORT_CHECKPOINT_H

#include "import/read/weight_codes.h"
#include "import/read/weight_delta.h"
#include "tensor/blocks.h"

#include <sibyl/tensor.h>

/* The layout of elements: single (block 1), or in blocks of `block` elements and `bytes` bytes that include
   scales. Rows in weight_format.c. */
typedef struct weight_format {
    const char *name;      /* "float16", "q4_0" */
    sib_dtype dtype;       /* of formats with block 1, otherwise SIB_DTYPE_UNKNOWN */
    unsigned block, bytes; /* elements of a block and its size in the file */
    block_kind blocks;     /* N_BLOCK_KINDS with block 1 */
} weight_format;

typedef struct weight {
    sib_str name; /* as in the file */
    const weight_format *format;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];    /* outermost first, as PyTorch has them */
    bool strided;                  /* the elements have strides (block 1 only); otherwise row-major */
    int64_t strides[SIB_MAX_RANK]; /* in elements, never negative; elements never reach beyond `size` */
    const uint8_t *data;           /* (size) in the mapped file */
    uint64_t size, offset;         /* bytes, and their offset in the file */
    size_t file;                   /* index of the file in the checkpoint */
    const weight_delta *delta;     /* what an adapter adds to it; NULL: nothing */
    const weight_codes
        *codes; /* how it is made of several parts, of which `size` is the sum; `data` is then NULL */
} weight;

/* Metadata in the files: hyperparameters, tables of a tokenizer. A list has n items of one kind. Other lists
   become one fact per index ("alignment_heads.0"), nulls are left out, and where two files have a key the
   first one's fact is kept. */
typedef enum fact_kind { FACT_INT, FACT_FLOAT, FACT_BOOL, FACT_STRING } fact_kind;
typedef struct fact {
    sib_str key; /* "n_head", "rope_scaling.factor": nested keys are joined by dots */
    fact_kind kind;
    bool list;
    size_t n;
    union {
        const int64_t *ints;
        const double *floats;
        const bool *bools;
        const sib_str *strings; /* any bytes */
    };                          /* (n), one unless it is a list; owned by the checkpoint */
} fact;

typedef struct checkpoint checkpoint;

/* Opens a checkpoint: one file, several that belong together (shards, a config.json next to them), or one
   folder, of which folder.h selects the files. Names of weights and facts are UTF-8 without zero bytes, and
   end with a NUL here. Two weights with one name are refused. Nested dicts of PyTorch files give names with
   dots, except that a dict "model_state_dict", "state_dict" or "model" without tensors next to it gives its
   weights their own names. whisper.cpp's numbers are facts by their names there ("n_audio_state"),
   "mel_filters" (with ".n_mel" and ".n_fft") and "vocab"; its biases of convolutions have dims (n, 1). GGUF's
   keys are facts. Files stay mapped and must not change. out: checkpoint_free(&c).
   Errors: SIB_ERR_IO, SIB_ERR_FORMAT (with the byte offset and the name of what is wrong; also where no file
   has weights), SIB_ERR_SIZE, SIB_ERR_UNSUPPORTED (an unknown format or element type, by name),
   SIB_ERR_MEMORY. */
sib_code checkpoint_open(const char *const *paths, size_t n, checkpoint **out, sib_error *err);
void checkpoint_free(checkpoint **pointer);

/* "safetensors", "pytorch", "whisper.cpp", "rwkv.cpp" or "gguf", of the first file with weights. */
const char *checkpoint_format_name(const checkpoint *c);
/* The file's path, for messages. NULL where i is out of range. */
const char *checkpoint_file(const checkpoint *c, size_t i);

/* Weights in the order of the files. NULL where i is out of range, and for an unknown name. */
const weight *checkpoint_weight(const checkpoint *c, size_t i);
size_t checkpoint_weights(const checkpoint *c);
const weight *checkpoint_find(const checkpoint *c, const char *name);

/* Facts by key. NULL where there is none. */
const fact *checkpoint_fact(const checkpoint *c, const char *key);
const fact *checkpoint_fact_at(const checkpoint *c, size_t i);
/* The number under `key`, or `otherwise` where there is none or it is of another kind. */
int64_t checkpoint_int(const checkpoint *c, const char *key, int64_t otherwise);
double checkpoint_float(const checkpoint *c, const char *key, double otherwise);

/* Elements of a weight. Returns false where their number overflows. */
bool weight_count(const weight *w, uint64_t *out);
/* Elements [first, first + n) in row-major order as `to`, converted as sib_convert does with
   SIB_OVERFLOW_IEEE: rounded to nearest even, values out of range to infinity. first: any; blocks are decoded
   as needed. to: a type of at least 8 bits, not strings. out: (n). Errors: SIB_ERR_ARGUMENT (out of range,
   another type). */
sib_code weight_read(const weight *w, uint64_t first, size_t n, sib_dtype to, void *out, sib_error *err);
/* A tensor view of the elements in the mapped file (block 1, dense), aligned or not. It keeps the mapping
   alive and may outlive the checkpoint. Errors: SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY. */
sib_code weight_view(const checkpoint *c, const weight *w, sib_tensor **out, sib_error *err);

#endif
