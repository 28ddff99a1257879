/* Bodies of requests whose fields each have a rule. */
#ifndef SERVER_OPENAI_BODY_FIELDS_H
#define SERVER_OPENAI_BODY_FIELDS_H

#include "server/http/exchange.h"
#include "server/values/json.h"

typedef struct body_field {
    const char *name;
    bool (*read)(void *self,
                 const json_t *value); /* into self; false: the value is none that the field may have */
    const char *expected;              /* "must be ..." */
} body_field;

/* Reads the members of an object by n rules; null is as if the member were not there. Answers 400 and returns false at the
   first that has no rule or a wrong value. */
bool body_fields_read(exchange *x, const json_t *body, size_t n, const body_field *rules, void *self);

#endif
