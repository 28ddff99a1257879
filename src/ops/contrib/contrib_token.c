/* Operators of com.microsoft on tokens: words of characters, drafts of texts, alignment. */
#include "milli/build_values.h"
#include "ops/lower/elem.h"

/* ---- Words ----------------------------------------------------------------------------------------------- */

/* Whether W [M, 1, k, D] and C [V, D] fit together, words of `letters` characters, and the attributes. */
static void check_words(lowering *l, const word_embedding_spec *spec, mval w, mval table, int64_t letters)
{
    const int64_t size[3] = {m_size(l, w, 0), m_size(l, w, 2), m_size(l, w, 3)};
    const int64_t wanted[3] = {spec->embedding_size, spec->conv_window_size, spec->char_embedding_size};
    static const char *const names[3] = {"embedding_size", "conv_window_size", "char_embedding_size"};
    for (int i = 0; i < 3 && l_ok(l); i++)
        if (wanted[i] != -1 && wanted[i] != size[i])
            l_fail(l, SIB_ERR_ARGUMENT, "%s is %lld, but W has %lld", names[i], (long long)wanted[i],
                   (long long)size[i]);
    int64_t width = m_size(l, table, 1), planes = m_size(l, w, 1);
    if (l_ok(l) && (width != size[2] || planes != 1))
        l_fail(l, SIB_ERR_ARGUMENT,
               "W has %lld planes of %lld elements a character, expected 1 of the %lld of C",
               (long long)planes, (long long)size[2], (long long)width);
    if (l_ok(l) && (size[1] < 1 || letters < size[1]))
        l_fail(l, SIB_ERR_ARGUMENT, "words of %lld characters and windows of %lld", (long long)letters,
               (long long)size[1]);
}

/* Y[s, m] = the max over windows p of tanh(B[m] + sum over k, d of C[Sequence[s, p + k], d] * W[m, 0, k, d]), which
   end within the word: its characters are those above 0, none where the first is not. A word shorter than a window
   has one; without characters Y is 0. com.microsoft WordConvEmbedding-1. */
void lower_MS_WordConvEmbedding(lowering *l, const node *n)
{
    word_embedding_spec spec = spec_word_embedding(n);
    mval words = l_in(l, 0), w = l_in(l, 1), table = l_in(l, 3), none = m_scalar_int(l, SIB_I32, 0);
    if (!elem_takes(l, words, "Sequence", ELEM(SIB_I32)) || !elem_takes(l, w, "W", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, w));
    if (m_rank(l, words) != 2 || m_rank(l, w) != 4 || m_rank(l, table) != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "Sequence, W and C have ranks %d, %d and %d, expected 2, 4 and 2",
               m_rank(l, words), m_rank(l, w), m_rank(l, table));
    if (!l_ok(l))
        return;
    l_declare(l, 0, m_dtype(l, w), 2, (dim[]){m_dim(l, words, 0), m_dim(l, w, 0)});
    int64_t letters = m_size(l, words, 1), k = m_size(l, w, 2);
    check_words(l, &spec, w, table, letters);
    if (!l_ok(l))
        return;
    dim each = d_mul(l, m_dim(l, w, 2), m_dim(l, w, 3)), places = d_const(l, letters - k + 1);
    mval x = m_gather(l, elem_wide(l, table), m_max(l, words, none), 0); /* [S, L, D] */
    window_spec windows = {.n = 1, .kernel = {k}, .stride = {1}, .dilation = {1}};
    windows.before[0] = windows.after[0] = d_const(l, 0);
    x = m_transpose(l, m_windows(l, m_swap(l, x, 1, 2), &windows, MVAL_NONE), (int64_t[]){0, 3, 2, 1});
    x = m_reshape(l, x, 3, (dim[]){m_dim(l, words, 0), places, each});
    mval filters = m_swap(l, m_reshape(l, elem_wide(l, w), 2, (dim[]){m_dim(l, w, 0), each}), 0, 1);
    mval y = m_tanh(l, m_add(l, m_matmul(l, x, filters), elem_wide(l, l_in(l, 2)))); /* [S, P, M] */
    mval filled = m_less(l, none, words), first = m_slice_numbers(l, filled, 1, 0, 1);
    mval length = m_reduce_axis(l, MILLI_reduce_sum, m_cast(l, filled, SIB_I64), 1, KEEP_DIMS);
    mval last = m_max(l, m_sub(l, length, m_scalar_int(l, SIB_I64, k)), m_scalar_int(l, SIB_I64, 0));
    mval within = m_less_equal(l, m_iota(l, SIB_I64, places), last); /* [S, P] */
    y = m_where(l, m_unsqueeze(l, within, 2), y, elem_number(l, -1));
    y = m_reduce_axis(l, MILLI_reduce_max, y, 1, DROP_DIMS);
    elem_out(l, m_where(l, first, y, elem_number(l, 0)), w);
}

