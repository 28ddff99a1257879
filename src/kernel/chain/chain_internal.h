/* Shared by the files of chains. */
#ifndef KERNEL_CHAIN_INTERNAL_H
#define KERNEL_CHAIN_INTERNAL_H

#include "base/size.h"
#include "kernel/chain/chain.h"
#include "kernel/kernel.h"

#define CHAIN_ROW_BYTES 24576 /* of the L1 cache for rows */
#define CHAIN_BLOCK_MIN 128
#define CHAIN_BLOCK_MAX 2048 /* elements; blocks are a multiple of 64 */

/* The memory layout of an operand, as a function of the place in the result. */
typedef enum chain_place {
    CHAIN_FLAT,     /* contiguous, as in the result */
    CHAIN_SCALAR,   /* one element */
    CHAIN_PERIODIC, /* `period` contiguous elements, repeated */
    CHAIN_REPEATED, /* each element `period` times */
    CHAIN_GENERAL   /* by dims and strides */
} chain_place;

typedef struct chain_layout {
    chain_place place;
    size_t period;
    size_t rank;                                       /* without axes of size 1; contiguous axes merged */
    int64_t dims[SIB_MAX_RANK], strides[SIB_MAX_RANK]; /* (rank), strides in elements */
} chain_layout;

typedef enum chain_kind {
    CHAIN_IS_OPERAND,
    CHAIN_IS_OP,
    CHAIN_IS_CAST,
    CHAIN_IS_CONVERT, /* a cast by tensor/convert.h */
    CHAIN_IS_BITCAST,
    CHAIN_IS_WHERE
} chain_kind;

typedef struct chain_value {
    chain_kind kind;
    chain_op op;
    sib_dtype dtype;
    bool saturate;
    size_t in[3];   /* values; CHAIN_NONE where there is none */
    size_t operand; /* index of an operand */
    bool used;
} chain_value;

typedef struct chain_memory {
    sib_dtype dtype;
    size_t value, bytes; /* of an element in memory */
    size_t number;       /* among the operands that are given to runs */
    chain_layout layout;
    const void *elements; /* NULL: given to each run */
    void *converted;      /* owned: memory of `elements` that were converted; NULL otherwise */
    void *ready;          /* the row, where it is constant over runs */
    size_t row;           /* its row of scratch, or CHAIN_NONE */
    bool tiled;           /* the row holds a block and one period more */
    bool within;          /* no block crosses the end of a run of neighbours or equals */
    bool filled;          /* a function reads an entire row of an operand that is one element per block */
} chain_memory;

/* A value to be computed, once rows are assigned. */
typedef struct chain_step {
    chain_function run;      /* NULL: conversion */
    chain_function streamed; /* the same past the caches, or NULL */
    size_t value, in[3];
    size_t bytes;  /* of a computed element */
    size_t row;    /* of scratch, or CHAIN_NONE: in the result's memory */
    size_t result; /* where row is CHAIN_NONE */
    bool divides;
    unsigned char divisor_bytes;
    kernel_narrow narrow; /* rounds to 16 bits and back; NULL for others */
    kernel_widen widen;
} chain_step;

typedef struct chain_output {
    size_t value;
    bool direct; /* its step writes directly to the result's memory */
} chain_output;

struct chain {
    const kernel_table *kernels;
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* (rank) of the results */
    size_t count;               /* elements of a result */
    size_t n_values, n_operands, n_steps, n_outputs;
    size_t n_given; /* operands that are given to runs */
    size_t value_capacity, operand_capacity, output_capacity;
    chain_value *values;    /* (n_values) */
    chain_memory *operands; /* (n_operands) */
    chain_step *steps;      /* (n_steps) */
    chain_output *outputs;  /* (n_outputs) */
    void *memory;           /* of these arrays once the chain is finished, else NULL */
    size_t in_place;        /* operand whose memory is result 0's, or CHAIN_NONE */
    size_t block, rows;     /* elements of a block, rows of scratch */
    size_t stop;            /* where not 0, no block crosses a multiple of it */
    size_t widest, period;  /* bytes of the widest element, elements of the longest tile */
    double cost;
    bool flat;    /* one function of flat operands: blocks of any size */
    bool streams; /* results are stored past the caches */
    bool failed;  /* memory ran out */
};

static inline bool chain_is_half(sib_dtype dtype)
{
    return dtype == SIB_F16 || dtype == SIB_BF16;
}
/* Bytes of an element of this dtype in a row. */
static inline size_t chain_bytes(sib_dtype dtype)
{
    return chain_is_half(dtype) ? sizeof(float) : sib_dtype_bits(dtype) / 8;
}

/* The layout of an operand of these dims in a result of out_dims; returns false where it does not
   broadcast. */
bool chain_layout_of(size_t rank, const int64_t *dims, size_t out_rank, const int64_t *out_dims,
                     chain_layout *out);
/* Returns elements [begin, begin + n) of an operand at `memory`, in a row's type: in place where possible,
   else copied to row. */
const void *chain_fetch(const chain *c, const chain_memory *m, const void *memory, void *row, size_t begin,
                        size_t n);
/* Length of an operand's runs of neighbours or equals. */
size_t chain_run_length(const chain_layout *l);
static inline bool chain_is_equal_run(const chain_layout *l)
{
    return l->place == CHAIN_SCALAR || (l->place != CHAIN_FLAT && l->strides[l->rank - 1] == 0);
}
/* Whether an operand is one element for each block. */
static inline bool chain_is_single(const chain_memory *m)
{
    return m->layout.place == CHAIN_SCALAR || (m->within && chain_is_equal_run(&m->layout));
}
/* Fills the row of an operand whose layout is CHAIN_SCALAR (n elements) or tiled (n and a period). */
void chain_fill(const chain *c, const chain_memory *m, const void *memory, void *row, size_t n);

/* Assigns rows to values, a size to blocks, and functions to steps. Returns false where memory runs out. */
bool chain_give_rows(chain *c);
/* Replaces known groups of functions by one function. */
void chain_join(chain *c);
/* Stores the number that a value is everywhere; returns false where it is not constant, or not known. */
bool chain_number(const chain *c, size_t value, double *out);

#endif
