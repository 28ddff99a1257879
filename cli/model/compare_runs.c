#include "model/compare_runs.h"

#include "files.h"
#include "messages.h"
#include "model/model_inputs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns t rounded to the dtype of `like` if t is float64 and `like` a narrower float, else NULL. */
static sib_tensor *rounded_tensor(const sib_tensor *t, const sib_tensor *like)
{
    sib_tensor *out = NULL;
    if (t && like && sib_tensor_dtype(t) == SIB_F64 &&
        sib_dtype_get_kind(sib_tensor_dtype(like)) == SIB_KIND_FLOAT && sib_tensor_dtype(like) != SIB_F64)
        sib_tensor_convert(t, sib_tensor_dtype(like), SIB_OVERFLOW_IEEE, &out, NULL);
    return out;
}

/* Returns a with its float64 rounded to the narrower floats of b: tensors, values of maps, items of sequences
   and optionals. NULL if there is nothing to round or memory runs out. */
static sib_value *rounded(const sib_value *a, const sib_value *b, int depth)
{
    sib_value *v = NULL;
    size_t n = sib_value_count(a);
    if (sib_value_get_kind(a) != sib_value_get_kind(b) || depth > 4 || n != sib_value_count(b))
        return NULL;
    bool map = sib_value_get_kind(a) == SIB_VALUE_MAP;
    sib_tensor *t = map ? rounded_tensor(sib_value_values(a), sib_value_values(b))
                        : rounded_tensor(sib_value_tensor(a), sib_value_tensor(b));
    if (t && map)
        sib_value_map(sib_value_keys(a), t, &v, NULL);
    else if (t)
        sib_value_from_tensor(t, &v, NULL);
    sib_tensor_free(&t);
    if (v || !n)
        return v;
    sib_value **items = cli_alloc(n, sizeof *items);
    for (size_t i = 0; i < n; i++) {
        items[i] = rounded(sib_value_item(a, i), sib_value_item(b, i), depth + 1);
        if (!items[i])
            sib_value_copy(sib_value_item(a, i), &items[i], NULL);
    }
    if (sib_value_get_kind(a) == SIB_VALUE_SEQUENCE)
        sib_value_sequence(n, (const sib_value *const *)items, &v, NULL);
    else
        sib_value_optional(items[0], &v, NULL);
    for (size_t i = 0; i < n; i++)
        sib_value_free(&items[i]);
    free(items);
    return v;
}

static void add(comparison *c, const recorded *b, const sib_value *a, const sib_tolerance *tolerance)
{
    sib_error err = SIB_ERROR_INIT;
    difference *d = &c->items[c->n++];
    sib_value *narrow = rounded(a, b->value, 0);
    *d = (difference){.name = b->name, .node = b->node, .op_type = b->op_type, .milli = b->milli};
    d->compared = sib_value_compare(b->value, narrow ? narrow : a, tolerance, &d->figures, &err) == SIB_OK;
    if (!d->compared)
        snprintf(d->why, sizeof d->why, "%s", err.message);
    bool differs = !d->compared || !d->figures.equal;
    c->n_different += differs;
    if (differs && !c->first)
        c->first = d;
    sib_value_free(&narrow);
}

void compare_recordings(const recording *a, const recording *b, const sib_tolerance *tolerance,
                        comparison *out)
{
    *out = (comparison){.items = cli_alloc(b->n + 1, sizeof *out->items)};
    for (size_t i = 0; i < b->n; i++) {
        const recorded *other = recording_find(a, b->items[i].name);
        if (other)
            add(out, &b->items[i], other->value, tolerance);
    }
}

