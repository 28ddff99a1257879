/* The end of building: which values are needed, in which order, in which rows. */
#include "base/alloc.h"
#include "kernel/chain/chain_internal.h"

#include <string.h>

/* ---- Needed values ------------------------------------------------------------------------------------- */

/* Sets `used` for the values that results need. */
static void chain_mark_used(chain *c)
{
    for (size_t v = 0; v < c->n_values; v++)
        c->values[v].used = false;
    for (size_t i = 0; i < c->n_outputs; i++)
        c->values[c->outputs[i].value].used = true;
    for (size_t v = c->n_values; v-- > 0;)
        for (size_t k = 0; k < 3 && c->values[v].used; k++)
            if (c->values[v].in[k] != CHAIN_NONE)
                c->values[c->values[v].in[k]].used = true;
}

/* ---- Functions ----------------------------------------------------------------------------------------- */

static bool rounds(const chain_value *v)
{
    if (!chain_is_half(v->dtype))
        return false;
    if (v->kind != CHAIN_IS_OP)
        return v->kind == CHAIN_IS_CAST;
    return v->op != CHAIN_neg && v->op != CHAIN_abs && v->op != CHAIN_sign && v->op != CHAIN_min &&
           v->op != CHAIN_max && v->op != CHAIN_floor && v->op != CHAIN_ceil;
}

static chain_function function_of(const chain *c, const chain_value *v)
{
    static const unsigned char logarithm[] = {[1] = 0, [2] = 1, [4] = 2, [8] = 3};
    static const chain_type same[] = {CHAIN_U8, CHAIN_U16, CHAIN_U32, CHAIN_U64};
    const chain_kernels *k = &c->kernels->chain;
    chain_type from = chain_type_of(c->values[v->in[0]].dtype), to = chain_type_of(v->dtype);
    size_t bytes = chain_bytes(v->dtype);
    switch (v->kind) {
    case CHAIN_IS_OP:
        return k->op[v->op][from];
    case CHAIN_IS_CAST:
        return k->cast[from][to];
    case CHAIN_IS_WHERE:
        return k->where[logarithm[bytes]];
    case CHAIN_IS_BITCAST: /* a copy */
        return k->cast[same[logarithm[bytes]]][same[logarithm[bytes]]];
    default:
        return NULL;
    }
}

static chain_step make_step(const chain *c, size_t value)
{
    const chain_value *v = &c->values[value];
    chain_type from = chain_type_of(c->values[v->in[0]].dtype);
    bool divides =
        v->kind == CHAIN_IS_OP && (v->op == CHAIN_div || v->op == CHAIN_mod || v->op == CHAIN_fmod);
    chain_step s = {.run = function_of(c, v), .value = value, .row = CHAIN_NONE, .result = CHAIN_NONE};
    memcpy(s.in, v->in, sizeof s.in);
    s.bytes = chain_bytes(v->dtype);
    s.divides = divides && from >= CHAIN_I8 && from <= CHAIN_U64;
    s.divisor_bytes = (unsigned char)chain_bytes(c->values[v->in[0]].dtype);
    if (v->kind == CHAIN_IS_OP && v->dtype == SIB_F32)
        s.streamed = c->kernels->chain.streamed[0][v->op];
    if (rounds(v)) {
        s.narrow = v->dtype == SIB_F16 ? c->kernels->narrow_f16 : c->kernels->narrow_bf16;
        s.widen = v->dtype == SIB_F16 ? c->kernels->widen_f16 : c->kernels->widen_bf16;
    }
    return s;
}

