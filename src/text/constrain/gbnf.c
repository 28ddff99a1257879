/* A rule is read into items, which are then built from the last to the first, since a node names what follows it. */
#include "text/constrain/gbnf.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "text/chars/utf8.h"
#include "text/constrain/gbnf_left.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct range {
    uint32_t lo, hi;
} range;

typedef enum item_kind { ITEM_TEXT, ITEM_RANGES, ITEM_CALL } item_kind;

/* One after the other in a sequence: a text or ranges of characters, at, n in theirs; or a rule or group, whose node is
   `at`; min to max times (NO_MAX). */
typedef struct item {
    item_kind kind;
    uint32_t at, n, min, max;
} item;
#define NO_MAX UINT32_MAX

typedef struct rule {
    sib_str name;
    uint32_t node; /* a place */
    bool made;
} rule;

typedef struct reader {
    sib_str text;
    size_t at;
    grammar *g;
    sib_error *err;
    rule *rules; /* (n_rules) */
    size_t n_rules, rules_capacity;
    item *items; /* (n_items) of the sequences under way */
    size_t n_items, items_capacity;
    char *bytes; /* (n_bytes) of the texts of items */
    size_t n_bytes, bytes_capacity;
    range *ranges; /* (n_ranges) of theirs */
    size_t n_ranges, ranges_capacity;
    uint32_t end; /* RETURN */
    int depth;
} reader;

/* ---- Characters of the text ---------------------------------------------------------------------------- */

static bool failed(reader *r, sib_code code, const char *why)
{
    size_t line = 1;
    for (size_t i = 0; i < r->at && i < r->text.length; i++)
        line += r->text.data[i] == '\n';
    if (r->g->code == SIB_OK)
        r->g->code = err_set(r->err, code, "the grammar: line %zu: %s", line, why);
    return false;
}

static bool wrong(reader *r, const char *why)
{
    return failed(r, SIB_ERR_FORMAT, why);
}

static bool kept(reader *r, sib_code code)
{
    r->g->code = r->g->code == SIB_OK ? code : r->g->code;
    return r->g->code == SIB_OK;
}

/* NUL at the end. */
static char look(const reader *r)
{
    return r->at < r->text.length ? r->text.data[r->at] : 0;
}

static bool take(reader *r, const char *what)
{
    const size_t n = strlen(what);
    const bool is = r->text.length - r->at >= n && !memcmp(r->text.data + r->at, what, n);
    r->at += is ? n : 0;
    return is;
}

