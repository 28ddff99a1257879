#include "job/document/value.h"

#include "base/alloc.h"

#include <string.h>

static const char *const type_names[] = {[SIB_PORT_NONE] = "nothing",
#define TYPE_NAME(constant, name) [constant] = (name),
                                         SIB_PORT_TYPES(TYPE_NAME)
#undef TYPE_NAME
};
enum { N_TYPES = sizeof type_names / sizeof *type_names };

const char *job_type_name(sib_port_type type)
{
    return (size_t)type < N_TYPES ? type_names[type] : type_names[SIB_PORT_NONE];
}

sib_port_type job_type_named(const char *name)
{
    for (size_t i = 1; i < N_TYPES; i++)
        if (!strcmp(type_names[i], name))
            return (sib_port_type)i;
    return SIB_PORT_NONE;
}

static unsigned bit(sib_port_type type)
{
    return 1u << type;
}

bool job_type_takes(sib_port_type want, sib_port_type have)
{
    unsigned also = 0;
    if (want == SIB_PORT_TENSOR)
        also = bit(SIB_PORT_AUDIO) | bit(SIB_PORT_TOKENS) | bit(SIB_PORT_NUMBER) | bit(SIB_PORT_NUMBERS);
    else if (want == SIB_PORT_AUDIO)
        also = bit(SIB_PORT_TENSOR);
    else if (want == SIB_PORT_NUMBERS)
        also = bit(SIB_PORT_NUMBER);
    else if (want == SIB_PORT_TEXTS)
        also = bit(SIB_PORT_TEXT);
    return want == have || (also & bit(have));
}

/* ---- Making -------------------------------------------------------------------------------------------- */

static job_value *value_make(sib_port_value v, sib_value *tensor, void *owner, void (*drop)(void *))
{
    job_value *made = mem_alloc(1, sizeof *made);
    if (!made)
        return NULL;
    *made = (job_value){.v = v, .tensor = tensor, .owner = owner, .drop = drop};
    atomic_init(&made->references, 1);
    return made;
}

job_value *job_value_owning(sib_port_value v, void *owner, void (*drop)(void *))
{
    job_value *made = value_make(v, NULL, owner, drop);
    if (!made && drop)
        drop(owner);
    return made;
}

/* A block with a copy of n items of `size` bytes, followed by a zero byte. */
static void *copied(const void *data, size_t n, size_t size)
{
    char *block = n < SIZE_MAX / size - 1 ? mem_alloc(n * size + 1, 1) : NULL;
    if (block) {
        if (n)
            memcpy(block, data, n * size);
        block[n * size] = 0;
    }
    return block;
}

job_value *job_value_text(const char *data, size_t size)
{
    char *copy = copied(data, size, 1);
    sib_port_value v = {.type = SIB_PORT_TEXT, .text = {copy, size}};
    return copy ? job_value_owning(v, copy, mem_free) : NULL;
}

job_value *job_value_tokens(const int32_t *ids, size_t n)
{
    int32_t *copy = copied(ids, n, sizeof *ids);
    sib_port_value v = {.type = SIB_PORT_TOKENS, .tokens = {copy, n}};
    return copy ? job_value_owning(v, copy, mem_free) : NULL;
}

job_value *job_value_numbers(const double *data, size_t n)
{
    double *copy = copied(data, n, sizeof *data);
    sib_port_value v = {.type = SIB_PORT_NUMBERS, .numbers = {copy, n}};
    return copy ? job_value_owning(v, copy, mem_free) : NULL;
}

job_value *job_value_spans(const sib_span *data, size_t n)
{
    sib_span *copy = copied(data, n, sizeof *data);
    sib_port_value v = {.type = SIB_PORT_SPANS, .spans = {copy, n}};
    return copy ? job_value_owning(v, copy, mem_free) : NULL;
}

job_value *job_value_texts(const char *const *data, size_t n)
{
    size_t bytes = n * sizeof(char *);
    for (size_t i = 0; i < n; i++)
        bytes += strlen(data[i]) + 1;
    const char **list = mem_alloc(bytes ? bytes : 1, 1);
    if (!list)
        return NULL;
    char *at = (char *)(list + n);
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(data[i]) + 1;
        list[i] = memcpy(at, data[i], size);
        at += size;
    }
    return job_value_owning((sib_port_value){.type = SIB_PORT_TEXTS, .texts = {list, n}}, list, mem_free);
}

job_value *job_value_number(double number)
{
    return value_make((sib_port_value){.type = SIB_PORT_NUMBER, .number = number}, NULL, NULL, NULL);
}

