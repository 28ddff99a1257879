/* Layered drawings of acyclic graphs: boxes in rows, edges as curves from row to row (Sugiyama's method). */
#ifndef CLI_MODEL_LAYERS_H
#define CLI_MODEL_LAYERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct layers_box {
    double width, height; /* given, in pixels */
    double x, y;          /* of the centre */
} layers_box;

typedef struct layers_point {
    double x, y;
} layers_point;

typedef struct layers_edge {
    uint32_t from, to; /* given; from < to */
    size_t n;
    layers_point
        *points; /* (n) from the bottom of a box to the top of another, one in each row between. Release
                             with free */
} layers_edge;

/* Places boxes and routes edges; boxes are in topological order. *width, *height: of the drawing. */
void layers_place(size_t n, layers_box *boxes, size_t n_edges, layers_edge *edges, double *width,
                  double *height);

#endif
