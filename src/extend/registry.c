/* Registries: lists of what callers registered. Entries are never removed or moved while the registry lives,
   so that nodes may point to them. */
#include "extend/registry.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "onnx/text_function.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* A function that was registered as text. */
typedef struct user_function {
    text_function f;   /* strings and bytes in the arena */
    const char *label; /* "my.dom:Foo" */
} user_function;

struct sib_registry {
    atomic_size_t references; /* the caller's and one per model */
    pthread_mutex_t lock;     /* of what follows */
    graph_arena *arena;
    size_t n_ops, op_capacity;
    user_op **ops; /* (n_ops), in the arena */
    size_t n_backends, backend_capacity;
    user_backend **backends; /* (n_backends), in the arena */
    size_t n_functions, function_capacity;
    user_function **functions; /* (n_functions), in the arena */
    size_t n_libraries, library_capacity;
    void **libraries; /* (n_libraries) of plug-ins, from dlopen */
};

sib_code sib_registry_create(sib_registry **out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    sib_registry *r = *out = mem_calloc(1, sizeof *r);
    if (!r)
        return err_memory(err, sizeof *r, "a registry");
    atomic_init(&r->references, 1);
    r->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    sib_code code = arena_create(&r->arena, err);
    if (code != SIB_OK)
        sib_registry_free(out);
    return code;
}

sib_registry *registry_keep(sib_registry *r)
{
    if (r)
        atomic_fetch_add_explicit(&r->references, 1, memory_order_relaxed);
    return r;
}

void sib_registry_free(sib_registry **rp)
{
    sib_registry *r = rp ? *rp : NULL;
    if (!r)
        return;
    *rp = NULL;
    if (atomic_fetch_sub_explicit(&r->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < r->n_ops; i++)
        if (r->ops[i]->desc.release)
            r->ops[i]->desc.release(r->ops[i]->desc.context);
    for (size_t i = 0; i < r->n_backends; i++)
        if (r->backends[i]->desc.release)
            r->backends[i]->desc.release(r->backends[i]->desc.context);
    for (size_t i = r->n_libraries; i-- > 0;)
        dlclose(r->libraries[i]);
    mem_free(r->ops);
    mem_free(r->backends);
    mem_free(r->functions);
    mem_free(r->libraries);
    arena_free(&r->arena);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

/* ---- Operators ----------------------------------------------------------------------------------------- */

static sib_str plain_domain(sib_str domain)
{
    return str_is(domain, "ai.onnx") ? (sib_str){"", 0} : domain;
}

static bool find_function(const sib_registry *r, sib_str domain, sib_str name)
{
    bool found = false;
    for (size_t i = 0; i < r->n_functions && !found; i++)
        found = str_same(r->functions[i]->f.domain, domain) && str_same(r->functions[i]->f.name, name);
    return found;
}

static int64_t last_version(const user_op *op)
{
    return op->desc.until ? op->desc.until : INT64_MAX;
}

/* The caller holds the lock. */
static sib_code check_new(const sib_registry *r, const user_op *op, sib_error *err)
{
    if (ops_find(op->domain, op->name) && !op->desc.replaces_standard)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "operator %s is one of Sibyl's own: it is replaced only with replaces_standard",
                       op->label);
    for (size_t i = 0; i < r->n_ops; i++)
        if (str_same(r->ops[i]->domain, op->domain) && str_same(r->ops[i]->name, op->name) &&
            r->ops[i]->desc.since <= last_version(op) && op->desc.since <= last_version(r->ops[i]))
            return err_set(err, SIB_ERR_ARGUMENT, "operator %s is registered already for these versions",
                           op->label);
    return find_function(r, op->domain, op->name)
               ? err_set(err, SIB_ERR_ARGUMENT, "operator %s is registered already, as a function in text",
                         op->label)
               : SIB_OK;
}

sib_code sib_operator_register(sib_registry *r, const sib_operator *desc, sib_error *err)
{
    if (!r || !desc)
        return err_set(err, SIB_ERR_ARGUMENT, "the registry or the operator is NULL");
    user_op *op = NULL;
    pthread_mutex_lock(&r->lock);
    sib_code code = user_op_make(r->arena, desc, &op, err);
    if (code == SIB_OK) {
        op->domain = plain_domain(op->domain);
        code = check_new(r, op, err);
    }
    if (code == SIB_OK)
        code = ARRAY_PUSH(r->ops, r->n_ops, r->op_capacity, "a registry", err, op);
    pthread_mutex_unlock(&r->lock);
    return code;
}

static const op_def *find(const void *context, const node *n)
{
    sib_registry *r = (sib_registry *)context; /* for its lock */
    const op_def *found = NULL;
    sib_str domain = plain_domain(n->domain);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n_ops && !found; i++)
        if (str_same(r->ops[i]->name, n->type) && str_same(r->ops[i]->domain, domain) &&
            r->ops[i]->desc.since <= n->version && n->version <= last_version(r->ops[i]))
            found = &r->ops[i]->def;
    pthread_mutex_unlock(&r->lock);
    return found;
}

