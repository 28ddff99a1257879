/* Quantization: the weights of a model in fewer bits, as ordinary ONNX that other runtimes read too. */
#ifndef SIBYL_QUANTIZE_H
#define SIBYL_QUANTIZE_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sib_weights {
    SIB_WEIGHTS_INT8 = 0, /* whole numbers -127 to 127 times a scale */
    SIB_WEIGHTS_INT4,     /* whole numbers -8 to 7 times the scale of their block */
    SIB_WEIGHTS_F16       /* halves */
} sib_weights;

/* One run's inputs. */
typedef struct sib_quantize_inputs {
    size_t n;
    const sib_named_value *items; /* (n) as sib_session_run takes them */
} sib_quantize_inputs;

/* 0 and NULL take the default in brackets. */
typedef struct sib_quantize_options {
    sib_weights weights;
    int64_t
        block; /* weights of a column that share a scale: a power of two from 16 to 65,536; int8: 0 for one scale a
                       column; int4 [32] */
    bool
        dynamic; /* int8 only: inputs of products are quantized too, anew in every run, and products are of bytes */
    uint64_t least; /* layers of fewer weights stay as they are [4096] */
    size_t n_sets;
    const sib_quantize_inputs *sets; /* (n_sets) inputs for calibration; NULL: none */
    const char *backends;            /* for the runs of calibration, as in sib_session_options */
} sib_quantize_options;

typedef struct sib_quantize_report sib_quantize_report;

/* Makes the weights of m narrow, in place; sib_model_save writes what comes of it. Changed are layers of the main graph
   with constant float32 weights: MatMul (right operand of rank 2) and Gemm (A not turned), with int8 Conv too, with f16
   Conv and Gather. Weights that something else reads as well, that are an input with a default where not every initializer is one, or are
   fewer than `least` stay. A model without such layers stays as it is, which is no error: the report has no rows.
     int8      DequantizeLinear before the layer, one scale for each column (output channel)
     int8 in blocks, int4   MatMul and Gemm: DequantizeLinear in blocks (int8 from opset 21 on), else com.microsoft MatMulNBits
     f16       Cast
     dynamic   MatMul and Gemm: DynamicQuantizeLinear, MatMulInteger, Cast, Mul
   Scales are chosen by the error of the weights, each weighted by the mean square of the input it meets where there are
   calibration sets.
   m: held by no session. options: NULL for int8. report: may be NULL; owned by the caller, sib_quantize_report_free(&r).
   Not thread-safe on one model. After a failure the model is as it was, unless
   memory or a run failed after the change.
   Errors: SIB_ERR_ARGUMENT (a session holds m, options), SIB_ERR_VALUE (weights that are NaN, infinite or beyond
   float16, by the layer's name), SIB_ERR_UNSUPPORTED (dynamic before opset 11), those of sib_session_run for a set, by
   number, SIB_ERR_MEMORY. */
SIB_API sib_code sib_model_quantize(sib_model *m, const sib_quantize_options *options,
                                    sib_quantize_report **report, sib_error *err);

/* ---- Reports ---------------------------------------------------------------------------------------- */

/* A relative RMS error is sqrt(sum (b - a)^2 / sum a^2), a being the original; 0 where both are 0, NaN where it was not
   measured. */
typedef struct sib_quantize_row {
    const char *node, *op_type,
        *weights;  /* names of the layer and its weights; "node12" where it has no name */
    uint64_t k, n; /* numbers that meet in one sum, and columns (rows of a table) */
    uint64_t bytes_before,
        bytes_after;     /* of weights, scales included; 0 for weights that an earlier row counts */
    double weight_error; /* relative RMS error of the weights */
    double
        output_error; /* of the layer's products with up to 256 rows of calibration inputs, for the weights' part */
} sib_quantize_row;

typedef struct sib_quantize_output {
    const char *name;
    double
        error; /* relative RMS error over all calibration sets, both models run; NaN without sets or for other types
                     than floats */
} sib_quantize_output;

typedef struct sib_quantize_totals {
    size_t n_rows, n_outputs;
    uint64_t bytes_before, bytes_after; /* of the weights that changed */
} sib_quantize_totals;

/* Strings live as long as the report. The two with an index return false outside. */
SIB_API void sib_quantize_report_totals(const sib_quantize_report *r, sib_quantize_totals *out);
SIB_API bool sib_quantize_report_row(const sib_quantize_report *r, size_t i, sib_quantize_row *out);
SIB_API bool sib_quantize_report_output(const sib_quantize_report *r, size_t i, sib_quantize_output *out);
/* Clears the pointer; NULL and a pointer to NULL are allowed. */
SIB_API void sib_quantize_report_free(sib_quantize_report **r);

#ifdef __cplusplus
}
#endif
#endif
