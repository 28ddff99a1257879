/* Copies graphs, and drops what no output needs. */
#include "graph.h"

bool rg_copy(rg_graph *to, const rg_graph *from)
{
    sib_error err = SIB_ERROR_INIT;
    *to = *from;
    to->arena = NULL;
    bool ok = true;
    for (int i = 0; i < to->n_nodes; i++)
        to->nodes[i].alone = NULL;
    for (int i = 0; i < to->n_values; i++) {
        to->values[i].t = NULL;
        if (ok && from->values[i].t)
            ok = sib_tensor_copy(from->values[i].t, &to->values[i].t, &err) == SIB_OK;
    }
    return ok;
}

void rg_sweep(rg_graph *g)
{
    bool needed[RG_VALUES] = {false};
    for (int i = 0; i < g->n_values; i++)
        needed[i] = g->values[i].output;
    for (int i = g->n_nodes; i-- > 0;) {
        rg_node *n = &g->nodes[i];
        bool used = false;
        for (int k = 0; k < n->n_out; k++)
            used |= n->out[k] != RG_NONE && needed[n->out[k]] && g->values[n->out[k]].maker == i;
        n->dropped = !used;
        for (int k = 0; k < n->n_in && used; k++)
            if (n->in[k] != RG_NONE)
                needed[n->in[k]] = true;
        for (int k = 0; k < n->n_out && used; k++)
            if (n->out[k] != RG_NONE)
                needed[n->out[k]] = true;
    }
    for (int i = 0; i < g->n_values; i++)
        g->values[i].dropped = !needed[i];
}

int rg_count(const rg_graph *g)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++)
        n += !g->nodes[i].dropped;
    return n;
}

/* Operators that move, choose or compare elements, or whose results are exact. */
static const char *const exact[] = {"Identity",
                                    "Relu",
                                    "Abs",
                                    "Neg",
                                    "Sign",
                                    "Floor",
                                    "Ceil",
                                    "Round",
                                    "Not",
                                    "And",
                                    "Or",
                                    "Xor",
                                    "Less",
                                    "LessOrEqual",
                                    "Greater",
                                    "GreaterOrEqual",
                                    "Equal",
                                    "Max",
                                    "Min",
                                    "Where",
                                    "Clip",
                                    "IsNaN",
                                    "IsInf",
                                    "Transpose",
                                    "Reshape",
                                    "Flatten",
                                    "Squeeze",
                                    "Unsqueeze",
                                    "Concat",
                                    "Split",
                                    "Slice",
                                    "Pad",
                                    "Tile",
                                    "Expand",
                                    "Gather",
                                    "GatherElements",
                                    "GatherND",
                                    "DepthToSpace",
                                    "SpaceToDepth",
                                    "Trilu",
                                    "ReverseSequence",
                                    "Shape",
                                    "Size",
                                    "MaxPool",
                                    "GlobalMaxPool",
                                    "ReduceMax",
                                    "ReduceMin",
                                    "ArgMax",
                                    "ArgMin",
                                    "TopK",
                                    "OneHot",
                                    "NonZero",
                                    "Compress",
                                    "ThresholdedRelu",
                                    "Hardmax",
                                    "EyeLike",
                                    "ConstantOfShape",
                                    "Unique",
                                    "BitShift",
                                    "BitwiseAnd",
                                    "BitwiseOr",
                                    "BitwiseXor",
                                    "BitwiseNot",
                                    "MaxUnpool",
                                    "MaxRoiPool",
                                    "CastLike",
                                    "Constant",
                                    "Dropout",
                                    "TensorScatter"};

bool rg_is_exact(sib_str type)
{
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (str_is(type, exact[i]))
            return true;
    return false;
}
