/* Every node of a model run on the values of another run, and judged by what rounding explains. */
#include "diff/judge.h"

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/names.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MOVED 4096 /* elements of a constant that is moved, too: scales and biases, not what is large */

/* A value of the other run, or a constant of the model. */
typedef struct given {
    const char *name; /* the model's */
    const sib_value *value;
    uint32_t number, producer;
} given;

typedef struct row {
    sib_diff_row result;
    bool defined;
    char problem[PROBLEM_SIZE];
} row;

struct sib_diff {
    sib_model *model; /* a reference */
    size_t n;
    row *rows; /* (n) */
};

/* What the runs need. */
typedef struct work {
    sib_diff *d;
    const sib_diff_options *options;
    size_t n, n_constants;
    given *given;          /* (n, then n_constants) */
    name_map names;        /* of all given */
    sib_model *apart;      /* nodes on given values */
    sib_model *all_moving; /* the same with constants given */
} work;

void sib_diff_free(sib_diff **d)
{
    if (!d || !*d)
        return;
    mem_free((*d)->rows);
    sib_model_free(&(*d)->model);
    mem_free(*d);
    *d = NULL;
}

/* ---- Values ---------------------------------------------------------------------------------------------
   */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const given *)a)->name, ((const given *)b)->name);
}

static int by_order(const void *a, const void *b)
{
    const given *x = a, *y = b;
    if (x->producer != y->producer) /* none, as of inputs, is the largest number */
        return x->producer < y->producer ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static bool moves(const sib_value_info *v)
{
    return v->name && v->name[0] && v->initializer && v->constant && v->producer == SIB_NONE &&
           sib_dtype_get_kind(v->dtype) == SIB_KIND_FLOAT && sib_tensor_count(v->constant) <= MAX_MOVED;
}

/* Numbers the values, finds the constants, and brings the values into the order of the graph. */
static sib_code find_values(work *w, sib_error *err)
{
    const sib_graph *g = sib_model_graph(w->d->model, 0);
    sib_code code = SIB_OK;
    sib_value_info v;
    qsort(w->given, w->n, sizeof *w->given, by_name);
    for (size_t i = 1; i < w->n; i++)
        if (!strcmp(w->given[i].name, w->given[i - 1].name))
            return err_set(err, SIB_ERR_ARGUMENT, "value '%s' is given twice", w->given[i].name);
    for (uint32_t i = 0; sib_graph_value(g, i, &v) && code == SIB_OK; i++) {
        given key = {.name = v.name ? v.name : ""}, *found;
        if (!key.name[0])
            continue;
        found = bsearch(&key, w->given, w->n, sizeof key, by_name);
        if (found) {
            found->name = v.name;
            found->number = i;
            found->producer = v.producer;
        } else if (moves(&v)) {
            sib_value *constant = NULL;
            code = sib_value_from_tensor(v.constant, &constant, err);
            if (code == SIB_OK)
                w->given[w->n + w->n_constants++] = (given){v.name, constant, i, SIB_NONE};
        }
    }
    for (size_t i = 0; i < w->n && code == SIB_OK; i++)
        if (w->given[i].number == SIB_NONE)
            code = err_set(err, SIB_ERR_ARGUMENT, "the model has no value '%s'", w->given[i].name);
    qsort(w->given, w->n, sizeof *w->given, by_order);
    return code;
}

/* Below opset 12 nothing says what the mask of a Dropout is that drops nothing. */
static bool is_defined(const sib_node_info *n, uint32_t value)
{
    return strcmp(n->type, "Dropout") != 0 || n->version >= 12 || value == n->outputs[0];
}

static sib_code name_values(work *w, sib_error *err)
{
    for (size_t i = 0; i < w->n + w->n_constants; i++)
        if (!name_map_put(&w->names, str_of(w->given[i].name), (uint32_t)i))
            return err_memory(err, (w->n + w->n_constants) * sizeof(name_entry), "names of values");
    return SIB_OK;
}

static sib_code add_rows(work *w, sib_error *err)
{
    const sib_graph *g = sib_model_graph(w->d->model, 0);
    sib_diff *d = w->d;
    d->rows = mem_calloc(w->n + 1, sizeof *d->rows);
    if (!d->rows)
        return err_memory(err, w->n * sizeof *d->rows, "values to compare");
    for (size_t i = 0; i < w->n && w->given[i].producer != SIB_NONE; i++) {
        sib_node_info node = {.name = NULL};
        sib_graph_node(g, w->given[i].producer, &node);
        d->rows[d->n++] = (row){.result = {.name = w->given[i].name,
                                           .node = node.name ? node.name : "",
                                           .op_type = node.type,
                                           .theirs = w->given[i].value},
                                .defined = is_defined(&node, w->given[i].number)};
    }
    return d->n ? SIB_OK : err_set(err, SIB_ERR_ARGUMENT, "no node makes any of the %zu values", w->n);
}

static sib_code make_apart(const work *w, size_t n, sib_model **out, sib_error *err)
{
    const char **names = mem_alloc(n, sizeof *names);
    if (!names)
        return err_memory(err, n * sizeof *names, "names of values");
    for (size_t i = 0; i < n; i++)
        names[i] = w->given[i].name;
    sib_code code = sib_model_apart(w->d->model, names, n, out, err);
    mem_free(names);
    return code;
}

/* ---- Runs -----------------------------------------------------------------------------------------------
   */

/* How the nodes are run. */
typedef struct way {
    const char *backends;
    bool oracle;
    bool moved;
    movement move;
    uint64_t seed; /* differs, so that random operators differ */
} way;

/* Runs a part, whose inputs are values of ours. out: (as many as outputs) */
static sib_code run_part(const work *w, sib_model *part, const way *how, sib_value **out, sib_error *err)
{
    sib_model_info info;
    sib_model_get_info(part, &info);
    sib_named_value *in = mem_calloc(info.n_inputs + 1, sizeof *in);
    sib_value **moved = mem_calloc(info.n_inputs + 1, sizeof *moved);
    sib_session *s = NULL;
    size_t n = 0;
    sib_code code =
        in && moved ? SIB_OK : err_memory(err, (info.n_inputs + 1) * sizeof *in, "inputs of nodes");
    sib_value_info v;
    for (size_t i = 0; code == SIB_OK && sib_model_input(part, i, &v); i++) {
        uint32_t at;
        if (!name_map_find(&w->names, str_of(v.name), &at))
            continue; /* the session says what is missing */
        const given *x = &w->given[at];
        if (how->moved)
            code = move_value(x->value, how->move, x->number, &moved[n], err);
        in[n] = (sib_named_value){x->name, how->moved ? moved[n] : x->value};
        n++;
    }
    const sib_session_options o = {.backends = how->backends,
                                   .threads = w->options->threads,
                                   .oracle = how->oracle,
                                   .passes = how->oracle ? NULL : "-all",
                                   .seed = how->seed};
    const sib_run_options run = {.cancel = w->options->cancel};
    if (code == SIB_OK)
        code = sib_session_create(part, &o, &s, err);
    if (code == SIB_OK)
        code = sib_session_run(s, n, in, 0, NULL, out, &run, err);
    sib_session_free(&s);
    for (size_t i = 0; i < n; i++)
        sib_value_free(&moved[i]);
    mem_free(moved);
    mem_free(in);
    return code;
}

/* The part of `all` that makes rows from..to. */
static sib_code cut_part(const work *w, sib_model *all, size_t from, size_t to, sib_model **out,
                         sib_error *err)
{
    const size_t n = to - from;
    if (!from && to == w->d->n) {
        *out = sib_model_keep(all);
        return SIB_OK;
    }
    const char **names = mem_calloc(n, sizeof *names);
    sib_value_info v;
    for (size_t i = 0; names && i < n && sib_model_output(all, from + i, &v); i++)
        names[i] = v.name;
    sib_code code = names ? sib_model_part(all, names, n, out, err)
                          : err_memory(err, n * sizeof *names, "names of values");
    mem_free(names);
    return code;
}

static void free_values(sib_value **values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sib_value_free(&values[i]);
}

/* What rounding may do to rows from..to, added to their judges. Samples that fail are left out. */
static sib_code add_noise(const work *w, size_t from, size_t to, judge *judges, sib_value **out,
                          sib_error *err)
{
    const way ref = {.backends = "ref", .seed = 1}, oracle = {.backends = "ref", .oracle = true, .seed = 2};
    sib_model *part = NULL;
    sib_error why = SIB_ERROR_INIT;
    const size_t n = to - from;
    sib_code code = cut_part(w, w->all_moving, from, to, &part, err);
    if (code != SIB_OK)
        return code;
    if (run_part(w, part, &oracle, out, &why) != SIB_OK) {
        sib_model_free(&part);
        code = cut_part(w, w->apart, from, to, &part, err);
        if (code != SIB_OK)
            return code;
        why = (sib_error)SIB_ERROR_INIT;
        if (run_part(w, part, &oracle, out, &why) != SIB_OK) {
            sib_model_free(&part);
            return cancel_is_set(w->options->cancel) ? err_set(err, why.code, "%s", why.message) : SIB_OK;
        }
    }
    for (size_t i = 0; i < n; i++)
        judge_exact(&judges[i], out[i]);
    free_values(out, n);
    for (int k = -1; k < MOVEMENTS && code == SIB_OK; k++) {
        const way moved = {
            .backends = "ref", .oracle = true, .moved = true, .move = (movement)k, .seed = 3 + (uint64_t)k};
        why = (sib_error)SIB_ERROR_INIT;
        if (run_part(w, part, k < 0 ? &ref : &moved, out, &why) == SIB_OK)
            for (size_t i = 0; i < n; i++)
                judge_sample(&judges[i], out[i]);
        else if (cancel_is_set(w->options->cancel))
            code = err_set(err, why.code, "%s", why.message);
        free_values(out, n);
    }
    sib_model_free(&part);
    return code;
}

static sib_code judge_rows(const work *w, size_t from, size_t to, sib_value **ours, sib_error *err)
{
    const size_t n = to - from;
    row *rows = w->d->rows + from;
    judge *judges = mem_calloc(n, sizeof *judges);
    sib_value **out = mem_calloc(n, sizeof *out);
    sib_code code = judges && out ? SIB_OK : err_memory(err, n * sizeof *judges, "what rounding explains");
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = judge_begin(&judges[i], rows[i].result.op_type, ours[i], rows[i].result.theirs, err);
    if (code == SIB_OK)
        code = add_noise(w, from, to, judges, out, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        if (rows[i].defined)
            code = judge_end(&judges[i], w->options->factor > 0 ? w->options->factor : 64, &rows[i].result,
                             rows[i].problem, err);
    for (size_t i = 0; judges && i < n; i++)
        judge_free(&judges[i]);
    mem_free(judges);
    mem_free(out);
    return code;
}

/* Rows from..to at once, or, where a node among them cannot be run, those before and behind it. */
static sib_code compare_rows(const work *w, size_t from, size_t to, sib_error *err)
{
    const way how = {.backends = w->options->backends};
    sib_model *part = NULL;
    sib_error why = SIB_ERROR_INIT;
    const size_t n = to - from, middle = from + n / 2;
    sib_value **ours = mem_calloc(n, sizeof *ours);
    sib_code code = ours ? cut_part(w, w->apart, from, to, &part, err)
                         : err_memory(err, n * sizeof *ours, "results of nodes");
    bool ran = false;
    if (code == SIB_OK) {
        code = run_part(w, part, &how, ours, &why);
        ran = code == SIB_OK;
        code = code == SIB_ERR_CANCELLED ? err_set(err, code, "%s", why.message) : SIB_OK;
    }
    sib_model_free(&part);
    if (ran)
        code = judge_rows(w, from, to, ours, err);
    else if (code == SIB_OK && n > 1) {
        code = compare_rows(w, from, middle, err);
        if (code == SIB_OK)
            code = compare_rows(w, middle, to, err);
    } else if (code == SIB_OK) {
        w->d->rows[from].result.differs = true;
        snprintf(w->d->rows[from].problem, PROBLEM_SIZE, "%s", why.message);
    }
    if (ours)
        free_values(ours, n);
    mem_free(ours);
    return code;
}

/* ---- Calls ----------------------------------------------------------------------------------------------
   */

/* A backend that is not there, or an operator that none of them has, is no matter of single nodes. */
static sib_code check_backends(const work *w, sib_error *err)
{
    sib_session *s = NULL;
    const sib_session_options o = {
        .backends = w->options->backends, .threads = w->options->threads, .passes = "-all"};
    sib_code code = sib_session_create(w->d->model, &o, &s, err);
    sib_session_free(&s);
    return code;
}

static sib_code compare_all(work *w, size_t n, const sib_named_value *values, sib_error *err)
{
    sib_model_info info;
    sib_model_get_info(w->d->model, &info);
    w->given = mem_calloc(n + info.n_values, sizeof *w->given);
    if (!w->given)
        return err_memory(err, (n + info.n_values) * sizeof *w->given, "values to compare");
    for (size_t i = 0; i < n; i++) {
        if (!values[i].name || !values[i].value)
            return err_set(err, SIB_ERR_ARGUMENT, "value %zu is NULL", i);
        w->given[i] = (given){values[i].name, values[i].value, SIB_NONE, SIB_NONE};
    }
    w->n = n;
    sib_code code = find_values(w, err);
    if (code == SIB_OK)
        code = name_values(w, err);
    if (code == SIB_OK)
        code = add_rows(w, err);
    if (code == SIB_OK)
        code = check_backends(w, err);
    if (code == SIB_OK)
        code = make_apart(w, w->n, &w->apart, err);
    if (code == SIB_OK)
        code = make_apart(w, w->n + w->n_constants, &w->all_moving, err);
    return code == SIB_OK ? compare_rows(w, 0, w->d->n, err) : code;
}

sib_code sib_diff_create(sib_model *m, size_t n, const sib_named_value *values,
                         const sib_diff_options *options, sib_diff **out, sib_error *err)
{
    static const sib_diff_options none = {0};
    if (!m || !out || (n && !values))
        return err_set(err, SIB_ERR_ARGUMENT, "the model, the values or out is NULL");
    *out = NULL;
    sib_diff *d = mem_calloc(1, sizeof *d);
    if (!d)
        return err_memory(err, sizeof *d, "a comparison");
    d->model = sib_model_keep(m);
    work w = {.d = d, .options = options ? options : &none};
    sib_code code = compare_all(&w, n, values, err);
    for (size_t i = 0; w.given && i < w.n_constants; i++) {
        sib_value *constant = (sib_value *)w.given[w.n + i].value;
        sib_value_free(&constant);
    }
    mem_free(w.given);
    name_map_clear(&w.names);
    sib_model_free(&w.apart);
    sib_model_free(&w.all_moving);
    if (code != SIB_OK)
        sib_diff_free(&d);
    *out = d;
    return code;
}

bool sib_diff_get(const sib_diff *d, size_t i, sib_diff_row *out)
{
    if (!d || i >= d->n)
        return false;
    *out = d->rows[i].result;
    out->problem = d->rows[i].problem[0] ? d->rows[i].problem : NULL;
    return true;
}
