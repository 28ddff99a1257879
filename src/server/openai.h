/* What the routes of OpenAI's API share. */
#ifndef SIB_SERVER_OPENAI_H
#define SIB_SERVER_OPENAI_H

#include "server_inner.h"

/* The model that a request names, held; where it names none, or `alias`, which clients have built in, the first of the
   kind. does: "transcribes". alias may be NULL. Answers 404 or 400 and returns NULL where there is none of the kind. */
served *openai_model(exchange *x, const char *id, const char *kind, const char *does, const char *alias);
/* The same outside of an exchange. Errors: SIB_ERR_ARGUMENT (there is none), SIB_ERR_UNSUPPORTED (of another kind). */
served *openai_find(struct server *s, const char *id, const char *kind, const char *does, const char *alias,
                    sib_error *err);

#endif
