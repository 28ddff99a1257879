/* Items and slices of lists, mappings and texts. */
#include "text/template/characters.h"
#include "text/template/run.h"

/* ---- Slices --------------------------------------------------------------------------------------------- */

/* A bound of a slice as Python clips it. */
static int64_t bound(run *r, value v, int64_t otherwise, int64_t n, int64_t step)
{
    int64_t i = otherwise;
    if (v.kind == VALUE_NONE || v.kind == VALUE_UNDEFINED)
        return otherwise;
    if (!value_integer(v, &i))
        tpl_fail(r, SIB_ERR_VALUE, "a slice takes integers, and this is %s", tpl_kind_name(v));
    i = i < 0 ? i + n : i;
    if (step > 0)
        return i < 0 ? 0 : i > n ? n : i;
    return i < 0 ? -1 : i >= n ? n - 1 : i;
}

/* Byte at which each character begins, and the end: (n + 1). */
static size_t *beginnings(run *r, sib_str s, size_t n)
{
    size_t *at = tpl_take(r, n + 1, sizeof *at), k = 0;
    for (size_t i = 0; at && i < s.length; i++)
        if ((s.data[i] & 0xc0) != 0x80)
            at[k++] = i;
    if (at)
        at[n] = s.length;
    return at;
}

static value slice_text(run *r, sib_str s, int64_t start, int64_t stop, int64_t step, size_t n)
{
    if (step == 1) {
        size_t begin = character_at(s, (size_t)start),
               end = character_at(s, (size_t)(stop > start ? stop : start));
        return value_text((sib_str){s.data + begin, end - begin});
    }
    byte_buffer made = {.max = MAX_OUTPUT};
    const size_t *at = beginnings(r, s, n);
    for (int64_t i = start; at && (step > 0 ? i < stop : i > stop); i += step)
        buf_add(&made, s.data + at[i], at[i + 1] - at[i], r->err);
    return tpl_made(r, &made);
}

static value slice_list(run *r, const value_list *of, int64_t start, int64_t stop, int64_t step)
{
    size_t n = 0;
    for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step)
        n++;
    value_list *l = tpl_list(r, n);
    for (size_t k = 0; l && k < n; k++)
        l->items[k] = of->items[start + (int64_t)k * step];
    return value_of_list(l);
}

value tpl_slice(run *r, value of, const value parts[3])
{
    int64_t step = 1;
    if (r->code != SIB_OK)
        return value_none();
    if (of.kind == VALUE_UNDEFINED)
        return tpl_undefined(r, of);
    if (of.kind != VALUE_TEXT && of.kind != VALUE_LIST)
        return value_undefined(str_of("slice"));
    size_t n = of.kind == VALUE_TEXT ? characters(of.text) : of.list->n;
    bool given = parts[2].kind != VALUE_NONE;
    if (given && (!value_integer(parts[2], &step) || !step || step < -(1 << 30) || step > 1 << 30))
        return tpl_fail(r, SIB_ERR_VALUE, "a slice's step must be an integer other than 0");
    int64_t count = (int64_t)n, start = bound(r, parts[0], step > 0 ? 0 : count - 1, count, step),
            stop = bound(r, parts[1], step > 0 ? count : -1, count, step);
    if (!tpl_charge(r, n / 16))
        return value_none();
    value made = of.kind == VALUE_TEXT ? slice_text(r, of.text, start, stop, step, n)
                                       : slice_list(r, of.list, start, stop, step);
    made.tuple = of.tuple;
    return made;
}

/* ---- Items ---------------------------------------------------------------------------------------------- */

const value_list *tpl_items(run *r, value v)
{
    if (r->code != SIB_OK)
        return NULL;
    if (v.kind == VALUE_LIST)
        return v.list;
    size_t n = v.kind == VALUE_DICT ? v.dict->n : v.kind == VALUE_TEXT ? characters(v.text) : 0;
    value_list *l = tpl_list(r, n);
    if (v.kind == VALUE_DICT && l && n)
        memcpy(l->items, v.dict->keys, n * sizeof *l->items);
    else if (v.kind == VALUE_TEXT) {
        const size_t *at = beginnings(r, v.text, n);
        for (size_t i = 0; at && l && i < n; i++)
            l->items[i] = value_text((sib_str){v.text.data + at[i], at[i + 1] - at[i]});
    } else if (v.kind != VALUE_UNDEFINED && v.kind != VALUE_DICT)
        tpl_fail(r, SIB_ERR_VALUE, "%s has no items", tpl_kind_name(v));
    return r->code == SIB_OK ? l : NULL;
}
