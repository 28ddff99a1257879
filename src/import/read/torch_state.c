#include "import/read/torch_state.h"

#include "base/size.h"
#include "import/read/key.h"
#include "tensor/dtype.h"

#include <stdio.h>

/* Max elements that are repeated (by strides of 0) beyond what their storage holds: without it a small file
   could need any amount of memory. */
#define MAX_REPEATED (1 << 24)

typedef struct state_walk {
    const pickle *p;
    ckpt_file *s;
    const torch_storages *storages;
    key_path key;
    /* values that may still be visited, so that repeated references to one value end */
    uint64_t budget;
} state_walk;

bool torch_storage_bytes(const pickle_value *storage, uint64_t *bytes)
{
    int64_t n;
    bool fits = i64_mul(storage->numel, (int64_t)dtype_stride(storage->dtype), &n);
    *bytes = (uint64_t)n;
    return fits;
}

/* ---- Tensors -------------------------------------------------------------------------------------- */

/* A tuple of integers, none negative. */
static sib_code read_sizes(state_walk *w, const pickle_value *t, const pickle_value *tuple, int64_t *out)
{
    for (uint32_t i = 0; i < tuple->n; i++) {
        const pickle_value *v = pickle_at(w->p, tuple->items[i]);
        if (v->kind != PICKLE_INT || v->number < 0)
            return ckpt_fail(w->s, SIB_ERR_FORMAT, t->at,
                             "weight '%.*s': a dim or stride is negative or not a number",
                             READER_STR(key_str(&w->key)));
        out[i] = v->number;
    }
    return SIB_OK;
}

/* Elements from the first to the last; returns false where the number overflows. *count: how many exist. */
static bool reach_of(size_t rank, const int64_t *dims, const int64_t *strides, int64_t *count, int64_t *reach)
{
    int64_t step;
    *count = 1;
    *reach = 1;
    for (size_t i = 0; i < rank; i++)
        if (dims[i] == 0) {
            *count = *reach = 0;
            return true;
        }
    for (size_t i = 0; i < rank; i++)
        if (!i64_mul(*count, dims[i], count) || !i64_mul(dims[i] - 1, strides[i], &step) ||
            !i64_add(*reach, step, reach))
            return false;
    return true;
}

static sib_code add_tensor(state_walk *w, const pickle_value *t)
{
    const pickle_value *storage = pickle_at(w->p, t->storage), *size = pickle_at(w->p, t->size);
    const pickle_value *stride = pickle_at(w->p, t->stride);
    const weight_format *format = weight_format_of(t->dtype);
    int64_t dims[SIB_MAX_RANK], strides[SIB_MAX_RANK], count, reach, end;
    uint64_t offset = 0, have = 0;
    sib_str name = key_str(&w->key);
    if (size->n != stride->n || size->n > SIB_MAX_RANK)
        return ckpt_fail(w->s, size->n != stride->n ? SIB_ERR_FORMAT : SIB_ERR_UNSUPPORTED, t->at,
                         "weight '%.*s' has %u dims and %u strides, expected at most %d", READER_STR(name),
                         size->n, stride->n, SIB_MAX_RANK);
    sib_code code = read_sizes(w, t, size, dims);
    if (code == SIB_OK)
        code = read_sizes(w, t, stride, strides);
    if (code == SIB_OK)
        code = w->storages->find(w->storages->context, storage, &offset);
    if (code != SIB_OK)
        return code;
    torch_storage_bytes(storage, &have);
    bool fits = reach_of(size->n, dims, strides, &count, &reach) && t->offset >= 0 &&
                i64_add(t->offset, reach, &end) && (uint64_t)end <= have / format->bytes;
    if (!fits)
        return ckpt_fail(w->s, SIB_ERR_FORMAT, t->at,
                         "weight '%.*s': its elements are outside storage '%.*s', which has %llu bytes",
                         READER_STR(name), READER_STR(storage->key), (unsigned long long)have);
    if (count > reach && count > MAX_REPEATED)
        return ckpt_fail(w->s, SIB_ERR_UNSUPPORTED, t->at,
                         "weight '%.*s': %lld elements are repeated from %lld, expected at most %d",
                         READER_STR(name), (long long)count, (long long)reach, MAX_REPEATED);
    return ckpt_weight(w->s, name, format, size->n, dims, strides,
                       offset + (uint64_t)t->offset * format->bytes, (uint64_t)reach * format->bytes, t->at);
}

/* ---- Facts ---------------------------------------------------------------------------------------- */

/* The kind of a value; returns false where it cannot be an item of a list. */
static bool kind_of(const pickle_value *v, fact_kind *kind)
{
    static const struct {
        pickle_kind is;
        fact_kind kind;
    } rows[] = {{PICKLE_INT, FACT_INT},
                {PICKLE_FLOAT, FACT_FLOAT},
                {PICKLE_BOOL, FACT_BOOL},
                {PICKLE_STRING, FACT_STRING}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].is == v->kind) {
            *kind = rows[i].kind;
            return true;
        }
    return false;
}

static sib_code put_item(state_walk *w, const pickle_value *v, fact_kind kind, void *items, size_t i)
{
    if (kind == FACT_INT)
        ((int64_t *)items)[i] = v->number;
    else if (kind == FACT_FLOAT)
        ((double *)items)[i] = v->kind == PICKLE_INT ? (double)v->number : v->real;
    else if (kind == FACT_BOOL)
        ((bool *)items)[i] = v->number != 0;
    else
        return ckpt_keep(w->s, v->text, &((sib_str *)items)[i]);
    return SIB_OK;
}

