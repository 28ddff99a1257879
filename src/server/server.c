/* The server's public calls. */
#include "server/handlers.h"
#include "server/http/folders.h"
#include "server/http/guard.h"
#include "server/http/listener.h"
#include "server/http/sockets.h"
#include "server/http/state.h"
#include "server/models/catalog.h"
#include "server/models/openings.h"
#include "server/runs/live.h"
#include "server/runs/peaks.h"
#include "server/runs/runs.h"
#include "server/speech/recordings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sib_server {
    struct server s; /* first and only */
};

/* Copies a string of the options; returns false where memory fails. */
static bool own(const char **text)
{
    return !*text || (*text = strdup(*text));
}

static bool fill_options(sib_server_options *o)
{
    unsigned processors = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    o->host = o->host ? o->host : "127.0.0.1";
    o->jobs = o->jobs ? o->jobs : processors ? processors : 1;
    o->batch = o->batch ? o->batch : 16;
    o->queue = o->queue ? o->queue : 64;
    o->prefix_bytes = o->prefix_bytes == UINT64_MAX ? 0 : o->prefix_bytes ? o->prefix_bytes : 256ull << 20;
    o->max_upload = o->max_upload ? o->max_upload : 256ull << 20;
    o->max_bodies = o->max_bodies ? o->max_bodies : 4 * o->max_upload;
    o->max_connections = o->max_connections ? o->max_connections : 2048;
    o->time_limit = o->time_limit > 0 ? o->time_limit : 600;
    o->send_timeout = o->send_timeout > 0 ? fmin(o->send_timeout, 1e6) : 30;
    o->grace = o->grace > 0 ? o->grace : 10;
    const char **texts[] = {&o->host,   &o->token,    &o->tls_cert, &o->tls_key,
                            &o->models, &o->backends, &o->wyoming};
    bool done = true;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!done)
            *texts[i] = NULL; /* the caller's: not ours to free */
        else
            done = own(texts[i]);
    }
    return done;
}

static sib_code check_options(const sib_server_options *o, sib_error *err)
{
    if (!o->tls_cert != !o->tls_key)
        return server_fail(err, SIB_ERR_ARGUMENT, "TLS needs both a certificate and its key");
    if (o->token && !*o->token)
        return server_fail(err, SIB_ERR_ARGUMENT, "the token is empty");
    char bound[64] = "";
    if (o->socket && !socket_host(o->socket, bound, sizeof bound))
        return server_fail(err, SIB_ERR_ARGUMENT, "descriptor %d is no TCP socket that listens", o->socket);
    const char *host = o->socket ? bound : o->host ? o->host : "127.0.0.1";
    if (!guard_loopback(host) && !o->token)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "'%.100s' can be reached from other machines, so a token is needed", host);
    char wyoming[256] = "127.0.0.1";
    unsigned port;
    if (o->wyoming && socket_place(o->wyoming, wyoming, &port, err) != SIB_OK)
        return err->code;
    if (!guard_loopback(wyoming))
        return server_fail(
            err, SIB_ERR_ARGUMENT,
            "'%.100s' can be reached from other machines, and Wyoming knows no tokens: give it a "
            "loopback address",
            wyoming);
    if (o->batch > 64)
        return server_fail(err, SIB_ERR_ARGUMENT, "a batch has at most 64 sequences, not %u", o->batch);
    if (o->port > 65535)
        return server_fail(err, SIB_ERR_ARGUMENT, "the port must be below 65536, not %u", o->port);
    struct stat at;
    if (o->models && (stat(o->models, &at) || !S_ISDIR(at.st_mode)))
        return server_fail(err, SIB_ERR_ARGUMENT, "%s: is no folder, expected one with models", o->models);
    return SIB_OK;
}

sib_code sib_server_create(const sib_server_options *options, sib_server **out, sib_error *err)
{
    sib_error local = SIB_ERROR_INIT;
    err = err ? err : &local;
    sib_server_options none = {0};
    options = options ? options : &none;
    sib_code code = check_options(options, err);
    if (code != SIB_OK)
        return code;
    sib_server *server = calloc(1, sizeof *server);
    if (!server)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    struct server *s = &server->s;
    s->options = *options;
    s->began = sib_time_ns();
    pthread_mutex_init(&s->outlets.lock, NULL);
    pthread_mutex_init(&s->mailboxes.lock, NULL);
    bool filled = fill_options(&s->options);
    gate_create(&s->alone, s->options.jobs);
    gate_create(&s->choices, s->options.batch);
    if (!filled || !(s->catalog = catalog_create(s)) || !(s->metrics = metrics_create()) ||
        !(s->recordings = recordings_create(s->options.max_upload)) || !(s->runs = runs_create(s)) ||
        !(s->live = live_create(s)) || !(s->peaks = peaks_create(s->options.threads)) ||
        !(s->folders = folders_create()) || !(s->openings = openings_create()) ||
        (s->options.models && !folders_add(s->folders, s->options.models)))
        code = server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    if (code == SIB_OK)
        code = work_create(s->options.jobs, s->options.batch, s->options.queue, &s->work, err);
    if (code == SIB_OK)
        code = listener_create(s, &server_calls, &s->listener, err);
    if (code == SIB_OK)
        *out = server;
    else
        sib_server_free(&server);
    return code;
}

sib_code sib_server_open(sib_server *server, const char *path, sib_error *err)
{
    sib_error local = SIB_ERROR_INIT;
    err = err ? err : &local;
    served *v = NULL;
    if (!folders_add_of(server->s.folders, path))
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    sib_code code = catalog_open(server->s.catalog, path, &v, err);
    catalog_release(v);
    return code;
}

const char *sib_server_address(const sib_server *server)
{
    return server->s.address;
}

const char *sib_server_wyoming_address(const sib_server *server)
{
    return server->s.options.wyoming ? server->s.wyoming_address : NULL;
}

sib_code sib_server_run(sib_server *server, sib_error *err)
{
    return listener_run(server->s.listener, err);
}

void sib_server_stop(sib_server *server)
{
    atomic_store(&server->s.stopping, true);
}

void sib_server_free(sib_server **server)
{
    if (!server || !*server)
        return;
    struct server *s = &(*server)->s;
    if (s->work)
        work_close(s->work);
    if (s->listener)
        listener_cancel(s->listener);
    if (s->runs)
        runs_tick(s->runs, true);
    mailboxes_cancel(&s->mailboxes);
    work_free(&s->work); /* before the loop: workers mark what they answer there */
    listener_free(&s->listener);
    outlets_clear(&s->outlets);
    runs_free(&s->runs);
    recordings_free(&s->recordings);
    live_free(&s->live);
    peaks_free(&s->peaks);
    catalog_free(&s->catalog);
    metrics_free(&s->metrics);
    folders_free(&s->folders);
    openings_free(&s->openings);
    pthread_mutex_destroy(&s->outlets.lock);
    pthread_mutex_destroy(&s->mailboxes.lock);
    gate_free(&s->alone);
    gate_free(&s->choices);
    const char *texts[] = {s->options.host,   s->options.token,    s->options.tls_cert, s->options.tls_key,
                           s->options.models, s->options.backends, s->options.wyoming};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free((char *)(uintptr_t)texts[i]);
    free(*server);
    *server = NULL;
}
