/* The words of sib_milli_op: each a milli-op, or a few, with its parameters by name. Those of numbers, and
   the checks of all. */
#include "extend/word.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static const char *const reductions[] = {"none", "add", "mul", "min", "max", NULL};

/* ---- Words ------------------------------------------------------------------------------------------------ */

static void unary(word_call *c)
{
    c->out[0] = m_unary(c->l, c->kind, c->in[0]);
}

static void binary(word_call *c)
{
    c->out[0] = m_binary(c->l, c->kind, c->in[0], c->in[1]);
}

static void where(word_call *c)
{
    c->out[0] = m_where(c->l, c->in[0], c->in[1], c->in[2]);
}

static void cast(word_call *c)
{
    sib_dtype to = param_dtype(c, "to");
    c->out[0] = !l_ok(c->l)                   ? MVAL_NONE
                : param_int(c, "saturate", 0) ? m_cast_saturating(c->l, c->in[0], to)
                                              : m_cast(c->l, c->in[0], to);
}

static void bitcast(word_call *c)
{
    sib_dtype to = param_dtype(c, "to");
    c->out[0] = l_ok(c->l) ? m_bitcast(c->l, c->in[0], to) : MVAL_NONE;
}

static void sigmoid(word_call *c)
{
    c->out[0] = m_sigmoid(c->l, c->in[0]);
}

static void relu(word_call *c)
{
    c->out[0] = m_relu(c->l, c->in[0]);
}

static void reduce(word_call *c)
{
    int64_t axes[SIB_MAX_RANK];
    size_t n = param_ints(c, "axes", axes);
    const int64_t *listed = param_find(c, "axes") ? axes : NULL;
    keep_dims keep = param_int(c, "keep", 0) ? KEEP_DIMS : DROP_DIMS;
    c->out[0] = c->kind == MILLI_COUNT ? m_reduce_mean(c->l, c->in[0], n, listed, keep)
                                       : m_reduce(c->l, c->kind, c->in[0], n, listed, keep);
}

static void arg(word_call *c)
{
    c->out[0] = m_arg(c->l, c->kind, c->in[0], param_axis(c), param_int(c, "last", 0) != 0,
                      param_int(c, "keep", 0) ? KEEP_DIMS : DROP_DIMS);
}

static void cumulative(word_call *c)
{
    c->out[0] = m_cumulative(c->l, c->kind, c->in[0], param_axis(c));
}

static void softmax(word_call *c)
{
    c->out[0] = m_softmax(c->l, c->in[0], param_axis(c));
}

static void log_softmax(word_call *c)
{
    c->out[0] = m_log_softmax(c->l, c->in[0], param_axis(c));
}

static void reshape(word_call *c)
{
    dim dims[SIB_MAX_RANK];
    size_t rank = param_shape(c, "dims", dims);
    c->out[0] = l_ok(c->l) ? m_reshape(c->l, c->in[0], rank, dims) : MVAL_NONE;
}

static void expand(word_call *c)
{
    dim dims[SIB_MAX_RANK];
    size_t rank = param_shape(c, "dims", dims);
    c->out[0] = l_ok(c->l) ? m_expand(c->l, c->in[0], rank, dims) : MVAL_NONE;
}

static void tile(word_call *c)
{
    dim repeats[SIB_MAX_RANK];
    size_t n = param_shape(c, "repeats", repeats);
    c->out[0] = l_ok(c->l) ? m_tile(c->l, c->in[0], n, repeats) : MVAL_NONE;
}

static void transpose(word_call *c)
{
    int64_t perm[SIB_MAX_RANK];
    if (param_per_axis(c, "perm", param_ints(c, "perm", perm)))
        c->out[0] = m_transpose(c->l, c->in[0], perm);
}

static void unsqueeze(word_call *c)
{
    if (m_rank(c->l, c->in[0]) == SIB_MAX_RANK)
        l_fail(c->l, SIB_ERR_SIZE, "%s: the rank is %d already", c->name, SIB_MAX_RANK);
    c->out[0] = m_unsqueeze(c->l, c->in[0], param_axis(c));
}

static void squeeze(word_call *c)
{
    c->out[0] = m_squeeze(c->l, c->in[0], param_axis(c));
}