/* Blanks and comments; line ends too where they count as blanks. */
static void skip(reader *r, bool lines)
{
    while (look(r) == ' ' || look(r) == '\t' || look(r) == '#' ||
           (lines && (look(r) == '\n' || look(r) == '\r'))) {
        if (look(r) == '#')
            while (r->at < r->text.length && look(r) != '\n' && look(r) != '\r')
                r->at++;
        else
            r->at++;
    }
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool read_name(reader *r, sib_str *out)
{
    const size_t from = r->at;
    while (is_name(look(r)))
        r->at++;
    *out = (sib_str){r->text.data + from, r->at - from};
    return out->length > 0 || wrong(r, "expected a rule's name");
}

static bool read_hex(reader *r, int digits, uint32_t *c)
{
    for (*c = 0; digits > 0; digits--, r->at++) {
        const char x = look(r);
        const int value = x >= '0' && x <= '9'   ? x - '0'
                          : x >= 'a' && x <= 'f' ? x - 'a' + 10
                          : x >= 'A' && x <= 'F' ? x - 'A' + 10
                                                 : -1;
        if (value < 0)
            return wrong(r, "an escape lacks hexadecimal digits");
        *c = *c << 4 | (uint32_t)value;
    }
    return (*c <= 0x10FFFF && (*c < 0xD800 || *c > 0xDFFF)) ||
           wrong(r, "an escape is not of a Unicode character");
}

/* A character of a text or of ranges. */
static bool read_character(reader *r, uint32_t *c)
{
    static const char escapes[] = "trn\\\"[]", meant[] = "\t\r\n\\\"[]";
    size_t length;
    if (r->at >= r->text.length)
        return wrong(r, "a text or a set of characters does not end");
    if (look(r) == '\\') {
        r->at++;
        const char kind = look(r), *known = kind ? strchr(escapes, kind) : NULL;
        r->at += kind != 0;
        if (known)
            *c = (uint32_t)(unsigned char)meant[known - escapes];
        else if (kind == 'x' || kind == 'u' || kind == 'U')
            return read_hex(r, kind == 'x' ? 2 : kind == 'u' ? 4 : 8, c);
        else
            return wrong(r, "an escape is none of \\n \\r \\t \\\\ \\\" \\[ \\] \\x \\u \\U");
        return true;
    }
    *c = utf8_next(r->text.data + r->at, r->text.length - r->at, &length);
    r->at += length;
    return *c != UTF8_BROKEN || wrong(r, "it is not UTF-8");
}

/* ---- Items --------------------------------------------------------------------------------------------- */

static bool read_text(reader *r, item *out)
{
    uint32_t c = 0;
    char bytes[4];
    *out = (item){ITEM_TEXT, (uint32_t)r->n_bytes, 0, 1, 1};
    while (!take(r, "\"")) {
        if (!read_character(r, &c))
            return false;
        for (size_t i = 0, n = utf8_put(c, bytes); i < n; i++)
            if (!kept(r, ARRAY_PUSH(r->bytes, r->n_bytes, r->bytes_capacity, "a grammar", r->err, bytes[i])))
                return false;
    }
    out->n = (uint32_t)(r->n_bytes - out->at);
    return true;
}

static bool add_range(reader *r, uint32_t lo, uint32_t hi)
{
    return lo > hi || kept(r, ARRAY_PUSH(r->ranges, r->n_ranges, r->ranges_capacity, "a grammar", r->err,
                                         (range){lo, hi}));
}

static int by_lo(const void *a, const void *b)
{
    const range *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Makes of the ranges from `from` on all characters that are in none of them. */
static bool negate(reader *r, size_t from)
{
    const size_t n = r->n_ranges;
    uint32_t next = 0;
    bool done = true;
    if (n > from)
        qsort(r->ranges + from, n - from, sizeof *r->ranges, by_lo);
    for (size_t i = from; i < n && done; i++) {
        const range x = r->ranges[i];
        done = x.lo <= next || add_range(r, next, x.lo - 1);
        next = x.hi + 1 > next ? x.hi + 1 : next;
    }
    done = done && add_range(r, next, 0x10FFFF);
    if (done)
        memmove(r->ranges + from, r->ranges + n, (r->n_ranges - n) * sizeof *r->ranges);
    r->n_ranges -= done ? n - from : 0;
    return done;
}

static bool read_ranges(reader *r, item *out)
{
    const bool others = take(r, "^");
    *out = (item){ITEM_RANGES, (uint32_t)r->n_ranges, 0, 1, 1};
    while (!take(r, "]")) {
        uint32_t lo = 0, hi;
        if (!read_character(r, &lo))
            return false;
        hi = lo;
        if (look(r) == '-' && r->at + 1 < r->text.length && r->text.data[r->at + 1] != ']') {
            r->at++;
            if (!read_character(r, &hi))
                return false;
        }
        if (lo > hi)
            return wrong(r, "a range of characters ends before it begins");
        if (!add_range(r, lo, hi))
            return false;
    }
    if (others && !negate(r, out->at))
        return false;
    out->n = (uint32_t)r->n_ranges - out->at;
    return true;
}

/* The rule of a name, made where it has not been met. */
static rule *rule_of(reader *r, sib_str name)
{
    for (size_t i = 0; i < r->n_rules; i++)
        if (str_same(r->rules[i].name, name))
            return &r->rules[i];
    if (r->n_rules == GBNF_MAX_RULES) {
        failed(r, SIB_ERR_SIZE, "there are too many rules");
        return NULL;
    }
    const uint32_t node = grammar_place(r->g);
    return kept(r, ARRAY_PUSH(r->rules, r->n_rules, r->rules_capacity, "a grammar", r->err,
                              (rule){name, node, false}))
               ? &r->rules[r->n_rules - 1]
               : NULL;
}

static bool read_number(reader *r, uint32_t *out)
{
    const size_t from = r->at;
    for (*out = 0; look(r) >= '0' && look(r) <= '9' && *out <= GBNF_MAX_REPEAT; r->at++)
        *out = 10 * *out + (uint32_t)(look(r) - '0');
    return (r->at > from && *out <= GBNF_MAX_REPEAT) || wrong(r, "a repetition's count is not 0 to 2000");
}

/* What may stand behind an item: * + ? {m} {m,} {m,n}. */
static bool read_repeat(reader *r, item *i)
{
    if (take(r, "*"))
        i->min = 0, i->max = NO_MAX;
    else if (take(r, "+"))
        i->max = NO_MAX;
    else if (take(r, "?"))
        i->min = 0;
    else if (take(r, "{")) {
        skip(r, false);
        if (!read_number(r, &i->min))
            return false;
        i->max = i->min;
        skip(r, false);
        if (take(r, ",")) {
            skip(r, false);
            i->max = NO_MAX;
            if (look(r) != '}' && !read_number(r, &i->max))
                return false;
            skip(r, false);
        }
        if (!take(r, "}") || i->min > i->max)
            return wrong(r, "a repetition is not {m}, {m,} or {m,n}");
    }
    return true;
}

static uint32_t read_alternatives(reader *r, bool nested);

static bool read_item(reader *r, item *out)
{
    *out = (item){ITEM_CALL, 0, 0, 1, 1};
    if (take(r, "\""))
        return read_text(r, out);
    if (take(r, "["))
        return read_ranges(r, out);
    if (take(r, ".")) {
        *out = (item){ITEM_RANGES, (uint32_t)r->n_ranges, 1, 1, 1};
        return add_range(r, 0, 0x10FFFF);
    }
    if (look(r) == '<' || look(r) == '!')
        return failed(r, SIB_ERR_UNSUPPORTED, "tokens (<[id]>, <name>) are not supported, texts are");
    if (take(r, "(")) {
        if (++r->depth > GBNF_MAX_DEPTH)
            return failed(r, SIB_ERR_SIZE, "groups nest too deep");
        skip(r, true);
        out->at = read_alternatives(r, true);
        r->depth--;
        return r->g->code == SIB_OK && (take(r, ")") || wrong(r, "a group lacks its )"));
    }
    sib_str name;
    const rule *called = read_name(r, &name) ? rule_of(r, name) : NULL;
    out->at = called ? called->node : 0;
    return called != NULL;
}

/* ---- Nodes --------------------------------------------------------------------------------------------- */

static uint32_t build_ranges(reader *r, const item *i, uint32_t next)
{
    byte_set ascii = {{0}};
    uint32_t all = 0;
    for (size_t k = i->at; k < (size_t)i->at + i->n; k++) {
        for (uint32_t c = r->ranges[k].lo; c <= r->ranges[k].hi && c < 0x80; c++)
            ascii.bits[c >> 6] |= UINT64_C(1) << (c & 63);
        if (r->ranges[k].hi >= 0x80)
            all =
                grammar_either(r->g, all, grammar_beyond_ascii(r->g, r->ranges[k].lo, r->ranges[k].hi, next));
    }
    return grammar_either(r->g, grammar_of_set(r->g, &ascii, next), all);
}

static uint32_t build_once(reader *r, const item *i, uint32_t next)
{
    return i->kind == ITEM_TEXT     ? grammar_text(r->g, r->bytes + i->at, i->n, next)
           : i->kind == ITEM_RANGES ? build_ranges(r, i, next)
                                    : grammar_add(r->g, GRAMMAR_CALL, i->at, next);
}

static uint32_t build(reader *r, const item *i, uint32_t next)
{
    uint32_t at = next;
    if (i->kind == ITEM_TEXT && !i->n)
        return next;
    if (i->max == NO_MAX) {
        at = grammar_place(r->g);
        grammar_set(r->g, at, grammar_either(r->g, build_once(r, i, at), next));
    } else
        for (uint32_t k = i->min; k < i->max && r->g->code == SIB_OK; k++)
            at = grammar_either(r->g, build_once(r, i, at), next);
    for (uint32_t k = 0; k < i->min && r->g->code == SIB_OK; k++)
        at = build_once(r, i, at);
    return at;
}

/* Items up to a | or the end, as a node. */
static uint32_t read_sequence(reader *r, bool nested)
{
    const size_t from = r->n_items, bytes = r->n_bytes, ranges = r->n_ranges;
    uint32_t node = r->end;
    while (r->g->code == SIB_OK && look(r) && !strchr("|)\r\n", look(r))) {
        item i;
        if (!read_item(r, &i) || !read_repeat(r, &i) ||
            !kept(r, ARRAY_PUSH(r->items, r->n_items, r->items_capacity, "a grammar", r->err, i)))
            break;
        skip(r, nested);
    }
    while (r->n_items > from)
        node = build(r, &r->items[--r->n_items], node);
    r->n_bytes = bytes;
    r->n_ranges = ranges;
    return node;
}

static uint32_t read_alternatives(reader *r, bool nested)
{
    uint32_t all = read_sequence(r, nested);
    while (r->g->code == SIB_OK && take(r, "|")) {
        skip(r, true);
        const uint32_t other = read_sequence(r, nested);
        all = grammar_either(r->g, all, other);
    }
    return all;
}

static bool read_rule(reader *r)
{
    sib_str name;
    if (!read_name(r, &name))
        return false;
    skip(r, false);
    if (!take(r, "::="))
        return wrong(r, "expected ::= behind a rule's name");
    const rule *made = rule_of(r, name);
    if (!made || made->made)
        return made && wrong(r, "a rule has its name twice");
    const size_t number = (size_t)(made - r->rules);
    skip(r, true);
    const uint32_t node = read_alternatives(r, false);
    r->rules[number].made = true; /* rules may have moved */
    grammar_set(r->g, r->rules[number].node, node);
    if (r->g->code == SIB_OK && look(r) && look(r) != '\n' && look(r) != '\r')
        return wrong(r, "expected an item, | or the end of the line");
    skip(r, true);
    return r->g->code == SIB_OK;
}

/* Whether all rules are there, none begins with itself, and which is the first: 0 after a failure. */
static uint32_t check_rules(reader *r)
{
    uint32_t root = 0;
    char why[120];
    for (size_t i = 0; i < r->n_rules && r->g->code == SIB_OK; i++) {
        const rule *x = &r->rules[i];
        const int length = x->name.length < 60 ? (int)x->name.length : 60;
        snprintf(why, sizeof why, "rule '%.*s' is not there", length, x->name.data);
        if (!x->made)
            wrong(r, why);
        root = str_is(x->name, "root") ? x->node : root;
    }
    if (r->g->code == SIB_OK && !root)
        wrong(r, "there is no rule 'root'");
    gbnf_left left = {0};
    kept(r, r->g->code == SIB_OK ? gbnf_left_begin(&left, r->g, r->err) : SIB_OK);
    for (size_t i = 0; i < r->n_rules && r->g->code == SIB_OK; i++) {
        const rule *x = &r->rules[i];
        const int length = x->name.length < 60 ? (int)x->name.length : 60;
        snprintf(why, sizeof why, "rule '%.*s' begins with itself", length, x->name.data);
        if (gbnf_left_recurs(&left, r->g, x->node))
            failed(r, SIB_ERR_UNSUPPORTED, why);
    }
    gbnf_left_end(&left);
    return root;
}

sib_code gbnf_grammar(sib_str text, grammar *g, sib_error *err)
{
    reader r = {.text = text, .g = g, .err = err};
    grammar_begin(g, err);
    r.end = grammar_add(g, GRAMMAR_RETURN, 0, 0);
    if (text.length > GBNF_MAX_BYTES)
        return g->code = err_set(err, SIB_ERR_SIZE, "the grammar has %zu bytes, the limit is %zu",
                                 text.length, GBNF_MAX_BYTES);
    if (memchr(text.data, 0, text.length))
        wrong(&r, "it has a NUL");
    skip(&r, true);
    while (g->code == SIB_OK && look(&r) && read_rule(&r)) {
    }
    const uint32_t root = check_rules(&r);
    mem_free(r.rules);
    mem_free(r.items);
    mem_free(r.bytes);
    mem_free(r.ranges);
    return g->code == SIB_OK ? grammar_end(g, root, err) : g->code;
}
