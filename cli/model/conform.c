/* sibyl conform: cases of the ONNX backend tests, run and compared. */
#include "command.h"
#include "files.h"
#include "messages.h"
#include "model/case_files.h"
#include "model/conform_case.h"
#include "options.h"
#include "shared_options.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *backend, *filter, *json, *junit, *manifest;
    pass_settings passes;
    extension_settings ext;
    long jobs;
    double rtol, atol;
    bool verbose, share;
} settings;

static const cli_option options[] = {
    OPT_BACKEND,
    OPT_PASSES,
    OPT_TEXT("filter", filter, "GLOB", "run only cases with such names, as 'test_add*'"),
    OPT_INTEGER("jobs", jobs, "N", 0, 1024, "cases at once; 0: one per processor (default: 0)",
                .letter = 'j'),
    OPT_RTOL,
    OPT_ATOL("1e-7"),
    OPT_FILE("json", json, "FILE", "write every verdict as JSON"),
    OPT_FILE("junit", junit, "FILE", "write every verdict as JUnit XML"),
    OPT_FILE("manifest", manifest, "FILE",
             "cases whose reference is inexact, one per line: CASE RTOL ATOL REASON",
             .more = "They are compared with those tolerances, and the summary names them."),
    OPT_EXTENSIONS,
    OPT_FLAG("share", share, "print how many nodes each backend ran"),
    OPT_FLAG("verbose", verbose, "print a line for each case, with its time", .letter = 'v'),
    OPT_END};

static const char more[] =
    "A case is a folder with model.onnx and test_data_set_0, test_data_set_1, and so on, as the ONNX "
    "backend tests have them; folders that hold cases are searched. A case passes only if every output "
    "was compared: dtype, dims, and each element within atol + rtol * |expected|. Where a model draws "
    "random numbers without a seed, dtype, dims and distribution are compared; where the reference of a "
    "model of half floats kept more precision than the model declares, which a run in double shows, the "
    "outputs may differ by what rounding explains. The summary names such cases. Exit code 1 where a "
    "case fails.";

/* ---- Finding cases ------------------------------------------------------------------------------------- */

typedef struct case_list {
    conform_case *items; /* (n) */
    size_t n, capacity;
    const char *filter; /* for names, or NULL */
} case_list;

static void add_case(void *context, const char *path)
{
    case_list *list = context;
    char *name = file_name(path);
    if (list->filter && fnmatch(list->filter, name, 0) != 0) {
        free(name);
        return;
    }
    if (list->n == list->capacity) {
        size_t more_room = list->capacity ? 2 * list->capacity : 256;
        conform_case *grown = cli_alloc(more_room, sizeof *grown);
        if (list->n)
            memcpy(grown, list->items, list->n * sizeof *grown);
        free(list->items);
        list->items = grown;
        list->capacity = more_room;
    }
    list->items[list->n++] = (conform_case){.path = cli_format("%s", path), .name = name};
}

/* ---- Cases whose reference is inexact --------------------------------------------------------------- */

typedef struct exceptions {
    case_exception *items; /* (n) */
    size_t n;
} exceptions;

/* Reads lines of CASE RTOL ATOL [any-input-dims] REASON; '#' begins a comment. */
static bool read_manifest(const char *path, exceptions *out)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, at = 0;
    bool ok = true;
    if (!f) {
        cli_fail("%s: the manifest cannot be read", path);
        return false;
    }
    while (ok && getline(&line, &room, f) >= 0) {
        char name[200];
        int used = 0;
        case_exception e = {0};
        at++;
        line[strcspn(line, "\r\n")] = '\0';
        if (!line[strspn(line, " \t")] || line[0] == '#')
            continue;
        ok = sscanf(line, "%199s %lf %lf %n", name, &e.tolerance.rtol, &e.tolerance.atol, &used) == 3 &&
             line[used] && e.tolerance.rtol >= 0 && e.tolerance.atol >= 0;
        if (!ok) {
            cli_fail("%s: line %zu is not CASE RTOL ATOL REASON", path, at);
            break;
        }
        e.name = cli_format("%s", name);
        static const char word[] = "any-input-dims ";
        e.any_input_dims = !strncmp(line + used, word, sizeof word - 1);
        e.reason = cli_format("%s", line + used + (e.any_input_dims ? sizeof word - 1 : 0));
        case_exception *more_items = cli_alloc(out->n + 1, sizeof *more_items);
        if (out->n)
            memcpy(more_items, out->items, out->n * sizeof *more_items);
        free(out->items);
        out->items = more_items;
        out->items[out->n++] = e;
    }
    free(line);
    fclose(f);
    return ok;
}

