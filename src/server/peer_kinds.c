#include "peer.h"

#include <stddef.h>

const peer_kind *const peer_kinds[] = {&live_peers, &realtime_peers, NULL};
