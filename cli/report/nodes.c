/* The nodes of the graph with what a run showed of each, folded by the parts of their names. */
#include "model/inspect_parts.h"
#include "report/html.h"
#include "report/parts.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DOCUMENT 4500000 /* bytes, from which on nodes are left out */
#define MAX_IMAGES   3000000 /* bytes, from which on they have no images */
#define FLAT         40      /* nodes that are shown without folding */
#define GROUP        50      /* nodes of a group, where names have no parts */
#define MAX_DEPTH    16

typedef struct node_row {
    sib_node_info info;
    char *name;     /* "node12" where it has none, as profiles call it */
    double seconds; /* of all runs */
    size_t size;    /* bytes of the scope: "/encoder/layers.0/" of "/encoder/layers.0/Add" */
    const char *scope;
} node_row;

typedef struct rows {
    FILE *f;
    const report *r;
    node_row *items; /* (n) */
    size_t n, left_out;
    double all; /* seconds */
} rows;

/* ---- One node ---------------------------------------------------------------------------------------- */

static void put_time(const rows *s, double seconds)
{
    double share = s->all > 0 ? 100 * seconds / s->all : 0;
    fputs("<span class=\"time\">", s->f);
    if (seconds > 0) {
        fprintf(s->f, "<i style=\"width:%.1f%%\"></i>", share);
        html_seconds(s->f, seconds / (double)s->r->profile.runs);
    }
    fputs("</span>", s->f);
}

static void put_numbers(FILE *f, const sib_digest *d)
{
    if (d->min == d->min) /* there are finite elements */
        fprintf(f, "<span class=\"num\">%.4g … %.4g</span><span class=\"num\">%.4g ± %.3g</span>", d->min,
                d->max, d->mean, d->std);
    else
        fputs("<span></span><span></span>", f);
    uint64_t inf = d->n_plus_inf + d->n_minus_inf;
    fputs("<span>", f);
    if (d->n_nan)
        fprintf(f, "<b class=\"bad\">%llu NaN</b> ", (unsigned long long)d->n_nan);
    if (inf)
        fprintf(f, "<b class=\"bad\">%llu inf</b> ", (unsigned long long)inf);
    if (d->count && d->n_zero * 2 >= d->count)
        fprintf(f, "%.0f%% zero", 100 * (double)d->n_zero / (double)d->count);
    fputs("</span>", f);
}

static void put_error(FILE *f, const difference *d)
{
    if (!d)
        fputs("<span></span>", f);
    else if (!d->compared)
        fputs("<span class=\"bad\">not alike</span>", f);
    else
        fprintf(f, "<span class=\"%s\">%.2g</span>", d->figures.equal ? "num" : "num bad",
                d->figures.max_abs);
}

static void put_output(const rows *s, const sib_node_info *n, bool images)
{
    sib_value_info v = {.name = "", .type = ""};
    if (n->n_outputs && n->outputs[0] != SIB_NONE)
        sib_graph_value(s->r->graph, n->outputs[0], &v);
    const reported *value = report_value(s->r, v.name);
    fputs("<span class=\"type\">", s->f);
    html_text(s->f, value ? value->type : v.type ? v.type : "");
    fputs("</span>", s->f);
    if (!value) {
        fputs("<span></span><span></span><span></span><span></span>", s->f);
        return;
    }
    put_numbers(s->f, &value->digest);
    put_error(s->f, report_difference(s->r, v.name));
    fputs("<span class=\"images\">", s->f);
    if (images) {
        report_cells(s->f, &value->digest);
        report_histogram(s->f, &value->digest);
    }
    fputs("</span>", s->f);
}

static void put_node(rows *s, size_t i)
{
    const node_row *row = &s->items[i];
    long written = ftell(s->f);
    if (written > MAX_DOCUMENT) {
        s->left_out++;
        return;
    }
    char *type =
        row->info.version ? inspect_type(row->info.domain, row->info.type) : cli_format("%s", row->info.type);
    fprintf(s->f, "<div class=\"row\" id=\"n%zu\"><span class=\"name\"><b>", i);
    html_text(s->f, type);
    fputs("</b> ", s->f);
    html_text(s->f, row->name + row->size);
    fputs("</span>", s->f);
    put_time(s, row->seconds);
    put_output(s, &row->info, written < MAX_IMAGES);
    fputs("</div>\n", s->f);
    free(type);
}

/* ---- Folding ----------------------------------------------------------------------------------------- */

/* Part `depth` of a scope, such as "encoder"; *size 0 where it has fewer. */
static const char *part_of(const node_row *row, int depth, size_t *size)
{
    const char *at = row->scope, *end = at + row->size;
    for (int d = 0;; d++) {
        while (at < end && *at == '/')
            at++;
        const char *slash = memchr(at, '/', (size_t)(end - at));
        *size = slash ? (size_t)(slash - at) : 0;
        if (!slash || d == depth)
            return at;
        at = slash;
    }
}

