/* POST /api/features: log-mel features of a recording, as .npy. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/speech/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BANDS 256

/* ---- The form ---- */

static const struct {
    const char *name;
    sib_smooth smooth;
} averages[] = {{"none", SIB_SMOOTH_NONE}, {"same", SIB_SMOOTH_SAME}, {"valid", SIB_SMOOTH_VALID}};

/* A text without bytes 0; `otherwise` where the form has none. */
static const char *field(const exchange *x, const char *name, const char *otherwise)
{
    const part *p = exchange_part(x, name);
    return p && p->data.size ? p->data.data : otherwise;
}

static bool read_smooth(exchange *x, sib_mel_spec *spec)
{
    const char *name = field(x, "smooth", "none");
    for (size_t i = 0; i < sizeof averages / sizeof *averages; i++)
        if (!strcmp(name, averages[i].name)) {
            spec->smooth = averages[i].smooth;
            return true;
        }
    answer_error(x, 400, "smooth", "smooth must be one of none, same, valid, not '%.40s'", name);
    return false;
}

/* Answers 400 and returns false where the form names no such front end. */
static bool read_spec(exchange *x, sib_mel_spec *spec)
{
    static const char *const known[] = {"file", "recording", "preset", "n_mels", "smooth"};
    for (size_t i = 0; exchange_part_at(x, i); i++) {
        const char *name = exchange_part_at(x, i)->name;
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(known[k], name) != 0)
            k++;
        if (k == sizeof known / sizeof *known) {
            answer_error(x, 400, name, "there is no field '%.60s': file, recording, preset, n_mels, smooth",
                         name);
            return false;
        }
    }
    const char *bands = field(x, "n_mels", "0");
    if (strspn(bands, "0123456789") != strlen(bands) || strlen(bands) > 3 || atoi(bands) > MAX_BANDS) {
        answer_error(x, 400, "n_mels", "n_mels must be an integer from 0 to %d, not '%.40s'", MAX_BANDS,
                     bands);
        return false;
    }
    sib_error err = SIB_ERROR_INIT;
    if (sib_mel_spec_preset(field(x, "preset", "whisper"), atoi(bands), spec, &err) != SIB_OK) {
        answer_failure(x, &err);
        return false;
    }
    return read_smooth(x, spec);
}

/* ---- The features ---- */

/* Features of samples (n_samples) as the bytes of a .npy in *out. */
static sib_code compute(exchange *x, const sib_mel *mel, const float *samples, size_t n_samples, buffer *out,
                        sib_error *err)
{
    uint64_t bands, frames, most = exchange_server(x)->options.max_upload;
    sib_code code = sib_mel_shape(mel, n_samples, &bands, &frames, err);
    if (code == SIB_OK && bands && frames > most / sizeof(float) / bands)
        code = server_fail(err, SIB_ERR_SIZE, "the features take more than the %llu bytes of --max-upload",
                           (unsigned long long)most);
    if (code != SIB_OK)
        return code;
    int64_t dims[2] = {(int64_t)bands, (int64_t)frames};
    sib_tensor *t = NULL;
    sib_npy_image *image = NULL;
    float *features = malloc((size_t)(bands * frames) * sizeof *features + 1);
    if (!features)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    code = sib_mel_compute(mel, NULL, samples, n_samples, 0, features, (size_t)frames, err);
    if (code == SIB_OK)
        code = sib_tensor_wrap(SIB_F32, 2, dims, NULL, features, NULL, NULL, &t, err);
    if (code == SIB_OK)
        code = sib_npy_image_create(t, &image, err);
    if (code == SIB_OK) {
        size_t head, size;
        const void *begin = sib_npy_image_header(image, &head), *data = sib_npy_image_data(image, &size);
        if (buffer_add(out, begin, head))
            buffer_add(out, data, size);
    }
    sib_npy_image_free(&image);
    sib_tensor_free(&t);
    free(features);
    return code;
}

static void describe_axis(exchange *x, const sib_mel_spec *spec)
{
    char text[32];
    snprintf(text, sizeof text, "%d", spec->sample_rate);
    answer_header(x, "X-Sample-Rate", text);
    snprintf(text, sizeof text, "%d", spec->hop_length);
    answer_header(x, "X-Hop-Length", text);
}

static void answer_features(exchange *x, const part *file)
{
    sib_mel_spec spec;
    sib_mel *mel = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *audio = NULL;
    buffer out = {0};
    if (!read_spec(x, &spec))
        return;
    sib_code code = recording_read(x, file, spec.sample_rate, &audio, &err);
    if (code == SIB_OK)
        code = sib_mel_create(&spec, NULL, &mel, &err);
    if (code == SIB_OK)
        code = compute(x, mel, sib_tensor_data(audio), sib_tensor_count(audio), &out, &err);
    sib_mel_free(&mel);
    sib_tensor_free(&audio);
    if (code == SIB_OK) {
        describe_axis(x, &spec);
        answer_buffer(x, "application/octet-stream", &out);
    } else
        answer_failure(x, &err);
    buffer_free(&out);
}

void handle_features(exchange *x)
{
    recording *held;
    const part *file = recording_given(x, &held);
    if (file)
        answer_features(x, file);
    recording_release(held);
}
