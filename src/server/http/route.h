/* Which handler answers a request. */
#ifndef SIB_SERVER_ROUTE_H
#define SIB_SERVER_ROUTE_H

#include "server/http/exchange.h"

/* Rows of which the first that fits answers. */
typedef struct route_table {
    const route *rows;
    size_t n;
} route_table;

/* Finds the route of x's method and path and fills its params. Returns 0 and sets x->route; 404 where no route has the
   path; 405 where one has it for other methods, which are listed in *allow (of 64 bytes); 503 for want of memory. */
unsigned route_find(const route_table *table, exchange *x, char *allow, size_t size);

#endif
