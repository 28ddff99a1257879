/* TCP sockets that listen, and their addresses. */
#ifndef SIB_SERVER_SOCKETS_H
#define SIB_SERVER_SOCKETS_H

#include <sibyl/base.h>

/* Listens on a host and port, 0: a free one. *out: owned by the caller. Errors: SIB_ERR_ARGUMENT (no such host), SIB_ERR_IO. */
sib_code socket_listen(const char *host, unsigned port, int *out, sib_error *err);
/* The numeric host of a socket that listens; false where fd is none. */
bool socket_host(int fd, char *host, size_t size);
/* "SCHEME://HOST:PORT" of a socket; v6 hosts in brackets. */
void socket_address(int fd, const char *scheme, char *text, size_t size);
/* Takes "PORT" or "HOST:PORT" apart; host keeps what it holds where there is none. Errors: SIB_ERR_ARGUMENT. */
sib_code socket_place(const char *text, char host[256], unsigned *port, sib_error *err);

#endif
