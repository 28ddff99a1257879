#include "model/compare_runs.h"

#include "messages.h"

#include <stdlib.h>
#include <string.h>

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

static void set_dims(difference *d, const sib_value *v)
{
    const sib_tensor *t = sib_value_tensor(v);
    d->rank = t ? sib_tensor_rank(t) : 0;
    for (size_t i = 0; i < d->rank; i++)
        d->dims[i] = sib_tensor_dims(t)[i];
}

static void add(comparison *c, const recorded *b, const sib_value *a, const sib_tolerance *tolerance)
{
    sib_error err = SIB_ERROR_INIT;
    difference *d = &c->items[c->n++];
    sib_value *narrow = rounded(a, b->value, 0);
    *d = (difference){.name = b->name, .node = b->node, .op_type = b->op_type, .milli = b->milli};
    set_dims(d, b->value);
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

bool compare_with_dump(const dump *a, const recording *b, const sib_tolerance *tolerance, comparison *out)
{
    bool ok = true;
    *out = (comparison){.items = cli_alloc(b->n + 1, sizeof *out->items)};
    for (size_t i = 0; i < b->n && ok; i++) {
        sib_value *v;
        ok = dump_value(a, b->items[i].name, &v);
        if (v)
            add(out, &b->items[i], v, tolerance);
        sib_value_free(&v);
    }
    return ok;
}

void comparison_of_nodes(const sib_diff *d, comparison *out)
{
    size_t n = 0;
    sib_diff_row r;
    while (sib_diff_get(d, n, &r))
        n++;
    *out = (comparison){.items = cli_alloc(n + 1, sizeof *out->items), .by_node = true};
    for (; sib_diff_get(d, out->n, &r); out->n++) {
        difference *x = &out->items[out->n];
        *x = (difference){.name = r.name,
                          .node = r.node,
                          .op_type = r.op_type,
                          .compared = !r.problem,
                          .figures = r.figures,
                          .judged = r};
        set_dims(x, r.theirs);
        snprintf(x->why, sizeof x->why, "%s", r.problem ? r.problem : "");
        out->n_different += r.differs;
        if (r.differs && !out->first)
            out->first = x;
    }
}

void comparison_free(comparison *c)
{
    free(c->items);
    *c = (comparison){0};
}

/* ---- As text ---- */

/* "element [0, 3, 7]", or its number where the value is no tensor of several axes. Returns text. */
static const char *index_text(const difference *d, uint64_t index, char text[256])
{
    int64_t at[SIB_MAX_RANK] = {0};
    size_t length = 0;
    for (size_t i = d->rank; i-- > 0; index /= (uint64_t)d->dims[i])
        at[i] = (int64_t)(index % (uint64_t)d->dims[i]);
    for (size_t i = 0; i < d->rank && length < 200; i++)
        length += (size_t)snprintf(text + length, 256 - length, "%s%lld", i ? ", " : "[", (long long)at[i]);
    snprintf(text + length, 256 - length, d->rank ? "]" : "%llu", (unsigned long long)index);
    return text;
}

static void show_head(const comparison *c)
{
    if (c->by_node)
        printf("%-6s %-10s %-11s %-10s %-10s %-9s ", "", "max abs", "relative L2", "rounding", "times",
               "elements");
    else
        printf("%-6s %-12s %-12s %-10s ", "", "max abs", "max rel", "max ULP");
    printf("%-18s %s\n", "operator", "value");
}

static void show_one(const comparison *c, const difference *d)
{
    const sib_diff_row *j = &d->judged;
    printf("%-6s ", d->compared && d->figures.equal ? "same" : "DIFF");
    if (!d->compared)
        printf(c->by_node ? "%-10s %-11s %-10s %-10s %-9s " : "%-12s %-12s %-10s ", "-", "-", "-", "-", "-");
    else if (c->by_node)
        printf("%-10.4g %-11.3g %-10.3g %-10.3g %-9llu ", d->figures.max_abs, j->error, j->noise, j->excess,
               (unsigned long long)d->figures.n_different);
    else
        printf("%-12.4g %-12.4g %-10llu ", d->figures.max_abs, d->figures.max_rel,
               (unsigned long long)d->figures.max_ulp);
    printf("%-18s %s%s%s\n", d->op_type, d->name, d->compared ? "" : ": ", d->why);
}

/* What is known of the first value that differs, a line a kind. */
static void show_figures(const difference *d)
{
    const sib_diff_row *j = &d->judged;
    static const char *const distances[] = {"at 0",     "at 1",      "up to 4",    "up to 16",
                                            "up to 64", "up to 256", "up to 4096", "beyond 4096"};
    printf("  %llu of %llu elements differ by more than rounding explains (%.3g times as much at most), "
           "cosine %.9g",
           (unsigned long long)d->figures.n_different, (unsigned long long)d->figures.count, j->excess,
           j->cosine);
    if (j->n_nan_ours || j->n_nan_theirs)
        printf(", NaN: %llu here, %llu expected", (unsigned long long)j->n_nan_ours,
               (unsigned long long)j->n_nan_theirs);
    for (size_t i = 0, shown = 0; i < SIB_DIFF_DISTANCES; i++)
        if (j->distances[i])
            printf("%s%llu %s", shown++ ? ", " : "\n  elements by distance in representable numbers: ",
                   (unsigned long long)j->distances[i], distances[i]);
    printf("\n");
}

void comparison_show(const comparison *c, bool all)
{
    char first[256], worst[256];
    if (all ? c->n : c->n_different)
        show_head(c);
    for (size_t i = 0; i < c->n; i++)
        if (all || !c->items[i].compared || !c->items[i].figures.equal)
            show_one(c, &c->items[i]);
    if (c->first) {
        const difference *d = c->first;
        printf("first value that leaves tolerance: '%s' of node '%s' (%s)", d->name, d->node, d->op_type);
        if (d->compared && d->figures.first != UINT64_MAX)
            printf(": element %s is %.9g, expected %.9g; the worst, element %s, is %.9g, expected %.9g\n",
                   index_text(d, d->figures.first, first), d->figures.first_a, d->figures.first_b,
                   index_text(d, d->figures.worst, worst), d->figures.worst_a, d->figures.worst_b);
        else
            printf(": %s\n", d->compared ? "all elements together" : d->why);
        if (d->compared && c->by_node)
            show_figures(d);
    }
    printf("%zu values compared, %zu differ\n", c->n, c->n_different);
}

/* ---- As JSON ---- */

static json_t *index_json(const difference *d, uint64_t index)
{
    json_t *list = json_array();
    for (size_t i = d->rank; i-- > 0; index /= (uint64_t)d->dims[i])
        json_array_insert_new(list, 0, json_integer((json_int_t)(index % (uint64_t)d->dims[i])));
    return list;
}

static json_t *judged_json(const sib_diff_row *j)
{
    json_t *distances = json_array();
    for (size_t i = 0; i < SIB_DIFF_DISTANCES; i++)
        json_array_append_new(distances, json_integer((json_int_t)j->distances[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "relative_l2", cli_json_value(j->error),
                     "rounding", cli_json_value(j->noise), "times", cli_json_value(j->excess), "cosine",
                     cli_json_value(j->cosine), "elements", (json_int_t)j->figures.n_different, "nan",
                     (json_int_t)j->n_nan_ours, "nan_expected", (json_int_t)j->n_nan_theirs, "ulp_counts",
                     distances);
}

static json_t *difference_json(const comparison *c, const difference *d)
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
    if (d->compared && c->by_node)
        json_object_update_new(o, judged_json(&d->judged));
    if (d->compared && !d->figures.equal && d->rank && d->figures.first != UINT64_MAX)
        json_object_update_new(o, json_pack("{s:o, s:o}", "first_index", index_json(d, d->figures.first),
                                            "worst_index", index_json(d, d->figures.worst)));
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
            json_array_append_new(list, difference_json(c, &c->items[i]));
    return json_pack("{s:o, s:I, s:I, s:o}", "values", list, "compared", (json_int_t)c->n, "different",
                     (json_int_t)c->n_different, "first",
                     c->first ? cli_json_text(c->first->name) : json_null());
}
