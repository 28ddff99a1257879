/* Pickles as PyTorch writes them, protocols 2 to 5, read and never executed.

   Opcodes and globals have tables; what stands in neither is refused by name. A value is a row of data: a call of a global
   that is known makes another row (a dict, a tensor), and no other call is taken. Stack, marks and memo grow with the bytes
   that are read and no further, and so do time and memory of all calls together. */
#ifndef IMPORT_PICKLE_H
#define IMPORT_PICKLE_H

#include "graph/arena.h"
#include "import/reader.h"

/* Larger ones are refused: what 100,000 tensors need is less, and values take more memory than the bytes that ask for them. */
#define PICKLE_MOST_BYTES (32u << 20)

typedef enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,   /* number */
    PICKLE_INT,    /* number */
    PICKLE_LONG,   /* text: whole number of more than 8 bytes, little-endian */
    PICKLE_FLOAT,  /* real */
    PICKLE_STRING, /* text; of bytes, too */
    PICKLE_TUPLE,  /* items */
    PICKLE_LIST,   /* items */
    PICKLE_DICT,   /* items: key, value, key, value, ... */
    PICKLE_GLOBAL,
    PICKLE_STORAGE,
    PICKLE_TENSOR
} pickle_kind;

typedef struct pickle_global pickle_global;

typedef struct pickle_value {
    pickle_kind kind;
    sib_dtype dtype; /* of a storage's or a tensor's elements */
    uint64_t at;     /* where in the file it was made */
    union {
        int64_t number;
        double real;
        sib_str text;
        const pickle_global *global;
        struct {
            uint32_t *items; /* (n) values, in the pickle's arena */
            uint32_t n;
            size_t capacity;
        };
        struct {
            sib_str key;   /* which storage */
            int64_t numel; /* elements */
        };
        struct {
            uint32_t storage, size, stride; /* values: a storage, two tuples */
            int64_t offset;                 /* elements from the storage's beginning */
        };
    };
} pickle_value;

typedef struct pickle {
    ckpt_file *s;
    uint64_t at, end;     /* the next opcode, and where bytes end */
    uint64_t copies_left; /* items that calls may still copy: one list may be the argument of many */
    graph_arena *arena;   /* of the items of containers */
    pickle_value *values;
    size_t n_values, values_capacity;
    uint32_t *stack; /* (n_stack) values */
    size_t n_stack, stack_capacity;
    uint32_t *marks; /* (n_marks) heights of the stack */
    size_t n_marks, marks_capacity;
    uint32_t *memo; /* (n_memo) values + 1, or 0 */
    size_t n_memo, memo_capacity;
    bool stopped, capped; /* at the end; `end` is that of PICKLE_MOST_BYTES */
} pickle;

/* Reads the pickle that begins at byte *at and ends before `end`; *at receives where it ends. p: all zero before;
   pickle_clear(p), also where it fails. *root: what it holds. */
sib_code pickle_read(ckpt_file *s, uint64_t *at, uint64_t end, pickle *p, uint32_t *root);
void pickle_clear(pickle *p);

/* A value, of the pickle or of what it refers to. */
static inline const pickle_value *pickle_at(const pickle *p, uint32_t i)
{
    return &p->values[i];
}

/* The value under a key of text; false where there is none. */
bool pickle_find(const pickle *p, uint32_t dict, const char *key, uint32_t *out);
/* "a dict", for messages. */
const char *pickle_kind_name(pickle_kind kind);

/* ---- For pickle.c and pickle_globals.c -------------------------------------------------------------- */

/* A failure at the opcode that begins at `at`. */
#define pickle_fail(p, code, at, ...) ckpt_fail((p)->s, code, at, __VA_ARGS__)

/* Pushes a new value. */
sib_code pickle_push(pickle *p, pickle_value v);
/* Appends to a list, tuple or dict. */
sib_code pickle_append(pickle *p, uint32_t container, uint32_t item);
/* Pushes the global of this name, or refuses it. */
sib_code pickle_push_global(pickle *p, uint64_t at, sib_str module, sib_str name);
/* Pushes what calling `function` with the tuple `arguments` gives. */
sib_code pickle_call(pickle *p, uint64_t at, uint32_t function, uint32_t arguments);
/* Pushes the storage that a persistent id names. */
sib_code pickle_push_persistent(pickle *p, uint64_t at, uint32_t id);

#endif
