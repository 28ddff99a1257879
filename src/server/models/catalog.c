#include "server/models/catalog.h"

#include "server/http/state.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MAX_MODELS   64
#define MAX_SESSIONS 16 /* of a model: choices of call, backends and oracle */
#define MAX_ID       64

typedef struct kept_session {
    char *call, *backends;
    bool oracle;
    sib_session *session;
} kept_session;

struct served_inner {
    atomic_uint refs;
    struct server *server;
    pthread_mutex_t making; /* held while a session is made, without `lock` */
    pthread_mutex_t lock;   /* of the list */
    kept_session sessions[MAX_SESSIONS];
    size_t n_sessions;
};

struct catalog {
    struct server *server;
    pthread_mutex_t lock;
    served *all[MAX_MODELS];
    size_t n;
    atomic_ullong last_number;
};

catalog *catalog_create(struct server *s)
{
    catalog *m = calloc(1, sizeof *m);
    if (m) {
        m->server = s;
        pthread_mutex_init(&m->lock, NULL);
    }
    return m;
}

void catalog_free(catalog **m)
{
    if (!*m)
        return;
    for (size_t i = 0; i < (*m)->n; i++)
        catalog_release((*m)->all[i]);
    pthread_mutex_destroy(&(*m)->lock);
    free(*m);
    *m = NULL;
}

/* ---- One model ---- */

void catalog_release(served *v)
{
    if (!v || atomic_fetch_sub(&v->inner->refs, 1) != 1)
        return;
    for (size_t i = 0; i < v->inner->n_sessions; i++) {
        kept_session *k = &v->inner->sessions[i];
        sib_session_free(&k->session);
        free(k->call);
        free(k->backends);
    }
    sib_batch_free(&v->batch);
    sib_job_free(&v->job);
    sib_model_free(&v->model);
    file_hash_free(&v->hash);
    pthread_mutex_destroy(&v->inner->making);
    pthread_mutex_destroy(&v->inner->lock);
    free(v->inner);
    free(v->id);
    free(v->file);
    free(v->alone);
    free(v);
}

served *served_hold(served *v)
{
    if (v)
        atomic_fetch_add(&v->inner->refs, 1);
    return v;
}

/* The session of the job's call, or of the first where call is NULL; *at (may be NULL): its index. */
static sib_session *job_session(const served *v, const char *call, size_t *at)
{
    const char *name;
    sib_session *s;
    for (size_t i = 0; v->job && (s = sib_job_session(v->job, i, &name)); i++)
        if (!call || !strcmp(call, name)) {
            if (at)
                *at = i;
            return s;
        }
    return NULL;
}

sib_session *served_unwatched(const served *v, const char *call)
{
    size_t at;
    return job_session(v, call, &at) ? sib_job_unwatched_session(v->job, at) : NULL;
}

const sib_model *served_model(served *v, const char *call)
{
    sib_session *s = job_session(v, call, NULL);
    return s ? sib_session_model(s) : v->job || call ? NULL : v->model;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* NULL where there is none yet. */
static sib_session *find_session(struct served_inner *in, const char *call, const char *backends, bool oracle)
{
    sib_session *found = NULL;
    pthread_mutex_lock(&in->lock);
    for (size_t i = 0; i < in->n_sessions && !found; i++) {
        kept_session *k = &in->sessions[i];
        if (same(k->call, call) && same(k->backends, backends) && k->oracle == oracle)
            found = k->session;
    }
    pthread_mutex_unlock(&in->lock);
    return found;
}

/* The caller holds `making`, so that n_sessions stays as it is. */
static sib_code make_session(served *v, const sib_model *model, const char *call, const char *backends,
                             bool oracle, sib_session **out, sib_error *err)
{
    struct served_inner *in = v->inner;
    const sib_server_options *own = &in->server->options;
    if (in->n_sessions == MAX_SESSIONS)
        return server_fail(err, SIB_ERR_SIZE,
                           "the model '%s' has %d sessions open, as many as it may: unload it first", v->id,
                           MAX_SESSIONS);
    kept_session k = {call ? strdup(call) : NULL, backends ? strdup(backends) : NULL, oracle, NULL};
    sib_session_options o = {.backends = oracle     ? "ref"
                                         : backends ? backends
                                                    : own->backends,
                             .threads = own->threads,
                             .oracle = oracle};
    sib_code code = SIB_OK;
    if ((call && !k.call) || (backends && !k.backends))
        code = server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    else /* a session keeps its model, whose pointer is the job's: sharing changes nothing in it */
        code = sib_session_create((sib_model *)(uintptr_t)model, &o, &k.session, err);
    if (code != SIB_OK) {
        free(k.call);
        free(k.backends);
        return code;
    }
    *out = k.session;
    pthread_mutex_lock(&in->lock);
    in->sessions[in->n_sessions++] = k;
    pthread_mutex_unlock(&in->lock);
    return SIB_OK;
}

sib_code served_session(served *v, const char *call, const char *backends, bool oracle, sib_session **out,
                        sib_error *err)
{
    const sib_model *model = served_model(v, call);
    struct served_inner *in = v->inner;
    if (!model)
        return server_fail(err, SIB_ERR_ARGUMENT, "the model '%s' has no graph%s%s", v->id,
                           call ? " of a call " : "", call ? call : "");
    sib_session *of_job = job_session(v, call, NULL);
    if (of_job && !backends && !oracle) {
        *out = of_job;
        return SIB_OK;
    }
    *out = find_session(in, call, backends, oracle);
    if (*out)
        return SIB_OK;
    pthread_mutex_lock(&in->making);
    sib_code code = SIB_OK;
    *out = find_session(in, call, backends, oracle); /* another request may have made it */
    if (!*out)
        code = make_session(v, model, call, backends, oracle, out, err);
    pthread_mutex_unlock(&in->making);
    return code;
}

/* ---- Opening ---- */

/* The name without its extension, in letters, digits, "-", "_" and "."; owned by the caller. */
static char *id_of(const char *path)
{
    const char *base = server_base_name(path);
    char *id = strndup(*base ? base : "model", MAX_ID);
    char *dot = id ? strrchr(id, '.') : NULL;
    if (dot && dot > id)
        *dot = 0;
    size_t n = id ? strlen(id) : 0;
    if (n > 4 && !strcmp(id + n - 4, ".job"))
        id[n - 4] = 0;
    for (char *at = id; at && *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("-_.", *at))
            *at = '-';
    return id;
}

static served *find(catalog *m, const char *id)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->all[i]->id, id))
            return m->all[i];
    return NULL;
}

