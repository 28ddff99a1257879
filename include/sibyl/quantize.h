/* Quantization: the weights of a model in fewer bits, as ordinary ONNX that other runtimes read too. */
#ifndef SIBYL_QUANTIZE_H
#define SIBYL_QUANTIZE_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sib_weights {
    SIB_WEIGHTS_INT8 = 0, /* integers -127 to 127 times a scale */
    SIB_WEIGHTS_INT4,     /* integers -8 to 7 times the scale of their block */
    SIB_WEIGHTS_F16       /* float16 */
} sib_weights;

/* One run's inputs. */
typedef struct sib_quantize_inputs {
    size_t n;
    const sib_named_value *items; /* (n) as in sib_session_run */
} sib_quantize_inputs;

/* 0 and NULL take the default in brackets. */
typedef struct sib_quantize_options {
    sib_weights weights;
    /* weights of a column that share a scale: a power of two from 16 to 65,536; int8: 0 for one scale per
       column; int4 [32] */
    int64_t block;
    /* int8 only: inputs of products are also quantized, anew in every run, and products multiply bytes */
    bool dynamic;
    uint64_t min_weights; /* layers of fewer weights are not changed [4096] */
    size_t n_sets;
    const sib_quantize_inputs *sets; /* (n_sets) inputs for calibration; NULL: none */
    const char *backends;            /* for the runs of calibration, as in sib_session_options */
} sib_quantize_options;

typedef struct sib_quantize_report sib_quantize_report;

/* Narrows the weights of m in place; sib_model_save then writes the result. Changes layers of the main graph
   that have constant float32 weights: MatMul (right operand of rank 2) and Gemm (A not transposed), with int8
   also Conv, with f16 also Conv and Gather. Not changed: weights that another node reads too, that are an
   input with a default where some initializers are not inputs, or that are fewer than `min_weights`. A model
   without such layers is not changed, which is no error: the report has no rows.
     int8                   DequantizeLinear before the layer, one scale per column (output channel)
     int8 in blocks, int4   MatMul and Gemm: DequantizeLinear in blocks (int8 from opset 21 on), otherwise
                            com.microsoft MatMulNBits
     f16                    Cast
     dynamic                MatMul and Gemm: DynamicQuantizeLinear, MatMulInteger, Cast, Mul
   Scales minimise the error of the weights, with calibration sets each weighted by the mean square of the
   input that it multiplies.
   m: held by no session. options: NULL for int8. report: may be NULL; owned by the caller,
   sib_quantize_report_free(&r). Not thread-safe on one model. A failure leaves the model unchanged, unless
   memory or a run failed after the change.
   Errors: SIB_ERR_ARGUMENT (a session holds m, options), SIB_ERR_VALUE (weights that are NaN, infinite or out
   of float16's range, by the layer's name), SIB_ERR_UNSUPPORTED (dynamic before opset 11), those of
   sib_session_run for a set, by number, SIB_ERR_MEMORY. */
SIB_API sib_code sib_model_quantize(sib_model *m, const sib_quantize_options *options,
                                    sib_quantize_report **report, sib_error *err);

/* ---- Reports ---------------------------------------------------------------------------------------- */

/* A relative RMS error is sqrt(sum (b - a)^2 / sum a^2), where a is the original; 0 where both are 0, NaN
   where not measured. */
typedef struct sib_quantize_row {
    const char *node, *op_type,
        *weights;  /* names of the layer and its weights; "node12" for a layer without a name */
    uint64_t k, n; /* numbers that are summed, and columns (rows of a table) */
    uint64_t bytes_before,
        bytes_after;     /* of weights, scales included; 0 for weights that an earlier row counts */
    double weight_error; /* relative RMS error of the weights */
    /* of the layer's products with up to 256 rows of calibration inputs, caused by the weights */
    double output_error;
} sib_quantize_row;

typedef struct sib_quantize_output {
    const char *name;
    /* relative RMS error over all calibration sets, with both models run; NaN without sets or for types other
       than floats */
    double error;
} sib_quantize_output;

typedef struct sib_quantize_totals {
    size_t n_rows, n_outputs;
    uint64_t bytes_before, bytes_after; /* of the weights that changed */
} sib_quantize_totals;

/* Strings live as long as the report. The two that take an index return false where it is out of range. */
SIB_API void sib_quantize_report_totals(const sib_quantize_report *r, sib_quantize_totals *out);
SIB_API bool sib_quantize_report_row(const sib_quantize_report *r, size_t i, sib_quantize_row *out);
SIB_API bool sib_quantize_report_output(const sib_quantize_report *r, size_t i, sib_quantize_output *out);
/* Clears the pointer; NULL and a pointer to NULL are allowed. */
SIB_API void sib_quantize_report_free(sib_quantize_report **r);

#ifdef __cplusplus
}
#endif
#endif
