#include "run/graphs.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "graph/describe.h"
#include "milli/milli.h"
#include "run/attribute_text.h"
#include "run/model.h"
#include "run/plan/cost.h"

#include <string.h>

/* ---- The graphs of a model ------------------------------------------------------------------------- */

/* The address of a graph as a key; g must stay in place. */
static sib_str key_of(const graph *const *g)
{
    return (sib_str){(const char *)g, sizeof *g};
}

/* Graphs are nested at most max_depth deep when a file is read. */
static sib_code add(graph_shelf *s, const graph *g, sib_graph about, sib_error *err)
{
    if (s->n >= SIB_NONE)
        return err_set(err, SIB_ERR_SIZE, "a model of more than 2^32 graphs");
    sib_graph *made = mem_calloc(1, sizeof *made);
    if (!made || ARRAY_PUSH(s->graphs, s->n, s->capacity, "the graphs of a model", err, made) != SIB_OK) {
        mem_free(made);
        return err_memory(err, sizeof *made, "the graphs of a model");
    }
    about.g = g;
    about.shelf = s;
    about.number = (uint32_t)s->n - 1;
    *made = about;
    if (!name_map_put(&s->numbers, key_of(&made->g), made->number))
        return err_memory(err, sizeof *made, "the graphs of a model");
    sib_code code = SIB_OK;
    for (node_id i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; k < g->nodes[i].n_attributes; k++) {
            const attribute *a = &g->nodes[i].attributes[k];
            sib_graph inner = {.outer = made->number, .holder = i, .attribute = a->name};
            if (a->kind == ATTR_GRAPH)
                code = add(s, a->graph, inner, err);
            for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n && code == SIB_OK; j++)
                code = add(s, a->graphs[j], inner, err);
            if (code != SIB_OK)
                return code;
        }
    return SIB_OK;
}

sib_code shelf_add(graph_shelf *s, const graph *g, sib_error *err)
{
    return add(s, g, (sib_graph){.outer = SIB_NONE, .holder = SIB_NONE}, err);
}

void shelf_clear(graph_shelf *s)
{
    for (size_t i = 0; i < s->n; i++) {
        mem_free(s->graphs[i]->roles);
        mem_free(s->graphs[i]->users_at);
        mem_free(s->graphs[i]->users);
        mem_free(s->graphs[i]);
    }
    mem_free(s->graphs);
    name_map_clear(&s->texts);
    name_map_clear(&s->numbers);
    *s = (graph_shelf){0};
}

uint32_t shelf_number(const graph_shelf *s, const graph *g)
{
    uint32_t number;
    return name_map_find(&s->numbers, key_of(&g), &number) ? number : SIB_NONE;
}

size_t sib_model_graphs(const sib_model *m)
{
    return m->graphs.n;
}

const sib_graph *sib_model_graph(const sib_model *m, size_t i)
{
    return i < m->graphs.n ? m->graphs.graphs[i] : NULL;
}

/* ---- Texts ----------------------------------------------------------------------------------------- */

/* The caller holds the lock. */
static const char *keep_text(graph_shelf *s, const char *text)
{
    uint32_t at = 0;
    bool ok = true;
    if (name_map_find(&s->texts, str_of(text), &at))
        return s->texts.entries[at].name.data;
    sib_str copy = arena_string(s->arena, str_of(text), &ok);
    return ok && name_map_put(&s->texts, copy, (uint32_t)s->texts.n) ? copy.data : "";
}

/* Dims as expressions have no bound on their length: a buffer grows up to this, longer texts are cut. */
#define TEXT_MAX ((size_t)1 << 20)

/* Writes `what` as text (size), truncated where it does not fit. */
typedef const char *(*text_writer)(const dim_table *dims, const void *what, char *text, size_t size);

static const char *write_type(const dim_table *dims, const void *what, char *text, size_t size)
{
    return type_text(dims, what, text, size);
}

static const char *write_dim(const dim_table *dims, const void *what, char *text, size_t size)
{
    return dim_text(dims, *(const dim *)what, text, size);
}

/* The text in full; "" where memory fails. The caller holds the lock. */
static const char *full_text(const sib_graph *s, text_writer write, const void *what)
{
    char few[512];
    if (strlen(write(s->g->dims, what, few, sizeof few)) + 1 < sizeof few)
        return keep_text(s->shelf, few);
    for (size_t size = 4 * sizeof few;; size *= 4) {
        char *text = mem_alloc(size, 1);
        if (!text)
            return "";
        bool fits = strlen(write(s->g->dims, what, text, size)) + 1 < size || size >= TEXT_MAX;
        const char *kept = fits ? keep_text(s->shelf, text) : NULL;
        mem_free(text);
        if (kept)
            return kept;
    }
}

