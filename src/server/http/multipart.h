/* Bodies of forms: multipart/form-data and application/x-www-form-urlencoded. libwebsockets' own reader drops fields
   whose names it was not given and loses bytes where a file holds a piece of the boundary, so complete bodies are cut here. */
#ifndef SIB_SERVER_MULTIPART_H
#define SIB_SERVER_MULTIPART_H

#include "server/http/exchange_inner.h"

/* Fills x->parts where the content type is one of these; body is emptied then. Returns false, with the reason in *why,
   where the body is malformed. */
bool multipart_parse(exchange *x, const char **why);

#endif
