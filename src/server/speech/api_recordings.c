/* /api/recordings: recordings that are uploaded once, for several requests. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/speech/recording.h"
#include "server/values/json.h"

#include <stdlib.h>

#define RATE 16000 /* Hz, at which they are looked at */

static json_t *recording_json(const recording *r)
{
    return json_pack("{s:s, s:o, s:I, s:f, s:f}", "id", r->id, "file",
                     r->file.file ? text_json(r->file.file, MAX_NAME) : json_null(), "bytes",
                     (json_int_t)r->file.data.size, "seconds", r->seconds, "created", r->created);
}

/* Decodes it, so that what is no recording is refused now, and its length is known. */
void handle_recording_add(exchange *x)
{
    sib_error err = SIB_ERROR_INIT;
    const part *file = exchange_part(x, "file");
    sib_tensor *audio = NULL;
    recording *r = NULL;
    if (!file || exchange_part_at(x, 1)) {
        answer_error(x, 400, "file", "the form must have the part 'file' with a recording, and no other");
        return;
    }
    sib_code code = recording_read(x, file, RATE, &audio, &err);
    double seconds = audio ? (double)sib_tensor_count(audio) / RATE : 0;
    sib_tensor_free(&audio);
    if (code == SIB_OK) {
        part taken = exchange_take_part(x, "file");
        code = recordings_add(exchange_server(x)->recordings, &taken, seconds, &r, &err);
        free(taken.file);
        buffer_free(&taken.data);
    }
    if (code == SIB_OK)
        answer_json(x, 201, recording_json(r));
    else
        answer_failure(x, &err);
    recording_release(r);
}

void handle_recordings(exchange *x)
{
    json_t *list = json_array();
    recording *r;
    for (size_t i = 0; (r = recordings_hold_at(exchange_server(x)->recordings, i)); i++) {
        json_array_append_new(list, recording_json(r));
        recording_release(r);
    }
    answer_json(x, 200, json_pack("{s:o}", "recordings", list));
}

void handle_recording(exchange *x)
{
    const char *id = exchange_param(x, "recording");
    recording *r = recordings_hold(exchange_server(x)->recordings, id);
    if (r)
        answer_json(x, 200, recording_json(r));
    else
        recording_missing(x, id);
    recording_release(r);
}

void handle_recording_forget(exchange *x)
{
    const char *id = exchange_param(x, "recording");
    if (recordings_forget(exchange_server(x)->recordings, id))
        answer_bytes(x, 204, "", NULL, 0);
    else
        recording_missing(x, id);
}
