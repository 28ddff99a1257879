#include "server/http/listener_inner.h"

#include "server/http/sockets.h"
#include "server/http/state.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_NSEC      (50 * 1000 * 1000)
#define HEADER_BYTES   (16 * 1024)
#define HEADER_SECONDS 20
#define IDLE_SECONDS   75
#define LAST_SECONDS   2 /* for the answers of requests that were cancelled at the end to be taken */

#define FEW_CONNECTIONS 64
#define GATHER_NSEC     1000 /* per connection, of which a look takes about 60 */

/* ---- Time limits and the end ---- */

/* Ends requests that take too long, and the loop once the server stops and nothing is left to send. */
static void on_tick(listener *l)
{
    struct server *s = l->server;
    uint64_t ticks;
    if (read(l->timer, &ticks, sizeof ticks) < 0)
        return;
    uint64_t now = sib_time_ns();
    for (exchange *x = l->exchanges; x; x = x->next)
        if ((double)(now - x->began) / 1e9 > s->options.time_limit && !atomic_load(&x->cancelled)) {
            atomic_store(&x->timed_out, true);
            exchange_cancel_set(x);
        }
    l->calls->tick(s);
    mailboxes_tick(&s->mailboxes);
    if (atomic_load(&s->stopping) && !l->stop_began)
        l->stop_began = now;
    if (l->stop_began) {
        unsigned waiting, running;
        work_load(s->work, &waiting, &running);
        const bool told = mailboxes_finish(&s->mailboxes);
        bool over = (double)(now - l->stop_began) / 1e9 > s->options.grace;
        for (exchange *x = over ? l->exchanges : NULL; x; x = x->next)
            exchange_cancel_set(x);
        if (over) {
            l->calls->cancel(s);
            mailboxes_cancel(&s->mailboxes);
        }
        const bool works = waiting || running; /* it ends by itself: all of it is cancelled */
        if (!over || works)
            l->worked = now;
        if ((told && !l->exchanges && !works) || (double)(now - l->worked) / 1e9 > LAST_SECONDS)
            atomic_store(&l->ended, true);
    }
}

/* ---- Callbacks ---- */

static int on_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);

/* What clients may name as a WebSocket's protocol; the first serves HTTP and those that name none. */
static const struct lws_protocols protocols[] = {
    {"http", on_callback, sizeof(connection), 32 * 1024, 0, NULL, 0},
    {"realtime", on_callback, sizeof(connection), 32 * 1024, 0, NULL, 0},
    {RAW_PROTOCOL, on_callback, sizeof(connection), 32 * 1024, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

/* Takes the connections that wait at a listening socket. */
static void accept_all(listener *l, int listening)
{
    bool raw = listening == l->wyoming;
    for (;;) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (l->n_connections >= l->server->options.max_connections || l->stop_began) {
            close(fd);
            continue;
        }
        lws_sock_file_fd_type descriptor = {.sockfd = fd};
        lws_adoption_type type =
            raw ? LWS_ADOPT_SOCKET : LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET | LWS_ADOPT_ALLOW_SSL;
        /* closes it on failure */
        lws_adopt_descriptor_vhost(l->vhost, type, descriptor, raw ? RAW_PROTOCOL : NULL, NULL);
    }
}

static int on_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    listener *l = lws_context_user(lws_get_context(wsi));
    connection *c = user;
    switch (reason) {
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        outlets_flush(&l->server->outlets);
        return 0;
    case LWS_CALLBACK_RAW_RX_FILE:
        if (lws_get_socket_fd(wsi) == l->timer)
            on_tick(l);
        else
            accept_all(l, lws_get_socket_fd(wsi));
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        l->n_connections++;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        l->n_connections--;
        return 0;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLOSED:
        return websocket_callback(l, wsi, reason, c, in, size);
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
    case LWS_CALLBACK_RAW_WRITEABLE:
    case LWS_CALLBACK_RAW_CLOSE:
        return l->calls->raw(l, wsi, reason, c, in, size);
    default:
        return http_callback(l, wsi, reason, c, in, size);
    }
}

/* ---- The end ---- */

void listener_cancel(listener *l)
{
    for (exchange *x = l->exchanges; x; x = x->next)
        exchange_cancel_set(x);
}

/* ---- Making it ---- */

