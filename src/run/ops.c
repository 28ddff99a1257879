/* Operators as plain calls: a session of one node for each operator with its attributes, element types and
   ranks, found again by a key that holds all of these. */
#include <sibyl/ops.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/size.h"
#include "extend/registry.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

#include <pthread.h>
#include <sibyl/build.h>
#include <sibyl/session.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_OPERATORS 256
#define MAX_ENDS          256 /* inputs or outputs of a call */

/* An operator made ready. Only `used` and `references` change; the context's lock guards them. */
typedef struct ready_op {
    unsigned char *key; /* (n_key) */
    size_t n_key;
    uint64_t used;       /* when it was called last, in calls of the context */
    unsigned references; /* calls that run, and one of the context while it is in the table */
    sib_session *session;
} ready_op;

struct sib_ops {
    pthread_mutex_t lock;
    char *backends; /* NULL: all */
    sib_pool *pool, *own_pool;
    sib_registry *registry; /* a reference, or NULL */
    uint64_t calls;
    unsigned n, max;
    ready_op **table; /* (max), n of them */
    uint64_t *hashes; /* (max) of their keys */
};

/* ---- Contexts -------------------------------------------------------------------------------------------- */

static void ready_drop(ready_op *r)
{
    sib_session_free(&r->session);
    mem_free(r->key);
    mem_free(r);
}

void sib_ops_free(sib_ops **op)
{
    if (!op || !*op)
        return;
    sib_ops *ops = *op;
    *op = NULL;
    for (unsigned i = 0; i < ops->n; i++)
        ready_drop(ops->table[i]);
    sib_registry_free(&ops->registry);
    sib_pool_free(&ops->own_pool);
    pthread_mutex_destroy(&ops->lock);
    mem_free(ops->backends);
    mem_free(ops->table);
    mem_free(ops->hashes);
    mem_free(ops);
}

static sib_code fill(sib_ops *ops, const sib_ops_options *o, sib_error *err)
{
    const size_t length = o->backends ? strlen(o->backends) + 1 : 0;
    ops->max = o->max_operators ? o->max_operators : DEFAULT_OPERATORS;
    ops->table = mem_calloc(ops->max, sizeof(ready_op *));
    ops->hashes = mem_calloc(ops->max, sizeof *ops->hashes);
    ops->backends = length ? mem_alloc(length, 1) : NULL;
    if (!ops->table || !ops->hashes || (length && !ops->backends))
        return err_memory(err, ops->max * sizeof *ops->table, "operators");
    if (length)
        memcpy(ops->backends, o->backends, length);
    ops->pool = o->pool;
    ops->registry = o->registry ? registry_keep(o->registry) : NULL;
    sib_code code = o->pool ? SIB_OK : sib_pool_create(o->threads, &ops->own_pool, err);
    if (!o->pool)
        ops->pool = ops->own_pool;
    return code;
}

sib_code sib_ops_create(const sib_ops_options *options, sib_ops **out, sib_error *err)
{
    static const sib_ops_options defaults;
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = NULL;
    sib_ops *ops = mem_calloc(1, sizeof *ops);
    if (!ops)
        return err_memory(err, sizeof *ops, "operators");
    if (pthread_mutex_init(&ops->lock, NULL) != 0) {
        mem_free(ops);
        return err_set(err, SIB_ERR_MEMORY, "out of memory: a lock");
    }
    sib_code code = fill(ops, options ? options : &defaults, err);
    if (code != SIB_OK)
        sib_ops_free(&ops);
    *out = ops;
    return code;
}

/* ---- Keys -------------------------------------------------------------------------------------------------- */

/* Bytes that are the same for calls of one ready operator and differ otherwise: every part has its length
   before it. */
typedef struct call_key {
    unsigned char few[512], *bytes; /* bytes: `few`, or memory of its own */
    size_t n, capacity;
    bool failed;
} call_key;

static void key_put(call_key *k, const void *data, size_t n)
{
    if (k->failed)
        return;
    if (k->n + n > k->capacity) {
        unsigned char *more = mem_alloc(2 * (k->n + n), 1);
        k->failed = !more;
        if (!more)
            return;
        memcpy(more, k->bytes, k->n);
        if (k->bytes != k->few)
            mem_free(k->bytes);
        k->bytes = more;
        k->capacity = 2 * (k->n + n);
    }
    if (n)
        memcpy(k->bytes + k->n, data, n);
    k->n += n;
}

static void key_number(call_key *k, uint64_t x)
{
    key_put(k, &x, sizeof x);
}

static void key_bytes(call_key *k, const void *data, size_t n)
{
    key_number(k, n);
    key_put(k, data, n);
}

static void key_text(call_key *k, const char *text)
{
    key_bytes(k, text, text ? strlen(text) : 0);
}

/* False where the elements cannot be part of a key. */
static bool key_tensor(call_key *k, const sib_tensor *t)
{
    if (!t || !t->dense || t->dtype == SIB_STRING)
        return false;
    key_number(k, t->dtype);
    key_bytes(k, t->dims, t->rank * sizeof *t->dims);
    key_bytes(k, sib_tensor_data(t), (size_t)((t->count * sib_dtype_bits(t->dtype) + 7) / 8));
    return true;
}

