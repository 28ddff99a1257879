/* One value judged: how far ours is from theirs, beside what rounding explains. */
#ifndef DIFF_JUDGE_H
#define DIFF_JUDGE_H

#include "tensor/float_formats.h"

#include <sibyl/diff.h>

/* Where elements are moved to the next representable number: at random and the other way, twice, all away
   from zero, and all towards it. What one way does not show, the opposite does: a rounding decided by the
   last bit. */
typedef enum movement {
    MOVE_RANDOM_1,
    MOVE_AGAINST_1,
    MOVE_RANDOM_2,
    MOVE_AGAINST_2,
    MOVE_AWAY,
    MOVE_TOWARDS,
    MOVEMENTS
} movement;

/* The format of the types whose elements are moved, which have whole bytes: float16, bfloat16, float32,
   float64; NULL of others. */
const float_format *moved_format(sib_dtype dtype);
/* The type of the real and imaginary parts of a complex one, *parts 2; else the type itself, *parts 1. */
static inline sib_dtype part_of(sib_dtype dtype, uint64_t *parts)
{
    *parts = dtype == SIB_C64 || dtype == SIB_C128 ? 2 : 1;
    return dtype == SIB_C64 ? SIB_F32 : dtype == SIB_C128 ? SIB_F64 : dtype;
}
static inline size_t format_bytes(const float_format *f)
{
    return (1 + f->exponent_bits + f->mantissa_bits) / 8;
}
/* Element i of dense data. */
uint64_t code_at(const void *data, const float_format *f, uint64_t i);

/* A copy of v, a tensor or a sequence of them, whose float16, bfloat16, float32 and float64 elements and parts of
   complex ones are moved, but for integers, zeros, NaN
   and infinities, which are mostly exact. key: differs between values, so that they are not moved alike. */
sib_code move_value(const sib_value *v, movement m, uint32_t key, sib_value **out, sib_error *err);

typedef struct judge {
    const sib_value *ours, *theirs; /* borrowed */
    /* numbers that are judged one by one: elements, of all tensors of a sequence, and both parts of complex
       ones; 0: exact equality alone counts */
    uint64_t n;
    uint64_t parts; /* numbers of an element: 2 of complex ones */
    bool integers;
    double step;        /* from 1 to the next number of the dtype; 0 of integers */
    double range;       /* of the operator's results, to which implementations are exact; 0: to each result */
    uint64_t positions; /* of an interpolated result: its longest axis; 0: it is not interpolated */
    bool half; /* of 16 bits, mostly computed in float32 and rounded once: one step of an input is far more */
    double *exact;  /* (n) in double precision; NULL: unknown */
    double *around; /* (n) largest difference of a sample from it */
} judge;

#define PROBLEM_SIZE SIB_MESSAGE_SIZE

/* op_type: of the node that makes the value. */
sib_code judge_begin(judge *j, const char *op_type, const sib_value *ours, const sib_value *theirs,
                     sib_error *err);
/* The result in double precision, then samples of it; those of other dims are left out. */
void judge_exact(judge *j, const sib_value *v);
void judge_sample(judge *j, const sib_value *v);
/* Fills what is judged of *out; problem: (PROBLEM_SIZE) why the two cannot be compared, or "". */
sib_code judge_end(const judge *j, double factor, sib_diff_row *out, char *problem, sib_error *err);
void judge_free(judge *j);

#endif
