/* The fast backend: kernels that run whole operators and milli-ops, in a table (cpu.def).

   What a kernel computes is what the operator's lowering, or the milli-op's row, says; ref is the judge. Floats may be
   summed in another order and in the precision of their dtype. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "backend/backend.h"
#include "base/alloc.h"
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
    packs *packs;      /* may be NULL: what is packed lives with its step */
    packs *file_packs; /* for constants of the file, which parts of a model share; NULL where packs is */
    const kernel_table *kernels; /* of this machine */
    cpu_scratch *scratch;        /* memory for kernels at work: scratch.h */
    /* The kernel that takes a node, or NULL: a chain asks for the one that it follows. */
    const struct cpu_kernel *(*kernel_for)(const struct cpu_self *self, const node_view *n);
} cpu_self;

/* y = min(high, max(low, x)); NaN stays NaN. Infinite where there is no bound. */
typedef struct cpu_clamp {
    float low, high;
} cpu_clamp;

/* A node about to run. */
typedef struct cpu_call {
    const node_view *view;
    const node *node; /* view->node */
    const cpu_self *self;
    const void *state;               /* what prepare made, not to be written; NULL where there is none */
    const buffer *const *in;         /* (view->n_in) */
    buffer *const *out;              /* (view->n_out) */
    const struct sib_cancel *cancel; /* may be NULL */
    /* Where not NULL, to be called for output 0 (`takes_finish` only): elements [begin, begin + count) in row-major order
       hold what the node computes and are still in the cache; each element exactly once, from any thread. */
    void (*finish)(const struct cpu_call *c, size_t begin, size_t count);
    const void *finish_context;
    const cpu_clamp
        *clamp; /* where not NULL, for every element of output 0 (`takes_clamp` only); then finish is NULL */
    sib_error *err;
} cpu_call;

/* One way to run nodes. */
typedef struct cpu_kernel {
    /* May it run this node, with these dtypes and dims? No side effects, no memory. Dims may be symbolic: cpu_dims. */
    bool (*claims)(const cpu_self *self, const node_view *n);
    /* Once a plan: chooses, packs weights, sizes scratch. *state is given to release. May be NULL. */
    sib_code (*prepare)(const cpu_self *self, const node_view *n, void **state, sib_error *err);
    void (*release)(void *state); /* NULL: mem_free */
    sib_code (*run)(const cpu_call *c);
    /* Does run look at constant input i, given what prepare made? NULL: at every one. Where it does not, the elements
       need not be in memory. */
    bool (*reads)(const void *state, size_t i);
    bool takes_finish; /* run calls c->finish */
    bool takes_clamp;  /* and does c->clamp */
} cpu_kernel;

/* ---- While claiming and preparing ------------------------------------------------------------------ */

/* The dtype of a value that is a tensor; SIB_DTYPE_UNKNOWN for NULL and other kinds. */
sib_dtype cpu_dtype(const value *v);
/* True for a tensor all of whose dims are known; *rank and dims (*rank) are set then. */
bool cpu_dims(const node_view *n, const value *v, size_t *rank, int64_t dims[SIB_MAX_RANK]);
/* The elements of a value that is constant, ready to be read, or NULL. */
const sib_tensor *cpu_constant(const value *v);
/* Something of so many bytes made of the constant v by fill and, where the constant lives as long as the model, shared with
   every plan and session of it (see packs_get). elements: those of v, which need not stay in memory afterwards: whoever
   has no other use for them does not call cpu_constant. *owned: NULL, or what the caller has to mem_free: the state's
   own. Errors: SIB_ERR_MEMORY, those of fill. */
typedef sib_code (*cpu_fill)(void *context, const void *elements, void *out, sib_error *err);
sib_code cpu_pack(const cpu_self *self, const value *v, const char *how, size_t bytes, cpu_fill fill,
                  void *context, const void **out, void **owned, sib_error *err);

/* The same of a constant that comes row by row: `row` elements each, in blocks of so many rows that are not handed over
   together, `multiple` or several times as many at once. begin may be NULL. So neither a copy of the whole nor all of its
   pages of the file are in memory beside what is made. */
typedef struct cpu_rows {
    size_t row, block, multiple;
    sib_code (*begin)(void *context, void *out, sib_error *err);
    void (*fill)(void *context, const void *elements, size_t first, size_t rows, void *out);
} cpu_rows;
sib_code cpu_pack_rows(const cpu_self *self, const value *v, const char *how, size_t bytes,
                       const cpu_rows *rows, void *context, const void **out, void **owned, sib_error *err);

/* ---- While running --------------------------------------------------------------------------------- */

/* Input i, whose elements are ready; NULL where it is omitted or no tensor. */
const sib_tensor *cpu_in(const cpu_call *c, size_t i);
/* Output i, dense, to be filled; NULL where nobody wants it. */
sib_tensor *cpu_out(const cpu_call *c, size_t i);
bool cpu_wants(const cpu_call *c, size_t i);
/* Sets the error with the name of the operator or milli-op before the words; returns code. */
sib_code cpu_fail(const cpu_call *c, sib_code code, const char *format, ...) ERR_PRINTF(3, 4);
sib_code cpu_no_memory(const cpu_call *c, size_t bytes);

/* ---- Kernels --------------------------------------------------------------------------------------- */

#define CPU_OP(domain, name, kernel) extern const cpu_kernel kernel;
#define CPU_MILLI(name, kernel)      extern const cpu_kernel kernel;
#include "backend/cpu/cpu.def"
#undef CPU_OP
#undef CPU_MILLI

#endif
