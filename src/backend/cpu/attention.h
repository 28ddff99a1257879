/* What the attention operators of all domains share: where their operands stand, and how they are run.

   B batches, Hq and Hkv heads of queries and of keys and values, S queries, L new keys, P past ones, T keys in all, D numbers
   a head, Dv of a value. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include "backend/cpu/cpu.h"

#define ATTENTION_NONE SIZE_MAX       /* no such input or output */
#define ATTENTION_MADE (SIZE_MAX - 1) /* in what attention_state.make makes */

/* Heads in an input: element (b, h, i, p) at `first` + b * batch + h * head + i * row + p. */
typedef struct attention_source {
    size_t input, first, batch, head, row;
    size_t n; /* rows */
} attention_source;

/* [B, Hkv, room, D] from element `first` of an output on. */
typedef struct attention_target {
    size_t output, first;
} attention_target;

/* What is added to the scores: float, or bool, where false is -inf. */
typedef struct attention_bias {
    size_t input; /* ATTENTION_NONE for none */
    bool floats;
    size_t width;            /* keys that it knows */
    bool padded;             /* keys beyond are hidden; otherwise a width of 1 goes for all */
    bool loose;              /* keys beyond are out of reach anyway */
    size_t batch, head, row; /* rows from one to the next, 0 where it is broadcast */
} attention_bias;

/* The masks of com.microsoft, int32: what they hide gets `filter` added. */
typedef struct attention_filter {
    size_t input; /* ATTENTION_NONE for none */
    size_t rank;  /* 1: ends of sequences; 2: [B, T]; 3: [B, S, T]; 4: [B, 1, M, M] */
    bool begins;  /* rank 1: beginnings stand behind the ends */
    size_t width; /* T or M */
    float filter;
} attention_filter;

typedef struct attention_state attention_state;
struct attention_state {
    attention_call call; /* dims, numbers and the strides of y; addresses and the rest when it is run */
    attention_source q, k, v, past_k, past_v; /* past_*.input: ATTENTION_NONE for none */
    attention_target present_k, present_v;
    size_t room; /* rows of the presents */
    size_t
        used; /* input of one int32: rows of the past that count, the presents being buffers like it; ATTENTION_NONE:
                       all, and the presents are past and new rows */
    size_t lengths; /* input [B] int64 of keys that count; ATTENTION_NONE: all */
    size_t
        ends; /* GroupQueryAttention: input [B] int32, lengths of sequences less 1, past and new; ATTENTION_NONE */
    size_t total; /* with ends: input of one int32, the longest length */
    attention_bias bias;
    attention_filter filter;
    size_t made, make_scratch; /* floats that make fills, and needs meanwhile */
    sib_code (*make)(const cpu_call *c, const attention_state *a, float *made,
                     float *scratch); /* NULL: nothing */
    size_t each;                      /* floats of scratch that a thread takes */
};

/* Nothing but ATTENTION_NONE where there may be none. */
attention_state attention_nothing(void);

static inline bool attention_has(const node_view *n, size_t i)
{
    return i < n->n_in && n->in[i];
}

static inline bool attention_gives(const node_view *n, size_t i)
{
    return i < n->n_out && n->out[i];
}

/* True for a float32 input of known dims, none of them 0 but the rows of rank 4. */
bool attention_floats(const node_view *n, size_t input, size_t *rank, int64_t dims[SIB_MAX_RANK]);
/* Source of an input [B, H, S, D], or [B, S, H * D] of `heads`. False where its rank, dims or dtype are others. *d: D. */
bool attention_source_of(const node_view *n, size_t input, int64_t heads, size_t *batch, size_t *head_count,
                         size_t *d, attention_source *out);
/* Reads attn_mask: dims that broadcast to [B, Hq, S, T], where `padded` ones with fewer keys hide the others. False
   where it is not like that. The dims of a->call are set. */
bool attention_bias_of(const node_view *n, size_t input, bool padded, attention_state *a);
/* y [B, S, Hq * Dv] where packed, else [B, Hq, S, Dv]. */
void attention_set_output(attention_call *c, bool packed);

/* Sizes *a up, once all of it is set, in prepare. Errors: SIB_ERR_SIZE. */
sib_code attention_measure(attention_state *a, sib_error *err);
/* A copy of *a, measured, for prepare. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code attention_keep(const attention_state *a, void **state, sib_error *err);
sib_code attention_go(const cpu_call *c, const attention_state *a);
/* With ends: rows of the past of sequence b that count. */
size_t attention_past_of(const cpu_call *c, const attention_state *a, size_t b);

#endif
