/* Streams of speech: segments as they open and end, and their texts. */
#include "base/alloc.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"
#include "live/segment.h"
#include "live/words.h"

#include <math.h>
#include <sibyl/audio.h>
#include <sibyl/live.h>
#include <string.h>

#define BLOCK 2048 /* samples */

struct sib_live {
    const sib_job *job;
    sib_live_options o; /* with defaults filled in */
    double rate;        /* of the job, Hz */
    sib_resampler *resampler;
    segmenter segmenter;
    voice_model *voice;   /* NULL: the level tells speech */
    uint64_t number;      /* of the open segment, or the next one */
    char *heard;          /* the last partial text of the open segment; NULL: none yet */
    size_t heard_samples; /* of the segment when it was made */
    /* (n_final, n_partial) the inputs of the job; the first is the audio */
    sib_job_value *final, *partial;
    size_t n_final, n_partial;
    float block[BLOCK]; /* at the job's rate */
};

/* ---- Options ------------------------------------------------------------------------------------------- */

static bool has_output(const sib_job *job, const char *name, sib_port_type type)
{
    sib_job_port port;
    for (size_t i = 0; sib_job_output(job, i, &port); i++)
        if (!strcmp(port.name, name) && port.type == type)
            return true;
    return false;
}

static sib_code check_job(const sib_job *job, const sib_live_options *o, sib_error *err)
{
    sib_job_info info;
    sib_job_get_info(job, &info);
    if (!sib_job_has_input(job, "audio") || !has_output(job, "text", SIB_PORT_TEXT) ||
        !has_output(job, "segments", SIB_PORT_SEGMENTS) || !has_output(job, "language", SIB_PORT_TEXT))
        return err_set(err, SIB_ERR_ARGUMENT, "the job '%s' is of kind '%s', expected speech-to-text",
                       info.name ? info.name : "", info.kind ? info.kind : "");
    for (size_t i = 0; i < o->n_inputs; i++)
        if (!strcmp(o->inputs[i].name, "audio") || !sib_job_has_input(job, o->inputs[i].name))
            return err_set(err, SIB_ERR_ARGUMENT, "'%s' is no input that a stream of '%s' can be given",
                           o->inputs[i].name, info.name ? info.name : "");
    return SIB_OK;
}

static sib_code fill_options(sib_live_options *o, sib_error *err)
{
    o->sample_rate = o->sample_rate ? o->sample_rate : 16000;
    const struct {
        const char *name;
        double *value, otherwise, min, max;
    } numbers[] = {{"threshold", &o->threshold, 0.5, 0, 1},
                   {"silence_seconds", &o->silence_seconds, 0.5, 0.1, 10},
                   {"padding_seconds", &o->padding_seconds, 0.3, -INFINITY, 2},
                   {"max_seconds", &o->max_seconds, 28, 2, 30},
                   {"partial_seconds", &o->partial_seconds, 0.5, -INFINITY, INFINITY},
                   {"begin", &o->begin, 0, -1e9, 1e9}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double *value = numbers[i].value;
        *value = *value == 0 ? numbers[i].otherwise : *value;
        if (!(*value >= numbers[i].min && *value <= numbers[i].max))
            return err_set(err, SIB_ERR_ARGUMENT, "%s must be from %g to %g, not %g", numbers[i].name,
                           numbers[i].min, numbers[i].max, *value);
    }
    if (!o->on_event)
        return err_set(err, SIB_ERR_ARGUMENT, "a stream needs on_event, which receives its text");
    o->padding_seconds = fmax(o->padding_seconds, 0);
    return SIB_OK;
}

