/* Numbers: their bounds, and what they are multiples of. */
#include "base/error.h"
#include "text/constrain/number_grammar.h"
#include "text/constrain/schema_inner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number next to x that is above or below it, as those who read the text in double see it. */
static json_t *beside(const json_t *x, bool integer, bool above)
{
    if (integer && json_is_integer(x))
        return json_integer(json_integer_value(x) + (above ? 1 : -1));
    return json_real(nextafter(json_number_value(x), above ? INFINITY : -INFINITY));
}

/* Moves *bound to what a keyword says, where that is tighter. */
static void read_bound(compiler *c, const place *p, const char *name, bool lower, bool exclusive,
                       bool integer, json_t **bound)
{
    json_t *given = json_object_get(p->schema, name);
    if (!given || c->g->code != SIB_OK)
        return;
    if (!json_is_number(given)) {
        schema_fault(c, p, SIB_ERR_VALUE, "'%s' must be a number", name);
        return;
    }
    if (fabs(json_number_value(given)) >= 1e18) {
        schema_fault(c, p, SIB_ERR_UNSUPPORTED, "'%s' of 1e18 and more is not supported", name);
        return;
    }
    json_t *one = exclusive ? beside(given, integer, lower) : json_incref(given);
    double now = json_number_value(*bound), new = json_number_value(one);
    if (!one)
        schema_no_memory(c);
    else if (!*bound || (lower ? new > now : new < now)) {
        json_decref(*bound);
        *bound = json_incref(one);
    }
    json_decref(one);
}

/* The bound as a decimal: that of all numbers where none is given. */
static decimal decimal_of(compiler *c, const json_t *bound, bool lower)
{
    decimal d = decimal_extreme(lower);
    double x = json_number_value(bound);
    char *text = NULL, exact[32];
    if (json_is_real(bound) && fabs(x) >= 0x1p53) /* fewer digits than it has would be another integer */
        snprintf(exact, sizeof exact, "%.0f", x);
    else if (bound && !(text = schema_text_of(bound)))
        schema_no_memory(c);
    if (bound && c->g->code == SIB_OK && !decimal_read(text ? text : exact, lower, &d))
        d = decimal_extreme(x < 0); /* 1e18, next to a bound */
    free(text);
    return d;
}

static uint32_t multiple_of(compiler *c, const place *p)
{
    const json_t *given = json_object_get(p->schema, "multipleOf");
    double x = json_number_value(given);
    if (given && (!json_is_number(given) || !(x > 0)))
        return schema_fault(c, p, SIB_ERR_VALUE, "'multipleOf' must be a number above 0");
    if (given && (x != floor(x) || x > NUMBER_MAX_MULTIPLE))
        return schema_fault(c, p, SIB_ERR_UNSUPPORTED, "'multipleOf' is supported for integers up to %d",
                            NUMBER_MAX_MULTIPLE);
    return (uint32_t)x;
}

uint32_t schema_number(compiler *c, const place *p, bool integer)
{
    json_t *low = NULL, *high = NULL;
    uint32_t multiple = multiple_of(c, p), node = 0;
    integer = integer || multiple;
    read_bound(c, p, "minimum", true, false, integer, &low);
    read_bound(c, p, "exclusiveMinimum", true, true, integer, &low);
    read_bound(c, p, "maximum", false, false, integer, &high);
    read_bound(c, p, "exclusiveMaximum", false, true, integer, &high);
    if (!low && !high && !multiple)
        node = integer ? c->json.integer : c->json.number;
    else if (c->g->code == SIB_OK) {
        decimal lo = decimal_of(c, low, true), hi = decimal_of(c, high, false);
        node = json_number_between(&c->json, &lo, &hi, multiple ? multiple : integer);
    }
    json_decref(low);
    json_decref(high);
    return node;
}
