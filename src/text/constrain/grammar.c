#include "text/constrain/grammar.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"

#include <string.h>

/* Height of what never returns. */
#define NEVER 255u
/* Passes over all nodes in which heights may change: most schemas need 2 or 3. */
#define MAX_PASSES 500

void grammar_begin(grammar *g, sib_error *err)
{
    *g = (grammar){.err = err};
    grammar_add(g, GRAMMAR_DEAD, 0, 0);
}

void grammar_free(grammar *g)
{
    mem_free(g->nodes);
    mem_free(g->sets);
    *g = (grammar){0};
}

uint32_t grammar_add(grammar *g, grammar_op op, uint32_t a, uint32_t b)
{
    if (g->code == SIB_OK && g->n >= GRAMMAR_MAX_NODES)
        g->code = err_set(g->err, SIB_ERR_SIZE, "the grammar needs more than %u states", GRAMMAR_MAX_NODES);
    if (g->code == SIB_OK)
        g->code = ARRAY_PUSH(g->nodes, g->n, g->capacity, "a grammar", g->err,
                             (grammar_node){(uint8_t)op, NEVER, a, b});
    return g->code == SIB_OK ? (uint32_t)(g->n - 1) : 0;
}

uint32_t grammar_place(grammar *g)
{
    return grammar_add(g, GRAMMAR_SPLIT, 0, 0);
}

void grammar_set(grammar *g, uint32_t place, uint32_t node)
{
    if (g->code == SIB_OK)
        g->nodes[place].a = node;
}

uint32_t grammar_either(grammar *g, uint32_t a, uint32_t b)
{
    return !a || !b ? a + b : grammar_add(g, GRAMMAR_SPLIT, a, b);
}

uint32_t grammar_of_set(grammar *g, const byte_set *set, uint32_t next)
{
    if (!next || !(set->bits[0] | set->bits[1] | set->bits[2] | set->bits[3]))
        return 0;
    if (g->code == SIB_OK)
        g->code = ARRAY_PUSH(g->sets, g->n_sets, g->sets_capacity, "a grammar", g->err, *set);
    return grammar_add(g, GRAMMAR_BYTES, (uint32_t)g->n_sets - 1, next);
}

uint32_t grammar_range(grammar *g, uint8_t lo, uint8_t hi, uint32_t next)
{
    byte_set set = {{0}};
    for (unsigned byte = lo; byte <= hi; byte++)
        set.bits[byte >> 6] |= UINT64_C(1) << (byte & 63);
    return grammar_of_set(g, &set, next);
}

uint32_t grammar_text(grammar *g, const char *text, size_t n, uint32_t next)
{
    while (n-- > 0)
        next = grammar_range(g, (uint8_t)text[n], (uint8_t)text[n], next);
    return next;
}

/* Numbers lo to hi of n bytes of 6 bits, of which the first stands on `lead`. */
static uint32_t tail(grammar *g, uint32_t lead, uint32_t lo, uint32_t hi, int n, uint32_t next)
{
    if (!n)
        return next;
    const uint32_t shift = 6 * (uint32_t)(n - 1), mask = (1u << shift) - 1;
    uint32_t first = lo >> shift, last = hi >> shift, all = 0;
    if (first == last)
        return grammar_range(g, (uint8_t)(lead | first), (uint8_t)(lead | last),
                             tail(g, 0x80, lo & mask, hi & mask, n - 1, next));
    if (lo & mask) {
        all = grammar_range(g, (uint8_t)(lead | first), (uint8_t)(lead | first),
                            tail(g, 0x80, lo & mask, mask, n - 1, next));
        first++;
    }
    if ((hi & mask) != mask) {
        all = grammar_either(g, all,
                             grammar_range(g, (uint8_t)(lead | last), (uint8_t)(lead | last),
                                           tail(g, 0x80, 0, hi & mask, n - 1, next)));
        last--;
    }
    return first > last ? all
                        : grammar_either(g, all,
                                         grammar_range(g, (uint8_t)(lead | first), (uint8_t)(lead | last),
                                                       tail(g, 0x80, 0, mask, n - 1, next)));
}

uint32_t grammar_beyond_ascii(grammar *g, uint32_t lo, uint32_t hi, uint32_t next)
{
    static const struct {
        uint32_t lo, hi, lead;
        int n;
    } lengths[] = {{0x80, 0x7FF, 0xC0, 2},
                   {0x800, 0xD7FF, 0xE0, 3},
                   {0xE000, 0xFFFF, 0xE0, 3},
                   {0x10000, 0x10FFFF, 0xF0, 4}};
    uint32_t all = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint32_t from = lo > lengths[i].lo ? lo : lengths[i].lo, to = hi < lengths[i].hi ? hi : lengths[i].hi;
        if (from <= to)
            all = grammar_either(g, all, tail(g, lengths[i].lead, from, to, lengths[i].n, next));
    }
    return all;
}

static unsigned height_of(const grammar *g, const grammar_node *n)
{
    unsigned a = g->nodes[n->op == GRAMMAR_BYTES ? n->b : n->a].height;
    if (n->op == GRAMMAR_DEAD || n->op == GRAMMAR_RETURN)
        return n->op == GRAMMAR_RETURN ? 0 : NEVER;
    if (n->op == GRAMMAR_SPLIT)
        return a < g->nodes[n->b].height ? a : g->nodes[n->b].height;
    if (n->op != GRAMMAR_CALL || g->nodes[n->b].op == GRAMMAR_RETURN) /* a call at the end needs no frame */
        return a;
    unsigned after = g->nodes[n->b].height;
    a = a < GRAMMAR_MAX_DEPTH ? a + 1 : NEVER;
    return a > after ? a : after;
}

sib_code grammar_end(grammar *g, uint32_t start, sib_error *err)
{
    bool changed = true;
    for (int pass = 0; changed && g->code == SIB_OK; pass++) {
        changed = false;
        for (size_t k = 0; k < g->n; k++) { /* what follows a node may stand before it or behind it */
            size_t i = pass % 2 ? g->n - 1 - k : k;
            unsigned height = height_of(g, &g->nodes[i]);
            changed = changed || height < g->nodes[i].height;
            g->nodes[i].height = (uint8_t)height;
        }
        if (changed && pass == MAX_PASSES)
            g->code = err_set(err, SIB_ERR_SIZE, "the references of the grammar are too entangled");
    }
    g->start = start;
    g->err = NULL;
    if (g->code == SIB_OK && g->nodes[start].height > GRAMMAR_MAX_DEPTH)
        g->code =
            err_set(err, SIB_ERR_VALUE, "the schema or grammar allows no value that nests less than %u deep",
                    GRAMMAR_MAX_DEPTH);
    return g->code;
}
