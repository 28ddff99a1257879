/* The body of a completion or a chat: the fields of OpenAI's API, and the options of `sibyl generate` by their names. */
#ifndef SIB_SERVER_TEXT_FORM_H
#define SIB_SERVER_TEXT_FORM_H

#include "exchange.h"

#define MAX_STOPS        4
#define MAX_TOP_LOGPROBS 20
#define MAX_TEXT_INPUTS  16

/* Which route's fields are read. */
typedef enum form_kind { FORM_TEXT = 1, FORM_CHAT = 2 } form_kind;

/* Strings are those of the JSON that it was read from. */
typedef struct text_form {
    const char *model; /* NULL: not given */
    const char *prompt;
    size_t prompt_size;
    int32_t *tokens; /* (n_tokens) instead of a prompt, or NULL; text_form_clear */
    size_t n_tokens;
    const json_t *messages, *template_options; /* of a chat; the second may be NULL */
    uint64_t max_tokens;
    bool stream, stream_usage, logprobs, token_ids;
    size_t n_top; /* alternatives of logprobs */
    const char *stops[MAX_STOPS];
    size_t n_stops;
    sib_job_value inputs[MAX_TEXT_INPUTS]; /* (n_inputs) of the job */
    size_t n_inputs;
} text_form;

/* Reads a body. Answers 400 and returns false where a field is missing, unknown, out of range or not supported. *out must
   not be moved: inputs point into it. text_form_clear(out) in both cases. */
bool text_form_read(exchange *x, const json_t *body, form_kind kind, text_form *out);
/* Sets the tokens of a chat's prompt, ids (n), which must outlive the run. */
void text_form_tokens(text_form *f, const int32_t *ids, size_t n);
void text_form_clear(text_form *f);

#endif