void compare_with_folder(const char *folder, const recording *b, const sib_tolerance *tolerance,
                         comparison *out)
{
    *out = (comparison){.items = cli_alloc(b->n + 1, sizeof *out->items)};
    for (size_t i = 0; i < b->n; i++) {
        char *plain = cli_format("%s/%s.npy", folder, b->items[i].name),
             *stem = value_file_name(b->items[i].name);
        char *safe = cli_format("%s/%s.npy", folder, stem);
        const char *path = access(plain, R_OK) == 0 ? plain : access(safe, R_OK) == 0 ? safe : NULL;
        sib_tensor *t = NULL;
        sib_value *v = NULL;
        sib_error err = SIB_ERROR_INIT;
        if (path && sib_npy_load(path, &t, &err) == SIB_OK && sib_value_from_tensor(t, &v, &err) == SIB_OK)
            add(out, &b->items[i], v, tolerance);
        else if (path)
            cli_fail("%s", err.message);
        sib_value_free(&v);
        sib_tensor_free(&t);
        free(plain);
        free(stem);
        free(safe);
    }
}

void comparison_free(comparison *c)
{
    free(c->items);
    *c = (comparison){0};
}

static void show_one(const difference *d)
{
    if (d->compared)
        printf("%-6s %-12.4g %-12.4g %-10llu %-18s %s\n", d->figures.equal ? "same" : "DIFF",
               d->figures.max_abs, d->figures.max_rel, (unsigned long long)d->figures.max_ulp, d->op_type,
               d->name);
    else
        printf("%-6s %-12s %-12s %-10s %-18s %s: %s\n", "DIFF", "-", "-", "-", d->op_type, d->name, d->why);
}

void comparison_show(const comparison *c, bool all)
{
    if (all ? c->n : c->n_different)
        printf("%-6s %-12s %-12s %-10s %-18s %s\n", "", "max abs", "max rel", "max ULP", "operator", "value");
    for (size_t i = 0; i < c->n; i++)
        if (all || !c->items[i].compared || !c->items[i].figures.equal)
            show_one(&c->items[i]);
    if (c->first) {
        const difference *d = c->first;
        printf("first value that leaves tolerance: '%s' of node '%s' (%s)", d->name, d->node, d->op_type);
        if (d->compared)
            printf(": element %llu is %.9g, expected %.9g; the worst, element %llu, is %.9g, expected %.9g\n",
                   (unsigned long long)d->figures.first, d->figures.first_a, d->figures.first_b,
                   (unsigned long long)d->figures.worst, d->figures.worst_a, d->figures.worst_b);
        else
            printf(": %s\n", d->why);
    }
    printf("%zu values compared, %zu differ\n", c->n, c->n_different);
}

static json_t *difference_json(const difference *d)
{
    json_t *o = json_pack("{s:o, s:o, s:o, s:b, s:b}", "name", cli_json_text(d->name), "node",
                          cli_json_text(d->node), "operator", cli_json_text(d->op_type), "milli", d->milli,
                          "equal", d->compared && d->figures.equal);
    if (!d->compared)
        json_object_set_new(o, "why", cli_json_text(d->why));
    else
        json_object_update_new(o, json_pack("{s:o, s:o, s:I}", "max_abs", cli_json_value(d->figures.max_abs),
                                            "max_rel", cli_json_value(d->figures.max_rel), "max_ulp",
                                            (json_int_t)d->figures.max_ulp));
    if (d->compared && !d->figures.equal)
        json_object_update_new(
            o, json_pack("{s:I, s:o, s:o, s:I, s:o, s:o}", "first", (json_int_t)d->figures.first, "first_is",
                         cli_json_value(d->figures.first_a), "first_expected",
                         cli_json_value(d->figures.first_b), "worst", (json_int_t)d->figures.worst,
                         "worst_is", cli_json_value(d->figures.worst_a), "worst_expected",
                         cli_json_value(d->figures.worst_b)));
    return o;
}

json_t *comparison_json(const comparison *c, bool all)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->n; i++)
        if (all || !c->items[i].compared || !c->items[i].figures.equal)
            json_array_append_new(list, difference_json(&c->items[i]));
    return json_pack("{s:o, s:I, s:I, s:o}", "values", list, "compared", (json_int_t)c->n, "different",
                     (json_int_t)c->n_different, "first",
                     c->first ? cli_json_text(c->first->name) : json_null());
}
