#include "text/constrain/json_grammar.h"

#include "base/error.h"

/* ---- Strings ------------------------------------------------------------------------------------------- */

static uint32_t byte(grammar *g, char c, uint32_t next)
{
    return grammar_range(g, (uint8_t)c, (uint8_t)c, next);
}

static uint32_t any_of(grammar *g, const char *bytes, uint32_t next)
{
    byte_set set = {{0}};
    for (; *bytes; bytes++)
        set.bits[(uint8_t)*bytes >> 6] |= UINT64_C(1) << (*bytes & 63);
    return grammar_of_set(g, &set, next);
}

/* A character that is written as itself, in UTF-8 of the shortest form and no surrogate. */
static uint32_t plain(grammar *g, uint32_t next)
{
    byte_set ascii = {{UINT64_MAX << 32, UINT64_MAX}};
    ascii.bits[0] &= ~(UINT64_C(1) << '"');
    ascii.bits[1] &= ~(UINT64_C(1) << ('\\' & 63));
    uint32_t one = grammar_range(g, 0x80, 0xBF, next), two = grammar_range(g, 0x80, 0xBF, one),
             three = grammar_range(g, 0x80, 0xBF, two);
    const struct {
        uint8_t lo, hi;
        uint32_t next;
    } leads[] = {{0xC2, 0xDF, one},   {0xE0, 0xE0, grammar_range(g, 0xA0, 0xBF, one)},
                 {0xE1, 0xEC, two},   {0xED, 0xED, grammar_range(g, 0x80, 0x9F, one)},
                 {0xEE, 0xEF, two},   {0xF0, 0xF0, grammar_range(g, 0x90, 0xBF, two)},
                 {0xF1, 0xF3, three}, {0xF4, 0xF4, grammar_range(g, 0x80, 0x8F, two)}};
    uint32_t all = grammar_of_set(g, &ascii, next);
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
        all = grammar_either(g, all, grammar_range(g, leads[i].lo, leads[i].hi, leads[i].next));
    return all;
}

/* Behind "\u": four digits, no U+0000, which ends texts of C, and surrogates in pairs. */
static uint32_t unicode(grammar *g, uint32_t next)
{
    static const char hex[] = "0123456789abcdefABCDEF", not_zero[] = "123456789abcdefABCDEF";
    uint32_t one = any_of(g, hex, next), two = any_of(g, hex, one), three = any_of(g, hex, two);
    uint32_t low = any_of(g, "dD", any_of(g, "cdefCDEF", two));
    uint32_t pair = any_of(g, "89abAB", any_of(g, hex, any_of(g, hex, grammar_text(g, "\\u", 2, low))));
    uint32_t last = any_of(g, not_zero, next);
    uint32_t two_last = grammar_either(g, byte(g, '0', last), any_of(g, not_zero, one));
    uint32_t zero = grammar_either(g, byte(g, '0', two_last), any_of(g, not_zero, two));
    uint32_t d = grammar_either(g, any_of(g, "01234567", two), pair);
    return grammar_either(g, grammar_either(g, any_of(g, "123456789abcefABCEF", three), byte(g, '0', zero)),
                          any_of(g, "dD", d));
}

static uint32_t character(grammar *g, uint32_t next)
{
    uint32_t escaped = grammar_either(g, any_of(g, "\"\\/bfnrt", next), byte(g, 'u', unicode(g, next)));
    return grammar_either(g, plain(g, next), byte(g, '\\', escaped));
}

uint32_t json_string_of(json_grammar *j, uint32_t min, uint32_t max)
{
    grammar *g = j->g;
    bool counts = min || max != JSON_NO_MAX;
    uint32_t loop = grammar_place(g), end = byte(g, '"', j->end);
    uint32_t more = counts ? grammar_add(g, GRAMMAR_COUNT, loop, max != JSON_NO_MAX ? max : min) : loop;
    more = character(g, more);
    if (min)
        end = grammar_add(g, GRAMMAR_MIN, end, min);
    if (max != JSON_NO_MAX)
        more = grammar_add(g, GRAMMAR_MAX, more, max);
    grammar_set(g, loop, grammar_either(g, more, end));
    return byte(g, '"', loop);
}

static uint32_t make_key(json_grammar *j)
{
    grammar *g = j->g;
    uint32_t loop = grammar_place(g);
    uint32_t more = grammar_either(g, plain(g, loop), byte(g, '\\', any_of(g, "\"\\bfnrt", loop)));
    grammar_set(g, loop, grammar_either(g, more, byte(g, '"', j->end)));
    return byte(g, '"', loop);
}

/* ---- Numbers, blanks ----------------------------------------------------------------------------------- */

/* Up to `max` digits, each of which may be the last. */
static uint32_t digits(grammar *g, unsigned max, uint32_t next)
{
    uint32_t node = next;
    for (unsigned i = 0; i < max; i++)
        node = grammar_either(g, next, grammar_range(g, '0', '9', node));
    return node;
}

