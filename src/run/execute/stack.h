/* Splitting tensors along an axis and stacking them, for loops, in memory that is reused. */
#ifndef RUN_EXECUTE_STACK_H
#define RUN_EXECUTE_STACK_H

#include "run/execute/frame.h"
#include "run/execute/spares.h"

/* A part cut out of a tensor. */
typedef struct slice {
    const sib_value *from; /* borrowed, for the caller to use */
    sib_value *value;      /* owned; NULL while there is none */
    spares kept;
} slice;

/* Sets s->value to the part of the dense t at `index` along `axis`, without that axis; frees the previous
   part. Errors: SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
sib_code slice_cut(slice *s, const sib_tensor *t, int64_t axis, int64_t index, sib_error *err);
void slice_free(slice *s);

/* Parts of one dtype and the same dims, stacked along a new axis. */
typedef struct stack {
    int64_t axis;     /* as given: from the end where it is negative */
    bool backward;    /* the first part goes to the last place */
    sib_value *value; /* owned; NULL before the first part. Its axis has room for `room` parts */
    int64_t n, room;  /* n: one past the last part */
    int64_t before;   /* parts of the previous stack, which predict those of this one */
    unsigned max;     /* see spares_take */
    run_state *run;   /* that is charged for the memory */
    uint64_t charged;
    spares kept;
} stack;

/* Begins a stack along `axis` with room for `room` parts. */
void stack_begin(stack *s, run_state *run, unsigned max, int64_t axis, bool backward, int64_t room);
/* Allocates the room and fills it with zeros, so that not every part need be put. dims: (rank) of a part.
   Errors: SIB_ERR_ARGUMENT (axis), SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code stack_open(stack *s, sib_dtype dtype, size_t rank, const int64_t *dims, sib_error *err);
/* Puts part `index` >= 0. Grows the room where needed, which only forward stacks along axis 0 allow.
   Errors: SIB_ERR_ARGUMENT naming what differs from the first part; SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code stack_put(stack *s, int64_t index, const sib_value *part, sib_error *err);
/* Fills the room after the last part with zeros. Forward stacks along axis 0 that have a part. */
void stack_fill(stack *s);
/* Returns the stack, up to the last part, owned by the caller. Requires a part, or stack_open. Errors:
   SIB_ERR_MEMORY. */
sib_code stack_end(stack *s, sib_value **out, sib_error *err);
/* Discards a stack that was begun. */
void stack_drop(stack *s);
void stack_free(stack *s);

#endif