static bool make_steps(chain *c)
{
    size_t n = 0;
    c->steps = mem_alloc(c->n_values ? c->n_values : 1, sizeof *c->steps);
    if (!c->steps)
        return false;
    for (size_t v = 0; v < c->n_values; v++)
        if (c->values[v].used && c->values[v].kind != CHAIN_IS_OPERAND)
            c->steps[n++] = make_step(c, v);
    c->n_steps = n;
    return true;
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

/* Elements of an operand's row that is constant over runs, the period of a tiled one not counted; 0 where it
   has no such row. Functions that take a single element read no more of it. */
static size_t ready_count(const chain *c, const chain_memory *m)
{
    if (!c->values[m->value].used || !m->elements || (!m->tiled && m->layout.place != CHAIN_SCALAR))
        return 0;
    return m->tiled || m->filled ? size_max(size_min(c->block, c->count), 1) : 1;
}

/* Its bytes, a multiple of MEM_ALIGN. */
static size_t ready_bytes(const chain *c, const chain_memory *m)
{
    size_t n = ready_count(c, m), all = n && m->tiled ? n + m->layout.period : n;
    return (all * chain_bytes(m->dtype) + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static void *move(char **to, void *from, size_t bytes)
{
    void *moved = *to;
    if (bytes)
        memcpy(moved, from, bytes);
    mem_free(from);
    *to += bytes;
    return moved;
}

/* Moves the chain's arrays, whose sizes are known now, to one block, with the rows that are constant over
   runs: a plan may hold tens of thousands of chains. */
static bool settle(chain *c)
{
    size_t rows = 0, operands = c->n_operands * sizeof *c->operands, values = c->n_values * sizeof *c->values,
           steps = c->n_steps * sizeof *c->steps, outputs = c->n_outputs * sizeof *c->outputs;
    for (size_t i = 0; i < c->n_operands; i++)
        rows += ready_bytes(c, &c->operands[i]);
    c->memory = mem_alloc(rows + operands + values + steps + outputs, 1);
    if (!c->memory)
        return false;
    char *row = c->memory, *to = row + rows;
    for (size_t i = 0; i < c->n_operands; i++) {
        chain_memory *m = &c->operands[i];
        size_t bytes = ready_bytes(c, m);
        if (bytes) {
            chain_fill(c, m, m->elements, row, ready_count(c, m));
            mem_free(m->converted);
            m->converted = NULL;
        }
        m->elements = m->ready = bytes ? row : m->converted; /* others are given to each run */
        row += bytes;
    }
    c->operands = move(&to, c->operands, operands);
    c->values = move(&to, c->values, values);
    c->steps = move(&to, c->steps, steps);
    c->outputs = move(&to, c->outputs, outputs);
    return true;
}

/* ---- Cost ---------------------------------------------------------------------------------------------- */

static double cost_of(const chain *c)
{
    double sum = 0.05 * (double)c->n_operands;
    for (size_t s = 0; s < c->n_steps; s++) {
        const chain_value *v = &c->values[c->steps[s].value];
        bool vector = chain_type_of(c->values[v->in[0]].dtype) == CHAIN_F32 &&
                      !(v->op >= CHAIN_tan && v->op <= CHAIN_cosh) &&
                      !(v->op >= CHAIN_asinh && v->op <= CHAIN_atanh) && v->op != CHAIN_pow &&
                      v->op != CHAIN_mod && v->op != CHAIN_fmod;
        bool heavy = v->kind == CHAIN_IS_OP && (v->op >= CHAIN_exp && v->op <= CHAIN_expm1);
        sum += c->steps[s].divides || v->kind == CHAIN_IS_CONVERT ? 3 : heavy ? vector ? 0.4 : 10 : 0.1;
    }
    return sum;
}

double chain_cost(const chain *c)
{
    return c->cost;
}

/* One function from memory to memory needs neither rows nor blocks. */
static bool is_flat(const chain *c)
{
    bool flat = c->n_steps == 1 && c->steps[0].row == CHAIN_NONE;
    for (size_t i = 0; i < c->n_operands; i++) {
        const chain_memory *m = &c->operands[i];
        bool plain = m->layout.place == CHAIN_FLAT || (m->layout.place == CHAIN_SCALAR && !m->filled);
        flat &= !c->values[m->value].used || (plain && !chain_is_half(m->dtype));
    }
    return flat;
}

bool chain_finish(chain *c)
{
    if (c->failed || c->n_values > CHAIN_VALUES_MAX)
        return false;
    chain_join(c);
    chain_mark_used(c);
    if (!make_steps(c) || !chain_give_rows(c) || !settle(c))
        return false;
    c->cost = cost_of(c);
    c->flat = is_flat(c);
    return true;
}
