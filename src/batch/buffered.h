/* The form of a decoder whose caches are buffers: rows are written where they are (TensorScatter), and attention reads up
   to a length that is an input, so that a plan holds until a buffer is full. */
#ifndef BATCH_BUFFERED_H
#define BATCH_BUFFERED_H

#include <sibyl/model.h>

/* Its further inputs, int64, of which it may lack the first: the positions of the new tokens [N]; how many rows of the
   caches of each sequence count before the step, and behind it [B]. */
#define BUFFERED_POSITIONS "sibyl.positions"
#define BUFFERED_BEGINS    "sibyl.begins"
#define BUFFERED_ENDS      "sibyl.ends"

/* A decoder as the file has it. */
typedef struct buffered_source {
    const sib_model *model;
    size_t n; /* values of the cache: inputs [B, heads, P, size], each with the output that continues it */
    const char *const *past, *const *present;
    size_t n_outputs; /* of the form, those that continue the cache among them */
    const char *const *outputs;
} buffered_source;

typedef struct buffered_model {
    sib_model *model; /* past and present [B, heads, room, size] under their names */
    char steps[256];  /* the input along whose axis `steps_axis` the new tokens are */
    size_t steps_axis;
    bool has_positions;
} buffered_model;

/* Makes that form. out->model: sib_model_free; it shares the weights of source->model. Errors: SIB_ERR_UNSUPPORTED (what
   the graph does that this form cannot, with the node), SIB_ERR_MEMORY. */
sib_code buffered_make(const buffered_source *source, buffered_model *out, sib_error *err);

#endif
