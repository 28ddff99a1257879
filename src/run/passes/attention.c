/* Fuses attention as exporters write it: a Softmax over the product of queries and keys, scaled and
   masked, times values.

   Heads are 4-D tensors [B, H, S, D], or [B * H, S, D] with one head each. Where a Reshape and a Transpose
   made them of [B, S, H * D], the operator takes that tensor, and the Transpose after it is removed too. */
#include "run/passes/attention_mask.h"
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* A mask may be added instead of selected if `fill` is at most this: it must dominate any score. HIDES is
   enough where every row has a visible key. */
#define DROWNS    (-1e9)
#define HIDES     (-1e4)
#define NODES_MAX 8

typedef enum mask_kind {
    MASK_NONE,
    MASK_ADDED,  /* a tensor of floats */
    MASK_SEEN,   /* bool: false becomes `fill` */
    MASK_HIDDEN, /* bool: true becomes `fill` */
} mask_kind;

/* One operand of the operator. */
typedef struct heads {
    value_id v;
    bool packed;                     /* [B, S, H * D] */
    const node *transpose, *reshape; /* removed where packed */
} heads;

typedef struct attention {
    matcher *m;
    match_nodes nodes;
    int rank; /* of the heads */
    double scale;
    mask_kind mask_kind;
    value_id mask;
    double fill;
    value_id q, k_transposed, v; /* operands of the products */
    heads in[3];
    node_id keys_from;      /* another Transpose of the keys, which must stay; NO_NODE: none */
    int64_t n_heads, width; /* of 4-D heads: H, and D of the values */
    size_t n_made;
    node made[NODES_MAX];
    value_id ids[NODES_MAX][4]; /* inputs of the nodes that are made */
    value_id out[NODES_MAX];
    int64_t perms[2][4];
    attribute attributes[NODES_MAX][3];
} attention;

/* ---- Scores -------------------------------------------------------------------------------------------- */

/* Whether n multiplies or divides a value by a number: *x is the value, *by the factor. */
static bool is_scaled(const matcher *m, const node *n, value_id *x, double *by)
{
    double number;
    if (!n || n->inputs.n != 2)
        return false;
    if (match_op(n, "Div") && match_number(m, n->inputs.ids[1], &number) && number != 0) {
        *x = n->inputs.ids[0];
        *by = 1 / number;
        return true;
    }
    for (uint32_t i = 0; match_op(n, "Mul") && i < 2; i++)
        if (match_number(m, n->inputs.ids[i], by)) {
            *x = n->inputs.ids[1 - i];
            return true;
        }
    return false;
}

/* Whether v is a matrix product, scaled or not. */
static bool leads_to_product(const matcher *m, value_id v)
{
    double by;
    for (int i = 0; i < 4; i++) {
        const node *n = match_maker(m, v);
        if (match_op(n, "MatMul"))
            return true;
        if (!is_scaled(m, n, &v, &by))
            return false;
    }
    return false;
}

static bool read_added(attention *a, const node *n, value_id *next)
{
    for (uint32_t i = 0; n->inputs.n == 2 && i < 2; i++)
        if (leads_to_product(a->m, n->inputs.ids[i])) {
            *next = n->inputs.ids[i];
            a->mask = n->inputs.ids[1 - i];
            a->mask_kind = MASK_ADDED;
            return match_dtype(a->m, a->mask) == SIB_F32;
        }
    return false;
}

static bool read_chosen(attention *a, const node *n, value_id *next)
{
    if (n->inputs.n != 3)
        return false;
    bool seen = match_number(a->m, n->inputs.ids[2], &a->fill);
    if (!seen && !match_number(a->m, n->inputs.ids[1], &a->fill))
        return false;
    a->mask = n->inputs.ids[0];
    a->mask_kind = seen ? MASK_SEEN : MASK_HIDDEN;
    *next = n->inputs.ids[seen ? 1 : 2];
    return true;
}

