/* Sources of a model's weights: weights of the checkpoint, converted piece by piece while they are written.
   The model has a tensor of the dtype and dims in their place, without elements. */
#ifndef IMPORT_SOURCE_H
#define IMPORT_SOURCE_H

#include "import/model/work.h"
#include "import/read/checkpoint.h"
#include "onnx/onnx.h"

typedef struct source {
    const weight *from;
    const char *name;      /* for progress */
    sib_tensor *tensor;    /* the placeholder in the model, whose arena owns it */
    sib_dtype dtype;       /* of the model: SIB_F32, SIB_F16, SIB_BF16, SIB_I8, SIB_U8 (as_bytes) */
    int64_t rows, columns; /* of `from` as a matrix; a vector is one row */
    bool transposed;       /* the model has it as [columns, rows] */
    int64_t heads;         /* > 0: the rows of each head have its two halves interleaved, and are separated */
    bool as_bytes;         /* the rows of `from` are copied as bytes; dtype is SIB_U8, columns counts bytes */
    bool scaled_columns;   /* scales: one per column of `from`, otherwise one per row */
    const float *scales;   /* SIB_I8: q = x / scale; owned by the arena */
} source;

typedef struct source_list {
    size_t n, capacity;
    source *items; /* (n) in the order of the model's values */
    size_t at;     /* index of the most likely next one */
    import_work *work;
} source_list;

/* A placeholder tensor: all its elements are one zero. */
sib_code source_tensor(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out, sib_error *err);
/* Converts all elements of s, in the model's order, into out. For small weights. */
sib_code source_read(const source *s, void *out, sib_error *err);
/* The scales of SIB_I8: max |x| / 127, or 1 where all are zero; (rows), or (columns) with scaled_columns.
   Errors: SIB_ERR_VALUE (NaN or infinite). */
sib_code source_scales(const source *s, import_work *work, float *out, sib_error *err);

/* onnx_elements.write for a source_list. */
sib_code source_write(void *context, const sib_tensor *t, FILE *stream, bool *own, sib_error *err);

#endif
