/* Elementwise milli-ops as programs. Float64 between the casts of a lowering is float32 here: see value.narrow. */
#include "backend/gpu/chain.h"
#include "base/assert.h"
#include "tensor/tensor.h"

#include <string.h>

#define REALS  1 /* takes floats */
#define WHOLES 2 /* takes integers */
#define TRUTHS 4 /* takes bool */
#define ALONE  8 /* no kernel but `chain` has it */

static const struct {
    unsigned char op, takes;
} functions[MILLI_COUNT] = {
    [MILLI_neg] = {CHAIN_NEG, REALS | WHOLES},
    [MILLI_abs] = {CHAIN_ABS, REALS | WHOLES},
    [MILLI_sign] = {CHAIN_SIGN, REALS | WHOLES},
    [MILLI_floor] = {CHAIN_FLOOR, REALS | WHOLES},
    [MILLI_ceil] = {CHAIN_CEIL, REALS | WHOLES},
    [MILLI_round] = {CHAIN_ROUND, REALS | WHOLES},
    [MILLI_sqrt] = {CHAIN_SQRT, REALS},
    [MILLI_exp] = {CHAIN_EXP, REALS},
    [MILLI_log] = {CHAIN_LOG, REALS},
    [MILLI_sin] = {CHAIN_SIN, REALS | ALONE},
    [MILLI_cos] = {CHAIN_COS, REALS | ALONE},
    [MILLI_tan] = {CHAIN_TAN, REALS | ALONE},
    [MILLI_asin] = {CHAIN_ASIN, REALS | ALONE},
    [MILLI_acos] = {CHAIN_ACOS, REALS | ALONE},
    [MILLI_atan] = {CHAIN_ATAN, REALS | ALONE},
    [MILLI_sinh] = {CHAIN_SINH, REALS | ALONE},
    [MILLI_cosh] = {CHAIN_COSH, REALS | ALONE},
    [MILLI_tanh] = {CHAIN_TANH, REALS},
    [MILLI_asinh] = {CHAIN_ASINH, REALS | ALONE},
    [MILLI_acosh] = {CHAIN_ACOSH, REALS | ALONE},
    [MILLI_atanh] = {CHAIN_ATANH, REALS | ALONE},
    [MILLI_erf] = {CHAIN_ERF, REALS},
    [MILLI_log1p] = {CHAIN_LOG1P, REALS},
    [MILLI_expm1] = {CHAIN_EXPM1, REALS},
    [MILLI_not] = {CHAIN_NOT, WHOLES | TRUTHS},
    [MILLI_is_nan] = {CHAIN_IS_NAN, REALS},
    [MILLI_is_inf] = {CHAIN_IS_INF, REALS},
    [MILLI_add] = {CHAIN_ADD, REALS | WHOLES | TRUTHS},
    [MILLI_sub] = {CHAIN_SUB, REALS | WHOLES},
    [MILLI_mul] = {CHAIN_MUL, REALS | WHOLES | TRUTHS},
    [MILLI_div] = {CHAIN_DIV, REALS},
    [MILLI_pow] = {CHAIN_POW, REALS},
    [MILLI_min] = {CHAIN_MIN, REALS | WHOLES | TRUTHS},
    [MILLI_max] = {CHAIN_MAX, REALS | WHOLES | TRUTHS},
    [MILLI_and] = {CHAIN_AND, WHOLES | TRUTHS},
    [MILLI_or] = {CHAIN_OR, WHOLES | TRUTHS},
    [MILLI_xor] = {CHAIN_XOR, WHOLES | TRUTHS},
    [MILLI_equal] = {CHAIN_EQUAL, REALS | WHOLES | TRUTHS},
    [MILLI_less] = {CHAIN_LESS, REALS | WHOLES | TRUTHS},
    [MILLI_less_equal] = {CHAIN_LESS_EQUAL, REALS | WHOLES | TRUTHS},
    [MILLI_where] = {CHAIN_WHERE, REALS | WHOLES | TRUTHS},
    [MILLI_cast] = {CHAIN_CAST, REALS | WHOLES | TRUTHS},
};