/* What a partial text is made without: it is made often, and need not be the best. */
static bool costly(const char *name)
{
    static const char *const names[] = {"beam_size", "best_of", "temperature", "word_timestamps"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static sib_code make_inputs(sib_live *l, sib_error *err)
{
    static const double coldest[] = {0};
    const sib_live_options *o = &l->o;
    l->final = mem_alloc(o->n_inputs + 1, sizeof *l->final);
    l->partial = mem_alloc(o->n_inputs + 2, sizeof *l->partial);
    if (!l->final || !l->partial)
        return err_memory(err, (o->n_inputs + 2) * sizeof *l->final, "the inputs of a stream");
    l->n_final = l->n_partial = 1; /* the audio */
    for (size_t i = 0; i < o->n_inputs; i++) {
        l->final[l->n_final++] = o->inputs[i];
        if (!costly(o->inputs[i].name))
            l->partial[l->n_partial++] = o->inputs[i];
    }
    if (sib_job_has_input(l->job, "temperature"))
        l->partial[l->n_partial++] =
            (sib_job_value){"temperature", {.type = SIB_PORT_NUMBERS, .numbers = {coldest, 1}}};
    return SIB_OK;
}

/* Samples of whole frames. */
static size_t frames_of(double seconds, double rate, size_t frame)
{
    return (size_t)ceil(seconds * rate / (double)frame - 1e-9) * frame;
}

static sib_code open_segmenter(sib_live *l, sib_error *err)
{
    const sib_live_options *o = &l->o;
    sib_code code = o->voice ? voice_model_create(o->voice, o->threshold, &l->voice, err) : SIB_OK;
    if (code != SIB_OK)
        return code;
    if (l->voice && l->rate != 16000)
        return err_set(err, SIB_ERR_ARGUMENT, "models of voice activity hear 16000 Hz, the job %g", l->rate);
    const size_t frame = l->voice ? VOICE_WINDOW : (size_t)lrint(l->rate / VOICE_FRAMES);
    const segment_rules rules = {.frame = frame,
                                 .padding = frames_of(o->padding_seconds, l->rate, frame),
                                 .silence = frames_of(o->silence_seconds, l->rate, frame),
                                 .max = frames_of(o->max_seconds, l->rate, frame),
                                 .threshold = o->threshold,
                                 .manual = o->manual,
                                 .model = o->manual ? NULL : l->voice,
                                 .cancel = o->cancel};
    return segmenter_open(&l->segmenter, &rules, err);
}

sib_code sib_live_create(const sib_job *job, const sib_live_options *options, sib_live **out, sib_error *err)
{
    sib_live_options o = options ? *options : (sib_live_options){0};
    sib_job_info info;
    sib_job_get_info(job, &info);
    sib_code code = check_job(job, &o, err);
    if (code == SIB_OK)
        code = fill_options(&o, err);
    if (code != SIB_OK)
        return code;
    sib_live *l = mem_calloc(1, sizeof *l);
    if (!l)
        return err_memory(err, sizeof *l, "a stream of speech");
    l->job = job;
    l->o = o;
    l->rate = info.sample_rate;
    code = sib_resampler_create(o.sample_rate, (int32_t)lrint(l->rate), false, &l->resampler, err);
    if (code == SIB_OK)
        code = open_segmenter(l, err);
    if (code == SIB_OK)
        code = make_inputs(l, err);
    if (code == SIB_OK)
        *out = l;
    else
        sib_live_free(&l);
    return code;
}

void sib_live_free(sib_live **l)
{
    if (!l || !*l)
        return;
    sib_resampler_free(&(*l)->resampler);
    segmenter_close(&(*l)->segmenter);
    voice_model_free(&(*l)->voice);
    mem_free((*l)->heard);
    mem_free((*l)->final);
    mem_free((*l)->partial);
    mem_free(*l);
    *l = NULL;
}

/* ---- Texts --------------------------------------------------------------------------------------------- */

/* The time of sample i of the segmenter's. */
static double time_of(const sib_live *l, size_t i)
{
    return l->o.begin + (double)(l->segmenter.at + i) / l->rate;
}

static sib_code tell(const sib_live *l, sib_live_kind kind, size_t length, sib_live_event e, sib_error *err)
{
    e.kind = kind;
    e.segment = l->number;
    e.start = time_of(l, 0);
    e.end = time_of(l, length);
    e.text = e.text ? e.text + strspn(e.text, " ") : "";
    e.language = e.language ? e.language : "";
    return l->o.on_event(l->o.context, &e, err);
}

/* Transcribes the first samples. outputs (n_outputs). *out: owned by the caller. */
static sib_code transcribe(const sib_live *l, size_t length, sib_job_value *inputs, size_t n_inputs,
                           size_t n_outputs, sib_job_result **out, sib_error *err)
{
    static const char *const outputs[] = {"text", "segments", "language"};
    sib_tensor *audio = NULL; /* [length] */
    int64_t dims[1] = {(int64_t)length};
    sib_job_run_options o = {.cancel = l->o.cancel};
    sib_code code = sib_tensor_wrap(SIB_F32, 1, dims, NULL, l->segmenter.samples, NULL, NULL, &audio, err);
    inputs[0] = (sib_job_value){"audio", {.type = SIB_PORT_AUDIO, .tensor = audio}};
    if (code == SIB_OK)
        code = sib_job_run(l->job, n_inputs, inputs, n_outputs, outputs, &o, out, err);
    sib_tensor_free(&audio);
    return code;
}

/* Segments with the times of the stream; release *out and *words with mem_free. */
static sib_code move_segments(const sib_live *l, const sib_port_value *from, sib_segment **out,
                              sib_word **words, sib_error *err)
{
    size_t n = from->segments.n, n_words = 0, k = 0;
    double by = time_of(l, 0);
    for (size_t i = 0; i < n; i++)
        n_words += from->segments.data[i].words ? from->segments.data[i].n_words : 0;
    *out = mem_alloc(n, sizeof **out);
    *words = mem_alloc(n_words, sizeof **words);
    if (!*out || !*words)
        return err_memory(err, n * sizeof **out + n_words * sizeof **words, "the segments of a stream");
    for (size_t i = 0; i < n; i++) {
        sib_segment *s = &(*out)[i];
        *s = from->segments.data[i];
        s->start += by;
        s->end += by;
        s->seek += (uint64_t)fmax(by * 100, 0);
        const sib_word *given = s->words;
        s->words = given ? *words + k : NULL;
        for (size_t j = 0; given && j < s->n_words; j++) {
            (*words)[k] = given[j];
            (*words)[k].start += by;
            (*words)[k++].end += by;
        }
    }
    return SIB_OK;
}

static sib_code tell_final(const sib_live *l, size_t length, const sib_job_result *r, sib_error *err)
{
    sib_segment *segments = NULL;
    sib_word *words = NULL;
    const sib_port_value *from = sib_job_result_find(r, "segments");
    sib_code code = move_segments(l, from, &segments, &words, err);
    if (code == SIB_OK)
        code = tell(l, SIB_LIVE_FINAL, length,
                    (sib_live_event){.text = sib_job_result_find(r, "text")->text.data,
                                     .language = sib_job_result_find(r, "language")->text.data,
                                     .segments = segments,
                                     .n_segments = from->segments.n},
                    err);
    mem_free(segments);
    mem_free(words);
    return code;
}

/* Forgets what the segment is made of, and what was heard of it. */
static void forget(sib_live *l, size_t length, bool open)
{
    segmenter_drop(&l->segmenter, length, open);
    mem_free(l->heard);
    l->heard = NULL;
    l->heard_samples = 0;
    l->number++;
}

/* Ends the segment, which is the first samples. open: another one begins where it ends. */
static sib_code end_segment(sib_live *l, size_t length, bool open, sib_error *err)
{
    sib_job_result *r = NULL;
    sib_code code = l->o.manual ? SIB_OK : tell(l, SIB_LIVE_STOPPED, length, (sib_live_event){0}, err);
    if (code == SIB_OK)
        code = transcribe(l, length, l->final, l->n_final, 3, &r, err);
    if (code == SIB_OK)
        code = tell_final(l, length, r, err);
    sib_job_result_free(&r);
    forget(l, length, open);
    if (code == SIB_OK && open && !l->o.manual)
        code = tell(l, SIB_LIVE_STARTED, l->segmenter.n, (sib_live_event){0}, err);
    return code;
}

sib_code sib_live_refresh(sib_live *l, sib_error *err)
{
    const segmenter *s = &l->segmenter;
    double seconds = (double)(s->n - l->heard_samples) / l->rate;
    if (!s->open || l->o.partial_seconds < 0 || !s->n || seconds < l->o.partial_seconds)
        return SIB_OK;
    sib_job_result *r = NULL;
    sib_code code = transcribe(l, s->n, l->partial, l->n_partial, 1, &r, err);
    if (code != SIB_OK)
        return code;
    const char *text = sib_job_result_find(r, "text")->text.data;
    text += strspn(text, " ");
    l->heard_samples = s->n;
    char *heard = mem_strdup(text);
    size_t stable = l->heard ? words_shared(l->heard, text) : 0;
    mem_free(l->heard);
    l->heard = heard;
    if (!heard)
        code = err_memory(err, strlen(text), "the text of a stream");
    else if (*text)
        code = tell(l, SIB_LIVE_PARTIAL, s->n, (sib_live_event){.text = text, .n_stable = stable}, err);
    sib_job_result_free(&r);
    return code;
}

/* ---- Samples ------------------------------------------------------------------------------------------- */

/* Takes samples (n) at the job's rate. */
static sib_code listen(sib_live *l, const float *samples, size_t n, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0, used, length = 0; i < n && code == SIB_OK; i += used) {
        if (cancel_is_set(l->o.cancel))
            return err_set(err, SIB_ERR_CANCELLED, "the stream was cancelled");
        segment_event e;
        code = segmenter_take(&l->segmenter, samples + i, n - i, &used, &e, &length, err);
        if (code != SIB_OK)
            sib_live_clear(l);
        else if (e == SEGMENT_STARTED)
            code = tell(l, SIB_LIVE_STARTED, l->segmenter.n, (sib_live_event){0}, err);
        else if (e != SEGMENT_NONE)
            code = end_segment(l, length, e == SEGMENT_CUT, err);
    }
    return code;
}

/* samples NULL: the end. */
static sib_code push(sib_live *l, const float *samples, size_t n, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0, used, got = 1; code == SIB_OK && (i < n || got); i += used) {
        code = sib_resampler_run(l->resampler, samples ? samples + i : NULL, n - i, &used, l->block, BLOCK,
                                 &got, err);
        if (code == SIB_OK)
            code = listen(l, l->block, got, err);
    }
    return code;
}

