/* Errors of sibyl bench conv1d: its result against that of a model of one Conv by ref in double. */
#include "bench_conv1d.h"

#include "onnx_writer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPSET 22 /* the first whose Conv takes bfloat16 */

/* x [B, Ci, L], w [Co, Ci, K], bias [Co] -> y [B, Co, N] */
static bool write_model(const char *path, const sib_conv1d_spec *s, sib_dtype dtype, int64_t length)
{
    onnx_writer w = {0};
    char attributes[96];
    const int64_t x[] = {s->batch, s->in_channels, s->in_length},
                  weight[] = {s->out_channels, s->in_channels, s->kernel},
                  y[] = {s->batch, s->out_channels, length};
    snprintf(attributes, sizeof attributes, "strides=[%d] pads=[%d,%d]", (int)s->stride, (int)s->padding,
             (int)s->padding);
    onnx_input(&w, "x", dtype, 3, x);
    onnx_input(&w, "w", dtype, 3, weight);
    onnx_input(&w, "bias", dtype, 1, &s->out_channels);
    onnx_node(&w, "Conv", "x w bias", "y", attributes);
    onnx_output(&w, "y", dtype, 3, y);
    return onnx_save(&w, path, OPSET);
}

/* A value over memory of the caller. NULL where memory fails. */
static sib_value *value_over(sib_dtype dtype, size_t rank, const int64_t *dims, void *data)
{
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    if (sib_tensor_wrap(dtype, rank, dims, NULL, data, NULL, NULL, &t, NULL) == SIB_OK)
        sib_value_from_tensor(t, &v, NULL);
    sib_tensor_free(&t);
    return v;
}

static bool run_exact(const char *path, const conv_arrays *c, sib_value **out, char *why, size_t bytes)
{
    const sib_conv1d_spec *s = &c->spec;
    const int64_t x[] = {s->batch, s->in_channels, s->in_length},
                  w[] = {s->out_channels, s->in_channels, s->kernel};
    sib_value *values[] = {value_over(c->dtype, 3, x, c->x), value_over(c->dtype, 3, w, c->w),
                           value_over(c->dtype, 1, &s->out_channels, c->bias)};
    const sib_named_value named[] = {{"x", values[0]}, {"w", values[1]}, {"bias", values[2]}};
    bool ok = values[0] && values[1] && values[2];
    if (ok)
        ok = error_exact(path, 0, 3, named, out, why, bytes);
    else
        snprintf(why, bytes, "memory could not be had");
    for (size_t i = 0; i < 3; i++)
        sib_value_free(&values[i]);
    return ok;
}

sib_value *conv1d_exact(const conv_arrays *c, char *why, size_t bytes)
{
    const char *folder = getenv("TMPDIR");
    char *path = cli_format("%s/sibyl-conv1d-XXXXXX", folder && *folder ? folder : "/tmp");
    sib_value *out = NULL;
    int64_t length;
    int file = mkstemp(path);
    if (file < 0)
        snprintf(why, bytes, "%s: no file for the model could be made", path);
    else if (sib_conv1d_out_length(&c->spec, &length, NULL) != SIB_OK ||
             !write_model(path, &c->spec, c->dtype, length))
        snprintf(why, bytes, "%s: the model could not be written", path);
    else
        run_exact(path, c, &out, why, bytes);
    if (file >= 0) {
        close(file);
        unlink(path);
    }
    free(path);
    return out;
}

bool conv1d_error(const conv_arrays *c, const sib_value *exact, result_error *e, char *why, size_t bytes)
{
    const sib_tensor *y = sib_value_tensor(exact);
    sib_value *got = value_over(c->dtype, sib_tensor_rank(y), sib_tensor_dims(y), c->y);
    bool ok = got != NULL;
    if (ok)
        ok = error_add(e, sib_value_tensor(got), y, why, bytes);
    else
        snprintf(why, bytes, "memory could not be had");
    sib_value_free(&got);
    return ok;
}