/* A value while the program is written. */
typedef struct known {
    value_id id;
    size_t last; /* the last node that reads it */
    int place;   /* its register; -1: not there yet, or no more */
    bool raised; /* what is there is 1 more than it */
} known;

/* A program as it is written. */
typedef struct builder {
    const gpu_chain_room *room;
    const graph *g;
    const node *nodes; /* (n_nodes) */
    size_t n_nodes;
    id_list inputs, outputs; /* values of g that are the node's inputs and outputs */
    const node_view *outer;
    known values[GPU_CHAIN_VALUES];
    size_t n_values;
    uint32_t free;    /* a bit for each register */
    unsigned buffers; /* and for each buffer */
    unsigned out;     /* the next result's buffer; 0: any */
    gpu_chain *made;
} builder;

/* ---- Types --------------------------------------------------------------------------------------------- */

static bool is_wide(const graph *g, value_id v)
{
    return g->values[v].type.dtype == SIB_F64;
}

/* The type of a value in registers: float64 is float32. */
static sib_dtype type_of(const graph *g, value_id v)
{
    return is_wide(g, v) ? SIB_F32 : g->values[v].type.dtype;
}

static unsigned class_of(sib_dtype dtype)
{
    switch (dtype) {
    case SIB_F32:
    case SIB_F16:
    case SIB_BF16:
        return REALS;
    case SIB_I32:
    case SIB_I8:
    case SIB_U8:
        return WHOLES;
    case SIB_BOOL:
        return TRUTHS;
    default:
        return 0;
    }
}

static bool takes_types(const graph *g, const node *n)
{
    const uint32_t *in = n->inputs.ids;
    const milli_kind kind = n->milli->kind;
    const sib_dtype a = type_of(g, in[0]), to = type_of(g, n->outputs.ids[0]);
    const bool tells =
        kind == MILLI_is_nan || kind == MILLI_is_inf || (kind >= MILLI_equal && kind <= MILLI_less_equal);
    if (!(functions[kind].takes & class_of(a)) || !class_of(to))
        return false;
    if (kind == MILLI_cast)
        return !(spec_milli_cast(n).saturate && to != SIB_F32) &&
               (!is_wide(g, in[0]) || class_of(to) == REALS);
    if (kind == MILLI_where)
        return a == SIB_BOOL && type_of(g, in[1]) == to && type_of(g, in[2]) == to;
    return (n->inputs.n < 2 || type_of(g, in[1]) == a) && to == (tells ? SIB_BOOL : a);
}

/* The input of the node that value v is; SIZE_MAX for others. */
static size_t input_of(const builder *b, value_id v)
{
    for (uint32_t i = 0; i < b->inputs.n; i++)
        if (b->inputs.ids[i] == v)
            return i;
    return SIZE_MAX;
}

static size_t output_of(const builder *b, value_id v)
{
    for (uint32_t i = 0; i < b->outputs.n; i++)
        if (b->outputs.ids[i] == v)
            return i;
    return SIZE_MAX;
}

/* Whether float32 may take the place of all float64 values of a node. */
static bool may_narrow(const builder *b, const node *n)
{
    bool may = true;
    for (uint32_t k = 0; k <= n->inputs.n; k++) {
        const value_id v = k < n->inputs.n ? n->inputs.ids[k] : n->outputs.ids[0];
        may = may && (!is_wide(b->g, v) || b->g->values[v].narrow || b->g->values[v].constant);
    }
    return may;
}

/* ---- Registers ----------------------------------------------------------------------------------------- */

static known *find(builder *b, value_id v)
{
    for (size_t i = 0; i < b->n_values; i++)
        if (b->values[i].id == v)
            return &b->values[i];
    if (b->n_values == GPU_CHAIN_VALUES)
        return NULL;
    b->values[b->n_values] = (known){v, 0, -1, false};
    return &b->values[b->n_values++];
}

/* Sets the last reader of each value. Returns false where there are too many. */
static bool find_readers(builder *b)
{
    for (size_t i = 0; i < b->n_nodes; i++)
        for (uint32_t k = 0; k <= b->nodes[i].inputs.n; k++) {
            known *v =
                find(b, k < b->nodes[i].inputs.n ? b->nodes[i].inputs.ids[k] : b->nodes[i].outputs.ids[0]);
            if (!v)
                return false;
            v->last = i;
        }
    return true;
}

