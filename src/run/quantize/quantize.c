/* sib_model_quantize: options, the order of the stages, and the report. */
#include "run/quantize/quantize.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/packs.h"
#include "run/optimise.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_MIN   16
#define BLOCK_MAX   65536
#define BLOCK_INT4  32
#define MIN_WEIGHTS 4096

struct sib_quantize_report {
    sib_quantize_totals totals;
    sib_quantize_row *rows;       /* (n_rows) strings owned */
    sib_quantize_output *outputs; /* (n_outputs) names owned */
};

/* ---- Reports ------------------------------------------------------------------------------------------ */

void sib_quantize_report_free(sib_quantize_report **rr)
{
    sib_quantize_report *r = rr ? *rr : NULL;
    if (!r)
        return;
    for (size_t i = 0; r->rows && i < r->totals.n_rows; i++) {
        mem_free((char *)r->rows[i].node);
        mem_free((char *)r->rows[i].op_type);
        mem_free((char *)r->rows[i].weights);
    }
    for (size_t i = 0; r->outputs && i < r->totals.n_outputs; i++)
        mem_free((char *)r->outputs[i].name);
    mem_free(r->rows);
    mem_free(r->outputs);
    mem_free(r);
    *rr = NULL;
}

void sib_quantize_report_totals(const sib_quantize_report *r, sib_quantize_totals *out)
{
    *out = r->totals;
}

bool sib_quantize_report_row(const sib_quantize_report *r, size_t i, sib_quantize_row *out)
{
    if (i >= r->totals.n_rows)
        return false;
    *out = r->rows[i];
    return true;
}

bool sib_quantize_report_output(const sib_quantize_report *r, size_t i, sib_quantize_output *out)
{
    if (i >= r->totals.n_outputs)
        return false;
    *out = r->outputs[i];
    return true;
}

/* Copies a string of the model. */
static char *copy_of(sib_str s)
{
    return mem_strdup(s.length ? s.data : "");
}

static bool fill_row(const quant_plan *p, const quant_layer *l, sib_quantize_row *row)
{
    const graph *g = p->model->graph;
    const node *n = &g->nodes[l->node];
    const quant_weight *w = &p->weights[l->weight];
    char number[24];
    bool first = true;
    snprintf(number, sizeof number, "node%u", l->node);
    for (const quant_layer *before = p->layers; before < l; before++)
        first &= before->weight != l->weight;
    *row = (sib_quantize_row){.node = n->name.length ? copy_of(n->name) : mem_strdup(number),
                              .op_type = copy_of(n->type),
                              .weights = copy_of(g->values[w->value].name),
                              .k = (uint64_t)w->k,
                              .n = (uint64_t)w->n,
                              .bytes_before = first ? w->was->count * sizeof(float) : 0,
                              .bytes_after = first ? w->bytes : 0,
                              .weight_error = w->error,
                              .output_error = l->output_error};
    return row->node && row->op_type && row->weights;
}

/* Makes the report on the layers; must run while the graph still has them. */
static sib_code make_report(const quant_plan *p, sib_quantize_report **out, sib_error *err)
{
    const graph *g = p->model->graph;
    sib_quantize_report *r = mem_calloc(1, sizeof *r);
    *out = r;
    bool ok = r != NULL;
    if (ok) {
        r->rows = mem_calloc(p->n_layers + 1, sizeof *r->rows);
        r->outputs = mem_calloc((size_t)g->outputs.n + 1, sizeof *r->outputs);
        ok = r->rows && r->outputs;
    }
    for (size_t i = 0; i < p->n_layers && ok; i++) {
        ok = fill_row(p, &p->layers[i], &r->rows[r->totals.n_rows++]);
        r->totals.bytes_before += r->rows[i].bytes_before;
        r->totals.bytes_after += r->rows[i].bytes_after;
    }
    for (uint32_t i = 0; i < g->outputs.n && ok; i++) {
        sib_quantize_output *o = &r->outputs[r->totals.n_outputs++];
        *o = (sib_quantize_output){copy_of(g->values[g->outputs.ids[i]].name), (double)NAN};
        ok = o->name != NULL;
    }
    return ok ? SIB_OK : err_memory(err, p->n_layers * sizeof *r->rows, "a report");
}

