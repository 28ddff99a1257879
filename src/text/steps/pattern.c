#include "text/steps/pattern.h"

#include "text/chars/utf8.h"

#include "base/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* PCRE2 restarts its count of steps at each position where a match may begin, so its limit alone would let
   a text of n bytes take n times as many; and each step may look at the entire text. A search first takes
   FEW_STEPS at each position. Where they do not suffice, positions are tried one by one with more and more
   steps, which count against the text's total: at worst MAX_WORK bytes are looked at. */
#define FEW_STEPS 10000u
#define MORE      4u
#define MAX_WORK  10000000000u
/* Limits of matching: nesting in the interpreter, KiB of its heap, and bytes of stack of compiled
   expressions. */
#define MAX_DEPTH  10000u
#define HEAP_KIB   65536u
#define STACK_SIZE ((size_t)1 << 20)

/* Replaces a byte that is not UTF-8: neither letter, number nor space, and of the same length. */
#define FOR_BROKEN '\x1A'

static const char *foreign_words(sib_str regex)
{
    for (size_t i = 0; i + 1 < regex.length; i++) {
        const char *s = regex.data + i;
        if (s[0] == '\\' && (s[1] == 'h' || s[1] == 'H'))
            return "\\h";
        if (s[0] == '\\')
            i++;
        else if (s[0] == '&' && s[1] == '&')
            return "&&";
    }
    return NULL;
}

static sib_code compile(text_pattern *t, const json_part *p, sib_str regex, sib_error *err)
{
    int code;
    PCRE2_SIZE at;
    const char *foreign = foreign_words(regex);
    if (foreign)
        return json_part_unknown(p, "in a regular expression", foreign, err);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return err_memory(err, regex.length, "a regular expression");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)regex.data, regex.length,
                                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &code, &at, context);
    pcre2_compile_context_free(context);
    t->regex = compiled;
    if (compiled) {
        pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* on failure the interpreter is used */
        return SIB_OK;
    }
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return err_memory(err, regex.length, "a regular expression");
    PCRE2_UCHAR words[128];
    pcre2_get_error_message(code, words, sizeof words);
    return err_set(err, SIB_ERR_FORMAT, "%s: %s: regular expression '%.*s': %s at %zu", p->file, p->path,
                   (int)(regex.length < 60 ? regex.length : 60), regex.data, (const char *)words, (size_t)at);
}

sib_code pattern_open(text_pattern *t, const json_part *p, sib_error *err)
{
    sib_str literal = {0}, regex = {0};
    *t = (text_pattern){0};
    sib_code code = json_part_string(p, "String", &literal, err);
    if (code == SIB_OK)
        code = json_part_string(p, "Regex", &regex, err);
    if (code != SIB_OK)
        return code;
    if (!literal.data == !regex.data)
        return json_part_bad(p, SIB_ERR_FORMAT, err,
                             "expected a pattern {\"String\": ...} or {\"Regex\": ...}");
    if (regex.data)
        return compile(t, p, regex, err);
    buf_add(&t->literal, literal.data, literal.length, err);
    return t->literal.code;
}

void pattern_free(text_pattern *t)
{
    pcre2_code_free(t->regex);
    buf_free(&t->literal);
    t->regex = NULL;
}

/* Makes a copy with invalid bytes replaced, where there are any. */
static sib_code make_clean(pattern_search *s, sib_error *err)
{
    size_t length;
    s->use_clean = false;
    for (size_t at = 0; at < s->text.length; at += length) {
        if (utf8_next(s->text.data + at, s->text.length - at, &length) != UTF8_BROKEN)
            continue;
        if (!s->use_clean) {
            s->clean.n = 0;
            buf_add(&s->clean, s->text.data, s->text.length, err);
            if (s->clean.code != SIB_OK)
                return s->clean.code;
            s->use_clean = true;
        }
        s->clean.data[at] = FOR_BROKEN;
    }
    return SIB_OK;
}