static void slice(word_call *c)
{
    dim start = param_dim(c, "start"), count = param_dim(c, "count");
    c->out[0] = m_slice(c->l, c->in[0], param_axis(c), start, count, param_int(c, "step", 1));
}

static void reverse(word_call *c)
{
    c->out[0] = m_reverse(c->l, c->in[0], param_axis(c));
}

static void concat(word_call *c)
{
    c->out[0] = m_concat(c->l, c->n_in, c->in, param_axis(c));
}

static void stack(word_call *c)
{
    c->out[0] = m_stack(c->l, c->n_in, c->in, param_axis(c));
}

static void pad(word_call *c)
{
    dim before[SIB_MAX_RANK], after[SIB_MAX_RANK];
    if (param_per_axis(c, "before", param_shape(c, "before", before)) &&
        param_per_axis(c, "after", param_shape(c, "after", after)))
        c->out[0] = m_pad(c->l, c->in[0], before, after, c->n_in > 1 ? c->in[1] : MVAL_NONE);
}

static void gather(word_call *c)
{
    c->out[0] = m_gather(c->l, c->in[0], c->in[1], param_axis(c));
}

static void gather_elements(word_call *c)
{
    c->out[0] = m_gather_elements(c->l, c->in[0], c->in[1], param_axis(c));
}

static void gather_nd(word_call *c)
{
    const int64_t batch = param_int(c, "batch", 0);
    c->out[0] = m_gather_nd(c->l, c->in[0], c->in[1], batch >= 0 && batch <= SIB_MAX_RANK ? (int)batch : -1);
}

static void scatter_nd(word_call *c)
{
    c->out[0] = m_scatter_nd(c->l, c->in[0], c->in[1], c->in[2], param_choice(c, "reduction", reductions));
}

static void nonzero(word_call *c)
{
    c->out[0] = m_nonzero(c->l, c->in[0]);
}

static void unique(word_call *c)
{
    m_unique(c->l, c->in[0], param_axis(c), !param_find(c, "axis"), param_int(c, "sorted", 1) != 0, c->out);
}

static void windows(word_call *c)
{
    static const char *const names[] = {"kernel", "stride", "dilation"};
    window_spec w = {0};
    int64_t *lists[] = {w.kernel, w.stride, w.dilation};
    size_t n = param_ints(c, "kernel", w.kernel);
    for (size_t k = 1; k < 3; k++)
        if (!param_find(c, names[k]))
            for (size_t i = 0; i < n; i++)
                lists[k][i] = 1;
        else if (param_ints(c, names[k], lists[k]) != n && l_ok(c->l))
            l_fail(c->l, SIB_ERR_ARGUMENT, "%s: kernel and %s differ in length", c->name, names[k]);
    bool padded = param_find(c, "before") || param_find(c, "after");
    for (size_t i = 0; i < n; i++)
        w.before[i] = w.after[i] = d_const(c->l, 0);
    if (padded && (param_shape(c, "before", w.before) != n || param_shape(c, "after", w.after) != n) &&
        l_ok(c->l))
        l_fail(c->l, SIB_ERR_ARGUMENT, "%s: before and after have as many numbers as kernel", c->name);
    w.n = (int)n;
    c->out[0] = l_ok(c->l) ? m_windows(c->l, c->in[0], &w, c->n_in > 1 ? c->in[1] : MVAL_NONE) : MVAL_NONE;
}

static void iota(word_call *c)
{
    sib_dtype dtype = param_dtype(c, "dtype");
    dim n = param_dim(c, "n");
    c->out[0] = l_ok(c->l) ? m_iota(c->l, dtype, n) : MVAL_NONE;
}

static void matmul(word_call *c)
{
    c->out[0] = m_matmul(c->l, c->in[0], c->in[1]);
}

static void sort(word_call *c)
{
    c->out[0] = m_sort(c->l, c->in[0], param_axis(c), param_int(c, "descending", 0) != 0, &c->out[1]);
}

static void lookup(word_call *c)
{
    c->out[0] = m_lookup(c->l, c->in[0], c->in[1]);
}

