/* Checkpoints of other programs, opened as models. */
#ifndef SIB_SERVER_OPEN_CHECKPOINT_H
#define SIB_SERVER_OPEN_CHECKPOINT_H

#include "server/http/exchange.h"
#include "server/models/catalog.h"

/* The loader's row of /api/loaders. NULL where memory fails. */
json_t *open_checkpoint_loader(void);
/* Imports what the options {"file", "tokenizer", "dtype"} name below the server's folder of models, and opens it. What is
   written for that is gone once it is open. *out: held by the caller. Errors: SIB_ERR_ARGUMENT names the option, those of
   sib_import and catalog_open. */
sib_code open_checkpoint(exchange *x, const json_t *options, served **out, sib_error *err);

#endif