/* Follows the scores from the Softmax up to the product. */
static bool read_scores(attention *a, value_id v)
{
    a->scale = 1;
    for (int i = 0; i < 6; i++) {
        const node *n = match_maker(a->m, v);
        double by = 1;
        value_id next = v;
        if (!n || !match_only_reader(a->m, v))
            return false;
        match_add(&a->nodes, a->m, n);
        if (match_op(n, "MatMul")) {
            a->q = n->inputs.ids[0];
            a->k_transposed = n->inputs.ids[1];
            return true;
        }
        if (is_scaled(a->m, n, &next, &by))
            a->scale *= by;
        else if (a->mask_kind != MASK_NONE || a->scale != 1 || /* a mask scaled after it was added */
                 !(match_op(n, "Add")     ? read_added(a, n, &next)
                   : match_op(n, "Where") ? read_chosen(a, n, &next)
                                          : false))
            return false;
        v = next;
    }
    return false;
}

/* ---- Masks --------------------------------------------------------------------------------------------- */

/* Whether the mask may be added to the scores: adding `fill` must have the effect of replacing them by it,
   and no row may be all -inf: there the exporter's softmax is NaN, while the operator's weights are 0. */
static bool may_add_mask(const attention *a)
{
    int rank = match_rank(a->m, a->mask);
    if (a->mask_kind == MASK_NONE)
        return true;
    if (rank < 1 || rank > a->rank) /* that of the operator has an axis of keys */
        return false;
    if (a->mask_kind == MASK_ADDED)
        return mask_leaves_keys(a->m, a->mask);
    if (a->fill <= DROWNS && isfinite(a->fill))
        return true;
    return a->fill <= HIDES && a->mask_kind == MASK_SEEN && mask_sees_first(a->m, a->mask);
}

/* ---- Heads --------------------------------------------------------------------------------------------- */

static bool has_perm(const node *n, size_t count, const int64_t *perm)
{
    spec_ints given = spec_transpose(n).perm;
    return given.n == count && !memcmp(given.v, perm, count * sizeof *perm);
}

static const int64_t swap_heads[] = {0, 2, 1, 3};

/* Reads the packed tensor [B, S, H * D] of which x [B, S, H, D] was made. */
static bool read_packed(const matcher *m, value_id x, heads *h)
{
    const node *reshape = match_made_by(m, x, "Reshape");
    value_id from = reshape ? reshape->inputs.ids[0] : NO_VALUE;
    int64_t heads_here, width;
    if (match_rank(m, from) != 3 || match_rank(m, x) != 4 || !match_dim(m, x, 2, &heads_here) ||
        !match_dim(m, x, 3, &width) || heads_here < 1)
        return false;
    const dim *was = m->g->values[from].type.shape.dims, *is = m->g->values[x].type.shape.dims;
    if (!was[0].id || !was[1].id || !dim_same(was[0], is[0]) || !dim_same(was[1], is[1]))
        return false;
    h->v = from;
    h->packed = true;
    h->reshape = reshape;
    return true;
}

/* Reads v [B, H, S, D] itself, or the packed tensor of which it was made. */
static void read_heads(const attention *a, value_id v, heads *h)
{
    const node *n = match_made_by(a->m, v, "Transpose");
    *h = (heads){.v = v};
    if (a->rank == 4 && n && has_perm(n, 4, swap_heads) && read_packed(a->m, n->inputs.ids[0], h))
        h->transpose = n;
}

/* Moves a scale of operand v into that of the scores; returns the unscaled operand. */
static value_id unscaled(attention *a, value_id v)
{
    const node *n = match_maker(a->m, v);
    double by;
    value_id x;
    if (!n || !match_only_reader(a->m, v) || !is_scaled(a->m, n, &x, &by) || match_rank(a->m, x) != a->rank)
        return v;
    a->scale *= by;
    match_add(&a->nodes, a->m, n);
    return x;
}

static value_id made_value(attention *a, const value_type *like, sib_code *code)
{
    value_id made = NO_VALUE;
    if (*code == SIB_OK)
        *code = patch_value(a->m->patch, (sib_str){"", 0}, like, &made, a->m->err);
    return made;
}