/* ---- Options ------------------------------------------------------------------------------------------ */

static sib_code read_options(sib_quantize_options *o, sib_error *err)
{
    bool int4 = o->weights == SIB_WEIGHTS_INT4, int8 = o->weights == SIB_WEIGHTS_INT8;
    if (!int4 && !int8 && o->weights != SIB_WEIGHTS_F16)
        return err_set(err, SIB_ERR_ARGUMENT, "weights is %d, expected int8, int4 or f16", (int)o->weights);
    if (o->block && (o->block < BLOCK_MIN || o->block > BLOCK_MAX || (o->block & (o->block - 1))))
        return err_set(err, SIB_ERR_ARGUMENT, "block is %lld, expected a power of two from %d to %d",
                       (long long)o->block, BLOCK_MIN, BLOCK_MAX);
    if (o->block && !int4 && !int8)
        return err_set(err, SIB_ERR_ARGUMENT, "float16 weights cannot be in blocks");
    if (o->dynamic && (!int8 || o->block))
        return err_set(err, SIB_ERR_ARGUMENT, "dynamic quantization needs int8 weights without blocks");
    if (o->n_sets && !o->sets)
        return err_set(err, SIB_ERR_ARGUMENT, "sets is NULL with n_sets %zu", o->n_sets);
    if (int4 && !o->block)
        o->block = BLOCK_INT4;
    if (!o->min_weights)
        o->min_weights = MIN_WEIGHTS;
    return SIB_OK;
}

/* ---- Quantization -------------------------------------------------------------------------------------- */

/* Drops what was made of the old graph. */
static sib_code forget_made(sib_model *m, sib_error *err)
{
    struct packs *fresh = NULL;
    sib_code code = packs_create(&fresh, err);
    if (code != SIB_OK)
        return code;
    optimised_free(&m->optimised);
    packs_free(&m->packs);
    m->packs = fresh;
    return SIB_OK;
}

static sib_code change(quant_plan *p, sib_model *m, sib_value **outputs, sib_quantize_report **report,
                       sib_error *err)
{
    sib_code code = quant_find(p, err);
    if (code == SIB_OK && p->options.n_sets)
        code = quant_measure(p, m, outputs, err);
    if (code == SIB_OK)
        code = quant_round(p, err);
    if (code == SIB_OK)
        code = make_report(p, report, err);
    if (code == SIB_OK)
        code = forget_made(m, err);
    if (code == SIB_OK && p->n_layers)
        code = quant_rewrite(p, err);
    size_t n = (*report ? (*report)->totals.n_outputs : 0);
    double *errors = mem_alloc(n + 1, sizeof *errors);
    if (code == SIB_OK && !errors)
        code = err_memory(err, n * sizeof *errors, "errors of outputs");
    if (code == SIB_OK && p->options.n_sets) {
        code = quant_compare(p, m, outputs, errors, err);
        for (size_t i = 0; i < n && code == SIB_OK; i++)
            (*report)->outputs[i].error = errors[i];
    }
    mem_free(errors);
    return code;
}

sib_code sib_model_quantize(sib_model *m, const sib_quantize_options *options, sib_quantize_report **report,
                            sib_error *err)
{
    if (report)
        *report = NULL;
    if (!m)
        return err_set(err, SIB_ERR_ARGUMENT, "the model is NULL");
    if (atomic_load(&m->references) > 1)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "a session holds the model: quantize it before creating sessions");
    quant_plan p = {.model = m->onnx};
    if (options)
        p.options = *options;
    sib_code code = read_options(&p.options, err);
    if (code != SIB_OK)
        return code;
    sib_quantize_report *made = NULL;
    size_t n_outputs = m->onnx->graph->outputs.n * p.options.n_sets;
    sib_value **outputs = mem_calloc(n_outputs + 1, sizeof(sib_value *));
    code = outputs ? change(&p, m, outputs, &made, err)
                   : err_memory(err, n_outputs * sizeof *outputs, "outputs of calibration");
    for (size_t i = 0; outputs && i < n_outputs; i++)
        sib_value_free(&outputs[i]);
    mem_free(outputs);
    quant_end(&p);
    if (code == SIB_OK && report) {
        *report = made;
        made = NULL;
    }
    sib_quantize_report_free(&made);
    return code;
}
