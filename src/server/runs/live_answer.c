#include "server/runs/live_inner.h"

#include <stdlib.h>
#include <string.h>

void live_answer(peer *p, json_t *message)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    if (text)
        peer_send(p, false, PEER_MUST, text, strlen(text));
    free(text);
    json_decref(message);
}

void live_refuse(peer *p, const json_t *id, const char *why)
{
    json_t *message = json_pack("{s:s, s:s}", "op", "error", "message", why);
    if (message && json_is_integer(id))
        json_object_set_new(message, "id", json_integer(json_integer_value(id)));
    live_answer(p, message);
}
