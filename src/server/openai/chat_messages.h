/* The messages of a chat, as OpenAI's API has them, for a chat template. */
#ifndef SIB_SERVER_CHAT_MESSAGES_H
#define SIB_SERVER_CHAT_MESSAGES_H

#include "server/openai/text_form.h"

/* The values for the template as JSON: roles and texts, of which parts are joined by line ends, calls of
   tools and their answers, and the tools that there are. free() the result. Answers 400 and returns NULL
   where a message is none of these. */
char *chat_variables(exchange *x, const text_form *f);

#endif
