/* Registered backends: callbacks in the places of backend/backend.h. */
#include "extend/extend.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

/* A backend opened by a session. */
typedef struct opened {
    const user_backend *backend;
    sib_pool *pool;
} opened;

static sib_code open(const sib_backend_options *options, void **self, sib_error *err)
{
    opened *o = *self = mem_calloc(1, sizeof *o);
    if (!o)
        return err_memory(err, sizeof *o, "a backend");
    *o = (opened){(const user_backend *)options->backend, options->pool};
    return SIB_OK;
}

static void close(void **self)
{
    mem_free(*self);
    *self = NULL;
}

static bool claims(const void *self, const node_view *n)
{
    const opened *o = self;
    const sib_node view = {n->graph, n->node};
    const struct milli_def *m = n->node->milli;
    if (m && (m->kind == MILLI_fused || m->kind == MILLI_call))
        return false; /* fused groups are for kernels of this library, calls are run as they are */
    return n->n_in <= SIB_OPERATOR_ENDS && n->n_out <= SIB_OPERATOR_ENDS &&
           o->backend->desc.supports(o->backend->desc.context, &view);
}

static sib_code prepare(void *self, const node_view *n, step *s, sib_error *err)
{
    const opened *o = self;
    const sib_node view = {n->graph, n->node};
    sib_error why = SIB_ERROR_INIT;
    sib_code code = o->backend->desc.prepare
                        ? o->backend->desc.prepare(o->backend->desc.context, &view, &s->state, &why)
                        : SIB_OK;
    if (code != SIB_OK)
        s->state = NULL;
    return code == SIB_OK ? SIB_OK
                          : err_set(err, code, "%s", why.message[0] ? why.message : sib_code_text(code));
}

static void release(step *s)
{
    const opened *o = s->self;
    if (s->state && o->backend->desc.discard)
        o->backend->desc.discard(o->backend->desc.context, s->state);
    s->state = NULL;
}

static sib_code run(const step *s, const buffer *const *in, buffer *const *out,
                    const struct sib_cancel *cancel, sib_error *err)
{
    const opened *o = s->self;
    return call_function(s, &(call_how){.backend = o->backend, .state = s->state, .pool = o->pool}, in, out,
                         cancel, err);
}

static bool is_word(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return name && *name && strspn(name, letters) == strlen(name) && strlen(name) < 48;
}

sib_code user_backend_make(graph_arena *arena, const sib_backend_definition *desc, user_backend **out,
                           sib_error *err)
{
    bool ok = true;
    if (!is_word(desc->name))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "a backend is called '%.60s', expected up to 47 letters, digits, - and _",
                       desc->name ? desc->name : "");
    if (backend_named(desc->name) || !strcmp(desc->name, backend_registered.name))
        return err_set(err, SIB_ERR_ARGUMENT, "backend %s is one of Sibyl's own", desc->name);
    if (!desc->supports || !desc->run)
        return err_set(err, SIB_ERR_ARGUMENT, "backend %s has no %s", desc->name,
                       desc->run ? "supports" : "run");
    user_backend *b = *out = arena_alloc(arena, 1, sizeof *b);
    if (!b)
        return err_memory(err, sizeof *b, "a backend");
    b->desc = *desc;
    b->base = (sib_backend){
        .name = arena_string(arena, str_of(desc->name), &ok).data,
        .description = arena_string(arena, str_of(desc->description ? desc->description : ""), &ok).data,
        .open = open,
        .close = close,
        .claims = claims,
        .prepare = prepare,
        .release = release,
        .run = run,
        .registered = true};
    return ok ? SIB_OK : err_memory(err, strlen(desc->name), "a backend");
}
