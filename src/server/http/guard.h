/* Who may ask: tokens, and the headers by which a page of another origin is recognised. */
#ifndef SIB_SERVER_GUARD_H
#define SIB_SERVER_GUARD_H

#include <stdbool.h>

struct server;

/* authorization: the header's value or NULL; query: the value of ?token= or NULL. True where the server has no token.
   Takes the same time whatever the token is. */
bool guard_token(const struct server *s, const char *authorization, const char *query);

/* Host must name an address, localhost or the name that the server listens on, so that a name that an attacker's DNS
   points here is refused. NULL is refused. */
bool guard_host(const struct server *s, const char *host);

/* Origin, where a browser sends one, must be that of the host asked. */
bool guard_origin(const char *origin, const char *host);

/* "127.0.0.1", "::1" and "localhost". */
bool guard_loopback(const char *host);

#endif
