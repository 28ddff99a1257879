/* The parts of sib_model_quantize: finding layers, measuring inputs, rounding weights, rewriting the
   graph. */
#ifndef RUN_QUANTIZE_QUANTIZE_H
#define RUN_QUANTIZE_QUANTIZE_H

#include "run/model.h"

#include <sibyl/quantize.h>

/* Rows of a layer's input that are kept to compute its output error. */
#define QUANT_ROWS 256

typedef enum quant_kind { QUANT_MATMUL, QUANT_GEMM, QUANT_CONV, QUANT_GATHER } quant_kind;

/* What calibration recorded of an input of layers. */
typedef struct quant_input {
    value_id value;
    int64_t k;
    double *square; /* (k) sums of squares */
    uint64_t seen;  /* number of rows */
    float *rows;    /* (kept, k) */
    size_t kept;
} quant_input;

typedef struct quant_layer {
    node_id node;
    quant_kind kind;
    uint32_t weight; /* index among the plan's weights */
    uint32_t input;  /* index among the plan's inputs; UINT32_MAX: none */
    double output_error;
} quant_layer;

/* Weights as the columns of a product, [n, k]: stored so in the file where `transposed`, else [k, n]. */
typedef struct quant_weight {
    value_id value;
    const sib_tensor *was; /* owned by the graph */
    bool transposed, usable;
    bool axis0;     /* weights of Conv or a table: scales along axis 0 */
    bool whole;     /* read only by products, so that they may be quantized in blocks */
    uint32_t reads; /* number of layers */
    node_id first;  /* the first layer that reads them */
    int64_t n, k;
    int64_t block;              /* weights that share a scale; k: one scale per column */
    sib_tensor *narrow, *scale; /* the result; NULL: none, or owned by the arena now */
    uint64_t bytes;             /* of the result */
    double error;
} quant_weight;

typedef struct quant_plan {
    onnx_model *model;
    sib_quantize_options options; /* with defaults filled in */
    int64_t opset;
    bool bits; /* products become MatMulNBits */
    size_t n_layers, n_weights, n_inputs;
    quant_layer *layers;
    quant_weight *weights;
    quant_input *inputs;
} quant_plan;

/* Fills layers, weights and inputs. quant_end must follow, even on failure. Errors: SIB_ERR_MEMORY,
   SIB_ERR_UNSUPPORTED. */
sib_code quant_find(quant_plan *p, sib_error *err);
void quant_end(quant_plan *p);

/* Runs the data sets through a session of m and fills the inputs. outputs: (n_sets, outputs of the graph)
   receives values. */
sib_code quant_measure(quant_plan *p, sib_model *m, sib_value **outputs, sib_error *err);
/* Runs the data sets again. errors: (outputs of the graph). */
sib_code quant_compare(const quant_plan *p, sib_model *m, sib_value *const *outputs, double *errors,
                       sib_error *err);

/* Rounds every weight of the plan. */
sib_code quant_round(quant_plan *p, sib_error *err);

/* Writes the rounded weights into the model's graph. */
sib_code quant_rewrite(quant_plan *p, sib_error *err);

/* ---- Numbers ------------------------------------------------------------------------------------------ */

/* Quantizes columns w (n, k), with one scale per `block` weights of a column: q (n, k) within -min .. max,
   scales (n, ceil(k / block)). The ratio of clipping minimises the sum of h (w - q * scale)^2. h: (k), NULL:
   1. */
void quant_columns(const float *w, int64_t n, int64_t k, int64_t block, const float *h, float min, float max,
                   int8_t *q, float *scales);
/* sqrt(sum (b - a)^2 / sum a^2) over n numbers. */
double quant_error(const float *a, const float *b, uint64_t n);
/* quant_error of products: rows x (m, k) with columns a and b (n, k). */
double quant_output_error(const float *x, size_t m, const float *a, const float *b, int64_t n, int64_t k);
/* The error from the two sums of quant_error. */
double quant_ratio(double difference, double whole);

#endif
