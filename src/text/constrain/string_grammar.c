/* The product of automata: a node stands for a state of each pattern and, where they matter, for how many
   characters came before and which patterns are past a $. Ways that cannot end are never taken, since their
   nodes never reach RETURN. */
#include "text/constrain/string_grammar.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

#include <string.h>

typedef struct spot {
    uint32_t at[STRING_MAX_PATTERNS]; /* states */
    uint32_t count;                   /* characters, as far as they are counted */
    uint32_t ended;                   /* a bit for each pattern: $ has been met */
    uint32_t begun;                   /* there was a character; always where no pattern asks */
} spot;

typedef struct entry {
    spot s;
    uint32_t node;
} entry;

typedef struct product {
    json_grammar *j;
    const automaton *patterns;
    size_t n;
    uint32_t min, max;
    entry *entries; /* (n_entries) in the order in which they were met */
    size_t n_entries, capacity;
    uint32_t *slots; /* (n_slots) a hash table of indices + 1 */
    size_t n_slots;
} product;

/* ---- Characters ------------------------------------------------------------------------------------------ */

static void add_byte(byte_set *s, uint32_t c)
{
    s->bits[c >> 6] |= UINT64_C(1) << (c & 63);
}

/* What stands behind a backslash for one of the characters below U+0020, as a set of bits, and for those of
   `letters`. */
static uint32_t escaped(grammar *g, const byte_set *letters, uint32_t controls, uint32_t next)
{
    static const char hex[] = "0123456789abcdef";
    uint32_t all = grammar_of_set(g, letters, next), codes = 0;
    for (uint32_t high = 0; high < 2; high++) {
        byte_set low = {{0}};
        for (uint32_t i = 0; i < 16; i++)
            if (controls >> (16 * high + i) & 1) {
                add_byte(&low, (uint8_t)hex[i]);
                add_byte(&low, (uint8_t)(i < 10 ? hex[i] : hex[i] - 32));
            }
        codes = grammar_either(
            g, codes,
            grammar_range(g, (uint8_t)hex[high], (uint8_t)hex[high], grammar_of_set(g, &low, next)));
    }
    return grammar_either(g, all, codes ? grammar_text(g, "u00", 3, codes) : 0);
}

/* One character of the ranges (n), none of which is U+0000, then `next`. */
static uint32_t character_of(grammar *g, const automaton_range *ranges, size_t n, uint32_t next)
{
    static const char short_of[] = "\b\t\n\f\r\"\\", letter_of[] = "btnfr\"\\";
    byte_set ascii = {{0}}, letters = {{0}};
    uint32_t controls = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t c = ranges[i].lo ? ranges[i].lo : 1; c <= ranges[i].hi && c < 0x80; c++) {
            const char *known = strchr(short_of, (int)c);
            if (known)
                add_byte(&letters, (uint8_t)letter_of[known - short_of]);
            if (c < 0x20)
                controls |= 1u << c;
            else if (!known)
                add_byte(&ascii, c);
        }
        if (ranges[i].hi >= 0x80)
            all = grammar_either(g, all, grammar_beyond_ascii(g, ranges[i].lo, ranges[i].hi, next));
    }
    all = grammar_either(g, all, grammar_of_set(g, &ascii, next));
    uint32_t behind = escaped(g, &letters, controls, next);
    return grammar_either(g, all, behind ? grammar_text(g, "\\", 1, behind) : 0);
}

/* ---- Spots ----------------------------------------------------------------------------------------------- */

static sib_code grow_slots(product *p)
{
    size_t n = p->n_slots ? 2 * p->n_slots : 256;
    uint32_t *slots = mem_calloc(n, sizeof *slots);
    if (!slots)
        return err_memory(p->j->g->err, n * sizeof *slots, "a JSON schema");
    mem_free(p->slots);
    p->slots = slots;
    p->n_slots = n;
    return SIB_OK;
}

static size_t hash_of(const spot *s)
{
    uint32_t words[sizeof *s / sizeof(uint32_t)], hash = 1;
    memcpy(words, s, sizeof *s);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hash = (hash ^ words[i]) * 0x9E3779B1u;
        hash ^= hash >> 15;
    }
    return hash;
}

static void put(product *p, uint32_t index)
{
    size_t at = hash_of(&p->entries[index].s) & (p->n_slots - 1);
    while (p->slots[at])
        at = (at + 1) & (p->n_slots - 1);
    p->slots[at] = index + 1;
}

