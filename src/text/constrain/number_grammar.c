#include "text/constrain/number_grammar.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- Decimals -------------------------------------------------------------------------------------------- */

decimal decimal_extreme(bool negative)
{
    decimal d = {.negative = negative};
    memset(d.digit, 9, sizeof d.digit);
    return d;
}

/* Adds one to the last digit; returns false where that needs more digits. */
static bool step_away(decimal *d)
{
    for (size_t i = DECIMAL_DIGITS; i-- > 0; d->digit[i] = 0)
        if (d->digit[i]++ < 9)
            return true;
    return false;
}

bool decimal_read(const char *text, bool above, decimal *out)
{
    const char *mark = strpbrk(text, "eE"), *end = mark ? mark : text + strlen(text), *c = text;
    long exponent = mark ? strtol(mark + 1, NULL, 10) : 0, point = 0;
    bool more = false, fits = true;
    *out = (decimal){.negative = *c == '-'};
    c += *c == '-';
    size_t before = strspn(c, "0123456789");
    point = (long)before + (exponent < -1000 ? -1000 : exponent > 1000 ? 1000 : exponent);
    for (long at = JSON_DIGITS - point; c < end; c++) {
        if (*c == '.')
            continue;
        uint8_t digit = (uint8_t)(*c - '0');
        fits = fits && (at >= 0 || !digit);
        more = more || (at >= DECIMAL_DIGITS && digit);
        if (at >= 0 && at < DECIMAL_DIGITS)
            out->digit[at] = digit;
        at++;
    }
    return fits && (!more || above == out->negative || step_away(out));
}

/* ---- Digits ---------------------------------------------------------------------------------------------- */

/* Where a number is: before digit `at` of DECIMAL_DIGITS, all digits so far those of the lower or the upper
   bound, with a remainder. */
enum { AS_LOW = 1, AS_HIGH = 2 };

typedef struct walk {
    grammar *g;
    const uint8_t *low, *high;
    uint32_t multiple; /* 0: with decimals */
    uint32_t next;
    uint32_t *known; /* ((DECIMAL_DIGITS + 1), 4, multiple) nodes + 1, 0: not made yet */
} walk;

static uint32_t digits_from(walk *w, size_t at, unsigned as, uint32_t rest);

/* A digit, from `least` on, then the digits behind it. */
static uint32_t digit_at(walk *w, size_t at, unsigned as, uint32_t rest, uint8_t least)
{
    uint8_t from = as & AS_LOW ? w->low[at] : 0, to = as & AS_HIGH ? w->high[at] : 9, first;
    uint32_t all = 0, before = 0, behind = 0;
    from = first = from > least ? from : least;
    for (uint8_t d = from; d <= to; d++) {
        unsigned still = (d == w->low[at] ? as & AS_LOW : 0) | (d == w->high[at] ? as & AS_HIGH : 0);
        behind = digits_from(w, at + 1, still, w->multiple ? (rest * 10 + d) % w->multiple : 0);
        if (d > from && behind != before) {
            all = grammar_either(w->g, all,
                                 grammar_range(w->g, (uint8_t)('0' + first), (uint8_t)('0' + d - 1), before));
            first = d;
        }
        before = behind;
    }
    return from > to
               ? 0
               : grammar_either(w->g, all,
                                grammar_range(w->g, (uint8_t)('0' + first), (uint8_t)('0' + to), behind));
}

/* Whether the digits of the lower bound from `at` on are zeros. */
static bool low_ends(const walk *w, size_t at)
{
    for (; at < DECIMAL_DIGITS; at++)
        if (w->low[at])
            return false;
    return true;
}

static uint32_t make_digits(walk *w, size_t at, unsigned as, uint32_t rest)
{
    bool may_end = at >= JSON_DIGITS && (!(as & AS_LOW) || low_ends(w, at));
    if (at < JSON_DIGITS)
        return digit_at(w, at, as, rest, 0);
    if (w->multiple)
        return may_end && !rest ? w->next : 0;
    uint32_t more = at < DECIMAL_DIGITS ? digit_at(w, at, as, 0, 0) : 0;
    if (more && at == JSON_DIGITS)
        more = grammar_range(w->g, '.', '.', more);
    return grammar_either(w->g, may_end ? w->next : 0, more);
}

/* What stands from digit `at` on. */
static uint32_t digits_from(walk *w, size_t at, unsigned as, uint32_t rest)
{
    uint32_t *known = &w->known[(at * 4 + as) * (w->multiple ? w->multiple : 1) + rest];
    if (!*known && w->g->code == SIB_OK)
        *known = make_digits(w, at, as, rest) + 1;
    return *known ? *known - 1 : 0;
}

static size_t length_of(const uint8_t *digits)
{
    size_t zeros = 0;
    while (zeros < JSON_DIGITS - 1 && !digits[zeros])
        zeros++;
    return JSON_DIGITS - zeros;
}

/* Numbers from low to high, neither of which is negative. */
static uint32_t between(json_grammar *j, const uint8_t *low, const uint8_t *high, uint32_t multiple)
{
    grammar *g = j->g;
    walk w = {.g = g, .low = low, .high = high, .multiple = multiple, .next = j->end};
    size_t n = (DECIMAL_DIGITS + 1) * 4 * (size_t)(multiple ? multiple : 1), least = length_of(low);
    uint32_t all = 0;
    if (memcmp(low, high, DECIMAL_DIGITS) > 0 || g->code != SIB_OK)
        return 0;
    w.known = mem_calloc(n, sizeof *w.known);
    if (!w.known) {
        g->code = err_memory(g->err, n * sizeof *w.known, "a JSON schema");
        return 0;
    }
    for (size_t length = least; length <= length_of(high); length++) {
        unsigned as = (length == least ? AS_LOW : 0) | (length == length_of(high) ? AS_HIGH : 0);
        all = grammar_either(g, all, digit_at(&w, JSON_DIGITS - length, as, 0, length > 1));
    }
    mem_free(w.known);
    return all;
}

uint32_t json_number_between(json_grammar *j, const decimal *lo, const decimal *hi, uint32_t multiple)
{
    static const uint8_t zero[DECIMAL_DIGITS] = {0};
    uint32_t above = hi->negative ? 0 : between(j, lo->negative ? zero : lo->digit, hi->digit, multiple);
    uint32_t below = !lo->negative ? 0 : between(j, hi->negative ? hi->digit : zero, lo->digit, multiple);
    return grammar_either(j->g, above, below ? grammar_range(j->g, '-', '-', below) : 0);
}
