#include "graph.h"

#include <pthread.h>

/* Rounds that measure how far results may differ, and additional ones if they differ by more. */
#define ROUNDS      4
#define MORE_ROUNDS 28

const rg_config rg_configs[] = {{"cpu without passes", "cpu,ref", "-all", 1},
                                {"cpu, chains alone", "cpu,ref", "-all,elementwise", 1},
                                {"cpu", "cpu,ref", "all", 1},
                                {"cpu, three threads", "cpu,ref", "all", 3},
                                {"ref with passes", "ref", "all", 1}};
const size_t rg_n_configs = sizeof rg_configs / sizeof *rg_configs;

/* Outputs of the graph in the order of its model, which is that of the nodes that make them. Returns their
   number. */
static int outputs_of(const rg_graph *g, int *outputs)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_out && !g->nodes[i].dropped; k++) {
            int v = g->nodes[i].out[k];
            if (v != RG_NONE && g->values[v].output && g->values[v].maker == i)
                outputs[n++] = v;
        }
    return n;
}

/* Inputs by name. values: (RG_VALUES) owned by the caller. */
static size_t inputs_of(const rg_graph *g, const sib_session *s, sib_named_value *given, sib_value **values)
{
    sib_value_info info;
    sib_error err = SIB_ERROR_INIT;
    size_t n = 0;
    for (size_t i = 0; sib_model_input(sib_session_model(s), i, &info); i++) {
        int v = atoi(info.name + 1);
        if (sib_value_from_tensor(g->values[v].t, &values[n], &err) != SIB_OK)
            return n;
        given[n] = (sib_named_value){info.name, values[n]};
        n++;
    }
    return n;
}

static sib_session *open_session(const rg_graph *g, const rg_config *c, sib_error *err)
{
    sib_model *m = NULL;
    sib_session *s = NULL;
    const char *named = getenv("SIBYL_RANDOM_BACKENDS");
    const sib_session_options options = {.backends =
                                             named && strcmp(c->backends, "ref") ? named : c->backends,
                                         .threads = c->threads,
                                         .passes = c->passes};
    if (rg_model(g, RG_NONE, &m, err) == SIB_OK && sib_session_create(m, &options, &s, err) != SIB_OK)
        s = NULL;
    sib_model_free(&m);
    return s;
}

/* Returns true if all outputs of two runs have the same bits. */
static bool same_bits(const sib_value *const *a, const sib_value *const *b, int n)
{
    for (int i = 0; i < n; i++) {
        const sib_tensor *x = sib_value_tensor(a[i]), *y = sib_value_tensor(b[i]);
        if (!x || !y || sib_tensor_dtype(x) == SIB_STRING)
            continue;
        size_t bytes = (sib_tensor_count(x) * sib_dtype_bits(sib_tensor_dtype(x)) + 7) / 8;
        if (sib_tensor_count(x) != sib_tensor_count(y) ||
            (bytes && memcmp(sib_tensor_data(x), sib_tensor_data(y), bytes) != 0))
            return false;
    }
    return true;
}

typedef struct outcome {
    int n, outputs[RG_VALUES];
    sib_value *first[RG_VALUES];
} outcome;

/* ---- Concurrent runs ----------------------------------------------------------------------------------- */

#define AT_ONCE 2

typedef struct at_once {
    pthread_t thread;
    bool started, ok;
    sib_session *s;
    size_t n_given;
    const sib_named_value *given;
    sib_value *out[RG_VALUES];
} at_once;

static void *run_at_once(void *context)
{
    at_once *a = context;
    sib_error err = SIB_ERROR_INIT;
    a->ok = sib_session_run(a->s, a->n_given, a->given, 0, NULL, a->out, NULL, &err) == SIB_OK;
    return NULL;
}

