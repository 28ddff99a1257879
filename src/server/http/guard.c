#include "server/http/guard.h"

#include "server/http/state.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool equal_in_constant_time(const char *a, const char *b)
{
    size_t n_a = strlen(a), n_b = strlen(b);
    unsigned differs = n_a != n_b;
    for (size_t i = 0; i < n_a; i++) /* a is the client's: its length is no secret */
        differs |= (unsigned char)a[i] ^ (unsigned char)(n_b ? b[i % n_b] : 0);
    return !differs;
}

bool guard_token(const struct server *s, const char *authorization, const char *query)
{
    const char *token = s->options.token;
    if (!token)
        return true;
    const char *given =
        authorization && !strncasecmp(authorization, "bearer ", 7) ? authorization + 7 : query;
    return given && equal_in_constant_time(given, token);
}

/* Copies the host of "host:port" or "[v6]:port" without its port. */
static bool host_name(const char *host, char out[256])
{
    bool bracket = host[0] == '[';
    const char *begin = host + bracket, *end = begin + strcspn(begin, bracket ? "]" : ":");
    size_t n = (size_t)(end - begin);
    if (!n || n >= 256 || (bracket && *end != ']'))
        return false;
    memcpy(out, begin, n);
    out[n] = 0;
    return true;
}

bool guard_loopback(const char *host)
{
    return !strcasecmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "::1");
}

bool guard_host(const struct server *s, const char *host)
{
    char name[256];
    unsigned char address[16];
    if (!host || !host_name(host, name))
        return false;
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return true;
    /* With a token a name is no danger: a page that DNS rebinding lets in does not know the token. */
    return !strcasecmp(name, "localhost") || !strcasecmp(name, s->options.host) || s->options.token;
}

bool guard_origin(const char *origin, const char *host)
{
    if (!origin)
        return true;
    const char *at = strstr(origin, "://");
    return at && host && !strcasecmp(at + 3, host);
}
