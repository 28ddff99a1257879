/* A WebSocket connection. Messages arrive in the event loop; any thread may send. */
#ifndef SIB_SERVER_PEER_H
#define SIB_SERVER_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;
typedef struct peer peer;

/* What answers at a path. Callbacks run in the event loop, one at a time, and must be quick. */
typedef struct peer_kind {
    const char *path;
    /* query: the value of a parameter of the address, or NULL, valid during the call. Returns false to refuse. */
    bool (*open)(peer *p, const char *(*query)(const void *context, const char *name), const void *context);
    void (*message)(peer *p, bool binary, const char *data, size_t size); /* complete; data ends with NUL */
    void (*close)(peer *p); /* the client has gone, or the server ends; frees what peer_state holds */
    int idle_seconds;       /* a connection that is silent for so long is closed; 0: pings find out */
} peer_kind;

struct server *peer_server(const peer *p);
/* What the kind keeps for the connection. */
void *peer_state(const peer *p);
void peer_set_state(peer *p, void *state);

typedef enum peer_class {
    PEER_MUST,     /* results, tokens, answers: where 16 MiB of them wait, the connection is closed */
    PEER_DROPPABLE /* digests, events: the oldest are dropped, and counted, where 4 MiB of them wait */
} peer_class;

/* Queues a message. Returns false where the client has gone. Copies. Thread-safe while the peer is held. */
bool peer_send(peer *p, bool binary, peer_class class, const void *data, size_t size);
/* Messages dropped since the last call of this. Thread-safe. */
uint64_t peer_take_dropped(peer *p);
/* Closes the connection after what is queued, with a code of RFC 6455 and a reason of up to 120 bytes. Thread-safe. */
void peer_end(peer *p, unsigned code, const char *reason);
bool peer_gone(const peer *p);
/* Whether all that was queued is sent, and the connection is being closed or gone. */
bool peer_closing(const peer *p);
/* Reads no more from the client, whose further messages wait in its socket. In the event loop. */
void peer_pause(peer *p);
/* Closes a WebSocket that is not read, and so shows no end, where its client has closed it. In the event loop. */
void peer_check(peer *p);
/* The connection is in use: it is not closed for its silence now, nor for pings that it has not answered. In the event
   loop. */
void peer_active(peer *p);
/* Reads again. Thread-safe. */
void peer_resume(peer *p);

peer *peer_hold(peer *p);
void peer_release(peer *p);

#endif
