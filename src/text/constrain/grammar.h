/* A grammar over bytes: a graph of nodes that consume bytes, choose, count, and call one another. Node 0
   is dead. */
#ifndef TEXT_CONSTRAIN_GRAMMAR_H
#define TEXT_CONSTRAIN_GRAMMAR_H

#include <sibyl/base.h>

/* Max nodes: those of a schema of SCHEMA_MAX_BYTES with long enums fit. */
#define GRAMMAR_MAX_NODES (1u << 18)
/* Max calls inside each other: how deep values nest. */
#define GRAMMAR_MAX_DEPTH 64u

typedef enum grammar_op {
    GRAMMAR_DEAD,   /* nothing goes on from here */
    GRAMMAR_BYTES,  /* one byte of set a, then node b */
    GRAMMAR_SPLIT,  /* node a or node b */
    GRAMMAR_CALL,   /* node a with a counter of its own until it returns, then node b */
    GRAMMAR_RETURN, /* ends the call, or the text */
    GRAMMAR_COUNT,  /* counter + 1, but b at most; then node a */
    GRAMMAR_MIN,    /* node a where the counter is b or more */
    GRAMMAR_MAX     /* node a where the counter is below b */
} grammar_op;

typedef struct grammar_node {
    uint8_t op;
    uint8_t height; /* calls inside each other that the shortest way to RETURN needs */
    uint32_t a, b;
} grammar_node;

typedef struct byte_set {
    uint64_t bits[4];
} byte_set;

static inline bool set_has(const byte_set *s, uint8_t byte)
{
    return s->bits[byte >> 6] >> (byte & 63) & 1;
}

/* Calls of the builder do nothing after a failure, which `code` keeps, and give node 0. */
typedef struct grammar {
    grammar_node *nodes; /* (n) */
    size_t n, capacity;
    byte_set *sets; /* (n_sets) */
    size_t n_sets, sets_capacity;
    uint32_t start;
    sib_code code;
    sib_error *err; /* of the failure, while it is built */
} grammar;

void grammar_begin(grammar *g, sib_error *err);
void grammar_free(grammar *g);
/* Checks that the start can return, and fills the heights. Errors: those of building, SIB_ERR_VALUE (no
   finite text fits), SIB_ERR_SIZE. */
sib_code grammar_end(grammar *g, uint32_t start, sib_error *err);

uint32_t grammar_add(grammar *g, grammar_op op, uint32_t a, uint32_t b);
/* A node to be told later what follows: grammar_set. */
uint32_t grammar_place(grammar *g);
void grammar_set(grammar *g, uint32_t place, uint32_t node);
/* a or b; just one of them where the other is dead. */
uint32_t grammar_either(grammar *g, uint32_t a, uint32_t b);
uint32_t grammar_of_set(grammar *g, const byte_set *set, uint32_t next);
/* Bytes from lo to hi. */
uint32_t grammar_range(grammar *g, uint8_t lo, uint8_t hi, uint32_t next);
/* A character from lo to hi, as far as they lie beyond ASCII, in UTF-8. */
uint32_t grammar_beyond_ascii(grammar *g, uint32_t lo, uint32_t hi, uint32_t next);
/* These bytes (n), one after the other. */
uint32_t grammar_text(grammar *g, const char *text, size_t n, uint32_t next);

#endif
