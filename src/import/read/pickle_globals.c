/* The globals that a pickle may name: all that state dicts contain, none with side effects. */
#include "import/read/pickle.h"

#include "base/array.h"

typedef enum global_kind {
    GLOBAL_ORDERED_DICT,
    GLOBAL_REBUILD_TENSOR,    /* (storage, offset, size, stride, ...) */
    GLOBAL_REBUILD_TENSOR_V3, /* (storage, offset, size, stride, requires_grad, hooks, dtype, ...) */
    GLOBAL_REBUILD_PARAMETER, /* (tensor, requires_grad, hooks) */
    GLOBAL_STORAGE,           /* of one element type */
    GLOBAL_UNTYPED,           /* a storage of bytes */
    GLOBAL_DTYPE,
    GLOBAL_DEVICE, /* (name, ...) */
    GLOBAL_SIZE    /* (tuple) */
} global_kind;

struct pickle_global {
    const char *module, *name;
    global_kind kind;
    sib_dtype dtype;
};

#define DTYPE(name, dtype)                                                                                   \
    {                                                                                                        \
        "torch", name, GLOBAL_DTYPE, dtype                                                                   \
    }
#define STORAGE(name, dtype)                                                                                 \
    {"torch", name, GLOBAL_STORAGE, dtype},                                                                  \
    {                                                                                                        \
        "torch.cuda", name, GLOBAL_STORAGE, dtype                                                            \
    }

static const pickle_global globals[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT, SIB_DTYPE_UNKNOWN},
    {"torch._utils", "_rebuild_tensor", GLOBAL_REBUILD_TENSOR, SIB_DTYPE_UNKNOWN},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR, SIB_DTYPE_UNKNOWN},
    {"torch._utils", "_rebuild_tensor_v3", GLOBAL_REBUILD_TENSOR_V3, SIB_DTYPE_UNKNOWN},
    {"torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER, SIB_DTYPE_UNKNOWN},
    {"torch", "device", GLOBAL_DEVICE, SIB_DTYPE_UNKNOWN},
    {"torch", "Size", GLOBAL_SIZE, SIB_DTYPE_UNKNOWN},
    {"torch.storage", "UntypedStorage", GLOBAL_UNTYPED, SIB_U8},
    {"torch", "UntypedStorage", GLOBAL_UNTYPED, SIB_U8},
    STORAGE("DoubleStorage", SIB_F64),
    STORAGE("FloatStorage", SIB_F32),
    STORAGE("HalfStorage", SIB_F16),
    STORAGE("BFloat16Storage", SIB_BF16),
    STORAGE("LongStorage", SIB_I64),
    STORAGE("IntStorage", SIB_I32),
    STORAGE("ShortStorage", SIB_I16),
    STORAGE("CharStorage", SIB_I8),
    STORAGE("ByteStorage", SIB_U8),
    STORAGE("BoolStorage", SIB_BOOL),
    STORAGE("ComplexFloatStorage", SIB_C64),
    STORAGE("ComplexDoubleStorage", SIB_C128),
    DTYPE("float64", SIB_F64),
    DTYPE("float32", SIB_F32),
    DTYPE("float16", SIB_F16),
    DTYPE("bfloat16", SIB_BF16),
    DTYPE("float8_e4m3fn", SIB_F8E4M3FN),
    DTYPE("float8_e4m3fnuz", SIB_F8E4M3FNUZ),
    DTYPE("float8_e5m2", SIB_F8E5M2),
    DTYPE("float8_e5m2fnuz", SIB_F8E5M2FNUZ),
    DTYPE("float8_e8m0fnu", SIB_F8E8M0),
    DTYPE("int64", SIB_I64),
    DTYPE("int32", SIB_I32),
    DTYPE("int16", SIB_I16),
    DTYPE("int8", SIB_I8),
    DTYPE("uint64", SIB_U64),
    DTYPE("uint32", SIB_U32),
    DTYPE("uint16", SIB_U16),
    DTYPE("uint8", SIB_U8),
    DTYPE("bool", SIB_BOOL),
    DTYPE("complex64", SIB_C64),
    DTYPE("complex128", SIB_C128),
};