static bool take_register(builder *b, known *v)
{
    v->place = b->free ? __builtin_ctz(b->free) : -1;
    b->free &= b->free - 1;
    return v->place >= 0;
}

static void write(builder *b, uint32_t op, sib_dtype type, sib_dtype to, int result,
                  const uint32_t operands[3])
{
    const uint32_t words[] = {op, type, to, (uint32_t)result, operands[0], operands[1], operands[2]};
    memcpy(b->made->words + gpu_chain_words(b->made), words, sizeof words);
    b->made->args.instructions++;
}

/* ---- Operands ------------------------------------------------------------------------------------------ */

/* Binds the operand to one of the buffers. Returns 0 where they are used up. */
static unsigned bind(builder *b, gpu_operand operand)
{
    const unsigned at = operand.source == GPU_OUT && b->out ? b->out
                        : b->buffers                        ? (unsigned)__builtin_ctz(b->buffers)
                                                            : 0;
    if (at == b->out)
        b->out = 0;
    b->buffers &= ~(1u << at);
    if (at) {
        b->made->operands[b->made->n].buffer = at;
        b->made->operands[b->made->n++].operand = operand;
    }
    return at;
}

/* Sets the strides of buffer `at`, whose tensor broadcasts to the result's dims. Returns false where it does
   not. */
static bool set_strides(builder *b, size_t at, const gpu_tensor *t, const gpu_tensor *out)
{
    uint32_t stride = 1, *strides = b->made->words + CHAIN_STRIDES + at * CHAIN_RANK;
    if (t->rank > out->rank)
        return false;
    for (size_t i = 1; i <= t->rank; i++) {
        const int64_t size = t->dims[t->rank - i];
        if (size != 1 && size != out->dims[out->rank - i])
            return false;
        strides[out->rank - i] = size == 1 ? 0 : stride;
        stride *= (uint32_t)size;
    }
    if (t->count != out->count)
        b->made->args.broadcasts |= 1u << at;
    return true;
}

/* The bits in a register of the only element of t. Returns false where it has more. */
static bool is_single(const sib_tensor *t, uint32_t *bits)
{
    const bool real = t && sib_dtype_get_kind(t->dtype) == SIB_KIND_FLOAT;
    float number;
    int32_t integer;
    sib_error err = SIB_ERROR_INIT;
    if (!t || t->count != 1 || !t->dense || !t->data ||
        sib_convert(t->dtype, t->data, real ? SIB_F32 : SIB_I32, real ? (void *)&number : (void *)&integer, 1,
                    SIB_OVERFLOW_IEEE, &err) != SIB_OK)
        return false;
    memcpy(bits, real ? (void *)&number : (void *)&integer, sizeof *bits);
    return true;
}

static const sib_tensor *constant_of(const builder *b, value_id v)
{
    const size_t from = input_of(b, v);
    return from == SIZE_MAX ? b->g->values[v].constant : b->outer->in[from]->constant;
}

/* Brings an input into a register: by a load, or with the program where it is one known number. */
static bool load(builder *b, known *v, const gpu_tensor *out)
{
    gpu_tensor t;
    uint32_t bits;
    const size_t from = input_of(b, v->id);
    if (is_single(constant_of(b, v->id), &bits)) {
        const sib_dtype type = type_of(b->g, v->id);
        if (!take_register(b, v))
            return false;
        write(b, CHAIN_VALUE, type, type, v->place, (const uint32_t[]){bits, 0, 0});
        return true;
    }
    if (from == SIZE_MAX || !gpu_tensor_of(b->outer->graph, b->outer->in[from], &t))
        return false;
    const unsigned at = bind(b, (gpu_operand){GPU_IN, from, 0});
    if (!at || !set_strides(b, at, &t, out) || !take_register(b, v))
        return false;
    const sib_dtype type = type_of(b->g, v->id);
    write(b, CHAIN_LOAD, type, type, v->place, (const uint32_t[]){at, 0, 0});
    return true;
}