/* ---- Drafts ---------------------------------------------------------------------------------------------- */

static mval tokens_in(lowering *l, size_t i, const char *what)
{
    mval v = l_in(l, i);
    if (!elem_takes(l, v, what, ELEM(SIB_I64)))
        return MVAL_NONE;
    if (m_rank(l, v) != 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has rank %d, expected 1", what, m_rank(l, v));
    return v;
}

/* Appends to tokens [C] those of pred_tokens [P] up to the first that src_tokens from prev_suffix_match_idx on do
   not have, and that one. Returns all [C + P], of which the first *count are the text. */
static mval merged(lowering *l, mval source, mval tokens, mval *count)
{
    mval guessed = tokens_in(l, 3, "pred_tokens");
    int64_t n_source = m_size(l, source, 0), length = m_size(l, tokens, 0), n = m_size(l, guessed, 0);
    mval before = elem_scalar(l, l_in(l, 2), "prev_suffix_match_idx");
    if (!l_ok(l))
        return MVAL_NONE;
    int64_t first = n_source + 1 - n;
    int64_t fits = m_int(l, m_cast(l, m_equal(l, before, m_scalar_int(l, SIB_I64, first)), SIB_I64));
    if (l_ok(l) && (!fits || first < 0 || n < 1))
        return l_fail(l, SIB_ERR_VALUE,
                      "%lld pred_tokens are not one more than src_tokens has, %lld, from "
                      "prev_suffix_match_idx on",
                      (long long)n, (long long)n_source);
    if (!l_ok(l))
        return MVAL_NONE;
    mval same =
        m_equal(l, m_slice_numbers(l, guessed, 0, 0, n - 1), m_slice_numbers(l, source, 0, first, n - 1));
    mval run = m_cumulative(l, MILLI_cumulative_prod, m_cast(l, same, SIB_I64), 0);
    *count = m_add_number(l, m_reduce(l, MILLI_reduce_sum, run, 0, NULL, DROP_DIMS), (double)length + 1);
    return m_concat(l, 2, (mval[]){tokens, guessed}, 0);
}

/* Where in source the last i of the first `count` of tokens end, if they stand there once, for i from min_ngram_size
   to max_ngram_size while they are found at all; -1 where they stand there more often. */
static mval suffix_end(lowering *l, const bifurcation_spec *spec, mval source, mval tokens, mval count)
{
    int64_t n = m_size(l, source, 0), room = m_size(l, tokens, 0);
    mval none = m_scalar_int(l, SIB_I64, -1), found = none, going = m_scalar_int(l, SIB_BOOL, 1);
    for (int64_t i = spec->min_ngram_size; i <= spec->max_ngram_size && i <= n && i <= room && l_ok(l); i++) {
        mval size = m_scalar_int(l, SIB_I64, i), zero = m_scalar_int(l, SIB_I64, 0);
        mval at = m_add(l, m_sub(l, count, size), m_iota(l, SIB_I64, d_const(l, i)));
        mval last = m_gather(l, tokens, m_max(l, at, zero), 0);
        window_spec windows = {.n = 1, .kernel = {i}, .stride = {1}, .dilation = {1}};
        windows.before[0] = windows.after[0] = d_const(l, 0);
        mval equal = m_equal(l, m_windows(l, source, &windows, MVAL_NONE), m_unsqueeze(l, last, 1));
        mval here = m_cast(l, m_reduce_axis(l, MILLI_reduce_min, equal, 0, DROP_DIMS), SIB_I64);
        mval times = m_reduce(l, MILLI_reduce_sum, here, 0, NULL, DROP_DIMS);
        mval end = m_add(l, m_arg(l, MILLI_arg_max, here, 0, false, DROP_DIMS), size);
        going = m_and(l, going, m_and(l, m_less_equal(l, size, count), m_less(l, zero, times)));
        mval one = m_where(l, m_less(l, m_scalar_int(l, SIB_I64, 1), times), none, end);
        found = m_where(l, going, one, found);
        going = m_and(l, going, m_less(l, end, m_scalar_int(l, SIB_I64, n)));
    }
    return found;
}

/* tokens = cur_tokens and what pred_tokens has as src_tokens goes on, with the first that differs; suffix_match_idx =
   where the end of tokens goes on in src_tokens. com.microsoft BifurcationDetector-1; Ge et al. 2022. */
void lower_MS_BifurcationDetector(lowering *l, const node *n)
{
    bifurcation_spec spec = spec_bifurcation(n);
    mval source = tokens_in(l, 0, "src_tokens"), tokens = tokens_in(l, 1, "cur_tokens"), before = l_in(l, 2);
    dim dims[SIB_MAX_RANK];
    l_declare(l, 0, SIB_I64, 1, (dim[]){DIM_NONE});
    l_declare(l, 1, SIB_I64, 0, NULL);
    if (l_ok(l) && spec.min_ngram_size > spec.max_ngram_size)
        l_fail(l, SIB_ERR_ARGUMENT, "min_ngram_size %lld exceeds max_ngram_size %lld",
               (long long)spec.min_ngram_size, (long long)spec.max_ngram_size);
    int rank = m_dims(l, before, dims);
    if (!l_ok(l))
        return;
    l_declare(l, 1, SIB_I64, rank, dims);
    mval count = m_dim_scalar(l, m_dim(l, tokens, 0)), kept = tokens;
    if (l_has(l, 3)) {
        tokens = merged(l, source, tokens, &count);
        if (!l_ok(l))
            return;
        mval is_kept = m_less(l, m_iota(l, SIB_I64, m_dim(l, tokens, 0)), count);
        kept = m_gather(l, tokens, m_squeeze(l, m_nonzero(l, is_kept), 0), 0);
    }
    l_out(l, 0, kept);
    l_out(l, 1, m_reshape(l, suffix_end(l, &spec, source, tokens, count), (size_t)rank, dims));
}

/* ---- Alignment ------------------------------------------------------------------------------------------- */

/* Rows and columns of the cheapest path through costs [M, N] or [1, M, N], from the first to the last.
   com.microsoft DynamicTimeWarping-1. */
void lower_MS_DynamicTimeWarping(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    int64_t first = 1;
    if (!elem_takes(l, x, "input", ELEM(SIB_F32) | ELEM(SIB_F64)))
        return;
    l_declare(l, 0, SIB_I32, 2, (dim[]){d_const(l, 2), DIM_NONE});
    int rank = m_rank(l, x);
    if (rank == 3)
        dim_is_const(l->graph->dims, m_dim(l, x, 0), &first);
    if (l_ok(l) && ((rank != 2 && rank != 3) || first != 1))
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected [M, N] or [1, M, N]", rank);
    if (l_ok(l))
        l_out(l, 0, m_warp_path(l, rank == 3 ? m_squeeze(l, x, 0) : x));
}
