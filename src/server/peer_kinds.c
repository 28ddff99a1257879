#include "peer.h"

#include <stddef.h>

const peer_kind *const peer_kinds[] = {NULL};
