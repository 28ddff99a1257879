/* Operators of com.microsoft for Engram, a memory that is looked up by hashes of n-grams: Cheng et al. 2026. */
#include "ops/lower/elem.h"
#include "ops/nn/nn.h"

/* Inputs of VarlenNGramHashMapping; NGramHashMapping lacks ENDS, and later ones come one earlier. */
enum {
    NGRAM_IDS,
    NGRAM_MULTIPLIERS,
    NGRAM_VOCABULARIES,
    NGRAM_ENDS, /* [B + 1] where each sequence begins, and the last ends */
    NGRAM_PAST,
    NGRAM_OFFSETS,
    NGRAM_EOS,
    NGRAM_SEGMENTS,
    NGRAM_PAST_SEGMENTS,
    NGRAM_CAPTURES
};

/* B sequences of tokens one behind the other, T in all. */
typedef struct ngrams {
    ngram_hash_spec spec;
    size_t shift;        /* by which inputs from NGRAM_PAST on come earlier */
    int64_t history;     /* h, tokens before each sequence: max_ngram_size - 1 */
    dim total, batch;    /* T, B */
    mval begin, length;  /* [B, 1]: the first token of each sequence, and their number */
    mval request, first; /* [T]: the sequence of each token, and the first token of that one */
    mval fill;           /* what stands in the place of tokens that are not seen */
    mval tokens;         /* [T + B * h]: all tokens, then those before each sequence */
    mval segments;       /* the same of their segments, or MVAL_NONE */
} ngrams;

static mval number(lowering *l, int64_t x)
{
    return m_scalar_int(l, SIB_I64, x);
}

static mval optional(lowering *l, const ngrams *g, size_t i)
{
    return l_in_or_none(l, i - g->shift);
}

/* Where g->tokens has token `at` of a sequence, -1 being the one before its first. All broadcast. */
static mval place(lowering *l, const ngrams *g, mval request, mval begin, mval at)
{
    mval before = m_add(l, m_mul(l, request, number(l, g->history)), m_add(l, at, number(l, g->history)));
    before = m_add(l, before, m_dim_scalar(l, g->total));
    return m_where(l, m_less(l, at, number(l, 0)), before, m_add(l, begin, at));
}

/* values [T], then h for each sequence: past [B, h], or those of `otherwise`, which broadcasts to it. */
static mval with_history(lowering *l, const ngrams *g, mval values, mval past, mval otherwise)
{
    dim both[2] = {g->batch, d_const(l, g->history)}, flat = d_mul(l, both[0], both[1]);
    mval before = past.id == NO_VALUE ? m_expand(l, otherwise, 2, both) : past;
    return m_concat(l, 2, (mval[]){values, m_reshape(l, before, 1, &flat)}, 0);
}

static void read_tokens(lowering *l, ngrams *g, mval ids)
{
    dim flat = g->total;
    sib_dtype dtype = m_dtype(l, ids);
    mval eos = optional(l, g, NGRAM_EOS), segments = optional(l, g, NGRAM_SEGMENTS);
    g->fill =
        eos.id == NO_VALUE ? m_scalar_int(l, dtype, g->spec.pad_id) : elem_scalar(l, eos, "eos_token_id");
    g->tokens = with_history(l, g, m_reshape(l, ids, 1, &flat), optional(l, g, NGRAM_PAST), g->fill);
    g->segments = MVAL_NONE;
    if (segments.id == NO_VALUE)
        return;
    mval given = m_cast(l, m_reshape(l, segments, 1, &flat), SIB_I64), past = MVAL_NONE;
    if (g->shift == 0 && l_has(l, NGRAM_PAST_SEGMENTS))
        past = m_cast(l, l_in(l, NGRAM_PAST_SEGMENTS), SIB_I64);
    mval padded = m_concat(l, 2, (mval[]){given, m_int64s(l, 1, (int64_t[]){0})}, 0);
    g->segments = with_history(l, g, given, past, m_gather(l, padded, g->begin, 0));
}

