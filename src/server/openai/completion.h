/* Text generation for the routes of OpenAI's API: what they share. A route says how its answers look by a table of
   functions. */
#ifndef SIB_SERVER_COMPLETION_H
#define SIB_SERVER_COMPLETION_H

#include "server/models/catalog.h"
#include "server/openai/chat_calls.h"
#include "server/openai/text_form.h"

#include <pthread.h>

/* Alternatives to one token, the likeliest first. */
typedef struct alternatives {
    int32_t ids[MAX_TOP_LOGPROBS]; /* (n) */
    double logprobs[MAX_TOP_LOGPROBS];
    size_t n;
} alternatives;

/* A token of the answer. */
typedef struct made_token {
    int32_t id;
    double logprob;
    alternatives top; /* none where they are not asked for */
} made_token;

typedef struct completion completion;

/* How a route's answers look. Functions return NULL where memory fails. */
typedef struct completion_shape {
    const char *prefix, *object, *piece_object; /* of ids; of answers and of pieces in streams */
    /* A choice of a complete answer, without its index and logprobs. Takes text. */
    json_t *(*choice)(completion *c, json_t *text, const char *finish);
    /* A choice of a piece, without its index and logprobs. text: taken, NULL at the end; finish: NULL while it goes on. */
    json_t *(*piece)(json_t *text, const char *finish);
    json_t *(*logprobs)(completion *c); /* of the tokens that are not sent */
    json_t *(*first)(void);             /* what comes before the first piece of a stream; may be NULL */
    /* Sends more text of a stream, or what is left at its end (text NULL); NULL: a piece each time. */
    sib_code (*send)(completion *c, const char *text, size_t size, const char *finish, sib_error *err);
} completion_shape;

/* What the choices of a completion share; they are made at the same time. */
typedef struct completion_all {
    pthread_mutex_t lock;         /* of all of it, and of the answer */
    json_t *choices;              /* of an answer that is no stream, by index */
    size_t all_prompts, all_made; /* tokens, over the choices that have ended */
    size_t next;                  /* index of the next choice */
    sib_error err;                /* the first failure */
} completion_all;

/* A completion under way, as one thread has it. */
struct completion {
    exchange *x;
    const text_form *form;
    const completion_shape *shape;
    served *model;
    completion_all *all;
    char id[48];
    json_int_t created;
    uint64_t max_tokens;
    /* of one choice */
    size_t index;
    const text_prompt *given;
    size_t n_prompt;  /* tokens */
    json_t *prompt;   /* their ids, where they are asked for; NULL once they are sent */
    made_token *made; /* (n_made), of which n_sent are sent, where more than their text is asked for */
    size_t n_made, n_sent;
    size_t offset;    /* characters of the prompt and of the tokens that are sent */
    alternatives top; /* to the token that comes next */
    bool shown;       /* that token is not one that ends the text */
    chat_calls calls; /* of tools, where there are any */
};

/* Runs the form's inputs on a model that generates text, which it releases, once for each choice, and answers. Where the
   model has a batch, choices are made at the same time, also those of other requests. */
void completion_answer(exchange *x, const text_form *form, served *model, const completion_shape *shape);
/* Sends a piece of a stream: a choice, which it takes. */
sib_code completion_piece(completion *c, json_t *choice, sib_error *err);
/* The bytes of a token, special ones by name: sib_free(*text). Returns false where there are none. */
bool completion_token(const served *model, int32_t id, char **text, size_t *size);
/* Its text; "bytes:\xe2\x80" where its bytes are no UTF-8, as OpenAI has it. *characters: of the text. */
json_t *completion_token_json(const served *model, int32_t id, size_t *characters);

/* For the files that make completions. */

/* The likeliest n of a row of logits (n_vocab). Returns the logarithm of the sum of exponentials. */
double completion_top(const double *row, size_t n_vocab, size_t n, alternatives *out);
sib_code completion_add(completion *c, made_token t, sib_error *err);
/* What an echo with log probabilities shows of the prompt: its tokens before those of the answer. */
sib_code completion_score(completion *c, sib_error *err);

#endif
