/* What the attention operators of all domains share: where their operands lie in memory, and how they run.

   B batches, Hq query heads, Hkv key and value heads, S queries, L new keys, P past keys, T keys in all, D
   elements per query or key head, Dv per value head. */
#ifndef CPU_ATTENTION_H
#define CPU_ATTENTION_H

#include "backend/cpu/cpu.h"

#define ATTENTION_NONE SIZE_MAX       /* no such input or output */
#define ATTENTION_MADE (SIZE_MAX - 1) /* an operand that attention_state.make computes */

/* The heads in an input: element (b, h, i, p) is at first + b * batch + h * head + i * row + p. */
typedef struct attention_source {
    size_t input, first, batch, head, row;
    size_t n; /* rows */
} attention_source;

/* [B, Hkv, room, D], from element `first` of an output on. */
typedef struct attention_target {
    size_t output, first;
} attention_target;

/* A bias added to the scores: float, or bool, where false is -inf. */
typedef struct attention_bias {
    size_t input; /* ATTENTION_NONE for none */
    bool floats;
    size_t width;            /* keys that it covers */
    bool padded;             /* keys beyond width are hidden; else a width of 1 is broadcast */
    bool loose;              /* keys beyond width are out of reach anyway */
    size_t batch, head, row; /* strides in rows, 0 where broadcast */
} attention_bias;

/* A mask of com.microsoft, int32: `filter` is added to the scores that it hides. */
typedef struct attention_filter {
    size_t input; /* ATTENTION_NONE for none */
    size_t rank;  /* 1: ends of sequences; 2: [B, T]; 3: [B, S, T]; 4: [B, 1, M, M] */
    bool begins;  /* rank 1: beginnings follow the ends */
    size_t width; /* T or M */
    float filter;
} attention_filter;

typedef struct attention_state attention_state;
struct attention_state {
    attention_call call; /* dims, numbers and strides of y; run fills in addresses and the rest */
    attention_source q, k, v, past_k, past_v; /* past_*.input: ATTENTION_NONE for none */
    attention_target present_k, present_v;
    size_t room; /* rows of present_k and present_v */
    /* Input of one int32: the rows of the past that count; the presents are buffers like the past.
       ATTENTION_NONE: all rows count, and the presents are past and new rows. */
    size_t used;
    size_t lengths; /* input [B] int64: keys that count; ATTENTION_NONE: all */
    /* GroupQueryAttention: input [B] int32: length of past and new rows, less 1; or ATTENTION_NONE. */
    size_t ends;
    size_t total; /* with ends: input of one int32, the max length */
    attention_bias bias;
    attention_filter filter;
    size_t made, make_scratch; /* floats that make fills, and its own scratch in floats */
    sib_code (*make)(const cpu_call *c, const attention_state *a, float *made,
                     float *scratch); /* NULL where nothing is to be made */
    size_t each;                      /* floats of scratch per thread */
};

/* A state with every optional input set to ATTENTION_NONE. */
attention_state attention_nothing(void);

static inline bool attention_has(const node_view *n, size_t i)
{
    return i < n->n_in && n->in[i];
}

static inline bool attention_gives(const node_view *n, size_t i)
{
    return i < n->n_out && n->out[i];
}

/* True for a float32 input whose dims are known and not 0, except the rows of rank 4. */
bool attention_floats(const node_view *n, size_t input, size_t *rank, int64_t dims[SIB_MAX_RANK]);
/* Source of an input [B, H, S, D], or [B, S, H * D] with `heads` heads; *d is D. Returns false where its
   rank, dims or dtype do not fit. */
bool attention_source_of(const node_view *n, size_t input, int64_t heads, size_t *batch, size_t *head_count,
                         size_t *d, attention_source *out);
/* Reads attn_mask, whose dims broadcast to [B, Hq, S, T]; if `padded` it may have fewer keys and hides the
   others. Returns false where it does not fit. The dims of a->call are set. */
bool attention_bias_of(const node_view *n, size_t input, bool padded, attention_state *a);
/* y is [B, S, Hq * Dv] if packed, else [B, Hq, S, Dv]. */
void attention_set_output(attention_call *c, bool packed);

/* Computes the sizes of scratch once all else of *a is set, in prepare. Errors: SIB_ERR_SIZE. */
sib_code attention_measure(attention_state *a, sib_error *err);
/* A copy of *a for prepare, measured. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code attention_keep(const attention_state *a, void **state, sib_error *err);
sib_code attention_go(const cpu_call *c, const attention_state *a);
/* With ends: the rows of the past of sequence b that count. */
size_t attention_past_of(const cpu_call *c, const attention_state *a, size_t b);

#endif