/* An exponent of `hundreds`, its numbers of three digits, or of fewer digits. */
static uint32_t exponent(grammar *g, uint32_t hundreds, uint32_t next)
{
    uint32_t one = grammar_range(g, '0', '9', next), two = grammar_range(g, '0', '9', one);
    uint32_t number = grammar_either(g, grammar_either(g, one, two), hundreds);
    return any_of(g, "eE", grammar_either(g, any_of(g, "+-", number), number));
}

/* What may stand behind the digits before the point. */
static uint32_t fraction(grammar *g, uint32_t hundreds, uint32_t next)
{
    uint32_t end = grammar_either(g, next, exponent(g, hundreds, next));
    return grammar_either(g, end,
                          byte(g, '.', grammar_range(g, '0', '9', digits(g, JSON_DECIMALS - 1, end))));
}

/* A number, where `one` may stand behind a single digit and `more` behind several. */
static uint32_t make_number(grammar *g, uint32_t one, uint32_t more)
{
    uint32_t several = grammar_range(g, '0', '9', digits(g, JSON_DIGITS - 2, more));
    uint32_t whole =
        grammar_either(g, byte(g, '0', one), grammar_range(g, '1', '9', grammar_either(g, one, several)));
    return grammar_either(g, byte(g, '-', whole), whole);
}

/* Numbers that a double holds: up to 1e307 behind one digit, up to 1e289 behind JSON_DIGITS. */
static uint32_t make_real(grammar *g, uint32_t next)
{
    uint32_t last = grammar_range(g, '0', '9', next), two = grammar_range(g, '0', '9', last);
    uint32_t low = grammar_either(g, byte(g, '1', two), byte(g, '2', grammar_range(g, '0', '8', last)));
    uint32_t high = grammar_either(g, grammar_range(g, '1', '2', two),
                                   grammar_text(g, "30", 2, grammar_range(g, '0', '7', next)));
    return make_number(g, fraction(g, high, next), fraction(g, low, next));
}

uint32_t json_blank(json_grammar *j, uint32_t next)
{
    return next ? grammar_add(j->g, GRAMMAR_CALL, j->blank, next) : 0;
}

static uint32_t make_blank(json_grammar *j)
{
    grammar *g = j->g;
    uint32_t indent = j->end;
    for (int i = 0; i < JSON_INDENT_MAX; i++)
        indent = grammar_either(g, j->end, any_of(g, " \t", indent));
    return grammar_either(g, j->end, grammar_either(g, byte(g, ' ', j->end), byte(g, '\n', indent)));
}

/* ---- Arrays, objects, values --------------------------------------------------------------------------- */

/* min to max items, where there is one at all; before them the bracket *may_close may stand, or nothing. */
static uint32_t more_items(json_grammar *j, uint32_t item, uint32_t min, uint32_t max, uint32_t *may_close)
{
    grammar *g = j->g;
    bool counts = min || max != JSON_NO_MAX;
    uint32_t close = byte(g, ']', j->end), items = grammar_place(g), next = close;
    uint32_t more = byte(g, ',', json_blank(j, items));
    if (min)
        next = grammar_add(g, GRAMMAR_MIN, next, min);
    if (max != JSON_NO_MAX)
        more = grammar_add(g, GRAMMAR_MAX, more, max);
    next = json_blank(j, grammar_either(g, next, more));
    uint32_t one = item && max ? grammar_add(g, GRAMMAR_CALL, item, next) : 0;
    if (one && counts)
        one = grammar_add(g, GRAMMAR_COUNT, one, max != JSON_NO_MAX ? max : min);
    grammar_set(g, items, one);
    *may_close = min ? 0 : close;
    return one ? items : 0;
}

uint32_t json_array_of(json_grammar *j, const uint32_t *first, size_t n, uint32_t item, uint32_t min,
                       uint32_t max)
{
    grammar *g = j->g;
    uint32_t close = byte(g, ']', j->end), may_close;
    uint32_t n_first = n < max ? (uint32_t)n : max;
    uint32_t items = more_items(j, item, min > n_first ? min - n_first : 0,
                                max == JSON_NO_MAX ? max : max - n_first, &may_close);
    /* from the last: what may stand behind a comma, and behind item i */
    for (uint32_t i = n_first; first && i-- > 0;) {
        uint32_t comma = items ? byte(g, ',', json_blank(j, items)) : 0;
        uint32_t after = json_blank(j, grammar_either(g, may_close, comma));
        items = first[i] && after ? grammar_add(g, GRAMMAR_CALL, first[i], after) : 0;
        may_close = i < min ? 0 : close;
    }
    return byte(g, '[', json_blank(j, grammar_either(g, may_close, items)));
}

/* Behind a key: its value, then `next`. */
static uint32_t value_behind(json_grammar *j, uint32_t value, uint32_t next)
{
    uint32_t called = value ? grammar_add(j->g, GRAMMAR_CALL, value, next) : 0;
    return json_blank(j, byte(j->g, ':', json_blank(j, called)));
}