/* ---- Graphs and values ----------------------------------------------------------------------------- */

static void count_weight(const sib_tensor *t, sib_graph_info *out)
{
    uint64_t n = sib_tensor_count(t);
    out->n_initializers++;
    out->parameters += n;
    out->parameter_bytes += (n * sib_dtype_bits(sib_tensor_dtype(t)) + 7) / 8;
}

void sib_graph_get_info(const sib_graph *s, sib_graph_info *out)
{
    const graph *g = s->g;
    *out = (sib_graph_info){.name = name_text(g->name),
                            .doc = name_text(g->doc),
                            .number = s->number,
                            .outer = s->outer,
                            .holder = s->holder,
                            .attribute = s->attribute.data,
                            .n_inputs = g->inputs.n,
                            .n_outputs = g->outputs.n,
                            .n_nodes = g->n_nodes,
                            .n_values = g->n_values,
                            .inputs = g->inputs.ids,
                            .outputs = g->outputs.ids,
                            .n_captures = g->n_captures};
    for (uint32_t i = 0; i < g->n_values; i++)
        if (g->values[i].constant && g->values[i].from_file)
            count_weight(g->values[i].constant, out);
    for (uint32_t i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; str_is(g->nodes[i].type, "Constant") && k < g->nodes[i].n_attributes; k++)
            if (g->nodes[i].attributes[k].kind == ATTR_TENSOR)
                count_weight(g->nodes[i].attributes[k].tensor, out);
}

/* What a value is to its graph; made once, for reading values one by one takes time linear in their number.
   */
struct value_role {
    uint32_t captured; /* the value of the outer graph; NO_VALUE for one that is no capture */
    bool input;
};

/* The caller holds the lock. Returns false where memory fails. */
static bool find_roles(sib_graph *s)
{
    const graph *g = s->g;
    if (s->roles)
        return true;
    s->roles = mem_alloc((size_t)g->n_values + 1, sizeof *s->roles);
    if (!s->roles)
        return false;
    for (uint32_t i = 0; i < g->n_values; i++)
        s->roles[i] = (value_role){.captured = NO_VALUE};
    for (uint32_t i = 0; i < g->inputs.n; i++)
        s->roles[g->inputs.ids[i]].input = true;
    for (uint32_t i = 0; i < g->n_captures; i++)
        s->roles[g->captures[i].inner].captured = g->captures[i].outer;
    return true;
}

bool sib_graph_value(const sib_graph *s, size_t i, sib_value_info *out)
{
    const graph *g = s->g;
    if (i >= g->n_values)
        return false;
    const value *v = &g->values[i];
    const value_type *t = &v->type;
    pthread_mutex_lock(s->shelf->lock);
    *out = value_describe(g, v);
    out->captured = SIB_NONE;
    out->type = full_text(s, write_type, t);
    if (type_outer(&v->declared) != TYPE_UNKNOWN)
        out->declared = full_text(s, write_type, &v->declared);
    for (int k = 0; k < t->shape.rank; k++)
        if (out->dims[k] < 0)
            out->dim_names[k] = full_text(s, write_dim, &t->shape.dims[k]);
    if (find_roles((sib_graph *)s)) { /* not observable state */
        out->captured = s->roles[i].captured;
        out->optional_input = v->constant && s->roles[i].input;
    }
    pthread_mutex_unlock(s->shelf->lock);
    return true;
}

/* ---- Users of values ------------------------------------------------------------------------------- */

/* Calls `found` for each value that a node reads, once per place: its inputs, and what its subgraphs
   capture. */
typedef void (*read_visitor)(void *context, value_id v);

static void visit_reads(const node *n, read_visitor found, void *context)
{
    for (uint32_t i = 0; i < n->inputs.n; i++)
        if (n->inputs.ids[i] != NO_VALUE)
            found(context, n->inputs.ids[i]);
    for (size_t k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        size_t graphs = a->kind == ATTR_GRAPH ? 1 : a->kind == ATTR_GRAPHS ? a->n : 0;
        for (size_t j = 0; j < graphs; j++) {
            const graph *inner = a->kind == ATTR_GRAPH ? a->graph : a->graphs[j];
            for (uint32_t c = 0; c < inner->n_captures; c++)
                found(context, inner->captures[c].outer);
        }
    }
}

/* Places are counted in users_at[v + 1], summed to where each value's list begins, then filled in. */
typedef struct user_lists {
    uint32_t *at;    /* (n_values + 1) */
    uint32_t *users; /* NULL while counting */
    uint32_t *end;   /* (n_values) of the list filled so far */
    node_id node;
} user_lists;

static void count_user(void *context, value_id v)
{
    user_lists *l = context;
    l->at[v + 1]++;
}