/* Adds a model under a name that no other has: "digits", "digits-2". Takes v; *out is held by the caller. */
static sib_code add(catalog *m, served *v, served **out, sib_error *err)
{
    pthread_mutex_lock(&m->lock);
    sib_code code = SIB_OK;
    if (m->n == MAX_MODELS)
        code = server_fail(err, SIB_ERR_SIZE, "%d models are open, as many as may be: unload one first",
                           MAX_MODELS);
    for (unsigned i = 2; code == SIB_OK && find(m, v->id); i++) {
        char *numbered = malloc(MAX_ID + 16), *dash = i > 2 ? strrchr(v->id, '-') : NULL;
        if (numbered)
            snprintf(numbered, MAX_ID + 16, "%.*s-%u", dash ? (int)(dash - v->id) : MAX_ID, v->id, i);
        else
            code = server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
        if (numbered) {
            free(v->id);
            v->id = numbered;
        }
    }
    if (code == SIB_OK) {
        m->all[m->n++] = *out = served_hold(v);
        atomic_store(&m->server->n_models, m->n);
    }
    pthread_mutex_unlock(&m->lock);
    if (code != SIB_OK)
        catalog_release(v);
    return code;
}

/* Takes hash; NULL: no memory. */
static served *make(catalog *m, const char *path, file_hash *hash)
{
    served *v = calloc(1, sizeof *v);
    struct served_inner *in = calloc(1, sizeof *in);
    if (v && in) {
        v->inner = in;
        v->hash = hash;
        v->id = id_of(path);
        v->file = strdup(server_base_name(path));
        v->number = atomic_fetch_add(&m->last_number, 1) + 1;
        v->opened = (int64_t)time(NULL);
        in->server = m->server;
        atomic_init(&in->refs, 1);
        pthread_mutex_init(&in->making, NULL);
        pthread_mutex_init(&in->lock, NULL);
        if (v->id && v->file && v->hash)
            return v;
        catalog_release(v);
        return NULL;
    }
    file_hash_free(&hash);
    free(v);
    free(in);
    return NULL;
}

/* The job of a path, or where it has none its graph. */
static sib_code open_path(served *v, const char *path, const struct server *s, sib_error *err)
{
    sib_job_options o = {.backends = s->options.backends, .threads = s->options.threads, .confine = true};
    sib_error of_job = SIB_ERROR_INIT;
    if (sib_job_open(path, &o, &v->job, &of_job) == SIB_OK)
        return SIB_OK;
    size_t n = strlen(path);
    if (n > 5 && !strcmp(path + n - 5, ".onnx") && of_job.code == SIB_ERR_UNSUPPORTED)
        return sib_model_open(path, NULL, &v->model, err);
    *err = of_job;
    return of_job.code;
}

/* The batch of a model that generates text, or why it has none. */
static sib_code open_batch(served *v, const struct server *s, sib_error *err)
{
    const sib_batch_options o = {.max_sequences = s->options.batch,
                                 .prefix_bytes = (size_t)s->options.prefix_bytes};
    sib_error why = SIB_ERROR_INIT;
    if (strcmp(v->kind, "text-generation") != 0)
        return SIB_OK;
    sib_code code = s->options.batch > 1
                        ? sib_batch_create(v->job, &o, &v->batch, &why)
                        : server_fail(&why, SIB_ERR_UNSUPPORTED, "the server makes no batches");
    if (code == SIB_OK)
        return SIB_OK;
    if (code != SIB_ERR_UNSUPPORTED) {
        *err = why;
        return code;
    }
    v->alone = strdup(why.message);
    return v->alone ? SIB_OK : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
}

