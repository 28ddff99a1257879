#include "text/constrain/automaton.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "text/chars/utf8.h"

#include <stdlib.h>

#define LAST_CHARACTER 0x10FFFFu
#define NO_MAX         UINT32_MAX
#define MAX_REPEAT     1000u
#define MAX_PARTS      (4 * AUTOMATON_MAX_BYTES)
#define MAX_VISITS     (1u << 20) /* of parts, each as often as it is repeated */

/* ---- The expression as a tree: part 0 matches nothing but the empty text -------------------------------- */

typedef enum part_kind {
    PART_EMPTY,
    PART_SET,    /* ranges a .. a + b - 1 */
    PART_CHAIN,  /* a, then b; a may be a chain, b is none */
    PART_EITHER, /* a or b; a may be an alternative, b is none */
    PART_REPEAT, /* a, min to max times */
    PART_BEGIN,
    PART_END
} part_kind;

typedef struct part {
    part_kind kind;
    uint32_t a, b, min, max;
} part;

typedef struct reader {
    automaton *p;
    sib_str text;
    size_t at;
    part *parts; /* (n_parts) */
    size_t n_parts, parts_capacity;
    int depth; /* groups around `at` */
    uint32_t n_visits;
    sib_code code;
    sib_error *err;
} reader;

static uint32_t fault(reader *r, sib_code code, const char *why)
{
    if (r->code == SIB_OK)
        r->code = err_set(r->err, code, "%s at byte %zu of the pattern", why, r->at);
    return 0;
}

static uint32_t add_part(reader *r, part p)
{
    if (r->code == SIB_OK && r->n_parts == MAX_PARTS)
        return fault(r, SIB_ERR_SIZE, "there are too many parts");
    if (r->code == SIB_OK)
        r->code = ARRAY_PUSH(r->parts, r->n_parts, r->parts_capacity, "a pattern", r->err, p);
    return r->code == SIB_OK ? (uint32_t)r->n_parts - 1 : 0;
}

static void add_range(reader *r, uint32_t lo, uint32_t hi)
{
    automaton *p = r->p;
    if (r->code == SIB_OK && p->n_ranges == AUTOMATON_MAX_RANGES)
        fault(r, SIB_ERR_SIZE, "there are too many ranges");
    if (r->code == SIB_OK)
        r->code = ARRAY_PUSH(p->ranges, p->n_ranges, p->ranges_capacity, "a pattern", r->err,
                             (automaton_range){lo, hi});
}

/* ---- Characters and sets --------------------------------------------------------------------------------- */

static const automaton_range digits[] = {{'0', '9'}},
                             words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                             spaces[] = {{9, 13},          {' ', ' '},       {0xA0, 0xA0},
                                         {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029},
                                         {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
                                         {0xFEFF, 0xFEFF}},
                             line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

static const struct named_set {
    char letter; /* its other case: all others */
    const automaton_range *ranges;
    size_t n;
} named_sets[] = {{'d', digits, sizeof digits / sizeof *digits},
                  {'w', words, sizeof words / sizeof *words},
                  {'s', spaces, sizeof spaces / sizeof *spaces}};

/* Adds ranges (n), which ascend, or all characters between them. */
static void add_ranges(reader *r, const automaton_range *ranges, size_t n, bool others)
{
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        if (!others)
            add_range(r, ranges[i].lo, ranges[i].hi);
        else if (ranges[i].lo > next)
            add_range(r, next, ranges[i].lo - 1);
        next = ranges[i].hi + 1;
    }
    if (others && next <= LAST_CHARACTER)
        add_range(r, next, LAST_CHARACTER);
}