sib_code pattern_begin(pattern_search *s, const text_pattern *t, sib_error *err)
{
    *s = (pattern_search){.pattern = t};
    if (!t->regex)
        return SIB_OK;
    s->match = pcre2_match_data_create(1, NULL);
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(32 << 10, STACK_SIZE, NULL);
    if (!s->match || !s->context)
        return err_memory(err, sizeof *s, "a search");
    pcre2_set_depth_limit(s->context, MAX_DEPTH);
    pcre2_set_heap_limit(s->context, HEAP_KIB);
    if (s->stack)
        pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return SIB_OK;
}

sib_code pattern_text(pattern_search *s, sib_str text, sib_error *err)
{
    s->text = text;
    s->at = 0;
    s->last_end = SIZE_MAX;
    s->steps = MAX_WORK / (text.length + 1);
    return s->pattern->regex ? make_clean(s, err) : SIB_OK;
}

void pattern_end(pattern_search *s)
{
    buf_free(&s->clean);
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    *s = (pattern_search){0};
}

static bool next_literal(pattern_search *s, size_t *begin, size_t *end)
{
    const byte_buffer *l = &s->pattern->literal;
    const char *found = l->n && s->at < s->text.length
                            ? memmem(s->text.data + s->at, s->text.length - s->at, l->data, l->n)
                            : NULL;
    if (!found)
        return false;
    *begin = (size_t)(found - s->text.data);
    *end = s->at = *begin + l->n;
    return true;
}

/* Runs pcre2_match for a match that begins at byte `from` or, unless options have PCRE2_ANCHORED, later. */
static int match(pattern_search *s, size_t from, uint32_t options, uint32_t steps)
{
    const char *text = s->use_clean ? s->clean.data : s->text.data;
    pcre2_set_match_limit(s->context, steps);
    return pcre2_match(s->pattern->regex, (PCRE2_SPTR)text, s->text.length, from,
                       options | PCRE2_NO_UTF_CHECK, s->match, s->context);
}

/* Searches position by position, where one of them needs more than FEW_STEPS. */
static int match_slowly(pattern_search *s)
{
    int n = PCRE2_ERROR_NOMATCH;
    size_t length;
    for (size_t from = s->at; from <= s->text.length && n == PCRE2_ERROR_NOMATCH; from += length) {
        uint32_t steps = FEW_STEPS;
        while ((n = match(s, from, PCRE2_ANCHORED, steps)) == PCRE2_ERROR_MATCHLIMIT && steps <= s->steps) {
            s->steps -= steps;
            steps = steps > UINT32_MAX / MORE ? UINT32_MAX : steps * MORE;
        }
        length = 1;
        if (from < s->text.length)
            utf8_next(s->text.data + from, s->text.length - from, &length);
    }
    return n;
}

/* Searches once, from s->at on. */
static bool search(pattern_search *s, size_t *begin, size_t *end, sib_code *code, sib_error *err)
{
    int n = match(s, s->at, 0, FEW_STEPS);
    if (n == PCRE2_ERROR_MATCHLIMIT)
        n = match_slowly(s);
    if (n == PCRE2_ERROR_NOMATCH)
        return false;
    if (n < 0) {
        PCRE2_UCHAR words[128];
        pcre2_get_error_message(n, words, sizeof words);
        *code = err_set(
            err, n == PCRE2_ERROR_NOMEMORY ? SIB_ERR_MEMORY : SIB_ERR_UNSUPPORTED,
            "a regular expression of the tokenizer takes too long or too much memory on a text of %zu "
            "bytes: %s",
            s->text.length, (const char *)words);
        return false;
    }
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(s->match);
    *begin = places[0];
    *end = places[1] < places[0] ? places[0] : places[1]; /* \K in a lookahead */
    return true;
}

bool pattern_next(pattern_search *s, size_t *begin, size_t *end, sib_code *code, sib_error *err)
{
    *code = SIB_OK;
    if (!s->pattern->regex)
        return next_literal(s, begin, end);
    while (s->at <= s->text.length && search(s, begin, end, code, err)) {
        bool empty = *begin == *end, again = empty && *end == s->last_end;
        size_t length = 1;
        if (empty && *end < s->text.length)
            utf8_next(s->text.data + *end, s->text.length - *end, &length);
        s->at = *end + (empty ? length : 0);
        s->last_end = *end;
        if (!again)
            return true;
    }
    return false;
}
