#include "server/models/graph_route.h"

#include "server/models/exchange_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Graphs ---- */

static bool open_session(exchange *x, graph_set *set, const char *call)
{
    sib_error err = SIB_ERROR_INIT;
    const char *backends = exchange_query(x, "backends");
    set->session = backends ? NULL : served_unwatched(set->model, call);
    if (set->session)
        return true;
    sib_code code = served_session(set->model, call, backends, false, &set->session, &err);
    if (code != SIB_OK)
        answer_failure(x, &err);
    return code == SIB_OK;
}

/* The session's graphs where `planned`. */
static bool open_set(exchange *x, graph_set *set, bool planned)
{
    const char *call = exchange_query(x, "call");
    *set = (graph_set){.model = exchange_model(x)};
    if (!set->model)
        return false;
    set->file = served_model(set->model, call);
    if (!set->file && call)
        answer_error(x, 404, "call", "the model '%s' has no call '%.80s'", set->model->id, call);
    else if (!set->file)
        answer_error(x, 404, "model", "the model '%s' has no graph", set->model->id);
    else
        return !planned || open_session(x, set, call);
    return false;
}

bool graphs_open_planned(exchange *x, graph_set *set)
{
    return open_set(x, set, true);
}

bool graphs_open(exchange *x, graph_set *set)
{
    const char *view = exchange_query(x, "view");
    bool planned = view && !strcmp(view, "planned");
    *set = (graph_set){0};
    if (!view || planned || !strcmp(view, "file"))
        return open_set(x, set, planned);
    answer_error(x, 400, "view", "'view' must be 'file' or 'planned', not '%.40s'", view);
    return false;
}

void graphs_close(graph_set *set)
{
    catalog_release(set->model);
    set->model = NULL;
}

size_t graphs_count(const graph_set *set)
{
    return set->session ? sib_session_graphs(set->session) : sib_model_graphs(set->file);
}

const sib_graph *graphs_at(const graph_set *set, size_t i)
{
    return set->session ? sib_session_graph(set->session, i) : sib_model_graph(set->file, i);
}

bool graphs_unchanged(exchange *x, const graph_set *set)
{
    char tag[64];
    snprintf(tag, sizeof tag, "%llx-%llu", (unsigned long long)exchange_server(x)->began,
             (unsigned long long)set->model->number);
    answer_header(x, "Cache-Control", "private, no-cache");
    return answer_unchanged(x, tag);
}

/* ---- Numbers ---- */

bool path_number(exchange *x, const char *name, const char *owner, size_t n, size_t *out)
{
    const char *text = exchange_param(x, name);
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    if (*text && strspn(text, "0123456789") == strlen(text) && !errno && number < n) {
        *out = (size_t)number;
        return true;
    }
    if (n)
        answer_error(x, 404, name, "%s has no %s '%.40s': its numbers are 0 to %zu", owner, name, text,
                     n - 1);
    else
        answer_error(x, 404, name, "%s has no %s '%.40s': it has none", owner, name, text);
    return false;
}

bool graph_open(exchange *x, graph_set *set, described *d)
{
    size_t number;
    char owner[120];
    *d = (described){0};
    if (!graphs_open(x, set))
        return false;
    snprintf(owner, sizeof owner, "the model '%.80s'", set->model->id);
    if (!path_number(x, "graph", owner, graphs_count(set), &number))
        return false;
    if (described_make(graphs_at(set, number), d))
        return true;
    answer_error(x, 503, NULL, "the server has too little memory for this answer");
    return false;
}

/* ---- Sizes ---- */

/* "T:100" of a list. Changes text. */
static bool read_dim(char *text, sib_dim *out)
{
    char *colon = strrchr(text, ':'), *end = NULL;
    if (!colon || colon == text || strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1])
        return false;
    *colon = 0;
    errno = 0;
    long long size = strtoll(colon + 1, &end, 10);
    *out = (sib_dim){text, size};
    return !errno;
}

bool dims_read(exchange *x, dims_query *out)
{
    const char *given = exchange_query(x, "dims");
    *out = (dims_query){0};
    if (!given || !*given)
        return true;
    out->text = strdup(given);
    if (!out->text) {
        answer_error(x, 503, NULL, "the server has too little memory for this answer");
        return false;
    }
    bool good = true;
    char *rest = NULL;
    for (char *one = strtok_r(out->text, ",", &rest); one && good; one = strtok_r(NULL, ",", &rest))
        good = out->n < MAX_DIMS && read_dim(one, &out->dims[out->n++]);
    if (!good)
        answer_error(x, 400, "dims",
                     "'dims' must be sizes by name such as 'T:100,N:1', at most %d, not '%.80s'", MAX_DIMS,
                     given);
    return good;
}

void dims_clear(dims_query *q)
{
    free(q->text);
    q->text = NULL;
}