static bool key_attribute(call_key *k, const sib_attribute *a)
{
    bool ok = true;
    key_text(k, a->name);
    key_number(k, a->kind);
    key_number(k, a->n);
    if (a->floats)
        key_put(k, a->floats, a->n * sizeof *a->floats);
    if (a->ints)
        key_put(k, a->ints, a->n * sizeof *a->ints);
    for (size_t i = 0; a->strings && i < a->n; i++)
        key_bytes(k, a->strings[i].data, a->strings[i].length);
    for (size_t i = 0; a->tensors && i < a->n && ok; i++)
        ok = key_tensor(k, a->tensors[i]);
    return ok;
}

/* A call, as its parts below take it. */
typedef struct op_call {
    const sib_op *op;
    int64_t version;
    size_t n_in, n_out;
    const sib_value *const *in; /* (n_in) */
} op_call;

static int64_t version_of(const sib_op *op)
{
    const char *domain = op->domain ? op->domain : "";
    return op->version ? op->version : !*domain ? 24 : !strcmp(domain, "ai.onnx.ml") ? 5 : 1;
}

static sib_code make_key(const op_call *c, call_key *k, sib_error *err)
{
    *k = (call_key){.n = 0};
    k->bytes = k->few;
    k->capacity = sizeof k->few;
    key_text(k, c->op->domain);
    key_text(k, c->op->type);
    key_number(k, (uint64_t)c->version);
    key_number(k, c->n_out);
    for (size_t i = 0; i < c->n_in; i++) {
        const sib_tensor *t = c->in[i] ? sib_value_tensor(c->in[i]) : NULL;
        if (c->in[i] && !t)
            return err_set(err, SIB_ERR_UNSUPPORTED, "%s: input %zu is no tensor, as plain calls take them",
                           c->op->type, i);
        key_number(k, t ? 1 + (uint64_t)t->dtype + 256 * t->rank : 0);
    }
    for (size_t i = 0; i < c->op->n_attributes; i++)
        if (!key_attribute(k, &c->op->attributes[i]))
            return err_set(err, SIB_ERR_UNSUPPORTED,
                           "%s: attribute '%s' has a tensor of strings, or one that is not dense",
                           c->op->type, c->op->attributes[i].name);
    return k->failed ? err_memory(err, k->n, "an operator's key") : SIB_OK;
}

static void key_free(call_key *k)
{
    if (k->bytes != k->few)
        mem_free(k->bytes);
}

/* ---- Making an operator ready ------------------------------------------------------------------------------ */

/* Names of the inputs and outputs of the models, "0" on. */
typedef char end_name[8];

static sib_code add_node(sib_build *b, const op_call *c, end_name *names, sib_error *err)
{
    const char *in[MAX_ENDS], *out[MAX_ENDS];
    for (size_t i = 0; i < c->n_in; i++)
        in[i] = c->in[i] ? names[i] : NULL;
    for (size_t i = 0; i < c->n_out; i++)
        out[i] = names[c->n_in + i];
    return sib_build_add(b,
                         &(sib_build_node){.domain = c->op->domain,
                                           .type = c->op->type,
                                           .name = c->op->type,
                                           .n_inputs = c->n_in,
                                           .inputs = in,
                                           .n_outputs = c->n_out,
                                           .outputs = out,
                                           .n_attributes = c->op->n_attributes,
                                           .attributes = c->op->attributes},
                         err);
}

static sib_code build(const sib_ops *ops, const op_call *c, sib_model **out, sib_error *err)
{
    static const int64_t any[SIB_MAX_RANK] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    end_name names[2 * MAX_ENDS];
    const bool is_onnx = !c->op->domain || !*c->op->domain;
    sib_build *b = NULL;
    for (size_t i = 0; i < c->n_in + c->n_out; i++)
        snprintf(names[i], sizeof names[i], "%u", (unsigned)i);
    sib_code code = sib_build_create(is_onnx ? c->version : 24, &b, err);
    if (code == SIB_OK && ops->registry)
        code = sib_build_registry(b, ops->registry, err);
    if (code == SIB_OK && !is_onnx)
        code = sib_build_opset(b, c->op->domain, c->version, err);
    for (size_t i = 0; i < c->n_in && code == SIB_OK; i++) {
        const sib_tensor *t = c->in[i] ? sib_value_tensor(c->in[i]) : NULL;
        if (t)
            code = sib_build_input(b, names[i], t->dtype, t->rank, any, NULL, err);
    }
    if (code == SIB_OK)
        code = add_node(b, c, names, err);
    for (size_t i = 0; i < c->n_out && code == SIB_OK; i++)
        code = sib_build_output(b, names[c->n_in + i], err);
    if (code == SIB_OK)
        code = sib_build_model(&b, out, err);
    sib_build_free(&b);
    return code;
}