static sib_code add_fact(state_walk *w, const pickle_value *v, fact_kind kind)
{
    void *items = NULL;
    sib_code code = ckpt_fact(w->s, key_str(&w->key), kind, false, 1, v->at, &items);
    return code == SIB_OK ? put_item(w, v, kind, items, 0) : code;
}

/* Items of one kind become one fact. *done: whether they did. */
static sib_code add_list(state_walk *w, const pickle_value *list, bool *done)
{
    fact_kind kind = FACT_INT, one;
    void *items = NULL;
    *done = false;
    for (uint32_t i = 0; i < list->n; i++)
        if (!kind_of(pickle_at(w->p, list->items[i]), &one) || !key_join_kinds(i, &kind, one))
            return SIB_OK;
    *done = true;
    if (list->n > w->budget)
        return ckpt_fail(w->s, SIB_ERR_FORMAT, list->at, "the pickle repeats the same lists too often");
    w->budget -= list->n;
    sib_code code = ckpt_fact(w->s, key_str(&w->key), kind, true, list->n, list->at, &items);
    for (uint32_t i = 0; i < list->n && code == SIB_OK; i++)
        code = put_item(w, pickle_at(w->p, list->items[i]), kind, items, i);
    return code;
}

/* ---- The walk ------------------------------------------------------------------------------------- */

static sib_code visit(state_walk *w, uint32_t value);

static sib_code visit_below(state_walk *w, uint32_t value, sib_str name, uint64_t at)
{
    size_t before = key_enter(&w->key, name);
    if (before == SIZE_MAX)
        return key_fail(w->s, &w->key, at);
    sib_code code = visit(w, value);
    key_leave(&w->key, before);
    return code;
}

/* Text unchanged, integers in decimal. number: memory for those. */
static sib_code key_text(state_walk *w, const pickle_value *key, char number[24], sib_str *out)
{
    if (key->kind != PICKLE_STRING && key->kind != PICKLE_INT)
        return ckpt_fail(w->s, SIB_ERR_UNSUPPORTED, key->at,
                         "a key under '%.*s' is %s, expected a string or a number",
                         READER_STR(key_str(&w->key)), pickle_kind_name(key->kind));
    if (key->kind == PICKLE_INT)
        snprintf(number, 24, "%lld", (long long)key->number);
    *out = key->kind == PICKLE_INT ? str_of(number) : key->text;
    return SIB_OK;
}

/* Items of a dict, list or tuple. skip: an item of a dict to leave out. */
static sib_code visit_items(state_walk *w, const pickle_value *v, uint32_t skip)
{
    sib_code code = SIB_OK;
    uint32_t step = v->kind == PICKLE_DICT ? 2 : 1;
    for (uint32_t i = 0; i < v->n && code == SIB_OK; i += step) {
        char number[24];
        sib_str name;
        snprintf(number, sizeof number, "%u", i);
        name = str_of(number);
        if (v->kind == PICKLE_DICT)
            code = key_text(w, pickle_at(w->p, v->items[i]), number, &name);
        if (code == SIB_OK && i != skip)
            code = visit_below(w, v->items[i + step - 1], name, v->at);
    }
    return code;
}

static sib_code visit(state_walk *w, uint32_t value)
{
    const pickle_value *v = pickle_at(w->p, value);
    fact_kind kind;
    bool done = false;
    if (w->budget == 0)
        return ckpt_fail(w->s, SIB_ERR_FORMAT, v->at, "the pickle repeats the same values too often");
    w->budget--;
    if (kind_of(v, &kind))
        return add_fact(w, v, kind);
    switch (v->kind) {
    case PICKLE_TENSOR:
        return add_tensor(w, v);
    case PICKLE_LIST:
    case PICKLE_TUPLE: {
        sib_code code = add_list(w, v, &done);
        return code != SIB_OK || done ? code : visit_items(w, v, UINT32_MAX);
    }
    case PICKLE_DICT:
        return visit_items(w, v, UINT32_MAX);
    default: /* None, numbers beyond 64 bits, dtypes and the like carry no information on weights */
        return SIB_OK;
    }
}

/* The item of root whose value is the single state dict, or UINT32_MAX: none where there are tensors next to
   it. */
static uint32_t find_wrapped(const pickle *p, const pickle_value *root)
{
    static const char *const names[] = {"model_state_dict", "state_dict", "model"};
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i + 1 < root->n; i += 2) {
        const pickle_value *k = pickle_at(p, root->items[i]), *v = pickle_at(p, root->items[i + 1]);
        if (v->kind == PICKLE_TENSOR)
            return UINT32_MAX;
        for (size_t j = 0; j < 3 && k->kind == PICKLE_STRING && v->kind == PICKLE_DICT; j++)
            if (str_is(k->text, names[j])) {
                if (found != UINT32_MAX)
                    return UINT32_MAX;
                found = i;
            }
    }
    return found;
}

sib_code torch_add_state(const pickle *p, uint32_t root, const torch_storages *storages)
{
    state_walk w = {.p = p, .s = p->s, .storages = storages, .budget = 4 * (uint64_t)p->n_values + 1000};
    const pickle_value *v = pickle_at(p, root);
    if (v->kind != PICKLE_DICT)
        return ckpt_fail(p->s, SIB_ERR_UNSUPPORTED, v->at, "the pickle holds %s, expected a dict of weights",
                         pickle_kind_name(v->kind));
    uint32_t wrapped = find_wrapped(p, v);
    sib_code code = SIB_OK;
    if (wrapped != UINT32_MAX)
        code = visit_items(&w, pickle_at(p, v->items[wrapped + 1]), UINT32_MAX);
    return code == SIB_OK ? visit_items(&w, v, wrapped) : code;
}
