/* Graphs of a model as passes leave them, made once and kept with the model. */
#ifndef RUN_OPTIMISE_H
#define RUN_OPTIMISE_H

#include "graph/pass.h"
#include "run/model.h"

/* A copy of the model's graph that passes have run over. Constants that they made live in its arena, so as long as the
   model: what backends make of them may be kept with the model too. */
typedef struct optimised {
    graph *graph;
    uint64_t edits;      /* that the passes made */
    uint64_t fuse_limit; /* groups of nodes that each plan of it may make one step */
    /* for optimise.c */
    struct optimised *next;
    char *key; /* the options */
    graph_arena *arena;
    dim_table *dims;
} optimised;

/* The model's graph after the passes of o, made where nobody asked before. *out lives as long as the model.
   Thread-safe. Errors: SIB_ERR_ARGUMENT (a name that is no pass), SIB_ERR_MEMORY, those of passes. */
sib_code model_optimise(sib_model *m, const pass_options *o, const optimised **out, sib_error *err);

/* Frees a model's list. */
void optimised_free(optimised **list);

#endif