/* The hashes of n-grams that end at each token: [T, (max_ngram_size - 1) * n_head_per_ngram]. */
static mval hashes(lowering *l, const ngrams *g)
{
    int64_t orders = g->spec.max_ngram_size - 1, heads = g->spec.n_head_per_ngram;
    mval multipliers = l_in(l, NGRAM_MULTIPLIERS), vocabularies = l_in(l, NGRAM_VOCABULARIES);
    mval mix = MVAL_NONE, hidden = MVAL_NONE, before = MVAL_NONE, all[256];
    mval local = m_sub(l, m_iota(l, SIB_I64, g->total), g->first);
    bool resets = g->spec.reset_on_eos && optional(l, g, NGRAM_EOS).id != NO_VALUE;
    for (int64_t k = 0; k <= orders && l_ok(l); k++) {
        mval at = place(l, g, g->request, g->first, m_sub(l, local, number(l, k)));
        mval token = m_gather(l, g->tokens, at, 0), cut[2] = {MVAL_NONE, MVAL_NONE};
        if (k && resets)
            cut[0] = m_equal(l, token, g->fill);
        if (k && g->segments.id != NO_VALUE)
            cut[1] =
                m_not(l, m_equal(l, m_gather(l, g->segments, at, 0), m_gather(l, g->segments, before, 0)));
        for (int i = 0; i < 2; i++)
            if (cut[i].id != NO_VALUE)
                hidden = hidden.id == NO_VALUE ? cut[i] : m_or(l, hidden, cut[i]);
        if (hidden.id != NO_VALUE)
            token = m_where(l, hidden, g->fill, token);
        mval term = m_mul(l, token, m_slice_numbers(l, multipliers, 0, k, 1));
        mix = k ? m_xor(l, mix, term) : term;
        before = at;
        if (k)
            all[k - 1] = mix;
    }
    if (!l_ok(l))
        return MVAL_NONE;
    dim apart[3] = {g->total, d_const(l, orders), d_const(l, heads)}, joined[2] = {g->total, DIM_NONE};
    joined[1] = d_mul(l, apart[1], apart[2]);
    mval wide = m_expand(l, m_unsqueeze(l, m_stack(l, (size_t)orders, all, 1), 2), 3, apart);
    mval hash = m_mod(l, m_reshape(l, wide, 2, joined), vocabularies),
         offsets = optional(l, g, NGRAM_OFFSETS);
    return offsets.id == NO_VALUE ? hash : m_add(l, hash, offsets);
}

/* Row i of [B, h]: the last h of `table` up to the end of sequence i. */
static mval present(lowering *l, const ngrams *g, mval table)
{
    mval at =
        m_add(l, m_sub(l, g->length, number(l, g->history)), m_iota(l, SIB_I64, d_const(l, g->history)));
    mval request = m_unsqueeze(l, m_iota(l, SIB_I64, g->batch), 1);
    return m_gather(l, table, place(l, g, request, g->begin, at), 0);
}

/* Checks what both operators have alike; false where the lowering stopped. */
static bool check_ngrams(lowering *l, const ngrams *g, mval ids)
{
    int64_t count = g->spec.max_ngram_size - 1, most, given;
    mval vocabularies = l_in(l, NGRAM_VOCABULARIES), multipliers = l_in(l, NGRAM_MULTIPLIERS);
    if (!elem_takes(l, ids, "input_ids", ELEM(SIB_I32) | ELEM(SIB_I64)))
        return false;
    if (__builtin_mul_overflow(count, g->spec.n_head_per_ngram, &most) || most > INT32_MAX)
        l_fail(l, SIB_ERR_SIZE, "max_ngram_size and n_head_per_ngram ask for too many hashes");
    if (m_rank(l, vocabularies) != 1 || m_rank(l, multipliers) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "vocab_sizes and multipliers have ranks %d and %d, expected 1",
               m_rank(l, vocabularies), m_rank(l, multipliers));
    if (!l_ok(l))
        return false;
    if (dim_is_const(l->graph->dims, m_dim(l, vocabularies, 0), &given) && given != most)
        l_fail(l, SIB_ERR_ARGUMENT, "vocab_sizes has %lld sizes, expected %lld", (long long)given,
               (long long)most);
    if (dim_is_const(l->graph->dims, m_dim(l, multipliers, 0), &given) && given < count + 1)
        l_fail(l, SIB_ERR_ARGUMENT, "%lld multipliers, expected %lld or more", (long long)given,
               (long long)count + 1);
    mval zero = elem_zero(l, vocabularies), above = m_less(l, zero, vocabularies);
    elem_demand(l, m_reduce(l, MILLI_reduce_min, above, 0, NULL, DROP_DIMS),
                "a size of vocab_sizes is not above 0");
    return l_ok(l);
}

static ngrams ngrams_of(const node *n, size_t shift)
{
    ngrams g = {.spec = spec_ngram_hash(n), .shift = shift};
    g.history = g.spec.max_ngram_size - 1;
    return g;
}

/* hash_ids[b, s, (k - 2) * H + j] = (xor over i < k of input_ids[b, s - i] * multipliers[i]) mod vocab_sizes +
   head_offsets, for k from 2 to max_ngram_size and H = n_head_per_ngram. Tokens before the sequence are past_ids,
   or eos_token_id, or pad_id; so are those beyond a change of segment_ids and, with reset_on_eos, up to the last
   eos_token_id before s. present_ids: the last of past_ids and input_ids. com.microsoft NGramHashMapping-1. */
