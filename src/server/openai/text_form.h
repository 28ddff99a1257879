/* The body of a completion or a chat: the fields of OpenAI's API, and the options of `sibyl generate` by their names. */
#ifndef SIB_SERVER_TEXT_FORM_H
#define SIB_SERVER_TEXT_FORM_H

#include "server/http/exchange.h"

#define MAX_STOPS        4
#define MAX_TOP_LOGPROBS 20
#define MAX_TEXT_INPUTS  40
#define MAX_PROMPTS      64  /* of a request */
#define MAX_CHOICES      128 /* of a request, over all of its prompts */
#define MAX_BIASES       1024
#define MAX_TOOLS        128
#define MAX_TOOL_NAME    64 /* bytes */
#define MAX_BREAKERS     64 /* texts that no repetition goes across */

/* Which route's fields are read. */
typedef enum form_kind { FORM_TEXT = 1, FORM_CHAT = 2 } form_kind;

typedef enum tool_choice { CHOICE_AUTO, CHOICE_NONE, CHOICE_REQUIRED } tool_choice;

/* A text of (size) bytes, or (n_ids) tokens where ids is not NULL. */
typedef struct text_prompt {
    const char *text;
    size_t size;
    const int32_t *ids;
    size_t n_ids;
    int32_t *owned; /* ids, where the form has made them; free */
} text_prompt;

/* Strings are those of the JSON that it was read from. */
typedef struct text_form {
    const char *model; /* NULL: not given */
    text_prompt prompts[MAX_PROMPTS];
    size_t n_prompts;
    uint64_t n_choices;                        /* of each prompt */
    const json_t *messages, *template_options; /* of a chat; the second may be NULL */
    const json_t *tools;                       /* of a chat, which the model may call; NULL: none */
    tool_choice choice;
    const char *tool;    /* the one that is to be called; NULL: any */
    json_t *format;      /* the schema of the answer, a reference, or NULL */
    char *schema;        /* the same, or that of a call, as the job takes it; NULL: the answer is free */
    bool parallel_calls; /* more than one call is answered */
    uint64_t max_tokens; /* 0: as many as the model's context has */
    double seed;         /* negative: not given */
    bool stream, stream_usage, logprobs, token_ids, echo;
    uint64_t n_top; /* alternatives of logprobs */
    const char *stops[MAX_STOPS];
    size_t n_stops;
    const char *breakers[MAX_BREAKERS];
    int32_t *biased; /* (n_biases) tokens, and what is added to their logits; text_form_clear */
    double *biases;
    size_t n_biases;
    sib_job_value inputs[MAX_TEXT_INPUTS]; /* (n_inputs) of the job, but for prompt, seed and max_tokens */
    size_t n_inputs;
} text_form;

/* Reads a body. Answers 400 and returns false where a field is missing, unknown, out of range or not supported. *out must
   not be moved: inputs point into it. text_form_clear(out) in both cases. */
bool text_form_read(exchange *x, const json_t *body, form_kind kind, text_form *out);
void text_form_clear(text_form *f);

#endif
