/* Checkpoints made models: weights of other programs, and the graph that their names ask for, as ONNX. */
#ifndef SIBYL_IMPORT_H
#define SIBYL_IMPORT_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0 and NULL take the default in brackets. */
typedef struct sib_import_options {
    const char *recipe; /* name of a recipe [the first that recognises the checkpoint] */
    sib_dtype
        dtype; /* of the matrices of products and embeddings: SIB_F32, SIB_F16, SIB_BF16 or SIB_I8, which is with
                           a scale for each output channel [SIB_F32] */
    int opset; /* of ai.onnx, 20 to 23 [23]: before 23 there is no Attention, RMSNormalization and RotaryEmbedding,
                           and what they do is written in smaller operators, for runtimes that know no more */
    const char
        *tokenizer; /* file to keep beside the model [the checkpoint's own, or a tokenizer.json beside it] */
    bool check;     /* statistics of every weight; NaN and infinities are refused */
    /* Told how much of the work is done, 0 to 1, and on what; from the calling thread. NULL: nobody is told. */
    void (*tell)(void *context, double part, const char *what);
    void *context;
    const sib_cancel *cancel; /* NULL: none */
} sib_import_options;

typedef struct sib_import_report sib_import_report;

/* Reads a checkpoint and writes a model. paths (n): one file, several that belong together, or a folder, in any format
   that Sibyl reads (safetensors, PyTorch, whisper.cpp, rwkv.cpp, GGUF). out: the .onnx; its weights stand beside it in a
   file of that name with ".data" behind, its tokenizer, where there is one, in one with its kind behind ("model.tiktoken",
   "model.tokenizer.json"). They appear whole or not at all, and hold no path. NULL: nothing is written.
   What the model takes and gives is told by the recipe (`sibyl help import`); its name and the numbers of the model's
   shape stand in the model's metadata ("sibyl.recipe", "n_layer", ...).
   options: may be NULL. report: may be NULL; what there is is given where the call fails too; owned by the caller,
   sib_import_report_free(&r). Memory beside the mapped files is less than 1.2 times the largest weight and 64 MiB.
   Errors: those of opening; SIB_ERR_ARGUMENT (no recipe of that name, dtype); SIB_ERR_UNSUPPORTED (no recipe recognises
   it, or it asks for what the recipe does not have); SIB_ERR_FORMAT (missing and unexpected weights, wrong shapes: the
   report has all of them); SIB_ERR_VALUE (check); SIB_ERR_IO, SIB_ERR_CANCELLED, SIB_ERR_MEMORY. */
SIB_API sib_code sib_import(const char *const *paths, size_t n, const char *out,
                            const sib_import_options *options, sib_import_report **report, sib_error *err);

/* Recipes by number: name and what it builds. NULL outside. */
SIB_API const char *sib_recipe_name(size_t i, const char **meaning);

/* ---- Reports ---------------------------------------------------------------------------------------- */

/* Strings live as long as the report. Calls with an index return false outside. */
typedef struct sib_import_totals {
    const char *format, *recipe;        /* "pytorch", "whisper"; NULL before it was found */
    const char *tokenizer;              /* kind of the tokenizer beside it, or NULL */
    size_t n_weights, n_problems;       /* of the checkpoint; its problems */
    uint64_t parameters;                /* elements of all weights */
    uint64_t bytes_read, bytes_written; /* of weights in the checkpoint, and of those in the model */
} sib_import_totals;
SIB_API void sib_import_report_totals(const sib_import_report *r, sib_import_totals *out);

typedef struct sib_import_weight {
    const char *name, *format; /* "float16", "q4_0" */
    size_t rank;
    const int64_t *dims; /* (rank) */
    uint64_t bytes;      /* in the checkpoint */
    bool used, checked;  /* by the model; statistics are there */
    sib_stats stats;
} sib_import_weight;
SIB_API bool sib_import_report_weight(const sib_import_report *r, size_t i, sib_import_weight *out);

typedef enum sib_import_fault {
    SIB_IMPORT_MISSING,    /* the recipe asks for it, and it is not there */
    SIB_IMPORT_UNEXPECTED, /* it is there, and the recipe does not know it */
    SIB_IMPORT_SHAPE,      /* its shape is not what the others ask for */
    SIB_IMPORT_NAN,        /* check: it holds NaN */
    SIB_IMPORT_INF,        /* check: it holds infinities */
    SIB_IMPORT_ZERO        /* check: nothing but zeros, which is told and not refused */
} sib_import_fault;
typedef struct sib_import_problem {
    sib_import_fault fault;
    const char *name, *text; /* the weight, and a sentence */
} sib_import_problem;
SIB_API bool sib_import_report_problem(const sib_import_report *r, size_t i, sib_import_problem *out);
/* "missing", "unexpected", "shape", "nan", "inf", "zero". */
SIB_API const char *sib_import_fault_name(sib_import_fault fault);

/* Clears the pointer; NULL and a pointer to NULL are allowed. */
SIB_API void sib_import_report_free(sib_import_report **r);

#ifdef __cplusplus
}
#endif
#endif
