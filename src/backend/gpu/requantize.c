/* The end of QLinearConv and QLinearMatMul, a fused group in float64 between sums and bytes, as a launch of the kernel
   `requantize`: a cast from int32, one or two products with constants, a quotient, round, the zero point, and a cast that
   saturates. */
#include "backend/gpu/gpu.h"
#include "tensor/tensor.h"

#include <string.h>

#define PARAMETERS 4

typedef struct requantized {
    const node_view *outer;
    const graph *body;
    size_t sums; /* the input of the node */
    gpu_tensor out;
    gpu_requantize_args args;
    const sib_tensor *parameters[PARAMETERS]; /* float64; NULL: none */
} requantized;

/* The input of the group that value v of its body is; SIZE_MAX for others. */
static size_t input_of(const requantized *r, value_id v)
{
    for (uint32_t i = 0; i < r->body->inputs.n; i++)
        if (r->body->inputs.ids[i] == v)
            return i;
    return SIZE_MAX;
}

static const sib_tensor *constant_of(const requantized *r, value_id v)
{
    const size_t from = input_of(r, v);
    return from == SIZE_MAX ? r->body->values[v].constant : r->outer->in[from]->constant;
}

/* Whether the kernel takes all elements of a parameter. */
static bool holds(const sib_tensor *t, size_t p)
{
    const double *x = (const double *)(const void *)t->data;
    for (size_t i = 0; i < t->count; i++) {
        const bool integer = x[i] >= -255 && x[i] <= 255 && x[i] == (double)(int)x[i];
        const bool fits =
            x[i] >= 1e-80 && x[i] <= 1e80 && (p != REQUANTIZE_DIVISOR || x[i] == (double)(float)x[i]);
        if (p == REQUANTIZE_ZERO ? !integer : !fits)
            return false;
    }
    return true;
}

/* Reads parameter p, which has one number, or one for each place of an axis of the result. */
static bool read_parameter(requantized *r, size_t p, value_id v)
{
    const sib_tensor *t = constant_of(r, v);
    const gpu_tensor *out = &r->out;
    size_t inner = 1;
    if (!t || t->dtype != SIB_F64 || !t->dense || !t->data || t->rank > out->rank || r->parameters[p])
        return false;
    tensor_ready(t);
    r->args.size[p] = r->args.inner[p] = 1;
    for (size_t i = 0; i < t->rank; i++) {
        const int64_t size = t->dims[t->rank - 1 - i], all = out->dims[out->rank - 1 - i];
        if (size != 1 && (size != all || r->args.size[p] > 1))
            return false;
        if (size > 1) {
            r->args.size[p] = (uint32_t)size;
            r->args.inner[p] = (uint32_t)inner;
        }
        inner *= (size_t)all;
    }
    r->parameters[p] = t;
    return holds(t, p);
}

/* The parameter that node `n` has behind the value so far; PARAMETERS: none. */
static size_t parameter_of(const requantized *r, const node *n)
{
    switch (n->milli->kind) {
    case MILLI_mul:
        return r->parameters[REQUANTIZE_FACTOR] ? REQUANTIZE_SECOND : REQUANTIZE_FACTOR;
    case MILLI_div:
        return REQUANTIZE_DIVISOR;
    default:
        return n->milli->kind == MILLI_add ? REQUANTIZE_ZERO : PARAMETERS;
    }
}

/* Steps of the group, in their order: each has a stage that is not below the one before. */
static int stage_of(const node *n)
{
    switch (n->milli->kind) {
    case MILLI_mul:
        return 1;
    case MILLI_div:
        return 2;
    case MILLI_round:
        return 3;
    case MILLI_add:
        return 4;
    case MILLI_cast:
        return 5;
    default:
        return -1;
    }
}

static bool read_group(const node_view *n, requantized *r)
{
    gpu_tensor sums;
    const graph *g = spec_milli_fused(n->node).body;
    *r = (requantized){.outer = n, .body = g};
    if (!g || g->n_nodes < 4 || n->n_out != 1 || !gpu_tensor_of(n->graph, n->out[0], &r->out) ||
        (r->out.dtype != SIB_U8 && r->out.dtype != SIB_I8))
        return false;
    int stage = 0;
    bool rounded = false;
    value_id so_far = NO_VALUE;
    for (node_id i = 0; i < g->n_nodes; i++) {
        const node *x = &g->nodes[i];
        const value_id *in = x->inputs.ids, made = x->outputs.n == 1 ? x->outputs.ids[0] : NO_VALUE;
        const int next = x->milli && made != NO_VALUE ? stage_of(x) : -1;
        if (!i) {
            r->sums = input_of(r, in[0]);
            if (next != 5 || r->sums == SIZE_MAX || g->values[made].type.dtype != SIB_F64)
                return false;
        } else {
            const size_t p = next < 0 ? PARAMETERS : parameter_of(r, x);
            const bool second = p < PARAMETERS && p != REQUANTIZE_DIVISOR && in[1] == so_far;
            if (next < stage || next == 0 || (next == stage && next != 1) || in[second] != so_far ||
                (p < PARAMETERS && !read_parameter(r, p, in[!second])))
                return false;
            rounded |= next == 3;
            stage = next;
        }
        so_far = made;
    }
    r->args.count = (uint32_t)r->out.count;
    r->args.to = r->out.dtype;
    const node *last = &g->nodes[g->n_nodes - 1];
    return rounded && stage == 5 && spec_milli_cast(last).saturate && r->parameters[REQUANTIZE_FACTOR] &&
           gpu_tensor_of(n->graph, n->in[r->sums], &sums) && sums.dtype == SIB_I32 &&
           sums.count == r->out.count;
}

static bool claims(const node_view *n)
{
    requantized r;
    return read_group(n, &r);
}

/* Adds the parameters as words: float64 as it is, zero points as int32. */
static sib_code add_parameters(gpu_step *s, requantized *r, gpu_operand *out, sib_error *err)
{
    size_t n = 0;
    for (size_t p = 0; p < PARAMETERS; p++)
        n += r->parameters[p] ? 2 * r->parameters[p]->count : 0;
    uint32_t *words = mem_alloc(n, sizeof *words);
    if (!words)
        return err_memory(err, n * sizeof *words, "a step");
    n = 0;
    for (size_t p = 0; p < PARAMETERS; p++) {
        const sib_tensor *t = r->parameters[p];
        r->args.at[p] = (uint32_t)n;
        for (size_t i = 0; t && i < t->count; i++) {
            uint64_t bits;
            memcpy(&bits, (const double *)(const void *)t->data + i, sizeof bits);
            if (p == REQUANTIZE_ZERO)
                words[n++] = (uint32_t)(int32_t)((const double *)(const void *)t->data)[i];
            else {
                words[n++] = (uint32_t)bits;
                words[n++] = (uint32_t)(bits >> 32);
            }
        }
    }
    const sib_code code = gpu_words(s, words, n, out, err);
    mem_free(words);
    return code;
}

static sib_code plan(const node_view *n, gpu_step *s, sib_error *err)
{
    requantized r;
    read_group(n, &r);
    gpu_operand operands[] = {{GPU_IN, r.sums, 0}, {0}, {GPU_OUT, 0, 0}};
    const sib_code code = add_parameters(s, &r, &operands[1], err);
    return code == SIB_OK ? gpu_add_line(s, GPU_requantize, 3, operands, &r.args,
                                         size_ceil_div(r.args.count, (size_t)REQUANTIZE_THREADS * 4), err)
                          : code;
}

const gpu_op gpu_requantize = {.claims = claims, .plan = plan};