uint32_t json_object_of(json_grammar *j, const json_member *members, size_t n, uint32_t key, uint32_t other)
{
    grammar *g = j->g;
    uint32_t close = byte(g, '}', j->end);
    /* From the last member: what may come after a comma, after a member, and whether it may end. */
    uint32_t keys = 0, after = json_blank(j, close);
    bool may_end = true;
    if (key && other) {
        uint32_t again = grammar_place(g);
        after = json_blank(j, grammar_either(g, close, byte(g, ',', json_blank(j, again))));
        keys = grammar_add(g, GRAMMAR_CALL, key, value_behind(j, other, after));
        grammar_set(g, again, keys);
    }
    for (size_t i = n; i-- > 0;) {
        const json_member *m = &members[i];
        uint32_t own = value_behind(j, m->value, after);
        own = own ? grammar_text(g, m->key.data, m->key.length, own) : 0;
        keys = m->required ? own : grammar_either(g, own, keys);
        may_end = may_end && !m->required;
        uint32_t comma = keys ? byte(g, ',', json_blank(j, keys)) : 0;
        after = json_blank(j, grammar_either(g, may_end ? close : 0, comma));
    }
    return byte(g, '{', json_blank(j, grammar_either(g, may_end ? close : 0, keys)));
}

void json_grammar_begin(json_grammar *j, grammar *g)
{
    *j = (json_grammar){.g = g, .end = grammar_add(g, GRAMMAR_RETURN, 0, 0)};
    j->blank = make_blank(j);
    j->string = json_string_of(j, 0, JSON_NO_MAX);
    j->key = make_key(j);
    j->integer = make_number(g, j->end, j->end);
    j->number = make_real(g, j->end);
    j->boolean = grammar_either(g, grammar_text(g, "true", 4, j->end), grammar_text(g, "false", 5, j->end));
    j->null = grammar_text(g, "null", 4, j->end);
    j->value = grammar_place(g);
    j->array = json_array_of(j, NULL, 0, j->value, 0, JSON_NO_MAX);
    j->object = json_object_of(j, NULL, 0, j->key, j->value);
    uint32_t simple =
        grammar_either(g, grammar_either(g, j->string, j->number), grammar_either(g, j->boolean, j->null));
    grammar_set(g, j->value, grammar_either(g, grammar_either(g, j->object, j->array), simple));
}

/* ---- Sets of texts ------------------------------------------------------------------------------------- */

/* The end of the texts that have the byte of texts[first] at `at`. */
static size_t same_byte(const sib_str *texts, size_t first, size_t n, size_t at)
{
    size_t end = first + 1;
    while (end < n && texts[end].data[at] == texts[first].data[at])
        end++;
    return end;
}

/* What is left of the texts, which are equal before `at`. */
static uint32_t one_of(json_grammar *j, const sib_str *texts, size_t n, size_t at)
{
    size_t from = at, first = 0;
    while (texts[0].length > at && same_byte(texts, 0, n, at) == n)
        at++;
    uint32_t all = 0;
    for (; first < n && texts[first].length == at; first++)
        all = j->end;
    while (first < n) {
        size_t end = same_byte(texts, first, n, at);
        uint32_t rest = one_of(j, texts + first, end - first, at + 1);
        all = grammar_either(j->g, all, byte(j->g, texts[first].data[at], rest));
        first = end;
    }
    return grammar_text(j->g, texts[0].data + from, at - from, all);
}

uint32_t json_one_of(json_grammar *j, const sib_str *texts, size_t n)
{
    return n ? one_of(j, texts, n, 0) : 0;
}

/* `node` without the ways that spell one of the names, which are equal before `at`, from there on. */
static uint32_t without(grammar *g, uint32_t node, const sib_str *names, size_t n, size_t at)
{
    if (g->code != SIB_OK)
        return 0;
    const grammar_node from = g->nodes[node];
    if (!n || (from.op != GRAMMAR_SPLIT && from.op != GRAMMAR_BYTES))
        return node;
    if (from.op == GRAMMAR_SPLIT) {
        uint32_t a = without(g, from.a, names, n, at), b = without(g, from.b, names, n, at);
        return a == from.a && b == from.b ? node : grammar_either(g, a, b);
    }
    byte_set set = g->sets[from.a];
    uint32_t all = 0;
    bool met = false;
    for (size_t first = 0, end; first < n; first = end) {
        uint8_t c = (uint8_t)names[first].data[at];
        end = same_byte(names, first, n, at);
        if (!set_has(&set, c))
            continue;
        met = true;
        set.bits[c >> 6] &= ~(UINT64_C(1) << (c & 63));
        if (names[first].length > at + 1) /* otherwise the name is complete */
            all = grammar_either(g, all,
                                 byte(g, (char)c, without(g, from.b, names + first, end - first, at + 1)));
    }
    return met ? grammar_either(g, all, grammar_of_set(g, &set, from.b)) : node;
}

uint32_t json_key_without(json_grammar *j, const sib_str *names, size_t n)
{
    grammar *g = j->g;
    if (g->code != SIB_OK || !n)
        return j->key;
    return byte(g, '"', without(g, g->nodes[j->key].b, names, n, 0));
}