static void exceptions_free(exceptions *e)
{
    for (size_t i = 0; i < e->n; i++) {
        free(e->items[i].name);
        free(e->items[i].reason);
    }
    free(e->items);
}

/* ---- Running them
   ---------------------------------------------------------------------------------------- */

typedef struct queue {
    case_list *cases;
    const conform_settings *shared;
    const struct settings *names;
    size_t *order; /* (cases->n) the heaviest first */
    size_t next;
    pthread_mutex_t lock;
} queue;

static const char *const verdicts[] = {"FAIL", "pass", "skip"};

static void *work(void *context)
{
    queue *q = context;
    for (;;) {
        pthread_mutex_lock(&q->lock);
        size_t i = q->next++;
        pthread_mutex_unlock(&q->lock);
        if (i >= q->cases->n)
            return NULL;
        conform_case *c = &q->cases->items[q->order[i]];
        conform_case_run(c, q->shared);
        pthread_mutex_lock(&q->lock);
        if (c->result.verdict != SIB_CONFORM_PASSED)
            printf("%s %s: %s\n", verdicts[c->result.verdict], c->name, c->result.reason);
        else if (q->names->verbose)
            printf("pass %s %.3f s\n", c->name, c->result.seconds);
        fflush(stdout);
        pthread_mutex_unlock(&q->lock);
    }
}

/* Entire networks first, so that none is left for the end. */
static size_t *by_weight(const case_list *cases)
{
    size_t *order = cli_alloc(cases->n + 1, sizeof *order), n = 0;
    for (int light = 0; light < 2; light++)
        for (size_t i = 0; i < cases->n; i++)
            if ((strstr(cases->items[i].path, "/light/") == NULL) == light)
                order[n++] = i;
    return order;
}

#define SHOWN_OPERATORS 40

/* The next row of a backend below `bound` calls, or of as many calls behind row *at; false where there is none. */
static bool next_by_calls(const sib_profile *p, const char *backend, uint64_t bound, size_t *at,
                          sib_profile_row *out)
{
    sib_profile_row row;
    bool found = false;
    const size_t after = *at;
    for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_OPERATOR, i, &row); i++) {
        const bool below = row.calls < bound || (row.calls == bound && i > after);
        if (strcmp(row.backend, backend) || !below || (found && row.calls <= out->calls))
            continue;
        *out = row;
        *at = i;
        found = true;
    }
    return found;
}

/* Prints the nodes that each backend ran, and the operators of most of them; a node that several ran counts for
   each. */
static void show_share(const sib_profile *p)
{
    const char *name;
    for (size_t b = 0; (name = sib_backend_name(b)); b++) {
        sib_profile_row row;
        uint64_t own = 0, all = 0, bound = UINT64_MAX;
        for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_OPERATOR, i, &row); i++) {
            all += row.calls;
            own += strcmp(row.backend, name) ? 0 : row.calls;
        }
        if (!own)
            continue;
        printf("%s ran %llu of %llu nodes (%.0f%%):", name, (unsigned long long)own, (unsigned long long)all,
               100.0 * (double)own / (double)all);
        for (size_t i = 0, at = 0; i < SHOWN_OPERATORS && next_by_calls(p, name, bound, &at, &row); i++) {
            printf("%s %s %llu", i ? "," : "", row.op_type, (unsigned long long)row.calls);
            bound = row.calls;
        }
        printf("\n");
    }
}

