/* What was found, the model, differences and the profile of a report. */
#include "report/html.h"
#include "report/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS      40   /* of a table */
#define MAX_SPANS 2000 /* of the timeline */

/* A link to the node that makes a value of the main graph, or its name alone. */
static void put_value(FILE *f, const report *r, const char *name)
{
    sib_value_info v;
    for (size_t i = 0; sib_graph_value(r->graph, i, &v); i++)
        if (v.producer != SIB_NONE && !strcmp(v.name, name)) {
            fprintf(f, "<a href=\"#n%u\">", v.producer);
            html_text(f, name);
            fputs("</a>", f);
            return;
        }
    html_text(f, name);
}

/* Begins a table. heads: names of columns, those of numbers with "#" before; ends with NULL. */
static void begin_table(FILE *f, const char *const *heads)
{
    fputs("<table><tr>", f);
    for (; *heads; heads++)
        fprintf(f, **heads == '#' ? "<th class=\"num\">%s</th>" : "<th>%s</th>", *heads + (**heads == '#'));
    fputs("</tr>\n", f);
}

/* ---- What was found ---------------------------------------------------------------------------------- */

static const reported *first_not_finite(const report *r, size_t *n)
{
    const reported *first = NULL;
    for (size_t i = 0; i < r->n_values; i++)
        if (reported_not_finite(&r->values[i])) {
            first = first ? first : &r->values[i];
            ++*n;
        }
    return first;
}

void report_findings(FILE *f, const report *r)
{
    size_t n = 0;
    const reported *bad = first_not_finite(r, &n);
    sib_profile_row row;
    fputs("<section id=\"found\"><h2>Found</h2><ul>\n", f);
    if (bad) {
        fprintf(f, "<li class=\"bad\">%zu value%s with NaN or infinite elements, the first: ", n,
                n > 1 ? "s" : "");
        put_value(f, r, bad->name);
        fputs("</li>\n", f);
    } else
        fprintf(f, "<li>No NaN and no infinity in %zu values.</li>\n", r->n_values);
    if (r->against && r->compared.first) {
        fprintf(f, "<li class=\"bad\">%zu of %zu values out of tolerance against ", r->compared.n_different,
                r->compared.n);
        html_text(f, r->against);
        fputs(", the first: ", f);
        put_value(f, r, r->compared.first->name);
        fputs("</li>\n", f);
    } else if (r->against) {
        if (r->compared.by_node)
            fprintf(
                f,
                "<li>All of %zu values within tolerance (64 times what rounding explains, each node on the "
                "other side's values) against ",
                r->compared.n);
        else
            fprintf(f, "<li>All of %zu values within tolerance (%.3g absolute, %.3g relative) against ",
                    r->compared.n, r->tolerance.atol, r->tolerance.rtol);
        html_text(f, r->against);
        fputs(".</li>\n", f);
    }
    if (sib_profile_get(r->profile.profile, SIB_PROFILE_BY_NODE, 0, &row)) {
        fputs("<li>The slowest node: ", f);
        html_text(f, row.op_type);
        fputs(" ", f);
        html_text(f, row.node);
        fputs(", ", f);
        html_seconds(f, row.seconds / (double)r->profile.runs);
        fputs(".</li>\n", f);
    }
    for (size_t i = 0; sib_model_diagnostic(r->m, i) && i < ROWS; i++) {
        fputs("<li>Noticed: ", f);
        html_text(f, sib_model_diagnostic(r->m, i));
        fputs("</li>\n", f);
    }
    if (r->n_left_out)
        fprintf(f, "<li>%zu values of iterations are not listed.</li>\n", r->n_left_out);
    fputs("</ul></section>\n", f);
}

/* ---- The model --------------------------------------------------------------------------------------- */

static void put_fact(FILE *f, const char *name, const char *value)
{
    if (!*value)
        return;
    fputs("<tr><th>", f);
    html_text(f, name);
    fputs("</th><td>", f);
    html_text(f, value);
    fputs("</td></tr>\n", f);
}

/* Of the inputs those that have no weight as their default. */
static void put_ports(FILE *f, const report *r, const char *title,
                      bool (*port)(const sib_model *, size_t, sib_value_info *))
{
    sib_value_info v;
    for (size_t i = 0, shown = 0; port(r->m, i, &v) && shown < ROWS; i++) {
        if (v.initializer)
            continue;
        char *text = cli_format("%s: %s", v.name, v.type ? v.type : "");
        put_fact(f, shown++ ? "" : title, text);
        free(text);
    }
}

