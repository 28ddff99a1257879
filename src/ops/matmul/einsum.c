/* Einsum and Det. */
#include "milli/build_values.h"
#include "ops/lower/lower.h"

#include "base/alloc.h"

#include <string.h>

/* ---- Einsum ---------------------------------------------------------------------------------- */

/* Labels: the letters of the equation, then one per axis of an ellipsis, numbered from the last axis. */
#define LETTERS  52
#define ELLIPSIS LETTERS
#define LABELS   (LETTERS + SIB_MAX_RANK)

typedef struct term {
    int n, labels[SIB_MAX_RANK]; /* (n) one per axis */
    mval v;
} term;

typedef struct einsum {
    size_t n;
    term *terms; /* (n) */
    term out;
    int wide; /* axes of the longest ellipsis */
    dim size[LABELS];
    int uses[LABELS]; /* how often a label occurs in the inputs and in an explicit output */
} einsum;

static int letter_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    return c >= 'a' && c <= 'z' ? 26 + c - 'a' : -1;
}

/* Reads one term of the equation, text[0..n), for a tensor of `rank`; rank < 0: as many axes as are written,
   an ellipsis counting e->wide. */
static void read_term(lowering *l, const einsum *e, const char *text, size_t n, int rank, term *t)
{
    int letters = 0, dots = 0;
    for (size_t i = 0; i < n; i++) {
        letters += letter_of(text[i]) >= 0;
        dots += text[i] == '.';
    }
    int wide = !dots ? 0 : rank < 0 ? e->wide : rank - letters;
    t->n = 0;
    if ((dots && dots != 3) || wide < 0 || letters + wide > SIB_MAX_RANK ||
        (rank >= 0 && letters + wide != rank)) {
        l_fail(l, SIB_ERR_ARGUMENT, "the term '%.*s' of its equation does not fit a tensor of rank %d",
               (int)n, text, rank);
        return;
    }
    for (size_t i = 0; i < n && l_ok(l); i++) {
        if (text[i] == ' ')
            continue;
        if (letter_of(text[i]) >= 0)
            t->labels[t->n++] = letter_of(text[i]);
        else if (text[i] == '.' && i + 2 < n && text[i + 1] == '.' && text[i + 2] == '.') {
            for (int k = wide; k-- > 0;)
                t->labels[t->n++] = ELLIPSIS + k;
            i += 2;
        } else
            l_fail(l, SIB_ERR_ARGUMENT, "its equation has '%c' in '%.*s'", text[i], (int)n, text);
    }
}

/* Merges the size d of one more axis into that of a label; 1 broadcasts. Of two symbolic sizes the max is
   right wherever the model can run. */
static void meet(lowering *l, einsum *e, int label, dim d)
{
    int64_t have = -1, got = -1;
    dim *size = &e->size[label];
    if (!l_ok(l))
        return;
    if (!e->uses[label]++) {
        *size = d;
        return;
    }
    dim_is_const(l->graph->dims, *size, &have);
    dim_is_const(l->graph->dims, d, &got);
    if (have >= 0 && got >= 0 && have != got && have != 1 && got != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "a label is for dims of %lld and %lld", (long long)have, (long long)got);
    else if (have == 1 || (have < 0 && got > 1))
        *size = d;
    else if (have < 0 && got < 0)
        *size = d_max(l, *size, d);
}

/* Removes label `at`, whose axis was summed, selected or of size 1. */
static void drop_label(term *t, int at)
{
    memmove(t->labels + at, t->labels + at + 1, sizeof *t->labels * (size_t)(t->n - at - 1));
    t->n--;
}

/* Replaces two axes of one label by their diagonal, at the first of them. */
static void take_diagonal(lowering *l, term *t, int first, int second)
{
    dim n = m_dim(l, t->v, first), other = m_dim(l, t->v, second), one = d_const(l, 1);
    int64_t rows, columns;
    if (l_ok(l) && dim_is_const(l->graph->dims, n, &rows) && dim_is_const(l->graph->dims, other, &columns) &&
        rows != columns)
        l_fail(l, SIB_ERR_ARGUMENT, "a label occurs twice in a term, for dims of %lld and %lld",
               (long long)rows, (long long)columns);
    mval v = m_move(l, t->v, second, first + 1); /* neighbours: every (n + 1)th of n * n elements */
    v = m_flatten(l, v, first, first + 2);
    mval every = m_mul(l, m_iota(l, SIB_I64, n), m_dim_scalar(l, d_add(l, n, one)));
    t->v = m_gather(l, v, every, first);
    drop_label(t, second);
}

