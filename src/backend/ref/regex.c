/* Regular expressions in RE2's syntax, matched by PCRE2.

   The two differ, so a pattern is translated first. What only PCRE2 supports (backreferences, lookaround,
   possessive repeats, verbs and the like) is rejected, as RE2 rejects it; \v and \s have RE2's meaning,
   one character and five; octal escapes are expanded; a brace that is no repeat is literal. Not supported:
   \C, a single byte. Whether an entire string matches is found by PCRE2's DFA algorithm, which follows all
   alternatives in parallel: its time cannot explode as that of backtracking can; so are the longest matches.
   Other searches need the first alternative and its groups, so they backtrack, within limits. */
#include "backend/ref/regex.h"

#include <stdio.h>
#include <string.h>

/* Ints of the matcher's workspace, doubled up to WORK_MAX where they do not suffice. */
#define WORK_FIRST 4096
#define WORK_MAX   (1 << 22)

/* Max nesting of groups. */
#define NEST_MAX 250

typedef struct translation {
    sib_str in;
    size_t at, n;
    char *out;                /* (REGEX_GROWTH * in.length + 1) */
    const char *why;          /* the error, or NULL */
    bool lines[NEST_MAX + 1]; /* (depth + 1) of each enclosing group: $ also matches at line ends */
    size_t depth;
} translation;

static int peek(const translation *t, size_t ahead)
{
    return t->at + ahead < t->in.length ? (unsigned char)t->in.data[t->at + ahead] : -1;
}

static void emit(translation *t, const char *text)
{
    size_t n = strlen(text);
    memcpy(t->out + t->n, text, n);
    t->n += n;
}