void report_model(FILE *f, const report *r)
{
    sib_model_info info;
    const char *domain;
    int64_t version;
    sib_model_get_info(r->m, &info);
    char *producer = cli_format("%s %s", info.producer_name, info.producer_version);
    char *size = cli_format("%zu nodes, %llu parameters, %.4g MB of weights", info.n_nodes,
                            (unsigned long long)info.parameters, (double)info.parameter_bytes * 1e-6);
    fputs("<section id=\"model\"><h2>Model</h2><table>\n", f);
    put_fact(f, "graph", info.graph_name);
    put_fact(f, "made by", strcmp(producer, " ") != 0 ? producer : "");
    put_fact(f, "size", size);
    for (size_t i = 0; sib_model_opset(r->m, i, &domain, &version); i++) {
        char *opset = cli_format("%s %lld", *domain ? domain : "ai.onnx", (long long)version);
        put_fact(f, i ? "" : "opset", opset);
        free(opset);
    }
    put_ports(f, r, "inputs", sib_model_input);
    put_ports(f, r, "outputs", sib_model_output);
    fputs("</table></section>\n", f);
    free(producer);
    free(size);
}

/* ---- Differences ------------------------------------------------------------------------------------- */

/* Errors of the values in order, as powers of ten: where they grow. */
static void put_errors(FILE *f, const report *r)
{
    enum { WIDTH = 1000, HEIGHT = 160, DECADES = 16 };
    const comparison *c = &r->compared;
    fprintf(f, "<svg class=\"plot\" viewBox=\"-44 -8 %d %d\">", WIDTH + 60, HEIGHT + 34);
    for (int e = 0; e >= -DECADES; e -= 4)
        fprintf(f, "<path d=\"M0 %dh%d\"/><text x=\"-6\" y=\"%d\">1e%d</text>", -e * HEIGHT / DECADES, WIDTH,
                -e * HEIGHT / DECADES + 4, e);
    fprintf(f,
            "<text class=\"middle\" x=\"%d\" y=\"%d\">values in the order of the graph, largest absolute "
            "error</text>",
            WIDTH / 2, HEIGHT + 22);
    for (size_t i = 0; i < c->n && i < MAX_SPANS; i++) {
        const difference *d = &c->items[i * (c->n > MAX_SPANS ? c->n / MAX_SPANS : 1)];
        double e = d->compared && isfinite(d->figures.max_abs) ? d->figures.max_abs : 1;
        double y = e > 0 ? fmin(fmax(-log10(e) * HEIGHT / DECADES, 0), HEIGHT) : HEIGHT;
        fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"%s><title>",
                (double)(d - c->items) * WIDTH / (double)(c->n > 1 ? c->n - 1 : 1), y,
                d->compared && d->figures.equal ? "" : " class=\"bad\"");
        html_text(f, d->name);
        fprintf(f, ": %.3g</title></circle>", e);
    }
    fputs("</svg>\n", f);
}

void report_differences(FILE *f, const report *r)
{
    const comparison *c = &r->compared;
    if (!r->against)
        return;
    fputs("<section id=\"differences\"><h2>Differences</h2>\n", f);
    put_errors(f, r);
    if (c->n_different)
        begin_table(f, (const char *const[]){"value", "operator", "#max abs", "#max rel", "#max ULP",
                                             "the worst element", NULL});
    for (size_t i = 0, shown = 0; i < c->n && shown < ROWS; i++) {
        const difference *d = &c->items[i];
        if (d->compared && d->figures.equal)
            continue;
        shown++;
        fputs("<tr><td>", f);
        put_value(f, r, d->name);
        fputs("</td><td>", f);
        html_text(f, d->op_type);
        if (d->compared)
            fprintf(f,
                    "</td><td class=\"num\">%.3g</td><td class=\"num\">%.3g</td><td "
                    "class=\"num\">%llu</td><td>%.6g, expected %.6g",
                    d->figures.max_abs, d->figures.max_rel, (unsigned long long)d->figures.max_ulp,
                    d->figures.worst_a, d->figures.worst_b);
        else {
            fputs("</td><td colspan=\"4\">", f);
            html_text(f, d->why);
        }
        fputs("</td></tr>\n", f);
    }
    if (c->n_different)
        fputs("</table>", f);
    if (c->n_different > ROWS)
        fprintf(f, "<p>%zu more values are out of tolerance.</p>", c->n_different - ROWS);
    fputs("</section>\n", f);
}

