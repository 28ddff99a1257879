#include "job/whisper/languages.h"

#include <sibyl/text.h>
#include <string.h>
#include <strings.h>

/* Alternative names of languages, and dialects that use a language's code. */
static const struct {
    const char *name, *code;
} others[] = {
    {"burmese", "my"},       {"castilian", "es"}, {"flemish", "nl"},   {"haitian", "ht"},
    {"letzeburgesch", "lb"}, {"mandarin", "zh"},  {"moldavian", "ro"}, {"moldovan", "ro"},
    {"panjabi", "pa"},       {"pushto", "ps"},    {"sinhalese", "si"}, {"valencian", "ca"},
};

const char *whisper_language_code(const char *name)
{
    const char *code, *known;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcasecmp(name, others[i].name))
            return others[i].code;
    for (size_t i = 0; sib_whisper_language(i, &code, &known); i++)
        if (!strcasecmp(name, code) || !strcasecmp(name, known))
            return code;
    return NULL;
}

bool whisper_language_unspaced(const char *code)
{
    static const char *const unspaced[] = {"zh", "ja", "th", "lo", "my", "yue"};
    for (size_t i = 0; i < sizeof unspaced / sizeof *unspaced; i++)
        if (!strcmp(code, unspaced[i]))
            return true;
    return false;
}
