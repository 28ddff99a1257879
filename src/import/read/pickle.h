/* Pickles as PyTorch writes them, protocols 2 to 5: parsed, never executed.
   Opcodes and globals have tables; anything else is refused by name. A value is a row of data: calling a
   known global makes another row (a dict, a tensor), and no other call is accepted. Stack, marks and memo are
   bounded by the bytes read, and so are time and memory of all calls together. */
#ifndef IMPORT_PICKLE_H
#define IMPORT_PICKLE_H

#include "graph/arena.h"
#include "import/read/reader.h"

/* Max size of a pickle: 100,000 tensors need less, and values take more memory than the bytes that create
   them. */
#define PICKLE_MAX_BYTES (32u << 20)

typedef enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,   /* number */
    PICKLE_INT,    /* number */
    PICKLE_LONG,   /* text: integer of more than 8 bytes, little-endian */
    PICKLE_FLOAT,  /* real */
    PICKLE_STRING, /* text; also bytes */
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
    sib_dtype dtype; /* of the elements of a storage or tensor */
    uint64_t at;     /* byte offset in the file where it was made */
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
            sib_str key;   /* key of the storage */
            int64_t numel; /* elements */
        };
        struct {
            uint32_t storage, size, stride; /* values: a storage, two tuples */
            int64_t offset;                 /* in elements, from the start of the storage */
        };
    };
} pickle_value;

typedef struct pickle {
    ckpt_file *s;
    uint64_t at, end;     /* offsets of the next opcode and of the end */
    uint64_t copies_left; /* items that calls may still copy, limited since one list may be the argument of
                             many calls */
    graph_arena *arena;   /* holds the items of containers */
    pickle_value *values;
    size_t n_values, values_capacity;
    uint32_t *stack; /* (n_stack) indices of values */
    size_t n_stack, stack_capacity;
    uint32_t *marks; /* (n_marks) sizes of the stack */
    size_t n_marks, marks_capacity;
    uint32_t *memo; /* (n_memo) indices of values + 1, or 0 */
    size_t n_memo, memo_capacity;
    bool stopped, capped; /* stopped: at the end; capped: `end` is set by PICKLE_MAX_BYTES */
} pickle;

/* Reads the pickle that begins at byte *at and ends before `end`; *at receives the offset after it. p: all
   zero before; pickle_clear(p), also where it fails. *root: index of the top value. */
sib_code pickle_read(ckpt_file *s, uint64_t *at, uint64_t end, pickle *p, uint32_t *root);
void pickle_clear(pickle *p);

static inline const pickle_value *pickle_at(const pickle *p, uint32_t i)
{
    return &p->values[i];
}

/* Finds the value under a text key; returns false where there is none. */
bool pickle_find(const pickle *p, uint32_t dict, const char *key, uint32_t *out);
/* "a dict", for messages. */
const char *pickle_kind_name(pickle_kind kind);

/* ---- For pickle.c, pickle_values.c and pickle_globals.c --------------------------------------------- */

/* A failure at the opcode that begins at `at`. */
#define pickle_fail(p, code, at, ...) ckpt_fail((p)->s, code, at, __VA_ARGS__)

/* Pushes a new value. */
sib_code pickle_push(pickle *p, pickle_value v);
/* Pushes a value once more. value: its index. */
sib_code pickle_push_index(pickle *p, uint32_t value);
/* Reports that there is no memory for values. */
sib_code pickle_no_memory(pickle *p);
/* Appends to a list, tuple or dict. */
sib_code pickle_append(pickle *p, uint32_t container, uint32_t item);
/* Pushes the global of this name, or refuses it. */
sib_code pickle_push_global(pickle *p, uint64_t at, sib_str module, sib_str name);
/* Pushes the result of calling `function` with the tuple `arguments`. */
sib_code pickle_call(pickle *p, uint64_t at, uint32_t function, uint32_t arguments);
/* Pushes the storage that a persistent id names. */
sib_code pickle_push_persistent(pickle *p, uint64_t at, uint32_t id);

#endif
