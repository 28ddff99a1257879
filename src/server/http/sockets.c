#include "server/http/sockets.h"

#include "server/http/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

sib_code socket_listen(const char *host, unsigned port, int *out, sib_error *err)
{
    char service[16];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE},
                    *found = NULL;
    int failed = getaddrinfo(host, service, &hints, &found);
    if (failed)
        return server_fail(err, SIB_ERR_ARGUMENT, "the host '%s' has no address: %s", host,
                           gai_strerror(failed));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    bool bound = fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) &&
                 !bind(fd, found->ai_addr, found->ai_addrlen) && !listen(fd, 1024);
    int why = errno;
    freeaddrinfo(found);
    if (!bound) {
        if (fd >= 0)
            close(fd);
        return server_fail(err, SIB_ERR_IO, "cannot listen on %s, port %u: %s", host, port, strerror(why));
    }
    *out = fd;
    return SIB_OK;
}

/* The numeric address and port of a socket; "?" where it has none. */
static void name_of(int fd, char *host, size_t host_size, char port[16])
{
    struct sockaddr_storage a = {0};
    socklen_t size = sizeof a;
    snprintf(host, host_size, "?");
    snprintf(port, 16, "?");
    if (!getsockname(fd, (struct sockaddr *)&a, &size))
        getnameinfo((struct sockaddr *)&a, size, host, (socklen_t)host_size, port, 16,
                    NI_NUMERICHOST | NI_NUMERICSERV);
}

bool socket_host(int fd, char *host, size_t size)
{
    int listens = 0, domain = 0;
    socklen_t n = sizeof listens, m = sizeof domain;
    char port[16];
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) || !listens ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &m) || (domain != AF_INET && domain != AF_INET6))
        return false;
    name_of(fd, host, size, port);
    return true;
}

void socket_address(int fd, const char *scheme, char *text, size_t size)
{
    char host[128], port[16];
    name_of(fd, host, sizeof host, port);
    bool v6 = strchr(host, ':') != NULL;
    snprintf(text, size, "%s://%s%s%s:%s", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port);
}

sib_code socket_place(const char *text, char host[256], unsigned *port, sib_error *err)
{
    const char *colon = strrchr(text, ':'), *number = colon ? colon + 1 : text;
    bool bracket = text[0] == '[';
    size_t n = colon ? (size_t)(colon - text) : 0;
    char *end;
    unsigned long value = strtoul(number, &end, 10);
    bool valid = *number >= '0' && *number <= '9' && !*end && value <= 65535 && n < 256 &&
                 (!colon || n > 0) && (!bracket || (n > 2 && text[n - 1] == ']'));
    if (!valid)
        return server_fail(err, SIB_ERR_ARGUMENT, "'%.100s' is no PORT or HOST:PORT", text);
    if (n)
        snprintf(host, 256, "%.*s", (int)(n - (bracket ? 2 : 0)), text + bracket);
    *port = (unsigned)value;
    return SIB_OK;
}
