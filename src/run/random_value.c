/* Values drawn for inputs, of every kind. */
#include "base/error.h"
#include "base/str.h"
#include "tensor/value.h"

#include <sibyl/model.h>
#include <string.h>

/* Max items of a sequence or map, and max letters of a string. */
#define ITEMS   3
#define LETTERS 8

typedef struct drawing {
    const sib_value_info *like;
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* (rank) of the tensors */
    uint64_t *state;
} drawing;

/* xorshift64*: the same numbers in [0, 1) on every machine. */
static double draw(drawing *d)
{
    *d->state ^= *d->state >> 12;
    *d->state ^= *d->state << 25;
    *d->state ^= *d->state >> 27;
    return (double)((*d->state * UINT64_C(0x2545F4914F6CDD1D)) >> 11) / 9007199254740992.0;
}

static size_t draw_below(drawing *d, size_t n)
{
    return (size_t)(draw(d) * (double)n);
}

/* ---- Tensors ----------------------------------------------------------------------------------------- */

static sib_code set_flat(sib_tensor *t, int64_t i, sib_str s, sib_error *err)
{
    int64_t index[SIB_MAX_RANK];
    for (size_t k = sib_tensor_rank(t); k--;) {
        index[k] = i % sib_tensor_dims(t)[k];
        i /= sib_tensor_dims(t)[k];
    }
    return sib_tensor_set_string(t, index, s, err);
}

static sib_code draw_strings(drawing *d, sib_tensor **out, sib_error *err)
{
    sib_code code = sib_tensor_create(SIB_STRING, d->rank, d->dims, out, err);
    for (uint64_t i = 0; code == SIB_OK && i < sib_tensor_count(*out); i++) {
        char word[LETTERS];
        size_t n = 1 + draw_below(d, LETTERS);
        for (size_t k = 0; k < n; k++)
            word[k] = (char)('a' + draw_below(d, 26));
        code = set_flat(*out, (int64_t)i, (sib_str){word, n}, err);
    }
    return code;
}

static sib_code draw_numbers(drawing *d, sib_dtype dtype, sib_tensor **out, sib_error *err)
{
    sib_tensor *t = NULL;
    const sib_dtype_kind kind = sib_dtype_get_kind(dtype);
    const bool real = kind == SIB_KIND_FLOAT || kind == SIB_KIND_COMPLEX;
    sib_code code = sib_tensor_create(SIB_F64, d->rank, d->dims, &t, err);
    double *x = code == SIB_OK ? sib_tensor_data(t) : NULL; /* (count) */
    for (uint64_t i = 0; x && i < sib_tensor_count(t); i++)
        x[i] = real ? 2 * draw(d) - 1 : (double)(draw(d) < 0.5);
    if (code == SIB_OK)
        code = sib_tensor_convert(t, dtype, SIB_OVERFLOW_SATURATE, out, err);
    sib_tensor_free(&t);
    return code;
}

