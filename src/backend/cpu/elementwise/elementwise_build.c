/* Builds chains from graphs of elementwise milli-ops.

   Lowerings compute in float64 between casts from and to narrower floats, so that the definition rounds once.
   A chain computes such float64 values in float32 if all of them come from casts, constants and values of the
   same operator and go only to casts and comparisons of it. Casts of the model itself keep their dtype. */
#include "backend/cpu/elementwise/elementwise.h"
#include "tensor/convert.h"

#include <math.h>

/* Larger constants are not inspected when a plan is made. */
#define CONSTANT_MAX 4096

/* ---- Supported milli-ops --------------------------------------------------------------------------- */

/* The chain's function for a milli-op, + 1; 0 where it has none. */
static const unsigned char ops[MILLI_COUNT] = {
    [MILLI_neg] = CHAIN_neg + 1,
    [MILLI_abs] = CHAIN_abs + 1,
    [MILLI_sign] = CHAIN_sign + 1,
    [MILLI_floor] = CHAIN_floor + 1,
    [MILLI_ceil] = CHAIN_ceil + 1,
    [MILLI_round] = CHAIN_round + 1,
    [MILLI_sqrt] = CHAIN_sqrt + 1,
    [MILLI_exp] = CHAIN_exp + 1,
    [MILLI_log] = CHAIN_log + 1,
    [MILLI_sin] = CHAIN_sin + 1,
    [MILLI_cos] = CHAIN_cos + 1,
    [MILLI_tan] = CHAIN_tan + 1,
    [MILLI_asin] = CHAIN_asin + 1,
    [MILLI_acos] = CHAIN_acos + 1,
    [MILLI_atan] = CHAIN_atan + 1,
    [MILLI_sinh] = CHAIN_sinh + 1,
    [MILLI_cosh] = CHAIN_cosh + 1,
    [MILLI_tanh] = CHAIN_tanh + 1,
    [MILLI_asinh] = CHAIN_asinh + 1,
    [MILLI_acosh] = CHAIN_acosh + 1,
    [MILLI_atanh] = CHAIN_atanh + 1,
    [MILLI_erf] = CHAIN_erf + 1,
    [MILLI_log1p] = CHAIN_log1p + 1,
    [MILLI_expm1] = CHAIN_expm1 + 1,
    [MILLI_not] = CHAIN_not + 1,
    [MILLI_is_nan] = CHAIN_is_nan + 1,
    [MILLI_is_inf] = CHAIN_is_inf + 1,
    [MILLI_add] = CHAIN_add + 1,
    [MILLI_sub] = CHAIN_sub + 1,
    [MILLI_mul] = CHAIN_mul + 1,
    [MILLI_div] = CHAIN_div + 1,
    [MILLI_mod] = CHAIN_mod + 1,
    [MILLI_fmod] = CHAIN_fmod + 1,
    [MILLI_pow] = CHAIN_pow + 1,
    [MILLI_min] = CHAIN_min + 1,
    [MILLI_max] = CHAIN_max + 1,
    [MILLI_and] = CHAIN_and + 1,
    [MILLI_or] = CHAIN_or + 1,
    [MILLI_xor] = CHAIN_xor + 1,
    [MILLI_shift_left] = CHAIN_shift_left + 1,
    [MILLI_shift_right] = CHAIN_shift_right + 1,
    [MILLI_equal] = CHAIN_equal + 1,
    [MILLI_less] = CHAIN_less + 1,
    [MILLI_less_equal] = CHAIN_less_equal + 1,
};

static sib_dtype dtype_of(const graph *g, value_id v)
{
    return cpu_dtype(v == NO_VALUE ? NULL : &g->values[v]);
}

bool elementwise_is(const node *n)
{
    return n->milli && n->milli->kind <= MILLI_bitcast;
}

static bool takes_dtypes(const graph *g, const node *n)
{
    const uint32_t *in = n->inputs.ids;
    sib_dtype a = dtype_of(g, in[0]), b = n->inputs.n > 1 ? dtype_of(g, in[1]) : a,
              to = dtype_of(g, n->outputs.ids[0]);
    switch (n->milli->kind) {
    case MILLI_where:
        return a == SIB_BOOL && b == to && dtype_of(g, in[2]) == to && chain_takes_where(to);
    case MILLI_cast:
        return chain_takes_cast(a, to);
    case MILLI_bitcast:
        return chain_takes_bitcast(a, to);
    case MILLI_is_nan:
    case MILLI_is_inf:
    case MILLI_equal:
    case MILLI_less:
    case MILLI_less_equal:
        return to == SIB_BOOL && a == b && chain_takes((chain_op)(ops[n->milli->kind] - 1), a);
    default:
        return ops[n->milli->kind] && to == a && a == b &&
               chain_takes((chain_op)(ops[n->milli->kind] - 1), a);
    }
}

