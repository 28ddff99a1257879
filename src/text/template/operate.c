/* Arithmetic and comparison, as Python has them. */
#include "base/size.h"
#include "text/template/characters.h"
#include "text/template/run.h"

#include <math.h>

/* ---- Numbers -------------------------------------------------------------------------------------------- */

static bool power(int64_t base, int64_t exponent, int64_t *out)
{
    *out = 1;
    if (base == 0 || base == 1 || base == -1) {
        *out = exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base;
        return true;
    }
    for (; exponent > 0; exponent--)
        if (!i64_mul(*out, base, out))
            return false;
    return true;
}

static value whole_numbers(run *r, node_op op, int64_t a, int64_t b)
{
    int64_t out = 0;
    bool fits = true;
    if (!b && (op == OP_FLOOR || op == OP_MODULO))
        return tpl_fail(r, SIB_ERR_VALUE, "division by zero");
    switch (op) {
    case OP_ADD:
        fits = i64_add(a, b, &out);
        break;
    case OP_SUBTRACT:
        fits = !__builtin_sub_overflow(a, b, &out);
        break;
    case OP_MULTIPLY:
        fits = i64_mul(a, b, &out);
        break;
    case OP_FLOOR:
        fits = b != -1 || a != INT64_MIN;
        out = fits ? a / b - (a % b != 0 && (a < 0) != (b < 0)) : 0;
        break;
    case OP_MODULO:
        out = b == -1 ? 0 : a % b;
        out += out && (out < 0) != (b < 0) ? b : 0;
        break;
    default:
        fits = power(a, b, &out);
    }
    return fits ? value_int(out) : tpl_fail(r, SIB_ERR_SIZE, "an integer grows beyond 64 bits");
}

static value real_numbers(run *r, node_op op, double a, double b)
{
    if (b == 0 && (op == OP_DIVIDE || op == OP_FLOOR || op == OP_MODULO))
        return tpl_fail(r, SIB_ERR_VALUE, "division by zero");
    double rest = fmod(a, b);
    switch (op) {
    case OP_ADD:
        return value_float(a + b);
    case OP_SUBTRACT:
        return value_float(a - b);
    case OP_MULTIPLY:
        return value_float(a * b);
    case OP_DIVIDE:
        return value_float(a / b);
    case OP_POWER:
        return value_float(pow(a, b));
    case OP_FLOOR:
        return value_float(round((a - (rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest)) / b));
    default:
        return value_float(rest == 0 ? copysign(0, b) : (rest < 0) != (b < 0) ? rest + b : rest);
    }
}

static value numbers(run *r, node_op op, value a, value b)
{
    int64_t i, k;
    bool whole = value_integer(a, &i) && value_integer(b, &k) && op != OP_DIVIDE;
    if (whole && (op != OP_POWER || k >= 0))
        return whole_numbers(r, op, i, k);
    return real_numbers(r, op, value_number(a), value_number(b));
}

/* ---- Texts and lists ------------------------------------------------------------------------------------ */

static value join_texts(run *r, sib_str a, sib_str b)
{
    char *all = tpl_take(r, a.length + b.length + 1, 1);
    if (!all || !tpl_charge(r, (a.length + b.length) / 64))
        return value_none();
    if (a.length)
        memcpy(all, a.data, a.length);
    if (b.length)
        memcpy(all + a.length, b.data, b.length);
    return value_text((sib_str){all, a.length + b.length});
}

static value join_lists(run *r, const value_list *a, const value_list *b, bool tuple)
{
    value_list *l = tpl_list(r, a->n + b->n);
    for (size_t i = 0; l && i < l->n; i++)
        l->items[i] = i < a->n ? a->items[i] : b->items[i - a->n];
    value v = value_of_list(l);
    v.tuple = tuple;
    return v;
}

static value repeat(run *r, value v, int64_t times)
{
    size_t n = times < 0 ? 0 : (size_t)times, size = v.kind == VALUE_TEXT ? v.text.length : v.list->n, all;
    if (!size_mul(n, size, &all) || all > MAX_OUTPUT)
        return tpl_fail(r, SIB_ERR_SIZE, "%s repeated becomes too large", tpl_kind_name(v));
    if (v.kind == VALUE_LIST) {
        value_list *l = tpl_list(r, all);
        for (size_t i = 0; l && i < all; i++)
            l->items[i] = v.list->items[i % size];
        value made = value_of_list(l);
        made.tuple = v.tuple;
        return made;
    }
    char *text = tpl_take(r, all + 1, 1);
    if (!text || !tpl_charge(r, all / 64))
        return value_none();
    for (size_t i = 0; i < all; i += size)
        memcpy(text + i, v.text.data, size);
    return value_text((sib_str){text, all});
}

static const char *op_text(node_op op)
{
    static const char *const texts[] = {"",   "+",  "-", "*",  "/", "//", "%",  "**",    "~",
                                        "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
    return texts[op];
}

static value refuse(run *r, node_op op, value a, value b)
{
    if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED) {
        sib_str name = a.kind == VALUE_UNDEFINED ? a.text : b.text;
        return tpl_fail(r, SIB_ERR_VALUE, "'%.*s' is undefined", (int)size_min(name.length, 60), name.data);
    }
    if (op == OP_MODULO && a.kind == VALUE_TEXT)
        return tpl_fail(r, SIB_ERR_UNSUPPORTED, "formatting a text with '%%' is not built");
    return tpl_fail(r, SIB_ERR_VALUE, "'%s' of %s and %s is not defined, or not built", op_text(op),
                    tpl_kind_name(a), tpl_kind_name(b));
}