/* Of passes, only the one over plans has anything to do for one node. */
static sib_code make_ready(const sib_ops *ops, const op_call *c, const call_key *k, ready_op **out,
                           sib_error *err)
{
    const sib_session_options options = {
        .backends = ops->backends, .pool = ops->pool, .passes = "-all,elementwise"};
    sib_model *model = NULL;
    ready_op *r = mem_calloc(1, sizeof *r);
    *out = NULL;
    if (!r || !(r->key = mem_alloc(k->n, 1))) {
        mem_free(r);
        return err_memory(err, k->n, "an operator");
    }
    memcpy(r->key, k->bytes, k->n);
    r->n_key = k->n;
    sib_code code = build(ops, c, &model, err);
    if (code == SIB_OK)
        code = sib_session_create(model, &options, &r->session, err);
    sib_model_free(&model);
    if (code == SIB_OK)
        *out = r;
    else
        ready_drop(r);
    return code;
}

/* ---- The table ----------------------------------------------------------------------------------------------- */

/* The entry of a key, n where there is none. The caller has the lock. */
static unsigned place_of(const sib_ops *ops, const call_key *k, uint64_t hash)
{
    unsigned i = 0;
    while (i < ops->n && (ops->hashes[i] != hash || ops->table[i]->n_key != k->n ||
                          memcmp(ops->table[i]->key, k->bytes, k->n)))
        i++;
    return i;
}

/* Takes a reference for a call. The caller has the lock. */
static ready_op *taken(sib_ops *ops, ready_op *r)
{
    r->used = ++ops->calls;
    r->references++;
    return r;
}

static void give_back(sib_ops *ops, ready_op *r)
{
    pthread_mutex_lock(&ops->lock);
    const bool last = --r->references == 0;
    pthread_mutex_unlock(&ops->lock);
    if (last)
        ready_drop(r);
}

/* Puts r, which is new, in the table, in place of the entry used longest ago where it is full; that one is
   returned where no call runs it. The caller has the lock. */
static ready_op *keep(sib_ops *ops, ready_op *r, uint64_t hash)
{
    unsigned at = ops->n;
    ready_op *old = NULL;
    if (at == ops->max) {
        at = 0;
        for (unsigned i = 1; i < ops->n; i++)
            at = ops->table[i]->used < ops->table[at]->used ? i : at;
        old = ops->table[at];
    } else {
        ops->n++;
    }
    r->references = 1;
    ops->table[at] = r;
    ops->hashes[at] = hash;
    return old && --old->references == 0 ? old : NULL;
}

static sib_code find_ready(sib_ops *ops, const op_call *c, const call_key *k, ready_op **out, sib_error *err)
{
    const uint64_t hash = hash_bytes(k->bytes, k->n);
    pthread_mutex_lock(&ops->lock);
    unsigned at = place_of(ops, k, hash);
    *out = at < ops->n ? taken(ops, ops->table[at]) : NULL;
    pthread_mutex_unlock(&ops->lock);
    if (*out)
        return SIB_OK;
    ready_op *made, *old;
    sib_code code = make_ready(ops, c, k, &made, err);
    if (code != SIB_OK)
        return code;
    pthread_mutex_lock(&ops->lock);
    at = place_of(ops, k, hash); /* another thread may have been faster */
    old = at < ops->n ? made : keep(ops, made, hash);
    *out = taken(ops, at < ops->n ? ops->table[at] : made);
    pthread_mutex_unlock(&ops->lock);
    if (old)
        ready_drop(old);
    return SIB_OK;
}

/* ---- Calls --------------------------------------------------------------------------------------------------- */

static sib_code run(const ready_op *r, const op_call *c, sib_value **outputs, sib_error *err)
{
    sib_named_value given[MAX_ENDS];
    end_name names[MAX_ENDS];
    size_t n = 0;
    for (size_t i = 0; i < c->n_in; i++) {
        if (!c->in[i])
            continue;
        snprintf(names[n], sizeof names[n], "%u", (unsigned)i);
        given[n] = (sib_named_value){names[n], c->in[i]};
        n++;
    }
    return sib_session_run(r->session, n, given, 0, NULL, outputs, NULL, err);
}

sib_code sib_ops_call(sib_ops *ops, const sib_op *op, size_t n_inputs, const sib_value *const *inputs,
                      size_t n_outputs, sib_value **outputs, sib_error *err)
{
    if (!ops || !op || !op->type || (n_inputs && !inputs) || !n_outputs || !outputs)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "the context, the operator, its inputs or outputs are NULL or none");
    if (n_inputs > MAX_ENDS || n_outputs > MAX_ENDS)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: %zu inputs and %zu outputs, expected at most %d each",
                       op->type, n_inputs, n_outputs, MAX_ENDS);
    const op_call c = {op, version_of(op), n_inputs, n_outputs, inputs};
    call_key k;
    ready_op *r = NULL;
    for (size_t i = 0; i < n_outputs; i++)
        outputs[i] = NULL;
    sib_code code = make_key(&c, &k, err);
    if (code == SIB_OK)
        code = find_ready(ops, &c, &k, &r, err);
    key_free(&k);
    if (code == SIB_OK) {
        code = run(r, &c, outputs, err);
        give_back(ops, r);
    }
    return code;
}
