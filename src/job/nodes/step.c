/* Access to a node's ports. */
#include "base/error.h"
#include "job/nodes/nodes.h"

#include <math.h>

double step_number(const job_step *s, size_t port, double otherwise)
{
    return s->in[port] ? s->in[port]->v.number : otherwise;
}

bool step_flag(const job_step *s, size_t port, bool otherwise)
{
    return s->in[port] ? s->in[port]->v.flag : otherwise;
}

const char *step_text(const job_step *s, size_t port, const char *otherwise)
{
    return s->in[port] ? s->in[port]->v.text.data : otherwise;
}

sib_code step_count(const job_step *s, size_t port, size_t otherwise, size_t lo, size_t hi, size_t *out,
                    sib_error *err)
{
    double x = step_number(s, port, (double)otherwise);
    if (!(x >= (double)lo && x <= (double)hi) || x != floor(x))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: %s is %g, expected an integer from %zu to %zu",
                       s->node->name, s->node->inputs[port].name, x, lo, hi);
    *out = (size_t)x;
    return SIB_OK;
}

sib_code step_range(const job_step *s, size_t port, double otherwise, double lo, double hi, double *out,
                    sib_error *err)
{
    *out = step_number(s, port, otherwise);
    if (!(*out >= lo && *out <= hi))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: %s is %g, expected from %g to %g", s->node->name,
                       s->node->inputs[port].name, *out, lo, hi);
    return SIB_OK;
}

void step_numbers(const job_step *s, size_t port, const double **data, size_t *n)
{
    const sib_port_value *v = s->in[port] ? &s->in[port]->v : NULL;
    *data = !v ? NULL : v->type == SIB_PORT_NUMBER ? &v->number : v->numbers.data;
    *n = !v ? 0 : v->type == SIB_PORT_NUMBER ? 1 : v->numbers.n;
}

void step_texts(const job_step *s, size_t port, const char *const **data, size_t *n)
{
    const sib_port_value *v = s->in[port] ? &s->in[port]->v : NULL;
    *data = !v ? NULL : v->type == SIB_PORT_TEXT ? &v->text.data : v->texts.data;
    *n = !v ? 0 : v->type == SIB_PORT_TEXT ? 1 : v->texts.n;
}

sib_code step_samples(const job_step *s, size_t port, const float **samples, size_t *n, sib_error *err)
{
    const sib_tensor *t = s->in[port]->v.tensor;
    if (sib_tensor_dtype(t) != SIB_F32 || sib_tensor_rank(t) != 1 || !sib_tensor_is_dense(t))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%s: audio is a tensor of %s and rank %zu, expected float32 samples of one channel",
                       s->node->name, sib_dtype_name(sib_tensor_dtype(t)), sib_tensor_rank(t));
    *samples = sib_tensor_data(t);
    *n = (size_t)sib_tensor_count(t);
    return SIB_OK;
}

sib_code step_give(job_step *s, size_t i, job_value *v, sib_error *err)
{
    if (!v)
        return err_set(err, SIB_ERR_MEMORY, "%s: out of memory for '%s'", s->node->name,
                       s->node->outputs[i].name);
    s->out[i] = v;
    return SIB_OK;
}

sib_code step_give_floats(job_step *s, size_t i, size_t rank, const int64_t *dims, float **data,
                          sib_error *err)
{
    sib_tensor *t;
    sib_value *v = NULL;
    sib_code code = sib_tensor_create(SIB_F32, rank, dims, &t, err);
    if (code != SIB_OK)
        return code;
    *data = sib_tensor_data(t);
    code = sib_value_from_tensor(t, &v, err);
    sib_tensor_free(&t);
    return code == SIB_OK ? step_give(s, i, job_value_tensor(v, s->node->outputs[i].type), err) : code;
}
