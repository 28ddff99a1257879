/* Elementwise milli-ops, alone and as groups: programs of the kernel `chain`, or of the kernel whose result they work
   on (kernels/finish.h). */
#include "backend/gpu/chain.h"
#include "backend/gpu/claim.h"
#include "backend/gpu/step.h"

#include <string.h>

/* ---- The kernel `chain` ---------------------------------------------------------------------------------- */

static const gpu_chain_room alone = {
    .buffers = 0xfe, .registers = CHAIN_REGISTERS, .max = UINT32_MAX, .per_word = 4};

static bool claims_alone(const node_view *n)
{
    gpu_chain c;
    return gpu_chain_build(n, &alone, &c);
}

static sib_code plan_alone(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_chain c;
    gpu_operand operands[GPU_BUFFERS];
    const bool built = gpu_chain_build(n, &alone, &c);
    SIB_ASSERT(built); /* as when it was claimed */
    (void)built;
    const size_t groups = size_ceil_div(c.args.count, CHAIN_THREADS * CHAIN_ELEMENTS);
    sib_code code = gpu_words(s, c.words, gpu_chain_words(&c), &operands[0], err);
    for (size_t i = 0; i < c.n; i++)
        operands[c.operands[i].buffer] = c.operands[i].operand; /* buffers 1 to n */
    return code == SIB_OK ? gpu_add_line(s, GPU_chain, c.n + 1, operands, &c.args, groups, err) : code;
}

const gpu_op gpu_elementwise = {.claims = claims_alone, .plan = plan_alone};

/* ---- Behind a result ------------------------------------------------------------------------------------ */

/* Where the argument `finish` of a kernel is. */
static const size_t finish_at[GPU_KERNEL_COUNT] = {
    [GPU_conv] = offsetof(gpu_conv_args, finish),
    [GPU_matmul] = offsetof(gpu_matmul_args, finish),
    [GPU_matvec] = offsetof(gpu_matvec_args, finish),
    [GPU_matvec_bits] = offsetof(gpu_matvec_bits_args, finish),
    [GPU_matvec_t] = offsetof(gpu_matvec_t_args, finish),
};

/* A node of a group, the kernel's, and what follows it. */
typedef struct finished {
    const gpu_op *op;
    node_view head;
    const value *in[FINISH_INPUTS], *out[1]; /* of head */
    gpu_chain chain;
} finished;

/* Reads a group whose first node is one that others may follow. Returns false for other groups. */
static bool read_finished(const node_view *n, finished *f)
{
    const graph *body = spec_milli_fused(n->node).body;
    const node *first = body && body->n_nodes > 1 ? &body->nodes[0] : NULL;
    gpu_finish_room room;
    if (!first || first->outputs.n != 1 || first->inputs.n > FINISH_INPUTS)
        return false;
    for (uint32_t i = 0; i < first->inputs.n; i++)
        f->in[i] = first->inputs.ids[i] == NO_VALUE ? NULL : &body->values[first->inputs.ids[i]];
    f->out[0] = &body->values[first->outputs.ids[0]];
    f->head = (node_view){body, first, first->inputs.n, 1, f->in, f->out};
    f->op = gpu_op_for(&f->head);
    return f->op && f->op->room && f->op->room(&f->head, &room) &&
           gpu_chain_build(n,
                           &(gpu_chain_room){.follows = true,
                                             .buffers = room.buffers,
                                             .out = room.out,
                                             .registers = FINISH_REGISTERS,
                                             .max = FINISH_INSTRUCTIONS,
                                             .per_word = room.per_word},
                           &f->chain);
}

/* The group's input that is input k of its first node. */
static size_t outer_input(const node_view *n, const finished *f, size_t k)
{
    const id_list inputs = spec_milli_fused(n->node).body->inputs;
    uint32_t i = 0;
    while (i < inputs.n && inputs.ids[i] != f->head.node->inputs.ids[k])
        i++;
    SIB_ASSERT(i < inputs.n); /* no node of a group comes before the first */
    return i;
}

static sib_code plan_finished(const node_view *n, const finished *f, gpu_step *s, sib_error *err)
{
    gpu_operand program;
    sib_code code = f->op->plan(&f->head, s, err);
    if (code != SIB_OK)
        return code;
    uint32_t words[CHAIN_CODE + FINISH_INSTRUCTIONS * CHAIN_WORDS];
    memcpy(words, f->chain.words, sizeof words);
    words[FINISH_RANK] = f->chain.args.rank;
    words[FINISH_BROADCASTS] = f->chain.args.broadcasts;
    code = gpu_words(s, words, gpu_chain_words(&f->chain), &program, err);
    if (code != SIB_OK)
        return code;
    SIB_ASSERT(s->n_rows == 1 && finish_at[s->rows[0].kernel]);
    gpu_row *row = &s->rows[0];
    for (size_t i = 0; i < GPU_BUFFERS; i++) {
        if (i >= row->n)
            row->operands[i] = row->operands[0]; /* which nothing reads there */
        else if (row->operands[i].source == GPU_IN)
            row->operands[i].at = outer_input(n, f, row->operands[i].at);
    }
    for (size_t i = 0; i < f->chain.n; i++)
        row->operands[f->chain.operands[i].buffer] = f->chain.operands[i].operand;
    row->operands[FINISH_BUFFER] = program;
    row->n = GPU_BUFFERS;
    memcpy(row->args + finish_at[row->kernel], &f->chain.args.instructions, sizeof(uint32_t));
    return SIB_OK;
}

/* ---- Groups --------------------------------------------------------------------------------------------- */

static bool claims(const node_view *n)
{
    finished f;
    return claims_alone(n) || gpu_requantize.claims(n) || read_finished(n, &f);
}

static sib_code plan(const node_view *n, gpu_step *s, sib_error *err)
{
    finished f;
    return claims_alone(n)            ? plan_alone(n, s, err)
           : gpu_requantize.claims(n) ? gpu_requantize.plan(n, s, err)
           : read_finished(n, &f)     ? plan_finished(n, &f, s, err)
                                      : err_set(err, SIB_ERR_UNSUPPORTED, "a group that was not claimed");
}

const gpu_op gpu_fused = {.claims = claims, .plan = plan};