op_finder registry_finder(const sib_registry *r)
{
    return (op_finder){r, find};
}

const char *sib_registry_operator(const sib_registry *registry, size_t i)
{
    sib_registry *r = (sib_registry *)registry; /* for its lock */
    pthread_mutex_lock(&r->lock);
    const char *label = i < r->n_ops                    ? r->ops[i]->label
                        : i - r->n_ops < r->n_functions ? r->functions[i - r->n_ops]->label
                                                        : NULL;
    pthread_mutex_unlock(&r->lock);
    return label;
}

/* ---- Functions in text ------------------------------------------------------------------------------------ */

/* The caller holds the lock. */
static sib_code add_function(void *context, const text_function *f, sib_error *err)
{
    sib_registry *r = context;
    bool ok = true;
    size_t room = f->domain.length + f->name.length + 2;
    user_function *made = arena_alloc(r->arena, 1, sizeof *made);
    char *label = arena_alloc(r->arena, room, 1);
    if (!made || !label)
        return err_memory(err, sizeof *made, "a function");
    made->f = (text_function){arena_string(r->arena, f->domain, &ok), arena_string(r->arena, f->name, &ok),
                              arena_string(r->arena, f->bytes, &ok)};
    if (!ok)
        return err_memory(err, f->bytes.length, "a function");
    snprintf(label, room, "%s%s%s", made->f.domain.data, f->domain.length ? ":" : "", made->f.name.data);
    made->label = label;
    bool taken = find_function(r, f->domain, f->name);
    for (size_t i = 0; i < r->n_ops && !taken; i++)
        taken = str_same(r->ops[i]->domain, f->domain) && str_same(r->ops[i]->name, f->name);
    if (taken || ops_find(f->domain, f->name))
        return err_set(err, SIB_ERR_ARGUMENT, "function %s: %s", label,
                       taken ? "an operator of that name is registered already"
                             : "it is one of Sibyl's own operators");
    return ARRAY_PUSH(r->functions, r->n_functions, r->function_capacity, "a registry", err, made);
}

sib_code sib_function_register_text(sib_registry *r, const char *text, size_t size, const char *label,
                                    sib_error *err)
{
    if (!r || !text)
        return err_set(err, SIB_ERR_ARGUMENT, "the registry or the text is NULL");
    pthread_mutex_lock(&r->lock);
    size_t before = r->n_functions;
    sib_code code =
        text_functions_read((sib_str){text, size}, label ? label : "functions", add_function, r, err);
    if (code != SIB_OK)
        r->n_functions = before;
    pthread_mutex_unlock(&r->lock);
    return code;
}

sib_code registry_functions(const sib_registry *registry, onnx_more *out, sib_error *err)
{
    sib_registry *r = (sib_registry *)registry; /* for its lock */
    *out = (onnx_more){0, NULL};
    if (!r)
        return SIB_OK;
    pthread_mutex_lock(&r->lock);
    const text_function **list = mem_alloc(r->n_functions + 1, sizeof *list);
    for (size_t i = 0; list && i < r->n_functions; i++)
        list[i] = &r->functions[i]->f;
    *out = (onnx_more){list ? r->n_functions : 0, list};
    pthread_mutex_unlock(&r->lock);
    return list ? SIB_OK : err_memory(err, sizeof *list, "the functions of a registry");
}

/* ---- Backends ------------------------------------------------------------------------------------------- */

