/* Assigns values of a chain to rows of scratch, and chooses the size of blocks. */
#include "base/alloc.h"
#include "kernel/chain/chain_internal.h"

#define TILE_MAX 512 /* max elements of an operand that is repeated to fill a row */
#define STOP_MIN 512 /* min elements of a run for blocks to end with it */

typedef struct planner {
    chain *c;
    size_t *last; /* (n_values) last step that reads the value; n_steps for results */
    size_t *rows; /* (n_values) row of each value, or CHAIN_NONE */
    size_t *free; /* (n_free) rows that can be reused */
    size_t n_free, widest;
    size_t period; /* longest tile */
} planner;

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

/* ---- Operands ------------------------------------------------------------------------------------------ */

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Blocks end where the runs of all operands that have runs end, unless runs are short. */
static void choose_stop(chain *c)
{
    size_t stop = 0;
    for (size_t i = 0; i < c->n_operands; i++) {
        chain_memory *m = &c->operands[i];
        chain_place place = m->layout.place;
        m->tiled = place == CHAIN_PERIODIC && m->layout.period <= TILE_MAX;
        if (c->values[m->value].used && place != CHAIN_FLAT && place != CHAIN_SCALAR && !m->tiled)
            stop = common_divisor(chain_run_length(&m->layout), stop);
    }
    c->stop = stop >= STOP_MIN ? stop : 0;
    for (size_t i = 0; i < c->n_operands; i++) {
        chain_memory *m = &c->operands[i];
        m->within = c->stop && m->layout.place != CHAIN_FLAT && m->layout.place != CHAIN_SCALAR && !m->tiled;
    }
}

/* The operand of value v, where it is one element for each block; else NULL. */
static chain_memory *single(const chain *c, size_t v)
{
    if (v == CHAIN_NONE || c->values[v].kind != CHAIN_IS_OPERAND)
        return NULL;
    chain_memory *m = &c->operands[c->values[v].operand];
    return chain_is_single(m) ? m : NULL;
}

/* Steps that accept a single element get it directly; other steps need a filled row. */
static void choose_scalars(chain *c)
{
    for (size_t s = 0; s < c->n_steps; s++) {
        chain_step *at = &c->steps[s];
        const chain_value *v = &c->values[at->value];
        chain_memory *left = single(c, at->in[0]), *right = single(c, at->in[1]);
        chain_function function = NULL;
        if (v->kind == CHAIN_IS_OP && (left != NULL) != (right != NULL) &&
            chain_type_of(c->values[at->in[0]].dtype) == CHAIN_F32)
            function = c->kernels->chain.scalar[right != NULL][v->op];
        if (function) {
            at->run = function;
            at->streamed = at->streamed ? c->kernels->chain.streamed[1 + (right != NULL)][v->op] : NULL;
            continue;
        }
        for (size_t k = 0; k < 3; k++)
            if ((left = single(c, at->in[k])))
                left->filled = true;
    }
    for (size_t i = 0; i < c->n_outputs; i++) {
        chain_memory *m = single(c, c->outputs[i].value);
        if (m)
            m->filled = true;
    }
}

static bool needs_row(const chain_memory *m)
{
    if (m->elements && (m->tiled || m->layout.place == CHAIN_SCALAR))
        return false;
    if (chain_is_half(m->dtype) || m->tiled)
        return true;
    return m->layout.place == CHAIN_FLAT ? false : chain_is_single(m) ? m->filled : !m->within;
}

static void give_operand_rows(planner *p)
{
    chain *c = p->c;
    for (size_t i = 0; i < c->n_operands; i++) {
        chain_memory *m = &c->operands[i];
        if (!c->values[m->value].used)
            continue;
        if (m->tiled)
            p->period = size_max(p->period, m->layout.period);
        p->widest = size_max(p->widest, chain_bytes(m->dtype));
        if (needs_row(m))
            m->row = c->rows++;
    }
}

/* ---- Steps --------------------------------------------------------------------------------------------- */

/* Whether a step after s reads what a write to result 0 overwrites. */
static bool read_later(const planner *p, size_t s)
{
    return p->c->in_place != CHAIN_NONE && p->last[p->c->in_place] > s;
}

/* The result to whose memory step s may write directly, or CHAIN_NONE. */
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

/* Whether any step reads the value. */
static bool is_read(const chain *c, size_t value)
{
    bool read = false;
    for (size_t s = 0; s < c->n_steps; s++)
        for (size_t k = 0; k < 3; k++)
            read |= c->steps[s].in[k] == value;
    return read;
}

/* Whether a result is too large for the caches, where no step and no head has brought it there. */
static bool leaves_caches(const chain *c, size_t value)
{
    return c->in_place == CHAIN_NONE && !is_read(c, value) && c->count >= LAYOUT_STREAM_BYTES / sizeof(float);
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
        if (at->result != CHAIN_NONE && at->streamed && leaves_caches(c, at->value)) {
            at->run = at->streamed;
            c->streams = true;
        }
        if (at->result == CHAIN_NONE)
            at->row = p->rows[at->value] = p->n_free ? p->free[--p->n_free] : c->rows++;
        free_inputs(p, s, bytes, false);
        if (p->last[at->value] == s && at->row != CHAIN_NONE) /* no later step reads it */
            p->free[p->n_free++] = at->row;
    }
}

static void choose_block(planner *p)
{
    chain *c = p->c;
    size_t rows = c->rows + c->n_outputs, widest = size_max(p->widest, 1);
    for (size_t i = 0; i < c->n_operands; i++)
        rows += c->operands[i].row == CHAIN_NONE;
    size_t block = CHAIN_ROW_BYTES / (size_max(rows, 1) * widest) / 64 * 64;
    c->block = size_min(size_max(block, CHAIN_BLOCK_MIN), CHAIN_BLOCK_MAX);
    if (c->stop && c->stop > c->block) { /* in equal parts */
        size_t parts = size_ceil_div(c->stop, c->block);
        c->block = size_min(c->block, (size_ceil_div(c->stop, parts) + 15) / 16 * 16);
    }
    c->widest = widest;
    c->period = p->period;
}

bool chain_give_rows(chain *c)
{
    planner p = {.c = c};
    size_t n = c->n_values + 1;
    p.last = mem_calloc(n, sizeof *p.last);
    p.rows = mem_alloc(n, sizeof *p.rows);
    p.free = mem_alloc(4 * n, sizeof *p.free);
    bool ok = p.last && p.rows && p.free;
    if (ok) {
        for (size_t v = 0; v < n; v++)
            p.rows[v] = CHAIN_NONE;
        find_last_reads(&p);
        choose_stop(c);
        choose_scalars(c);
        give_operand_rows(&p);
        give_step_rows(&p);
        choose_block(&p);
    }
    for (size_t s = 0; s < c->n_steps && ok; s++)
        if (!is_read(c, c->steps[s].value)) /* rounded when it is stored */
            c->steps[s].narrow = NULL;
    mem_free(p.last);
    mem_free(p.rows);
    mem_free(p.free);
    return ok;
}
