/* Shared by the files of words: what one is, and its parameters. */
#ifndef EXTEND_WORD_H
#define EXTEND_WORD_H

#include "extend/lowering.h"
#include "spec/spec.h"

/* One use of a word. */
typedef struct word_call {
    lowering *l;
    const char *name;
    milli_kind kind;
    size_t n_in, n_params;
    mval in[SIB_OPERATOR_ENDS];
    const sib_param *params;
    sib_lowering *b;
    mval out[4];
    node node; /* of a word with a table of attributes: its parameters as these, checked */
} word_call;

typedef struct word {
    const char *name;
    int min_in, max_in, max_out;
    const char *params; /* "axis keep?" */
    void (*build)(word_call *c);
    milli_kind kind;
    const spec_table
        *table; /* of its parameters, as attributes of the milli-op; NULL: read by the functions below */
} word;

/* Words of sequences, text, images, trees and random numbers: (n_words_of_values). */
extern const word words_of_values[];
extern const size_t n_words_of_values;

/* The parameter of that name; NULL where it is left out. */
const sib_param *param_find(const word_call *c, const char *name);
/* Its numbers, at most SIB_MAX_RANK; returns how many, none where it is left out. */
size_t param_ints(word_call *c, const char *name, int64_t out[SIB_MAX_RANK]);
/* One number. */
int64_t param_int(word_call *c, const char *name, int64_t otherwise);
int param_axis(word_call *c);
dim param_dim(word_call *c, const char *name);
sib_dtype param_dtype(word_call *c, const char *name);
/* The text of a parameter, one of `choices` (up to NULL); the first where it is left out. */
const char *param_choice(word_call *c, const char *name, const char *const *choices);
/* Dims of a result: none may be negative. */
size_t param_shape(word_call *c, const char *name, dim out[SIB_MAX_RANK]);
/* Fails unless a list has an item per axis of the first input. */
bool param_per_axis(word_call *c, const char *name, size_t n);
/* Sets c->node from the parameters that the table has, checked. Its texts and lists of strings live as long
   as the graph. */
void param_attributes(word_call *c, const spec_table *t);

#endif
