/* How a job makes prompts of chats: its document's "chat". */
#ifndef JOB_CHAT_H
#define JOB_CHAT_H

#include "job/document/doc.h"

#include <sibyl/chat.h>

/* All zero: a job without a template. */
typedef struct job_chat {
    sib_chat_template *template;
    sib_error why; /* a template that is there and cannot be read: told where it is asked for */
} job_chat;

/* The file that a document's "chat" (or NULL) names, or NULL. */
const char *job_chat_file(const struct json_t *chat);
/* Reads the template of a document's "chat", NULL for none; file (size): the bytes of its file, NULL where the document
   has the text. A template that cannot be read is no failure, so that the job runs without chats. out:
   job_chat_close. Errors: SIB_ERR_MEMORY. */
sib_code job_chat_open(job_chat *out, const struct json_t *chat, const char *file, size_t size,
                       sib_error *err);
void job_chat_close(job_chat *c);
/* See sib_job_chat_prompt. */
sib_code job_chat_prompt(const job_chat *c, const job_doc *d, const char *variables, size_t size,
                         const sib_cancel *cancel, char **text, size_t *text_size, sib_error *err);

#endif