sib_code sib_live_push(sib_live *l, const float *samples, size_t n, sib_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(samples[i]))
            return err_set(err, SIB_ERR_VALUE, "sample %zu is %s, expected a finite number", i,
                           isnan(samples[i]) ? "NaN" : "infinite");
    return n ? push(l, samples, n, err) : SIB_OK;
}

sib_code sib_live_push_s16(sib_live *l, const int16_t *samples, size_t n, sib_error *err)
{
    float piece[1024];
    sib_code code = SIB_OK;
    for (size_t i = 0, m; i < n && code == SIB_OK; i += m) {
        m = size_min(n - i, sizeof piece / sizeof *piece);
        for (size_t k = 0; k < m; k++)
            piece[k] = (float)samples[i + k] / 32768.0f;
        code = push(l, piece, m, err);
    }
    return code;
}

double sib_live_pending(const sib_live *l)
{
    return l->segmenter.open ? (double)l->segmenter.n / l->rate : 0;
}

sib_code sib_live_commit(sib_live *l, sib_error *err)
{
    if (cancel_is_set(l->o.cancel))
        return err_set(err, SIB_ERR_CANCELLED, "the stream was cancelled");
    return l->segmenter.open && l->segmenter.n ? end_segment(l, l->segmenter.n, false, err) : SIB_OK;
}

sib_code sib_live_finish(sib_live *l, sib_error *err)
{
    sib_code code = push(l, NULL, 0, err);
    return code == SIB_OK ? sib_live_commit(l, err) : code;
}

void sib_live_clear(sib_live *l)
{
    if (l->segmenter.open)
        forget(l, l->segmenter.n, false);
}