/* The dims of a tensor, if all are numbers. */
static bool dims_of(const graph *g, value_id v, size_t *rank, int64_t dims[SIB_MAX_RANK])
{
    node_view view = {.graph = g};
    return v != NO_VALUE && cpu_dims(&view, &g->values[v], rank, dims);
}

static bool broadcasts(size_t rank, const int64_t *dims, size_t out_rank, const int64_t *out)
{
    if (rank > out_rank)
        return false;
    for (size_t i = 1; i <= rank; i++)
        if (dims[rank - i] != 1 && dims[rank - i] != out[out_rank - i])
            return false;
    return true;
}

bool elementwise_takes(const graph *g, const node *n)
{
    size_t rank, out_rank;
    int64_t dims[SIB_MAX_RANK], out[SIB_MAX_RANK];
    if (!elementwise_is(n) || n->outputs.n != 1 || n->inputs.n != (uint32_t)n->milli->inputs ||
        !dims_of(g, n->outputs.ids[0], &out_rank, out))
        return false;
    for (uint32_t k = 0; k < n->inputs.n; k++)
        if (!dims_of(g, n->inputs.ids[k], &rank, dims) || !broadcasts(rank, dims, out_rank, out))
            return false;
    return takes_dtypes(g, n);
}

/* ---- Building ------------------------------------------------------------------------------------------ */

/* A value of the graph and its value in the chain. */
typedef struct known {
    value_id value;
    bool narrow; /* read as float32 instead of float64 */
    size_t made;
} known;

typedef struct builder {
    const graph *g; /* the graph of the values */
    const node *nodes;
    size_t first, n_nodes;          /* nodes [first, n_nodes) become the chain */
    id_list inputs, outputs;        /* of these nodes together */
    const node_view *outer;         /* the node whose body they are; NULL for a single node */
    bool narrow[ELEMENTWISE_NODES]; /* the node is computed in float32 instead of float64 */
    known *known;                   /* (n_known) */
    size_t n_known;
    elementwise_chain *out;
} builder;

static bool is_input(const builder *b, value_id v, size_t *place)
{
    for (uint32_t i = 0; i < b->inputs.n; i++)
        if (b->inputs.ids[i] == v) {
            *place = i;
            return true;
        }
    return false;
}

static bool is_wide(const graph *g, value_id v)
{
    return dtype_of(g, v) == SIB_F64;
}

