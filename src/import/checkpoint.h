/* Checkpoints: named weights as views of mapped files, whatever the format, and what the files say beside them.

   A reader per format (`checkpoint_format`, rows in checkpoint.c) recognises its files by their bytes, never by their
   name. Everything a reader takes from a file is checked before use; nothing in a file is ever executed.
   Once it is open a checkpoint is only read: several threads may use it. */
#ifndef IMPORT_CHECKPOINT_H
#define IMPORT_CHECKPOINT_H

#include <sibyl/tensor.h>

/* How elements stand: one by one (block 1), or in blocks of `block` elements and `bytes` bytes with scales of their own.
   Rows in weight_format.c. */
typedef struct weight_format {
    const char *name;      /* "float16", "q4_0" */
    sib_dtype dtype;       /* of formats with block 1, else SIB_DTYPE_UNKNOWN */
    unsigned block, bytes; /* elements of a block and its size in the file */
    void (*decode)(const uint8_t *blocks, size_t n, float *out); /* n blocks; NULL with block 1 */
} weight_format;

typedef struct weight {
    sib_str name; /* as in the file */
    const weight_format *format;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];    /* outermost first, as PyTorch has them */
    bool strided;                  /* elements stand apart (block 1 alone), else row-major */
    int64_t strides[SIB_MAX_RANK]; /* in elements, never negative, and never beyond `size` */
    const uint8_t *data;           /* (size) in the mapped file */
    uint64_t size, offset;         /* bytes, and where they stand in their file */
    size_t file;                   /* which file of the checkpoint */
} weight;

/* What a file says beside its weights: hyperparameters, tables of a tokenizer. Lists have n items of one kind. Other lists
   are taken apart by index ("alignment_heads.0"), nulls are left out, and where two files have a key the first one's stays. */
typedef enum fact_kind { FACT_INT, FACT_FLOAT, FACT_BOOL, FACT_STRING } fact_kind;
typedef struct fact {
    sib_str key; /* "n_head", "general.architecture", "rope_scaling.factor": nested objects with dots */
    fact_kind kind;
    bool list;
    size_t n;
    union {
        const int64_t *ints;
        const double *floats;
        const bool *bools;
        const sib_str *strings; /* any bytes */
    };                          /* (n), one for what is no list; owned by the checkpoint */
} fact;

typedef struct checkpoint checkpoint;

/* Opens a checkpoint: one file, several that belong together (shards, a config.json beside them), or one folder, of which
   it takes what folder.h says. Names of weights and facts are UTF-8 without zero bytes, and end with one here. Two
   weights of one name are refused. In PyTorch's files nested dicts give names with dots, but a dict "model_state_dict",
   "state_dict" or "model" beside no tensors gives its weights their own names. whisper.cpp's numbers are facts by their names
   there ("n_audio_state"), "mel_filters" (with ".n_mel" and ".n_fft") and "vocab"; its biases of convolutions have dims
   (n, 1). GGUF's keys are facts. Files stay mapped and must not change. out: checkpoint_free(&c).
   Errors: SIB_ERR_IO, SIB_ERR_FORMAT (with the byte offset, and the name of what is wrong; also where no file has weights),
   SIB_ERR_SIZE, SIB_ERR_UNSUPPORTED (a format or element type that is not known, by name), SIB_ERR_MEMORY. */
sib_code checkpoint_open(const char *const *paths, size_t n, checkpoint **out, sib_error *err);
void checkpoint_free(checkpoint **c);

/* "safetensors", "pytorch", "whisper.cpp", "rwkv.cpp", "gguf": of the first file with weights. */
const char *checkpoint_format_name(const checkpoint *c);
/* The file's path, for messages. NULL outside. */
const char *checkpoint_file(const checkpoint *c, size_t i);

/* Weights in the order of the files. NULL outside, and where there is none of that name. */
const weight *checkpoint_weight(const checkpoint *c, size_t i);
size_t checkpoint_weights(const checkpoint *c);
const weight *checkpoint_find(const checkpoint *c, const char *name);

/* Facts by key. NULL where there is none. */
const fact *checkpoint_fact(const checkpoint *c, const char *key);
const fact *checkpoint_fact_at(const checkpoint *c, size_t i);
/* The number under `key`, or `otherwise` where there is none or it is of another kind. */
int64_t checkpoint_int(const checkpoint *c, const char *key, int64_t otherwise);
double checkpoint_float(const checkpoint *c, const char *key, double otherwise);

/* Elements of a weight. False where dims are too many. */
bool weight_count(const weight *w, uint64_t *out);
/* Elements [first, first + n) in row-major order as `to`, converted as sib_convert does with SIB_OVERFLOW_IEEE: rounded to
   nearest even, values beyond it to infinity. first: any; blocks are decoded as needed. to: a type of whole bytes, no
   strings. out: (n). Errors: SIB_ERR_ARGUMENT (outside, another type). */
sib_code weight_read(const weight *w, uint64_t first, size_t n, sib_dtype to, void *out, sib_error *err);
/* A tensor over the elements where they stand (block 1, dense), aligned or not: keeps the mapping, may outlive the
   checkpoint. Errors: SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY. */
sib_code weight_view(const checkpoint *c, const weight *w, sib_tensor **out, sib_error *err);

#endif
