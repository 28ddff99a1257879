/* The model behind the public handle: what the file says, with types inferred. */
#ifndef RUN_MODEL_H
#define RUN_MODEL_H

#include "onnx/onnx.h"
#include "run/diagnostics.h"

#include <pthread.h>
#include <stdatomic.h>

struct sib_model {
    atomic_size_t references; /* the caller's and one a session */
    onnx_model *onnx;
    struct packs *packs;         /* what backends made of the model's constants */
    struct optimised *optimised; /* graphs that passes made of the file's; under the lock */
    sib_model
        *whole; /* that this one is a part of, which holds its names and weights, or NULL; a reference */
    diagnostics notes;
    pthread_mutex_t lock; /* of texts and dims made for those who ask, and of optimised graphs */
};

/* Takes m over, also where it fails: resolves operators and infers types. infer: false leaves types as declared.
   Errors: SIB_ERR_MEMORY. */
sib_code model_make(onnx_model *m, bool infer, sib_model **out, sib_error *err);
/* model_make with inference. */
sib_code model_from_onnx(onnx_model *m, sib_model **out, sib_error *err);

/* The kind of value that a type asks for, 0 where it does not say. */
sib_value_kind model_value_kind(const value_type *t);

/* Another reference; sib_model_free gives it back. */
sib_model *model_keep(sib_model *m);

#endif
