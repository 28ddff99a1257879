/* Cases of operators on a GPU's backend, which runs all of their milli-ops, against ref. */
#ifndef TESTS_GPU_OPS_H
#define TESTS_GPU_OPS_H

#include "backend/claim.h"
#include "session.h"

static gpu_device *held; /* so that sessions share its pipelines */

static inline int begin(void)
{
    sib_error err = SIB_ERROR_INIT;
    find_device();
    claim_backend = backend();
    CHECK_OK(gpu_open(strcmp(backend(), "gpu-host") ? backend() : "host", &held, &err), err);
    return 0;
}

static inline int end(void)
{
    gpu_close(&held);
    return 0;
}

typedef struct tensor {
    sib_dtype dtype;
    size_t rank;
    int64_t dims[4];
} tensor;

/* A case of inputs (n) of these dims, which are drawn from +-100. */
static inline claim_case made(const char *type, int64_t version, size_t n, const tensor *inputs)
{
    claim_case w = {.domain = "", .type = type, .version = version, .n_in = n, .n_out = 1};
    for (size_t i = 0; i < n; i++) {
        w.in[i] = (claim_input){.dtype = inputs[i].dtype, .rank = inputs[i].rank, .size = 100};
        memcpy(w.in[i].dims, inputs[i].dims, sizeof inputs[i].dims);
    }
    return w;
}

static inline void check(claim_case *w)
{
    char what[100];
    snprintf(what, sizeof what, "%s of %s", w->type, sib_dtype_name(w->in[0].dtype));
    claim_check(w, what);
}

#endif