/* Copies the next n bytes. */
static void keep(translation *t, size_t n)
{
    memcpy(t->out + t->n, t->in.data + t->at, n);
    t->n += n;
    t->at += n;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_octal(int c)
{
    return c >= '0' && c <= '7';
}

static bool is_hex(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* ---- Escapes ------------------------------------------------------------------------------------------- */

/* \0 to \377, at the backslash; \1 to \9 alone would be backreferences. */
static void octal(translation *t)
{
    unsigned code = 0;
    char text[16];
    size_t n = 1;
    if (peek(t, 1) != '0' && !(is_octal(peek(t, 1)) && is_octal(peek(t, 2)))) {
        t->why = "back-references are not in RE2's syntax";
        return;
    }
    for (; n <= 3 && is_octal(peek(t, n)); n++)
        code = code * 8 + (unsigned)(peek(t, n) - '0');
    t->at += n;
    snprintf(text, sizeof text, "\\x{%x}", code);
    emit(t, text);
}

/* \x7F or \x{10FFFF}. */
static void hexadecimal(translation *t)
{
    size_t n = 3;
    if (peek(t, 2) == '{') {
        while (is_hex(peek(t, n)))
            n++;
        if (n == 3 || peek(t, n) != '}')
            t->why = "\\x{ needs hexadecimal digits and }";
        keep(t, size_min(n + 1, t->in.length - t->at));
    } else if (is_hex(peek(t, 2)) && is_hex(peek(t, 3)))
        keep(t, 4);
    else
        t->why = "\\x needs two hexadecimal digits";
}

/* \pN, \p{Greek}, \P{^Greek}. */
static void property(translation *t)
{
    size_t n = 2;
    if (peek(t, 2) == '{') {
        while (peek(t, n) >= 0 && peek(t, n) != '}')
            n++;
        if (peek(t, n) < 0)
            t->why = "\\p{ has no }";
    } else if (peek(t, 2) < 0)
        t->why = "\\p needs a name";
    if (!t->why)
        keep(t, n + 1);
}

/* \Q up to \E or the end: literal characters. */
static void quotation(translation *t)
{
    t->at += 2;
    while (t->at < t->in.length) {
        if (peek(t, 0) == '\\' && peek(t, 1) == 'E') {
            t->at += 2;
            return;
        }
        int c = peek(t, 0);
        if (c < 0x80 && !is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
            emit(t, "\\");
        keep(t, 1);
    }
}

static void escape(translation *t, bool in_class)
{
    int c = peek(t, 1);
    if (c < 0)
        t->why = "a backslash is at its end";
    else if (is_digit(c))
        octal(t);
    else if (c == 'x')
        hexadecimal(t);
    else if (c == 'p' || c == 'P')
        property(t);
    else if (c == 'v' || c == 's' || c == 'S') {
        const char *outside[] = {"\\x0b", "[\\t\\n\\f\\r ]", "[^\\t\\n\\f\\r ]"},
                   *inside[] = {"\\x0b", "\\t\\n\\f\\r ", "\\S\\x0b"};
        emit(t, (in_class ? inside : outside)[c == 'v' ? 0 : c == 's' ? 1 : 2]);
        t->at += 2;
    } else if (c == 'Q' && !in_class)
        quotation(t);
    else if (c == 'C')
        t->why = "\\C, a single byte, is not supported";
    else if (strchr("aftnrdDwW", c) || (!in_class && strchr("bBAz", c)))
        keep(t, 2);
    else if (c < 0x80 && c > 0x20 && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
        keep(t, 2); /* escaped punctuation is literal */
    else
        t->why = "an escape that is not in RE2's syntax";
}

/* ---- Classes, groups, repeats -------------------------------------------------------------------------- */

/* Length of [:name:] at the current position, or 0. */
static size_t named_class(const translation *t)
{
    size_t n = 2;
    if (peek(t, 1) != ':')
        return 0;
    if (peek(t, n) == '^')
        n++;
    while (peek(t, n) >= 'a' && peek(t, n) <= 'z')
        n++;
    return peek(t, n) == ':' && peek(t, n + 1) == ']' ? n + 2 : 0;
}

static void character_class(translation *t)
{
    keep(t, peek(t, 1) == '^' ? 2 : 1);
    if (peek(t, 0) == ']') { /* a leading ] is a character of the class */
        emit(t, "\\]");
        t->at++;
    }
    while (!t->why && peek(t, 0) != ']') {
        size_t named = peek(t, 0) == '[' ? named_class(t) : 0;
        if (peek(t, 0) < 0)
            t->why = "a class has no ]";
        else if (peek(t, 0) == '\\')
            escape(t, true);
        else if (named)
            keep(t, named);
        else {
            if (peek(t, 0) == '[')
                emit(t, "\\");
            keep(t, 1);
        }
    }
    if (!t->why)
        keep(t, 1);
}

static void enter(translation *t, bool lines)
{
    if (t->depth == NEST_MAX)
        t->why = "groups are nested too deep";
    else
        t->lines[++t->depth] = lines;
}

/* Translates the flags of (?flags) or (?flags:, from byte n on. */
static void flags(translation *t, size_t n)
{
    bool on = true, lines = t->lines[t->depth];
    for (; peek(t, n) >= 0 && strchr("imsU-", peek(t, n)); n++) {
        on = peek(t, n) == '-' ? false : on;
        lines = peek(t, n) == 'm' ? on : lines;
    }
    if (peek(t, n) == ':')
        enter(t, lines);
    else if (peek(t, n) == ')' && n > 2)
        t->lines[t->depth] = lines;
    else
        t->why = "a group of a kind that is not in RE2's syntax";
    if (!t->why)
        keep(t, n + 1);
}

/* Translates an opening parenthesis and its prefix. */
static void group(translation *t)
{
    bool named = peek(t, 1) == '?' && ((peek(t, 2) == 'P' && peek(t, 3) == '<') ||
                                       (peek(t, 2) == '<' && peek(t, 3) != '=' && peek(t, 3) != '!'));
    if (peek(t, 1) == '*')
        t->why = "a repeat has nothing to repeat";
    else if (peek(t, 1) == '?' && !named)
        flags(t, 2);
    else {
        enter(t, t->lines[t->depth]);
        keep(t, !named ? 1 : peek(t, 2) == 'P' ? 4 : 3);
    }
}

/* Length of {n}, {n,} or {n,m} at the current position, or 0. */
static size_t counted_repeat(const translation *t)
{
    size_t n = 1;
    if (!is_digit(peek(t, n)))
        return 0;
    while (is_digit(peek(t, n)))
        n++;
    if (peek(t, n) == ',')
        n++;
    while (is_digit(peek(t, n)))
        n++;
    return peek(t, n) == '}' ? n + 1 : 0;
}

static bool at_repeat(const translation *t)
{
    int c = peek(t, 0);
    return c == '*' || c == '+' || c == '?' || (c == '{' && counted_repeat(t));
}

/* Translates *, +, ? or a counted repeat, lazy or not. Another one after it would be possessive, or is
   invalid in RE2. */
static void repeat(translation *t)
{
    keep(t, peek(t, 0) == '{' ? counted_repeat(t) : 1);
    if (peek(t, 0) == '?')
        keep(t, 1);
    if (at_repeat(t))
        t->why = "a repeat of a repeat is not in RE2's syntax";
}

static void translate(translation *t)
{
    while (t->at < t->in.length && !t->why) {
        int c = peek(t, 0);
        if (c == '\\')
            escape(t, false);
        else if (c == '[')
            character_class(t);
        else if (c == '(')
            group(t);
        else if (at_repeat(t))
            repeat(t);
        else if (c == '$' && !t->lines[t->depth]) { /* PCRE2's $ also matches before a final line feed */
            emit(t, "\\z");
            t->at++;
        } else {
            if (c == '{')
                emit(t, "\\");
            if (c == ')' && t->depth)
                t->depth--;
            keep(t, 1);
        }
    }
}

/* ---- Matching ------------------------------------------------------------------------------------------ */

void regex_free(regex *m)
{
    pcre2_code_free(m->code);
    pcre2_compile_context_free(m->compile);
    pcre2_match_context_free(m->limits);
    pcre2_match_data_free(m->data);
    mem_free(m->work);
    *m = (regex){0};
}

/* What a pattern is read by: PCRE2's text of it, and where that has no translation. */
typedef struct reading {
    sib_str pattern;
    char *text; /* (n) */
    size_t n, at;
    const char *why;
} reading;

static sib_code begin(const ref_call *c, regex *m, reading *r, regex_use use)
{
    size_t room;
    *m = (regex){.use = use, .n_work = WORK_FIRST};
    if (!size_mul(r->pattern.length, REGEX_GROWTH, &room) || !size_add(room, 1, &room))
        return ref_fail(c, SIB_ERR_SIZE, "a pattern of %zu bytes is too long", r->pattern.length);
    r->text = mem_alloc(room, 1);
    m->work = mem_alloc(m->n_work, sizeof *m->work);
    m->compile = pcre2_compile_context_create(NULL);
    m->limits = pcre2_match_context_create(NULL);
    m->data = pcre2_match_data_create(REGEX_GROUPS, NULL);
    if (!r->text || !m->work || !m->compile || !m->limits || !m->data)
        return ref_no_memory(c, room);
    pcre2_set_newline(m->compile, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(m->compile, 250);
    pcre2_set_match_limit(m->limits, 1000000);
    pcre2_set_depth_limit(m->limits, 1000);
    pcre2_set_heap_limit(m->limits, 65536); /* KiB */
    return SIB_OK;
}

/* Compiles the text, or fails with what is wrong with the pattern. */
static sib_code compile(const ref_call *c, regex *m, const reading *r, uint32_t options)
{
    size_t place;
    int number, shown = (int)size_min(r->pattern.length, 100);
    if (r->why)
        return ref_fail(c, SIB_ERR_VALUE, "pattern '%.*s': %s, at byte %zu", shown, r->pattern.data, r->why,
                        r->at);
    m->code = pcre2_compile((PCRE2_SPTR)r->text, r->n, options, &number, &place, m->compile);
    if (m->code)
        return SIB_OK;
    char why[160] = "";
    pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
    return ref_fail(c, SIB_ERR_VALUE, "pattern '%.*s': %s", shown, r->pattern.data, why);
}

sib_code regex_make(const ref_call *c, regex *m, sib_str pattern, regex_use use)
{
    reading r = {.pattern = pattern};
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
    sib_code code = begin(c, m, &r, use);
    if (code == SIB_OK) {
        translation t = {.in = pattern, .out = r.text};
        translate(&t);
        r.n = t.n, r.at = t.at, r.why = t.why;
        if (use == REGEX_ENTIRE)
            options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NO_AUTO_CAPTURE;
        code = compile(c, m, &r, options);
    }
    mem_free(r.text);
    return code;
}

sib_code regex_make_ecma(const ref_call *c, regex *m, sib_str pattern, regex_use use, bool ignore_case)
{
    reading r = {.pattern = pattern};
    uint32_t options = PCRE2_NEVER_BACKSLASH_C | PCRE2_ALLOW_EMPTY_CLASS | (ignore_case ? PCRE2_CASELESS : 0);
    sib_code code = begin(c, m, &r, use);
    m->ecma = true;
    if (code == SIB_OK) {
        r.why = regex_from_ecma(pattern, r.text, &r.n, &r.at);
        if (use == REGEX_ENTIRE)
            options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
        code = compile(c, m, &r, options);
    }
    mem_free(r.text);
    return code;
}

/* Whether PCRE2's result is a match; no text matches where it is not UTF-8. */
static sib_code result_of(const ref_call *c, int found, size_t length, bool *matches)
{
    *matches = found >= 0;
    bool not_text = found <= PCRE2_ERROR_UTF8_ERR1 && found >= PCRE2_ERROR_UTF8_ERR21;
    if (found >= 0 || found == PCRE2_ERROR_NOMATCH || not_text)
        return SIB_OK;
    char why[160] = "";
    pcre2_get_error_message(found, (PCRE2_UCHAR *)why, sizeof why);
    return ref_fail(c, SIB_ERR_VALUE, "matching a string of %zu bytes: %s", length, why);
}

/* pcre2_dfa_match, with as much workspace as it needs. */
static sib_code dfa_match(const ref_call *c, regex *m, sib_str s, size_t from, uint32_t options,
                          bool *matches)
{
    int found;
    while ((found = pcre2_dfa_match(m->code, (PCRE2_SPTR)(s.length ? s.data : ""), s.length, from, options,
                                    m->data, m->limits, m->work, m->n_work)) == PCRE2_ERROR_DFA_WSSIZE) {
        int *more = m->n_work < WORK_MAX ? mem_realloc(m->work, 2 * m->n_work, sizeof *more) : NULL;
        if (!more)
            return ref_no_memory(c, 2 * m->n_work * sizeof *more);
        m->work = more;
        m->n_work *= 2;
    }
    return result_of(c, found, s.length, matches);
}

/* pcre2_match, which backtracks. */
static sib_code match(const ref_call *c, regex *m, sib_str s, size_t from, uint32_t options, bool *matches)
{
    int found = pcre2_match(m->code, (PCRE2_SPTR)(s.length ? s.data : ""), s.length, from, options, m->data,
                            m->limits);
    return result_of(c, found, s.length, matches);
}

sib_code regex_matches(const ref_call *c, regex *m, sib_str s, bool *matches)
{
    return m->ecma ? match(c, m, s, 0, 0, matches) : dfa_match(c, m, s, 0, 0, matches);
}

sib_code regex_search(const ref_call *c, regex *m, sib_str s, size_t from, bool known_utf8, bool *matches)
{
    uint32_t options = known_utf8 ? PCRE2_NO_UTF_CHECK : 0;
    return m->use == REGEX_LONGEST ? dfa_match(c, m, s, from, options, matches)
                                   : match(c, m, s, from, options, matches);
}

sib_code regex_search_here(const ref_call *c, regex *m, sib_str s, size_t from, bool *matches)
{
    return match(c, m, s, from, PCRE2_ANCHORED | PCRE2_NOTEMPTY_ATSTART, matches);
}

size_t regex_groups(const regex *m)
{
    uint32_t n = 0;
    pcre2_pattern_info(m->code, PCRE2_INFO_CAPTURECOUNT, &n);
    return n;
}

bool regex_span(const regex *m, size_t group, size_t *begin, size_t *end)
{
    if (group >= REGEX_GROUPS || group > regex_groups(m))
        return false;
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(m->data);
    *begin = places[2 * group];
    *end = places[2 * group + 1];
    return *begin != PCRE2_UNSET && *begin <= *end;
}

sib_code ref_regex_match(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    regex m;
    if (!out)
        return SIB_OK;
    sib_code code = regex_make(c, &m, spec_regex(c->node).pattern, REGEX_ENTIRE);
    for (size_t i = 0; i < x->count && code == SIB_OK; i++) {
        bool matches = false;
        code = regex_matches(c, &m, ((const sib_str *)x->data)[i], &matches);
        ((uint8_t *)out->data)[i] = matches;
    }
    regex_free(&m);
    return code;
}
