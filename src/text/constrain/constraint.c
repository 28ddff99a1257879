#include "text/constrain/constraint.h"

#include "base/alloc.h"
#include "base/error.h"
#include "text/constrain/gbnf.h"
#include "text/constrain/machine.h"
#include "text/constrain/schema.h"
#include "text/vocab/token_order.h"

/* Max bytes of the tokens kept with states. */
#define MAX_KEPT_TOKENS ((size_t)32 << 20)

struct constraint {
    const token_order *order;
    grammar grammar;
    machine machine;
    uint32_t state;
    size_t kept;                          /* bytes of the tokens of states */
    uint32_t behind[VOCAB_MAX_TOKEN + 1]; /* states behind the first bytes of a token */
};

sib_code constraint_open(const sib_tokenizer *t, constraint_rules kind, sib_str rules, constraint **out,
                         sib_error *err)
{
    constraint *c = *out = mem_calloc(1, sizeof *c);
    if (!c)
        return err_memory(err, sizeof *c, "a grammar");
    sib_code code = kind == CONSTRAINT_SCHEMA ? schema_grammar(rules, &c->grammar, err)
                                              : gbnf_grammar(rules, &c->grammar, err);
    if (code == SIB_OK)
        code = token_order_of(t, &c->order, err);
    if (code == SIB_OK)
        code = machine_begin(&c->machine, &c->grammar, &c->state, err);
    if (code != SIB_OK)
        constraint_free(out);
    return code;
}

void constraint_free(constraint **c)
{
    if (!*c)
        return;
    machine_end(&(*c)->machine);
    grammar_free(&(*c)->grammar);
    mem_free(*c);
    *c = NULL;
}

/* The state behind bytes (n) of a token, of which those before `at` led to c->behind[at]; *reached: how
   many there is a state behind. */
static sib_code follow(constraint *c, const ordered_token *t, size_t at, size_t *reached, sib_error *err)
{
    const uint8_t *bytes = c->order->bytes + t->at;
    sib_code code = SIB_OK;
    for (; at < t->size && code == SIB_OK; at++) {
        uint32_t next = c->machine.states[c->behind[at]].next[bytes[at]];
        if (next == MACHINE_UNKNOWN)
            code = machine_step(&c->machine, c->behind[at], bytes[at], &next, err);
        if (code != SIB_OK || next == MACHINE_DEAD)
            break;
        c->behind[at + 1] = next;
    }
    *reached = at;
    return code;
}

/* Adds those of tokens first to end - 1 that may follow c->behind[0]. */
static sib_code add_allowed(constraint *c, size_t first, size_t end, uint64_t *tokens, sib_error *err)
{
    size_t reached = 0;
    sib_code code = SIB_OK;
    for (size_t i = first; i < end && code == SIB_OK; i++) {
        const ordered_token *t = &c->order->tokens[i];
        if (t->shared > reached)
            continue; /* begins with what cannot follow */
        code = follow(c, t, t->shared, &reached, err);
        if (reached == t->size)
            tokens[t->id / 64] |= UINT64_C(1) << (t->id % 64);
    }
    return code;
}

/* Whether every simple character leads back to the same state: the inside of a string. */
static sib_code is_inside(constraint *c, uint32_t state, bool *inside, sib_error *err)
{
    static const char characters[][5] = {"\xC2\x80",         "\xE0\xA0\x80",    "\xE1\x80\x80",
                                         "\xED\x80\x80",     "\xEE\x80\x80",    "\xF0\x90\x80\x80",
                                         "\xF1\x80\x80\x80", "\xF4\x80\x80\x80"};
    sib_code code = SIB_OK;
    uint32_t next = state;
    for (unsigned byte = 0x20; byte < 0x80 && next == state && code == SIB_OK; byte++)
        if (byte != '"' && byte != '\\')
            code = machine_step(&c->machine, state, (uint8_t)byte, &next, err);
    for (size_t i = 0; i < sizeof characters / sizeof *characters && next == state && code == SIB_OK; i++)
        for (const char *at = characters[i]; *at && code == SIB_OK; at++)
            code = machine_step(&c->machine, next, (uint8_t)*at, &next, err);
    *inside = next == state;
    return code;
}

/* Fills the tokens that may follow a state. */
static sib_code find_allowed(constraint *c, uint32_t state, uint64_t *tokens, sib_error *err)
{
    const token_order *o = c->order;
    bool inside;
    sib_code code = is_inside(c, state, &inside, err);
    c->behind[0] = state;
    if (code == SIB_OK && inside)
        memcpy(tokens, o->simple, token_words(o->n_vocab) * sizeof *tokens);
    else if (code == SIB_OK)
        code = add_allowed(c, 0, o->n_simple, tokens, err);
    return code == SIB_OK ? add_allowed(c, o->n_simple, o->n, tokens, err) : code;
}

static void forget_tokens(constraint *c)
{
    for (size_t i = 0; i < c->machine.n_states; i++) {
        mem_free(c->machine.states[i].tokens);
        c->machine.states[i].tokens = NULL;
    }
    c->kept = 0;
}

sib_code constraint_allowed(constraint *c, const uint64_t **tokens, size_t *n_vocab, sib_error *err)
{
    size_t words = token_words(c->order->n_vocab);
    *n_vocab = c->order->n_vocab;
    sib_code code = machine_tidy(&c->machine, &c->state, err);
    if (code != SIB_OK)
        return code;
    if (!c->machine.states[c->state].tokens) {
        if (c->kept > MAX_KEPT_TOKENS)
            forget_tokens(c);
        uint64_t *found = mem_calloc(words, sizeof *found);
        code = found ? find_allowed(c, c->state, found, err)
                     : err_memory(err, words * sizeof *found, "tokens that may follow");
        c->kept += words * sizeof *found;
        c->machine.states[c->state].tokens = found; /* also after a failure, to be freed */
    }
    *tokens = c->machine.states[c->state].tokens;
    return code;
}

sib_code constraint_take(constraint *c, int32_t id, sib_error *err)
{
    const uint64_t *tokens;
    size_t n_vocab, i = 0, reached = 0;
    sib_code code = constraint_allowed(c, &tokens, &n_vocab, err);
    if (code != SIB_OK)
        return code;
    if (id < 0 || (size_t)id >= n_vocab || !(tokens[id / 64] >> (id % 64) & 1))
        return err_set(err, SIB_ERR_ARGUMENT, "the grammar does not allow token %d here", (int)id);
    while (c->order->tokens[i].id != id)
        i++;
    c->behind[0] = c->state;
    code = follow(c, &c->order->tokens[i], 0, &reached, err);
    if (code == SIB_OK)
        c->state = c->behind[reached];
    return code;
}

bool constraint_complete(const constraint *c)
{
    return c->machine.states[c->state].complete;
}

bool constraint_closed(const constraint *c)
{
    return c->machine.states[c->state].closed;
}

sib_code sib_json_schema_check(const char *schema, size_t size, sib_error *err)
{
    grammar g;
    if (!schema)
        return err_set(err, SIB_ERR_ARGUMENT, "an argument is NULL");
    sib_code code = schema_grammar((sib_str){schema, size}, &g, err);
    grammar_free(&g);
    return code;
}

sib_code sib_grammar_check(const char *text, size_t size, sib_error *err)
{
    grammar g;
    if (!text)
        return err_set(err, SIB_ERR_ARGUMENT, "an argument is NULL");
    sib_code code = gbnf_grammar((sib_str){text, size}, &g, err);
    grammar_free(&g);
    return code;
}