value tpl_operate(run *r, node_op op, value a, value b)
{
    int64_t times;
    if (r->code != SIB_OK)
        return value_none();
    if (op == OP_JOIN)
        return join_texts(r, tpl_str(r, a), tpl_str(r, b));
    if (value_is_number(a) && value_is_number(b))
        return numbers(r, op, a, b);
    if (op == OP_ADD && a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
        return join_texts(r, a.text, b.text);
    if (op == OP_ADD && a.kind == VALUE_LIST && b.kind == VALUE_LIST && a.tuple == b.tuple)
        return join_lists(r, a.list, b.list, a.tuple);
    if (op == OP_MULTIPLY && (a.kind == VALUE_TEXT || a.kind == VALUE_LIST) && value_integer(b, &times))
        return repeat(r, a, times);
    if (op == OP_MULTIPLY && (b.kind == VALUE_TEXT || b.kind == VALUE_LIST) && value_integer(a, &times))
        return repeat(r, b, times);
    return refuse(r, op, a, b);
}

/* ---- Comparison ----------------------------------------------------------------------------------------- */

int tpl_order(run *r, value a, value b)
{
    int64_t i, k;
    if (!tpl_charge(r, 1))
        return 0;
    if (value_integer(a, &i) && value_integer(b, &k))
        return (i > k) - (i < k);
    if (value_is_number(a) && value_is_number(b))
        return (value_number(a) > value_number(b)) - (value_number(a) < value_number(b));
    if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
        return tpl_charge(r, a.text.length / 64) ? str_compare(a.text, b.text) : 0;
    if (a.kind != VALUE_LIST || b.kind != VALUE_LIST) {
        refuse(r, OP_LESS, a, b);
        return 0;
    }
    int order = 0;
    if (!tpl_enter(r))
        return 0;
    for (size_t at = 0; !order && at < size_min(a.list->n, b.list->n) && r->code == SIB_OK; at++)
        if (!tpl_equal(r, a.list->items[at], b.list->items[at]))
            order = tpl_order(r, a.list->items[at], b.list->items[at]);
    tpl_leave(r);
    return order ? order : (a.list->n > b.list->n) - (a.list->n < b.list->n);
}

static bool contains(run *r, value all, value v)
{
    if (all.kind == VALUE_TEXT && v.kind == VALUE_TEXT)
        return tpl_charge(r, all.text.length / 16) && text_find(all.text, v.text, 0) != SIZE_MAX;
    if (all.kind == VALUE_DICT)
        return dict_find(r, all.dict, v);
    if (all.kind != VALUE_LIST && all.kind != VALUE_UNDEFINED)
        refuse(r, OP_IN, v, all);
    for (size_t i = 0; all.kind == VALUE_LIST && i < all.list->n && r->code == SIB_OK; i++)
        if (tpl_equal(r, all.list->items[i], v))
            return true;
    return false;
}

bool tpl_compare(run *r, node_op op, value a, value b)
{
    if (r->code != SIB_OK)
        return false;
    if (op == OP_EQUAL || op == OP_UNEQUAL)
        return tpl_equal(r, a, b) == (op == OP_EQUAL);
    if (op == OP_IN || op == OP_NOT_IN)
        return contains(r, b, a) == (op == OP_IN);
    bool nan = value_is_number(a) && value_is_number(b) && isunordered(value_number(a), value_number(b));
    int order = tpl_order(r, a, b);
    if (nan)
        return false;
    return op == OP_LESS         ? order < 0
           : op == OP_LESS_EQUAL ? order <= 0
           : op == OP_GREATER    ? order > 0
                                 : order >= 0;
}

/* ---- Sorting -------------------------------------------------------------------------------------------- */

/* Merges [0, half) and [half, n) of both arrays; spare: (2 n). */
static void merge(run *r, value *keys, value *items, size_t half, size_t n, value *spare, bool reverse)
{
    size_t i = 0, k = half;
    for (size_t at = 0; at < n; at++) {
        int order = i < half && k < n ? tpl_order(r, keys[i], keys[k]) : 0;
        bool first = k == n || (i < half && (reverse ? order >= 0 : order <= 0));
        spare[at] = keys[first ? i : k];
        spare[n + at] = items[first ? i++ : k++];
    }
    memcpy(keys, spare, n * sizeof *keys);
    memcpy(items, spare + n, n * sizeof *items);
}

static void sort_part(run *r, value *keys, value *items, size_t n, value *spare, bool reverse)
{
    if (n < 2 || r->code != SIB_OK)
        return;
    size_t half = n / 2;
    sort_part(r, keys, items, half, spare, reverse);
    sort_part(r, keys + half, items + half, n - half, spare, reverse);
    merge(r, keys, items, half, n, spare, reverse);
}

void tpl_sort(run *r, value *keys, value *items, size_t n, bool reverse)
{
    value *spare = tpl_take(r, n + 1, 2 * sizeof *spare);
    if (spare)
        sort_part(r, keys, items, n, spare, reverse);
}
