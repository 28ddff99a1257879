#include "job/call/count.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

#include <string.h>

/* ---- The plan ------------------------------------------------------------------------------------------ */

static bool find_input(const sib_model *m, const char *name, sib_value_info *out)
{
    for (size_t i = 0; sib_model_input(m, i, out); i++)
        if (!strcmp(out->name, name))
            return true;
    return false;
}

sib_code call_counts_open(call_plan *p, const sib_model *whole, sib_error *err)
{
    const job_count *c = &p->call->count;
    sib_value_info info;
    if (!(p->counts = mem_calloc(c->n + 1, sizeof *p->counts)))
        return err_memory(err, c->n * sizeof *p->counts, "counted inputs");
    for (size_t i = 0; i < c->n; i++)
        if (find_input(p->model, c->items[i].input, &info))
            p->counts[p->n_counts++] = (call_counted){c->items[i].kind, info};
        else if (!find_input(whole, c->items[i].input, &info)) /* else the part does without it */
            return err_set(err, SIB_ERR_FORMAT, "job '%s': /calls/%s/count: the model has no input '%s'",
                           p->d->name, p->call->name, c->items[i].input);
    return SIB_OK;
}

/* ---- Runs ---------------------------------------------------------------------------------------------- */

sib_code call_count_begin(call_count *c, const call_plan *p, sib_error *err)
{
    c->made = mem_calloc(p->n_counts + 1, sizeof *c->made);
    return c->made ? SIB_OK : err_memory(err, p->n_counts * sizeof *c->made, "counted inputs");
}

static sib_code add_ids(call_count *c, const int32_t *ids, size_t n, sib_error *err)
{
    sib_code code = ARRAY_RESERVE(c->ids, c->capacity, c->n + n, "tokens", err);
    if (code == SIB_OK && n)
        memcpy(c->ids + c->n, ids, n * sizeof *ids);
    c->n += code == SIB_OK ? n : 0;
    return code;
}

sib_code call_count_join(call_count *c, const sib_port_value *v, sib_port_value *out, sib_error *err)
{
    sib_tensor *ids = NULL;
    const bool tensor = v->type == SIB_PORT_TENSOR; /* as which ports of nodes take tokens */
    if (!tensor && v->type != SIB_PORT_TOKENS)
        return err_set(err, SIB_ERR_ARGUMENT, "a port with a history takes tokens alone");
    sib_code code = tensor ? sib_tensor_convert(v->tensor, SIB_I32, SIB_OVERFLOW_IEEE, &ids, err) : SIB_OK;
    if (code == SIB_OK)
        code = tensor ? add_ids(c, sib_tensor_data(ids), (size_t)sib_tensor_count(ids), err)
                      : add_ids(c, v->tokens.ids, v->tokens.n, err);
    sib_tensor_free(&ids);
    *out = (sib_port_value){.type = SIB_PORT_TOKENS, .tokens = {c->ids, c->n}};
    return code;
}

/* (n) numbers from `first` on, `by` apart, of the input's type along its last axis. */
static sib_code numbers(const sib_value_info *like, size_t n, int64_t first, int64_t by, sib_value **out,
                        sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    const size_t rank = like->ranked ? like->rank : 1, size = sib_dtype_bits(like->dtype) / 8;
    sib_tensor *t;
    for (size_t i = 0; i < rank; i++)
        dims[i] = i + 1 == rank ? (int64_t)n : 1;
    if ((rank == 0 && n != 1) || like->dtype == SIB_STRING || !size)
        return err_set(err, SIB_ERR_ARGUMENT, "input '%s' takes no %zu integers", like->name, n);
    sib_code code = sib_tensor_create(like->dtype, rank, dims, &t, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const int64_t number = first + (int64_t)i * by;
        code = sib_convert(SIB_I64, &number, like->dtype, (char *)sib_tensor_data(t) + i * size, 1,
                           SIB_OVERFLOW_IEEE, err);
    }
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

sib_code call_count_feed(call_count *c, const call_plan *p, sib_value *const *given, size_t *n,
                         sib_named_value *feeds, sib_error *err)
{
    if (!p->call->count.of)
        return SIB_OK;
    const sib_tensor *t = given[p->count_of] ? sib_value_tensor(given[p->count_of]) : NULL;
    const size_t rank = t ? sib_tensor_rank(t) : 0;
    if (!rank)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "job '%s', call '%s', port '%s': it is counted, and has no tokens", p->d->name,
                       p->call->name, p->call->count.of);
    c->step = (size_t)sib_tensor_dims(t)[rank - 1];
    const size_t all = c->before + c->step;
    const int64_t before = (int64_t)c->before, total = (int64_t)all;
    const struct {
        size_t n;
        int64_t first, by;
    } kinds[JOB_COUNT_KINDS] = {[JOB_COUNT_ONES] = {all, 1, 0},
                                [JOB_COUNT_ZEROS] = {c->step, 0, 0},
                                [JOB_COUNT_POSITIONS] = {c->step, before, 1},
                                [JOB_COUNT_BEFORE] = {1, before, 0},
                                [JOB_COUNT_ALL] = {1, total, 0},
                                [JOB_COUNT_LAST] = {1, total - 1, 0},
                                [JOB_COUNT_BEGUN] = {1, before > 0, 0}};
    sib_code code = SIB_OK;
    for (size_t i = 0; i < p->n_counts && code == SIB_OK; i++) {
        const call_counted *k = &p->counts[i];
        sib_value_free(&c->made[i]);
        code = numbers(&k->info, kinds[k->kind].n, kinds[k->kind].first, kinds[k->kind].by, &c->made[i], err);
        if (code == SIB_OK)
            feeds[(*n)++] = (sib_named_value){k->info.name, c->made[i]};
    }
    return code;
}

void call_count_step(call_count *c, const call_plan *p)
{
    c->before += p->call->count.history ? 0 : c->step;
}

void call_count_reset(call_count *c)
{
    c->before = c->n = 0;
}

void call_count_end(call_count *c, const call_plan *p)
{
    for (size_t i = 0; c->made && i < p->n_counts; i++)
        sib_value_free(&c->made[i]);
    mem_free(c->made);
    mem_free(c->ids);
}