/* The node of a spot, which is filled later. */
static uint32_t node_of(product *p, spot s)
{
    grammar *g = p->j->g;
    if (g->code == SIB_OK && 2 * p->n_entries >= p->n_slots) {
        g->code = grow_slots(p);
        for (size_t i = 0; i < p->n_entries && g->code == SIB_OK; i++)
            put(p, (uint32_t)i);
    }
    if (g->code != SIB_OK)
        return 0;
    for (size_t at = hash_of(&s) & (p->n_slots - 1); p->slots[at]; at = (at + 1) & (p->n_slots - 1))
        if (!memcmp(&p->entries[p->slots[at] - 1].s, &s, sizeof s))
            return p->entries[p->slots[at] - 1].node;
    entry e = {s, grammar_place(g)};
    if (g->code == SIB_OK)
        g->code = ARRAY_PUSH(p->entries, p->n_entries, p->capacity, "a JSON schema", g->err, e);
    if (g->code == SIB_OK)
        put(p, (uint32_t)p->n_entries - 1);
    return e.node;
}

/* The characters that all patterns take: (*n) of `out`, or of a pattern's own. Returns NULL after a
   failure. */
static automaton_range *shared_ranges(const product *p, const spot *s, size_t *n)
{
    const automaton_state *first = &p->patterns[0].states[s->at[0]];
    size_t room = 1;
    for (size_t i = 0; i < p->n; i++)
        room += p->patterns[i].states[s->at[i]].n;
    automaton_range *all = mem_alloc(2 * room, sizeof *all);
    if (!all)
        return NULL;
    automaton_range *more = all + room;
    *n = first->n;
    if (*n)
        memcpy(all, p->patterns[0].ranges + first->first, *n * sizeof *all);
    for (size_t i = 1; i < p->n; i++) {
        const automaton_state *state = &p->patterns[i].states[s->at[i]];
        const automaton_range *other = p->patterns[i].ranges + state->first;
        size_t both = 0;
        for (size_t a = 0, b = 0; a < *n && b < state->n; all[a].hi < other[b].hi ? a++ : b++) {
            uint32_t lo = all[a].lo > other[b].lo ? all[a].lo : other[b].lo,
                     hi = all[a].hi < other[b].hi ? all[a].hi : other[b].hi;
            if (lo <= hi)
                more[both++] = (automaton_range){lo, hi};
        }
        *n = both;
        if (both)
            memcpy(all, more, both * sizeof *all);
    }
    return all;
}

/* A character of all patterns, then the spots behind it. */
static uint32_t take_character(product *p, spot s)
{
    grammar *g = p->j->g;
    size_t n;
    if (s.ended || (p->max != JSON_NO_MAX && s.count == p->max))
        return 0;
    automaton_range *ranges = shared_ranges(p, &s, &n);
    if (!ranges) {
        g->code = err_memory(g->err, sizeof *ranges, "a JSON schema");
        return 0;
    }
    uint32_t node = 0;
    if (n) {
        for (size_t i = 0; i < p->n; i++)
            s.at[i] = p->patterns[i].states[s.at[i]].a;
        s.count += s.count < (p->max != JSON_NO_MAX ? p->max : p->min);
        s.begun = 1;
        node = character_of(g, ranges, n, node_of(p, s));
    }
    mem_free(ranges);
    return node;
}

/* What a spot is: a step of one pattern that takes no character, the end, or a character. */
static uint32_t fill(product *p, spot s)
{
    size_t accepting = 0;
    for (size_t i = 0; i < p->n; i++) {
        const automaton_state *state = &p->patterns[i].states[s.at[i]];
        spot to = s, other = s;
        to.at[i] = state->a;
        other.at[i] = state->b;
        switch (state->op) {
        case AUTOMATON_SET:
            break;
        case AUTOMATON_SPLIT: {
            uint32_t one = node_of(p, to);
            return grammar_either(p->j->g, one, node_of(p, other));
        }
        case AUTOMATON_BEGIN:
            return s.begun ? 0 : node_of(p, to);
        case AUTOMATON_END:
            to.ended |= 1u << i;
            return node_of(p, to);
        case AUTOMATON_ACCEPT:
            accepting++;
        }
    }
    if (accepting)
        return accepting == p->n && s.count >= p->min ? grammar_text(p->j->g, "\"", 1, p->j->end) : 0;
    return take_character(p, s);
}

static bool asks_begin(const automaton *patterns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < patterns[i].n_states; k++)
            if (patterns[i].states[k].op == AUTOMATON_BEGIN)
                return true;
    return false;
}

uint32_t json_string_like(json_grammar *j, const automaton *patterns, size_t n, uint32_t min, uint32_t max)
{
    product p = {.j = j, .patterns = patterns, .n = n, .min = min, .max = max};
    spot start = {.begun = !asks_begin(patterns, n)};
    for (size_t i = 0; i < n; i++)
        start.at[i] = patterns[i].start;
    uint32_t node = node_of(&p, start);
    for (size_t i = 0; i < p.n_entries && j->g->code == SIB_OK; i++) {
        entry e = p.entries[i];
        grammar_set(j->g, e.node, fill(&p, e.s));
    }
    mem_free(p.entries);
    mem_free(p.slots);
    return node ? grammar_text(j->g, "\"", 1, node) : 0;
}
