/* Calls of tools in the text of a model, as it is generated. */
#ifndef SIB_SERVER_CHAT_CALLS_H
#define SIB_SERVER_CHAT_CALLS_H

#include "server/http/buffer.h"

#include <jansson.h>
#include <sibyl/sibyl.h>

#define MAX_CALLS 128 /* of an answer; what follows is text */

/* What is found, in its order. */
typedef struct chat_sink {
    void *context;
    sib_code (*text)(void *context, const char *text, size_t size, sib_error *err);
    /* number: 0, 1, ... arguments: JSON as text */
    sib_code (*call)(void *context, size_t number, const char *name, const char *arguments, sib_error *err);
} chat_sink;

/* The state of one answer; all zero before it. chat_calls_clear at its end. */
typedef struct chat_calls {
    buffer held; /* text that may be a call, or blanks before one */
    size_t seen; /* bytes of a call in which its end was not found */
    size_t n;    /* calls so far */
    bool begun;  /* something but blanks has come */
    bool bare; /* it began with '{': an object, or several with ';' between them, may be calls without tags */
} chat_calls;

/* Takes the next piece of the text; `tools` is the request's list, and what calls none of them is text. Two
   forms are read: <tool_call>{"name": ..., "arguments": {...}}</tool_call> anywhere, as Hermes and Qwen write
   it, and an answer that is {"name": ..., "parameters": {...}} alone, as Llama 3.1 does; "parameters" and
   "arguments" are the same in both. Errors: SIB_ERR_MEMORY, those of the sink. */
sib_code chat_calls_add(chat_calls *c, const json_t *tools, const char *text, size_t size,
                        const chat_sink *sink, sib_error *err);
/* Gives what is held: a call whose end is missing counts where its object is complete. */
sib_code chat_calls_end(chat_calls *c, const json_t *tools, const chat_sink *sink, sib_error *err);
void chat_calls_clear(chat_calls *c);

#endif