/* Adds a node to those that will be made. */
static node *new_node(attention *a, const char *type, int64_t version, const node *like, uint32_t n_in,
                      value_id out)
{
    size_t i = a->n_made++;
    a->made[i] = match_node("", type, version, like);
    a->out[i] = out;
    a->made[i].inputs = (id_list){n_in, a->ids[i]};
    a->made[i].outputs = (id_list){1, &a->out[i]};
    a->made[i].attributes = a->attributes[i];
    return &a->made[i];
}

/* Finds keys [.., T, D] for the transposed ones [.., D, T]: the source of those, or another Transpose of
   them. Returns false where they would have to be transposed at run time, which costs as much as the
   fusion saves. *adds_transpose: a new Transpose of h->v is needed, with permutation perm. */
static bool read_keys(attention *a, const node *last, heads *h, bool *adds_transpose, int64_t perm[4])
{
    static const int64_t back[][4] = {{0, 2, 1}, {0, 1, 3, 2}};
    const matcher *m = a->m;
    value_id v = a->k_transposed;
    const node *n = match_made_by(m, v, "Transpose");
    size_t rank = (size_t)a->rank;
    *adds_transpose = false;
    spec_ints was = n ? spec_transpose(n).perm : (spec_ints){0, NULL};
    if (n && was.n == rank) {
        memcpy(perm, was.v, rank * sizeof *perm);
        perm[rank - 1] = was.v[rank - 2];
        perm[rank - 2] = was.v[rank - 1];
        *h = (heads){.v = n->inputs.ids[0]};
        for (size_t i = 0; i < rank; i++)
            *adds_transpose |= perm[i] != (int64_t)i;
        if (match_only_reader(m, v))
            match_add(&a->nodes, m, n);
        if (*adds_transpose && rank == 4 && !memcmp(perm, swap_heads, sizeof swap_heads) &&
            read_packed(m, n->inputs.ids[0], h)) {
            h->transpose = n;
            *adds_transpose = false;
        }
        return true;
    }
    for (node_id i = 0; i < match_id(m, last); i++) {
        const node *o = &m->g->nodes[i];
        if (match_op(o, "Transpose") && !m->taken[i] && o->inputs.ids[0] == v &&
            has_perm(o, rank, back[rank - 3])) {
            *h = (heads){.v = node_out(o, 0)};
            a->keys_from = i;
            return true;
        }
    }
    return false;
}

/* The dims of heads as [B, H, S, D]; for rank 3, as [B, S, D]. */
static bool head_dims(const attention *a, const heads *h, const int64_t *perm, dim out[4])
{
    value_id v = h->packed ? h->reshape->outputs.ids[0] : h->v;
    const dim_shape *s = &a->m->g->values[v].type.shape;
    static const int64_t as_it_is[] = {0, 1, 2, 3};
    if (match_rank(a->m, v) != a->rank)
        return false;
    const int64_t *p = h->packed ? swap_heads : perm ? perm : as_it_is;
    for (int i = 0; i < a->rank; i++)
        out[i] = s->dims[p[i]];
    for (int i = 0; i < a->rank; i++)
        if (!out[i].id)
            return false;
    return true;
}

/* Whether q, k and v fit: same batches, heads and widths, as many keys as values. */
static bool heads_agree(attention *a, bool adds_transpose, const int64_t *perm)
{
    dim q[4] = {0}, k[4] = {0}, v[4] = {0};
    int last = a->rank - 1;
    if (!head_dims(a, &a->in[0], NULL, q) || !head_dims(a, &a->in[1], adds_transpose ? perm : NULL, k) ||
        !head_dims(a, &a->in[2], NULL, v))
        return false;
    for (int i = 0; i < last - 1; i++)
        if (!dim_same(q[i], k[i]) || !dim_same(q[i], v[i]))
            return false;
    a->n_heads = 1;
    return dim_same(q[last], k[last]) && dim_same(k[last - 1], v[last - 1]) &&
           dim_is_const(a->m->g->dims, v[last], &a->width) &&
           (a->rank == 3 || dim_is_const(a->m->g->dims, q[1], &a->n_heads));
}

/* ---- Building ------------------------------------------------------------------------------------------ */

