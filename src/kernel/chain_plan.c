/* The end of building: what is needed, in which order, in which rows. */
#include "base/alloc.h"
#include "kernel/chain_internal.h"

#include <string.h>

/* Most elements that an operand is repeated in to fill a row. */
#define TILE_MOST 512

typedef struct planner {
    chain *c;
    size_t *last; /* (n_values) step after which the value is not read; n_steps where it is a result */
    size_t *rows; /* (n_values) of values with a row, else CHAIN_NONE */
    size_t *free; /* (n_free) rows for use again, with free_bytes */
    size_t n_free, widest;
    size_t period; /* longest tile */
} planner;

/* ---- Needed values -------------------------------------------------------------------------------------- */

void chain_mark_used(chain *c)
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

/* ---- Functions ------------------------------------------------------------------------------------------ */

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
    case CHAIN_IS_BITCAST: /* a choice of the bytes where they are not 0, of the same bytes where they are */
        return bytes == 8   ? k->cast[CHAIN_U64][CHAIN_U64]
               : bytes == 4 ? k->cast[CHAIN_U32][CHAIN_U32]
               : bytes == 2 ? k->cast[CHAIN_U16][CHAIN_U16]
                            : k->cast[CHAIN_U8][CHAIN_U8];
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
    s.divides = divides && from >= CHAIN_I8 && from <= CHAIN_U64;
    s.divisor_bytes = (unsigned char)chain_bytes(c->values[v->in[0]].dtype);
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

/* ---- Rows ------------------------------------------------------------------------------------------------ */

static void find_last_reads(planner *p)
{
    const chain *c = p->c;
    for (size_t s = 0; s < c->n_steps; s++) {
        p->last[c->steps[s].value] = s;
        for (size_t k = 0; k < 3; k++)
            if (c->steps[s].in[k] != CHAIN_NONE)
                p->last[c->steps[s].in[k]] = s;
    }
    for (size_t i = 0; i < c->n_outputs; i++)
        p->last[c->outputs[i].value] = c->n_steps;
}

static void give_operand_rows(planner *p)
{
    chain *c = p->c;
    for (size_t i = 0; i < c->n_operands; i++) {
        chain_memory *m = &c->operands[i];
        if (!c->values[m->value].used)
            continue;
        m->tiled = m->layout.place == CHAIN_PERIODIC && m->layout.period <= TILE_MOST;
        if (m->tiled)
            p->period = size_max(p->period, m->layout.period);
        p->widest = size_max(p->widest, chain_bytes(m->dtype));
        if ((m->elements && (m->tiled || m->layout.place == CHAIN_SCALAR)) ||
            (m->layout.place == CHAIN_FLAT && !chain_is_half(m->dtype)))
            continue;
        m->row = c->rows++;
    }
}

/* True where a later step than s reads what a write to result 0 overwrites. */
static bool read_later(const planner *p, size_t s)
{
    return p->c->in_place != CHAIN_NONE && p->last[p->c->in_place] > s;
}

/* A result that may be written where it belongs by step s, or CHAIN_NONE. */
static size_t direct_result(planner *p, size_t s)
{
    chain *c = p->c;
    size_t value = c->steps[s].value;
    if (chain_is_half(c->values[value].dtype))
        return CHAIN_NONE;
    for (size_t i = 0; i < c->n_outputs; i++)
        if (c->outputs[i].value == value && !(i == 0 && read_later(p, s))) {
            c->outputs[i].direct = true;
            return i;
        }
    return CHAIN_NONE;
}

static void free_inputs(planner *p, size_t s, size_t bytes, bool same)
{
    const chain_step *at = &p->c->steps[s];
    for (size_t k = 0; k < 3; k++) {
        size_t v = at->in[k];
        bool again = (k > 0 && v == at->in[0]) || (k > 1 && v == at->in[1]);
        if (v == CHAIN_NONE || again || p->rows[v] == CHAIN_NONE || p->last[v] != s)
            continue;
        if ((chain_bytes(p->c->values[v].dtype) == bytes) == same)
            p->free[p->n_free++] = p->rows[v];
    }
}

