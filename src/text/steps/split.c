#include "text/steps/split.h"

#include "text/chars/chars.h"
#include "text/chars/scan.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

typedef enum behavior { REMOVED, ISOLATED, CONTIGUOUS, WITH_PREVIOUS, WITH_NEXT } behavior;

static const char *const behavior_names[] = {"Removed", "Isolated", "Contiguous", "MergedWithPrevious",
                                             "MergedWithNext"};

typedef struct step {
    const struct step_kind *kind;
    text_pattern pattern; /* Split */
    scan_pretoken *scan;  /* Split and ByteLevel: every piece becomes a word */
    behavior behavior;
    bool invert;
    /* ByteLevel, Metaspace: prepend a space or mark; prefix_first: only to the first word */
    bool prefix, prefix_first;
    bool split;      /* Metaspace */
    bool individual; /* Digits */
    char mark[4];    /* Metaspace: the mark for spaces; CharDelimiterSplit: the delimiter */
    size_t mark_size;
} step;

#define MAX_STEPS 32

struct splitter {
    step steps[MAX_STEPS];
    size_t n;
};

typedef struct step_kind {
    const char *type;
    sib_code (*read)(step *s, const json_part *p, sib_error *err);
    /* Splits word w of `in` and appends the words to `out`, which has the same text or builds its own. */
    sib_code (*run)(const step *s, const word_list *in, word w, word_list *out, sib_error *err);
    bool rewrites; /* words are in out->own */
} step_kind;

/* ---- Splitting at matches
   -------------------------------------------------------------------------------- */

/* Splits a word at matches according to `behavior`; the matches must come in order. */
typedef struct cutter {
    const step *s;
    word_list *out;
    size_t begin;     /* start of the open word */
    size_t done;      /* end of the last match */
    bool open, match; /* whether a word is open; whether the last stretch was a match */
} cutter;

static sib_code close_word(cutter *c, size_t at, sib_error *err)
{
    sib_code code = c->open ? words_add(c->out, c->begin, at - c->begin, err) : SIB_OK;
    c->open = false;
    return code;
}

/* Processes the next stretch: a match, or the text between two. */
static sib_code take_stretch(cutter *c, size_t begin, size_t end, bool match, sib_error *err)
{
    sib_code code = SIB_OK;
    bool joins = c->open && ((c->s->behavior == CONTIGUOUS && match == c->match) ||
                             (c->s->behavior == WITH_PREVIOUS && match && !c->match) ||
                             (c->s->behavior == WITH_NEXT && !match && c->match));
    if (!joins)
        code = close_word(c, begin, err);
    if (!joins && !(c->s->behavior == REMOVED && match)) {
        c->begin = begin;
        c->open = true;
    }
    c->match = match;
    c->done = end;
    return code;
}

static sib_code take_match(cutter *c, size_t begin, size_t end, sib_error *err)
{
    sib_code code = begin > c->done ? take_stretch(c, c->done, begin, c->s->invert, err) : SIB_OK;
    return code == SIB_OK ? take_stretch(c, begin, end, !c->s->invert, err) : code;
}

static sib_code finish(cutter *c, size_t end, sib_error *err)
{
    sib_code code = c->done < end ? take_stretch(c, c->done, end, c->s->invert, err) : SIB_OK;
    return code == SIB_OK ? close_word(c, end, err) : code;
}

/* Splits at every character for which `is` is true. */
static sib_code cut_at(const step *s, bool (*is)(const step *s, uint32_t c), const word_list *in, word w,
                       word_list *out, sib_error *err)
{
    cutter c = {.s = s, .out = out, .done = w.at};
    sib_code code = SIB_OK;
    size_t end = w.at + w.size;
    for (size_t at = w.at, length; at < end && code == SIB_OK; at += length)
        if (is(s, utf8_next(in->text.data + at, end - at, &length)))
            code = take_match(&c, at, at + length, err);
    return code == SIB_OK ? finish(&c, end, err) : code;
}

/* ---- Steps ----------------------------------------------------------------------------------------- */

static sib_code read_behavior(step *s, const json_part *p, sib_error *err)
{
    sib_str name = {0};
    sib_code code = json_part_string(p, "behavior", &name, err);
    if (code != SIB_OK || !name.data)
        return code;
    for (size_t i = 0; i < sizeof behavior_names / sizeof *behavior_names; i++)
        if (str_is(name, behavior_names[i])) {
            s->behavior = (behavior)i;
            return SIB_OK;
        }
    return json_part_unknown(p, "behavior", name.data, err);
}

