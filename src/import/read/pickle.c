/* The opcodes. */
#include "import/read/pickle.h"
#include "base/array.h"

/* ---- Reading -------------------------------------------------------------------------------------- */

static sib_code take(pickle *p, uint64_t n, byte_span *out)
{
    if (n > p->end - p->at && p->capped)
        return pickle_fail(p, SIB_ERR_SIZE, p->at, "the pickle has more than %u bytes", PICKLE_MAX_BYTES);
    if (n > p->end - p->at)
        return pickle_fail(p, SIB_ERR_FORMAT, p->at, "the pickle ends within an opcode that takes %llu bytes",
                           (unsigned long long)n);
    *out = (byte_span){p->s->bytes.data + p->at, (size_t)n};
    p->at += n;
    return SIB_OK;
}

/* An unsigned number of n <= 8 bytes. */
static sib_code take_number(pickle *p, unsigned n, uint64_t *out)
{
    byte_span b = {0};
    sib_code code = take(p, n, &b);
    *out = 0;
    for (unsigned i = 0; code == SIB_OK && i < n; i++)
        *out |= (uint64_t)b.data[i] << (8 * i);
    return code;
}

/* Pops the top of the stack, above the last mark. */
static sib_code pop(pickle *p, uint64_t at, uint32_t *out)
{
    size_t floor = p->n_marks ? p->marks[p->n_marks - 1] : 0;
    if (p->n_stack <= floor)
        return pickle_fail(p, SIB_ERR_FORMAT, at,
                           "an opcode of the pickle pops more values than the stack has");
    *out = p->stack[--p->n_stack];
    return SIB_OK;
}

/* Removes the last mark: the *n values above it begin at stack[*first] and remain until the next push. */
static sib_code pop_marked(pickle *p, uint64_t at, size_t *first, size_t *n)
{
    if (!p->n_marks)
        return pickle_fail(p, SIB_ERR_FORMAT, at, "an opcode of the pickle pops to a mark that was not set");
    *first = p->marks[--p->n_marks];
    *n = p->n_stack - *first;
    return SIB_OK;
}

/* ---- Opcodes -------------------------------------------------------------------------------------- */

/* what: the opcode's byte; at: its offset. */
typedef sib_code (*opcode_run)(pickle *p, unsigned what, uint64_t at);

static sib_code op_proto(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    uint64_t version = 0;
    sib_code code = take_number(p, 1, &version);
    if (code == SIB_OK && (version < 2 || version > 5))
        return pickle_fail(p, SIB_ERR_UNSUPPORTED, at, "protocol %u of pickle, expected 2 to 5",
                           (unsigned)version);
    return code;
}

/* The frame's length only serves readers that read ahead. */
static sib_code op_frame(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    (void)at;
    uint64_t length;
    return take_number(p, 8, &length);
}

static sib_code op_stop(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    if (p->n_marks || p->n_stack != 1)
        return pickle_fail(p, SIB_ERR_FORMAT, at,
                           "the pickle ends with %zu values on the stack, expected one", p->n_stack);
    p->stopped = true;
    return SIB_OK;
}

static sib_code op_mark(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    (void)at;
    if (ARRAY_RESERVE(p->marks, p->marks_capacity, p->n_marks + 1, "a checkpoint", NULL) != SIB_OK)
        return pickle_no_memory(p);
    p->marks[p->n_marks++] = (uint32_t)p->n_stack;
    return SIB_OK;
}

static sib_code op_constant(pickle *p, unsigned what, uint64_t at)
{
    pickle_value v = {.kind = what == 'N' ? PICKLE_NONE : PICKLE_BOOL, .at = at};
    v.number = what == 0x88;
    return pickle_push(p, v);
}

/* BININT is signed, BININT1 and BININT2 are unsigned. */
static sib_code op_int(pickle *p, unsigned what, uint64_t at)
{
    uint64_t n = 0;
    sib_code code = take_number(p, what == 'J' ? 4 : what == 'M' ? 2 : 1, &n);
    if (code != SIB_OK)
        return code;
    return pickle_push(
        p, (pickle_value){.kind = PICKLE_INT, .at = at, .number = what == 'J' ? (int32_t)n : (int64_t)n});
}

static sib_code op_long(pickle *p, unsigned what, uint64_t at)
{
    uint64_t n = 0;
    byte_span b = {0};
    sib_code code = take_number(p, what == 0x8A ? 1 : 4, &n);
    if (code == SIB_OK)
        code = take(p, n, &b);
    if (code != SIB_OK)
        return code;
    if (n > 8)
        return pickle_push(p, (pickle_value){.kind = PICKLE_LONG, .at = at, .text = str_of_span(b)});
    uint64_t bits = n && b.data[n - 1] & 0x80 ? UINT64_MAX : 0; /* sign extension */
    for (size_t i = n; i-- > 0;)
        bits = bits << 8 | b.data[i];
    return pickle_push(p, (pickle_value){.kind = PICKLE_INT, .at = at, .number = (int64_t)bits});
}