/* Reduces labels that occur twice to diagonals and drops axes of size 1 whose label is larger elsewhere. */
static void simplify(lowering *l, einsum *e, term *t)
{
    for (int i = 0; i < t->n && l_ok(l); i++)
        for (int k = t->n; --k > i && l_ok(l);)
            if (t->labels[k] == t->labels[i])
                take_diagonal(l, t, i, k);
    for (int i = t->n; i-- > 0 && l_ok(l);) {
        int64_t have = -1, want = -1;
        dim_is_const(l->graph->dims, m_dim(l, t->v, i), &have);
        dim_is_const(l->graph->dims, e->size[t->labels[i]], &want);
        if (have == 1 && want != 1) {
            t->v = m_squeeze(l, t->v, i);
            drop_label(t, i);
        }
    }
}

static int find(const term *t, int label)
{
    for (int i = 0; i < t->n; i++)
        if (t->labels[i] == label)
            return i;
    return -1;
}

/* True where a label is needed after the terms before `next` are joined. */
static bool wanted(const einsum *e, size_t next, int label)
{
    for (size_t i = next; i < e->n; i++)
        if (find(&e->terms[i], label) >= 0)
            return true;
    return find(&e->out, label) >= 0;
}

/* Sums over the labels of t that no other term and not the output needs. */
static void sum_alone(lowering *l, const einsum *e, term *t, const term *other, size_t next)
{
    int64_t axes[SIB_MAX_RANK];
    size_t n = 0;
    for (int i = 0; i < t->n; i++)
        if (!wanted(e, next, t->labels[i]) && (!other || find(other, t->labels[i]) < 0))
            axes[n++] = i;
    if (n)
        t->v = m_reduce(l, MILLI_reduce_sum, t->v, n, axes, DROP_DIMS);
    while (n)
        drop_label(t, (int)axes[--n]);
}

typedef struct part {
    size_t n;
    int labels[SIB_MAX_RANK];
    dim dims[SIB_MAX_RANK]; /* (n) */
} part;

static void add_label(part *p, int label, dim d)
{
    p->labels[p->n] = label;
    p->dims[p->n++] = d;
}

/* t as [shared..., rows, columns]: its axes in the order of the three parts, the last two parts flattened. */
static mval arranged(lowering *l, const term *t, const part *shared, const part *rows, const part *columns)
{
    const part *parts[3] = {shared, rows, columns};
    int64_t perm[SIB_MAX_RANK];
    dim dims[SIB_MAX_RANK];
    size_t n = 0;
    for (int p = 0; p < 3; p++)
        for (size_t i = 0; i < parts[p]->n; i++)
            perm[n++] = find(t, parts[p]->labels[i]);
    memcpy(dims, shared->dims, sizeof *dims * shared->n);
    dims[shared->n] = d_product(l, rows->n, rows->dims);
    dims[shared->n + 1] = d_product(l, columns->n, columns->dims);
    return m_reshape(l, m_transpose(l, t->v, perm), shared->n + 2, dims);
}

/* Joins a and b into one term by a matrix product: common labels that are still needed are batch axes, other
   common labels are summed over. */
static void join(lowering *l, const einsum *e, term *a, term *b, size_t next)
{
    part shared = {0}, summed = {0}, left = {0}, right = {0};
    sum_alone(l, e, a, b, next);
    sum_alone(l, e, b, a, next);
    for (int i = 0; i < a->n; i++) {
        int label = a->labels[i];
        bool both = find(b, label) >= 0;
        add_label(!both ? &left : wanted(e, next, label) ? &shared : &summed, label, m_dim(l, a->v, i));
    }
    for (int i = 0; i < b->n; i++)
        if (find(a, b->labels[i]) < 0)
            add_label(&right, b->labels[i], m_dim(l, b->v, i));
    size_t rank = shared.n + left.n + right.n;
    if (l_ok(l) && (rank > SIB_MAX_RANK || shared.n + 2 > SIB_MAX_RANK))
        l_fail(l, SIB_ERR_UNSUPPORTED, "%zu axes between two of its terms, at most %d are built", rank,
               SIB_MAX_RANK - 2);
    if (!l_ok(l))
        return;
    mval v = m_matmul(l, arranged(l, a, &shared, &left, &summed), arranged(l, b, &shared, &summed, &right));
    const part *parts[3] = {&shared, &left, &right};
    dim dims[SIB_MAX_RANK];
    a->n = 0;
    for (int p = 0; p < 3; p++)
        for (size_t i = 0; i < parts[p]->n; i++) {
            dims[a->n] = e->size[parts[p]->labels[i]];
            a->labels[a->n++] = parts[p]->labels[i];
        }
    a->v = m_reshape(l, v, rank, dims);
}

