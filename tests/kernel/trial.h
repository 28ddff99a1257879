/* One harness for every entry of the tables of kernels (tables.h, test_table.c). Each entry is a row with a
   function that makes one problem, calls the entry once and checks the result. The harness calls that
   function for many rounds with the tables of every CPU level that runs here, with the same numbers for
   each, and

   - places arrays at the end of their pages, at every alignment of their elements, so that a read past the
     end faults;
   - checks that inputs, the bytes around outputs and the gaps between their rows are unchanged;
   - compares the results of each level with those of the portable one;
   - measures times instead (--bench).

   The test fails if an entry of a table or a family in families.def has no row. A fault names the entry, the
   level, the round and the block. */
#ifndef TESTS_KERNEL_TRIAL_H
#define TESTS_KERNEL_TRIAL_H

#include "check.h"
#include "tables.h"

#define TRIAL_ROUNDS 120
#define TRIAL_SHORT  70 /* the first rounds, whose lengths are 0, 1, 2, ... */
#define TRIAL_BENCH  1536
#define TRIAL_BLOCKS 16

typedef struct trial_block {
    char *region, *saved;               /* memory, and its content before the call */
    char *data;                         /* within region */
    size_t item, rows, columns, stride; /* the writable part: rows * columns items; none of an input */
    size_t bytes;                       /* from the start of the first row to the end of the last one */
    double near;                        /* of an output */
    char *portable;                     /* result of the portable level, or NULL */
} trial_block;

typedef struct trial {
    const named_table *tables; /* of the current level */
    const kernel_table *k;     /* one of them */
    const struct trial_row *row;
    size_t slot, round; /* slot: index in an entry that is an array of functions */
    bool bench;
    check_random r; /* gives the same numbers at every level */
    size_t n_blocks;
    trial_block blocks[TRIAL_BLOCKS];
    size_t calls, left, batch, batches, elements; /* of a bench */
    uint64_t start;
    double best; /* nanoseconds per call */
} trial;

/* An entry, an array of entries of one kind, or (run NULL) sizes that belong to other entries. */
typedef struct trial_row {
    const char *name;
    size_t offset, bytes; /* in named_table */
    void (*run)(trial *t);
    void (*name_slot)(size_t slot, char *text, size_t size); /* may be NULL */
    size_t rounds;                                           /* 0: TRIAL_ROUNDS */
} trial_row;

#define TRIAL_ROW(rounds, name, field, run, by)                                                              \
    {                                                                                                        \
        name, offsetof(named_table, field), sizeof(((named_table *)0)->field), run, by, rounds               \
    }
/* Entries of the kernel table, and of the other tables. */
#define OFTEN(rounds, field, run, by)   TRIAL_ROW(rounds, #field, table.field, run, by)
#define ENTRIES(field, run, by)         OFTEN(0, field, run, by)
#define ENTRY(field, run)               OFTEN(0, field, run, NULL)
#define DATA(field)                     OFTEN(0, field, NULL, NULL)
#define OTHER_ENTRY(rounds, field, run) TRIAL_ROW(rounds, #field, field, run, NULL)
#define OTHER_DATA(field)               TRIAL_ROW(0, #field, field, NULL, NULL)

typedef struct trial_family {
    const char *name;
    const trial_row *rows; /* (n) */
    size_t n;
} trial_family;

#define SIB_KERNELS(name) extern const trial_family family_##name;
#include "kernel/families.def"
#undef SIB_KERNELS
extern const trial_family family_table; /* the entries of kernel.h itself */
extern const trial_family family_mel, family_tile;

/* ---- Inputs ------------------------------------------------------------------------------------------ */

typedef enum trial_fill {
    FILL_UNIFORM, /* -1 .. 1 */
    FILL_SHIFTED, /* far from 0 */
    FILL_LARGE,   /* squares overflow */
    FILL_TINY,    /* squares underflow */
    FILL_DENORMAL,
    FILL_ZERO,
    FILL_NAN, /* one NaN among uniform numbers; likewise below */
    FILL_INF,
    FILL_MINUS_INF,
    FILL_HOSTILE, /* several of all of the above among uniform numbers */
    FILLS
} trial_fill;

size_t trial_pick(trial *t, size_t min, size_t max);
/* A length: each of 0 .. TRIAL_SHORT - 1 once, then up to 3000, and 20,011 in some rounds; constant in
   benches. */
size_t trial_length(trial *t);
/* FILL_UNIFORM in most rounds and in benches. */
trial_fill trial_fill_of(trial *t);
void trial_fill_floats(trial *t, float *x, size_t n, trial_fill how);

/* n items that the call only reads: not yet filled; random bytes; floats. */
void *trial_in(trial *t, size_t n, size_t item);
void *trial_bytes(trial *t, size_t n, size_t item);
float *trial_floats(trial *t, size_t n, trial_fill how);

/* ---- Outputs ----------------------------------------------------------------------------------------- */

#define TRIAL_ALONE                                                                                          \
    (-1.0) /* not compared: other levels use another layout, or differ within the definition */
#define TRIAL_VALUES (-2.0) /* floats: the same bits, or NaN for NaN */

/* rows * columns items, `stride` apart from row to row, filled with 0x5A or by the caller before the call.
   near: 0: the same bits as the portable level; > 0: floats within near * |y|; or one of the above. */
void *trial_out(trial *t, size_t item, size_t rows, size_t columns, size_t stride, double near);
/* The content of an element of any block before the call. */
const void *trial_before(const trial *t, const void *at);

/* ---- Calls ------------------------------------------------------------------------------------------- */

/* CALL(t, elements, rows.softmax(x, 1, n, y)) calls the entry of the current level. In a bench, returns from
   the caller after it. elements: the number of elements that one call counts for in a bench. */
#define CALL(t, elements, ...) TIMED(t, elements, (t)->k->__VA_ARGS__)
/* The same; assigns what the entry returns to `to`. */
#define CALL_TO(t, elements, to, ...) TIMED(t, elements, to = (t)->k->__VA_ARGS__)
#define TIMED(t, elements, ...)                                                                              \
    do {                                                                                                     \
        trial_begin(t, elements);                                                                            \
        do                                                                                                   \
            __VA_ARGS__;                                                                                     \
        while (trial_again(t));                                                                              \
        if ((t)->bench)                                                                                      \
            return;                                                                                          \
        trial_end(t);                                                                                        \
    } while (0)

/* Fails the test: names the entry, the level and the round. */
void trial_fail(const trial *t, const char *what);
/* The same for a fault at an address: names the block that it lies in or behind. */
void trial_fail_at(const trial *t, const void *address);
void trial_begin(trial *t, size_t elements);
bool trial_again(trial *t);
void trial_end(trial *t);

/* Checks |got - want| <= tolerance; NaN and infinities only where wanted. */
void trial_expect(const trial *t, size_t at, double got, double want, double tolerance);
/* Checks that n items have the same bits. */
void trial_expect_bits(const trial *t, const char *what, const void *got, const void *want, size_t n,
                       size_t item);

#endif