static void add_user(void *context, value_id v)
{
    user_lists *l = context;
    if (l->end[v] == l->at[v] || l->users[l->end[v] - 1] != l->node)
        l->users[l->end[v]++] = l->node;
}

/* Sets the lists of users. The lists of values that one node reads twice end before the next begins. */
static bool list_users(sib_graph *s)
{
    const graph *g = s->g;
    user_lists l = {.at = mem_calloc((size_t)g->n_values + 1, sizeof *l.at)};
    if (!l.at)
        return false;
    for (node_id i = 0; i < g->n_nodes; i++)
        visit_reads(&g->nodes[i], count_user, &l);
    for (uint32_t v = 0; v < g->n_values; v++)
        l.at[v + 1] += l.at[v];
    size_t places = l.at[g->n_values];
    l.users = mem_alloc(places + 1, sizeof *l.users);
    l.end = mem_alloc((size_t)g->n_values + 1, sizeof *l.end);
    if (!l.users || !l.end) {
        mem_free(l.at);
        mem_free(l.users);
        mem_free(l.end);
        return false;
    }
    memcpy(l.end, l.at, g->n_values * sizeof *l.end);
    for (l.node = 0; l.node < g->n_nodes; l.node++)
        visit_reads(&g->nodes[l.node], add_user, &l);
    uint32_t kept = 0; /* drop the places left free */
    for (uint32_t v = 0; v < g->n_values; v++) {
        uint32_t begin = l.at[v], n = l.end[v] - begin;
        memmove(l.users + kept, l.users + begin, n * sizeof *l.users);
        l.at[v] = kept;
        kept += n;
    }
    l.at[g->n_values] = kept;
    mem_free(l.end);
    s->users = l.users;
    s->users_at = l.at;
    return true;
}

size_t sib_graph_users(const sib_graph *s, size_t i, const uint32_t **nodes)
{
    sib_graph *mine = (sib_graph *)s; /* the lists are not observable state */
    *nodes = NULL;
    if (i >= s->g->n_values)
        return 0;
    pthread_mutex_lock(s->shelf->lock);
    bool made = mine->users_at || list_users(mine);
    pthread_mutex_unlock(s->shelf->lock);
    if (!made)
        return 0;
    *nodes = s->users + s->users_at[i];
    return s->users_at[i + 1] - s->users_at[i];
}

/* ---- Nodes ----------------------------------------------------------------------------------------- */

bool sib_graph_node(const sib_graph *s, size_t i, sib_node_info *out)
{
    const graph *g = s->g;
    if (i >= g->n_nodes)
        return false;
    const node *n = &g->nodes[i];
    *out = (sib_node_info){.name = name_text(n->name),
                           .domain = n->milli ? "milli" : name_text(n->domain),
                           .type = n->milli ? n->milli->name : name_text(n->type),
                           .doc = name_text(n->doc),
                           .version = n->milli ? 0 : n->version,
                           .known = n->op || n->milli,
                           .function = n->function.data,
                           .n_inputs = n->inputs.n,
                           .n_outputs = n->outputs.n,
                           .n_attributes = n->n_attributes,
                           .inputs = n->inputs.ids,
                           .outputs = n->outputs.ids};
    pthread_mutex_lock(s->shelf->lock);
    dim flops = n->flops, bytes = cost_bytes(g, n);
    if (!dim_same(flops, DIM_NONE))
        out->flops = full_text(s, write_dim, &flops);
    if (!dim_same(bytes, DIM_NONE))
        out->bytes = full_text(s, write_dim, &bytes);
    pthread_mutex_unlock(s->shelf->lock);
    return true;
}

bool sib_graph_attribute(const sib_graph *s, size_t i, size_t k, sib_attribute *out)
{
    const graph *g = s->g;
    if (i >= g->n_nodes || k >= g->nodes[i].n_attributes)
        return false;
    const attribute *a = &g->nodes[i].attributes[k];
    char text[ATTRIBUTE_TEXT];
    *out = attribute_describe(a);
    pthread_mutex_lock(s->shelf->lock);
    out->text = keep_text(s->shelf, attribute_text(g, a, text));
    pthread_mutex_unlock(s->shelf->lock);
    return true;
}

uint32_t sib_graph_inner(const sib_graph *s, size_t i, size_t k, size_t item)
{
    const graph *g = s->g;
    const attribute *a = i < g->n_nodes && k < g->nodes[i].n_attributes ? &g->nodes[i].attributes[k] : NULL;
    const graph *inner = NULL;
    if (a && a->kind == ATTR_GRAPH && item == 0)
        inner = a->graph;
    else if (a && a->kind == ATTR_GRAPHS && item < a->n)
        inner = a->graphs[item];
    return inner ? shelf_number(s->shelf, inner) : SIB_NONE;
}
