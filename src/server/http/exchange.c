#include "server/http/exchange_inner.h"

#include "server/http/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void exchange_destroy(outlet *o)
{
    exchange *x = (exchange *)o;
    atomic_fetch_sub(&x->server->held_bytes, x->held);
    free(x->method);
    free(x->path);
    free(x->type);
    for (size_t i = 0; i < MAX_PARAMS; i++)
        free(x->params[i]);
    for (size_t i = 0; i < x->n_queries; i++) {
        free(x->queries[i].name);
        free(x->queries[i].value);
    }
    for (size_t i = 0; i < N_HEADERS; i++)
        free(x->headers[i]);
    for (size_t i = 0; i < x->n_parts; i++) {
        free(x->parts[i].name);
        free(x->parts[i].file);
        buffer_free(&x->parts[i].data);
    }
    buffer_free(&x->body);
    buffer_free(&x->header_lines);
    buffer_free(&x->pending);
    if (x->release)
        x->release(x->release_context);
    sib_cancel_free(&x->cancel);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->sent);
    free(x);
}

exchange *exchange_create(struct server *s)
{
    exchange *x = calloc(1, sizeof *x);
    if (!x || sib_cancel_create(&x->cancel, NULL) != SIB_OK) {
        free(x);
        return NULL;
    }
    atomic_init(&x->out.refs, 1);
    x->out.destroy = exchange_destroy;
    x->server = s;
    x->id = atomic_fetch_add(&s->next_exchange, 1) + 1;
    x->began = sib_time_ns();
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->sent, NULL);
    return x;
}

exchange *exchange_hold(exchange *x)
{
    outlet_hold(&x->out);
    return x;
}

void exchange_release(exchange *x)
{
    outlet_release(x ? &x->out : NULL);
}

bool exchange_set(char **text, const char *from, size_t size)
{
    free(*text);
    *text = strndup(from, size);
    return *text != NULL;
}

void exchange_cancel_set(exchange *x)
{
    atomic_store(&x->cancelled, true);
    sib_cancel_set(x->cancel);
    pthread_mutex_lock(&x->lock);
    pthread_cond_broadcast(&x->sent);
    pthread_mutex_unlock(&x->lock);
}

/* ---- What handlers read ---- */

struct server *exchange_server(const exchange *x)
{
    return x->server;
}

const char *exchange_method(const exchange *x)
{
    return x->method;
}

const char *exchange_path(const exchange *x)
{
    return x->path;
}

const char *exchange_param(const exchange *x, const char *name)
{
    size_t i = 0, size = strlen(name);
    for (const char *at = x->route->path; (at = strchr(at, '{')); i++)
        if (!strncmp(++at, name, size) && at[size] == '}')
            return x->params[i];
    return "";
}

const char *exchange_query(const exchange *x, const char *name)
{
    for (size_t i = 0; i < x->n_queries; i++)
        if (!strcmp(x->queries[i].name, name))
            return x->queries[i].value;
    return NULL;
}

const char *exchange_header(const exchange *x, header h)
{
    return x->headers[h];
}

const buffer *exchange_body(const exchange *x)
{
    return &x->body;
}

const part *exchange_part(const exchange *x, const char *name)
{
    for (size_t i = 0; i < x->n_parts; i++)
        if (!strcmp(x->parts[i].name, name))
            return &x->parts[i];
    return NULL;
}

part exchange_take_part(exchange *x, const char *name)
{
    part *p = (part *)(uintptr_t)exchange_part(x, name), taken = {0};
    if (!p)
        return taken;
    taken = (part){.file = p->file, .data = p->data};
    p->file = NULL;
    p->data = (buffer){0};
    return taken;
}

const part *exchange_part_at(const exchange *x, size_t i)
{
    return i < x->n_parts ? &x->parts[i] : NULL;
}

const sib_cancel *exchange_cancel(const exchange *x)
{
    return x->cancel;
}

bool exchange_cancelled(const exchange *x)
{
    return atomic_load(&x->cancelled);
}

uint64_t exchange_id(const exchange *x)
{
    return x->id;
}