static void run_cases(case_list *cases, const settings *s, const exceptions *known)
{
    conform_settings shared = {.backend = s->backend,
                               .passes = s->passes,
                               .registry = s->ext.registry,
                               .tolerance = {.atol = s->atol, .rtol = s->rtol},
                               .exceptions = known->items,
                               .n_exceptions = known->n};
    if (s->share && sib_profile_create(&shared.profile, NULL) != SIB_OK)
        cli_fail("no memory for a profile");
    queue q = {.cases = cases, .shared = &shared, .names = s, .order = by_weight(cases)};
    long jobs = s->jobs ? s->jobs : sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t *threads = cli_alloc((size_t)jobs, sizeof *threads);
    long started = 0;
    pthread_mutex_init(&q.lock, NULL);
    while (started + 1 < jobs && pthread_create(&threads[started], NULL, work, &q) == 0)
        started++;
    work(&q);
    for (long i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&q.lock);
    if (shared.profile)
        show_share(shared.profile);
    sib_profile_free(&shared.profile);
    free(threads);
    free(q.order);
}

/* ---- Reports
   --------------------------------------------------------------------------------------------- */

static int write_json(const case_list *cases, const size_t counts[3], double seconds, const char *path)
{
    static const char *const names[] = {"failed", "passed", "skipped"};
    json_t *list = json_array();
    for (size_t i = 0; i < cases->n; i++) {
        const conform_case *c = &cases->items[i];
        json_t *j = json_pack("{s:o, s:o, s:s, s:I, s:o}", "case", cli_json_text(c->name), "path",
                              cli_json_text(c->path), "verdict", names[c->result.verdict], "outputs",
                              (json_int_t)c->result.outputs, "seconds", cli_json_number(c->result.seconds));
        if (c->result.verdict != SIB_CONFORM_PASSED)
            json_object_set_new(j, "reason", cli_json_text(c->result.reason));
        if (c->result.by_distribution || c->result.by_double)
            json_object_set_new(j, "compared",
                                json_string(c->result.by_double ? "run in double" : "distribution"));
        if (c->exception)
            json_object_set_new(j, "exception", cli_json_text(c->exception->reason));
        json_array_append_new(list, j);
    }
    json_t *report =
        json_pack("{s:o, s:I, s:I, s:I, s:o}", "cases", list, "passed",
                  (json_int_t)counts[SIB_CONFORM_PASSED], "failed", (json_int_t)counts[SIB_CONFORM_FAILED],
                  "skipped", (json_int_t)counts[SIB_CONFORM_SKIPPED], "seconds", cli_json_number(seconds));
    char *text = json_dumps(report, JSON_INDENT(2));
    const int code = !text                                ? cli_fail("%s: too little memory", path)
                     : file_put(path, text, strlen(text)) ? CLI_DONE
                                                          : CLI_FAILED;
    free(text);
    json_decref(report);
    return code;
}

static void put_xml(FILE *f, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (strchr("<>&\"'", c) || c < 32)
            fprintf(f, "&#%u;", c < 32 ? 32u : c);
        else
            fputc(c, f);
    }
}

static int write_junit(const case_list *cases, const size_t counts[3], double seconds, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return cli_fail("%s: too little memory", path);
    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"conform\" tests=\"%zu\" "
            "failures=\"%zu\" "
            "skipped=\"%zu\" time=\"%.3f\">\n",
            cases->n, counts[SIB_CONFORM_FAILED], counts[SIB_CONFORM_SKIPPED], seconds);
    for (size_t i = 0; i < cases->n; i++) {
        const conform_case *c = &cases->items[i];
        fputs("  <testcase name=\"", f);
        put_xml(f, c->name);
        fprintf(f, "\" time=\"%.3f\"", c->result.seconds);
        if (c->result.verdict == SIB_CONFORM_PASSED) {
            fputs("/>\n", f);
            continue;
        }
        fprintf(f, "><%s message=\"", c->result.verdict == SIB_CONFORM_FAILED ? "failure" : "skipped");
        put_xml(f, c->result.reason);
        fputs("\"/></testcase>\n", f);
    }
    fputs("</testsuite>\n", f);
    const bool made = !ferror(f);
    const int code = fclose(f) || !made           ? cli_fail("%s: too little memory", path)
                     : file_put(path, text, size) ? CLI_DONE
                                                  : CLI_FAILED;
    free(text);
    return code;
}