/* The mask as the operator takes it: to be added, with dims [.., 1, S, T] where heads are of rank 3. */
static sib_code build_mask(attention *a, const node *like, value_id *out)
{
    matcher *m = a->m;
    sib_code code = SIB_OK;
    *out = a->mask;
    if (a->mask_kind == MASK_SEEN || a->mask_kind == MASK_HIDDEN) {
        value_type type = m->g->values[a->mask].type;
        value_id zero, fill;
        type.dtype = SIB_F32;
        code = match_keep_float(m, SIB_F32, 0, &zero);
        if (code == SIB_OK)
            code = match_keep_float(m, SIB_F32, a->fill, &fill);
        *out = made_value(a, &type, &code);
        if (code != SIB_OK)
            return code;
        node *n = new_node(a, "Where", 9, like, 3, *out);
        bool seen = a->mask_kind == MASK_SEEN;
        n->inputs.ids[0] = a->mask;
        n->inputs.ids[1] = seen ? zero : fill;
        n->inputs.ids[2] = seen ? fill : zero;
    }
    if (code == SIB_OK && a->rank == 3 && match_rank(m, a->mask) == 3) {
        value_type type = type_tensor(SIB_F32);
        const dim *d = m->g->values[a->mask].type.shape.dims;
        type.shape =
            (dim_shape){.ranked = true, .rank = 4, .dims = {d[0], dim_const(m->g->dims, 1), d[1], d[2]}};
        value_id axes, before = *out;
        code = match_keep_ints(m, 1, (int64_t[]){1}, &axes);
        *out = made_value(a, &type, &code);
        if (code != SIB_OK)
            return code;
        node *n = new_node(a, "Unsqueeze", 13, like, 2, *out);
        n->inputs.ids[0] = before;
        n->inputs.ids[1] = axes;
    }
    return code;
}

static sib_code build_keys(attention *a, const node *like, const int64_t perm[4], value_id *out)
{
    const value_type *from = &a->m->g->values[a->in[1].v].type;
    value_type type = *from;
    sib_code code = SIB_OK;
    for (int i = 0; i < a->rank; i++)
        type.shape.dims[i] = from->shape.dims[perm[i]];
    *out = made_value(a, &type, &code);
    if (code != SIB_OK)
        return code;
    node *n = new_node(a, "Transpose", 1, like, 1, *out);
    n->inputs.ids[0] = a->in[1].v;
    a->attributes[a->n_made - 1][0] = match_ints_of("perm", (size_t)a->rank, perm);
    n->n_attributes = 1;
    return SIB_OK;
}

/* Makes the value of the packed output: type of y [B, H, S, D] with the heads merged. */
static value_id packed_value(attention *a, value_id y, sib_code *code)
{
    const dim *d = a->m->g->values[y].type.shape.dims;
    value_type type = type_tensor(SIB_F32);
    int64_t width;
    type.shape = (dim_shape){.ranked = true, .rank = 3, .dims = {d[0], d[2]}};
    if (__builtin_mul_overflow(a->n_heads, a->width, &width))
        width = 0;
    type.shape.dims[2] = dim_const(a->m->g->dims, width);
    return made_value(a, &type, code);
}

/* Builds the operator, followed by a Reshape to what the Transpose gave where the output is packed. */
static sib_code build(attention *a, const node *last, value_id y, value_id out, bool adds_transpose,
                      const int64_t perm[4])
{
    matcher *m = a->m;
    value_id mask = NO_VALUE, k = a->in[1].v, shape = NO_VALUE, made = out;
    sib_code code = a->mask_kind == MASK_NONE ? SIB_OK : build_mask(a, last, &mask);
    if (code == SIB_OK && adds_transpose)
        code = build_keys(a, last, perm, &k);
    if (code == SIB_OK && a->in[0].packed) {
        code = match_keep_ints(m, 4, (int64_t[]){0, 0, a->n_heads, a->width}, &shape);
        made = packed_value(a, y, &code);
    }
    if (code != SIB_OK)
        return code;
    node *n = new_node(a, "Attention", 23, last, mask == NO_VALUE ? 3 : 4, made);
    memcpy(n->inputs.ids, (value_id[]){a->in[0].v, k, a->in[2].v, mask}, 4 * sizeof mask);
    n->attributes[0] = match_float("scale", (float)a->scale);
    n->attributes[1] = match_int("q_num_heads", a->n_heads);
    n->attributes[2] = match_int("kv_num_heads", a->n_heads);
    n->n_attributes = a->in[0].packed || a->in[1].packed || a->in[2].packed || a->rank == 3 ? 3 : 1;
    if (a->in[0].packed) {
        n = new_node(a, "Reshape", 5, last, 2, out);
        n->inputs.ids[0] = made;
        n->inputs.ids[1] = shape;
    }
    return match_replace_by(m, &a->nodes, a->n_made, a->made);
}

