/* Chat templates: messages of a chat to the prompt that a model was trained on, as checkpoints hold them (Jinja). */
#ifndef SIBYL_CHAT_H
#define SIBYL_CHAT_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_chat_template sib_chat_template;

/* Reads a template of at most 1 MiB: UTF-8, the part of Jinja 3.1 that chat templates use, with the settings and
   functions of Hugging Face's transformers (trim_blocks, lstrip_blocks, break and continue, tojson without escapes of
   HTML, raise_exception, strftime_now). Statements: if, for, set, macro, break, continue, raw, generation; docs/chat.md
   lists filters, tests and methods. The text need not outlive the call. out: owned by the caller,
   sib_chat_template_free(&t).
   Errors: SIB_ERR_FORMAT and SIB_ERR_UNSUPPORTED (what is not built, by name), with the line; SIB_ERR_SIZE (too long,
   nested too deep), SIB_ERR_MEMORY. */
SIB_API sib_code sib_chat_template_open(const char *text, size_t size, sib_chat_template **out,
                                        sib_error *err);
SIB_API void sib_chat_template_free(sib_chat_template **t);

/* Renders the prompt. variables (size): a JSON object of the names that the template reads: "messages" (a list of
   {"role", "content"}), "add_generation_prompt", "bos_token", "eos_token", "tools", and others. *text: (*text_size)
   bytes followed by a NUL, release with sib_free. cancel: may be NULL. Thread-safe on one template. A rendering ends with
   an error where it takes more than 50 million steps, 256 MiB of memory, 64 MiB of output or nests too deep, so a
   template from a stranger cannot hang or exhaust the program.
   Errors: SIB_ERR_FORMAT (variables), SIB_ERR_VALUE (what the template raises, or an operation that its values do not
   have), SIB_ERR_UNSUPPORTED (a filter, test or function that is not built, by name), SIB_ERR_SIZE (limits), with the
   line; SIB_ERR_CANCELLED, SIB_ERR_MEMORY. */
SIB_API sib_code sib_chat_template_render(const sib_chat_template *t, const char *variables, size_t size,
                                          const sib_cancel *cancel, char **text, size_t *text_size,
                                          sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
