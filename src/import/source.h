/* Where the elements of a model's weights come from: weights of the checkpoint, converted piece by piece while they are
   written. In the model stands a tensor of the dtype and dims, without elements. */
#ifndef IMPORT_SOURCE_H
#define IMPORT_SOURCE_H

#include "import/checkpoint.h"
#include "import/work.h"
#include "onnx/onnx.h"

typedef struct source {
    const weight *from;
    const char *name;      /* for those who are told */
    sib_tensor *tensor;    /* that stands for it in the model, whose arena keeps it */
    sib_dtype dtype;       /* of the model: SIB_F32, SIB_F16, SIB_BF16, SIB_I8 */
    int64_t rows, columns; /* of `from` as a matrix; a vector is one row */
    bool turned;           /* the model has it as [columns, rows] */
    int64_t heads;         /* > 0: rows of each head stand with its two halves interleaved, and come apart */
    bool scaled_columns;   /* scales: one a column of `from`, else one a row */
    const float *scales;   /* SIB_I8: q = x / scale; owned by the arena */
} source;

typedef struct source_list {
    size_t n, capacity;
    source *items; /* (n) in the order of the model's values */
    size_t at;     /* the one that is asked for next, most likely */
    import_work *work;
} source_list;

/* A tensor that stands for elements to come: all of them are one zero. */
sib_code source_tensor(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out, sib_error *err);
/* Elements of s as they come out, [rows or columns][...], all of them into out. For small ones. */
sib_code source_read(const source *s, void *out, sib_error *err);
/* The scales for bytes: largest magnitude / 127, 1 where all is zero; (rows), or (columns) with scaled_columns.
   Errors: SIB_ERR_VALUE (NaN or infinite). */
sib_code source_scales(const source *s, import_work *work, float *out, sib_error *err);

/* onnx_elements.write over a source_list. */
sib_code source_write(void *list, const sib_tensor *t, FILE *stream, bool *own, sib_error *err);

#endif