static void allow_descriptors(unsigned connections)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < connections + 256u) {
        limit.rlim_cur = limit.rlim_max < connections + 256u ? limit.rlim_max : connections + 256u;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static const uint32_t retry_milliseconds[] = {1000};
/* A WebSocket that is silent for 30 s gets a ping, and is closed where nothing comes back for 15 s more. */
static const lws_retry_bo_t idle_policy = {.retry_ms_table = retry_milliseconds,
                                           .retry_ms_table_count = 1,
                                           .secs_since_valid_ping = 30,
                                           .secs_since_valid_hangup = 45};

static bool make_context(listener *l)
{
    const sib_server_options *o = &l->server->options;
    struct lws_context_creation_info info = {0};
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = protocols;
    info.user = l;
    info.gid = (gid_t)-1;
    info.uid = (uid_t)-1;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
                   (o->tls_cert ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0);
    info.max_http_header_data2 = HEADER_BYTES;
    info.max_http_header_pool2 = o->max_connections;
    info.timeout_secs = HEADER_SECONDS;
    info.keepalive_timeout = IDLE_SECONDS;
    info.retry_and_idle_policy = &idle_policy;
    info.ssl_cert_filepath = o->tls_cert;
    info.ssl_private_key_filepath = o->tls_key;
    info.alpn = "h2,http/1.1";
    info.pt_serv_buf_size = 64 * 1024;
    l->context = lws_create_context(&info);
    l->vhost = l->context ? lws_create_vhost(l->context, &info) : NULL;
    return l->vhost != NULL;
}

/* Has the loop called back when a descriptor can be read; it is the loop's from then on. */
static bool watch(listener *l, int fd)
{
    lws_sock_file_fd_type descriptor = {.filefd = fd};
    return lws_adopt_descriptor_vhost(l->vhost, LWS_ADOPT_RAW_FILE_DESC, descriptor, "http", NULL) != NULL;
}

/* A descriptor, since libwebsockets 4.1 may wait for its own later timers first. */
static bool start_timer(listener *l)
{
    struct itimerspec every = {{0, TICK_NSEC}, {0, TICK_NSEC}};
    l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return l->timer >= 0 && !timerfd_settime(l->timer, 0, &every, NULL) && watch(l, l->timer);
}

static sib_code listen_wyoming(listener *l, sib_error *err)
{
    struct server *s = l->server;
    char host[256] = "127.0.0.1";
    unsigned port;
    sib_code code = socket_place(s->options.wyoming, host, &port, err);
    if (code == SIB_OK)
        code = socket_listen(host, port, &l->wyoming, err);
    if (code != SIB_OK)
        return code;
    socket_address(l->wyoming, "tcp", s->wyoming_address, sizeof s->wyoming_address);
    return watch(l, l->wyoming) ? SIB_OK
                                : server_fail(err, SIB_ERR_IO, "the listening socket could not be watched");
}

sib_code listener_create(struct server *s, const loop_calls *calls, listener **out, sib_error *err)
{
    lws_set_log_level(0, NULL);
    listener *l = calloc(1, sizeof *l);
    if (!l)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    l->server = s;
    l->calls = calls;
    l->wyoming = -1;
    l->listening = s->options.socket ? s->options.socket : -1;
    sib_code code = SIB_OK;
    if (l->listening < 0)
        code = socket_listen(s->options.host, s->options.port, &l->listening, err);
    else if (fcntl(l->listening, F_SETFL, O_NONBLOCK) || fcntl(l->listening, F_SETFD, FD_CLOEXEC))
        code =
            server_fail(err, SIB_ERR_IO, "descriptor %d cannot be used: %s", l->listening, strerror(errno));
    allow_descriptors(s->options.max_connections);
    if (code == SIB_OK && !make_context(l))
        code = server_fail(err, SIB_ERR_IO,
                           s->options.tls_cert ? "the certificate '%s' or its key cannot be used"
                                               : "the event loop could not be made%.0s",
                           s->options.tls_cert ? s->options.tls_cert : "");
    if (code == SIB_OK) {
        s->outlets.context = l->context;
        socket_address(l->listening, s->options.tls_cert ? "https" : "http", s->address, sizeof s->address);
        if (!watch(l, l->listening) || !start_timer(l))
            code = server_fail(err, SIB_ERR_IO, "the listening socket could not be watched");
        if (code == SIB_OK && s->options.wyoming)
            code = listen_wyoming(l, err);
    } else if (l->listening >= 0 && !s->options.socket) {
        close(l->listening);
    }
    if (code != SIB_OK) {
        listener_free(&l);
        return code;
    }
    *out = l;
    return SIB_OK;
}

/* libwebsockets looks at every connection each time it waits (poll). With many of them, most idle, that is what the loop
   does: so it lets further events come first, for many times as long as a look takes. */
static void gather(const listener *l, uint64_t looked)
{
    uint64_t pause = l->n_connections < FEW_CONNECTIONS ? 0 : (uint64_t)l->n_connections * GATHER_NSEC;
    uint64_t passed = sib_time_ns() - looked;
    if (passed < pause)
        nanosleep(&(struct timespec){.tv_nsec = (long)(pause - passed)}, NULL);
}

sib_code listener_run(listener *l, sib_error *err)
{
    while (!atomic_load(&l->ended)) {
        uint64_t looked = sib_time_ns();
        if (lws_service(l->context, 0) < 0)
            return server_fail(err, SIB_ERR_IO, "the event loop failed");
        gather(l, looked);
    }
    return SIB_OK;
}

void listener_free(listener **l)
{
    if (!l || !*l)
        return;
    if ((*l)->context)
        lws_context_destroy((*l)->context);
    free(*l);
    *l = NULL;
}
