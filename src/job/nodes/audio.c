/* Nodes on samples: features, and windows for models that process audio piece by piece. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "job/nodes/nodes.h"
#include "job/whisper/mel.h"

#include <string.h>

/* ---- features ------------------------------------------------------------------------------------------ */

enum { FEATURES_AUDIO, FEATURES_PRESET, FEATURES_BANDS, FEATURES_PADDING, FEATURES_ARITHMETIC };
static const job_port features_inputs[] = {
    {"audio", SIB_PORT_AUDIO, true, "samples [n] at the preset's rate"},
    {"preset", SIB_PORT_TEXT, false, "whisper (default), librosa or kaldi"},
    {"n_mels", SIB_PORT_NUMBER, false, "bands (the preset's own)"},
    {"padding", SIB_PORT_NUMBER, false, "zeros appended, in samples (0)"},
    {"arithmetic", SIB_PORT_TEXT, false, "float (default), or of the preset whisper fixed or int16, int8"}};
static const job_port features_outputs[] = {{"features", SIB_PORT_TENSOR, false, "float32 [bands, frames]"}};

static sib_code features_run(job_step *s, sib_error *err)
{
    const float *samples;
    size_t n, bands_wanted, padding;
    uint64_t bands, frames;
    sib_mel_spec spec;
    sib_mel *mel = NULL;
    sib_dtype arithmetic;
    sib_code code = step_samples(s, FEATURES_AUDIO, &samples, &n, err);
    if (code == SIB_OK)
        code = step_count(s, FEATURES_BANDS, 0, 0, 4096, &bands_wanted, err);
    if (code == SIB_OK)
        code = step_count(s, FEATURES_PADDING, 0, 0, (size_t)1 << 40, &padding, err);
    if (code == SIB_OK)
        code =
            sib_mel_spec_preset(step_text(s, FEATURES_PRESET, "whisper"), (int32_t)bands_wanted, &spec, err);
    if (code == SIB_OK)
        code =
            whisper_arithmetic(s->node->name, step_text(s, FEATURES_ARITHMETIC, "float"), &arithmetic, err);
    if (code == SIB_OK)
        code = sib_mel_create(&spec, NULL, &mel, err);
    if (code == SIB_OK)
        code = sib_mel_shape(mel, n + padding, &bands, &frames, err);
    float *out;
    if (code == SIB_OK)
        code = step_give_floats(s, 0, 2, (const int64_t[]){(int64_t)bands, (int64_t)frames}, &out, err);
    if (code == SIB_OK) /* out: [bands, frames] */
        code = whisper_mel(arithmetic, mel, s->pool, samples, n, padding, out, (size_t)frames, err);
    sib_mel_free(&mel);
    return code;
}

const job_op job_op_features = {.name = "features",
                                .meaning = "log-mel features of a whole recording",
                                .inputs = features_inputs,
                                .n_inputs = sizeof features_inputs / sizeof *features_inputs,
                                .outputs = features_outputs,
                                .n_outputs = 1,
                                .run = features_run};

/* ---- windows ------------------------------------------------------------------------------------------- */

enum { WINDOWS_AUDIO, WINDOWS_SIZE, WINDOWS_CONTEXT };
static const job_port windows_inputs[] = {
    {"audio", SIB_PORT_AUDIO, true, "samples [n]"},
    {"size", SIB_PORT_NUMBER, true, "new samples of a window"},
    {"context", SIB_PORT_NUMBER, false, "samples before them that the window also holds (0)"}};
static const job_port windows_outputs[] = {
    {"windows", SIB_PORT_TENSOR, false,
     "float32 [ceil(n / size), context + size], zeros outside the recording"}};

static sib_code windows_run(job_step *s, sib_error *err)
{
    const float *samples;
    size_t n, size, context, total;
    sib_code code = step_samples(s, WINDOWS_AUDIO, &samples, &n, err);
    if (code == SIB_OK)
        code = step_count(s, WINDOWS_SIZE, 0, 1, 1 << 24, &size, err);
    if (code == SIB_OK)
        code = step_count(s, WINDOWS_CONTEXT, 0, 0, 1 << 24, &context, err);
    if (code != SIB_OK)
        return code;
    size_t count = size_ceil_div(n, size), width = size + context;
    float *out;
    if (!size_mul(count, width, &total))
        return err_set(err, SIB_ERR_SIZE, "%s: %zu windows of %zu samples are too many", s->node->name, count,
                       width);
    code = step_give_floats(s, 0, 2, (const int64_t[]){(int64_t)count, (int64_t)width}, &out, err);
    for (size_t i = 0; i < count && code == SIB_OK; i++) { /* out: [count, width] */
        size_t begin = i * size, front = size_min(context, begin), length = size_min(size, n - begin);
        memcpy(out + i * width + context - front, samples + begin - front, (front + length) * sizeof *out);
    }
    return code;
}

const job_op job_op_windows = {.name = "windows",
                               .meaning = "a recording cut into windows of one length",
                               .inputs = windows_inputs,
                               .n_inputs = sizeof windows_inputs / sizeof *windows_inputs,
                               .outputs = windows_outputs,
                               .n_outputs = 1,
                               .run = windows_run};