/* Eight bytes, big-endian. */
static sib_code op_float(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    byte_span b = {0};
    uint64_t bits = 0;
    pickle_value v = {.kind = PICKLE_FLOAT, .at = at};
    sib_code code = take(p, 8, &b);
    for (size_t i = 0; i < b.size; i++)
        bits = bits << 8 | b.data[i];
    memcpy(&v.real, &bits, sizeof bits);
    return code == SIB_OK ? pickle_push(p, v) : code;
}

/* Text and bytes: a length of 1, 4 or 8 bytes, followed by that many bytes. */
static sib_code op_text(pickle *p, unsigned what, uint64_t at)
{
    unsigned width = what == 0x8C || what == 'C' || what == 'U' ? 1 : what == 0x8D || what == 0x8E ? 8 : 4;
    uint64_t n = 0;
    byte_span b = {0};
    sib_code code = take_number(p, width, &n);
    if (code == SIB_OK)
        code = take(p, n, &b);
    return code == SIB_OK
               ? pickle_push(p, (pickle_value){.kind = PICKLE_STRING, .at = at, .text = str_of_span(b)})
               : code;
}

static sib_code op_empty(pickle *p, unsigned what, uint64_t at)
{
    return pickle_push(p, (pickle_value){.kind = what == '}'   ? PICKLE_DICT
                                                 : what == ']' ? PICKLE_LIST
                                                               : PICKLE_TUPLE,
                                         .at = at});
}

/* Replaces the values from stack[first] on by a tuple of them. */
static sib_code make_tuple(pickle *p, uint64_t at, size_t first)
{
    size_t n = p->n_stack - first;
    pickle_value v = {.kind = PICKLE_TUPLE, .at = at};
    v.items = n ? arena_alloc(p->arena, n, sizeof *v.items) : NULL;
    if (n && !v.items)
        return pickle_no_memory(p);
    if (n)
        memcpy(v.items, p->stack + first, n * sizeof *v.items);
    v.n = (uint32_t)n;
    v.capacity = n;
    p->n_stack = first;
    return pickle_push(p, v);
}

static sib_code op_tuple(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    size_t first = 0, n;
    sib_code code = pop_marked(p, at, &first, &n);
    return code == SIB_OK ? make_tuple(p, at, first) : code;
}

/* TUPLE1 to TUPLE3. */
static sib_code op_tuple_of(pickle *p, unsigned what, uint64_t at)
{
    size_t n = what - 0x84, floor = p->n_marks ? p->marks[p->n_marks - 1] : 0;
    if (p->n_stack - floor < n)
        return pickle_fail(p, SIB_ERR_FORMAT, at,
                           "a tuple of the pickle pops more values than the stack has");
    return make_tuple(p, at, p->n_stack - n);
}

/* The container below the values to be put into it. */
static sib_code find_container(pickle *p, uint64_t at, size_t first, pickle_kind kind, uint32_t *out)
{
    size_t floor = p->n_marks ? p->marks[p->n_marks - 1] : 0;
    if (first <= floor || p->values[p->stack[first - 1]].kind != kind)
        return pickle_fail(p, SIB_ERR_FORMAT, at, "the pickle adds items to %s, expected %s",
                           first <= floor ? "nothing" : pickle_kind_name(p->values[p->stack[first - 1]].kind),
                           pickle_kind_name(kind));
    *out = p->stack[first - 1];
    return SIB_OK;
}

/* APPEND, APPENDS, SETITEM, SETITEMS. */
static sib_code op_put(pickle *p, unsigned what, uint64_t at)
{
    bool many = what == 'e' || what == 'u', dict = what == 's' || what == 'u';
    size_t n = dict ? 2 : 1, floor = p->n_marks ? p->marks[p->n_marks - 1] : 0;
    size_t first = 0;
    uint32_t container = 0;
    sib_code code = SIB_OK;
    if (many)
        code = pop_marked(p, at, &first, &n);
    else if (p->n_stack - floor < n)
        code = pickle_fail(p, SIB_ERR_FORMAT, at, "the pickle adds an item, but the stack has none");
    else
        first = p->n_stack - n;
    if (code == SIB_OK)
        code = find_container(p, at, first, dict ? PICKLE_DICT : PICKLE_LIST, &container);
    if (code == SIB_OK && dict && n % 2)
        code = pickle_fail(p, SIB_ERR_FORMAT, at, "the pickle adds a key to a dict without its value");
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = pickle_append(p, container, p->stack[first + i]);
    if (code == SIB_OK)
        p->n_stack = first;
    return code;
}