void lower_MS_NGramHashMapping(lowering *l, const node *n)
{
    ngrams g = ngrams_of(n, 1);
    mval ids = l_in(l, NGRAM_IDS);
    dim dims[SIB_MAX_RANK] = {DIM_NONE, DIM_NONE};
    l_declare(l, 0, m_dtype(l, ids), 3, (dim[]){DIM_NONE, DIM_NONE, DIM_NONE});
    l_declare(l, 1, m_dtype(l, ids), 2, (dim[]){DIM_NONE, d_const(l, g.history)});
    if (l_ok(l) && m_dims(l, ids, dims) != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "input_ids has rank %d, expected 2", m_rank(l, ids));
    if (!check_ngrams(l, &g, ids))
        return;
    dim each = d_const(l, g.history * g.spec.n_head_per_ngram), column[2] = {dims[0], d_const(l, 1)};
    g.batch = dims[0];
    g.total = d_mul(l, dims[0], dims[1]);
    g.length = m_expand(l, m_dim_scalar(l, dims[1]), 2, column);
    mval sequence = m_unsqueeze(l, m_iota(l, SIB_I64, g.batch), 1);
    g.begin = m_mul(l, sequence, m_dim_scalar(l, dims[1]));
    g.request = m_reshape(l, m_expand(l, sequence, 2, dims), 1, &g.total);
    g.first = m_reshape(l, m_expand(l, g.begin, 2, dims), 1, &g.total);
    read_tokens(l, &g, ids);
    l_out(l, 0, m_reshape(l, hashes(l, &g), 3, (dim[]){dims[0], dims[1], each}));
    l_out(l, 1, present(l, &g, g.tokens));
}

/* Sets where the sequences are from cumulative_sequence_length, in which they ascend from 0 to T. */
static void read_ends(lowering *l, ngrams *g)
{
    mval ends = m_cast(l, l_in(l, NGRAM_ENDS), SIB_I64), zero = number(l, 0),
         total = m_dim_scalar(l, g->total);
    int64_t count;
    if (l_ok(l) &&
        (m_rank(l, ends) != 1 || (dim_is_const(l->graph->dims, m_dim(l, ends, 0), &count) && count < 2)))
        l_fail(l, SIB_ERR_ARGUMENT, "cumulative_sequence_length is no list of two numbers or more");
    if (!l_ok(l))
        return;
    dim one = d_const(l, 1);
    g->batch = d_sub(l, m_dim(l, ends, 0), one);
    mval begin = m_slice(l, ends, 0, d_const(l, 0), g->batch, 1), end = m_slice(l, ends, 0, one, g->batch, 1);
    mval length = m_sub(l, end, begin), fits[3];
    fits[0] = m_less(l, zero, m_reduce(l, MILLI_reduce_min, length, 0, NULL, DROP_DIMS));
    fits[1] = m_equal(l, m_reduce(l, MILLI_reduce_min, begin, 0, NULL, DROP_DIMS), zero);
    fits[2] = m_equal(l, m_reduce(l, MILLI_reduce_max, end, 0, NULL, DROP_DIMS), total);
    elem_demand(l, m_and(l, fits[0], m_and(l, fits[1], fits[2])),
                "cumulative_sequence_length does not ascend from 0 to the number of input_ids");
    dim room = d_add(l, g->total, one);
    mval marks = m_scatter_nd(l, m_filled(l, zero, 1, &room), m_unsqueeze(l, end, 1),
                              m_filled(l, number(l, 1), 1, &g->batch), "none");
    mval passed = m_slice(l, marks, 0, d_const(l, 0), g->total, 1);
    g->request = m_cumulative(l, MILLI_cumulative_sum, passed, 0);
    g->first = m_gather(l, begin, g->request, 0);
    g->begin = m_unsqueeze(l, begin, 1);
    g->length = m_unsqueeze(l, length, 1);
}

/* [B, capacity, h]: the last h tokens after each of the first capture_count tokens of a sequence; pad_id where there
   is none. */
static mval captured(lowering *l, const ngrams *g)
{
    dim rank3[3] = {g->batch, d_const(l, 1), d_const(l, 1)},
        capacity = d_const(l, g->spec.state_update_capacity);
    mval counts = m_min(l, m_cast(l, m_unsqueeze(l, l_in(l, NGRAM_CAPTURES), 1), SIB_I64), g->length);
    mval step = m_unsqueeze(l, m_iota(l, SIB_I64, capacity), 1); /* [capacity, 1] */
    mval taken = m_less(l, step, m_reshape(l, counts, 3, rank3)), zero = number(l, 0);
    mval slot = m_sub(l, m_iota(l, SIB_I64, d_const(l, g->history)), number(l, g->history - 1));
    mval at = m_where(l, taken, m_add(l, step, slot), zero);
    mval request = m_reshape(l, m_iota(l, SIB_I64, g->batch), 3, rank3);
    mval found = m_gather(l, g->tokens, place(l, g, request, m_reshape(l, g->begin, 3, rank3), at), 0);
    return m_where(l, taken, found, m_scalar_int(l, m_dtype(l, found), g->spec.pad_id));
}

