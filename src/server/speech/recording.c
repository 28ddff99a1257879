#include "server/speech/recording.h"

#include "server/http/state.h"

#define MAX_SECONDS 14400

void recording_missing(exchange *x, const char *id)
{
    answer_error(x, 404, "recording",
                 "there is no recording '%.80s', or not any more: upload it again; /api/recordings lists "
                 "those that are kept",
                 id);
}

const part *recording_given(exchange *x, recording **held)
{
    const part *file = exchange_part(x, "file"), *named = exchange_part(x, "recording");
    const char *id = named && named->data.size ? named->data.data : "";
    *held = named && !file ? recordings_hold(exchange_server(x)->recordings, id) : NULL;
    if (named && file)
        answer_error(x, 400, "recording", "the form has a part 'file' and names a 'recording': give one");
    else if (named && !*held)
        recording_missing(x, id);
    else if (!named && !file)
        answer_error(
            x, 400, "file",
            "the form has no part 'file' with a recording, nor the field 'recording' with the id of one");
    else
        return file ? file : &(*held)->file;
    return NULL;
}

sib_code recording_read(const exchange *x, const part *file, double rate, sib_tensor **audio, sib_error *err)
{
    const sib_audio_options o = {
        .sample_rate = (int32_t)rate, .max_seconds = MAX_SECONDS, .cancel = exchange_cancel(x)};
    float *samples = NULL;
    size_t n = 0;
    sib_code code = sib_audio_load_bytes(file->file ? file->file : "recording", file->data.data,
                                         file->data.size, &o, &samples, &n, NULL, err);
    if (code == SIB_OK)
        code = sib_tensor_wrap(SIB_F32, 1, (const int64_t[]){(int64_t)n}, NULL, samples, sib_free, samples,
                               audio, err);
    if (code != SIB_OK)
        sib_free(samples);
    return code;
}
