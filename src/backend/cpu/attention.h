/* What the attention operators of all domains share: where their operands stand, and how they are run.

   B batches, Hq and Hkv heads of queries and of keys and values, S queries, L new keys, P past ones, T = P + L, D numbers
   a head, Dv of a value. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include "backend/cpu/cpu.h"

#define ATTENTION_NONE SIZE_MAX /* no such input */

/* Heads in an input: element (b, h, i, p) at `first` + b * batch + h * head + i * row + p. */
typedef struct attention_source {
    size_t input, first, batch, head, row;
    size_t n; /* rows */
} attention_source;

/* How what is added to the scores is said. */
typedef enum attention_bias_kind {
    ATTENTION_FLOATS, /* float */
    ATTENTION_SEEN,   /* bool: false is -inf */
} attention_bias_kind;

typedef struct attention_state {
    attention_call call; /* dims, numbers and the strides of y; addresses and the rest when it is run */
    attention_source q, k, v, past_k, past_v; /* past_*.input: ATTENTION_NONE for none */
    struct {
        size_t input; /* ATTENTION_NONE for none */
        attention_bias_kind kind;
        size_t width, rows;      /* keys that it knows, and how many rows of these it has */
        bool padded;             /* keys beyond are hidden; otherwise a width of 1 goes for all */
        size_t batch, head, row; /* rows from one to the next, 0 where it is broadcast */
    } bias;
    size_t lengths; /* input [B] int64 of keys that count; ATTENTION_NONE for all */
    size_t each;    /* floats of scratch that a thread takes */
} attention_state;

/* Source of an input [B, H, S, D], or [B, S, H * D] of `heads`. False where its rank, dims or dtype are others. *d: D. */
bool attention_source_of(const node_view *n, size_t input, int64_t heads, size_t *batch, size_t *head_count,
                         size_t *d, attention_source *out);
/* Reads attn_mask: dims that broadcast to [B, Hq, S, T], where `padded` ones with fewer keys hide the others. False
   where it is not like that. The dims of a->call are set. */
bool attention_bias_of(const node_view *n, size_t input, bool padded, attention_state *a);

/* A copy of *a for prepare. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code attention_keep(const attention_state *a, void **state, sib_error *err);
/* Runs *a; outputs 1 and 2, where wanted, become [B, Hkv, T, D] keys and values. */
sib_code attention_go(const cpu_call *c, const attention_state *a);

#endif
