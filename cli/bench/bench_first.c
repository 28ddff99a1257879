/* sibyl bench first: a model opened and run once in a fresh process. */
#include "bench/bench_models.h"

#include "command.h"
#include "files.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define RESTING_RUNS 10

/* ---- In the child process ----------------------------------------------------------------------------- */

static double grown(uint64_t now, uint64_t before)
{
    return now > before ? (double)(now - before) : 0;
}

static bool measure(engine_kind kind, const engine_settings *es, model_case *c,
                    const bench_settings *settings, first_run *out, char *why, size_t bytes)
{
    sib_memory before, after;
    size_t n;
    bench_inputs *in = bench_inputs_read(c, settings, why, bytes);
    if (!in)
        return false;
    const sib_named_value *named = bench_inputs_named(in, &n);
    sib_memory_usage(&before);
    sib_timer timer = sib_timer_start();
    engine *e = engine_open(kind, es, c->path, why, bytes);
    bool ok = e && engine_bind(e, n, named, why, bytes);
    out->open = sib_timer_seconds(&timer);
    timer = sib_timer_start();
    ok = ok && engine_run(e, why, bytes) >= 0;
    out->run = sib_timer_seconds(&timer);
    for (int i = 1; i < RESTING_RUNS && ok; i++)
        ok = engine_run(e, why, bytes) >= 0;
    sib_memory_usage(&after);
    out->resting = grown(after.resident, before.resident);
    out->peak = grown(after.resident_peak, before.resident);
    out->known = ok;
    engine_close(e);
    bench_inputs_free(in);
    return ok;
}

int bench_first(const void *of)
{
    const bench_settings *settings = of;
    char why[SIB_MESSAGE_SIZE] = "";
    models list = {0};
    first_run f = {0};
    engine_settings es = {.backend = settings->backend,
                          .passes = settings->passes,
                          .threads = settings->threads ? (unsigned)settings->threads : 1};
    if (settings->n_operands != 2)
        return cli_fail("bench first takes an engine, sibyl or onnxruntime, and a model");
    engine_kind kind = strcmp(settings->operands[0], engine_name(ENGINE_ORT)) ? ENGINE_SIBYL : ENGINE_ORT;
    models_add(&list, settings->operands[1]);
    es.ort = kind == ENGINE_ORT ? peer_ort_open(why, sizeof why) : NULL;
    bool ok = list.n == 1 && (kind == ENGINE_SIBYL || es.ort) &&
              measure(kind, &es, &list.items[0], settings, &f, why, sizeof why);
    if (ok)
        printf("%.9g %.9g %.0f %.0f\n", f.open, f.run, f.resting, f.peak);
    peer_ort_close(es.ort);
    models_free(&list);
    return ok ? CLI_DONE : cli_fail("%s: %s", settings->operands[1], *why ? why : "no model was found");
}

/* ---- In the parent process ---------------------------------------------------------------------------- */

/* The child's arguments, ending with NULL; released with free. */
static char **arguments_of(engine_kind kind, const model_case *c, const bench_settings *s, char *threads)
{
    char **argv = cli_alloc(14 + 2 * s->dims.n, sizeof *argv);
    size_t n = 0;
    const char *const fixed[] = {"sibyl", "bench", "first", engine_name(kind), c->path, "--threads", threads};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        argv[n++] = (char *)fixed[i];
    if (s->backend) {
        argv[n++] = (char *)"--backend";
        argv[n++] = (char *)s->backend;
    }
    if (s->passes.names) {
        argv[n++] = (char *)"--passes";
        argv[n++] = (char *)s->passes.names;
    }
    for (size_t i = 0; i < s->dims.n; i++) {
        argv[n++] = (char *)"--dim";
        argv[n++] = (char *)s->dims.items[i];
    }
    return argv;
}

void first_run_measure(engine_kind kind, const model_case *c, const bench_settings *settings, first_run *out)
{
    char threads[24], line[200] = "";
    int answer[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    snprintf(threads, sizeof threads, "%ld", settings->threads ? settings->threads : 1);
    char **argv = arguments_of(kind, c, settings, threads);
    if (pipe2(answer, O_CLOEXEC) == 0) {
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, answer[1], STDOUT_FILENO);
        bool started = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ) == 0;
        posix_spawn_file_actions_destroy(&actions);
        close(answer[1]);
        FILE *f = fdopen(answer[0], "r");
        out->known = started && f && fgets(line, sizeof line, f) &&
                     sscanf(line, "%lf %lf %lf %lf", &out->open, &out->run, &out->resting, &out->peak) == 4;
        if (f)
            fclose(f);
        if (started)
            waitpid(pid, NULL, 0);
    }
    free(argv);
}