#define MODERN_HEAD "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define MODERN_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Expressions that have a hand-written scanner. */
static const struct {
    const char *regex;
    scan_pretoken *scan;
} known_expressions[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", scan_gpt2},
    {MODERN_HEAD "\\p{N}{1,3}" MODERN_TAIL, scan_cl100k},
    {MODERN_HEAD "\\p{N}" MODERN_TAIL, scan_qwen2},
};

static sib_code read_split(step *s, const json_part *p, sib_error *err)
{
    json_part pattern = json_part_at(p, "pattern");
    sib_str regex = {0};
    sib_code code = read_behavior(s, p, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "invert", &s->invert, err);
    if (code == SIB_OK)
        code = json_part_string(&pattern, "Regex", &regex, err);
    if (code != SIB_OK)
        return code;
    bool all_matches = (s->behavior == ISOLATED && !s->invert) || (s->behavior == REMOVED && s->invert);
    for (size_t i = 0; regex.data && all_matches && i < sizeof known_expressions / sizeof *known_expressions;
         i++)
        if (str_is(regex, known_expressions[i].regex)) {
            s->scan = known_expressions[i].scan;
            return SIB_OK;
        }
    return pattern_open(&s->pattern, &pattern, err);
}

static sib_code run_scan(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    const uint8_t *classes = classes_table();
    const char *text = in->text.data + w.at;
    sib_code code = SIB_OK;
    for (size_t at = 0, end; at < w.size && code == SIB_OK; at = end) {
        end = s->scan(classes, text, w.size, at);
        code = words_add(out, w.at + at, end - at, err);
    }
    return code;
}

static sib_code run_split(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    if (s->scan)
        return run_scan(s, in, w, out, err);
    cutter c = {.s = s, .out = out, .done = w.at};
    size_t begin, end;
    sib_code code = pattern_text(out->search, (sib_str){in->text.data + w.at, w.size}, err);
    while (code == SIB_OK && pattern_next(out->search, &begin, &end, &code, err))
        code = take_match(&c, w.at + begin, w.at + end, err);
    return code == SIB_OK ? finish(&c, w.at + w.size, err) : code;
}

static sib_code read_byte_level(step *s, const json_part *p, sib_error *err)
{
    bool use_regex = true;
    s->prefix = true;
    sib_code code = json_part_bool(p, "add_prefix_space", &s->prefix, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "use_regex", &use_regex, err);
    s->scan = use_regex ? scan_gpt2 : NULL;
    return code;
}

static sib_code run_byte_level(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    if (s->prefix) {
        size_t at = out->own.n;
        bool add = in->text.data[w.at] != ' ';
        buf_add(&out->own, " ", add, err);
        buf_add(&out->own, in->text.data + w.at, w.size, err);
        if (out->own.code != SIB_OK)
            return out->own.code;
        out->text = (sib_str){out->own.data, out->own.n};
        w = (word){at, w.size + add};
        in = out;
    }
    return s->scan ? run_scan(s, in, w, out, err) : words_add(out, w.at, w.size, err);
}

static sib_code read_metaspace(step *s, const json_part *p, sib_error *err)
{
    sib_str mark = {"\xE2\x96\x81", 3}, scheme = {0};
    bool prefix = true;
    size_t length;
    s->split = true;
    sib_code code = json_part_string(p, "replacement", &mark, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "split", &s->split, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "add_prefix_space", &prefix, err); /* as in older files */
    if (code == SIB_OK)
        code = json_part_string(p, "prepend_scheme", &scheme, err);
    if (code != SIB_OK)
        return code;
    if (!mark.length || utf8_next(mark.data, mark.length, &length) == UTF8_BROKEN || length != mark.length)
        return json_part_bad(p, SIB_ERR_FORMAT, err, "the replacement is not one character");
    memcpy(s->mark, mark.data, mark.length);
    s->mark_size = mark.length;
    s->prefix = scheme.data ? !str_is(scheme, "never") : prefix;
    s->prefix_first = scheme.data && str_is(scheme, "first");
    if (scheme.data && s->prefix && !s->prefix_first && !str_is(scheme, "always"))
        return json_part_unknown(p, "prepend_scheme", scheme.data, err);
    s->behavior = WITH_NEXT;
    return SIB_OK;
}

