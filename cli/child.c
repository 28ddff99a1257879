#include "child.h"

#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool child_start(const char *program, char *const argv[], bool quiet, FILE **out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    *out = fdopen(ends[0], "r");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (quiet)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool started = *out && posix_spawnp(pid, program, &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!started && *out)
        fclose(*out);
    else if (!*out)
        close(ends[0]);
    return started;
}

int child_end(FILE *out, pid_t pid)
{
    int status = 0;
    fclose(out);
    if (interrupt_came()) /* else it may be waited for in vain */
        kill(pid, SIGTERM);
    pid_t ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR) {
        kill(pid, SIGTERM);
        ended = waitpid(pid, &status, 0);
    }
    return ended == pid ? status : -1;
}
