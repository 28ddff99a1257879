/* The fast backend: kernels for operators and milli-ops, listed in cpu.def.

   A kernel computes what the operator's lowering, or the milli-op's row, defines; tests compare it with ref.
   Floats may be summed in another order and in the precision of their dtype. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "backend/backend.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/choices.h"
#include "base/error.h"
#include "base/packs.h"
#include "base/pool.h"
#include "base/size.h"
#include "kernel/kernel.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

typedef struct cpu_scratch cpu_scratch; /* scratch.h */

typedef struct cpu_self {
    sib_pool *pool;    /* may be NULL: one thread */
    packs *packs;      /* may be NULL: each step then owns what it packs */
    packs *file_packs; /* for constants of the file, shared by the parts of a model; NULL where packs is */
    const kernel_table *kernels; /* of this machine */
    cpu_scratch *scratch;        /* memory for running kernels */
    choices *tuning;             /* kernels are chosen by measuring where this is not NULL */
    /* The kernel that takes a node, or NULL. A chain asks it for the kernel of its head. */
    const struct cpu_kernel *(*kernel_for)(const struct cpu_self *self, const node_view *n);
} cpu_self;

/* y = min(high, max(low, x)); NaN stays NaN. A missing bound is infinite. */
typedef struct cpu_clamp {
    float low, high;
} cpu_clamp;

/* A node about to run. */
typedef struct cpu_call {
    const node_view *view;
    const node *node; /* view->node */
    const cpu_self *self;
    const void *state;               /* made by prepare, not to be written; NULL where there is none */
    const buffer *const *in;         /* (view->n_in) */
    buffer *const *out;              /* (view->n_out) */
    const struct sib_cancel *cancel; /* may be NULL */
    /* If not NULL, run calls it for output 0 (`takes_finish` only): elements [begin, begin + count),
       row-major, hold what the node computes and are still in the cache. It gets each element exactly once,
       from any thread. */
    void (*finish)(const struct cpu_call *c, size_t begin, size_t count);
    const void *finish_context;
    const cpu_clamp *clamp; /* if not NULL, applied to output 0 (`takes_clamp` only); finish is NULL */
    sib_error *err;
} cpu_call;

/* One way to run nodes. */
typedef struct cpu_kernel {
    /* True if it runs this node with these dtypes and dims. Has no side effects, allocates nothing. Dims may
       be symbolic: cpu_dims. */
    bool (*claims)(const cpu_self *self, const node_view *n);
    /* Called once per plan: chooses a kernel, packs weights, sizes scratch. *state goes to release.
       May be NULL. */
    sib_code (*prepare)(const cpu_self *self, const node_view *n, void **state, sib_error *err);
    void (*release)(void *state); /* NULL: mem_free */
    sib_code (*run)(const cpu_call *c);
    /* Whether run reads constant input i, given what prepare made; NULL: every one. Constants that it does
       not read need not be in memory. */
    bool (*reads)(const void *state, size_t i);
    /* How run computes with what prepare made: "conv winograd". NULL, here or as the
       result: in the usual way. */
    const char *(*method)(const void *state);
    /* The kernel that takes most of the time, with its state: its text stands for this one's. NULL, here or as
       the result: there is none. */
    const struct cpu_kernel *(*head)(const void *state, const void **head_state);
    bool takes_finish; /* run calls c->finish */
    bool takes_clamp;  /* run applies c->clamp */
} cpu_kernel;

/* ---- While claiming and preparing ------------------------------------------------------------------ */

/* For what prepare reads again: `claims` has found it, so it is false only by a bug. */
static inline void cpu_claimed(bool found)
{
    SIB_ASSERT(found);
}

/* The dtype of a value that is a tensor; SIB_DTYPE_UNKNOWN for NULL and other kinds. */
sib_dtype cpu_dtype(const value *v);
/* True for a tensor all of whose dims are known; sets *rank and dims (*rank) then. */
bool cpu_dims(const node_view *n, const value *v, size_t *rank, int64_t dims[SIB_MAX_RANK]);
/* The elements of a constant value, ready to be read; NULL for other values. */
const sib_tensor *cpu_constant(const value *v);
/* `bytes` bytes that fill makes from the constant v, shared with every plan and session of the model where
   the constant lives as long as the model (see packs_get). elements: those of v, which need not stay in
   memory afterwards, so callers without other use for them do not call cpu_constant. *owned: what the caller
   must mem_free, or NULL. Errors: SIB_ERR_MEMORY, those of fill. */
typedef sib_code (*cpu_fill)(void *context, const void *elements, void *out, sib_error *err);
sib_code cpu_pack(const cpu_self *self, const value *v, const char *how, size_t bytes, cpu_fill fill,
                  void *context, const void **out, void **owned, sib_error *err);

/* The same for a constant that is read by rows of `row` elements, so that neither a copy of it nor all its
   pages of the file are in memory at once. Each call of fill gets a multiple of `multiple` rows within one
   block of `block` rows, but for the end. begin may be NULL. */
typedef struct cpu_rows {
    size_t row, block, multiple;
    sib_code (*begin)(void *context, void *out, sib_error *err);
    void (*fill)(void *context, const void *elements, size_t first, size_t rows, void *out);
} cpu_rows;
sib_code cpu_pack_rows(const cpu_self *self, const value *v, const char *how, size_t bytes,
                       const cpu_rows *rows, void *context, const void **out, void **owned, sib_error *err);

/* ---- While running --------------------------------------------------------------------------------- */

/* Input i, its elements ready; NULL where it is omitted or no tensor. */
const sib_tensor *cpu_in(const cpu_call *c, size_t i);
/* Output i, dense, to be filled; NULL where it is not wanted. */
sib_tensor *cpu_out(const cpu_call *c, size_t i);
bool cpu_wants(const cpu_call *c, size_t i);
/* Sets the error, prefixed with the name of the operator or milli-op; returns code. */
sib_code cpu_fail(const cpu_call *c, sib_code code, const char *format, ...) ERR_PRINTF(3, 4);
#if defined(SIBYL_ASSERTIONS)
#define cpu_fail(...) err_failed(cpu_fail(__VA_ARGS__))
#endif
sib_code cpu_no_memory(const cpu_call *c, size_t bytes);

/* ---- Kernels --------------------------------------------------------------------------------------- */

#define CPU_OP(domain, name, kernel) extern const cpu_kernel kernel;
#define CPU_MILLI(name, kernel)      extern const cpu_kernel kernel;
#include "backend/cpu/cpu.def"
#undef CPU_OP
#undef CPU_MILLI

#endif
