/* Reads and checks the attributes of a node by its family's table. */
#include "spec/spec.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Words ------------------------------------------------------------------------------------------- */

/* Index of a word in a row's list, or -1 where the opset has no such word. In "a|b,c:11", b and c are
   spellings of word 1, and c is known from opset 11 on. */
static int word_index(const char *list, sib_str word, int64_t version)
{
    for (int index = 0;;) {
        size_t length = strcspn(list, ",:|");
        const char *end = list + length;
        int64_t since = *end == ':' ? strtol(end + 1, NULL, 10) : 0;
        if (length == word.length && !memcmp(list, word.data, length) && version >= since)
            return index;
        list = end + strcspn(end, ",|");
        if (!*list)
            return -1;
        index += *list++ == '|';
    }
}

/* "none, add or mul": the choices of a list that exist in an opset, each in its first spelling. */
static const char *choices_text(const char *list, int64_t version, char *out, size_t size)
{
    size_t used = 0, last = 0, count = 0;
    out[0] = 0;
    for (bool first = true;; first = *list++ == '|') {
        size_t length = strcspn(list, ",:|");
        const char *end = list + length;
        int64_t since = *end == ':' ? strtol(end + 1, NULL, 10) : 0;
        if (first && length && version >= since && used + length + 4 < size) {
            last = used;
            used +=
                (size_t)snprintf(out + used, size - used, "%s%.*s", count++ ? ", " : "", (int)length, list);
        }
        list = end + strcspn(end, ",|");
        if (!*list)
            break;
    }
    if (count > 1 && used + 3 < size) { /* the last comma becomes "or" */
        memmove(out + last + 4, out + last + 2, used - last - 1);
        memcpy(out + last, " or ", 4);
    }
    return out;
}

/* ---- Rows -------------------------------------------------------------------------------------------- */

static bool row_holds(const spec_row *r, const node *n)
{
    return n->version >= r->since && (!r->until || n->version <= r->until) &&
           (!r->only || word_index(r->only, n->type, 0) >= 0);
}

static attribute_kind kind_of(spec_kind kind)
{
    static const attribute_kind kinds[] = {
        [SPEC_INT] = ATTR_INT,         [SPEC_FLAG] = ATTR_INT,      [SPEC_FLOAT] = ATTR_FLOAT,
        [SPEC_NUMBER] = ATTR_FLOAT,    [SPEC_DTYPE] = ATTR_INT,     [SPEC_ENUM] = ATTR_STRING,
        [SPEC_TEXT] = ATTR_STRING,     [SPEC_INTS] = ATTR_INTS,     [SPEC_FLOATS] = ATTR_FLOATS,
        [SPEC_STRINGS] = ATTR_STRINGS, [SPEC_TENSOR] = ATTR_TENSOR, [SPEC_GRAPH] = ATTR_GRAPH,
        [SPEC_TYPE] = ATTR_TYPE};
    return kinds[kind];
}

static bool is_list(attribute_kind kind)
{
    return kind == ATTR_INTS || kind == ATTR_FLOATS || kind == ATTR_STRINGS;
}

/* A file may leave the kind of an empty list open. */
static bool kind_fits(const spec_row *r, const attribute *a)
{
    attribute_kind wanted = kind_of(r->kind);
    return a->kind == wanted || (r->kind == SPEC_NUMBER && a->kind == ATTR_INT) ||
           (is_list(wanted) && is_list(a->kind) && !a->n);
}

/* The attribute of a row; NULL where it is absent or of another kind. */
static const attribute *usable(const spec_row *r, const node *n)
{
    const attribute *a = r->name ? node_attribute(n, r->name) : NULL;
    return a && kind_fits(r, a) ? a : NULL;
}

/* ---- Reading ----------------------------------------------------------------------------------------- */

#define PUT(type, value)                                                                                     \
    do {                                                                                                     \
        type put_value = (value);                                                                            \
        memcpy(field, &put_value, sizeof put_value);                                                         \
    } while (0)

static int word_of(const spec_row *r, const attribute *a, int64_t version)
{
    int index = a ? word_index(r->text, a->s, version) : -1;
    return index >= 0 ? index : (int)r->number;
}

static sib_dtype dtype_of(const spec_row *r, const attribute *a)
{
    bool given = a && a->i > 0 && a->i <= SIB_I2;
    return given ? (sib_dtype)a->i : (sib_dtype)r->number;
}

static void put_list(const attribute *a, void *field)
{
    static const sib_str nothing;
    const void *items = !a                       ? NULL
                        : !a->n                  ? (const void *)&nothing
                        : a->kind == ATTR_INTS   ? (const void *)a->ints
                        : a->kind == ATTR_FLOATS ? (const void *)a->floats
                                                 : (const void *)a->strings;
    PUT(size_t, a ? a->n : 0);
    memcpy((char *)field + offsetof(spec_ints, v), &items, sizeof items);
}

