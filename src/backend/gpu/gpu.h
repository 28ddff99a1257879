/* The backend of a device of gpu/device.h: operators and milli-ops as launches of its kernels, listed in
   gpu.def.

   An operator is a function that says whether it takes a node, and one that lists the launches once per plan,
   when dims are numbers. Running a step is the launches in order. */
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include "backend/backend.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/device.h"
#include "gpu/kernels.h"

/* What a kernel's buffer is bound to. */
typedef enum gpu_source { GPU_IN, GPU_OUT, GPU_OWN, GPU_SCRATCH } gpu_source;
typedef struct gpu_operand {
    gpu_source source;
    size_t at, bytes; /* number of the input or output; or offset and bytes, from gpu_words or gpu_scratch */
} gpu_operand;

typedef struct gpu_step gpu_step;

/* What a kernel leaves to a program that follows its result: kernels/finish.h. */
typedef struct gpu_finish_room {
    unsigned out, buffers; /* the result's buffer; a bit for each that the kernel does not use itself */
    unsigned per_word;     /* elements in a word of what is written, at most */
} gpu_finish_room;
/* Max inputs of a node whose result programs may follow. */
#define FINISH_INPUTS 8

/* One way to run nodes. */
typedef struct gpu_op {
    /* True if it runs this node with these dtypes and dims. No side effects. Every
       operand that is there has gpu_tensor. */
    bool (*claims)(const node_view *n);
    /* Lists the launches of a claimed node. Errors: SIB_ERR_MEMORY. */
    sib_code (*plan)(const node_view *n, gpu_step *s, sib_error *err);
    /* Of a claimed node whose plan is one launch: whether a program may follow, and where. NULL: none. */
    bool (*room)(const node_view *n, gpu_finish_room *out);
    bool takes_empty; /* inputs may be without elements: no launch reads them, and they have no gpu_tensor */
} gpu_op;

/* ---- While claiming ------------------------------------------------------------------------------------ */

/* A tensor of known dims with elements that a device holds: a float64 that may be narrow, and constants of
   that type, as float32. */
typedef struct gpu_tensor {
    sib_dtype dtype; /* on the device */
    bool wide;       /* float64 on the host */
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* (rank), none is 0 */
    size_t count, bytes;        /* count < 2^31 */
} gpu_tensor;
/* Returns false where v is no such tensor. v may be NULL. */
bool gpu_tensor_of(const graph *g, const value *v, gpu_tensor *out);

/* Whether input k of n is there; one without elements is none. */
bool gpu_has(const node_view *n, size_t k);
/* Whether v has this type, which it does not have in place of float64, and these dims (rank). v may be NULL. */
bool gpu_is(const node_view *n, const value *v, sib_dtype dtype, size_t rank, const size_t *dims);

/* The floats that kernels compute with. */
static inline bool gpu_is_float(sib_dtype dtype)
{
    return dtype == SIB_F32 || dtype == SIB_F16 || dtype == SIB_BF16;
}

/* ---- While planning ------------------------------------------------------------------------------------ */

/* Adds n words that the step's kernels read. *out: the operand. Errors: SIB_ERR_MEMORY. */
sib_code gpu_words(gpu_step *s, const void *words, size_t n, gpu_operand *out, sib_error *err);
/* Adds n words that the step's launches write and read, undefined before. */
gpu_operand gpu_scratch(gpu_step *s, size_t n);
/* Adds a launch with operands (n) and args, the kernel's struct. Errors: SIB_ERR_MEMORY. */
sib_code gpu_add(gpu_step *s, gpu_kernel kernel, size_t n, const gpu_operand *operands, const void *args,
                 size_t x, size_t y, size_t z, sib_error *err);
/* The same for a kernel that counts its groups along one line. */
sib_code gpu_add_line(gpu_step *s, gpu_kernel kernel, size_t n, const gpu_operand *operands, const void *args,
                      size_t groups, sib_error *err);

#define GPU_OP(domain, name, op) extern const gpu_op op;
#define GPU_MILLI(name, op)      extern const gpu_op op;
#include "backend/gpu/gpu.def"
#undef GPU_OP
#undef GPU_MILLI
/* Of fused milli-ops: what makes bytes of whole sums in float64. */
extern const gpu_op gpu_requantize;

#endif