static bool store(builder *b, const known *v)
{
    const size_t to = output_of(b, v->id);
    const sib_dtype type = type_of(b->g, v->id);
    if (to == SIZE_MAX)
        return true;
    const unsigned at =
        32 / sib_dtype_bits(type) <= b->room->per_word ? bind(b, (gpu_operand){GPU_OUT, to, 0}) : 0;
    if (!at)
        return false;
    write(b, CHAIN_STORE, type, type, v->place, (const uint32_t[]){at, 0, 0});
    return true;
}

/* ---- Programs ------------------------------------------------------------------------------------------ */

static bool is_one(const builder *b, value_id v)
{
    const sib_tensor *t = constant_of(b, v);
    return t && t->dtype == SIB_F64 && t->count == 1 && t->data &&
           *(const double *)(const void *)t->data == 1;
}

static bool nears_one(const node *n)
{
    return n->milli && (n->milli->kind == MILLI_tanh || n->milli->kind == MILLI_erf);
}

/* Whether n adds 1 to value v. */
static bool adds_one(const builder *b, const node *n, value_id v)
{
    const id_list in = n->inputs;
    return n->milli && n->milli->kind == MILLI_add && (in.ids[0] == v || in.ids[1] == v) &&
           is_one(b, in.ids[in.ids[0] == v]);
}

/* Whether node i makes the tanh or erf of a lowering that one node reads, in the body too, which adds 1. Near -1 the
   sum is nothing in float32, so the kernel has both as one function. */
static bool is_raised(const builder *b, size_t i)
{
    const value_id v = b->nodes[i].outputs.ids[0];
    size_t reads = 0, adds = 0;
    if (!nears_one(&b->nodes[i]) || !is_wide(b->g, v) || output_of(b, v) != SIZE_MAX)
        return false;
    for (size_t j = i + 1; j < b->n_nodes; j++)
        for (uint32_t k = 0; k < b->nodes[j].inputs.n; k++)
            if (b->nodes[j].inputs.ids[k] == v) {
                reads++;
                adds += adds_one(b, &b->nodes[j], v);
            }
    return reads == 1 && adds == 1;
}

/* Whether node i is one half of such a pair, whose other half is not in the body: both stay in float64 then. */
static bool is_half(const builder *b, size_t i)
{
    const graph *g = b->outer->graph;
    const node *n = &b->nodes[i];
    const value_id v = n->outputs.ids[0];
    if (!is_wide(b->g, v))
        return false;
    for (uint32_t k = 0; k < n->inputs.n; k++) {
        const size_t from = input_of(b, n->inputs.ids[k]);
        const node_id made_by = from == SIZE_MAX ? NO_NODE : b->outer->in[from]->producer;
        if (made_by != NO_NODE && nears_one(&g->nodes[made_by]) && adds_one(b, n, n->inputs.ids[k]))
            return true;
    }
    const size_t to = output_of(b, v);
    bool half = false;
    for (node_id j = 0; j < g->n_nodes && nears_one(n) && to != SIZE_MAX && !half; j++) {
        const id_list in = g->nodes[j].inputs;
        const value_id own = b->outer->node->outputs.ids[to];
        half = g->nodes[j].milli && g->nodes[j].milli->kind == MILLI_add &&
               (in.ids[0] == own || in.ids[1] == own);
    }
    return half;
}

/* Gives the result of an add of 1 the register where that is done. Returns false for other nodes. */
static bool take_raised(builder *b, const node *n)
{
    for (uint32_t k = 0; k < n->inputs.n; k++) {
        known *x = find(b, n->inputs.ids[k]);
        if (!x->raised)
            continue;
        find(b, n->outputs.ids[0])->place = x->place;
        x->place = -1;
        return true;
    }
    return false;
}

/* Gives the result of a cast that changes nothing on the device the register of its operand, which nobody reads
   afterwards. Returns false for other nodes. */
static bool keep_register(builder *b, size_t i)
{
    const node *n = &b->nodes[i];
    known *from = find(b, n->inputs.ids[0]), *to = find(b, n->outputs.ids[0]);
    if (n->milli->kind != MILLI_cast || from->last != i || type_of(b->g, from->id) != type_of(b->g, to->id))
        return false;
    to->place = from->place;
    from->place = -1;
    return true;
}

