/* Imports checkpoints: weights of other programs become an ONNX model with the graph that their names
   imply. */
#ifndef SIBYL_IMPORT_H
#define SIBYL_IMPORT_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0 and NULL take the default in brackets. */
typedef struct sib_import_options {
    const char *recipe; /* name of a recipe [the first that recognises the checkpoint] */
    /* of the matrices of products and embeddings: SIB_F32, SIB_F16, SIB_BF16, or SIB_I8 with one scale per
       output channel [SIB_F32] */
    sib_dtype dtype;
    bool
        keep; /* such matrices stay as the checkpoint has them, where that is a float of 16 or 32 bits or, for products by
                  their rows, blocks of few bits (ai.sibyl DequantizeBlocks); others become SIB_F32. dtype is then 0. */
    int opset; /* of ai.onnx, 20 to 23 [23]: below 23, Attention, RMSNormalization and RotaryEmbedding do not
                  exist and are written as smaller operators, for runtimes that know no newer opset */
    /* file to copy next to the model, or a folder with OpenAI's multilingual.tiktoken and gpt2.tiktoken [the checkpoint's own, or a tokenizer.json next to it] */
    const char *tokenizer;
    /* file with the chat template (chat.h) for the model's metadata [GGUF's own; chat_template.jinja or
       tokenizer_config.json next to the checkpoint] */
    const char *chat_template;
    const char *
        lora; /* folder of a LoRA adapter in PEFT's layout that is merged: W + scale * B A; not with sib_import_cached [none] */
    /* folder of the vocoder of a model that speaks by frames; not with sib_import_cached [that beside the checkpoint] */
    const char *vocoder;
    /* of Whisper: frames of 20 ms that its windows have, at most the checkpoint's [the checkpoint's, 30 s]. Shorter ones
       make encoding cheaper; recordings are then cut into more windows, each with less around it. */
    int64_t audio_context;
    uint64_t max_bytes;  /* most bytes of weights that the model may have: more is refused before any is
                           written [no limit] */
    bool need_tokenizer; /* a checkpoint without a tokenizer is refused (SIB_ERR_IO), with what to fetch */
    bool check;          /* compute statistics of every weight, and refuse NaN and infinities */
    /* Called from the calling thread with the fraction of the work done, 0 to 1, and what is being done. May
       be NULL. */
    void (*on_progress)(void *context, double fraction, const char *what);
    void *context;
    const sib_cancel *cancel; /* NULL: none */
} sib_import_options;

typedef struct sib_import_report sib_import_report;

/* Reads a checkpoint and writes a model. paths (n): one file, several that belong together, or a folder, in
   any format that Sibyl reads (safetensors, PyTorch, whisper.cpp, rwkv.cpp, GGUF). out: the .onnx, or NULL to
   write nothing. The weights go to a file next to it with ".data" appended to the name; a tokenizer, where
   there is one, to a file named by its kind ("model.tiktoken", "model.tokenizer.json"). The files appear
   complete or not at all, and contain no paths.
   The recipe defines the model's inputs and outputs (`sibyl help import`); its name and the dimensions of the
   model are in the model's metadata ("sibyl.recipe", "n_layer", ...).
   options: may be NULL. report: may be NULL; filled as far as known where the call fails too; owned by the
   caller, sib_import_report_free(&r). Memory, besides the mapped files, is less than 1.2 times the largest
   weight plus 64 MiB.
   Errors: those of opening; SIB_ERR_ARGUMENT (no recipe of that name, dtype); SIB_ERR_UNSUPPORTED (no recipe
   recognises it, or it needs what the recipe does not have); SIB_ERR_FORMAT (missing and unexpected weights,
   wrong shapes: the report lists all); SIB_ERR_SIZE (more than max_bytes, and the report says how many); SIB_ERR_VALUE (check); SIB_ERR_IO, SIB_ERR_CANCELLED,
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_import(const char *const *paths, size_t n, const char *out,
                            const sib_import_options *options, sib_import_report **report, sib_error *err);

/* Whether `path` is a checkpoint by its first bytes, or a folder with one and no job.json. */
SIB_API bool sib_import_takes(const char *path);

/* The model that a checkpoint makes, imported now or before: `path` is a file or a folder, of which the model is kept in
   $XDG_CACHE_HOME/sibyl/models (~/.cache) under a hash of all that the import reads, so that a new name or place makes no
   other. It appears complete or not at all. Where the folder then has more than $SIBYL_CACHE_MB [20000], the models not used
   for longest are removed, but for this one. A file of safetensors or named .bin is read with the config.json next to it.
   options: may be NULL; need_tokenizer is set: OpenAI's tokenizers are also looked for as STEM.tiktoken,
   multilingual.tiktoken and gpt2.tiktoken next to the checkpoint, and in ~/.cache/whisper.
   *model: the path of an .onnx, release with sib_free. report: may be NULL; *report is NULL where nothing was imported now,
   otherwise as in sib_import. Several threads and processes may call it.
   Errors: those of sib_import; SIB_ERR_IO (the cache's folder cannot be written), SIB_ERR_ARGUMENT (SIBYL_CACHE_MB). */
SIB_API sib_code sib_import_cached(const char *path, const sib_import_options *options, char **model,
                                   sib_import_report **report, sib_error *err);

/* Name of recipe i, and in *meaning what it builds. NULL where i is out of range. */
SIB_API const char *sib_recipe_name(size_t i, const char **meaning);

/* ---- Reports ---------------------------------------------------------------------------------------- */

/* Strings live as long as the report. Calls that take an index return false where it is out of range. */
typedef struct sib_import_totals {
    const char *format, *recipe; /* "pytorch", "whisper"; NULL until determined */
    /* kind of the tokenizer written next to the model; "vocabulary": the texts of the outputs stand in its metadata; or NULL */
    const char *tokenizer;
    size_t n_weights, n_problems;       /* weights of the checkpoint; its problems */
    uint64_t parameters;                /* elements of all weights */
    uint64_t bytes_read, bytes_written; /* of weights in the checkpoint; of weights in the model */
} sib_import_totals;
SIB_API void sib_import_report_totals(const sib_import_report *r, sib_import_totals *out);

typedef struct sib_import_weight {
    const char *name, *format; /* "float16", "q4_0" */
    size_t rank;
    const int64_t *dims; /* (rank) */
    uint64_t bytes;      /* in the checkpoint */
    bool used, checked;  /* the model uses it; it has statistics */
    sib_stats stats;
} sib_import_weight;
SIB_API bool sib_import_report_weight(const sib_import_report *r, size_t i, sib_import_weight *out);

typedef enum sib_import_fault {
    SIB_IMPORT_MISSING,    /* the recipe needs it, and the checkpoint lacks it */
    SIB_IMPORT_UNEXPECTED, /* the checkpoint has it, and the recipe does not know it */
    SIB_IMPORT_SHAPE,      /* its shape does not agree with the other weights */
    SIB_IMPORT_NAN,        /* check: it holds NaN */
    SIB_IMPORT_INF,        /* check: it holds infinities */
    SIB_IMPORT_ZERO        /* check: nothing but zeros; reported, not refused */
} sib_import_fault;
typedef struct sib_import_problem {
    sib_import_fault fault;
    const char *name, *text; /* name of the weight, and a sentence */
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
