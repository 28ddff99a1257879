#include "bench/peer_torch.h"

#include "messages.h"
#include "peer_python.h"
#include "torch_peer_script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct peer_torch {
    pid_t pid;
    FILE *orders, *answers;
    char version[64];
    void (*old_pipe)(int);
};

/* Starts `python -c script` between two pipes and discards its stderr. */
static bool start(peer_torch *p, const char *python)
{
    int in[2], out[2];
    char *const argv[] = {(char *)python, (char *)"-c", (char *)torch_peer_script, NULL};
    posix_spawn_file_actions_t actions;
    if (pipe2(in, O_CLOEXEC) != 0)
        return false;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]), close(in[1]);
        return false;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool started = posix_spawnp(&p->pid, python, &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]), close(out[1]);
    if (!started) {
        close(in[1]), close(out[0]);
        return false;
    }
    p->orders = fdopen(in[1], "wb");
    p->answers = fdopen(out[0], "rb");
    return p->orders && p->answers;
}

static void stop(peer_torch *p)
{
    if (p->orders)
        fclose(p->orders);
    if (p->answers)
        fclose(p->answers);
    if (p->pid > 0)
        waitpid(p->pid, NULL, 0);
    p->orders = p->answers = NULL;
    p->pid = 0;
}

static bool answer(peer_torch *p, char *line, size_t bytes)
{
    if (!fgets(line, (int)bytes, p->answers))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

/* Fills the version, or `why` with what is wrong with this Python. */
static bool try_python(peer_torch *p, const char *python, char *why, size_t bytes)
{
    char line[512];
    if (!start(p, python)) {
        snprintf(why, bytes, "%s cannot be run", python);
        return false;
    }
    if (!answer(p, line, sizeof line))
        snprintf(why, bytes, "%s cannot be run, or ended without output", python);
    else if (strncmp(line, "ready ", 6) == 0) {
        snprintf(p->version, sizeof p->version, "%.60s", line + 6);
        return true;
    } else
        snprintf(why, bytes, "%s has no torch (%.200s)", python,
                 strncmp(line, "absent ", 7) == 0 ? line + 7 : line);
    stop(p);
    return false;
}

static bool find_python(peer_torch *p, char *why, size_t bytes)
{
    char *paths[PEER_PYTHONS];
    size_t n = peer_pythons(paths);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        found = found || try_python(p, paths[i], why, bytes);
        free(paths[i]);
    }
    return found;
}

peer_torch *peer_torch_open(char *why, size_t bytes)
{
    peer_torch *p = cli_alloc(1, sizeof *p);
    p->old_pipe = signal(SIGPIPE, SIG_IGN); /* a Python that ended is noticed by a failed write */
    if (find_python(p, why, bytes))
        return p;
    peer_torch_close(p);
    return NULL;
}

void peer_torch_close(peer_torch *p)
{
    if (!p)
        return;
    stop(p);
    signal(SIGPIPE, p->old_pipe);
    free(p);
}

const char *peer_torch_version(const peer_torch *p)
{
    return p->version;
}

/* Returns true if the request succeeded. */
static bool done(peer_torch *p)
{
    char line[64];
    return fflush(p->orders) == 0 && answer(p, line, sizeof line) && strcmp(line, "done") == 0;
}

bool peer_torch_features(peer_torch *p, const float *samples, size_t n_samples, const double *weights,
                         size_t n_mels, size_t n_bins)
{
    fprintf(p->orders, "features %zu %zu %zu\n", n_samples, n_mels, n_bins);
    fwrite(samples, sizeof *samples, n_samples, p->orders);
    fwrite(weights, sizeof *weights, n_mels * n_bins, p->orders);
    return done(p);
}

bool peer_torch_features_result(peer_torch *p, float *single, double *precise, size_t count)
{
    fputs("result\n", p->orders);
    return fflush(p->orders) == 0 && fread(single, sizeof *single, count, p->answers) == count &&
           fread(precise, sizeof *precise, count, p->answers) == count;
}

bool peer_torch_conv1d(peer_torch *p, size_t slot, const long shape[7], const char *dtype, int threads)
{
    fprintf(p->orders, "conv1d %zu", slot);
    for (int i = 0; i < 7; i++)
        fprintf(p->orders, " %ld", shape[i]);
    fprintf(p->orders, " %s %d\n", dtype, threads);
    return done(p);
}

bool peer_torch_whisper(peer_torch *p, size_t slot, const char *what, unsigned threads)
{
    fprintf(p->orders, "whisper %zu %s %u\n", slot, what, threads);
    return done(p);
}

double peer_torch_run(peer_torch *p, size_t slot)
{
    char line[64], *end;
    fprintf(p->orders, "run %zu\n", slot);
    if (fflush(p->orders) != 0 || !answer(p, line, sizeof line))
        return -1;
    double seconds = strtod(line, &end);
    return end == line ? -1 : seconds;
}