/* Returns false if concurrent runs of the session give other bits than a run alone. */
static bool several_agree(sib_session *s, size_t n_given, const sib_named_value *given, const outcome *o)
{
    static at_once runs[AT_ONCE];
    bool ok = true;
    for (int i = 0; i < AT_ONCE; i++) {
        runs[i] = (at_once){.s = s, .n_given = n_given, .given = given};
        runs[i].started = pthread_create(&runs[i].thread, NULL, run_at_once, &runs[i]) == 0;
    }
    for (int i = 0; i < AT_ONCE; i++) {
        if (runs[i].started)
            pthread_join(runs[i].thread, NULL);
        ok = ok &&
             (!runs[i].started || (runs[i].ok && same_bits((const sib_value *const *)o->first,
                                                           (const sib_value *const *)runs[i].out, o->n)));
        for (int k = 0; k < RG_VALUES; k++)
            sib_value_free(&runs[i].out[k]);
    }
    return ok;
}

/* ---- Configurations ------------------------------------------------------------------------------------ */

/* Runs the graph twice in a configuration and, if that has threads, concurrently. Returns false with a
   message if a run fails, or a later one gives other bits. */
static bool run_config(const rg_graph *g, const rg_config *c, outcome *o, rg_failure *f)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *values[RG_VALUES] = {NULL}, *again[RG_VALUES] = {NULL};
    sib_named_value given[RG_VALUES];
    o->n = outputs_of(g, o->outputs);
    sib_session *s = open_session(g, c, &err);
    size_t n_given = s ? inputs_of(g, s, given, values) : 0;
    bool ok = s && sib_session_run(s, n_given, given, 0, NULL, o->first, NULL, &err) == SIB_OK &&
              sib_session_run(s, n_given, given, 0, NULL, again, NULL, &err) == SIB_OK;
    f->value = RG_NONE;
    if (!ok)
        snprintf(f->words, sizeof f->words, "%s: %s", sib_code_name(err.code), err.message);
    else if (!same_bits((const sib_value *const *)o->first, (const sib_value *const *)again, o->n)) {
        snprintf(f->words, sizeof f->words, "a second run gives other bits");
        ok = false;
    } else if (c->threads > 1 && !several_agree(s, n_given, given, o)) {
        snprintf(f->words, sizeof f->words, "runs at once give other bits");
        ok = false;
    }
    for (int i = 0; i < RG_VALUES; i++) {
        sib_value_free(&values[i]);
        sib_value_free(&again[i]);
    }
    sib_session_free(&s);
    return ok;
}

static void drop(outcome *o)
{
    for (int i = 0; i < RG_VALUES; i++)
        sib_value_free(&o->first[i]);
}

/* Compares the results with those of ref. */
static bool agrees(const rg_graph *g, const outcome *o, const rg_noise *noise, rg_failure *f)
{
    for (int i = 0; i < o->n; i++) {
        int v = o->outputs[i];
        const sib_tensor *got = sib_value_tensor(o->first[i]);
        char words[400] = "";
        if (got && rg_noise_allows(&noise[v], got, g->values[v].t, words, sizeof words))
            continue;
        f->value = v;
        snprintf(f->words, sizeof f->words, "v%d: %s", v, got ? words : "is no tensor");
        return false;
    }
    return true;
}

bool rg_check(rg_graph *g, uint64_t seed, int only, rg_failure *out)
{
    rg_noise noise[RG_VALUES] = {{0}};
    rg_random r = {seed * 2 + 1};
    bool ok = rg_noise_find(g, &r, ROUNDS, noise), more = false;
    *out = (rg_failure){.value = RG_NONE};
    for (size_t i = 0; i < rg_n_configs && ok; i++) {
        outcome o = {0};
        if (only >= 0 && i != (size_t)only)
            continue;
        out->config = (int)i;
        ok = run_config(g, &rg_configs[i], &o, out);
        bool ran = ok;
        ok = ok && agrees(g, &o, noise, out);
        if (ran && !ok && !more) { /* the noise may be underestimated by these few rounds */
            rg_noise_clear(noise);
            more = rg_noise_find(g, &r, ROUNDS + MORE_ROUNDS, noise);
            ok = more && agrees(g, &o, noise, out);
        }
        drop(&o);
    }
    rg_noise_clear(noise);
    return ok;
}