static const word words[] = {
    {"where", 3, 3, 1, "", where, MILLI_where, NULL},
    {"cast", 1, 1, 1, "to saturate?", cast, MILLI_cast, NULL},
    {"bitcast", 1, 1, 1, "to", bitcast, MILLI_bitcast, NULL},
    {"sigmoid", 1, 1, 1, "", sigmoid, MILLI_COUNT, NULL},
    {"relu", 1, 1, 1, "", relu, MILLI_COUNT, NULL},
    {"reduce_sum", 1, 1, 1, "axes? keep?", reduce, MILLI_reduce_sum, NULL},
    {"reduce_prod", 1, 1, 1, "axes? keep?", reduce, MILLI_reduce_prod, NULL},
    {"reduce_min", 1, 1, 1, "axes? keep?", reduce, MILLI_reduce_min, NULL},
    {"reduce_max", 1, 1, 1, "axes? keep?", reduce, MILLI_reduce_max, NULL},
    {"reduce_mean", 1, 1, 1, "axes? keep?", reduce, MILLI_COUNT, NULL},
    {"arg_min", 1, 1, 1, "axis last? keep?", arg, MILLI_arg_min, NULL},
    {"arg_max", 1, 1, 1, "axis last? keep?", arg, MILLI_arg_max, NULL},
    {"cumulative_sum", 1, 1, 1, "axis", cumulative, MILLI_cumulative_sum, NULL},
    {"cumulative_prod", 1, 1, 1, "axis", cumulative, MILLI_cumulative_prod, NULL},
    {"softmax", 1, 1, 1, "axis", softmax, MILLI_COUNT, NULL},
    {"log_softmax", 1, 1, 1, "axis", log_softmax, MILLI_COUNT, NULL},
    {"reshape", 1, 1, 1, "dims", reshape, MILLI_reshape, NULL},
    {"expand", 1, 1, 1, "dims", expand, MILLI_expand, NULL},
    {"tile", 1, 1, 1, "repeats", tile, MILLI_COUNT, NULL},
    {"transpose", 1, 1, 1, "perm", transpose, MILLI_transpose, NULL},
    {"unsqueeze", 1, 1, 1, "axis", unsqueeze, MILLI_COUNT, NULL},
    {"squeeze", 1, 1, 1, "axis", squeeze, MILLI_COUNT, NULL},
    {"slice", 1, 1, 1, "axis start count step?", slice, MILLI_slice, NULL},
    {"reverse", 1, 1, 1, "axis", reverse, MILLI_COUNT, NULL},
    {"concat", 1, SIB_OPERATOR_ENDS, 1, "axis", concat, MILLI_concat, NULL},
    {"stack", 1, SIB_OPERATOR_ENDS, 1, "axis", stack, MILLI_COUNT, NULL},
    {"pad", 1, 2, 1, "before after", pad, MILLI_pad, NULL},
    {"gather", 2, 2, 1, "axis", gather, MILLI_gather, NULL},
    {"gather_elements", 2, 2, 1, "axis", gather_elements, MILLI_COUNT, NULL},
    {"gather_nd", 2, 2, 1, "batch?", gather_nd, MILLI_gather_nd, NULL},
    {"scatter_nd", 3, 3, 1, "reduction?", scatter_nd, MILLI_scatter_nd, NULL},
    {"nonzero", 1, 1, 1, "", nonzero, MILLI_nonzero, NULL},
    {"unique", 1, 1, 4, "axis? sorted?", unique, MILLI_unique, NULL},
    {"windows", 1, 2, 1, "kernel stride? dilation? before? after?", windows, MILLI_windows, NULL},
    {"iota", 0, 0, 1, "dtype n", iota, MILLI_iota, NULL},
    {"matmul", 2, 2, 1, "", matmul, MILLI_matmul, NULL},
    {"sort", 1, 1, 2, "axis descending?", sort, MILLI_sort, NULL},
    {"lookup", 2, 2, 1, "", lookup, MILLI_lookup, NULL},
};
#define WORDS (sizeof words / sizeof *words)

