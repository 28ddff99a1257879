/* Where two runs of one model part: each node is fed with the values of the other run, so that a fault shows in the node
   that has it and in no node behind it, and is judged by what rounding explains for this graph and these values. */
#ifndef SIBYL_DIFF_H
#define SIBYL_DIFF_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_diff sib_diff;

typedef struct sib_diff_options {
    const char *backends; /* that run the nodes; NULL: as in sib_session_options */
    unsigned threads;     /* as there */
    /* A value differs where it is more than so many times what rounding explains away from the other run's; a sixteenth
       of that for types of 16 bits, which are mostly computed in float32 and rounded once. 0: 64 */
    double factor;
    const sib_cancel *cancel; /* may be NULL */
} sib_diff_options;

/* Runs every node of the main graph that makes one of `values` on what these say (n values of the other run by name: of
   the model's inputs, without defaults all of them, and of any values that it made; nodes whose inputs are not among them
   get what ours make), and compares the results with the values of that run.
   What rounding explains is measured for each element: the node in double precision, on the same inputs and on inputs that
   are moved by one representable number of their type (all up, all down, and at random), and on the backend ref; the
   largest of these differences, and half a step of the result's type. A value differs where one element's difference is
   more than `factor` times that, or the norm of all differences is.
   Of a sequence the numbers of all its tensors are judged, one tensor after the other; of complex ones both parts.
   Random operators explain any result; the mask of a Dropout below opset 12, which nothing defines, never differs. The
   values must outlive *out, which is owned by the caller: sib_diff_free(&d).
   Errors: SIB_ERR_ARGUMENT (no value of that name, a name twice, an input that is missing), SIB_ERR_CANCELLED,
   SIB_ERR_MEMORY. A node that cannot be run on the other's values is a row that says so. */
SIB_API sib_code sib_diff_create(sib_model *m, size_t n, const sib_named_value *values,
                                 const sib_diff_options *options, sib_diff **out, sib_error *err);
SIB_API void sib_diff_free(sib_diff **d);

/* Elements by how many representable numbers lie between ours and theirs: 0, 1, to 4, to 16, to 64, to 256, to 4,096, more. */
#define SIB_DIFF_DISTANCES 8

/* One value, as a node of ours makes it of the other run's values. */
typedef struct sib_diff_row {
    const char *name, *node, *op_type; /* live as long as the model */
    bool differs;
    const char
        *problem; /* why it could not be compared, a sentence; NULL: it was. Lives as long as the sib_diff */
    double error; /* the norm of the differences over the norm of the other's value */
    double noise; /* the norm of what rounding explains over the same */
    double
        excess; /* how many times what rounding explains the farthest element is away, or all of them together, whichever
                      is more */
    double cosine; /* of ours and theirs as vectors; NaN where one is 0 */
    uint64_t n_nan_ours, n_nan_theirs;
    uint64_t distances[SIB_DIFF_DISTANCES]; /* of floats; 0 of others */
    const sib_value *theirs;                /* as given */
    sib_comparison
        figures; /* of ours with the other's; those elements are counted as different that rounding does not
                               explain */
} sib_diff_row;
/* Row i, in the order of the graph. Returns false where i is out of range. */
SIB_API bool sib_diff_get(const sib_diff *d, size_t i, sib_diff_row *out);

#ifdef __cplusplus
}
#endif
#endif
