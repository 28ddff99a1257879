/* What took time in a run: the ends of its spans, gathered and told many at once. */
#include "server/runs/live_inner.h"
#include "server/values/json.h"

#include <stdlib.h>
#include <string.h>

#define MAX_EVENTS ((size_t)64 << 10) /* bytes between two messages; what is more is counted */

/* Microseconds since the run began. */
static json_int_t micro(const live_run *l, uint64_t time)
{
    return time > l->began ? (json_int_t)((time - l->began) / 1000) : 0;
}

void live_note_event(live_session *at, const sib_time_span *span)
{
    live_run *l = at->of;
    json_t *event = json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:s, s:I, s:I, s:I}", "kind", sib_span_kind_name(span->kind), "name",
        text_json(span->name, MAX_NAME), "op_type", text_json(span->op_type, MAX_NAME), "backend",
        span->backend, "kernel", span->kernel, "call", at->call ? at->call : "", "begin",
        micro(l, span->begin), "end", micro(l, span->end), "bytes_written", (json_int_t)span->bytes_written);
    char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    size_t size = text ? strlen(text) : MAX_EVENTS;
    pthread_mutex_lock(&l->lock);
    if (l->events.size + size + 1 > MAX_EVENTS || (l->events.size && !buffer_add_text(&l->events, ",")) ||
        !buffer_add(&l->events, text, size))
        l->n_lost++;
    pthread_mutex_unlock(&l->lock);
    free(text);
    json_decref(event);
}

void live_tell_events(live_run *l)
{
    buffer list = {0}, message = {0};
    pthread_mutex_lock(&l->lock);
    uint64_t lost = l->n_lost;
    list = l->events;
    l->events = (buffer){0};
    l->n_lost = 0;
    pthread_mutex_unlock(&l->lock);
    if ((list.size || lost) && live_mark_events(l->all, l->run) &&
        buffer_format(&message, "{\"op\":\"events\",\"run\":\"r%llu\",\"lost\":%llu,\"events\":[",
                      (unsigned long long)l->run->number, (unsigned long long)lost) &&
        (!list.size || buffer_add(&message, list.data, list.size)) && buffer_add_text(&message, "]}")) {
        live_tell_marked(l->all, PEER_DROPPABLE, message.data);
        message = (buffer){0}; /* freed there */
    }
    buffer_free(&list);
    buffer_free(&message);
}