static size_t count_of(const graph *g, value_id v)
{
    size_t rank = 0, count = 1;
    int64_t dims[SIB_MAX_RANK];
    dims_of(g, v, &rank, dims);
    for (size_t i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    return count;
}

/* True where the float64 value v, read by node n, was widened by the same operator: it is in the body, a
   constant, or computed before the body with at most half as many elements as the result (a mean, a scale).
   What the operator computes before the body for each element, such as sums of a product, keeps its precision
   until it is rounded. */
static bool comes_from_same(const builder *b, const node *n, value_id v)
{
    const value *x = &b->g->values[v];
    size_t place;
    if (x->constant)
        return true;
    if (x->producer != NO_NODE)
        return x->producer >= b->first && b->nodes[x->producer].origin == n->origin;
    if (!is_input(b, v, &place) || 2 * count_of(b->g, v) > count_of(b->g, n->outputs.ids[0]))
        return false;
    node_id maker = b->outer->in[place]->producer;
    return maker != NO_NODE && b->outer->graph->nodes[maker].origin == n->origin;
}

static bool integer_constant(const value *x)
{
    const sib_tensor *t = x->constant->count <= CONSTANT_MAX ? cpu_constant(x) : NULL;
    double numbers[CONVERT_BLOCK];
    if (!t || !t->dense || sib_dtype_get_kind(t->dtype) != SIB_KIND_FLOAT || dtype_is_packed(t->dtype))
        return false;
    for (size_t i = 0, n; i < t->count; i += n) {
        n = size_min(CONVERT_BLOCK, (size_t)t->count - i);
        convert_to_doubles(t->dtype, t->data, i, n, CONVERT_REAL_PART, numbers);
        for (size_t k = 0; k < n; k++)
            if (numbers[k] != trunc(numbers[k]) || fabs(numbers[k]) > 65536)
                return false;
    }
    return true;
}

/* True where v is empty or holds integers exact in float32: what quantization rounds, its zero points. */
static bool is_integer(const builder *b, value_id v, int depth)
{
    const value *x = &b->g->values[v];
    sib_dtype_kind kind = sib_dtype_get_kind(x->type.dtype);
    if (kind == SIB_KIND_INT || kind == SIB_KIND_UINT)
        return sib_dtype_bits(x->type.dtype) <= 16;
    if (x->constant)
        return integer_constant(x);
    if (x->producer == NO_NODE || x->producer < b->first || depth > 4)
        return false;
    const node *n = &b->nodes[x->producer];
    if (n->milli->kind == MILLI_round)
        return x->type.dtype != SIB_F64;
    bool keeps = n->milli->kind == MILLI_cast || n->milli->kind == MILLI_add || n->milli->kind == MILLI_sub;
    for (uint32_t k = 0; k < n->inputs.n && keeps; k++)
        keeps = is_integer(b, n->inputs.ids[k], depth + 1);
    return keeps;
}

/* True where node n may read the float64 value v as float32. */
static bool reads_narrow(const builder *b, const node *n, value_id v)
{
    sib_dtype to = dtype_of(b->g, n->outputs.ids[0]);
    if (n->milli->kind != MILLI_cast)
        return to == SIB_F64 || to == SIB_BOOL;
    if (to == SIB_F64 || to == SIB_F32 || to == SIB_F16 || to == SIB_BF16)
        return true;
    return spec_milli_cast(n).saturate && sib_dtype_bits(to) <= 16 &&
           sib_dtype_get_kind(to) != SIB_KIND_FLOAT && to != SIB_BOOL && is_integer(b, v, 0);
}

static bool goes_to_same(const builder *b, const node *n)
{
    value_id v = n->outputs.ids[0];
    for (uint32_t i = 0; i < b->outputs.n; i++)
        if (b->outputs.ids[i] == v)
            return false;
    for (size_t i = b->first; i < b->n_nodes; i++)
        for (uint32_t k = 0; k < b->nodes[i].inputs.n; k++) {
            const node *reader = &b->nodes[i];
            if (reader->inputs.ids[k] == v && (reader->origin != n->origin || !reads_narrow(b, reader, v)))
                return false;
        }
    return true;
}

/* Functions that amplify small differences: steps, and periodic functions. */
static bool is_sharp(milli_kind kind)
{
    return kind == MILLI_floor || kind == MILLI_ceil || kind == MILLI_round || kind == MILLI_mod ||
           kind == MILLI_fmod || kind == MILLI_sin || kind == MILLI_cos || kind == MILLI_tan;
}

static bool may_narrow(const builder *b, const node *n)
{
    const graph *g = b->g;
    bool wide = is_wide(g, n->outputs.ids[0]);
    if (n->milli->kind == MILLI_bitcast || n->origin == NO_NODE || (wide && is_sharp(n->milli->kind)))
        return false;
    if (n->milli->kind == MILLI_cast && wide) {
        sib_dtype from = dtype_of(g, n->inputs.ids[0]);
        if (!is_wide(g, n->inputs.ids[0]) && sib_dtype_bits(from) > 16 && from != SIB_F32)
            return false;
    }
    for (uint32_t k = 0; k < n->inputs.n; k++)
        if (is_wide(g, n->inputs.ids[k]) && !comes_from_same(b, n, n->inputs.ids[k]))
            return false;
    return !wide || goes_to_same(b, n);
}

static bool touches_wide(const graph *g, const node *n)
{
    bool wide = is_wide(g, n->outputs.ids[0]);
    for (uint32_t k = 0; k < n->inputs.n; k++)
        wide |= is_wide(g, n->inputs.ids[k]);
    return wide;
}

/* Finds the nodes to compute in float32: for each operator all that it widens, or nothing. */
static void find_narrow(builder *b)
{
    for (size_t i = b->first; i < b->n_nodes; i++)
        b->narrow[i] = touches_wide(b->g, &b->nodes[i]);
    for (size_t i = b->first; i < b->n_nodes; i++) {
        const node *n = &b->nodes[i];
        if (!touches_wide(b->g, n) || may_narrow(b, n))
            continue;
        for (size_t j = b->first; j < b->n_nodes; j++)
            if (b->nodes[j].origin == n->origin)
                b->narrow[j] = false;
    }
}

static size_t add_operand(builder *b, value_id v, bool narrow)
{
    const value *x = &b->g->values[v];
    elementwise_chain *e = b->out;
    size_t rank = 0, place = SIZE_MAX, made;
    int64_t dims[SIB_MAX_RANK];
    dims_of(b->g, v, &rank, dims);
    const sib_tensor *constant = x->constant && x->constant->count <= CONSTANT_MAX ? cpu_constant(x) : NULL;
    if (constant && !constant->dense)
        constant = NULL;
    is_input(b, v, &place);
    if (narrow && constant)
        made = chain_converted(e->c, SIB_F64, rank, dims, constant->data, SIB_F32);
    else
        made = chain_operand(e->c, x->type.dtype, rank, dims, constant ? constant->data : NULL);
    if (made == CHAIN_NONE)
        return made;
    if (!narrow || !constant)
        e->inputs[e->n_operands++] = place;
    return narrow && !constant ? chain_cast(e->c, made, SIB_F32, false) : made;
}

static size_t remember(builder *b, value_id v, bool narrow, size_t made)
{
    b->known[b->n_known++] = (known){v, narrow, made};
    return made;
}

/* The chain's value for one that node i reads. A node's own result is never remembered as narrow. */
static size_t read_value(builder *b, size_t i, value_id v)
{
    bool narrow = b->narrow[i] && is_wide(b->g, v);
    size_t place;
    for (size_t k = 0; k < b->n_known; k++)
        if (b->known[k].value == v && (b->known[k].narrow == narrow || !is_input(b, v, &place)))
            return b->known[k].made;
    return remember(b, v, narrow, add_operand(b, v, narrow));
}

static void add_node(builder *b, size_t i)
{
    const node *n = &b->nodes[i];
    chain *c = b->out->c;
    size_t in[3] = {CHAIN_NONE, CHAIN_NONE, CHAIN_NONE}, made;
    sib_dtype to = dtype_of(b->g, n->outputs.ids[0]);
    for (uint32_t k = 0; k < n->inputs.n; k++)
        in[k] = read_value(b, i, n->inputs.ids[k]);
    if (n->milli->kind == MILLI_where)
        made = chain_where(c, in[0], in[1], in[2]);
    else if (n->milli->kind == MILLI_bitcast)
        made = chain_bitcast(c, in[0], to);
    else if (n->milli->kind == MILLI_cast)
        made =
            chain_cast(c, in[0], b->narrow[i] && to == SIB_F64 ? SIB_F32 : to, spec_milli_cast(n).saturate);
    else
        made = chain_apply(c, (chain_op)(ops[n->milli->kind] - 1), in[0], in[1]);
    remember(b, n->outputs.ids[0], false, made);
}

static bool add_all(builder *b)
{
    elementwise_chain *e = b->out;
    if (b->first) { /* the head's result is already in the memory of the output */
        value_id v = b->nodes[0].outputs.ids[0];
        e->head = e->n_operands;
        chain_in_place(e->c, remember(b, v, false, add_operand(b, v, false)));
    }
    for (size_t i = b->first; i < b->n_nodes; i++)
        add_node(b, i);
    for (uint32_t i = 0; i < b->outputs.n; i++)
        if (!chain_result(e->c, read_value(b, b->n_nodes - 1, b->outputs.ids[i])))
            return false;
    e->clamped = b->first && chain_clamp(e->c, &e->clamp.low, &e->clamp.high);
    return chain_finish(e->c);
}

static sib_code build(builder *b, sib_error *err)
{
    elementwise_chain *e = b->out;
    size_t rank = 0, max = (size_t)b->inputs.n * 2 + b->n_nodes + 1;
    int64_t dims[SIB_MAX_RANK];
    *e = (elementwise_chain){.count = 1, .head = SIZE_MAX};
    dims_of(b->g, b->outputs.ids[0], &rank, dims);
    for (size_t i = 0; i < rank; i++)
        if (!size_mul(e->count, (size_t)dims[i], &e->count))
            return err_set(err, SIB_ERR_SIZE, "a result overflows the address space");
    b->known = mem_alloc(max, sizeof *b->known);
    e->inputs = mem_alloc(max, sizeof *e->inputs);
    e->c = chain_create(rank, dims);
    bool ok = b->known && e->inputs && e->c;
    if (ok && b->outer)
        find_narrow(b);
    ok = ok && add_all(b);
    mem_free(b->known);
    return ok ? SIB_OK : err_memory(err, max * sizeof *b->known, "a chain of elementwise functions");
}

sib_code elementwise_of_node(const node_view *n, elementwise_chain *out, sib_error *err)
{
    builder b = {.g = n->graph,
                 .nodes = n->node,
                 .n_nodes = 1,
                 .inputs = n->node->inputs,
                 .outputs = n->node->outputs,
                 .out = out};
    return build(&b, err);
}

sib_code elementwise_of_body(const node_view *outer, const graph *body, bool head, elementwise_chain *out,
                             sib_error *err)
{
    builder b = {.g = body,
                 .nodes = body->nodes,
                 .first = head,
                 .n_nodes = body->n_nodes,
                 .inputs = body->inputs,
                 .outputs = body->outputs,
                 .outer = outer,
                 .out = out};
    return build(&b, err);
}

void elementwise_clear(elementwise_chain *e)
{
    chain_free(e->c);
    mem_free(e->inputs);
}