static sib_code put_memo(pickle *p, uint64_t at, uint64_t index)
{
    size_t floor = p->n_marks ? p->marks[p->n_marks - 1] : 0;
    if (p->n_stack <= floor)
        return pickle_fail(p, SIB_ERR_FORMAT, at, "the pickle memoizes a value, but the stack has none");
    /* Writers count up, so a number far above those seen would only waste memory. */
    if (index > p->n_memo + 16)
        return pickle_fail(p, SIB_ERR_FORMAT, at,
                           "the pickle memoizes a value under number %llu, but has only %zu",
                           (unsigned long long)index, p->n_memo);
    while (p->n_memo <= index) {
        if (ARRAY_RESERVE(p->memo, p->memo_capacity, p->n_memo + 1, "a checkpoint", NULL) != SIB_OK)
            return pickle_no_memory(p);
        p->memo[p->n_memo++] = 0;
    }
    p->memo[index] = p->stack[p->n_stack - 1] + 1;
    return SIB_OK;
}

static sib_code op_memoize(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    return put_memo(p, at, p->n_memo);
}

static sib_code op_memo_put(pickle *p, unsigned what, uint64_t at)
{
    uint64_t index = 0;
    sib_code code = take_number(p, what == 'q' ? 1 : 4, &index);
    return code == SIB_OK ? put_memo(p, at, index) : code;
}

static sib_code op_memo_get(pickle *p, unsigned what, uint64_t at)
{
    uint64_t index = 0;
    sib_code code = take_number(p, what == 'h' ? 1 : 4, &index);
    if (code != SIB_OK)
        return code;
    if (index >= p->n_memo || !p->memo[index])
        return pickle_fail(p, SIB_ERR_FORMAT, at,
                           "the pickle reads memoized value %llu, which was not stored",
                           (unsigned long long)index);
    return pickle_push_index(p, p->memo[index] - 1);
}

/* Reads bytes up to the end of the line. */
static sib_code take_line(pickle *p, sib_str *out)
{
    const uint8_t *from = p->s->bytes.data + p->at, *end = memchr(from, '\n', (size_t)(p->end - p->at));
    if (!end)
        return pickle_fail(p, SIB_ERR_FORMAT, p->at, "the pickle ends within a name");
    *out = (sib_str){(const char *)from, (size_t)(end - from)};
    p->at += out->length + 1;
    return SIB_OK;
}

static sib_code op_global(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    sib_str module, name;
    sib_code code = take_line(p, &module);
    if (code == SIB_OK)
        code = take_line(p, &name);
    return code == SIB_OK ? pickle_push_global(p, at, module, name) : code;
}

static sib_code op_stack_global(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    uint32_t module = 0, name = 0;
    sib_code code = pop(p, at, &name);
    if (code == SIB_OK)
        code = pop(p, at, &module);
    if (code != SIB_OK)
        return code;
    if (p->values[module].kind != PICKLE_STRING || p->values[name].kind != PICKLE_STRING)
        return pickle_fail(p, SIB_ERR_FORMAT, at,
                           "the pickle names a global by %s and %s, expected two strings",
                           pickle_kind_name(p->values[module].kind), pickle_kind_name(p->values[name].kind));
    return pickle_push_global(p, at, p->values[module].text, p->values[name].text);
}

static sib_code op_reduce(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    uint32_t function = 0, arguments = 0;
    sib_code code = pop(p, at, &arguments);
    if (code == SIB_OK)
        code = pop(p, at, &function);
    return code == SIB_OK ? pickle_call(p, at, function, arguments) : code;
}

/* BUILD sets attributes of an object. Those of state dicts (versions of modules) are ignored. */
static sib_code op_build(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    uint32_t state = 0, object = 0;
    sib_code code = pop(p, at, &state);
    if (code == SIB_OK)
        code = pop(p, at, &object);
    if (code != SIB_OK)
        return code;
    if (p->values[object].kind != PICKLE_DICT || p->values[state].kind != PICKLE_DICT)
        return pickle_fail(p, SIB_ERR_UNSUPPORTED, at,
                           "opcode BUILD sets the state of %s to %s, expected a dict for both",
                           pickle_kind_name(p->values[object].kind), pickle_kind_name(p->values[state].kind));
    return pickle_push_index(p, object);
}

static sib_code op_persistent(pickle *p, unsigned what, uint64_t at)
{
    (void)what;
    uint32_t id = 0;
    sib_code code = pop(p, at, &id);
    return code == SIB_OK ? pickle_push_persistent(p, at, id) : code;
}

