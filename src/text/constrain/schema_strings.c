/* Strings: their lengths, patterns, and formats, which are patterns too. */
#include "base/error.h"
#include "text/constrain/schema_inner.h"
#include "text/constrain/string_grammar.h"

#include <string.h>

#define YEAR "([1-9]\\d{3}|0[1-9]\\d\\d|00[1-9]\\d|000[1-9])"
#define LEAP "(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][48]|[2468]0|[13579][26])00)"
#define MONTHS                                                                                               \
    "((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))"
#define DATE   "(" YEAR "-" MONTHS "|" LEAP "-02-29)"
#define CLOCK  "([01]\\d|2[0-3]):[0-5]\\d"
#define TIME   CLOCK ":[0-5]\\d(\\.\\d{1,9})?(Z|[+-]" CLOCK ")"
#define OF_DAY "(\\d{1,6}H(\\d{1,6}M(\\d{1,6}S)?)?|\\d{1,6}M(\\d{1,6}S)?|\\d{1,6}S)"
#define DAYS   "(\\d{1,6}Y(\\d{1,6}M(\\d{1,6}D)?)?|\\d{1,6}M(\\d{1,6}D)?|\\d{1,6}D)"
#define LABEL  "[A-Za-z0-9]([A-Za-z0-9-]{0,29}[A-Za-z0-9])?"
#define HOST   LABEL "(\\." LABEL "){0,6}"
#define ATOM   "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
#define BYTE   "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define WORD   "[0-9A-Fa-f]{1,4}"
#define URI    "([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"

/* As RFC 3339 (dates, times), 4122, 5321 (local parts without quotes), 1123, 2673, 4291 (without dotted
   ends), 3986 (with a host) and 6901 say; some allow more than is made here: longer names, other writings. */
static const struct format {
    const char *name, *pattern;
} formats[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "T" TIME "$"},
    {"duration", "^P(\\d{1,6}W|" DAYS "(T" OF_DAY ")?|T" OF_DAY ")$"},
    {"uuid", "^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$"},
    {"email", "^" ATOM "{1,16}(\\." ATOM "{1,16}){0,2}@" HOST "$"},
    {"hostname", "^" HOST "$"},
    {"ipv4", "^(" BYTE "\\.){3}" BYTE "$"},
    {"ipv6", "^((" WORD ":){7}" WORD "|(" WORD ":){6}:" WORD "|(" WORD ":){5}(:" WORD "){1,2}|(" WORD
             ":){4}(:" WORD "){1,3}|(" WORD ":){3}(:" WORD "){1,4}|(" WORD ":){2}(:" WORD "){1,5}|" WORD
             ":(:" WORD "){1,6}|:(:" WORD "){1,7}|(" WORD ":){1,7}:|::)$"},
    {"uri", "^[A-Za-z][A-Za-z0-9+.-]{0,15}://" HOST "(:\\d{1,4})?(/" URI ")?(\\?" URI ")?(#" URI ")?$"},
    {"json-pointer", "^(/([^/~]|~[01])*)*$"},
};

static const char *format_of(compiler *c, const place *p)
{
    const json_t *given = json_object_get(p->schema, "format");
    const char *name = json_string_value(given);
    for (size_t i = 0; name && i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(formats[i].name, name))
            return formats[i].pattern;
    if (given && !name)
        schema_fault(c, p, SIB_ERR_VALUE, "'format' must be a text");
    else if (given)
        schema_fault(c, p, SIB_ERR_UNSUPPORTED, "the 'format' \"%.60s\" is not supported", name);
    return NULL;
}

/* Reads a pattern into the next of `patterns` (*n). */
static void add_pattern(compiler *c, const place *p, const char *text, size_t length, automaton *patterns,
                        size_t *n)
{
    sib_error err = SIB_ERROR_INIT;
    if (c->g->code != SIB_OK)
        return;
    if (*n == STRING_MAX_PATTERNS) {
        schema_fault(c, p, SIB_ERR_SIZE, "a text has more than %d patterns", STRING_MAX_PATTERNS);
        return;
    }
    sib_code code = automaton_read((sib_str){text, length}, &patterns[(*n)++], &err);
    if (code != SIB_OK)
        schema_fault(c, p, code, "'pattern': %s", err.message);
}

/* "pattern": a text, or the list that schema_merge.c makes of several. */
static void add_patterns(compiler *c, const place *p, automaton *patterns, size_t *n)
{
    const json_t *given = json_object_get(p->schema, "pattern");
    bool merged = json_is_array(given) && schema_is_merged(c, p);
    for (size_t i = 0; given && i < (merged ? json_array_size(given) : 1); i++) {
        const json_t *one = merged ? json_array_get(given, i) : given;
        if (!json_is_string(one))
            schema_fault(c, p, SIB_ERR_VALUE, "'pattern' must be a text");
        else
            add_pattern(c, p, json_string_value(one), json_string_length(one), patterns, n);
    }
}

uint32_t schema_string(compiler *c, const place *p)
{
    automaton patterns[STRING_MAX_PATTERNS] = {{0}};
    const char *format = format_of(c, p);
    uint32_t min, max, node = 0;
    size_t n = 0;
    if (!schema_counts(c, p, "minLength", "maxLength", &min, &max))
        return 0;
    if (format)
        add_pattern(c, p, format, strlen(format), patterns, &n);
    add_patterns(c, p, patterns, &n);
    if (c->g->code == SIB_OK && n)
        node = json_string_like(&c->json, patterns, n, min, max);
    else if (c->g->code == SIB_OK)
        node = min || max != JSON_NO_MAX ? json_string_of(&c->json, min, max) : c->json.string;
    for (size_t i = 0; i < n; i++)
        automaton_free(&patterns[i]);
    return node;
}