/* Appends the word with marks for spaces to out->own; returns its size. */
static size_t mark_spaces(const step *s, sib_str text, bool first, word_list *out, sib_error *err)
{
    size_t at = out->own.n;
    bool marked = text.length >= s->mark_size && memcmp(text.data, s->mark, s->mark_size) == 0;
    if (s->prefix && (!s->prefix_first || first) && !marked && text.data[0] != ' ')
        buf_add(&out->own, s->mark, s->mark_size, err);
    for (size_t i = 0; i < text.length;) {
        const char *space = memchr(text.data + i, ' ', text.length - i);
        size_t end = space ? (size_t)(space - text.data) : text.length;
        buf_add(&out->own, text.data + i, end - i, err);
        if (space)
            buf_add(&out->own, s->mark, s->mark_size, err);
        i = end + (space != NULL);
    }
    out->text = (sib_str){out->own.data, out->own.n};
    return out->own.n - at;
}

static sib_code run_metaspace(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    size_t begin = out->own.n;
    bool first = in->from_start && w.at == in->words[0].at;
    size_t size = mark_spaces(s, (sib_str){in->text.data + w.at, w.size}, first, out, err);
    if (out->own.code != SIB_OK)
        return out->own.code;
    if (!s->split)
        return words_add(out, begin, size, err);
    cutter c = {.s = s, .out = out, .done = begin};
    const char *text = out->own.data, *end = text + begin + size, *at = text + begin;
    sib_code code = SIB_OK;
    while (code == SIB_OK && (at = memmem(at, (size_t)(end - at), s->mark, s->mark_size)) != NULL) {
        code = take_match(&c, (size_t)(at - text), (size_t)(at - text) + s->mark_size, err);
        at += s->mark_size;
    }
    return code == SIB_OK ? finish(&c, begin + size, err) : code;
}

/* Splits into runs of word characters and runs of others, without the spaces. */
static sib_code run_whitespace(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    (void)s;
    size_t end = w.at + w.size, begin = w.at, length;
    int last = 0; /* 0: spaces, 1: word characters, 2: others */
    sib_code code = SIB_OK;
    for (size_t at = w.at; at < end && code == SIB_OK; at += length) {
        uint32_t c = utf8_next(in->text.data + at, end - at, &length);
        int kind = char_is_space(c) ? 0 : char_is_word(c) ? 1 : 2;
        if (kind == last)
            continue;
        if (last)
            code = words_add(out, begin, at - begin, err);
        begin = at;
        last = kind;
    }
    return code == SIB_OK && last ? words_add(out, begin, end - begin, err) : code;
}

static bool is_space(const step *s, uint32_t c)
{
    (void)s;
    return char_is_space(c);
}

static sib_code run_whitespace_split(const step *s, const word_list *in, word w, word_list *out,
                                     sib_error *err)
{
    return cut_at(s, is_space, in, w, out, err); /* its behavior is 0: removed */
}

static sib_code read_digits(step *s, const json_part *p, sib_error *err)
{
    sib_code code = json_part_bool(p, "individual_digits", &s->individual, err);
    s->behavior = s->individual ? ISOLATED : CONTIGUOUS;
    return code;
}

static bool is_number(const step *s, uint32_t c)
{
    (void)s;
    return char_is_number(c);
}

static sib_code run_digits(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    return cut_at(s, is_number, in, w, out, err);
}

static sib_code read_punctuation(step *s, const json_part *p, sib_error *err)
{
    s->behavior = ISOLATED;
    return read_behavior(s, p, err);
}

static bool is_punctuation(const step *s, uint32_t c)
{
    (void)s;
    return char_is_punctuation(c);
}

static sib_code run_punctuation(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    return cut_at(s, is_punctuation, in, w, out, err);
}

/* Splits at spaces, which are removed, and at punctuation, which is kept. */
static sib_code run_bert(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    (void)s;
    size_t end = w.at + w.size, begin = w.at;
    sib_code code = SIB_OK;
    for (size_t at = w.at, length; at < end && code == SIB_OK; at += length) {
        uint32_t c = utf8_next(in->text.data + at, end - at, &length);
        bool space = char_is_space(c);
        if (!space && !char_is_punctuation(c))
            continue;
        code = words_add(out, begin, at - begin, err);
        if (code == SIB_OK && !space)
            code = words_add(out, at, length, err);
        begin = at + length;
    }
    return code == SIB_OK ? words_add(out, begin, end - begin, err) : code;
}

