#include "server/http/peer_inner.h"

#include "server/http/state.h"

#include <libwebsockets.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static const size_t max_queued[] = {[PEER_MUST] = 16u << 20, [PEER_DROPPABLE] = 4u << 20};

static void peer_destroy(outlet *o)
{
    peer *p = (peer *)o;
    for (message *m = p->first, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    buffer_free(&p->incoming);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

peer *peer_create(struct server *s, const peer_kind *kind)
{
    peer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    atomic_init(&p->out.refs, 1);
    p->out.destroy = peer_destroy;
    p->server = s;
    p->kind = kind;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

struct server *peer_server(const peer *p)
{
    return p->server;
}

void *peer_state(const peer *p)
{
    return p->state;
}

void peer_set_state(peer *p, void *state)
{
    p->state = state;
}

/* Drops the oldest droppable messages until `size` more bytes fit. Under the lock. */
static void make_room(peer *p, size_t size)
{
    message *before = NULL, *m = p->first;
    while (m && p->bytes[PEER_DROPPABLE] + size > max_queued[PEER_DROPPABLE]) {
        message *next = m->next;
        if (m->class == PEER_DROPPABLE) {
            if (before)
                before->next = next;
            else
                p->first = next;
            if (p->last == m)
                p->last = before;
            p->bytes[PEER_DROPPABLE] -= m->size;
            p->dropped++;
            free(m);
        } else
            before = m;
        m = next;
    }
}

bool peer_send(peer *p, bool binary, peer_class class, const void *data, size_t size)
{
    if (atomic_load(&p->gone))
        return false;
    message *m = malloc(sizeof *m + LWS_PRE + size);
    pthread_mutex_lock(&p->lock);
    bool fits = m && !p->close_code;
    if (fits && class == PEER_DROPPABLE)
        make_room(p, size);
    fits = fits && p->bytes[class] + size <= max_queued[class];
    if (fits) {
        *m = (message){.size = size, .class = class, .binary = binary};
        memcpy(m->data + LWS_PRE, data, size);
        if (p->last)
            p->last->next = m;
        else
            p->first = m;
        p->last = m;
        p->bytes[class] += size;
    } else if (class == PEER_DROPPABLE)
        p->dropped++;
    bool overflows = !fits && class == PEER_MUST && !p->close_code;
    pthread_mutex_unlock(&p->lock);
    if (!fits)
        free(m);
    if (overflows)
        peer_end(p, 1008, "the client reads too slowly");
    outlet_mark(&p->server->outlets, &p->out);
    return fits;
}

message *peer_take(peer *p, bool *more)
{
    pthread_mutex_lock(&p->lock);
    message *m = p->first;
    if (m) {
        p->first = m->next;
        if (!p->first)
            p->last = NULL;
        p->bytes[m->class] -= m->size;
    }
    *more = p->first != NULL || p->close_code;
    if (!m && p->close_code)
        atomic_store(&p->closing, true);
    pthread_mutex_unlock(&p->lock);
    return m;
}

uint64_t peer_take_dropped(peer *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t n = p->dropped;
    p->dropped = 0;
    pthread_mutex_unlock(&p->lock);
    return n;
}

void peer_end(peer *p, unsigned code, const char *reason)
{
    pthread_mutex_lock(&p->lock);
    if (!p->close_code) {
        p->close_code = code;
        strncpy(p->close_reason, reason, sizeof p->close_reason - 1);
    }
    pthread_mutex_unlock(&p->lock);
    outlet_mark(&p->server->outlets, &p->out);
}

void peer_pause(peer *p)
{
    atomic_store(&p->resumes, false);
    if (p->out.wsi)
        lws_rx_flow_control(p->out.wsi, 0);
}

void peer_check(peer *p)
{
    struct lws *wsi =
        p->kind->path ? p->out.wsi : NULL; /* of other kinds a client may send no more and still read */
    struct pollfd socket = {.fd = wsi ? lws_get_socket_fd(lws_get_network_wsi(wsi)) : -1,
                            .events = POLLRDHUP};
    if (poll(&socket, 1, 0) > 0 && socket.revents & POLLRDHUP)
        lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
}

void peer_active(peer *p)
{
    if (p->out.wsi && p->kind->idle_seconds)
        lws_set_timeout(p->out.wsi, PENDING_TIMEOUT_USER_REASON_BASE, p->kind->idle_seconds);
    else if (p->out.wsi)
        lws_validity_confirmed(p->out.wsi);
}

void peer_resume(peer *p)
{
    atomic_store(&p->resumes, true);
    outlet_mark(&p->server->outlets, &p->out);
}

bool peer_gone(const peer *p)
{
    return atomic_load(&p->gone);
}

bool peer_closing(const peer *p)
{
    return atomic_load(&p->closing) || peer_gone(p);
}

peer *peer_hold(peer *p)
{
    outlet_hold(&p->out);
    return p;
}

void peer_release(peer *p)
{
    outlet_release(p ? &p->out : NULL);
}