sib_code pickle_push_global(pickle *p, uint64_t at, sib_str module, sib_str name)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (str_is(module, globals[i].module) && str_is(name, globals[i].name))
            return pickle_push(p, (pickle_value){.kind = PICKLE_GLOBAL, .at = at, .global = &globals[i]});
    return pickle_fail(
        p, SIB_ERR_UNSUPPORTED, at,
        "the pickle names '%.*s.%.*s', which does not occur in state dicts; nothing is executed",
        READER_STR(module), READER_STR(name));
}

/* ---- Calls ---------------------------------------------------------------------------------------- */

/* Argument i, which must be of a certain kind. */
static sib_code argument(pickle *p, uint64_t at, uint32_t arguments, uint32_t i, pickle_kind kind,
                         uint32_t *out)
{
    const pickle_value *a = pickle_at(p, arguments);
    const char *is = i < a->n ? pickle_kind_name(pickle_at(p, a->items[i])->kind) : "missing";
    if (i >= a->n || pickle_at(p, a->items[i])->kind != kind)
        return pickle_fail(p, SIB_ERR_FORMAT, at, "argument %u of a call in the pickle is %s, expected %s", i,
                           is, pickle_kind_name(kind));
    *out = a->items[i];
    return SIB_OK;
}

static sib_code dtype_argument(pickle *p, uint64_t at, uint32_t arguments, uint32_t i, sib_dtype *out)
{
    uint32_t v = 0;
    sib_code code = argument(p, at, arguments, i, PICKLE_GLOBAL, &v);
    if (code == SIB_OK && pickle_at(p, v)->global->kind != GLOBAL_DTYPE)
        return pickle_fail(p, SIB_ERR_FORMAT, at, "argument %u of a call in the pickle is not a dtype", i);
    if (code == SIB_OK)
        *out = pickle_at(p, v)->global->dtype;
    return code;
}

static sib_code rebuild_tensor(pickle *p, uint64_t at, uint32_t arguments, bool has_dtype)
{
    pickle_value t = {.kind = PICKLE_TENSOR, .at = at};
    uint32_t offset = 0;
    sib_code code = argument(p, at, arguments, 0, PICKLE_STORAGE, &t.storage);
    if (code == SIB_OK)
        code = argument(p, at, arguments, 1, PICKLE_INT, &offset);
    if (code == SIB_OK)
        code = argument(p, at, arguments, 2, PICKLE_TUPLE, &t.size);
    if (code == SIB_OK)
        code = argument(p, at, arguments, 3, PICKLE_TUPLE, &t.stride);
    if (code != SIB_OK)
        return code;
    t.offset = pickle_at(p, offset)->number;
    t.dtype = pickle_at(p, t.storage)->dtype;
    if (has_dtype)
        code = dtype_argument(p, at, arguments, 6, &t.dtype);
    return code == SIB_OK ? pickle_push(p, t) : code;
}

/* OrderedDict() and, as Python 2 wrote it, OrderedDict([[key, value], ...]). */
static sib_code ordered_dict(pickle *p, uint64_t at, uint32_t arguments)
{
    uint32_t pairs = 0, dict;
    bool empty = pickle_at(p, arguments)->n == 0;
    sib_code code = empty ? SIB_OK : argument(p, at, arguments, 0, PICKLE_LIST, &pairs);
    if (code == SIB_OK)
        code = pickle_push(p, (pickle_value){.kind = PICKLE_DICT, .at = at});
    if (code != SIB_OK || empty)
        return code;
    dict = p->stack[p->n_stack - 1];
    if (pickle_at(p, pairs)->n > p->copies_left)
        return pickle_fail(
            p, SIB_ERR_FORMAT, at,
            "dicts made of lists have more items than the pickle has bytes: one list is repeated");
    p->copies_left -= pickle_at(p, pairs)->n;
    for (uint32_t i = 0; i < pickle_at(p, pairs)->n && code == SIB_OK; i++) {
        const pickle_value *pair = pickle_at(p, pickle_at(p, pairs)->items[i]);
        if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->n != 2)
            return pickle_fail(p, SIB_ERR_FORMAT, at, "an item of an OrderedDict is not a pair");
        code = pickle_append(p, dict, pair->items[0]);
        if (code == SIB_OK)
            code = pickle_append(p, dict, pair->items[1]);
    }
    return code;
}

