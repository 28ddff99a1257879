#include "model/peer.h"

#include "child.h"
#include "dumps_script.h"
#include "files.h"
#include "interrupt.h"
#include "messages.h"
#include "model/dump.h"
#include "peer_python.h"
#include "temporary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define ABSENT 3 /* exit code of the script: this Python does not have the runtime */

const char *const peer_names[] = {"onnxruntime", NULL};

/* Runs the script in a Python. Returns its exit code, or ABSENT where it cannot be run;
   said: what it printed. */
static int run_python(const char *python, const char *model, const char *in, const char *out, char *said,
                      size_t size)
{
    char *const argv[] = {(char *)python, (char *)"-c", (char *)dumps_script, (char *)model, (char *)in,
                          (char *)out,    NULL};
    FILE *f;
    pid_t pid = 0;
    snprintf(said, size, "it cannot be run");
    if (!child_start(python, argv, true, &f, &pid))
        return ABSENT;
    said[0] = '\0';
    if (fgets(said, (int)size, f))
        said[strcspn(said, "\n")] = '\0';
    const int status = child_end(f, pid);
    if (WIFEXITED(status) && !said[0]) { /* not even the script's own words */
        snprintf(said, size, "it ended with %d", WEXITSTATUS(status));
        return WEXITSTATUS(status) ? ABSENT : 0;
    }
    if (WIFSIGNALED(status))
        snprintf(said, size, "it was ended by signal %d", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool write_inputs(const model_inputs *in, const char *folder)
{
    dump_writer w;
    bool ok = dump_begin(folder, &w);
    for (size_t i = 0; i < in->n && ok; i++)
        ok = dump_put(&w, in->items[i].name, in->items[i].value);
    ok = ok && dump_end(&w);
    dump_discard(&w);
    return ok;
}

bool peer_dump(int peer, const char *model, const model_inputs *in, const char *out)
{
    char *paths[PEER_PYTHONS], said[1024] = "", *inputs = temporary_folder(), *tried = NULL;
    bool ok = inputs && write_inputs(in, inputs);
    const size_t n = ok ? peer_pythons(paths) : 0;
    int code = ABSENT;
    for (size_t i = 0; i < n; i++) {
        if (code == ABSENT && !interrupt_came()) {
            code = run_python(paths[i], model, inputs, out, said, sizeof said);
            free(tried);
            tried = cli_format("%s", paths[i]);
        }
        free(paths[i]);
    }
    if (ok && code == ABSENT && !interrupt_came())
        cli_fail("%s has no %s (%s): '%s -m pip install %s' gets it; SIBYL_PYTHON names another Python",
                 tried, peer_names[peer], said, tried, peer_names[peer]);
    else if (ok && code && interrupt_came())
        cli_fail("%s: interrupted", model);
    else if (ok && code)
        cli_fail("%s: %s: %s", model, peer_names[peer], said);
    free(tried);
    free(inputs);
    return ok && !code;
}
