/* The kernels of the reference backend: one function per milli-op, in a table by milli_kind (table.c).

   A kernel computes what milli.def defines for its row. Its inputs are present and dense; unless its row
   in the table has REF_ANY they are tensors. Dtypes and dims are those that the milli-op's builder
   inferred, so a kernel checks only what depends on the data, and rejects what is undefined with ref_fail. */
#ifndef REF_KERNEL_H
#define REF_KERNEL_H

#include "backend/backend.h"
#include "base/alloc.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

/* The call of one milli-op. */
typedef struct ref_call {
    const node_view *view;
    const node *node;                /* view->node: attributes by spec_concat(c->node).axis and the like */
    const buffer *const *in;         /* (view->n_in) */
    buffer *const *out;              /* (view->n_out) */
    sib_pool *pool;                  /* may be NULL */
    const struct sib_cancel *cancel; /* may be NULL; see ref_cancelled */
    sib_error *err;
} ref_call;

typedef sib_code (*ref_kernel)(const ref_call *c);

typedef enum ref_inputs {
    REF_TENSORS = 0, /* every input is a tensor */
    REF_ANY          /* any kind of value; the kernel checks */
} ref_inputs;

typedef struct ref_row {
    ref_kernel run; /* NULL: not implemented, rejected by name */
    ref_inputs inputs;
} ref_row;

extern const ref_row ref_table[MILLI_COUNT];

/* ---- Inputs and outputs ------------------------------------------------------------------------------- */

/* Input i as a value; NULL where there is none. */
const sib_value *ref_value(const ref_call *c, size_t i);
/* Input i as a tensor; NULL where it is not a tensor. */
const sib_tensor *ref_in(const ref_call *c, size_t i);
/* The planned tensor of output i, dense, of known dims; to be called once, before filling it. NULL where
   the output is unused or not planned. */
sib_tensor *ref_out(const ref_call *c, size_t i);

/* ---- Outputs whose dims or kind depend on the data ---------------------------------------------------- */

/* Sets *out to the tensor of output i, for the kernel to fill, with these dims. Creates it where none is
   planned, with zeros or empty strings. The output owns it. *out is NULL, without an error, where the
   output is unused. Errors: SIB_ERR_VALUE (the plan has other dims), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code ref_make(const ref_call *c, size_t i, sib_dtype dtype, size_t rank, const int64_t *dims,
                  sib_tensor **out);
/* Sets output i to v, which it takes over, even on failure or where the output is unused. */
sib_code ref_give(const ref_call *c, size_t i, sib_value *v);
/* Sets output i to v by reference; copies no element. */
sib_code ref_give_shared(const ref_call *c, size_t i, const sib_value *v);

/* ---- Errors -------------------------------------------------------------------------------------------- */

/* Sets the error with the milli-op's name as prefix ("gather: "); returns code. */
sib_code ref_fail(const ref_call *c, sib_code code, const char *format, ...) ERR_PRINTF(3, 4);
/* ref_fail for a failed allocation of `bytes`. */
sib_code ref_no_memory(const ref_call *c, size_t bytes);
#if defined(SIBYL_ASSERTIONS) /* they do not return SIB_OK */
#define ref_fail(...)      err_failed(ref_fail(__VA_ARGS__))
#define ref_no_memory(...) err_failed(ref_no_memory(__VA_ARGS__))
#endif

/* Returns SIB_OK, or SIB_ERR_CANCELLED once the run is cancelled. Kernels whose work is out of proportion
   to their inputs call it every few million operations. */
sib_code ref_cancelled(const ref_call *c);

/* ---- Kernels ------------------------------------------------------------------------------------------- */

#define REF_KERNEL(name) sib_code name(const ref_call *c)
REF_KERNEL(ref_elementwise); /* every elementwise row of milli.def, by node->milli->kind */
REF_KERNEL(ref_where);
REF_KERNEL(ref_cast);
REF_KERNEL(ref_bitcast);
REF_KERNEL(ref_reduce);
REF_KERNEL(ref_arg);
REF_KERNEL(ref_cumulative);
REF_KERNEL(ref_reshape);
REF_KERNEL(ref_transpose);
REF_KERNEL(ref_expand);
REF_KERNEL(ref_slice);
REF_KERNEL(ref_concat);
REF_KERNEL(ref_pad);
REF_KERNEL(ref_gather);
REF_KERNEL(ref_gather_nd);
REF_KERNEL(ref_scatter_nd);
REF_KERNEL(ref_windows);
REF_KERNEL(ref_iota);
REF_KERNEL(ref_constant);
REF_KERNEL(ref_matmul);
REF_KERNEL(ref_sort);
REF_KERNEL(ref_nonzero);
REF_KERNEL(ref_unique);
REF_KERNEL(ref_lookup);
REF_KERNEL(ref_determinant);
REF_KERNEL(ref_warp_path);
REF_KERNEL(ref_random);
REF_KERNEL(ref_non_max_suppression);
REF_KERNEL(ref_decode_blocks);
REF_KERNEL(ref_decode_image);
REF_KERNEL(ref_regex_match);
REF_KERNEL(ref_regex_replace);
REF_KERNEL(ref_regex_split);
REF_KERNEL(ref_tokenize);
REF_KERNEL(ref_string_length);
REF_KERNEL(ref_murmur3);
REF_KERNEL(ref_murmur64);
REF_KERNEL(ref_string_split);
REF_KERNEL(ref_string_case);
REF_KERNEL(ref_tfidf);
REF_KERNEL(ref_trees);
REF_KERNEL(ref_couple_pairs);
REF_KERNEL(ref_sequence_make);
REF_KERNEL(ref_sequence_at);
REF_KERNEL(ref_sequence_insert);
REF_KERNEL(ref_sequence_erase);
REF_KERNEL(ref_sequence_length);
REF_KERNEL(ref_sequence_concat);
REF_KERNEL(ref_sequence_split);
REF_KERNEL(ref_optional_make);
REF_KERNEL(ref_optional_has);
REF_KERNEL(ref_optional_get);
REF_KERNEL(ref_map_make);
REF_KERNEL(ref_map_get);
REF_KERNEL(ref_map_dense);

#endif
