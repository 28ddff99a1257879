/* A model's graphs after passes, made once and kept with the model. */
#ifndef RUN_OPTIMISE_H
#define RUN_OPTIMISE_H

#include "graph/pass.h"
#include "run/model.h"

/* A copy of the model's graph after passes. Constants that they made live in its arena, so as long as the
   model: backends may keep packs of them with the model too. */
typedef struct optimised {
    graph *graph;
    graph_shelf graphs;  /* of graph, to be read */
    uint64_t edits;      /* that the passes made */
    edit_log log;        /* those that were applied */
    uint64_t fuse_limit; /* max groups of nodes that each plan of it fuses */
    /* private to optimise.c */
    struct optimised *next;
    char *key; /* the options as text */
    graph_arena *arena;
    dim_table *dims;
} optimised;

/* Returns the model's graph after the passes of o, made on the first request. *out lives as long as the
   model. Thread-safe. Errors: SIB_ERR_ARGUMENT (an unknown pass), SIB_ERR_MEMORY, those of passes. */
sib_code model_optimise(sib_model *m, const pass_options *o, const optimised **out, sib_error *err);

/* Frees a model's list. */
void optimised_free(optimised **list);

#endif
