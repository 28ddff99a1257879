/* Random graphs on ref and on other backends: test_backend_random_graphs [--seed N] [--count N] [--save
   FOLDER]
   [--every N] [CASES...]

   Without files it makes `count` graphs (default: $SIBYL_RANDOM_GRAPHS or 1000, a tenth of it with $SIBYL_QUICK),
   numbered from `seed` ($SIBYL_RANDOM_SEED, 1) upward; a graph depends on its number alone. With files of
   operator cases it mutates every N-th case instead. A graph whose results differ is shrunk and printed, one
   node as a line of cases; with --save ($SIBYL_RANDOM_SAVE) it is also written as a case for `sibyl conform
   FOLDER --backend cpu,ref`. SIBYL_RANDOM_BACKENDS names others than cpu,ref: gpu-host,ref. */
#include "random/graph.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX 25

typedef struct campaign {
    uint64_t seed, count, every;
    const char *save;
    uint64_t done, failed, nodes, at;
} campaign;

/* Label of the current graph, printed if the process crashes. */
static char running[300];

static void fell(int sig)
{
    static const char words[] = "random graphs: fell at ";
    (void)!write(STDERR_FILENO, words, sizeof words - 1);
    (void)!write(STDERR_FILENO, running, strlen(running));
    (void)!write(STDERR_FILENO, "\n", 1);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void tell_failure(campaign *c, rg_graph *g, uint64_t seed, rg_failure *f)
{
    c->failed++;
    if (c->failed > SHOWN_MAX)
        return;
    rg_shrink(g, seed, f);
    printf("FAIL %s, %s: %s\n", g->label, rg_configs[f->config].name, f->words);
    rg_print(g, stdout);
    if (c->save) {
        char folder[4096];
        mkdir(c->save, 0777);
        snprintf(folder, sizeof folder, "%s/random_%llu", c->save, (unsigned long long)c->failed);
        if (rg_save(g, folder))
            printf("    saved as %s\n", folder);
    }
    fflush(stdout);
}

static void check_graph(campaign *c, rg_graph *g, uint64_t seed)
{
    rg_failure f;
    c->done++;
    c->nodes += (uint64_t)g->n_nodes;
    rg_sweep(g);
    if (!rg_check(g, seed, -1, &f))
        tell_failure(c, g, seed, &f);
}

/* ---- Graphs -------------------------------------------------------------------------------------------- */

static void run_graph(campaign *c, uint64_t seed)
{
    static rg_graph g;
    rg_random r = {seed * UINT64_C(0x9E3779B97F4A7C15) + 1};
    for (int i = 0; i < 4; i++)
        check_u64(&r);
    bool big = rg_chance(&r, 2);
    int nodes = big ? 1 + rg_below(&r, 3) : rg_chance(&r, 40) ? 1 + rg_below(&r, 4) : 2 + rg_below(&r, 29);
    snprintf(running, sizeof running, "graph %llu (--seed %llu --count 1)", (unsigned long long)seed,
             (unsigned long long)seed);
    if (!rg_begin(&g))
        return;
    snprintf(g.label, sizeof g.label, "%.150s", running);
    if (rg_make(&g, &r, nodes, big))
        check_graph(c, &g, seed);
    rg_clear(&g);
}

/* ---- Cases --------------------------------------------------------------------------------------------- */

static bool visit(void *context, const op_case *oc)
{
    static rg_graph g;
    campaign *c = context;
    uint64_t seed = c->seed * 1000003 + c->at++;
    rg_random r = {seed * UINT64_C(0x9E3779B97F4A7C15) + 1};
    for (int i = 0; i < 4; i++)
        check_u64(&r);
    if (c->every > 1 && check_u64(&r) % c->every != 0)
        return true;
    snprintf(running, sizeof running, "%s:%u: %s, changed (--seed %llu)", oc->file, oc->line, oc->label,
             (unsigned long long)c->seed);
    if (rg_from_case(&g, oc, &r)) {
        snprintf(g.label, sizeof g.label, "%.190s", running);
        check_graph(c, &g, seed);
        rg_clear(&g);
    }
    return true;
}

static bool malformed(void *context, const char *file, unsigned line, const char *words)
{
    campaign *c = context;
    c->failed++;
    printf("%s:%u: %s\n", file, line, words);
    return true;
}

/* ---- Main ---------------------------------------------------------------------------------------------- */

static uint64_t number_of(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    campaign c = {.seed = number_of("SIBYL_RANDOM_SEED", 1),
                  .count = number_of("SIBYL_RANDOM_GRAPHS", 1000) / (getenv("SIBYL_QUICK") ? 10 : 1),
                  .every = number_of("SIBYL_RANDOM_EVERY", getenv("SIBYL_QUICK") ? 100 : 12),
                  .save = getenv("SIBYL_RANDOM_SAVE")};
    int at = 1;
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        if (!strcmp(argv[at], "--seed"))
            c.seed = strtoull(argv[at + 1], NULL, 10);
        else if (!strcmp(argv[at], "--count"))
            c.count = strtoull(argv[at + 1], NULL, 10);
        else if (!strcmp(argv[at], "--every"))
            c.every = strtoull(argv[at + 1], NULL, 10);
        else if (!strcmp(argv[at], "--save"))
            c.save = argv[at + 1];
        else
            break;
    }
    if (at < argc && argv[at][0] == '-') {
        fprintf(stderr, "usage: %s [--seed N] [--count N] [--every N] [--save FOLDER] [CASES...]\n", argv[0]);
        return 2;
    }
    signal(SIGSEGV, fell);
    signal(SIGABRT, fell);
    signal(SIGFPE, fell);
    for (uint64_t i = 0; at == argc && i < c.count; i++)
        run_graph(&c, c.seed + i);
    for (; at < argc; at++) {
        sib_error err = SIB_ERROR_INIT;
        case_visitor visitor = {visit, malformed, &c};
        if (case_each(argv[at], &visitor, &err) != SIB_OK) {
            printf("%s\n", err.message);
            c.failed++;
        }
    }
    printf("%llu graphs of %llu nodes, %llu differ\n", (unsigned long long)c.done,
           (unsigned long long)c.nodes, (unsigned long long)c.failed);
    return c.failed || !c.done ? 1 : 0;
}