static int by_low(const void *a, const void *b)
{
    const automaton_range *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Makes a set of the ranges from `first` on: ascending and apart, or all characters that they leave out. */
static uint32_t close_set(reader *r, size_t first, bool others)
{
    automaton *p = r->p;
    if (r->code != SIB_OK)
        return 0;
    automaton_range *of = p->ranges + first;
    size_t n = p->n_ranges - first, used = 0;
    if (n)
        qsort(of, n, sizeof *of, by_low);
    for (size_t i = 0; i < n; i++)
        if (used && of[i].lo <= of[used - 1].hi + 1)
            of[used - 1].hi = of[i].hi > of[used - 1].hi ? of[i].hi : of[used - 1].hi;
        else
            of[used++] = of[i];
    p->n_ranges = first + used;
    if (others) {
        automaton_range *copy = mem_alloc(used + 1, sizeof *copy);
        if (!copy)
            return fault(r, SIB_ERR_MEMORY, "out of memory");
        if (used)
            memcpy(copy, of, used * sizeof *copy);
        p->n_ranges = first;
        add_ranges(r, copy, used, true);
        mem_free(copy);
    }
    return add_part(r, (part){PART_SET, (uint32_t)first, (uint32_t)(p->n_ranges - first), 0, 0});
}

static bool next_is(const reader *r, char c)
{
    return r->at < r->text.length && r->text.data[r->at] == c;
}

static bool skip(reader *r, char c)
{
    bool is = next_is(r, c);
    r->at += is;
    return is;
}

static bool skip_text(reader *r, const char *text)
{
    bool is = str_starts(str_from(r->text, r->at), text);
    r->at += is ? strlen(text) : 0;
    return is;
}

/* A character as it stands. */
static uint32_t plain(reader *r)
{
    size_t length;
    uint32_t c = utf8_next(r->text.data + r->at, r->text.length - r->at, &length);
    r->at += length;
    return c;
}

/* A number of min to max hexadecimal digits. */
static uint32_t hex(reader *r, int min, int max)
{
    static const char digit[] = "0123456789abcdef";
    uint32_t x = 0;
    int n = 0;
    for (const char *at; n < max && r->at < r->text.length; n++, r->at++) {
        char c = r->text.data[r->at];
        at = c ? strchr(digit, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
        if (!at)
            break;
        x = 16 * x + (uint32_t)(at - digit);
    }
    if (n < min || x > LAST_CHARACTER)
        return fault(r, SIB_ERR_VALUE, "a hexadecimal number is wrong");
    return x;
}

static uint32_t unicode(reader *r)
{
    if (skip(r, '{')) {
        uint32_t c = hex(r, 1, 6);
        return skip(r, '}') ? c : fault(r, SIB_ERR_VALUE, "a '}' is missing");
    }
    uint32_t high = hex(r, 4, 4);
    if (high < 0xD800 || high > 0xDBFF || !skip_text(r, "\\u"))
        return high;
    uint32_t low = hex(r, 4, 4);
    return low >= 0xDC00 && low <= 0xDFFF ? 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
                                          : fault(r, SIB_ERR_VALUE, "half of a surrogate pair");
}

/* What stands behind a backslash. Returns true for a character, *c, and false for a set, which is added. */
static bool escape(reader *r, uint32_t *c)
{
    static const char letters[] = "tnvfr", means[] = "\t\n\v\f\r";
    if (r->at == r->text.length) {
        fault(r, SIB_ERR_VALUE, "nothing stands behind '\\'");
        return false;
    }
    char letter = r->text.data[r->at];
    for (size_t i = 0; i < sizeof named_sets / sizeof *named_sets; i++)
        if (letter == named_sets[i].letter || letter + 32 == named_sets[i].letter) {
            r->at++;
            add_ranges(r, named_sets[i].ranges, named_sets[i].n, letter != named_sets[i].letter);
            return false;
        }
    const char *known = letter ? strchr(letters, letter) : NULL;
    if (known || letter == '0') {
        r->at++;
        *c = known ? (uint32_t)means[known - letters] : 0;
        if (!known && r->at < r->text.length && r->text.data[r->at] >= '0' && r->text.data[r->at] <= '9')
            fault(r, SIB_ERR_UNSUPPORTED, "octal numbers are not supported");
    } else if (skip(r, 'x'))
        *c = hex(r, 2, 2);
    else if (skip(r, 'u'))
        *c = unicode(r);
    else if ((letter >= '1' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
             (letter >= 'a' && letter <= 'z'))
        fault(r, SIB_ERR_UNSUPPORTED, "references back, \\b, \\p, \\c and \\k are not supported");
    else
        *c = plain(r);
    return true;
}

/* One character or set of a class; returns true for a character, *c. */
static bool class_item(reader *r, uint32_t *c)
{
    if (!skip(r, '\\')) {
        *c = plain(r);
        return true;
    }
    if (skip(r, 'b')) {
        *c = '\b';
        return true;
    }
    return escape(r, c);
}

/* Behind '['. */
static uint32_t read_class(reader *r)
{
    size_t first = r->p->n_ranges;
    bool others = skip(r, '^');
    while (r->code == SIB_OK && !skip(r, ']')) {
        uint32_t lo, hi;
        if (r->at == r->text.length)
            return fault(r, SIB_ERR_VALUE, "a ']' is missing");
        if (!class_item(r, &lo))
            continue;
        hi = lo;
        if (next_is(r, '-') && r->at + 1 < r->text.length && r->text.data[r->at + 1] != ']') {
            r->at++;
            if (!class_item(r, &hi) || hi < lo)
                return fault(r, SIB_ERR_VALUE, "a range of characters is wrong");
        }
        add_range(r, lo, hi);
    }
    return close_set(r, first, others);
}

/* ---- Structure ------------------------------------------------------------------------------------------- */

static uint32_t read_either(reader *r);

/* Behind '('. */
static uint32_t read_group(reader *r)
{
    if (++r->depth > AUTOMATON_MAX_GROUPS)
        return fault(r, SIB_ERR_SIZE, "groups nest too deep");
    if (skip_text(r, "?<") && !next_is(r, '=') && !next_is(r, '!')) {
        while (r->at < r->text.length && !next_is(r, '>'))
            r->at++;
        skip(r, '>');
    } else if (!skip_text(r, "?:") && (next_is(r, '?') || (r->at && r->text.data[r->at - 1] == '<')))
        return fault(r, SIB_ERR_UNSUPPORTED, "look-around is not supported");
    uint32_t group = read_either(r);
    r->depth--;
    return skip(r, ')') ? group : fault(r, SIB_ERR_VALUE, "a ')' is missing");
}

static uint32_t read_atom(reader *r)
{
    uint32_t c = 0;
    size_t first = r->p->n_ranges;
    if (skip(r, '('))
        return read_group(r);
    if (skip(r, '['))
        return read_class(r);
    if (skip(r, '^'))
        return add_part(r, (part){.kind = PART_BEGIN});
    if (skip(r, '$'))
        return add_part(r, (part){.kind = PART_END});
    if (next_is(r, '*') || next_is(r, '+') || next_is(r, '?'))
        return fault(r, SIB_ERR_VALUE, "nothing is repeated");
    if (skip(r, '.'))
        add_ranges(r, line_ends, sizeof line_ends / sizeof *line_ends, true);
    else if (skip(r, '\\') ? escape(r, &c) : (c = plain(r), true))
        add_range(r, c, c);
    return close_set(r, first, false);
}

static bool read_number(reader *r, uint32_t *out)
{
    size_t from = r->at;
    for (*out = 0; r->at < r->text.length && r->text.data[r->at] >= '0' && r->text.data[r->at] <= '9';
         r->at++)
        *out = *out > MAX_REPEAT ? *out : 10 * *out + (uint32_t)(r->text.data[r->at] - '0');
    return r->at > from;
}

/* The counts in braces; returns false, and stays, where there are none: then they are characters. */
static bool read_counts(reader *r, uint32_t *min, uint32_t *max)
{
    size_t from = r->at;
    bool done = skip(r, '{') && read_number(r, min);
    *max = *min;
    if (done && skip(r, ',') && !read_number(r, max))
        *max = NO_MAX;
    if (!done || !skip(r, '}')) {
        r->at = from;
        return false;
    }
    if (*min > *max || *min > MAX_REPEAT || (*max > MAX_REPEAT && *max != NO_MAX))
        fault(r, SIB_ERR_VALUE, "a count is above 1000, or above the next");
    return true;
}

static uint32_t read_repeated(reader *r)
{
    uint32_t atom = read_atom(r), min = 0, max = NO_MAX;
    if (skip(r, '+'))
        min = 1;
    else if (skip(r, '?'))
        max = 1;
    else if (!skip(r, '*') && !read_counts(r, &min, &max))
        return atom;
    skip(r, '?');
    if (next_is(r, '*') || next_is(r, '+') || next_is(r, '?'))
        return fault(r, SIB_ERR_VALUE, "a repetition is repeated");
    return add_part(r, (part){PART_REPEAT, atom, 0, min, max});
}

static uint32_t read_chain(reader *r)
{
    uint32_t all = 0;
    while (r->code == SIB_OK && r->at < r->text.length && !next_is(r, '|') && !next_is(r, ')')) {
        uint32_t one = read_repeated(r);
        all = all ? add_part(r, (part){PART_CHAIN, all, one, 0, 0}) : one;
    }
    return all;
}

static uint32_t read_either(reader *r)
{
    uint32_t all = read_chain(r);
    while (r->code == SIB_OK && skip(r, '|')) {
        uint32_t one = read_chain(r);
        all = add_part(r, (part){PART_EITHER, all, one, 0, 0});
    }
    return all;
}

/* ---- States, from the end to the beginning ----------------------------------------------------------------- */

static uint32_t add_state(reader *r, automaton_state s)
{
    automaton *p = r->p;
    if (r->code == SIB_OK && p->n_states == AUTOMATON_MAX_STATES)
        r->code = err_set(r->err, SIB_ERR_SIZE, "the pattern has more than %d states", AUTOMATON_MAX_STATES);
    if (r->code == SIB_OK)
        r->code = ARRAY_PUSH(p->states, p->n_states, p->states_capacity, "a pattern", r->err, s);
    return r->code == SIB_OK ? (uint32_t)p->n_states - 1 : 0;
}

static uint32_t split(reader *r, uint32_t a, uint32_t b)
{
    return add_state(r, (automaton_state){.op = AUTOMATON_SPLIT, .a = a, .b = b});
}

static uint32_t states_of(reader *r, uint32_t which, uint32_t next);

static uint32_t repeat(reader *r, const part *p, uint32_t next)
{
    uint32_t at = next, copies = p->min;
    if (p->max == NO_MAX) {
        uint32_t loop = split(r, 0, next), once = states_of(r, p->a, loop);
        if (r->code == SIB_OK)
            r->p->states[loop].a = once;
        at = copies ? once : loop;
        copies -= copies > 0;
    } else
        for (uint32_t i = p->min; i < p->max && r->code == SIB_OK; i++)
            at = split(r, states_of(r, p->a, at), next);
    for (; copies && r->code == SIB_OK; copies--)
        at = states_of(r, p->a, at);
    return at;
}

/* The states of a part that `next` follows. */
static uint32_t states_of(reader *r, uint32_t which, uint32_t next)
{
    if (++r->n_visits > MAX_VISITS)
        fault(r, SIB_ERR_SIZE, "too much is repeated");
    if (r->code != SIB_OK)
        return 0;
    part p = r->parts[which];
    for (; p.kind == PART_CHAIN; p = r->parts[p.a])
        next = states_of(r, p.b, next);
    if (p.kind == PART_EITHER) {
        uint32_t all = states_of(r, p.b, next);
        for (which = p.a; r->parts[which].kind == PART_EITHER; which = r->parts[which].a)
            all = split(r, states_of(r, r->parts[which].b, next), all);
        return split(r, states_of(r, which, next), all);
    }
    if (p.kind == PART_REPEAT)
        return repeat(r, &p, next);
    if (p.kind == PART_EMPTY)
        return next;
    automaton_op op = p.kind == PART_SET     ? AUTOMATON_SET
                      : p.kind == PART_BEGIN ? AUTOMATON_BEGIN
                                             : AUTOMATON_END;
    return add_state(r, (automaton_state){.op = op, .a = next, .first = p.a, .n = p.b});
}

/* Any characters, then `next`. */
static uint32_t anything(reader *r, uint32_t all, uint32_t next)
{
    uint32_t loop = split(r, 0, next);
    uint32_t one = add_state(r, (automaton_state){.op = AUTOMATON_SET, .a = loop, .first = all, .n = 1});
    if (r->code == SIB_OK)
        r->p->states[loop].a = one;
    return loop;
}

sib_code automaton_read(sib_str text, automaton *out, sib_error *err)
{
    reader r = {.p = out, .text = text, .err = err};
    *out = (automaton){0};
    if (text.length > AUTOMATON_MAX_BYTES)
        return err_set(err, SIB_ERR_SIZE, "a pattern has more than %d bytes", AUTOMATON_MAX_BYTES);
    add_part(&r, (part){.kind = PART_EMPTY});
    add_range(&r, 0, LAST_CHARACTER);
    uint32_t root = read_either(&r);
    if (r.code == SIB_OK && r.at < text.length)
        fault(&r, SIB_ERR_VALUE, "there is a ')' too many");
    uint32_t end = anything(&r, 0, add_state(&r, (automaton_state){.op = AUTOMATON_ACCEPT}));
    out->start = anything(&r, 0, states_of(&r, root, end));
    mem_free(r.parts);
    return r.code;
}

void automaton_free(automaton *p)
{
    mem_free(p->states);
    mem_free(p->ranges);
    *p = (automaton){0};
}
