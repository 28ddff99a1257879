/* What a connection sends, kept until worker threads have followed it: in order, one thread at a time per connection. For
   connections whose messages take longer than the event loop may be held. */
#ifndef SIB_SERVER_MAILBOX_H
#define SIB_SERVER_MAILBOX_H

#include "server/http/peer.h"

#include <pthread.h>
#include <sibyl/sibyl.h>

typedef struct mailbox mailbox;

typedef struct mailbox_kind {
    /* In a worker thread. A message: complete for a WebSocket, as it came for others; data ends with NUL. */
    void (*follow)(void *owner, bool binary, const char *data, size_t size);
    void (*idle)(void *owner); /* all messages that had come are followed */
    /* The server is stopping: sends what is due for what has come. No message follows, and the connection is closed. */
    void (*finish)(void *owner);
    void (*destroy)(void *owner);
} mailbox_kind;

/* All of the server. */
typedef struct mailboxes {
    pthread_mutex_t lock;
    mailbox *first;
} mailboxes;

/* Takes owner, whose destroy is called once the mailbox has ended and no thread is in it; also where this fails, which
   returns NULL. In the event loop. */
mailbox *mailbox_create(peer *p, const mailbox_kind *kind, void *owner);
/* In the event loop. Copies. The connection is no longer read where much waits, and closed where that does not help. */
void mailbox_put(mailbox *m, bool binary, const char *data, size_t size);
/* The connection has gone: what waits is dropped, what runs is cancelled. In the event loop. */
void mailbox_end(mailbox **m);

/* For the owner: set once the connection has gone, or the server's time is over. */
const sib_cancel *mailbox_cancel(const mailbox *m);

/* In the event loop, many times a second: gives threads what their queue had no room for, and keeps the
   connections that wait. */
void mailboxes_tick(mailboxes *all);
/* In the event loop, once the server is stopping: has each finish. Returns true once none is left whose client could still
   be sent something. */
bool mailboxes_finish(mailboxes *all);
/* Cancels all of them. Thread-safe. */
void mailboxes_cancel(mailboxes *all);

#endif