static bool was_drawn(const conform_case *c)
{
    return c->result.by_distribution;
}

static bool was_wider(const conform_case *c)
{
    return c->result.by_double;
}

static bool was_recast(const conform_case *c)
{
    return c->result.recast;
}

/* Lists the cases for which `holds` is true. */
static void show_special(const case_list *cases, const char *names, bool (*holds)(const conform_case *))
{
    size_t n = 0;
    for (size_t i = 0; i < cases->n; i++)
        n += holds(&cases->items[i]);
    if (!n)
        return;
    printf("%zu %s:", n, names);
    for (size_t i = 0; i < cases->n; i++)
        if (holds(&cases->items[i]))
            printf(" %s", cases->items[i].name);
    printf("\n");
}

static int report(const case_list *cases, const settings *s, double seconds)
{
    size_t counts[3] = {0};
    int code = CLI_DONE;
    for (size_t i = 0; i < cases->n; i++)
        counts[cases->items[i].result.verdict]++;
    if (s->json)
        code = write_json(cases, counts, seconds, s->json);
    if (s->junit && code == CLI_DONE)
        code = write_junit(cases, counts, seconds, s->junit);
    show_special(cases,
                 "compared by dtype, dims and distribution, since their random numbers cannot be drawn again",
                 was_drawn);
    show_special(
        cases,
        "whose reference kept more precision than the half floats of the model, as a run in double shows",
        was_wider);
    show_special(cases, "whose files hold bfloat16 as uint16", was_recast);
    for (size_t i = 0; i < cases->n; i++)
        if (cases->items[i].exception)
            printf("%s at rtol %g, atol %g: %s\n", cases->items[i].name,
                   cases->items[i].exception->tolerance.rtol, cases->items[i].exception->tolerance.atol,
                   cases->items[i].exception->reason);
    printf("%.1f s\n%zu passed, %zu failed, %zu skipped\n", seconds, counts[SIB_CONFORM_PASSED],
           counts[SIB_CONFORM_FAILED], counts[SIB_CONFORM_SKIPPED]);
    return counts[SIB_CONFORM_FAILED] ? CLI_FAILED : code;
}

/* ---- The command
   ------------------------------------------------------------------------------------------ */

/* The work after the options are parsed. */
static int conform_folders(const cli_command *self, const settings *s, int n, char **folders)
{
    if (n == 0)
        return cli_usage(self, "no folder: give one that holds cases");
    case_list cases = {.filter = s->filter};
    exceptions known = {0};
    int code;
    if (s->manifest && !read_manifest(s->manifest, &known)) {
        exceptions_free(&known);
        return CLI_FAILED;
    }
    for (int i = 0; i < n; i++)
        case_find(folders[i], add_case, &cases);
    sib_timer timer = sib_timer_start();
    if (cases.n) {
        run_cases(&cases, s, &known);
        code = report(&cases, s, sib_timer_seconds(&timer));
    } else
        code = cli_fail("no case was found in %s%s%s", folders[0], s->filter ? " for " : "",
                        s->filter ? s->filter : "");
    for (size_t i = 0; i < cases.n; i++) {
        free(cases.items[i].path);
        free(cases.items[i].name);
    }
    free(cases.items);
    exceptions_free(&known);
    return code;
}

static int conform(const cli_command *self, int argc, char **argv)
{
    settings s = {.passes = PASS_DEFAULTS, .rtol = 1e-3, .atol = 1e-7};
    int n, code;
    if (cli_begin(self, argc, argv, &s, &n, &code))
        code = extensions_load(&s.ext) ? conform_folders(self, &s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    return code;
}

const cli_command command_conform = {.name = "conform",
                                     .summary = "run ONNX backend tests and compare their outputs",
                                     .operands = "DIR... [options]",
                                     .options = options,
                                     .takes = CLI_FOLDERS,
                                     .more = more,
                                     .run = conform};
