#include "server/http/mailbox.h"

#include "server/http/state.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_BYTES ((size_t)256 << 10) /* that wait: nothing is read until half of them are followed */
#define MAX_BYTES   ((size_t)8 << 20)

typedef struct letter {
    struct letter *next;
    size_t size;
    bool binary;
    char data[]; /* (size), NUL */
} letter;

struct mailbox {
    atomic_uint refs;
    atomic_bool ended;
    peer *peer; /* held */
    struct server *server;
    const mailbox_kind *kind;
    void *owner;
    sib_cancel *cancel;
    pthread_mutex_t lock; /* of what follows */
    letter *first, *last;
    size_t bytes; /* of letters that are not followed yet */
    bool busy;    /* a thread has it, or will */
    bool finishes, finished;
    bool paused;
    mailbox *next; /* under the lock of all */
};

static void release(mailbox *m)
{
    if (atomic_fetch_sub(&m->refs, 1) != 1)
        return;
    for (letter *l = m->first, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    atomic_fetch_sub(&m->server->held_bytes, m->bytes);
    m->kind->destroy(m->owner);
    sib_cancel_free(&m->cancel);
    pthread_mutex_destroy(&m->lock);
    peer_release(m->peer);
    free(m);
}

mailbox *mailbox_create(peer *p, const mailbox_kind *kind, void *owner)
{
    mailbox *m = calloc(1, sizeof *m);
    if (!m || sib_cancel_create(&m->cancel, NULL) != SIB_OK) {
        free(m);
        kind->destroy(owner);
        return NULL;
    }
    atomic_init(&m->refs, 1);
    m->peer = peer_hold(p);
    m->server = peer_server(p);
    m->kind = kind;
    m->owner = owner;
    pthread_mutex_init(&m->lock, NULL);
    mailboxes *all = &m->server->mailboxes;
    pthread_mutex_lock(&all->lock);
    m->next = all->first;
    all->first = m;
    pthread_mutex_unlock(&all->lock);
    return m;
}

const sib_cancel *mailbox_cancel(const mailbox *m)
{
    return m->cancel;
}

/* ---- Threads ---- */

/* A letter was followed. */
static void count_out(mailbox *m, size_t size)
{
    atomic_fetch_sub(&m->server->held_bytes, size);
    pthread_mutex_lock(&m->lock);
    m->bytes -= size;
    bool resumes = m->paused && m->bytes <= PAUSE_BYTES / 2;
    if (resumes)
        m->paused = false;
    pthread_mutex_unlock(&m->lock);
    if (resumes)
        peer_resume(m->peer);
}

static void follow_all(mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    letter *l = m->first;
    m->first = m->last = NULL;
    const bool finishes = m->finishes && !m->finished;
    m->finished = m->finishes;
    pthread_mutex_unlock(&m->lock);
    for (letter *next; l; l = next) {
        next = l->next;
        if (!atomic_load(&m->ended))
            m->kind->follow(m->owner, l->binary, l->data, l->size);
        count_out(m, l->size);
        free(l);
    }
    if (finishes && !atomic_load(&m->ended)) {
        m->kind->finish(m->owner);
        peer_end(m->peer, 1001, "the server is stopping");
    } else if (!atomic_load(&m->ended))
        m->kind->idle(m->owner);
}

static void serve(void *item);

/* Gives it to a thread where it needs one; without room in the queue mailboxes_tick does. */
static void post(mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    bool needed = (m->first || m->finishes > m->finished) && !m->busy && !atomic_load(&m->ended);
    m->busy = m->busy || needed;
    pthread_mutex_unlock(&m->lock);
    if (!needed)
        return;
    atomic_fetch_add(&m->refs, 1);
    if (work_add(m->server->work, LANE_WRITE, serve, m))
        return;
    pthread_mutex_lock(&m->lock);
    m->busy = false;
    pthread_mutex_unlock(&m->lock);
    atomic_fetch_sub(&m->refs, 1); /* the caller holds it, too */
}

/* Once through what has come, then behind what others wait for. */
static void serve(void *item)
{
    mailbox *m = item;
    follow_all(m);
    pthread_mutex_lock(&m->lock);
    m->busy = false;
    pthread_mutex_unlock(&m->lock);
    post(m);
    release(m);
}

/* ---- The event loop ---- */

static letter *make_letter(bool binary, const char *data, size_t size)
{
    letter *l = malloc(sizeof *l + size + 1);
    if (!l)
        return NULL;
    *l = (letter){.size = size, .binary = binary};
    memcpy(l->data, data, size);
    l->data[size] = 0;
    return l;
}

/* Under the lock. */
static void append(mailbox *m, letter *l)
{
    if (m->last)
        m->last->next = l;
    else
        m->first = l;
    m->last = l;
    m->bytes += l->size;
}

void mailbox_put(mailbox *m, bool binary, const char *data, size_t size)
{
    struct server *s = m->server;
    letter *l = make_letter(binary, data, size);
    uint64_t held = atomic_fetch_add(&s->held_bytes, size) + size;
    pthread_mutex_lock(&m->lock);
    const bool late = m->finishes; /* nobody follows it any more */
    bool takes = !late && l && held <= s->options.max_bodies && m->bytes + size <= MAX_BYTES;
    if (takes)
        append(m, l);
    bool pauses = takes && m->bytes > PAUSE_BYTES && !m->paused;
    m->paused = m->paused || pauses;
    pthread_mutex_unlock(&m->lock);
    if (pauses)
        peer_pause(m->peer);
    if (takes) {
        post(m);
        return;
    }
    atomic_fetch_sub(&s->held_bytes, size);
    free(l);
    if (!late)
        peer_end(m->peer, 1013, "the server has too much to do");
}

void mailbox_end(mailbox **mp)
{
    mailbox *m = *mp;
    if (!m)
        return;
    *mp = NULL;
    mailboxes *all = &m->server->mailboxes;
    pthread_mutex_lock(&all->lock);
    mailbox **at = &all->first;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    pthread_mutex_unlock(&all->lock);
    atomic_store(&m->ended, true);
    sib_cancel_set(m->cancel);
    release(m);
}

void mailboxes_tick(mailboxes *all)
{
    pthread_mutex_lock(&all->lock);
    for (mailbox *m = all->first; m; m = m->next) {
        post(m);
        pthread_mutex_lock(&m->lock);
        bool busy = m->busy || m->first, paused = m->paused;
        pthread_mutex_unlock(&m->lock);
        if (paused)
            peer_check(m->peer);
        if (busy) /* whoever waits, or is not read, says nothing */
            peer_active(m->peer);
    }
    pthread_mutex_unlock(&all->lock);
}

bool mailboxes_finish(mailboxes *all)
{
    bool done = true;
    pthread_mutex_lock(&all->lock);
    for (mailbox *m = all->first; m; m = m->next) {
        pthread_mutex_lock(&m->lock);
        m->finishes = true;
        done = done && (atomic_load(&m->ended) || (m->finished && !m->busy && peer_closing(m->peer)));
        pthread_mutex_unlock(&m->lock);
        post(m);
    }
    pthread_mutex_unlock(&all->lock);
    return done;
}

void mailboxes_cancel(mailboxes *all)
{
    pthread_mutex_lock(&all->lock);
    for (mailbox *m = all->first; m; m = m->next) {
        atomic_store(&m->ended, true);
        sib_cancel_set(m->cancel);
    }
    pthread_mutex_unlock(&all->lock);
}