job_value *job_value_flag(bool flag)
{
    return value_make((sib_port_value){.type = SIB_PORT_FLAG, .flag = flag}, NULL, NULL, NULL);
}

job_value *job_value_tensor(sib_value *tensor, sib_port_type type)
{
    if (!tensor)
        return NULL;
    sib_port_value v = {.type = type, .tensor = sib_value_tensor(tensor)};
    job_value *made = value_make(v, tensor, NULL, NULL);
    if (!made)
        sib_value_free(&tensor);
    return made;
}

job_value *job_value_over(sib_dtype dtype, size_t rank, const int64_t *dims, const void *data)
{
    sib_tensor *t;
    sib_value *v = NULL;
    if (sib_tensor_wrap(dtype, rank, dims, NULL, (void *)data, NULL, NULL, &t, NULL) != SIB_OK)
        return NULL;
    sib_value_from_tensor(t, &v, NULL);
    sib_tensor_free(&t);
    return job_value_tensor(v, SIB_PORT_TENSOR);
}

job_value *job_value_borrow(const sib_port_value *v)
{
    return value_make(*v, NULL, NULL, NULL);
}

job_value *job_value_own(job_value *v)
{
    const sib_port_value *p = &v->v;
    sib_value *seen = NULL, *copy = NULL;
    if (v->owner || v->tensor)
        return job_value_keep(v);
    switch (p->type) {
    case SIB_PORT_AUDIO:
    case SIB_PORT_TENSOR:
        if (sib_value_from_tensor(p->tensor, &seen, NULL) == SIB_OK)
            sib_value_clone(seen, &copy, NULL);
        sib_value_free(&seen);
        return job_value_tensor(copy, p->type);
    case SIB_PORT_TOKENS:
        return job_value_tokens(p->tokens.ids, p->tokens.n);
    case SIB_PORT_TEXT:
        return job_value_text(p->text.data, p->text.size);
    case SIB_PORT_NUMBERS:
        return job_value_numbers(p->numbers.data, p->numbers.n);
    case SIB_PORT_TEXTS:
        return job_value_texts(p->texts.data, p->texts.n);
    case SIB_PORT_SPANS:
        return job_value_spans(p->spans.data, p->spans.n);
    default:
        return job_value_keep(v); /* numbers and flags have no memory; segments are never borrowed */
    }
}

/* Numbers of any port as a tensor: tokens int32 [n], numbers float64 [n], a number float64 without axes. */
static job_value *as_tensor(const sib_port_value *p)
{
    bool ids = p->type == SIB_PORT_TOKENS, one = p->type == SIB_PORT_NUMBER;
    const void *data = ids ? (const void *)p->tokens.ids : one ? &p->number : p->numbers.data;
    size_t n = ids ? p->tokens.n : one ? 1 : p->numbers.n;
    int64_t dims = (int64_t)n;
    sib_tensor *t;
    sib_value *v = NULL;
    if (sib_tensor_create(ids ? SIB_I32 : SIB_F64, !one, &dims, &t, NULL) != SIB_OK)
        return NULL;
    if (n)
        memcpy(sib_tensor_data(t), data, n * (ids ? sizeof(int32_t) : sizeof(double)));
    sib_value_from_tensor(t, &v, NULL);
    sib_tensor_free(&t);
    return job_value_tensor(v, SIB_PORT_TENSOR);
}

job_value *job_value_as(job_value *v, sib_port_type type)
{
    const sib_port_value *p = &v->v;
    bool tensor = p->type == SIB_PORT_TENSOR || p->type == SIB_PORT_AUDIO;
    if (type == SIB_PORT_TENSOR && !tensor)
        return as_tensor(p);
    if (type == SIB_PORT_NUMBERS && p->type == SIB_PORT_NUMBER)
        return job_value_numbers(&p->number, 1);
    if (type == SIB_PORT_TEXTS && p->type == SIB_PORT_TEXT)
        return job_value_texts(&p->text.data, 1);
    return job_value_keep(v);
}

/* ---- Counting ------------------------------------------------------------------------------------------ */

job_value *job_value_keep(job_value *v)
{
    if (v)
        atomic_fetch_add(&v->references, 1);
    return v;
}

void job_value_release(job_value *v)
{
    if (!v || atomic_fetch_sub(&v->references, 1) > 1)
        return;
    sib_value_free(&v->tensor);
    if (v->drop)
        v->drop(v->owner);
    mem_free(v);
}

void job_value_put(job_value **slot, job_value *v)
{
    job_value *before = *slot;
    *slot = v;
    job_value_release(before);
}
