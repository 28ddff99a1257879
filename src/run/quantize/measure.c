/* Calibration runs: measures the inputs of layers and the errors of the outputs. */
#include "run/quantize/quantize.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* Max bytes of all kept rows. */
#define ROWS_BYTES ((size_t)256 << 20)

typedef struct taking {
    quant_plan *p;
    size_t max;   /* max rows kept of one input */
    size_t share; /* max rows of one data set */
} taking;

/* Keeps evenly spaced rows of x (m, k), and adds up the squares of all. */
static void take_rows(const taking *t, quant_input *in, const float *x, uint64_t m)
{
    size_t room = t->max - in->kept, wanted = t->share < room ? t->share : room;
    size_t n = m < wanted ? (size_t)m : wanted;
    for (uint64_t r = 0; r < m; r++)
        for (int64_t i = 0; i < in->k; i++)
            in->square[i] += (double)x[(int64_t)r * in->k + i] * (double)x[(int64_t)r * in->k + i];
    in->seen += m;
    for (size_t r = 0; r < n; r++)
        memcpy(in->rows + (int64_t)in->kept++ * in->k, x + (int64_t)(r * m / n) * in->k,
               (size_t)in->k * sizeof *x);
}

static sib_code take(void *context, const sib_tap_event *event, sib_error *err)
{
    const taking *t = context;
    const graph *g = t->p->model->graph;
    const sib_tensor *x = sib_value_tensor(event->value);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < t->p->n_inputs && code == SIB_OK && x; i++) {
        quant_input *in = &t->p->inputs[i];
        sib_tensor *copy = NULL;
        if (!str_is(g->values[in->value].name, event->name) || event->milli || x->dtype != SIB_F32 ||
            !x->rank || x->dims[x->rank - 1] != in->k || !x->count)
            continue;
        code = sib_tensor_copy(x, &copy, err);
        if (code == SIB_OK)
            take_rows(t, in, (const float *)copy->data, x->count / (uint64_t)in->k);
        sib_tensor_free(&copy);
    }
    return code;
}

static sib_code make_room(taking *t, sib_error *err)
{
    quant_plan *p = t->p;
    size_t row = 1;
    for (size_t i = 0; i < p->n_inputs; i++)
        row += (size_t)p->inputs[i].k * sizeof(float);
    t->max = ROWS_BYTES / row < 16 ? 16 : ROWS_BYTES / row > QUANT_ROWS ? QUANT_ROWS : ROWS_BYTES / row;
    t->share = (t->max + p->options.n_sets - 1) / p->options.n_sets;
    for (size_t i = 0; i < p->n_inputs; i++) {
        quant_input *in = &p->inputs[i];
        in->square = mem_calloc((size_t)in->k, sizeof *in->square);
        in->rows = mem_alloc(t->max * (size_t)in->k, sizeof *in->rows);
        if (!in->square || !in->rows)
            return err_memory(err, t->max * (size_t)in->k * sizeof *in->rows, "rows of calibration");
    }
    return SIB_OK;
}

/* Runs data set i. out: (outputs of the graph). */
static sib_code run_set(const quant_plan *p, sib_session *s, size_t i, sib_value **out,
                        const sib_run_options *run, sib_error *err)
{
    const sib_quantize_inputs *set = &p->options.sets[i];
    sib_error own = SIB_ERROR_INIT;
    sib_code code = sib_session_run(s, set->n, set->items, 0, NULL, out, run, &own);
    return code == SIB_OK ? code : err_set(err, code, "calibration set %zu: %s", i, own.message);
}

static sib_code begin(const quant_plan *p, sib_model *m, sib_session **s, sib_error *err)
{
    return sib_session_create(m, &(sib_session_options){.backends = p->options.backends}, s, err);
}

sib_code quant_measure(quant_plan *p, sib_model *m, sib_value **outputs, sib_error *err)
{
    const graph *g = p->model->graph;
    taking t = {.p = p};
    sib_session *s = NULL;
    const char **names = mem_alloc(p->n_inputs + 1, sizeof *names);
    sib_code code = names ? make_room(&t, err) : err_memory(err, p->n_inputs * sizeof *names, "names");
    for (size_t i = 0; i < p->n_inputs && names; i++)
        names[i] = g->values[p->inputs[i].value].name.data;
    sib_run_options run = {
        .tap = p->n_inputs ? take : NULL, .tap_context = &t, .tap_names = names, .n_taps = p->n_inputs};
    if (code == SIB_OK)
        code = begin(p, m, &s, err);
    for (size_t i = 0; i < p->options.n_sets && code == SIB_OK; i++)
        code = run_set(p, s, i, outputs + i * g->outputs.n, &run, err);
    sib_session_free(&s);
    mem_free(names);
    return code;
}

/* Adds the squares of differences and of values to sums; clears *floats where a value is no float tensor. */
static sib_code add_up(const sib_value *a, const sib_value *b, double sums[2], bool *floats, sib_error *err)
{
    const sib_tensor *x = sib_value_tensor(a), *y = sib_value_tensor(b);
    sib_tensor *wide[2] = {NULL, NULL};
    *floats &= x && y && x->count == y->count && sib_dtype_get_kind(x->dtype) == SIB_KIND_FLOAT;
    if (!*floats)
        return SIB_OK;
    sib_code code = sib_tensor_convert(x, SIB_F64, SIB_OVERFLOW_IEEE, &wide[0], err);
    if (code == SIB_OK)
        code = sib_tensor_convert(y, SIB_F64, SIB_OVERFLOW_IEEE, &wide[1], err);
    for (uint64_t i = 0; i < x->count && code == SIB_OK; i++) {
        double was = ((const double *)wide[0]->data)[i], is = ((const double *)wide[1]->data)[i];
        sums[0] += (is - was) * (is - was);
        sums[1] += was * was;
    }
    sib_tensor_free(&wide[0]);
    sib_tensor_free(&wide[1]);
    return code;
}

static sib_code compare_sets(const quant_plan *p, sib_session *s, sib_value *const *outputs, size_t n,
                             sib_value **out, double (*sums)[2], bool *floats, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < p->options.n_sets && code == SIB_OK; i++) {
        code = run_set(p, s, i, out, NULL, err);
        for (size_t k = 0; k < n; k++) {
            if (code == SIB_OK)
                code = add_up(outputs[i * n + k], out[k], sums[k], &floats[k], err);
            sib_value_free(&out[k]);
        }
    }
    return code;
}

sib_code quant_compare(const quant_plan *p, sib_model *m, sib_value *const *outputs, double *errors,
                       sib_error *err)
{
    size_t n = p->model->graph->outputs.n;
    sib_session *s = NULL;
    sib_value **out = mem_calloc(n + 1, sizeof(sib_value *));
    double(*sums)[2] = mem_calloc(n + 1, sizeof *sums);
    bool *floats = mem_alloc(n + 1, sizeof *floats);
    sib_code code = SIB_OK;
    if (!out || !sums || !floats)
        code = err_memory(err, n * sizeof *sums, "errors of outputs");
    else {
        memset(floats, true, n + 1);
        code = begin(p, m, &s, err);
    }
    if (code == SIB_OK)
        code = compare_sets(p, s, outputs, n, out, sums, floats, err);
    for (size_t k = 0; k < n && code == SIB_OK; k++)
        errors[k] = floats[k] ? quant_ratio(sums[k][0], sums[k][1]) : (double)NAN;
    sib_session_free(&s);
    mem_free(out);
    mem_free(sums);
    mem_free(floats);
    return code;
}
