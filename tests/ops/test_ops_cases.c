/* Runs files of operator cases: test_ops_cases [--list | --verdicts | --open] [--line N] [--backend LIST]
   FILE...

   --list prints a line for each case and runs none: domain, name, opset, dtypes of the inputs, dtypes of the
   outputs (or "error") and file:line, separated by tabs. --verdicts runs them and prints such lines after
   "pass" or "fail" and what cpu runs of the node: "none", "part" of its milli-ops, all of them ("milli"), or
   the node "whole". --open: cases in which inference leaves ranks or dims of outputs unknown, if inputs are
   known by symbols only, or with the other inputs constant. */
#include "case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Max failures printed; the count includes the others. */
#define SHOWN_MAX 400

typedef struct tally {
    bool list, verdicts, open;
    unsigned line;        /* only this one; 0: all */
    const char *backends; /* NULL: ref in every mode, and cpu in two */
    unsigned passed, failed, in_file;
} tally;

static void list_case(const op_case *c)
{
    printf("%s\t%s\t%lld\t", c->domain.data, c->name.data, (long long)c->version);
    for (size_t i = 0; i < c->n_in; i++)
        printf("%s%s", i ? "," : "", c->in[i].omitted ? "_" : case_dtype_name(c->in[i].type.dtype));
    printf("\t");
    for (size_t i = 0; i < c->n_out; i++)
        printf("%s%s", i ? "," : "", c->out[i].omitted ? "_" : case_dtype_name(c->out[i].type.dtype));
    printf("%s\t%s:%u\n", c->error.data ? "error" : "", c->file, c->line);
}

static void show_open(const op_case *c)
{
    static const case_mode modes[] = {CASE_SYMBOLIC, CASE_CONSTANTS};
    char words[800];
    for (size_t i = 0; i < sizeof modes / sizeof *modes && !c->error.data; i++)
        if (case_is_open(c, modes[i], words, sizeof words))
            printf("%s:%u: %s, %s: %s\n", c->file, c->line, c->label, case_mode_name(modes[i]), words);
}

/* The modes in which cases also run on cpu. */
static const case_mode fast_modes[] = {CASE_CONCRETE, CASE_CONSTANTS};

static bool check(tally *t, const op_case *c, case_mode mode, const char *backends)
{
    char words[800];
    bool ok = case_check(c, mode, backends, words, sizeof words);
    if (!ok && t->failed < SHOWN_MAX)
        fprintf(t->verdicts ? stderr : stdout, "%s:%u: %s, %s on %s: %s\n", c->file, c->line, c->label,
                case_mode_name(mode), backends, words);
    return ok;
}

static bool visit(void *context, const op_case *c)
{
    tally *t = context;
    bool ok = true;
    t->in_file++;
    if (t->line && c->line != t->line)
        return true;
    if (t->list) {
        list_case(c);
        return true;
    }
    if (t->open) {
        show_open(c);
        return true;
    }
    for (case_mode mode = 0; mode < CASE_MODES && ok; mode++)
        ok = check(t, c, mode, t->backends ? t->backends : "ref");
    for (size_t i = 0; i < sizeof fast_modes / sizeof *fast_modes && ok && !t->backends; i++)
        ok = check(t, c, fast_modes[i], "cpu,ref");
    if (t->verdicts) {
        printf("%s\t%s\t", ok ? "pass" : "fail", case_claim_name(case_claimed(c)));
        list_case(c);
    }
    t->passed += ok;
    t->failed += !ok;
    return true;
}

static bool malformed(void *context, const char *file, unsigned line, const char *words)
{
    tally *t = context;
    t->failed++;
    printf("%s:%u: %s\n", file, line, words);
    return true;
}

static int run_file(const char *path, tally *t)
{
    sib_error err = SIB_ERROR_INIT;
    case_visitor visitor = {visit, malformed, t};
    t->in_file = 0;
    if (case_each(path, &visitor, &err) != SIB_OK) {
        printf("%s\n", err.message);
        return 1;
    }
    if (!t->in_file) {
        printf("%s: no case\n", path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    tally t = {0};
    int at = 1, bad = 0;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "--list"))
            t.list = true;
        else if (!strcmp(argv[at], "--open"))
            t.open = true;
        else if (!strcmp(argv[at], "--verdicts"))
            t.verdicts = true;
        else if (!strcmp(argv[at], "--line") && at + 1 < argc)
            t.line = (unsigned)strtoul(argv[++at], NULL, 10);
        else if (!strcmp(argv[at], "--backend") && at + 1 < argc)
            t.backends = argv[++at];
        else
            at = argc;
    }
    if (at >= argc) {
        fprintf(stderr, "usage: %s [--list | --verdicts | --open] [--line N] [--backend LIST] FILE...\n",
                argv[0]);
        return 2;
    }
    for (; at < argc; at++)
        bad |= run_file(argv[at], &t);
    if (!t.list && !t.verdicts && !t.open)
        printf("%u cases passed, %u failed\n", t.passed, t.failed);
    return bad || t.failed ? 1 : 0;
}
