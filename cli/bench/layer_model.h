/* The calls that write the model of one layer, drawn at random from what real networks have. */
#ifndef CLI_BENCH_LAYER_MODEL_H
#define CLI_BENCH_LAYER_MODEL_H

#include <sibyl/sibyl.h>

#define LAYER_ATTRIBUTES 8
#define LAYER_INTS       8

/* A layer under construction. A failure stays in code and err: later calls do nothing. */
typedef struct layer {
    char name[96];       /* "64>128 56x56 k3 s1 Relu" */
    double flops, bytes; /* multiplications and additions of a run; inputs, weights and outputs */
    uint64_t *random;    /* state */
    sib_build *b;
    unsigned n_nodes;
    char last[16]; /* first output of the last node */
    size_t n_attributes;
    sib_attribute attributes[LAYER_ATTRIBUTES]; /* of the next node */
    int64_t ints[LAYER_ATTRIBUTES][LAYER_INTS];
    float floats[LAYER_ATTRIBUTES];
    sib_str strings[LAYER_ATTRIBUTES];
    sib_code code;
    sib_error err;
} layer;

/* Begins a layer of this opset. random: state of the draws, changed by them; the same state gives the same
   layer on every machine. */
void layer_begin(layer *l, int64_t opset, uint64_t *random);
/* Writes the model, whose output is that of the last node, to path and frees what was built. Returns false on
   failure, with the reason in l->err. */
bool layer_end(layer *l, const char *path);

/* One of n values. */
int64_t layer_pick(layer *l, size_t n, const int64_t *values);
#define PICK(l, ...)                                                                                         \
    layer_pick(l, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})
bool layer_chance(layer *l, unsigned percent);

/* Dims of an input or of weights. */
#define DIMS(...)                                                                                            \
    sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[])                                    \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
void layer_input(layer *l, const char *name, size_t rank, const int64_t *dims);
/* Constants: float32 noise in [-scale, scale) around offset, and integers of one dim. */
void layer_noise(layer *l, const char *name, double scale, double offset, size_t rank, const int64_t *dims);
void layer_integers(layer *l, const char *name, size_t n, const int64_t *items);

/* Attributes of the next node. */
void layer_set(layer *l, const char *name, int64_t value);
void layer_set_ints(layer *l, const char *name, size_t n, const int64_t *items);
void layer_set_float(layer *l, const char *name, double value);
void layer_set_text(layer *l, const char *name, const char *text); /* borrowed */

/* Adds a node. inputs: names separated by blanks; "." an omitted one, "_" the last node's output. */
void layer_node(layer *l, const char *type, const char *inputs);

/* Adds to the cost of a run: n multiplications with an addition each; n floats of an output. */
void layer_products(layer *l, double n);
void layer_stores(layer *l, double n);
void layer_name(layer *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
