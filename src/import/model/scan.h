/* Recurrences over tokens: a Scan, whose body is written between build_scan_begin and build_scan_end. */
#ifndef IMPORT_SCAN_H
#define IMPORT_SCAN_H

#include "import/model/build.h"

/* A Scan over the tokens: carries `states`, reads `rows` [N, ...], and outputs `gives` [N, ...]. Dims as in build_input. */
typedef struct build_scan {
    graph *body;
    size_t n_states, n_rows;
    const char *state_dims, *row_dims[6],
        *gives_dims;               /* of all states, of a token's rows, of what it gives */
    value_id states[3], rows[6];   /* in the outer graph */
    value_id state[3], row[6];     /* in the body */
    value_id next_state[3], gives; /* in the body, to be set */
    value_id out_states[3], out;   /* in the outer graph */
} build_scan;

void build_scan_begin(build *b, build_scan *s);
/* Ends the body and writes the node. */
void build_scan_end(build *b, build_scan *s);

/* Each channel of x [B, N, n] convolved over its tokens and those before: [B, N, n]. The last tokens are the state
   "state.LAYER.conv" [B, kernel - 1, n], zero at first, and "next.LAYER.conv". Weights "<name>.weight" [n, 1, kernel], and
   "<name>.bias" where there is one. batch: the text of the dim B, "1" or "B". */
value_id build_causal_conv(build *b, value_id x, const char *name, int64_t n, int64_t layer,
                           const char *batch);

/* A selective state space of `heads` heads: h = exp(step rate) h + step x in^T, y = h out, with a number `step` and `rate` a head,
   and rows `in` and `out` (B and C) that the heads of a group share. */
typedef struct build_state_space {
    int64_t heads, size, groups, width; /* size: of a head; width: of its state, which is [size, width] */
    int64_t layer;
    value_id x, step;         /* [B, N, heads * size], [B, N, heads] */
    value_id rate;            /* [heads], below 0 */
    value_id in_row, out_row; /* [B, N, groups * width] */
} build_state_space;
/* [B, N, heads * size]. The state is "state.LAYER.ssm" [B, heads, size, width], zero at first, and "next.LAYER.ssm". */
value_id build_state_space_scan(build *b, const build_state_space *m);

#endif
