/* Options of speculative decoding, of the commands that generate text. */
#ifndef CLI_GUESSES_H
#define CLI_GUESSES_H

#include "shared_options.h"

#include <jansson.h>

typedef struct guess_settings {
    const char *draft; /* a model, or NULL */
    long lookup, max;  /* -1: not given */
} guess_settings;
#define GUESS_DEFAULTS                                                                                       \
    {                                                                                                        \
        .lookup = -1, .max = -1                                                                              \
    }

/* Three rows; the settings hold a guess_settings called `guesses`. */
#define OPT_GUESSES                                                                                          \
    OPT_INTEGER("lookup", guesses.lookup, "N", 1, SIB_SPECULATION_MAX,                                       \
                "guess up to N tokens a step by what followed where the text was the same before",           \
                .more = "The text is the one without, sooner where it repeats. For models whose caches are " \
                        "those of the operator Attention."),                                                 \
        OPT_FILE("draft", guesses.draft, "MODEL", "guess tokens by a smaller model with the same tokens",    \
                 .more = "The text is the one without, sooner where the models agree."),                     \
        OPT_INTEGER("draft-max", guesses.max, "N", 1, SIB_SPECULATION_MAX,                                   \
                    "tokens that --draft guesses a step (default: 8)")

/* Who guesses for a job. */
typedef struct guesses {
    sib_job *draft;           /* NULL: the text itself */
    sib_speculation *guessed; /* NULL: nothing is guessed */
} guesses;

/* What of the options is misuse, or NULL. */
const char *guesses_misused(const guess_settings *s);
/* Opens what the options ask for; as: how the job's own models are opened. Returns false, with a line on stderr, on
   failure. */
bool guesses_open(const guess_settings *s, const sib_job *job, const sib_job_options *as, guesses *out);
void guesses_close(guesses *g);
/* {"steps", "guessed", "accepted"}, a new reference. */
json_t *guesses_json(const guesses *g);
/* The same as a line on stderr, where tokens are guessed. */
void guesses_say(const guesses *g);

#endif