static sib_code read_delimiter(step *s, const json_part *p, sib_error *err)
{
    sib_str mark = {0};
    size_t length;
    sib_code code = json_part_string(p, "delimiter", &mark, err);
    if (code != SIB_OK)
        return code;
    if (!mark.length || utf8_next(mark.data, mark.length, &length) == UTF8_BROKEN || length != mark.length)
        return json_part_bad(p, SIB_ERR_FORMAT, err, "the delimiter is not one character");
    memcpy(s->mark, mark.data, mark.length);
    s->mark_size = mark.length;
    return SIB_OK;
}

static bool is_mark(const step *s, uint32_t c)
{
    size_t length;
    return c == utf8_next(s->mark, s->mark_size, &length);
}

static sib_code run_delimiter(const step *s, const word_list *in, word w, word_list *out, sib_error *err)
{
    return cut_at(s, is_mark, in, w, out, err);
}

static const step_kind step_kinds[] = {
    {"ByteLevel", read_byte_level, run_byte_level, false},        {"Split", read_split, run_split, false},
    {"Metaspace", read_metaspace, run_metaspace, true},           {"Whitespace", NULL, run_whitespace, false},
    {"WhitespaceSplit", NULL, run_whitespace_split, false},       {"Digits", read_digits, run_digits, false},
    {"Punctuation", read_punctuation, run_punctuation, false},    {"BertPreTokenizer", NULL, run_bert, false},
    {"CharDelimiterSplit", read_delimiter, run_delimiter, false},
};

/* ---- All steps ----------------------------------------------------------------------------------------- */

static sib_code read_part(splitter *s, const json_part *p, sib_error *err)
{
    const char *type = json_part_type(p);
    if (p->depth > JSON_MAX_DEPTH || s->n == MAX_STEPS)
        return json_part_bad(p, SIB_ERR_UNSUPPORTED, err, "has too many steps");
    if (strcmp(type, "Sequence") == 0) {
        json_part list = json_part_at(p, "pretokenizers");
        sib_code code = SIB_OK;
        for (size_t i = 0; i < json_array_size(list.value) && code == SIB_OK; i++) {
            json_part item = json_part_item(&list, i);
            code = read_part(s, &item, err);
        }
        return code;
    }
    if (splitter_byte_level(s))
        return json_part_bad(p, SIB_ERR_UNSUPPORTED, err, "a step after ByteLevel is not supported");
    for (size_t i = 0; i < sizeof step_kinds / sizeof *step_kinds; i++)
        if (strcmp(type, step_kinds[i].type) == 0) {
            step *at = &s->steps[s->n++];
            at->kind = &step_kinds[i];
            return at->kind->read ? at->kind->read(at, p, err) : SIB_OK;
        }
    return json_part_unknown(p, "pre-tokenizer", type, err);
}

sib_code splitter_open(const json_part *p, splitter **out, sib_error *err)
{
    *out = NULL;
    if (!p->value)
        return SIB_OK;
    splitter *s = mem_calloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a pre-tokenizer");
    sib_code code = read_part(s, p, err);
    if (code != SIB_OK)
        splitter_free(&s);
    *out = s;
    return code;
}

void splitter_free(splitter **s)
{
    for (size_t i = 0; *s && i < (*s)->n; i++)
        pattern_free(&(*s)->steps[i].pattern);
    mem_free(*s);
    *s = NULL;
}

bool splitter_byte_level(const splitter *s)
{
    return s && s->n && s->steps[s->n - 1].kind->run == run_byte_level;
}

sib_code splitter_run(const splitter *s, word_list *l, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; s && i < s->n && code == SIB_OK; i++) {
        const step *at = &s->steps[i];
        bool rewrites = at->kind->rewrites || (at->kind->run == run_byte_level && at->prefix);
        pattern_search search;
        word_list next = {.text = l->text, .search = &search};
        code = pattern_begin(&search, &at->pattern, err);
        for (size_t k = 0; k < l->n && code == SIB_OK; k++)
            code = at->kind->run(at, l, l->words[k], &next, err);
        if (!rewrites) { /* the word list keeps its text */
            next.text = l->text;
            next.own = l->own;
            l->own = (byte_buffer){0};
        }
        next.from_start = l->from_start;
        next.search = NULL;
        pattern_end(&search);
        words_free(l);
        *l = next;
    }
    return code;
}
