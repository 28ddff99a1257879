#include "service.h"

#include "messages.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_SOCKET 3 /* the number of the first socket that is handed over */

bool service_socket(int *fd)
{
    const char *process = getenv("LISTEN_PID"), *sockets = getenv("LISTEN_FDS");
    const bool ours = process && sockets && strtol(process, NULL, 10) == (long)getpid();
    const long n = ours ? strtol(sockets, NULL, 10) : 0;
    *fd = n > 0 ? FIRST_SOCKET : 0;
    unsetenv("LISTEN_PID"); /* not for processes that this one starts */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (n > 1)
        cli_fail("the service manager hands over %ld sockets, expected one", n);
    return n <= 1;
}

/* For the signal handler, which has no context; -1: no manager listens. */
static int manager = -1;

void service_begin(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    const size_t n = path ? strlen(path) : 0;
    if ((n && *path != '/' && *path != '@') || n < 2 || n >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, n);
    if (*path == '@') /* a name without a file */
        to.sun_path[0] = 0;
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (manager >= 0 &&
        connect(manager, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n))) {
        close(manager);
        manager = -1;
    }
    unsetenv("NOTIFY_SOCKET");
}

void service_tell(const char *state)
{
    if (manager >= 0)
        (void)!send(manager, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}
