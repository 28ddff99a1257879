/* What the run of a job tells while it goes on: tokens, text and segments, which no client loses, and progress. */
#include "server/runs/live_inner.h"
#include "server/speech/segments_json.h"
#include "server/values/json.h"

#include <stdlib.h>
#include <string.h>

/* Numbers the message, which it takes, sends it, and keeps it for those who come later. */
static void tell(live_run *l, json_t *message)
{
    if (!message)
        return;
    char id[32];
    snprintf(id, sizeof id, "r%llu", (unsigned long long)l->run->number);
    json_object_set_new(message, "run", json_string(id));
    pthread_mutex_lock(&l->all->lock);
    json_object_set_new(message, "number", json_integer((json_int_t)++l->n_told));
    char *text = json_dumps(message, JSON_COMPACT);
    size_t size = text ? strlen(text) : 0;
    if (!l->told)
        l->told = json_array();
    l->told_bytes += size;
    if (l->told_bytes <= MAX_LIVE_TOLD)
        json_array_append_new(l->told, json_stringn_nocheck(text, size));
    live_mark(l->all, l->run, false);
    live_tell_marked(l->all, PEER_MUST, text);
    pthread_mutex_unlock(&l->all->lock);
    json_decref(message);
}

void live_text(live_run *l, const char *text, size_t size)
{
    if (l)
        tell(l, json_pack("{s:s, s:o}", "op", "text", "text", text_of_bytes(text, size)));
}

void live_token(live_run *l, int32_t token, double logprob)
{
    if (l)
        tell(l,
             json_pack("{s:s, s:i, s:o}", "op", "token", "token", (int)token, "logprob", real_json(logprob)));
}

void live_segment(live_run *l, const sib_segment *segment)
{
    if (!l)
        return;
    json_t *list = segments_json(segment, 1), *one = json_array_get(list, 0);
    if (one)
        tell(l, json_pack("{s:s, s:O}", "op", "segment", "segment", one));
    json_decref(list);
}

void live_job_progress(live_run *l, const char *tier, double done, double total)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->tier = tier;
    l->done = done;
    l->total = total;
    l->moved = true;
    pthread_mutex_unlock(&l->lock);
}