sib_code catalog_open(catalog *m, const char *path, served **out, sib_error *err)
{
    served *v = make(m, path, file_hash_create(path));
    if (!v)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    struct stat file;
    v->bytes = stat(path, &file) ? 0 : (uint64_t)file.st_size;
    sib_code code = open_path(v, path, m->server, err);
    sib_job_info info = {.kind = "graph"};
    if (v->job)
        sib_job_get_info(v->job, &info);
    v->kind = info.kind;
    if (code == SIB_OK)
        code = open_batch(v, m->server, err);
    if (code == SIB_OK)
        return add(m, v, out, err);
    catalog_release(v);
    return code;
}

sib_code catalog_open_bytes(catalog *m, const char *name, const void *data, size_t size,
                            const sib_open_options *options, served **out, sib_error *err)
{
    served *v = make(m, name, file_hash_of_bytes(data, size));
    if (!v)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    v->bytes = size;
    v->kind = "graph";
    sib_code code = sib_model_open_bytes(data, size, options, &v->model, err);
    if (code == SIB_OK)
        return add(m, v, out, err);
    catalog_release(v);
    return code;
}

sib_code catalog_add_document(catalog *m, const char *text, size_t size, sib_job *job, served **out,
                              sib_error *err)
{
    sib_job_info info;
    sib_job_get_info(job, &info);
    served *v = make(m, *info.name ? info.name : "job", file_hash_of_bytes(text, size));
    if (!v) {
        sib_job_free(&job);
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    }
    v->job = job;
    v->bytes = size;
    v->kind = "document";
    return add(m, v, out, err);
}

/* ---- Names of files ---- */

/* name below folder, after resolving links; NULL where it is not there or leads out. Owned by the caller. */
static char *resolve_in(const char *folder, const char *name)
{
    char *base = folder ? realpath(folder, NULL) : NULL;
    char joined[4096];
    int n = base ? snprintf(joined, sizeof joined, "%s/%s", base, name) : -1;
    char *path = n > 0 && n < (int)sizeof joined ? realpath(joined, NULL) : NULL;
    size_t size = base ? strlen(base) : 0;
    if (path && (strncmp(path, base, size) != 0 || (path[size] != '/' && path[size]))) {
        free(path);
        path = NULL;
    }
    free(base);
    return path;
}

sib_code catalog_resolve(const catalog *m, const char *name, char **path, sib_error *err)
{
    const sib_server_options *o = &m->server->options;
    if (!*name || *name == '/')
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "a file is named relative to the server's folder of models");
    *path = resolve_in(o->models, name);
    if (*path)
        return SIB_OK;
    return server_fail(err, SIB_ERR_ARGUMENT, "the server's folder of models has no file '%.100s'", name);
}

/* ---- Finding ---- */

served *catalog_hold(catalog *m, const char *id)
{
    pthread_mutex_lock(&m->lock);
    served *v = served_hold(find(m, id));
    pthread_mutex_unlock(&m->lock);
    return v;
}

served *catalog_hold_kind(catalog *m, const char *kind)
{
    pthread_mutex_lock(&m->lock);
    served *v = NULL;
    for (size_t i = 0; i < m->n && !v; i++)
        if (!strcmp(m->all[i]->kind, kind))
            v = served_hold(m->all[i]);
    pthread_mutex_unlock(&m->lock);
    return v;
}

served *catalog_hold_at(catalog *m, size_t i)
{
    pthread_mutex_lock(&m->lock);
    served *v = i < m->n ? served_hold(m->all[i]) : NULL;
    pthread_mutex_unlock(&m->lock);
    return v;
}

served *catalog_find(catalog *m, const char *id, const char *kind, const char *does, const char *alias,
                     sib_error *err)
{
    served *v = id ? catalog_hold(m, id) : NULL;
    if (!v && (!id || (alias && !strcmp(id, alias))))
        v = catalog_hold_kind(m, kind);
    if (!v)
        server_fail(err, SIB_ERR_ARGUMENT,
                    "there is no model '%.80s' that %s; /v1/models lists those that are open", id ? id : "",
                    does);
    else if (strcmp(v->kind, kind) != 0) {
        server_fail(err, SIB_ERR_UNSUPPORTED, "the model '%.80s' is of the kind '%s': none that %s", v->id,
                    v->kind, does);
        catalog_release(v);
        v = NULL;
    }
    return v;
}

bool catalog_close(catalog *m, const char *id)
{
    pthread_mutex_lock(&m->lock);
    served *v = find(m, id);
    size_t i = 0;
    while (v && m->all[i] != v)
        i++;
    if (v) {
        memmove(&m->all[i], &m->all[i + 1], (--m->n - i) * sizeof m->all[0]);
        atomic_store(&m->server->n_models, m->n);
    }
    pthread_mutex_unlock(&m->lock);
    catalog_release(v);
    return v != NULL;
}
