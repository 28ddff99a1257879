/* The parts of sib_model_quantize: layers found, inputs measured, weights rounded, the graph rewritten. */
#ifndef RUN_QUANTIZE_QUANTIZE_H
#define RUN_QUANTIZE_QUANTIZE_H

#include "run/model.h"

#include <sibyl/quantize.h>

/* Rows of a layer's input that are kept for its output error. */
#define QUANT_ROWS 256

typedef enum quant_kind { QUANT_MATMUL, QUANT_GEMM, QUANT_CONV, QUANT_GATHER } quant_kind;

/* What calibration saw of a value that layers multiply. */
typedef struct quant_input {
    value_id value;
    int64_t k;
    double *square; /* (k) sums of squares */
    uint64_t seen;  /* rows */
    float *rows;    /* (kept, k) */
    size_t kept;
} quant_input;

typedef struct quant_layer {
    node_id node;
    quant_kind kind;
    uint32_t weight; /* of the plan's weights */
    uint32_t input;  /* of the plan's inputs; UINT32_MAX: none */
    double output_error;
} quant_layer;

/* Weights [n, k] as columns of a product stand beside each other; in the file so where turned, else [k, n]. */
typedef struct quant_weight {
    value_id value;
    const sib_tensor *was; /* the graph's */
    bool turned, usable;
    bool axis0;     /* weights of Conv or a table: whole rows */
    bool whole;     /* products alone read them, so that they may stand in blocks */
    uint32_t reads; /* by layers */
    node_id first;  /* the first layer that reads them */
    int64_t n, k;
    int64_t block;              /* weights that share a scale: k where a column does */
    sib_tensor *narrow, *scale; /* what is written; NULL: none, or the arena's by now */
    uint64_t bytes;             /* of these */
    double error;
} quant_weight;

typedef struct quant_plan {
    onnx_model *model;
    sib_quantize_options options; /* defaults filled in */
    int64_t opset;
    bool bits; /* products become MatMulNBits */
    size_t n_layers, n_weights, n_inputs;
    quant_layer *layers;
    quant_weight *weights;
    quant_input *inputs;
} quant_plan;

/* Fills layers, weights and inputs. Errors: SIB_ERR_MEMORY, SIB_ERR_UNSUPPORTED. quant_end in any case. */
sib_code quant_find(quant_plan *p, sib_error *err);
void quant_end(quant_plan *p);

/* Runs the sets through a session of m and fills the inputs. outputs: (n_sets, outputs of the graph) receives values. */
sib_code quant_measure(quant_plan *p, sib_model *m, sib_value **outputs, sib_error *err);
/* Runs the sets again; errors: (outputs of the graph). */
sib_code quant_compare(const quant_plan *p, sib_model *m, sib_value *const *outputs, double *errors,
                       sib_error *err);

/* Rounds every weight of the plan. */
sib_code quant_round(quant_plan *p, sib_error *err);

/* Writes the rounded weights into the model's graph. */
sib_code quant_rewrite(quant_plan *p, sib_error *err);

/* ---- Numbers ------------------------------------------------------------------------------------------ */

/* Scales and whole numbers of columns w (n, k), `block` weights of a column to a scale: q (n, k) within -least ..
   most, scales (n, ceil(k / block)), the ratio of clipping chosen by the sum of h (w - q * scale)^2. h: (k), NULL: 1. */
void quant_columns(const float *w, int64_t n, int64_t k, int64_t block, const float *h, float least,
                   float most, int8_t *q, float *scales);
/* sqrt(sum (b - a)^2 / sum a^2) over n numbers. */
double quant_error(const float *a, const float *b, uint64_t n);
/* The same of products: rows x (m, k) with columns a and b (n, k). */
double quant_output_error(const float *x, size_t m, const float *a, const float *b, int64_t n, int64_t k);
/* Of sums. */
double quant_ratio(double difference, double whole);

#endif
