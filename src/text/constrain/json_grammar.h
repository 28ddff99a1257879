/* JSON as a grammar: what all schemas are made of. */
#ifndef TEXT_CONSTRAIN_JSON_GRAMMAR_H
#define TEXT_CONSTRAIN_JSON_GRAMMAR_H

#include "base/str.h"
#include "text/constrain/grammar.h"

/* Max digits before the point and behind it, so that numbers fit int64 or double. */
#define JSON_DIGITS   18
#define JSON_DECIMALS 20
/* Max blanks behind a line end, so that a model comes to an end of them. */
#define JSON_INDENT_MAX 40

/* Nodes that end with RETURN. */
typedef struct json_grammar {
    grammar *g;
    uint32_t end;   /* RETURN */
    uint32_t blank; /* nothing, a space, or a line end with an indent */
    uint32_t string, number, integer, boolean, null, object, array, value;
    uint32_t key; /* a string with no way to write a character in two ways */
} json_grammar;

#define JSON_NO_MAX UINT32_MAX

void json_grammar_begin(json_grammar *j, grammar *g);
uint32_t json_blank(json_grammar *j, uint32_t next);
/* A string of min to max characters. */
uint32_t json_string_of(json_grammar *j, uint32_t min, uint32_t max);
/* An array of min to max items, the first n as `first`, the others as `item`. */
uint32_t json_array_of(json_grammar *j, const uint32_t *first, size_t n, uint32_t item, uint32_t min,
                       uint32_t max);

/* One of these texts, sorted; equal ones count once. */
uint32_t json_one_of(json_grammar *j, const sib_str *texts, size_t n);
/* A key that is none of these, sorted, each with the quote at its end but not at its front. */
uint32_t json_key_without(json_grammar *j, const sib_str *names, size_t n);

/* A member of an object. */
typedef struct json_member {
    sib_str key; /* with both quotes */
    uint32_t value;
    bool required;
} json_member;

/* An object with these members in their order, then others with keys as `key` and values as `other`; 0:
   none. */
uint32_t json_object_of(json_grammar *j, const json_member *members, size_t n, uint32_t key, uint32_t other);

#endif