/* Every opcode of protocols 0 to 5, so that refused ones have a name. */
static const struct {
    const char *name;
    opcode_run run; /* NULL: refused */
} opcodes[256] = {
    ['('] = {"MARK", op_mark},
    ['.'] = {"STOP", op_stop},
    ['0'] = {"POP", NULL},
    ['1'] = {"POP_MARK", NULL},
    ['2'] = {"DUP", NULL},
    ['F'] = {"FLOAT", NULL},
    ['I'] = {"INT", NULL},
    ['J'] = {"BININT", op_int},
    ['K'] = {"BININT1", op_int},
    ['L'] = {"LONG", NULL},
    ['M'] = {"BININT2", op_int},
    ['N'] = {"NONE", op_constant},
    ['P'] = {"PERSID", NULL},
    ['Q'] = {"BINPERSID", op_persistent},
    ['R'] = {"REDUCE", op_reduce},
    ['S'] = {"STRING", NULL},
    ['T'] = {"BINSTRING", op_text},
    ['U'] = {"SHORT_BINSTRING", op_text},
    ['V'] = {"UNICODE", NULL},
    ['X'] = {"BINUNICODE", op_text},
    ['a'] = {"APPEND", op_put},
    ['b'] = {"BUILD", op_build},
    ['c'] = {"GLOBAL", op_global},
    ['d'] = {"DICT", NULL},
    ['}'] = {"EMPTY_DICT", op_empty},
    ['e'] = {"APPENDS", op_put},
    ['g'] = {"GET", NULL},
    ['h'] = {"BINGET", op_memo_get},
    ['i'] = {"INST", NULL},
    ['j'] = {"LONG_BINGET", op_memo_get},
    ['l'] = {"LIST", NULL},
    [']'] = {"EMPTY_LIST", op_empty},
    ['o'] = {"OBJ", NULL},
    ['p'] = {"PUT", NULL},
    ['q'] = {"BINPUT", op_memo_put},
    ['r'] = {"LONG_BINPUT", op_memo_put},
    ['s'] = {"SETITEM", op_put},
    ['t'] = {"TUPLE", op_tuple},
    [')'] = {"EMPTY_TUPLE", op_empty},
    ['u'] = {"SETITEMS", op_put},
    ['G'] = {"BINFLOAT", op_float},
    ['B'] = {"BINBYTES", op_text},
    ['C'] = {"SHORT_BINBYTES", op_text},
    [0x80] = {"PROTO", op_proto},
    [0x81] = {"NEWOBJ", NULL},
    [0x82] = {"EXT1", NULL},
    [0x83] = {"EXT2", NULL},
    [0x84] = {"EXT4", NULL},
    [0x85] = {"TUPLE1", op_tuple_of},
    [0x86] = {"TUPLE2", op_tuple_of},
    [0x87] = {"TUPLE3", op_tuple_of},
    [0x88] = {"NEWTRUE", op_constant},
    [0x89] = {"NEWFALSE", op_constant},
    [0x8A] = {"LONG1", op_long},
    [0x8B] = {"LONG4", op_long},
    [0x8C] = {"SHORT_BINUNICODE", op_text},
    [0x8D] = {"BINUNICODE8", op_text},
    [0x8E] = {"BINBYTES8", op_text},
    [0x8F] = {"EMPTY_SET", NULL},
    [0x90] = {"ADDITEMS", NULL},
    [0x91] = {"FROZENSET", NULL},
    [0x92] = {"NEWOBJ_EX", NULL},
    [0x93] = {"STACK_GLOBAL", op_stack_global},
    [0x94] = {"MEMOIZE", op_memoize},
    [0x95] = {"FRAME", op_frame},
    [0x96] = {"BYTEARRAY8", NULL},
    [0x97] = {"NEXT_BUFFER", NULL},
    [0x98] = {"READONLY_BUFFER", NULL},
};

static sib_code step(pickle *p)
{
    uint64_t at = p->at, what = 0;
    sib_code code = take_number(p, 1, &what);
    if (code != SIB_OK)
        return code;
    if (!opcodes[what].run)
        return pickle_fail(
            p, SIB_ERR_UNSUPPORTED, at,
            "opcode %s (%#04x) of the pickle does not occur in state dicts; nothing is executed",
            opcodes[what].name ? opcodes[what].name : "without name", (unsigned)what);
    return opcodes[what].run(p, (unsigned)what, at);
}

sib_code pickle_read(ckpt_file *s, uint64_t *at, uint64_t end, pickle *p, uint32_t *root)
{
    *p = (pickle){.s = s, .at = *at, .end = end, .copies_left = end - *at};
    p->capped = end - *at > PICKLE_MAX_BYTES;
    if (p->capped)
        p->end = *at + PICKLE_MAX_BYTES;
    if (end == *at || s->bytes.data[*at] != 0x80)
        return ckpt_fail(s, SIB_ERR_FORMAT, *at, "expected a pickle of protocol 2 to 5");
    sib_code code = arena_create(&p->arena, s->err);
    while (code == SIB_OK && !p->stopped)
        code = step(p);
    if (code != SIB_OK)
        return code;
    *at = p->at;
    *root = p->stack[0];
    return SIB_OK;
}