/* Pushes the argument itself. */
static sib_code push_argument(pickle *p, uint64_t at, uint32_t arguments, pickle_kind kind)
{
    uint32_t v = 0;
    sib_code code = argument(p, at, arguments, 0, kind, &v);
    return code == SIB_OK ? pickle_push_index(p, v) : code;
}

sib_code pickle_call(pickle *p, uint64_t at, uint32_t function, uint32_t arguments)
{
    const pickle_value *f = pickle_at(p, function), *a = pickle_at(p, arguments);
    if (f->kind != PICKLE_GLOBAL || a->kind != PICKLE_TUPLE)
        return pickle_fail(p, SIB_ERR_FORMAT, at,
                           "the pickle calls %s with %s, expected a global and a tuple",
                           pickle_kind_name(f->kind), pickle_kind_name(a->kind));
    switch (f->global->kind) {
    case GLOBAL_ORDERED_DICT:
        return ordered_dict(p, at, arguments);
    case GLOBAL_REBUILD_TENSOR:
        return rebuild_tensor(p, at, arguments, false);
    case GLOBAL_REBUILD_TENSOR_V3:
        return rebuild_tensor(p, at, arguments, true);
    case GLOBAL_REBUILD_PARAMETER:
        return push_argument(p, at, arguments, PICKLE_TENSOR);
    case GLOBAL_DEVICE:
        return push_argument(p, at, arguments, PICKLE_STRING);
    case GLOBAL_SIZE:
        return push_argument(p, at, arguments, PICKLE_TUPLE);
    default:
        return pickle_fail(p, SIB_ERR_UNSUPPORTED, at,
                           "the pickle calls '%s.%s', which does not occur in state dicts", f->global->module,
                           f->global->name);
    }
}

/* ("storage", type, key, location, numel) and, in the legacy form, a view of another storage or None. */
sib_code pickle_push_persistent(pickle *p, uint64_t at, uint32_t id)
{
    const pickle_value *t = pickle_at(p, id);
    uint32_t word = 0, type = 0, key = 0, numel = 0;
    if (t->kind != PICKLE_TUPLE)
        return pickle_fail(p, SIB_ERR_FORMAT, at, "a persistent id is %s, expected a tuple",
                           pickle_kind_name(t->kind));
    sib_code code = argument(p, at, id, 0, PICKLE_STRING, &word);
    if (code == SIB_OK && !str_is(pickle_at(p, word)->text, "storage"))
        return pickle_fail(p, SIB_ERR_UNSUPPORTED, at, "a persistent id of kind '%.*s', expected 'storage'",
                           READER_STR(pickle_at(p, word)->text));
    if (code == SIB_OK)
        code = argument(p, at, id, 1, PICKLE_GLOBAL, &type);
    if (code == SIB_OK)
        code = argument(p, at, id, 2, PICKLE_STRING, &key);
    if (code == SIB_OK)
        code = argument(p, at, id, 4, PICKLE_INT, &numel);
    if (code != SIB_OK)
        return code;
    const pickle_global *g = pickle_at(p, type)->global;
    if (g->kind != GLOBAL_STORAGE && g->kind != GLOBAL_UNTYPED)
        return pickle_fail(p, SIB_ERR_FORMAT, at, "'%s.%s' is not a storage type", g->module, g->name);
    t = pickle_at(p, id);
    if (t->n > 5 && pickle_at(p, t->items[5])->kind != PICKLE_NONE)
        return pickle_fail(
            p, SIB_ERR_UNSUPPORTED, at,
            "storage '%.*s' is a view of another, as written by PyTorch before 0.4, which is not supported",
            READER_STR(pickle_at(p, key)->text));
    if (pickle_at(p, numel)->number < 0)
        return pickle_fail(p, SIB_ERR_FORMAT, at, "storage '%.*s' has %lld elements",
                           READER_STR(pickle_at(p, key)->text), (long long)pickle_at(p, numel)->number);
    pickle_value v = {.kind = PICKLE_STORAGE, .dtype = g->dtype, .at = at};
    v.key = pickle_at(p, key)->text;
    v.numel = pickle_at(p, numel)->number;
    return pickle_push(p, v);
}
