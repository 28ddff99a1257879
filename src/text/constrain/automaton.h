/* Regular expressions of ECMA-262 as automata over characters. */
#ifndef TEXT_CONSTRAIN_AUTOMATON_H
#define TEXT_CONSTRAIN_AUTOMATON_H

#include "base/str.h"

/* Max bytes of an expression, groups inside each other, states, and ranges of all its sets. */
#define AUTOMATON_MAX_BYTES  4096
#define AUTOMATON_MAX_GROUPS 64
#define AUTOMATON_MAX_STATES 16384
#define AUTOMATON_MAX_RANGES 65536

typedef enum automaton_op {
    AUTOMATON_SET,   /* one character of a set, then state a */
    AUTOMATON_SPLIT, /* state a or state b */
    AUTOMATON_BEGIN, /* state a, at the beginning of the text */
    AUTOMATON_END,   /* state a, at its end */
    AUTOMATON_ACCEPT /* the end of the text */
} automaton_op;

typedef struct automaton_range {
    uint32_t lo, hi; /* characters */
} automaton_range;

typedef struct automaton_state {
    automaton_op op;
    uint32_t a, b;
    uint32_t first, n; /* ranges of SET, ascending and apart */
} automaton_state;

typedef struct automaton {
    automaton_state *states; /* (n_states) */
    size_t n_states, states_capacity;
    automaton_range *ranges; /* (n_ranges) */
    size_t n_ranges, ranges_capacity;
    uint32_t start;
} automaton;

/* Reads an expression, which may match anywhere in a text, as `pattern` of JSON Schema says; automaton_free in
   both cases. Characters, ., classes, \d \w \s \D \W \S, escapes of characters, groups, |, ^, $, and * + ?
   {n} {n,} {n,m}, also lazy. Errors: SIB_ERR_VALUE (no expression), SIB_ERR_UNSUPPORTED (look-around,
   references back, \b, \p), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code automaton_read(sib_str text, automaton *out, sib_error *err);
void automaton_free(automaton *p);

#endif
