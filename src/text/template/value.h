/* Values of a chat template. Lists and texts never change once made, so they are shared; a namespace may. */
#ifndef TEXT_TEMPLATE_VALUE_H
#define TEXT_TEMPLATE_VALUE_H

#include "base/str.h"

struct run;
struct call;

typedef enum value_kind {
    VALUE_UNDEFINED, /* text: the name that has no value */
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_LIST,
    VALUE_DICT,
    VALUE_NAMESPACE,
    VALUE_CALL /* a function, a method of a value, or a macro */
} value_kind;

typedef struct value {
    value_kind kind;
    bool tuple; /* of a list: how it is printed */
    union {
        bool flag;
        int64_t integer;
        double number;
        sib_str text; /* UTF-8 */
        const struct value_list *list;
        struct value_dict *dict; /* of a namespace too */
        const struct callable *call;
    };
} value;

typedef struct value_list {
    size_t n;
    value *items; /* (n) */
} value_list;

/* In the order of insertion. */
typedef struct value_dict {
    size_t n, capacity;
    value *keys, *values; /* (n of capacity) */
} value_dict;

/* A function, method, filter or test that is built in. */
typedef struct routine {
    const char *name; /* NULL ends a table */
    /* names of its parameters, apart by blanks, optional ones behind "|"; NULL: it looks at the arguments itself */
    const char *parameters;
    value (*run)(struct run *r, struct call *c);
} routine;

typedef struct callable {
    const routine *routine; /* NULL for a macro */
    value self;             /* of a method */
    const struct node *macro;
    struct scope *scope; /* where that macro was defined */
} callable;

static inline value value_text(sib_str s)
{
    return (value){.kind = VALUE_TEXT, .text = s};
}

static inline value value_int(int64_t i)
{
    return (value){.kind = VALUE_INT, .integer = i};
}

static inline value value_float(double x)
{
    return (value){.kind = VALUE_FLOAT, .number = x};
}

static inline value value_bool(bool b)
{
    return (value){.kind = VALUE_BOOL, .flag = b};
}

static inline value value_none(void)
{
    return (value){.kind = VALUE_NONE};
}

static inline value value_undefined(sib_str name)
{
    return (value){.kind = VALUE_UNDEFINED, .text = name};
}

static inline bool value_is_number(value v)
{
    return v.kind == VALUE_BOOL || v.kind == VALUE_INT || v.kind == VALUE_FLOAT;
}

/* Of a number. */
static inline double value_number(value v)
{
    return v.kind == VALUE_FLOAT ? v.number : v.kind == VALUE_INT ? (double)v.integer : (double)v.flag;
}

/* Of a bool or an int, as Python has it. */
static inline bool value_integer(value v, int64_t *out)
{
    *out = v.kind == VALUE_BOOL ? v.flag : v.kind == VALUE_INT ? v.integer : 0;
    return v.kind == VALUE_BOOL || v.kind == VALUE_INT;
}

/* What Python's `if` takes for true. */
bool value_true(value v);
/* "text", "list", "dict", ... for messages. */
const char *tpl_kind_name(value v);

#endif
