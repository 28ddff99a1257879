/* Job documents of clients. What they name are models that are open: "ID", or "ID/NAME" where NAME is a model or a
   tokenizer in the document of that model's own job. */
#ifndef SIB_SERVER_DOCUMENTS_H
#define SIB_SERVER_DOCUMENTS_H

#include "server/models/catalog.h"

#include <jansson.h>
#include <sibyl/server.h>

#define MAX_DOCUMENT (1u << 20) /* bytes */

/* Opens a document; no file is read. fault, *out: as of sib_job_open_from. */
sib_code document_open(catalog *m, const sib_server_options *o, const char *text, size_t size,
                       sib_job_fault *fault, sib_job **out, sib_error *err);
/* The document of a model's job, whose models and tokenizers are named as above. NULL where memory fails. */
json_t *document_json(const served *v);

#endif
