#include "server/http/state.h"
#include "server/runs/compare_values.h"
#include "server/values/json.h"

#include <stdlib.h>

/* Values of the reference by name; those that were rounded for it are owned. */
typedef struct references {
    size_t n;
    sib_named_value *items; /* (n) */
    sib_value **rounded;    /* (n) */
} references;

static void free_references(references *all)
{
    for (size_t i = 0; i < all->n; i++)
        sib_value_free(&all->rounded[i]);
    free(all->items);
    free(all->rounded);
}

static void add(references *all, const char *name, const sib_value *value, sib_dtype dtype)
{
    sib_value *narrow = rounded_value(value, dtype);
    all->rounded[all->n] = narrow;
    all->items[all->n++] = (sib_named_value){name, narrow ? narrow : value};
}

/* What is known of the values of the main graph: of inputs also what r kept. */
static sib_code find_references(const sib_model *m, value_list a, value_list b, references *out,
                                sib_error *err)
{
    sib_model_info info;
    sib_value_info v;
    sib_model_get_info(m, &info);
    *out = (references){.items = calloc(info.n_values + 1, sizeof *out->items),
                        .rounded = calloc(info.n_values + 1, sizeof *out->rounded)};
    json_t *of_a = numbers_by_name(a), *of_b = numbers_by_name(b);
    const bool room = out->items && out->rounded && of_a && of_b;
    sib_code code = room ? SIB_OK : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    for (size_t i = 0; room && sib_graph_value(sib_model_graph(m, 0), i, &v); i++) {
        bool made = v.producer != SIB_NONE, weight = v.constant && !made;
        const run_value *found = weight || !v.name ? NULL : value_named(b, of_b, v.name);
        if (!found && !made && !weight && v.name)
            found = value_named(a, of_a, v.name);
        if (found)
            add(out, v.name, found->value, v.dtype);
    }
    for (size_t i = 0; code == SIB_OK && sib_model_input(m, i, &v); i++)
        if (!v.initializer && !value_named(b, of_b, v.name) && !value_named(a, of_a, v.name))
            code = server_fail(err, SIB_ERR_ARGUMENT,
                               "neither side has the input '%.80s', which nodes need: keep it, with "
                               "\"keep\": [\"*\"]",
                               v.name);
    json_decref(of_a);
    json_decref(of_b);
    return code;
}

static json_t *row_json(const sib_diff_row *d)
{
    json_t *row = json_pack("{s:o, s:o, s:o, s:b, s:b, s:o}", "name", text_json(d->name, MAX_NAME), "node",
                            text_json(d->node, MAX_NAME), "op_type", text_json(d->op_type, MAX_NAME), "milli",
                            false, "within", !d->differs, "why", text_or_null(d->problem, MAX_NAME));
    if (d->problem)
        return row;
    json_object_update_new(row, figures_json(&d->figures, sib_value_tensor(d->theirs)));
    json_object_update_new(row, json_pack("{s:o, s:o, s:o}", "relative_l2", real_json(d->error), "rounding",
                                          real_json(d->noise), "times", real_json(d->excess)));
    return row;
}

sib_code rows_by_node(const run *r, value_list b, double factor, const sib_cancel *cancel, json_t **rows,
                      sib_error *err)
{
    const sib_server_options *own = &r->server->options;
    const sib_model *m = served_model(r->model, r->call);
    const sib_diff_options how = {.backends = r->backends ? r->backends : own->backends,
                                  .threads = own->threads,
                                  .factor = factor,
                                  .cancel = cancel};
    sib_diff *d = NULL;
    sib_diff_row row;
    references theirs = {0};
    sib_code code = find_references(m, (value_list){r->n_values, r->values}, b, &theirs, err);
    if (code == SIB_OK) /* it keeps the model, whose pointer is the job's, and changes nothing in it */
        code = sib_diff_create((sib_model *)(uintptr_t)m, theirs.n, theirs.items, &how, &d, err);
    *rows = code == SIB_OK ? json_array() : NULL;
    for (size_t i = 0; code == SIB_OK && sib_diff_get(d, i, &row); i++)
        json_array_append_new(*rows, row_json(&row));
    sib_diff_free(&d);
    free_references(&theirs);
    return code;
}