static bool same_part(const node_row *a, const node_row *b, int depth)
{
    size_t n, m;
    const char *x = part_of(a, depth, &n), *y = part_of(b, depth, &m);
    return n && n == m && !memcmp(x, y, n);
}

static void put_range(rows *s, size_t begin, size_t end, int depth);

static void put_group(rows *s, size_t begin, size_t end, const char *name, size_t size, int depth)
{
    double seconds = 0;
    for (size_t i = begin; i < end; i++)
        seconds += s->items[i].seconds;
    char *text = cli_format("%.*s", (int)size, name);
    fprintf(s->f, "<details%s><summary><span class=\"name\"><b>", s->n <= FLAT ? " open" : "");
    html_text(s->f, text);
    fprintf(s->f, "</b> %zu nodes</span>", end - begin);
    put_time(s, seconds);
    fputs("</summary>\n", s->f);
    put_range(s, begin, end, depth);
    fputs("</details>\n", s->f);
    free(text);
}

/* Nodes begin to end - 1, whose scopes are the same up to `depth`. */
static void put_range(rows *s, size_t begin, size_t end, int depth)
{
    for (size_t i = begin, j; i < end; i = j) {
        size_t size;
        const char *name = part_of(&s->items[i], depth, &size);
        for (j = i + 1; j < end && same_part(&s->items[i], &s->items[j], depth);)
            j++;
        if (size && j - i > 1 && depth < MAX_DEPTH)
            put_group(s, i, j, name, size, depth + 1);
        else
            for (size_t k = i; k < j; k++)
                put_node(s, k);
    }
}

/* Without scopes: groups of equal size. */
static void put_groups(rows *s)
{
    for (size_t i = 0; i < s->n; i += GROUP) {
        size_t end = s->n - i < GROUP ? s->n : i + GROUP;
        char *name = cli_format("nodes %zu to %zu", i, end - 1);
        put_group(s, i, end, name, strlen(name), MAX_DEPTH);
        free(name);
    }
}

/* ---- The section ------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(node_row *const *)a)->name, (*(node_row *const *)b)->name);
}

static void add_times(rows *s)
{
    sib_profile_row row;
    node_row **sorted = cli_alloc(s->n + 1, sizeof *sorted), wanted, *key = &wanted, **found;
    for (size_t i = 0; i < s->n; i++)
        sorted[i] = &s->items[i];
    qsort(sorted, s->n, sizeof *sorted, by_name);
    for (size_t k = 0; sib_profile_get(s->r->profile.profile, SIB_PROFILE_BY_NODE, k, &row); k++) {
        wanted.name = (char *)(uintptr_t)row.node; /* only read */
        if ((found = bsearch(&key, sorted, s->n, sizeof *sorted, by_name))) {
            (*found)->seconds = row.seconds;
            s->all += row.seconds;
        }
    }
    free(sorted);
}

static bool add_scopes(rows *s)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        node_row *row = &s->items[i];
        const char *slash = strrchr(row->name, '/');
        row->scope = row->name;
        row->size = slash ? (size_t)(slash - row->name) + 1 : 0;
        any |= slash && slash != row->name;
    }
    return any;
}

void report_nodes(FILE *f, const report *r)
{
    sib_graph_info info;
    sib_graph_get_info(r->graph, &info);
    rows s = {.f = f, .r = r, .n = info.n_nodes, .items = cli_alloc(info.n_nodes + 1, sizeof *s.items)};
    for (size_t i = 0; i < s.n; i++) {
        sib_graph_node(r->graph, i, &s.items[i].info);
        const char *name = s.items[i].info.name;
        s.items[i].name = *name ? cli_format("%s", name) : cli_format("node%zu", i);
    }
    add_times(&s);
    bool scopes = add_scopes(&s);
    fprintf(f,
            "<section id=\"nodes\"><h2>Nodes</h2><p>%zu nodes in the order of the file, with the time of the "
            "fast run and the first "
            "output: range, mean ± standard deviation%s, 32 × 32 means (blue below 0, orange above, magenta "
            "not finite), histogram.</p>\n"
            "<div class=\"nodes\"><div class=\"row head\"><span>operator, "
            "name</span><span>time</span><span>type</span><span>range</span>"
            "<span>mean ± std</span><span></span><span>%s</span><span></span></div>\n",
            s.n, r->against ? ", largest absolute error" : "", r->against ? "error" : "");
    if (scopes || s.n <= FLAT)
        put_range(&s, 0, s.n, 0);
    else
        put_groups(&s);
    fputs("</div>", f);
    if (s.left_out)
        fprintf(f, "<p>%zu more nodes are left out: the document has its size.</p>", s.left_out);
    fputs("</section>\n", f);
    for (size_t i = 0; i < s.n; i++)
        free(s.items[i].name);
    free(s.items);
}
