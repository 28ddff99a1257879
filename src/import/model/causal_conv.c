/* Convolutions over a token and those before it, of which a graph carries the last ones. */
#include "import/model/scan.h"

value_id build_causal_conv(build *b, value_id x, const char *name, int64_t n, int64_t layer,
                           const char *batch)
{
    const char *weights = build_text(b, "%s.weight", name), *bias = build_text(b, "%s.bias", name);
    const int64_t kernel = build_dim(b, weights, 2), before = kernel - 1, dims[] = {n, 1, kernel},
                  swapped[] = {0, 2, 1};
    if (b->code == SIB_OK && kernel < 2) {
        build_fail(b, SIB_ERR_FORMAT, "%s: %s is no convolution over tokens", checkpoint_file(b->c, 0),
                   weights);
        return NO_VALUE;
    }
    value_id state = build_input(b, build_text(b, "state.%lld.conv", (long long)layer), SIB_F32,
                                 "%s %lld %lld", batch, (long long)before, (long long)n),
             all = build_concat(b, 1, 2, (value_id[]){state, x}), y;
    build_output(b, build_slice(b, all, build_int(b, -before), build_int(b, INT64_MAX), 1),
                 build_text(b, "next.%lld.conv", (long long)layer), SIB_F32, "%s %lld %lld", batch,
                 (long long)before, (long long)n);
    const bool biased = build_find(b, bias) != NULL;
    value_id in[] = {build_transpose(b, all, 3, swapped), build_weight(b, weights, 3, dims),
                     biased ? build_vector(b, bias, n) : NO_VALUE};
    build_attributes a = build_no_attributes();
    build_set_ints(&a, "kernel_shape", 1, &kernel);
    build_set_int(&a, "group", n);
    build_node(b, "Conv", &a, biased ? 3 : 2, in, 1, &y);
    return build_transpose(b, y, 3, swapped);
}
