/* Binary messages of values: four bytes with the size of the header (little-endian), the header in CBOR, and the cells of a
   digest or the elements of a value. See docs/serve.md. */
#ifndef SIB_SERVER_LIVE_FRAME_H
#define SIB_SERVER_LIVE_FRAME_H

#include "server/runs/live_inner.h"

/* Sends the client what it subscribed to of a value. What cannot be made for want of memory is left out, which the number
   of the next one shows. In the thread of the run. */
void live_frame_send(live_session *at, subscription *s, const sib_tap_event *e);

#endif
