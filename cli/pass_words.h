/* The passes over a model's graph, as options name them. */
#ifndef CLI_PASS_WORDS_H
#define CLI_PASS_WORDS_H

#include "options.h"

#include <limits.h>
#include <sibyl/sibyl.h>

typedef struct pass_settings {
    const char *names; /* or NULL */
    long limit;        /* edits, -1 for any number */
} pass_settings;
#define PASS_DEFAULTS                                                                                        \
    {                                                                                                        \
        NULL, -1                                                                                             \
    }

/* Rows for a table of options whose settings hold a pass_settings called `passes`. */
#define PASS_OPTIONS(settings)                                                                               \
    {.name = "passes",                                                                                       \
     .kind = CLI_TEXT,                                                                                       \
     .field = offsetof(settings, passes.names),                                                              \
     .value = "LIST",                                                                                        \
     .help = "passes over the graph: all, -all, -NAME for all but that,\n-all,NAME for that alone"},         \
    {                                                                                                        \
        .name = "pass-limit", .kind = CLI_WHOLE, .field = offsetof(settings, passes.limit), .value = "N",    \
        .help = "let passes make N edits at most, to find the one that harms", .min = 0, .max = INT_MAX      \
    }

/* Puts what the options say into those of a session. */
static inline void passes_apply(const pass_settings *s, sib_session_options *out)
{
    out->passes = s->names;
    out->limit_passes = s->limit >= 0;
    out->pass_limit = s->limit >= 0 ? (uint64_t)s->limit : 0;
}

/* True where the options say anything. */
static inline bool passes_named(const pass_settings *s)
{
    return s->names || s->limit >= 0;
}

#endif
