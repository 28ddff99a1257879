/* Nodes of texts as vectors: the further inputs of encoders, and the mean of what they give. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/nodes/nodes.h"

#include <math.h>

/* ---- fill ---------------------------------------------------------------------------------------------- */

enum { FILL_LIKE, FILL_VALUE, FILL_STEP };
static const job_port fill_inputs[] = {{"like", SIB_PORT_TOKENS, true, "as many as these"},
                                       {"value", SIB_PORT_NUMBER, false, "the first (1)"},
                                       {"step", SIB_PORT_NUMBER, false, "from each to the next (0)"}};
static const job_port fill_outputs[] = {{"numbers", SIB_PORT_TOKENS, false, "integers"}};

static sib_code fill_run(job_step *s, sib_error *err)
{
    const size_t n = s->in[FILL_LIKE]->v.tokens.n;
    size_t value, step;
    sib_code code = step_count(s, FILL_VALUE, 1, 0, 1 << 24, &value, err);
    if (code == SIB_OK)
        code = step_count(s, FILL_STEP, 0, 0, 1, &step, err);
    if (code != SIB_OK)
        return code;
    if (step && n > INT32_MAX - value)
        return err_set(err, SIB_ERR_SIZE, "%s: %zu numbers are too many", s->node->name, n);
    int32_t *numbers = mem_alloc(n ? n : 1, sizeof *numbers);
    for (size_t i = 0; numbers && i < n; i++)
        numbers[i] = (int32_t)(value + i * step);
    code = step_give(s, 0, numbers ? job_value_tokens(numbers, n) : NULL, err);
    mem_free(numbers);
    return code;
}

const job_op job_op_fill = {.name = "fill",
                            .meaning = "integers, one for each token: all the same, or counted",
                            .inputs = fill_inputs,
                            .n_inputs = sizeof fill_inputs / sizeof *fill_inputs,
                            .outputs = fill_outputs,
                            .n_outputs = 1,
                            .run = fill_run};

/* ---- pool ---------------------------------------------------------------------------------------------- */

enum { POOL_HIDDEN, POOL_MASK, POOL_NORMALIZE };
static const job_port pool_inputs[] = {
    {"hidden", SIB_PORT_TENSOR, true, "[..., n, D]: n vectors; or one, [..., D]"},
    {"mask", SIB_PORT_TOKENS, false, "(n) 0 for those that do not count (all count)"},
    {"normalize", SIB_PORT_FLAG, false, "scale the mean to length 1 (true)"}};
static const job_port pool_outputs[] = {{"embedding", SIB_PORT_TENSOR, false, "float32 [D]"}};

/* sum: (d) zeros. *n_counted: of the (n) rows of d. */
static void add_rows(const double *rows, size_t n, size_t d, const sib_port_value *mask, double *sum,
                     size_t *n_counted)
{
    for (size_t i = 0; i < n; i++) {
        if (mask && !mask->tokens.ids[i])
            continue;
        ++*n_counted;
        for (size_t k = 0; k < d; k++)
            sum[k] += rows[i * d + k];
    }
}

/* Scales the sum to the mean, or to length 1; zeros stay. */
static sib_code give_mean(job_step *s, const double *sum, size_t d, size_t n_counted, sib_error *err)
{
    double square = 0, scale = n_counted ? 1.0 / (double)n_counted : 0;
    for (size_t k = 0; k < d; k++)
        square += sum[k] * sum[k];
    if (step_flag(s, POOL_NORMALIZE, true) && square > 0)
        scale = 1 / sqrt(square);
    const int64_t dims[1] = {(int64_t)d};
    float *out;
    sib_code code = step_give_floats(s, 0, 1, dims, &out, err);
    for (size_t k = 0; k < d && code == SIB_OK; k++)
        out[k] = (float)(sum[k] * scale);
    return code;
}

static sib_code pool_run(job_step *s, sib_error *err)
{
    const sib_tensor *t = s->in[POOL_HIDDEN]->v.tensor;
    const sib_port_value *mask = s->in[POOL_MASK] ? &s->in[POOL_MASK]->v : NULL;
    const size_t rank = sib_tensor_rank(t), count = (size_t)sib_tensor_count(t),
                 d = rank ? (size_t)sib_tensor_dims(t)[rank - 1] : 0, n = d ? count / d : 0;
    if (!n || !sib_tensor_is_dense(t))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: there are no vectors", s->node->name);
    if (mask && mask->tokens.n != n)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: the mask has %zu numbers for %zu vectors", s->node->name,
                       mask->tokens.n, n);
    double *rows = mem_alloc(count, sizeof *rows), *sum = mem_calloc(d, sizeof *sum);
    size_t n_counted = 0;
    sib_code code = rows && sum ? sib_convert(sib_tensor_dtype(t), sib_tensor_data(t), SIB_F64, rows, count,
                                              SIB_OVERFLOW_IEEE, err)
                                : err_memory(err, count * sizeof *rows, "vectors");
    if (code == SIB_OK) {
        add_rows(rows, n, d, mask, sum, &n_counted);
        code = give_mean(s, sum, d, n_counted, err);
    }
    mem_free(rows);
    mem_free(sum);
    return code;
}

const job_op job_op_pool = {.name = "pool",
                            .meaning = "the mean of vectors",
                            .inputs = pool_inputs,
                            .n_inputs = sizeof pool_inputs / sizeof *pool_inputs,
                            .outputs = pool_outputs,
                            .n_outputs = 1,
                            .run = pool_run};
