/* The enums of attributes whose value is one of a few strings, in the order of these in spec.def. Kernels
   include this header too, so it holds nothing else. */
#ifndef SPEC_ENUMS_H
#define SPEC_ENUMS_H

typedef enum auto_pad { PAD_EXPLICIT, PAD_VALID, PAD_SAME_UPPER, PAD_SAME_LOWER } auto_pad;
typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;
typedef enum step_direction { DIRECTION_FORWARD, DIRECTION_REVERSE, DIRECTION_BOTH } step_direction;
typedef enum shift_direction { SHIFT_LEFT, SHIFT_RIGHT } shift_direction;
typedef enum cast_rounding { CAST_UP, CAST_DOWN, CAST_NEAREST } cast_rounding;
typedef enum gelu_form { GELU_EXACT, GELU_TANH } gelu_form;
typedef enum depth_order { DEPTH_FIRST, COLUMNS_FIRST } depth_order; /* DCR, CRD */
typedef enum cache_mode { CACHE_LINEAR, CACHE_CIRCULAR } cache_mode;
typedef enum roi_mode { ROI_AVERAGE, ROI_MAX } roi_mode;
typedef enum roi_corner { ROI_HALF_PIXEL, ROI_OUTPUT_HALF_PIXEL } roi_corner;
typedef enum sample_filter { SAMPLE_NEAREST, SAMPLE_LINEAR, SAMPLE_CUBIC } sample_filter;
typedef enum sample_border { SAMPLE_ZEROS, SAMPLE_EDGE, SAMPLE_REFLECT } sample_border;
typedef enum scatter_reduction {
    SCATTER_NONE,
    SCATTER_ADD,
    SCATTER_MUL,
    SCATTER_MAX,
    SCATTER_MIN
} scatter_reduction;
typedef enum loss_reduction { LOSS_MEAN, LOSS_SUM, LOSS_NONE } loss_reduction;
typedef enum update_rule { UPDATE_LINEAR, UPDATE_GATED, UPDATE_DELTA, UPDATE_GATED_DELTA } update_rule;
typedef enum distance_metric { DISTANCE_SQUARE, DISTANCE_EUCLIDEAN } distance_metric;
typedef enum momentum_mode { MOMENTUM_STANDARD, MOMENTUM_NESTEROV } momentum_mode;
typedef enum mel_preset { MEL_WHISPER, MEL_LIBROSA, MEL_KALDI } mel_preset;
typedef enum case_change { CASE_NONE, CASE_LOWER, CASE_UPPER } case_change;
typedef enum tfidf_mode { TFIDF_TF, TFIDF_IDF, TFIDF_BOTH } tfidf_mode;
typedef enum ml_norm { NORM_MAX, NORM_L1, NORM_L2 } ml_norm;
typedef enum svm_kernel { SVM_LINEAR, SVM_POLY, SVM_RBF, SVM_SIGMOID } svm_kernel;
typedef enum tree_aggregate { TREE_AVERAGE, TREE_SUM, TREE_MIN, TREE_MAX } tree_aggregate;
typedef enum map_cast { MAP_TO_FLOAT, MAP_TO_STRING, MAP_TO_INT64 } map_cast;
typedef enum map_form { MAP_DENSE, MAP_SPARSE } map_form;
typedef enum post_transform {
    TRANSFORM_NONE,
    TRANSFORM_SOFTMAX,
    TRANSFORM_LOGISTIC,
    TRANSFORM_SOFTMAX_ZERO,
    TRANSFORM_PROBIT
} post_transform;
/* What a fused operator applies to its result. */
typedef enum fused_activation {
    FUSED_NONE,
    FUSED_RELU,
    FUSED_TANH,
    FUSED_SIGMOID,
    FUSED_LEAKY_RELU,
    FUSED_CLIP,
    FUSED_HARD_SIGMOID
} fused_activation;
/* What the experts of a mixture apply to their first product. */
typedef enum expert_activation {
    EXPERT_RELU,
    EXPERT_GELU,
    EXPERT_SILU,
    EXPERT_SWIGLU,
    EXPERT_IDENTITY
} expert_activation;
typedef enum gate_activation { GATE_SILU, GATE_SIGMOID } gate_activation;
/* Rounding modes of QONNX; UP is away from 0, DOWN toward 0, halves by their magnitude. */
typedef enum quant_rounding {
    QUANT_HALF_EVEN,
    QUANT_CEIL,
    QUANT_FLOOR,
    QUANT_UP,
    QUANT_DOWN,
    QUANT_HALF_UP,
    QUANT_HALF_DOWN
} quant_rounding;
typedef enum silu_activation { SILU_NONE, SILU } silu_activation;

typedef enum resize_filter { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC } resize_filter;
/* How positions in the result map to positions in the source. */
typedef enum resize_mapping {
    RESIZE_HALF_PIXEL,
    RESIZE_HALF_PIXEL_SYMMETRIC,
    RESIZE_PYTORCH_HALF_PIXEL,
    RESIZE_ALIGN_CORNERS,
    RESIZE_ASYMMETRIC,
    RESIZE_TF_HALF_PIXEL_FOR_NN,
    RESIZE_TF_CROP_AND_RESIZE
} resize_mapping;
typedef enum resize_rounding {
    RESIZE_PREFER_FLOOR,
    RESIZE_PREFER_CEIL,
    RESIZE_FLOOR,
    RESIZE_CEIL,
    RESIZE_EARLY /* before opset 11: floor, or ceil where the axis shrinks */
} resize_rounding;
typedef enum resize_policy { RESIZE_STRETCH, RESIZE_NOT_LARGER, RESIZE_NOT_SMALLER } resize_policy;

#endif
