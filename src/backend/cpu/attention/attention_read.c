/* What the attention operators read from their nodes. */
#include "backend/cpu/attention/attention.h"

#include <string.h>

attention_state attention_nothing(void)
{
    const size_t none = ATTENTION_NONE;
    return (attention_state){
        .past_k = {.input = none},
        .past_v = {.input = none},
        .present_k = {.output = none},
        .present_v = {.output = none},
        .used = none,
        .lengths = none,
        .ends = none,
        .total = none,
        .bias = {.input = none},
        .filter = {.input = none},
    };
}

bool attention_floats(const node_view *n, size_t input, size_t *rank, int64_t dims[SIB_MAX_RANK])
{
    size_t product = 1;
    if (!attention_has(n, input) || cpu_dtype(n->in[input]) != SIB_F32 ||
        !cpu_dims(n, n->in[input], rank, dims))
        return false;
    for (size_t i = 0; i < *rank; i++)
        if ((dims[i] < 1 && !(*rank == 4 && i == 2)) || !size_mul(product, (size_t)dims[i], &product))
            return false;
    return true;
}

bool attention_source_of(const node_view *n, size_t input, int64_t heads, size_t *batch, size_t *head_count,
                         size_t *d, attention_source *out)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank;
    if (!attention_floats(n, input, &rank, dims) || (rank != 3 && rank != 4))
        return false;
    if (rank == 3 && (heads < 1 || dims[2] % heads))
        return false;
    *out = (attention_source){.input = input};
    *batch = (size_t)dims[0];
    *head_count = rank == 4 ? (size_t)dims[1] : (size_t)heads;
    out->n = rank == 4 ? (size_t)dims[2] : (size_t)dims[1];
    *d = rank == 4 ? (size_t)dims[3] : (size_t)(dims[2] / heads);
    out->row = rank == 4 ? *d : (size_t)dims[2];
    out->head = rank == 4 ? out->n * *d : *d;
    out->batch = *head_count * out->n * *d;
    return true;
}

bool attention_bias_of(const node_view *n, size_t input, bool padded, attention_state *a)
{
    const attention_call *c = &a->call;
    const value *v = n->in[input];
    int64_t given[SIB_MAX_RANK], dims[4] = {1, 1, 1, 1};
    size_t rank, want[3] = {c->batch, c->heads, c->queries}, rows = 1;
    size_t *steps[3] = {&a->bias.batch, &a->bias.head, &a->bias.row};
    sib_dtype dtype = cpu_dtype(v);
    if ((dtype != SIB_F32 && dtype != SIB_BOOL) || !cpu_dims(n, v, &rank, given) || rank < 1 || rank > 4)
        return false;
    memcpy(dims + 4 - rank, given, rank * sizeof *dims);
    a->bias.input = input;
    a->bias.padded = padded;
    a->bias.floats = dtype == SIB_F32;
    a->bias.width = (size_t)dims[3];
    for (size_t i = 3; i-- > 0; rows *= (size_t)dims[i]) {
        if (dims[i] != 1 && dims[i] != (int64_t)want[i])
            return false;
        *steps[i] = dims[i] == 1 ? 0 : rows;
    }
    return dims[3] == (int64_t)c->keys || (padded ? dims[3] < (int64_t)c->keys : dims[3] == 1);
}

void attention_set_output(attention_call *c, bool packed)
{
    c->y_row = packed ? c->heads * c->dv : c->dv;
    c->y_head = packed ? c->dv : c->queries * c->dv;
    c->y_batch = c->queries * c->heads * c->dv;
}
