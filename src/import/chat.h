/* How chats become prompts: entries in the model's metadata, for its job. */
#ifndef IMPORT_CHAT_H
#define IMPORT_CHAT_H

#include "import/model/build.h"

/* Adds "chat_template" (Jinja, see sibyl/chat.h), "bos_token" and "eos_token" to the model's metadata: the template of the
   file `given` (NULL: none), of GGUF's tokenizer.chat_template, or of chat_template.jinja or tokenizer_config.json next to
   the checkpoint, where of several named ones the default is taken. A checkpoint without a template is no failure, and the
   template is not read here: one that Sibyl cannot read is carried too. Errors: SIB_ERR_IO, SIB_ERR_FORMAT (no UTF-8, a
   tokenizer_config.json that is no JSON), SIB_ERR_SIZE (more than 1 MiB), SIB_ERR_MEMORY. */
sib_code chat_add(build *b, const char *given, sib_error *err);

#endif
