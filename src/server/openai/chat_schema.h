/* The JSON that an answer must be: response_format and tool_choice of a chat. */
#ifndef SIB_SERVER_CHAT_SCHEMA_H
#define SIB_SERVER_CHAT_SCHEMA_H

#include "server/openai/text_form.h"

/* Reads a format into f->format: NULL for text, otherwise a schema. */
bool chat_format_read(exchange *x, const json_t *value, text_form *f);
/* Reads tool_choice into f->choice. */
bool chat_choice_read(exchange *x, const json_t *value, text_form *f);
/* Makes f->schema, once all fields are read: NULL where the answer is free. Both, and this: answer 400 and
   return false where something is wrong or not supported. */
bool chat_schema_make(exchange *x, text_form *f);

#endif
