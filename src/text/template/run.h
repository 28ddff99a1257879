/* One rendering of a template. After a failure, which `code` keeps, everything ends soon and gives undefined values. */
#ifndef TEXT_TEMPLATE_RUN_H
#define TEXT_TEMPLATE_RUN_H

#include "base/buffer.h"
#include "text/template/arena.h"
#include "text/template/tree.h"

/* Names and their values; what is not found is looked for above. */
typedef struct scope {
    struct scope *above;
    value_dict names;
} scope;

typedef enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;

typedef struct run {
    arena *a;
    byte_buffer *out; /* what is printed now: the result, or the text of a macro or block */
    scope *scope;
    const struct sib_cancel *cancel; /* may be NULL */
    uint64_t steps;                  /* taken so far */
    unsigned depth;                  /* of nested evaluation */
    uint32_t line;
    flow flow;
    sib_code code;
    sib_error *err;
} run;

/* Limits of one rendering. */
#define MAX_STEPS  ((uint64_t)50000000)
#define MAX_DEPTH  600
#define MAX_OUTPUT ((size_t)64 << 20)
#define MAX_RANGE  100000

/* ---- Failing, limits, memory ---------------------------------------------------------------------------- */

/* Returns an undefined value. */
value tpl_fail(run *r, sib_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The failure where an undefined value is used. */
value tpl_undefined(run *r, value v);
/* Counts work of about `steps` operations. Returns false where the run is to end. */
bool tpl_charge(run *r, uint64_t steps);
/* One deeper, and back; false above the limit: then not entered. */
bool tpl_enter(run *r);
void tpl_leave(run *r);
/* Zeroed; NULL where it fails. */
void *tpl_take(run *r, size_t n, size_t size);
/* A copy of bytes. */
value tpl_text(run *r, const char *data, size_t n);
/* What was appended to b, which is freed. */
value tpl_made(run *r, byte_buffer *b);

/* ---- Values --------------------------------------------------------------------------------------------- */

/* A list of n undefined values, to be filled before it is shown; NULL where memory fails. */
value_list *tpl_list(run *r, size_t n);
value value_of_list(const value_list *l);
/* A tuple of two. */
value tpl_pair(run *r, value a, value b);
value tpl_dict(run *r);

/* lookup.c */
bool tpl_equal(run *r, value a, value b);
/* The value under a key, NULL where there is none. */
value *dict_find(run *r, const value_dict *d, value key);
void dict_set(run *r, value_dict *d, value key, value v);
value *dict_named(const value_dict *d, sib_str name);
/* A name's value, undefined where it has none. */
value tpl_name(const run *r, sib_str name);

/* operate.c */
value tpl_operate(run *r, node_op op, value a, value b);
bool tpl_compare(run *r, node_op op, value a, value b);
/* < 0, 0, > 0, as sorting has it. */
int tpl_order(run *r, value a, value b);
/* Stable; by order of the keys (n), with which the items move. */
void tpl_sort(run *r, value *keys, value *items, size_t n, bool reverse);

/* items.c */
/* The items that a loop over v sees: characters, items or keys. NULL where it cannot be. */
const value_list *tpl_items(run *r, value v);
/* parts: start, stop, step, each an int or none. */
value tpl_slice(run *r, value of, const value parts[3]);

/* look.c */
value tpl_attribute(run *r, value of, sib_str name);
value tpl_item(run *r, value of, value key);
/* An attribute by its path, "function.name" or a number. otherwise: in the place of each part that is undefined; may be
   NULL. */
value tpl_path(run *r, value of, value path, const value *otherwise);

/* print.c */
void print_value(run *r, byte_buffer *b, value v); /* str(v) */
void print_repr(run *r, byte_buffer *b, value v);
sib_str tpl_str(run *r, value v); /* str(v); of a text that text */
/* Shortest digits that read back as x, as Python's repr; out: NUL-terminated. */
void float_text(double x, char out[40]);

/* ---- Calls ---------------------------------------------------------------------------------------------- */

#define MAX_PARAMETERS 6

typedef struct call {
    const char *name; /* for messages */
    value self;
    const value *given;   /* (n) positional, then (n_named) */
    const sib_str *names; /* (n_named) */
    size_t n, n_named;
    value args[MAX_PARAMETERS]; /* by parameter; undefined where not given */
    bool has[MAX_PARAMETERS];
} call;

/* Matches what is given to the routine's parameters and runs it. */
value tpl_routine(run *r, const routine *of, call *c);
/* A routine of a table that ends with a NULL name; NULL where there is none. */
const routine *routine_find(const routine *table, sib_str name);
value tpl_method(run *r, const routine *of, value self);

/* Evaluates an expression. */
value tpl_evaluate(run *r, const node *n);
/* Runs statements of a block. */
void tpl_block(run *r, const node *block);
value tpl_macro(run *r, const callable *of, call *c);

/* The tables: what is not in them is refused by name. */
extern const routine template_functions[], template_tests[], text_methods[], dict_methods[], list_methods[];
/* Looks in the tables of filters. */
const routine *filter_find(sib_str name);
value dict_items(run *r, call *c); /* of methods.c, a filter too */
extern const routine text_filters[], list_filters[], json_filters[], loop_methods[];

/* Arguments of a call with a default. */
sib_str call_text(run *r, call *c, size_t i, const char *otherwise);
int64_t call_int(run *r, call *c, size_t i, int64_t otherwise);
bool call_true(const call *c, size_t i, bool otherwise);

#endif