/* NGramHashMapping of sequences one behind the other, input_ids [T]. Segments of past_ids are past_segment_ids, or
   those of each sequence's first token. state_update: present_ids after each of the first tokens. com.microsoft
   VarlenNGramHashMapping-1. */
void lower_MS_VarlenNGramHashMapping(lowering *l, const node *n)
{
    ngrams g = ngrams_of(n, 0);
    mval ids = l_in(l, NGRAM_IDS);
    int64_t capacity = g.spec.state_update_capacity;
    dim open = DIM_NONE, history = d_const(l, g.history);
    l_declare(l, 0, m_dtype(l, ids), 2, (dim[]){open, open});
    l_declare(l, 1, m_dtype(l, ids), 2, (dim[]){open, history});
    l_declare(l, 2, SIB_I32, 2, (dim[]){open, history});
    l_declare(l, 3, m_dtype(l, ids), 3, (dim[]){open, d_const(l, capacity), history});
    if (l_ok(l) && m_rank(l, ids) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "input_ids has rank %d, expected 1", m_rank(l, ids));
    if (l_ok(l) && l_has(l, NGRAM_CAPTURES) != (capacity > 0))
        l_fail(l, SIB_ERR_ARGUMENT, "capture_count goes with a state_update_capacity above 0");
    if (l_ok(l) && !l_has(l, NGRAM_SEGMENTS) && (l_wants(l, 2) || l_has(l, NGRAM_PAST_SEGMENTS)))
        l_fail(l, SIB_ERR_ARGUMENT, "past_segment_ids and present_segment_ids need segment_ids");
    if (!check_ngrams(l, &g, ids))
        return;
    g.total = m_dim(l, ids, 0);
    read_ends(l, &g);
    if (l_ok(l))
        read_tokens(l, &g, ids);
    l_out(l, 0, hashes(l, &g));
    l_out(l, 1, present(l, &g, g.tokens));
    if (l_wants(l, 2))
        l_out(l, 2, m_cast(l, present(l, &g, g.segments), SIB_I32));
    dim none[3] = {g.batch, d_const(l, 0), history};
    if (l_wants(l, 3) && l_ok(l))
        l_out(l, 3, capacity ? captured(l, &g) : m_filled(l, elem_zero(l, ids), 3, none));
}

/* x / sqrt(mean of x^2 + epsilon) * scale over the last axis. */
static mval rms_norm(lowering *l, mval x, double epsilon, mval scale)
{
    const int64_t last = -1;
    return m_mul(l, nn_standardize(l, x, 1, &last, epsilon, false, NULL, NULL), elem_wide(l, scale));
}

/* output = sigmoid(sign(d) * sqrt(max(|d|, 1e-6))) * value with d = the product of the normalised key and query
   [B, S, C, H] over sqrt(H), value [B, S, H]; gated_value_normed: it, normalised. com.microsoft EngramGate-1. */
void lower_MS_EngramGate(lowering *l, const node *n)
{
    double epsilon = spec_branch(n).epsilon;
    mval key = l_in(l, 0), shared = l_in(l, 2);
    if (!elem_takes(l, key, "key", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, key));
    l_declare(l, 1, m_dtype(l, key), 0, NULL);
    if (l_wants(l, 1) && !l_has(l, 5)) {
        l_fail(l, SIB_ERR_ARGUMENT, "the output gated_value_normed needs conv_norm_scale");
        return;
    }
    if (m_rank(l, key) != 4 || m_rank(l, shared) != 3) {
        l_fail(l, SIB_ERR_ARGUMENT, "key and value have ranks %d and %d, expected 4 and 3", m_rank(l, key),
               m_rank(l, shared));
        return;
    }
    mval a = rms_norm(l, elem_wide(l, key), epsilon, l_in(l, 3));
    mval b = rms_norm(l, elem_wide(l, l_in(l, 1)), epsilon, l_in(l, 4));
    mval dot = m_reduce_axis(l, MILLI_reduce_sum, m_mul(l, a, b), -1, KEEP_DIMS);
    dot = m_div(l, dot, m_sqrt(l, elem_wide(l, m_dim_scalar(l, m_dim(l, key, -1)))));
    mval root = m_sqrt(l, m_max(l, m_abs(l, dot), elem_number(l, 1e-6)));
    mval gate = m_sigmoid(l, m_mul(l, m_sign(l, dot), root));
    mval gated = m_mul(l, gate, m_unsqueeze(l, elem_wide(l, shared), 2));
    elem_out(l, gated, key);
    if (l_wants(l, 1))
        l_out(l, 1, m_cast_like(l, rms_norm(l, gated, epsilon, l_in(l, 5)), key));
}
