/* Tensors taken apart along an axis and put together again, for loops: into memory that is kept for the next time. */
#ifndef RUN_EXECUTE_STACK_H
#define RUN_EXECUTE_STACK_H

#include "run/execute/frame.h"
#include "run/execute/spares.h"

/* A part cut out of a tensor. */
typedef struct slice {
    const sib_value *from; /* the tensor, borrowed while that is done; for the caller */
    sib_value *value;      /* owned; NULL while there is none */
    spares kept;
} slice;

/* s->value is the part of the dense t at `index` along `axis`, without that axis; the one before goes. Errors:
   SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
sib_code slice_cut(slice *s, const sib_tensor *t, int64_t axis, int64_t index, sib_error *err);
void slice_free(slice *s);

/* Parts of one dtype and the same dims, side by side along a new axis. */
typedef struct stack {
    int64_t axis;     /* as asked for: from the end where it is negative */
    bool backward;    /* the first part goes to the last place */
    sib_value *value; /* owned; NULL before the first part. Its axis has room for `room` of them */
    int64_t n, room;  /* n: up to the last part */
    int64_t before;   /* parts of the stack before this one, of which there are likely as many again */
    unsigned most;    /* see spares_take */
    run_state *run;   /* whose memory the parts count to */
    uint64_t charged;
    spares kept;
} stack;

/* Begins a stack along `axis` with room for `room` parts. */
void stack_begin(stack *s, run_state *run, unsigned most, int64_t axis, bool backward, int64_t room);
/* Fills the room with zeros, so that not all parts need be put in. dims: (rank) of a part. Errors: SIB_ERR_ARGUMENT
   (axis), SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code stack_open(stack *s, sib_dtype dtype, size_t rank, const int64_t *dims, sib_error *err);
/* Puts in part `turn` >= 0. Beyond the room that there is more is made, which axis 0 forward alone allows. Errors:
   SIB_ERR_ARGUMENT naming what differs from the first part; SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code stack_put(stack *s, int64_t turn, const sib_value *part, sib_error *err);
/* Zeros in the room behind the last part; along axis 0, forward. There was a part. */
void stack_fill(stack *s);
/* The stack, up to the last part; there was one at least, or stack_open. *out: the caller's. Errors: SIB_ERR_MEMORY. */
sib_code stack_end(stack *s, sib_value **out, sib_error *err);
/* Lets go of a stack that was begun. */
void stack_drop(stack *s);
void stack_free(stack *s);

#endif