/* Keeps queries packed only where the Transpose that merges the heads follows. */
static void choose_packing(attention *a, value_id y, value_id *out, const node **last)
{
    const node *n = match_only_reader(a->m, y);
    if (!a->in[0].packed)
        return;
    if (match_op(n, "Transpose") && has_perm(n, 4, swap_heads)) {
        match_add(&a->nodes, a->m, n);
        *out = node_out(n, 0);
        *last = n;
    } else {
        a->in[0] = (heads){.v = node_out(a->in[0].transpose, 0)};
    }
}

static void take_packing(attention *a)
{
    for (int i = 0; i < 3; i++) {
        const node *n = a->in[i].transpose;
        if (!a->in[i].packed || !n || !match_only_reader(a->m, node_out(n, 0)))
            continue;
        match_add(&a->nodes, a->m, n);
        if (match_only_reader(a->m, n->inputs.ids[0]))
            match_add(&a->nodes, a->m, a->in[i].reshape);
    }
}

static sib_code fuse_softmax(matcher *m, const node *softmax)
{
    attention a = {.m = m, .rank = match_rank(m, node_in(softmax, 0)), .keys_from = NO_NODE};
    value_id p = node_out(softmax, 0);
    const node *product = match_only_reader(m, p);
    softmax_spec s = spec_softmax(softmax);
    size_t begin, end;
    int64_t perm[4];
    bool adds_transpose;
    if ((a.rank != 3 && a.rank != 4) || !spec_softmax_axes(&s, (size_t)a.rank, &begin, &end) ||
        begin != (size_t)a.rank - 1 || end != (size_t)a.rank || match_dtype(m, p) != SIB_F32 ||
        !match_op(product, "MatMul") || product->inputs.ids[0] != p ||
        !read_scores(&a, softmax->inputs.ids[0]) || !may_add_mask(&a))
        return SIB_OK;
    match_add(&a.nodes, m, softmax);
    match_add(&a.nodes, m, product);
    a.v = product->inputs.ids[1];
    a.q = unscaled(&a, a.q);
    a.k_transposed = unscaled(&a, a.k_transposed);
    if (match_rank(m, a.q) != a.rank || match_rank(m, a.k_transposed) != a.rank ||
        match_rank(m, a.v) != a.rank || !read_keys(&a, product, &a.in[1], &adds_transpose, perm))
        return SIB_OK;
    read_heads(&a, a.q, &a.in[0]);
    read_heads(&a, a.v, &a.in[2]);
    value_id y = node_out(product, 0), out = y;
    const node *last = product;
    if (!heads_agree(&a, adds_transpose, perm) || !(a.scale > 0) || !isfinite(a.scale) ||
        match_rank(m, y) != a.rank)
        return SIB_OK;
    choose_packing(&a, y, &out, &last);
    if (!match_closed(m, &a.nodes, out) || !pass_admit(m->run))
        return SIB_OK;
    take_packing(&a);
    if (a.keys_from != NO_NODE)
        m->taken[a.keys_from] = true;
    return build(&a, last, y, out, adds_transpose, perm);
}

static sib_code fuse_at(matcher *m, const node *n)
{
    return match_op(n, "Softmax") ? fuse_softmax(m, n) : SIB_OK;
}

sib_code pass_attention(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    return match_each(g, r, p, fuse_at, err);
}
