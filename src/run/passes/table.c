#include "run/passes/passes.h"

static const char identity[] = "the input of an Identity is used in the place of its output";
static const char dead[] = "nodes whose outputs nobody uses are dropped";
static const char noop[] = "nodes that give what they are given are dropped";

/* Those that only tidy up stand first, so that the others find the plainest form, and last, for what those leave. */
static const pass table[] = {
    {"captured", "constants of the graphs around a graph are constants inside", pass_captured},
    {"identity", identity, pass_identity},
    {"noop", noop, pass_noop},
    {"narrow", "products take large weights as narrow as they are, before they are widened", pass_narrow},
    {"constants", "what does not depend on the inputs is computed once", pass_constants},
    {"same", "nodes that compute the same are one", pass_same},
    {"quantized", "operators between bytes made floats and floats made bytes work on the bytes",
     pass_quantized},
    {"normalization", "arithmetic that is a LayerNormalization or RMSNormalization is one",
     pass_normalization},
    {"gelu", "arithmetic that is a Gelu is one", pass_gelu},
    {"attention", "products of queries, keys and values around a Softmax are an Attention", pass_attention},
    {"affine", "scales and offsets by channel are put into the weights before them", pass_affine},
    {"transposes", "transpositions are taken together, into products, or taken back", pass_transposes},
    {"dequantized", "weights of few bits become floats, where they are not too many", pass_dequantized},
    {"constants", "what does not depend on the inputs is computed once", pass_constants},
    {"identity", identity, pass_identity},
    {"noop", noop, pass_noop},
    {"dead", dead, pass_dead},
    {PASS_ELEMENTWISE, "chains of elementwise nodes, behind a product or alone, are one step of a plan",
     NULL},
};

const pass *passes_table(size_t *n)
{
    *n = sizeof table / sizeof *table;
    return table;
}
