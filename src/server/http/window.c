/* How much of a body a client of HTTP/2 may send.

   libwebsockets 4.1 waits until a piece is as large as what it takes for the rest of a stream's window, and then gives
   back as much as that piece: pieces become ever smaller, and since it does not count those that came before the
   request was taken, streams beside each other come to a stop. What a stream does not use stays with its connection,
   so it gets no more than its body needs. */
#include "server/http/listener_inner.h"

#define H2_WINDOW (1 << 20) /* bytes of a body that may be under way */

void window_open(exchange *x, size_t size)
{
    uint64_t taken = x->held + size, needed = x->body_size > taken ? x->body_size - taken : 0,
             left = x->granted > taken ? x->granted - taken : 0,
             wanted = needed < H2_WINDOW ? needed : H2_WINDOW;
    if (left < wanted / 2 || (left < wanted && needed < H2_WINDOW)) {
        lws_h2_update_peer_txcredit(x->out.wsi, LWS_H2_STREAM_SID, (int)(wanted - left));
        x->granted += wanted - left;
    }
}
