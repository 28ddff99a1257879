/* The document of a report: one file without scripts, that needs no server and no network. */
#include "model/inspect_parts.h"
#include "report/html.h"
#include "report/parts.h"
#include "report_style.h" /* made of report.css by CMake */

#include <stdlib.h>
#include <string.h>

#define DRAWN_MAX 400 /* nodes of a graph that is drawn */

const reported *report_value(const report *r, const char *name)
{
    size_t low = 0, high = r->n_values;
    while (low < high) { /* the last of equal names */
        size_t middle = (low + high) / 2;
        if (strcmp(r->by_name[middle]->name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const reported *v = low ? r->by_name[low - 1] : NULL;
    return v && !strcmp(v->name, name) ? v : NULL;
}

const difference *report_difference(const report *r, const char *name)
{
    for (size_t i = r->compared.n; i-- > 0;)
        if (!strcmp(r->compared.items[i].name, name))
            return &r->compared.items[i];
    return NULL;
}

bool reported_not_finite(const reported *v)
{
    return v->digest.n_nan || v->digest.n_plus_inf || v->digest.n_minus_inf;
}

static void put_graph(FILE *f, const report *r)
{
    sib_graph_info info;
    sib_graph_get_info(r->graph, &info);
    if (info.n_nodes > DRAWN_MAX)
        return;
    fputs("<section id=\"graph\"><h2>Graph</h2><div class=\"drawing\">\n", f);
    graph_drawing(f, r->graph);
    fputs("</div></section>\n", f);
}

void report_write(FILE *f, const report *r)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
          f);
    html_text(f, r->title);
    fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header><h1>", report_style);
    html_text(f, r->title);
    fputs("</h1></header>\n<main>\n", f);
    report_findings(f, r);
    report_model(f, r);
    put_graph(f, r);
    report_differences(f, r);
    report_nodes(f, r);
    report_profile(f, r);
    fprintf(f, "</main>\n<footer>Made by sibyl %s (%s, %u thread%s).</footer>\n</body>\n</html>\n",
            sib_version(), sib_cpu_level_name(), r->profile.peak.threads,
            r->profile.peak.threads == 1 ? "" : "s");
}
