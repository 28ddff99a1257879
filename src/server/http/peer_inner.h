/* What the event loop sees of a peer. */
#ifndef SIB_SERVER_PEER_INNER_H
#define SIB_SERVER_PEER_INNER_H

#include "server/http/buffer.h"
#include "server/http/outlet.h"
#include "server/http/peer.h"

typedef struct message {
    struct message *next;
    size_t size;
    peer_class class;
    bool binary;
    unsigned char data[]; /* LWS_PRE bytes for libwebsockets, then (size) */
} message;

struct peer {
    outlet out; /* first */
    struct server *server;
    const peer_kind *kind;
    void *state;
    pthread_mutex_t lock;
    message *first, *last;
    size_t bytes[2]; /* queued, by class */
    uint64_t dropped;
    unsigned close_code; /* under the lock until it is set, and never changed then; 0: stays open */
    char close_reason[121];
    atomic_bool gone, closing;
    atomic_bool resumes; /* the loop is to read again */
    buffer incoming;     /* of the loop: pieces of a message */
};

peer *peer_create(struct server *s, const peer_kind *kind);
/* The next message, owned by the caller, or NULL. more: another one follows, or the end that peer_end asked for; with
   NULL, that end is due: the connection is marked as closing, and what it is closed with may be read. */
message *peer_take(peer *p, bool *more);

#endif