/* ---- Profile ----------------------------------------------------------------------------------------- */

static void put_rows(FILE *f, const report *r, const char *title, sib_profile_by by)
{
    sib_profile_row row;
    double all = 0;
    for (size_t i = 0; sib_profile_get(r->profile.profile, by, i, &row); i++)
        all += row.seconds;
    begin_table(f,
                (const char *const[]){title, "#time", "#share", "#calls", "#GFLOP/s", "#GB/s", "on", NULL});
    for (size_t i = 0; i < ROWS && sib_profile_get(r->profile.profile, by, i, &row); i++) {
        fputs("<tr><td>", f);
        html_text(f, row.op_type);
        fputs(*row.node ? " " : "", f);
        html_text(f, row.node);
        fputs("</td><td class=\"num\">", f);
        html_seconds(f, row.seconds / (double)r->profile.runs);
        double bytes = (double)(row.bytes_read + row.bytes_written);
        fprintf(f,
                "</td><td class=\"num\">%.1f%%</td><td class=\"num\">%llu</td><td class=\"num\">%.3g</td><td "
                "class=\"num\">%.3g</td><td>",
                all > 0 ? 100 * row.seconds / all : 0, (unsigned long long)row.calls,
                row.seconds > 0 ? row.flops * 1e-9 / row.seconds : 0,
                row.seconds > 0 ? bytes * 1e-9 / row.seconds : 0);
        html_text(f, row.backend);
        fputs("</td></tr>\n", f);
    }
    fputs("</table>\n", f);
}

/* Spans of the last run as boxes, by time and depth. */
static void put_timeline(FILE *f, const sib_profile *p)
{
    enum { WIDTH = 1200, ROW = 18 };
    sib_time_span s, last = {0};
    uint32_t depth = 0;
    size_t n = sib_profile_spans(p, NULL), shown = 0;
    for (size_t i = 0; i < n && sib_profile_span(p, i, &s); i++)
        if (s.depth == 0)
            last = s;
    if (last.end <= last.begin)
        return;
    double scale = WIDTH / (double)(last.end - last.begin);
    for (size_t i = 0; i < n && sib_profile_span(p, i, &s); i++)
        if (s.begin >= last.begin && (double)(s.end - s.begin) * scale > 0.3)
            depth = s.depth > depth ? s.depth : depth;
    fprintf(f, "<svg class=\"flame\" viewBox=\"0 0 %d %u\">", WIDTH, (depth + 1) * ROW);
    for (size_t i = 0; i < n && shown < MAX_SPANS && sib_profile_span(p, i, &s); i++) {
        double width = (double)(s.end - s.begin) * scale, x = (double)(s.begin - last.begin) * scale;
        if (s.begin < last.begin || s.end < s.begin || width <= 0.3)
            continue;
        shown++;
        unsigned hue = 0;
        for (const char *c = s.op_type; *c; c++)
            hue = (hue * 31 + (unsigned char)*c) % 360;
        fprintf(f, "<g><rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\" fill=\"hsl(%u,45%%,%d%%)\"/>",
                x, s.depth * ROW, width, ROW - 1, hue, *s.op_type ? 78 : 88);
        if (width > 50) {
            char *label =
                cli_format("%.*s", (int)(width / 7), *s.op_type ? s.op_type : sib_span_kind_name(s.kind));
            fprintf(f, "<text x=\"%.2f\" y=\"%u\">", x + 4, s.depth * ROW + 13);
            html_text(f, label);
            fputs("</text>", f);
            free(label);
        }
        fputs("<title>", f);
        html_text(f, *s.op_type ? s.op_type : sib_span_kind_name(s.kind));
        fputs(" ", f);
        html_text(f, s.name);
        fputs(", ", f);
        html_seconds(f, (double)(s.end - s.begin) * 1e-9);
        fputs("</title></g>\n", f);
    }
    fputs("</svg>\n", f);
}

void report_profile(FILE *f, const report *r)
{
    fprintf(f,
            "<section id=\"profile\"><h2>Profile</h2><p>Times are of one run, the mean of %ld after a first "
            "that planned and packed. The timeline is the last run's.</p>\n",
            r->profile.runs);
    put_timeline(f, r->profile.profile);
    fputs("<div class=\"two\">", f);
    put_rows(f, r, "operator", SIB_PROFILE_BY_OPERATOR);
    put_rows(f, r, "node", SIB_PROFILE_BY_NODE);
    fputs("</div></section>\n", f);
}