/* Elementwise milli-ops need no row: the first of milli.def are those of one input, then those of two. */
static bool elementwise(size_t i, word *out)
{
    if (i > MILLI_less_equal)
        return false;
    const milli_def *m = milli_row((milli_kind)i);
    *out = (word){m->name, m->inputs, m->inputs, 1, "", m->inputs == 1 ? unary : binary, m->kind, NULL};
    return true;
}

static bool word_at(size_t i, word *out)
{
    const size_t all = WORDS + n_words_of_values;
    if (i >= all)
        return elementwise(i - all, out);
    *out = i < WORDS ? words[i] : words_of_values[i - WORDS];
    return true;
}

const char *sib_milli_word(size_t i, const char **params, size_t *outputs)
{
    word w;
    if (!word_at(i, &w))
        return NULL;
    if (params)
        *params = w.params;
    if (outputs)
        *outputs = (size_t)w.max_out;
    return w.name;
}

/* ---- Checking and building -------------------------------------------------------------------------------- */

/* Whether `name` is one of the words of the list, "?" aside. */
static bool lists(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, " "), at += *at == ' ')
        if (strcspn(at, " ?") == n && !memcmp(at, name, n))
            return true;
    return false;
}

static void check_params(word_call *c, const word *w)
{
    for (size_t i = 0; i < c->n_params; i++)
        if (!c->params[i].name || !lists(w->params, c->params[i].name))
            l_fail(c->l, SIB_ERR_ARGUMENT, "%s has no parameter %s; it has: %s", w->name,
                   c->params[i].name ? c->params[i].name : "NULL", *w->params ? w->params : "none");
    for (const char *at = w->params; *at && l_ok(c->l); at += strcspn(at, " "), at += *at == ' ') {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, " ?"), at);
        if (at[strlen(name)] != '?' && !param_find(c, name))
            l_fail(c->l, SIB_ERR_ARGUMENT, "%s: parameter %s is missing", w->name, name);
    }
}

static bool find_word(sib_lowering *b, const char *name, word *out)
{
    for (size_t i = 0; name && word_at(i, out); i++)
        if (!strcmp(out->name, name))
            return true;
    for (size_t i = 0; name && i < MILLI_COUNT; i++)
        if (!strcmp(milli_row((milli_kind)i)->name, name)) {
            l_fail(b->l, SIB_ERR_UNSUPPORTED, "milli-op %s cannot be built by callers", name);
            return false;
        }
    l_fail(b->l, SIB_ERR_ARGUMENT, "there is no milli-op '%s'", name ? name : "NULL");
    return false;
}

void sib_milli_emit(sib_lowering *b, const char *name, size_t n_in, const sib_mval *in, size_t n_params,
                    const sib_param *params, size_t n_out, sib_mval *out)
{
    word w;
    for (size_t i = 0; i < n_out; i++)
        out[i] = (sib_mval){SIB_NONE};
    if (!lowering_builds(b) || !find_word(b, name, &w))
        return;
    word_call c = {.l = b->l,
                   .b = b,
                   .name = w.name,
                   .kind = w.kind,
                   .n_in = n_in,
                   .n_params = n_params,
                   .params = params,
                   .out = {MVAL_NONE, MVAL_NONE, MVAL_NONE, MVAL_NONE}};
    if (n_in < (size_t)w.min_in || n_in > (size_t)w.max_in || n_out < 1 || n_out > (size_t)w.max_out) {
        l_fail(b->l, SIB_ERR_ARGUMENT, "%s of %zu inputs and %zu outputs, expected %d to %d and up to %d",
               w.name, n_in, n_out, w.min_in, w.max_in, w.max_out);
        return;
    }
    check_params(&c, &w);
    for (size_t i = 0; i < n_in; i++) {
        c.in[i] = handle_value(b, in[i]);
        if (c.in[i].id == NO_VALUE) /* sticky, or an input that the node omits */
            l_fail(b->l, SIB_ERR_ARGUMENT, "%s: its input %zu is none", w.name, i);
    }
    if (l_ok(b->l) && w.table)
        param_attributes(&c, w.table);
    if (l_ok(b->l))
        w.build(&c);
    for (size_t i = 0; i < n_out && l_ok(b->l); i++)
        out[i] = (sib_mval){c.out[i].id};
}
