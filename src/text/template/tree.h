/* A chat template as a tree. Nodes live in the arena of their template and never change once they are read. */
#ifndef TEXT_TEMPLATE_TREE_H
#define TEXT_TEMPLATE_TREE_H

#include "text/template/value.h"

/* One row per kind of node: constant, and what its fields hold. `items` is a list by `next`. */
#define NODE_KINDS(X)                                                                                        \
    X(NODE_LITERAL)   /* value */                                                                            \
    X(NODE_NAME)      /* text */                                                                             \
    X(NODE_LIST)      /* items; also a tuple */                                                              \
    X(NODE_DICT)      /* items: NODE_PAIR */                                                                 \
    X(NODE_PAIR)      /* a: key, b: value; of arguments and parameters: text: name, a: value or NULL */      \
    X(NODE_ATTRIBUTE) /* a . text */                                                                         \
    X(NODE_ITEM)      /* a [b] */                                                                            \
    X(NODE_SLICE)     /* a [b : c : d], each of b, c, d may be NULL */                                       \
    X(NODE_CALL)      /* a (items) */                                                                        \
    X(NODE_FILTER)    /* a | text (items) */                                                                 \
    X(NODE_TEST)      /* a is text (items) */                                                                \
    X(NODE_NOT)       /* not a */                                                                            \
    X(NODE_NEGATE)    /* -a, or +a where op is '+' */                                                        \
    X(NODE_AND)       /* a and b */                                                                          \
    X(NODE_OR)        /* a or b */                                                                           \
    X(NODE_IF)        /* a if b else c, c may be NULL; as a statement: if b items, other */                  \
    X(NODE_OPERATE)   /* a op b */                                                                           \
    X(NODE_COMPARE)   /* a op b, then op b for each of items, as Python chains them */                       \
    X(NODE_TEXT)      /* text as it stands */                                                                \
    X(NODE_PRINT)     /* {{ a }} */                                                                          \
    X(NODE_FOR)       /* for a in b if c: items, other */                                                    \
    X(NODE_SET)       /* a = b, or a from items and the filters of b where `block` */                        \
    X(NODE_MACRO)     /* text (parameters: other), body: items */                                            \
    X(NODE_SCOPE)     /* items, whose names end with it */                                                   \
    X(NODE_BLOCK)     /* items */                                                                            \
    X(NODE_BREAK)     /* */                                                                                  \
    X(NODE_CONTINUE)  /* */

typedef enum node_kind {
#define NODE_ENUM(constant) constant,
    NODE_KINDS(NODE_ENUM)
#undef NODE_ENUM
        N_NODE_KINDS
} node_kind;

typedef enum node_op {
    OP_NONE,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_FLOOR,
    OP_MODULO,
    OP_POWER,
    OP_JOIN, /* ~ */
    OP_EQUAL,
    OP_UNEQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_IN,
    OP_NOT_IN
} node_op;

typedef struct node {
    node_kind kind;
    node_op op;
    uint32_t line, depth; /* depth: of the tree below it */
    bool block;           /* of a NODE_SET; of a NODE_LIST: a tuple */
    sib_str text;
    value value;
    struct node *a, *b, *c, *d, *items, *other, *next;
} node;

#endif