static void give_step_rows(planner *p)
{
    chain *c = p->c;
    for (size_t s = 0; s < c->n_steps; s++) {
        chain_step *at = &c->steps[s];
        size_t bytes = chain_bytes(c->values[at->value].dtype);
        p->widest = size_max(p->widest, bytes);
        free_inputs(p, s, bytes, true);
        at->result = direct_result(p, s);
        if (at->result == CHAIN_NONE)
            at->row = p->rows[at->value] = p->n_free ? p->free[--p->n_free] : c->rows++;
        free_inputs(p, s, bytes, false);
        if (p->last[at->value] == s && at->row != CHAIN_NONE) /* nobody reads it */
            p->free[p->n_free++] = at->row;
        if (at->narrow && p->last[at->value] == c->n_steps && chain_is_half(c->values[at->value].dtype)) {
            bool read = false;
            for (size_t later = s + 1; later < c->n_steps; later++)
                for (size_t k = 0; k < 3; k++)
                    read |= c->steps[later].in[k] == at->value;
            if (!read) /* rounded as it leaves */
                at->narrow = NULL;
        }
    }
}

static void choose_block(planner *p)
{
    chain *c = p->c;
    size_t rows = c->rows + c->n_outputs, widest = size_max(p->widest, 1);
    for (size_t i = 0; i < c->n_operands; i++)
        rows += c->operands[i].row == CHAIN_NONE;
    size_t block = CHAIN_ROW_BYTES / (size_max(rows, 1) * widest) / 64 * 64;
    c->block = size_min(size_max(block, CHAIN_BLOCK_LEAST), CHAIN_BLOCK_MOST);
    c->widest = widest;
    c->period = p->period;
}

/* Rows that are the same in every run. */
static bool fill_ready(chain *c)
{
    for (size_t i = 0; i < c->n_operands; i++) {
        chain_memory *m = &c->operands[i];
        if (!m->ready) /* others come with each run, too */
            m->elements = m->tiled || m->layout.place == CHAIN_SCALAR ? m->elements : NULL;
        if (!c->values[m->value].used || !m->elements || (!m->tiled && m->layout.place != CHAIN_SCALAR))
            continue;
        size_t n = c->block + (m->tiled ? m->layout.period : 0);
        void *row = mem_alloc(n, chain_bytes(m->dtype));
        if (!row)
            return false;
        chain_fill(c, m, m->elements, row, c->block);
        mem_free(m->ready);
        m->ready = row;
        m->elements = row;
    }
    return true;
}

/* ---- Cost ------------------------------------------------------------------------------------------------- */

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

/* One function from memory to memory needs no rows. */
static bool is_flat(const chain *c)
{
    bool flat = c->n_steps == 1 && c->steps[0].row == CHAIN_NONE;
    for (size_t i = 0; i < c->n_operands; i++)
        flat &= !c->values[c->operands[i].value].used ||
                (c->operands[i].layout.place == CHAIN_FLAT && !chain_is_half(c->operands[i].dtype));
    return flat;
}

bool chain_finish(chain *c)
{
    planner p = {.c = c};
    if (c->failed)
        return false;
    p.last = mem_calloc(c->n_values ? c->n_values : 1, sizeof *p.last);
    p.rows = mem_alloc(c->n_values ? c->n_values : 1, sizeof *p.rows);
    p.free = mem_alloc(4 * c->n_values + 1, sizeof *p.free);
    bool ok = p.last && p.rows && p.free && c->n_values <= CHAIN_VALUES_MOST;
    if (ok) {
        chain_join(c);
        chain_mark_used(c);
        ok = make_steps(c);
    }
    if (ok) {
        for (size_t v = 0; v < c->n_values; v++)
            p.rows[v] = CHAIN_NONE;
        find_last_reads(&p);
        give_operand_rows(&p);
        give_step_rows(&p);
        choose_block(&p);
        c->cost = cost_of(c);
        c->flat = is_flat(c);
        ok = fill_ready(c);
    }
    mem_free(p.last);
    mem_free(p.rows);
    mem_free(p.free);
    return ok;
}