static void put(const spec_row *r, const node *n, void *field)
{
    const attribute *a = usable(r, n);
    switch (r->kind) {
    case SPEC_INT:
        PUT(int64_t, a ? a->i : (int64_t)r->number);
        break;
    case SPEC_FLAG:
        PUT(bool, a ? a->i != 0 : r->number != 0);
        break;
    case SPEC_FLOAT:
    case SPEC_NUMBER:
        PUT(double, !a ? r->number : a->kind == ATTR_INT ? (double)a->i : (double)a->f);
        break;
    case SPEC_DTYPE:
        PUT(sib_dtype, dtype_of(r, a));
        break;
    case SPEC_ENUM:
        PUT(int, word_of(r, a, n->version)); /* enums without negative constants are as wide as int */
        break;
    case SPEC_TEXT:
        PUT(sib_str, a ? a->s : str_of(r->text));
        break;
    case SPEC_TENSOR:
        PUT(const sib_tensor *, a ? a->tensor : NULL);
        break;
    case SPEC_GRAPH:
        PUT(graph *, a ? a->graph : NULL);
        break;
    case SPEC_TYPE:
        PUT(const value_type *, a ? a->type : NULL);
        break;
    case SPEC_PART:
        spec_read(r->part, n, field);
        break;
    default:
        put_list(a, field);
    }
}

void spec_read(const spec_table *t, const node *n, void *out)
{
    for (size_t i = 0; i < t->n; i++)
        if (row_holds(&t->rows[i], n))
            put(&t->rows[i], n, (char *)out + t->rows[i].offset);
}

/* ---- Checking ---------------------------------------------------------------------------------------- */

static const char *kind_name(attribute_kind kind)
{
    static const char *const names[] = {[ATTR_FLOAT] = "a float",
                                        [ATTR_INT] = "an int",
                                        [ATTR_STRING] = "a string",
                                        [ATTR_TENSOR] = "a tensor",
                                        [ATTR_GRAPH] = "a graph",
                                        [ATTR_FLOATS] = "a list of floats",
                                        [ATTR_INTS] = "a list of ints",
                                        [ATTR_STRINGS] = "a list of strings",
                                        [ATTR_TENSORS] = "a list of tensors",
                                        [ATTR_GRAPHS] = "a list of graphs",
                                        [ATTR_SPARSE] = "a sparse tensor",
                                        [12] = "a list of sparse tensors",
                                        [ATTR_TYPE] = "a type"};
    size_t at = (size_t)kind;
    return at < sizeof names / sizeof *names && names[at] ? names[at] : "of an unknown kind";
}

static sib_code check_number(const spec_row *r, double x, sib_error *err)
{
    if (r->min >= r->max || (x >= r->min && x <= r->max))
        return SIB_OK;
    if (r->max > 9e18)
        return err_set(err, SIB_ERR_ARGUMENT, "attribute %s is %.17g, expected at least %g", r->name, x,
                       r->min);
    return err_set(err, SIB_ERR_ARGUMENT, "attribute %s is %.17g, expected %g to %.12g", r->name, x, r->min,
                   r->max);
}

static sib_code check_list(const spec_row *r, const attribute *a, sib_error *err)
{
    sib_code code = SIB_OK;
    if (r->max_items && a->n > r->max_items)
        return err_set(err, SIB_ERR_ARGUMENT, "attribute %s has %zu items, expected at most %zu", r->name,
                       a->n, r->max_items);
    for (size_t i = 0; i < a->n && code == SIB_OK && a->kind != ATTR_STRINGS; i++)
        code = check_number(r, a->kind == ATTR_INTS ? (double)a->ints[i] : (double)a->floats[i], err);
    return code;
}

static sib_code check_row(const spec_row *r, const node *n, sib_error *err)
{
    const attribute *a = node_attribute(n, r->name);
    char words[200];
    if (!a)
        return r->required ? err_set(err, SIB_ERR_ARGUMENT, "attribute %s is missing", r->name) : SIB_OK;
    if (!kind_fits(r, a))
        return err_set(err, SIB_ERR_ARGUMENT, "attribute %s is %s, expected %s", r->name, kind_name(a->kind),
                       kind_name(kind_of(r->kind)));
    switch (r->kind) {
    case SPEC_INT:
        return check_number(r, (double)a->i, err);
    case SPEC_FLOAT:
    case SPEC_NUMBER:
        return check_number(r, a->kind == ATTR_INT ? (double)a->i : (double)a->f, err);
    case SPEC_DTYPE:
        if (a->i < (r->required ? 1 : 0) || a->i > SIB_I2)
            return err_set(err, SIB_ERR_ARGUMENT, "attribute %s is %lld, which is not a dtype", r->name,
                           (long long)a->i);
        return SIB_OK;
    case SPEC_ENUM:
        if (word_index(r->text, a->s, n->version) < 0)
            return err_set(err, SIB_ERR_ARGUMENT, "attribute %s is '%.*s', expected %s", r->name,
                           (int)a->s.length, a->s.data,
                           choices_text(r->text, n->version, words, sizeof words));
        return SIB_OK;
    case SPEC_INTS:
    case SPEC_FLOATS:
    case SPEC_STRINGS:
        return check_list(r, a, err);
    default:
        return SIB_OK;
    }
}

sib_code spec_check(const spec_table *t, const node *n, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < t->n && code == SIB_OK; i++) {
        const spec_row *r = &t->rows[i];
        if (!row_holds(r, n))
            continue;
        if (r->kind == SPEC_PART)
            code = spec_check(r->part, n, err);
        else if (r->name)
            code = check_row(r, n, err);
    }
    return code;
}