static sib_code draw_tensor(drawing *d, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code =
        d->like->dtype == SIB_STRING ? draw_strings(d, &t, err) : draw_numbers(d, d->like->dtype, &t, err);
    if (code == SIB_OK)
        return value_take_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

/* ---- What holds tensors ------------------------------------------------------------------------------ */

static sib_code draw_typed(drawing *d, const char *type, sib_value **out, sib_error *err);

static sib_code draw_sequence(drawing *d, const char *item, sib_value **out, sib_error *err)
{
    sib_value *items[ITEMS] = {NULL};
    const size_t n = 1 + draw_below(d, ITEMS);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = draw_typed(d, item, &items[i], err);
    if (code == SIB_OK)
        code = sib_value_sequence(n, (const sib_value *const *)items, out, err);
    for (size_t i = 0; i < n; i++)
        sib_value_free(&items[i]);
    return code;
}

static sib_code draw_optional(drawing *d, const char *item, sib_value **out, sib_error *err)
{
    sib_value *held = NULL;
    sib_code code = draw_typed(d, item, &held, err);
    if (code == SIB_OK)
        code = sib_value_optional(held, out, err);
    sib_value_free(&held);
    return code;
}

/* Keys 0, 1, ... or "a", "b", ..., which are indices and names that small tables have. */
static sib_code draw_map(drawing *d, const char *types, sib_value **out, sib_error *err)
{
    static const char *const string_key = "string, ";
    const bool words = !strncmp(types, string_key, strlen(string_key));
    const int64_t n = 1 + (int64_t)draw_below(d, ITEMS);
    const char *values = strchr(types, ',');
    sib_tensor *keys = NULL;
    sib_value *held = NULL;
    if (!values || strchr(values, '('))
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "input '%s' is %s: maps to tensors of numbers and strings alone are drawn",
                       d->like->name, d->like->type);
    d->rank = 1;
    d->dims[0] = n;
    sib_code code = draw_tensor(d, &held, err);
    if (code == SIB_OK)
        code = sib_tensor_create(words ? SIB_STRING : SIB_I64, 1, &n, &keys, err);
    for (int64_t i = 0; code == SIB_OK && i < n; i++) {
        const char name = (char)('a' + i);
        code = words ? sib_tensor_set_string(keys, &i, (sib_str){&name, 1}, err)
                     : sib_tensor_set(keys, &i, (double)i, err);
    }
    if (code == SIB_OK)
        code = sib_value_map(keys, sib_value_tensor(held), out, err);
    sib_tensor_free(&keys);
    sib_value_free(&held);
    return code;
}

/* type: begins with a type in the library's words. The depth is that of the model's type, which is limited. */
static sib_code draw_typed(drawing *d, const char *type, sib_value **out, sib_error *err)
{
    static const struct {
        const char *word;
        sib_code (*draw)(drawing *d, const char *inner, sib_value **out, sib_error *err);
    } kinds[] = {{"seq(", draw_sequence}, {"optional(", draw_optional}, {"map(", draw_map}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t n = strlen(kinds[i].word);
        if (!strncmp(type, kinds[i].word, n))
            return kinds[i].draw(d, type + n, out, err);
    }
    return draw_tensor(d, out, err);
}

/* ---- The call ------------------------------------------------------------------------------------------ */

static int64_t size_of(const char *name, size_t n, const sib_dim *sizes)
{
    for (size_t i = 0; name && i < n; i++)
        if (sizes[i].name && !strcmp(sizes[i].name, name))
            return sizes[i].size;
    return -1;
}

sib_code sib_value_random(const sib_value_info *like, size_t n_sizes, const sib_dim *sizes, uint64_t *state,
                          sib_value **out, sib_error *err)
{
    if (!like || !state || !out || (n_sizes && !sizes))
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", like ? "state, out or sizes" : "like");
    *out = NULL;
    drawing d = {.like = like, .rank = like->rank, .state = state};
    if (!*state)
        *state = 1; /* 0 would stay 0 */
    /* a sequence may say nothing of its items' dims; a map holds a list */
    const bool free_dims = !like->ranked && like->kind != SIB_VALUE_TENSOR;
    if (!like->dtype || !like->kind || !like->type || (!like->ranked && !free_dims))
        return err_set(err, SIB_ERR_UNSUPPORTED, "input '%s' is %s: a value of unknown type cannot be drawn",
                       like->name, like->type ? like->type : "of no type");
    if (free_dims)
        d.rank = 1, d.dims[0] = ITEMS;
    for (size_t i = 0; i < like->rank; i++) {
        d.dims[i] = like->dims[i] >= 0 ? like->dims[i] : size_of(like->dim_names[i], n_sizes, sizes);
        if (d.dims[i] < 0)
            return err_set(err, SIB_ERR_ARGUMENT, "input '%s' is %s: the size of %s is not given", like->name,
                           like->type, like->dim_names[i] ? like->dim_names[i] : "a dim");
    }
    return draw_typed(&d, like->type, out, err);
}
