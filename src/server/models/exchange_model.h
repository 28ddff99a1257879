/* The models that requests name. */
#ifndef SIB_SERVER_EXCHANGE_MODEL_H
#define SIB_SERVER_EXCHANGE_MODEL_H

#include "server/http/exchange.h"
#include "server/models/catalog.h"

/* The model of {id} in the path, held for the exchange: catalog_release it. Answers 404 and returns NULL where there is
   none. */
served *exchange_model(exchange *x);
/* As catalog_find. Answers 404 or 400 and returns NULL where there is none of the kind. */
served *exchange_model_of(exchange *x, const char *id, const char *kind, const char *does, const char *alias);

#endif