/* Reads the terms of the equation and the sizes of their labels. */
static void read_equation(lowering *l, const node *n, einsum *e)
{
    sib_str text = spec_einsum(n).equation;
    size_t at = 0, arrow = text.length;
    for (size_t i = 0; i + 1 < text.length && arrow == text.length; i++)
        if (text.data[i] == '-' && text.data[i + 1] == '>')
            arrow = i;
    for (size_t i = 0; i < e->n && l_ok(l); i++) {
        size_t end = at;
        while (end < arrow && text.data[end] != ',')
            end++;
        if ((i + 1 < e->n) != (end < arrow)) {
            l_fail(l, SIB_ERR_ARGUMENT, "its equation must have as many terms as the %zu inputs", e->n);
            return;
        }
        term *t = &e->terms[i];
        dim dims[SIB_MAX_RANK];
        t->v = l_in(l, i);
        int rank = m_dims(l, t->v, dims);
        if (l_ok(l))
            read_term(l, e, text.data + at, end - at, rank, t);
        for (int k = 0; k < t->n && l_ok(l); k++) {
            meet(l, e, t->labels[k], dims[k]);
            if (t->labels[k] >= ELLIPSIS && t->labels[k] - ELLIPSIS >= e->wide)
                e->wide = t->labels[k] - ELLIPSIS + 1;
        }
        at = end + 1;
    }
    if (!l_ok(l))
        return;
    if (arrow < text.length) {
        read_term(l, e, text.data + arrow + 2, text.length - arrow - 2, -1, &e->out);
        for (int i = 0; i < e->out.n && l_ok(l); i++)
            if (!e->uses[e->out.labels[i]] || find(&e->out, e->out.labels[i]) != i)
                l_fail(l, SIB_ERR_ARGUMENT, "a label of the output is in no input, or occurs twice");
        return;
    }
    for (int k = e->wide;
         k-- > 0;) /* without an arrow: the ellipsis, then labels that occur once, A to Z and a to z */
        e->out.labels[e->out.n++] = ELLIPSIS + k;
    for (int i = 0; i < LETTERS && l_ok(l); i++) {
        if (e->uses[i] == 1 && e->out.n == SIB_MAX_RANK)
            l_fail(l, SIB_ERR_SIZE, "the output has more than %d axes", SIB_MAX_RANK);
        else if (e->uses[i] == 1)
            e->out.labels[e->out.n++] = i;
    }
}

static void contract(lowering *l, einsum *e)
{
    dim dims[SIB_MAX_RANK];
    int64_t perm[SIB_MAX_RANK];
    sib_dtype dtype = m_dtype(l, e->terms[0].v);
    bool floats = sib_dtype_get_kind(dtype) == SIB_KIND_FLOAT;
    for (int i = 0; i < e->out.n; i++)
        dims[i] = e->size[e->out.labels[i]];
    l_declare(l, 0, dtype, e->out.n, dims);
    for (size_t i = 0; i < e->n && l_ok(l); i++) {
        if (m_dtype(l, e->terms[i].v) != dtype)
            l_fail(l, SIB_ERR_ARGUMENT, "inputs are of %s and %s, expected one dtype", sib_dtype_name(dtype),
                   sib_dtype_name(m_dtype(l, e->terms[i].v)));
        if (floats && e->n > 2) /* several products are rounded only once, at the end */
            e->terms[i].v = m_cast(l, e->terms[i].v, SIB_F64);
        simplify(l, e, &e->terms[i]);
    }
    term all = e->terms[0];
    for (size_t i = 1; i < e->n && l_ok(l); i++)
        join(l, e, &all, &e->terms[i], i + 1);
    if (l_ok(l))
        sum_alone(l, e, &all, NULL, e->n);
    /* every output label is found: an axis of size 1 is dropped only if the label is larger elsewhere */
    for (int i = 0; i < e->out.n && l_ok(l); i++)
        perm[i] = find(&all, e->out.labels[i]);
    if (l_ok(l))
        l_out(l, 0, m_cast(l, m_transpose(l, all.v, perm), dtype));
}

/* out[labels] = the sum, over the labels that the output lacks, of the product of all inputs at their labels.
   Terms are joined from left to right by matrix products. ONNX Einsum-12. */
void lower_ONNX_Einsum(lowering *l, const node *n)
{
    einsum e = {.n = n->inputs.n};
    if (!e.n) {
        l_fail(l, SIB_ERR_ARGUMENT, "it has no inputs");
        return;
    }
    e.terms = mem_calloc(e.n, sizeof *e.terms);
    if (!e.terms) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for %zu terms", e.n);
        return;
    }
    read_equation(l, n, &e);
    if (l_ok(l))
        contract(l, &e);
    mem_free(e.terms);
}

/* ---- Det ------------------------------------------------------------------------------------- */

/* The determinant of the last two axes, which have equal size. ONNX Det-22. */
void lower_ONNX_Det(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_determinant(l, l_in(l, 0)));
}
