#include "run/passes/passes.h"

static const char identity[] = "the input of an Identity is used in place of its output";
static const char noop[] =
    "nodes that change nothing are dropped: a Cast to the same type, a Reshape to the same dims, an Add of 0";
static const char constants[] =
    "what does not depend on the inputs is computed once, unless the result is much larger";
static const char transposes[] =
    "consecutive Transposes are merged or cancelled, those before a product become part of it, and those "
    "that are undone by another after elementwise nodes are removed";

/* Passes that simplify run first, so that the others find the plainest form, and again last, to clean up. */
static const pass table[] = {
    {"captured", "constants of an outer graph are constants inside an If or a Loop", pass_captured},
    {"identity", identity, pass_identity},
    {"noop", noop, pass_noop},
    {"narrow",
     "products take large weights of 16, 8 or 4 bits as they are, before a Cast, DequantizeLinear or "
     "DequantizeBlocks widens them; they become floats inside the product",
     pass_narrow},
    {"constants", constants, pass_constants},
    {"same", "nodes that compute the same of the same inputs become one", pass_same},
    {"quantized",
     "convolutions, products and moves between a DequantizeLinear and a QuantizeLinear work on the bytes "
     "themselves; "
     "results may differ by one step of the output",
     pass_quantized},
    {"normalization", "arithmetic that computes a LayerNormalization or RMSNormalization becomes one node",
     pass_normalization},
    {"gelu", "arithmetic that computes a Gelu, exact or by tanh, becomes one node", pass_gelu},
    {"attention", "products of queries, keys and values around a Softmax become an Attention",
     pass_attention},
    {"features", "a 3 x 3 average of log-mel features is made while they are computed", pass_features},
    {"affine",
     "scales and offsets per channel after a convolution or a Gemm, BatchNormalization among them, are "
     "folded into its weights",
     pass_affine},
    {"transposes", transposes, pass_transposes},
    {"dequantized", "weights of few bits become floats, unless they are very large", pass_dequantized},
    {"constants", constants, pass_constants},
    {"identity", identity, pass_identity},
    {"noop", noop, pass_noop},
    {"dead", "nodes whose outputs nothing uses are dropped", pass_dead},
    {PASS_ELEMENTWISE,
     "chains of elementwise nodes, after a product or a convolution or alone, become one step; this pass "
     "runs when dims are known, over each plan",
     NULL},
};

const pass *passes_table(size_t *n)
{
    *n = sizeof table / sizeof *table;
    return table;
}
