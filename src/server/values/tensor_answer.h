/* Tensors as answers: their bytes, or a digest of them, both of the slice that the client asks for. */
#ifndef SIB_SERVER_TENSOR_ANSWER_H
#define SIB_SERVER_TENSOR_ANSWER_H

#include "server/http/exchange.h"

/* ?format=npy (default) or raw, ?slice=. Memory that t shares is sent from where it stands. name: of the value. */
void answer_tensor(exchange *x, const sib_tensor *t, const char *name);
/* The digest of a slice of t; NULL: of all of it. *out: NULL where memory fails. */
sib_code tensor_digest(const sib_tensor *t, const char *slice, json_t **out, sib_error *err);
/* ?slice= */
void answer_digest(exchange *x, const sib_tensor *t);

#endif