/* Writes the instruction of node i, whose operands are loaded first. */
static bool write_node(builder *b, size_t i, const gpu_tensor *out)
{
    const node *n = &b->nodes[i];
    uint32_t op = functions[n->milli->kind].op, places[3] = {0};
    for (uint32_t k = 0; k < n->inputs.n; k++) {
        known *v = find(b, n->inputs.ids[k]);
        if (v->place < 0 && !load(b, v, out))
            return false;
        places[k] = (uint32_t)v->place;
    }
    if (keep_register(b, i))
        return true;
    for (uint32_t k = 0; k < n->inputs.n; k++) {
        known *v = find(b, n->inputs.ids[k]);
        if (v->last == i && v->place >= 0) {
            b->free |= 1u << v->place;
            v->place = -1;
        }
    }
    known *result = find(b, n->outputs.ids[0]);
    if (!take_register(b, result))
        return false;
    result->raised = is_raised(b, i);
    if (result->raised)
        op = op == CHAIN_TANH ? CHAIN_TANH_1 : CHAIN_ERF_1;
    write(b, op, type_of(b->g, n->inputs.ids[0]), type_of(b->g, result->id), result->place, places);
    return true;
}

static bool add_node(builder *b, size_t i, const gpu_tensor *out)
{
    const node *n = &b->nodes[i];
    gpu_tensor made;
    if (!n->milli || !functions[n->milli->kind].takes ||
        (b->room->follows && functions[n->milli->kind].takes & ALONE) || n->outputs.n != 1 ||
        n->inputs.n > 3 || !takes_types(b->g, n) || !may_narrow(b, n) || is_half(b, i) ||
        !gpu_tensor_of(b->g, &b->g->values[n->outputs.ids[0]], &made) || made.rank != out->rank ||
        memcmp(made.dims, out->dims, out->rank * sizeof *out->dims) != 0)
        return false;
    if (!take_raised(b, n) && !write_node(b, i, out))
        return false;
    known *result = find(b, n->outputs.ids[0]);
    bool stored = store(b, result);
    if (result->last == i) { /* nobody reads it */
        SIB_ASSERT(result->place >= 0);
        b->free |= 1u << result->place;
        result->place = -1;
    }
    return stored;
}

/* Puts what the kernel makes, by the node before the program's, into register 0. Returns false where the program cannot
   store it. */
static bool begin_behind(builder *b)
{
    known *made = find(b, b->nodes[-1].outputs.ids[0]);
    return made && take_register(b, made) && store(b, made);
}

bool gpu_chain_build(const node_view *n, const gpu_chain_room *room, gpu_chain *made)
{
    const graph *body = n->node->milli->kind == MILLI_fused ? spec_milli_fused(n->node).body : NULL;
    gpu_tensor out;
    builder b = {
        .room = room,
        .g = body ? body : n->graph,
        .nodes = body ? body->nodes + room->follows : n->node,
        .n_nodes = body ? body->n_nodes - room->follows : 1,
        .inputs = body ? body->inputs : n->node->inputs,
        .outputs = body ? body->outputs : n->node->outputs,
        .outer = n,
        .free = (1u << room->registers) - 1,
        .buffers = room->buffers,
        .out = room->out,
        .made = made,
    };
    *made = (gpu_chain){0};
    if (!b.n_nodes || b.n_nodes > GPU_CHAIN_NODES || !gpu_tensor_of(n->graph, n->out[0], &out) ||
        out.rank > CHAIN_RANK || !find_readers(&b))
        return false;
    made->args.count = (uint32_t)out.count;
    made->args.rank = (uint32_t)out.rank;
    for (size_t i = 0; i < out.rank; i++)
        made->words[CHAIN_DIMS + i] = (uint32_t)out.dims[i];
    if (room->follows && !begin_behind(&b))
        return false;
    for (size_t i = 0; i < b.n_nodes; i++)
        if (!add_node(&b, i, &out))
            return false;
    return made->args.instructions <= room->max;
}