sib_code sib_backend_register(sib_registry *r, const sib_backend_definition *desc, sib_error *err)
{
    if (!r || !desc)
        return err_set(err, SIB_ERR_ARGUMENT, "the registry or the backend is NULL");
    user_backend *b = NULL;
    pthread_mutex_lock(&r->lock);
    sib_code code = user_backend_make(r->arena, desc, &b, err);
    for (size_t i = 0; i < r->n_backends && code == SIB_OK; i++)
        if (!strcmp(r->backends[i]->base.name, b->base.name))
            code = err_set(err, SIB_ERR_ARGUMENT, "backend %s is registered already", b->base.name);
    if (code == SIB_OK)
        code = ARRAY_PUSH(r->backends, r->n_backends, r->backend_capacity, "a registry", err, b);
    pthread_mutex_unlock(&r->lock);
    return code;
}

const sib_backend *registry_backend(const sib_registry *registry, size_t i)
{
    sib_registry *r = (sib_registry *)registry; /* for its lock */
    if (!r)
        return NULL;
    pthread_mutex_lock(&r->lock);
    const sib_backend *b = i < r->n_backends ? &r->backends[i]->base : NULL;
    pthread_mutex_unlock(&r->lock);
    return b;
}

const char *sib_registry_backend(const sib_registry *r, size_t i)
{
    const sib_backend *b = registry_backend(r, i);
    return b ? b->name : NULL;
}

/* ---- Plug-ins ------------------------------------------------------------------------------------------- */

/* Makes the functions of this library visible to plug-ins, whether it is the program, a library or a module
   of an interpreter that keeps it to itself. */
static void show_functions(void)
{
    Dl_info here;
    if (dladdr((const void *)&sib_registry_create, &here) && here.dli_fname)
        dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
}

static sib_code check_plugin(void *library, const char *path, sib_code (**init)(sib_registry *, sib_error *),
                             sib_error *err)
{
    const uint32_t *abi = dlsym(library, "sibyl_plugin_abi");
    void *symbol = dlsym(library, "sibyl_plugin_init");
    if (!abi || !symbol)
        return err_set(err, SIB_ERR_FORMAT, "%s: is no plug-in of Sibyl: it has no %s", path,
                       abi ? "sibyl_plugin_init" : "sibyl_plugin_abi");
    if (*abi != SIB_PLUGIN_ABI)
        return err_set(
            err, SIB_ERR_FORMAT,
            "%s: is built for version %u of the plug-in interface, this library has version %d: build "
            "it again with this library's headers",
            path, *abi, SIB_PLUGIN_ABI);
    memcpy(init, &symbol, sizeof symbol); /* ISO C has no cast from an object to a function */
    return SIB_OK;
}

sib_code sib_plugin_load(sib_registry *r, const char *path, sib_error *err)
{
    sib_code (*init)(sib_registry *, sib_error *) = NULL;
    char beside[4096]; /* the loader searches the system's folders for names without a folder */
    if (!r || !path)
        return err_set(err, SIB_ERR_ARGUMENT, "the registry or the path is NULL");
    if (snprintf(beside, sizeof beside, "%s%s", strchr(path, '/') ? "" : "./", path) >= (int)sizeof beside)
        return err_set(err, SIB_ERR_ARGUMENT, "the path of a plug-in has more than %zu bytes",
                       sizeof beside - 4);
    pthread_mutex_lock(&r->lock);
    sib_code code = ARRAY_RESERVE(r->libraries, r->library_capacity, r->n_libraries + 1, "a registry", err);
    pthread_mutex_unlock(&r->lock);
    if (code != SIB_OK)
        return code;
    show_functions();
    void *library = dlopen(beside, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return err_set(err, SIB_ERR_IO, "plug-in %s", dlerror());
    code = check_plugin(library, path, &init, err);
    if (code != SIB_OK) {
        dlclose(library);
        return code;
    }
    pthread_mutex_lock(&r->lock); /* kept even where it fails: it may have registered something */
    code = ARRAY_PUSH(r->libraries, r->n_libraries, r->library_capacity, "a registry", err, library);
    pthread_mutex_unlock(&r->lock);
    sib_error why = SIB_ERROR_INIT;
    if (code == SIB_OK && (code = init(r, &why)) != SIB_OK)
        return err_set(err, code, "plug-in %s: %s", path, why.message[0] ? why.message : sib_code_text(code));
    return code;
}
