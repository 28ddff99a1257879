#include "graph/pass.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Max nesting of subgraphs. */
#define DEPTH_MAX 64

bool pass_admit(pass_run *r)
{
    if (r->admitted >= r->limit)
        return false;
    r->admitted++;
    if (r->patch)
        patch_begin_edit(r->patch);
    return true;
}

/* ---- Choice of passes --------------------------------------------------------------------------------- */

static sib_code unknown_pass(sib_str word, const pass *table, size_t n, sib_error *err)
{
    char names[600] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof names; i++) {
        size_t before = 0;
        while (before < i && strcmp(table[before].name, table[i].name))
            before++;
        if (before < i)
            continue;
        int wrote = snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", table[i].name);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return err_set(err, SIB_ERR_ARGUMENT, "'%.*s' is not a pass; the passes are %s", (int)word.length,
                   word.data, names);
}

/* Sets off (n) from the words. */
static sib_code choose(const char *words, const pass *table, size_t n, bool *off, sib_error *err)
{
    while (words && *words) {
        const char *end = strchr(words, ',');
        sib_str word = {words, end ? (size_t)(end - words) : strlen(words)};
        bool without = word.length && *word.data == '-';
        size_t hits = 0;
        word.data += without;
        word.length -= without;
        for (size_t i = 0; i < n; i++)
            if (str_is(word, "all") || str_is(word, table[i].name)) {
                off[i] = without;
                hits++;
            }
        if (!hits && (without || word.length))
            return unknown_pass(word, table, n, err);
        words = end ? end + 1 : NULL;
    }
    return SIB_OK;
}

sib_code pass_chosen(const char *words, const pass *table, size_t n, const char *name, bool *chosen,
                     sib_error *err)
{
    bool *off = mem_calloc(n + 1, sizeof *off);
    sib_code code = off ? choose(words, table, n, off, err) : err_memory(err, n, "the passes");
    *chosen = false;
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        *chosen |= !strcmp(table[i].name, name) && !off[i];
    mem_free(off);
    return code;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

static sib_code run_one(graph *g, const pass *what, pass_run *r, edit_log *log, sib_error *err)
{
    size_t logged = log ? log->n : 0;
    patch *p = NULL;
    sib_error own = SIB_ERROR_INIT;
    sib_code code = patch_create(g, &p, &own);
    r->patch = p;
    if (code == SIB_OK)
        code = what->run(g, r, p, &own);
    if (code == SIB_OK && log)
        code = patch_describe(p, what->name, log, &own);
    if (code == SIB_OK && !patch_is_empty(p))
        code = patch_apply(g, p, &own);
    if (code != SIB_OK && log)
        log->n = logged;
    patch_free(&p);
    return code == SIB_OK ? SIB_OK : err_set(err, code, "pass %s: %s", what->name, own.message);
}

static sib_code run_within(graph *g, const pass *what, pass_run *r, edit_log *log, unsigned depth,
                           sib_error *err)
{
    if (depth > DEPTH_MAX)
        return err_set(err, SIB_ERR_SIZE, "subgraphs are nested more than %d deep", DEPTH_MAX);
    sib_code code = SIB_OK;
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++)
        for (size_t k = 0; k < g->nodes[i].n_attributes && code == SIB_OK; k++) {
            const attribute *a = &g->nodes[i].attributes[k];
            size_t count = a->kind == ATTR_GRAPH ? 1 : a->kind == ATTR_GRAPHS ? a->n : 0;
            for (size_t j = 0; j < count && code == SIB_OK; j++) {
                graph *inside = a->kind == ATTR_GRAPH ? a->graph : a->graphs[j];
                if (inside && inside->outer == g)
                    code = run_within(inside, what, r, log, depth + 1, err);
            }
        }
    return code == SIB_OK ? run_one(g, what, r, log, err) : code;
}

sib_code pass_run_all(graph *g, const pass *table, size_t n, const pass_options *options, uint64_t *edits,
                      sib_error *err)
{
    pass_options o = options ? *options : (pass_options){0};
    pass_run r = {.limit = o.limited ? o.limit : UINT64_MAX};
    bool *off = mem_calloc(n + 1, sizeof *off);
    sib_code code = off ? choose(o.passes, table, n, off, err) : err_memory(err, n, "the passes");
#if defined(SIBYL_ASSERTIONS)
    o.verify = true;
#endif
    if (code == SIB_OK && o.verify)
        code = graph_verify(g, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        if (!off[i] && table[i].run) {
            sib_error own = SIB_ERROR_INIT;
            code = run_within(g, &table[i], &r, o.log, 0, &own);
            if (code != SIB_OK && o.go_on && code != SIB_ERR_MEMORY)
                code = SIB_OK;
            else if (code != SIB_OK)
                err_set(err, code, "%s", own.message);
        }
    mem_free(off);
    if (edits)
        *edits = r.admitted;
    return code;
}

/* ---- The passes --------------------------------------------------------------------------------------- */

void pass_mark_outputs(const graph *g, bool *marks)
{
    for (uint32_t i = 0; i < g->outputs.n; i++)
        marks[g->outputs.ids[i]] = true;
}

void pass_mark_captures(const graph *g, const node *n, bool *marks)
{
    for (size_t k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        size_t count = a->kind == ATTR_GRAPH ? 1 : a->kind == ATTR_GRAPHS ? a->n : 0;
        for (size_t j = 0; j < count; j++) {
            const graph *inside = a->kind == ATTR_GRAPH ? a->graph : a->graphs[j];
            for (uint32_t i = 0; inside && inside->outer == g && i < inside->n_captures; i++)
                marks[inside->captures[i].outer] = true;
        }
    }
}

/* Visits nodes from last to first, so that what only dead nodes use is dropped too. */
sib_code pass_dead(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    bool *used = mem_calloc((size_t)g->n_values + 1, sizeof *used);
    if (!used)
        return err_memory(err, g->n_values, "a pass");
    sib_code code = SIB_OK;
    pass_mark_outputs(g, used);
    for (node_id i = g->n_nodes; i-- > 0 && code == SIB_OK;) {
        const node *n = &g->nodes[i];
        bool alive = false;
        for (uint32_t k = 0; k < n->outputs.n && !alive; k++)
            alive = n->outputs.ids[k] != NO_VALUE && used[n->outputs.ids[k]];
        if (!alive && pass_admit(r)) {
            code = patch_drop(p, i, err);
            continue;
        }
        for (uint32_t k = 0; k < n->inputs.n; k++)
            if (n->inputs.ids[k] != NO_VALUE)
                used[n->inputs.ids[k]] = true;
        pass_mark_captures(g, n, used);
    }
    mem_free(used);
    return code;
}

/* An Identity whose output is an output of the graph stays. */
sib_code pass_identity(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    bool *given = mem_calloc((size_t)g->n_values + 1, sizeof *given);
    if (!given)
        return err_memory(err, g->n_values, "a pass");
    sib_code code = SIB_OK;
    pass_mark_outputs(g, given);
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        if (n->milli || n->domain.length || !str_is(n->type, "Identity") || n->inputs.n != 1 ||
            n->outputs.n != 1)
            continue;
        value_id x = n->inputs.ids[0], y = n->outputs.ids[0];
        if (x == NO_VALUE || y == NO_VALUE || given[y] ||
            !type_agrees(g->dims, &g->values[y].type, &g->values[x].type) || !pass_admit(r))
            continue;
        code = patch_rewire(p, y, x, err);
        if (code == SIB_OK)
            code = patch_drop(p, i, err);
    }
    mem_free(given);
    return code;
}
