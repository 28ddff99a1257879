/* sibyl transcribe IN...: speech to text. */
#include "files.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "picture.h"
#include "transcribe_live.h"
#include "transcribe_output.h"
#include "transcribe_settings.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char more[] =
    "Follows Whisper's procedure: windows of 30 s, timestamps, prompts, beam search, fallback to higher "
    "temperatures, silence left out. Lines with their times appear as they are recognised. 'sibyl job "
    "--ports MODEL' lists all options of a model; those without a row here are given with -i, and "
    "default to openai-whisper's. IN is any file that FFmpeg reads, or - for standard input: a recording, or "
    "raw "
    "mono samples of 16 kHz and 16 bits. Recognisers with a CTC head (wav2vec 2, HuBERT, WavLM, Parakeet, "
    "...) hear "
    "chunks "
    "that overlap (chunk_length_s=30, stride_length_s=5) and take no options of Whisper's decoder; Moonshine "
    "and Parakeet with TDT or RNN-T hear chunks that end in silence (chunk_length_s=30). digits, "
    "the small model that comes with Sibyl, knows ten English "
    "words, zero to nine.";

/* ---- One recording
   ----------------------------------------------------------------------------------------- */

typedef struct listener {
    const transcribe_settings *s;
    const sib_job *job, *vad;
    const sib_cancel *cancel;
    sib_profile *profile; /* for the trace, or NULL */
    cli_progress progress;
    const char *title;
    int percent;    /* that was printed last */
    FILE *out;      /* where texts go */
    json_t *record; /* line of the manifest, or NULL */
    bool shows;     /* lines are shown as they come */
    bool cancelled;
    double seconds, took;
} listener;

static sib_code on_segment(void *context, const sib_segment *segment, sib_error *err)
{
    listener *l = context;
    if (!l->shows)
        return SIB_OK;
    cli_progress_clear(&l->progress);
    return transcribe_show(l->s, segment, l->out, err);
}

static sib_code on_progress(void *context, double done, double total, sib_error *err)
{
    listener *l = context;
    const double part = total > 0 ? done / total : 0;
    (void)err;
    if (l->s->print_progress)
        transcribe_progress(&l->percent, part, l->title);
    else if (l->s->batch == 1)
        cli_progress_show(&l->progress, part, "hearing", l->title);
    return SIB_OK;
}

/* Finds speech in the recording, as "start,end,start,end". Returns NULL, with a line on stderr, on
   failure. */
static char *speech_clips(listener *l, const sib_port_value *audio)
{
    static const char *const wanted[] = {"spans"};
    sib_error err = SIB_ERROR_INIT;
    sib_job_value in = {"audio", *audio};
    sib_job_run_options o = {.cancel = l->cancel};
    sib_job_result *r = NULL;
    if (sib_job_run(l->vad, 1, &in, 1, wanted, &o, &r, &err) != SIB_OK) {
        cli_fail("%s: %s", l->title, err.message);
        l->cancelled = err.code == SIB_ERR_CANCELLED;
        return NULL;
    }
    const sib_port_value *spans = sib_job_result_find(r, "spans");
    size_t room = 64 * spans->spans.n + 8, used = 0;
    char *text = cli_alloc(room, 1);
    for (size_t i = 0; i < spans->spans.n; i++)
        used += (size_t)snprintf(text + used, room - used, "%s%.3f,%.3f", i ? "," : "",
                                 spans->spans.data[i].start, spans->spans.data[i].end);
    if (!spans->spans.n) /* nothing is transcribed */
        snprintf(text, room, "0,0");
    sib_job_result_free(&r);
    return text;
}

static void describe(const listener *l, const sib_transcript *t)
{
    json_object_set_new(l->record, "seconds", json_real(l->seconds));
    json_object_set_new(l->record, "language", cli_json_text(t->language));
    json_object_set_new(l->record, "text", cli_json_text(t->text));
}

/* clips: where voice activity found speech, or NULL. */
static bool transcribe_recording(listener *l, job_inputs *in, const char *recording, const char *clips)
{
    static const char *const wanted[] = {"text", "segments", "language", "language_probability"};
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    sib_job_run_options o = {.context = l,
                             .on_segment = on_segment,
                             .on_progress = on_progress,
                             .cancel = l->cancel,
                             .profile = l->profile};
    bool done = sib_job_run(l->job, in->n, in->items, l->s->detect ? 4 : 3, wanted, &o, &r, &err) == SIB_OK;
    cli_progress_clear(&l->progress);
    l->cancelled = err.code == SIB_ERR_CANCELLED;
    if (!done)
        cli_fail("%s: %s", recording, err.message);
    else {
        const sib_port_value *segments = sib_job_result_find(r, "segments");
        sib_transcript t = {sib_job_result_find(r, "text")->text.data,
                            sib_job_result_find(r, "language")->text.data, segments->segments.data,
                            segments->segments.n};
        done = l->s->detect ? transcribe_language(recording, t.language,
                                                  sib_job_result_find(r, "language_probability"), l->out)
                            : transcribe_write(l->s, l->out, recording, &t);
        if (done && l->record)
            describe(l, &t);
        const sib_tensor *audio = in->items[0].value.tensor; /* [n] */
        const size_t n = (size_t)sib_tensor_count(audio);
        if (done && l->s->image)
            done = transcribe_picture(l->s, recording, sib_tensor_data(audio), n, &t, clips);
        if (done && l->s->attention)
            done = transcribe_attention(l->s, l->job, recording, audio, &t);
        if (done && l->s->picture)
            done = picture_show(sib_tensor_data(audio), n, t.segments, t.n_segments, picture_columns(stdout),
                                cli_has_colours(STDOUT_FILENO), l->out);
    }
    sib_job_result_free(&r);
    return done;
}

static bool transcribe_one(listener *l, const char *recording)
{
    sib_timer timer = sib_timer_start();
    job_inputs in = {.max_seconds = l->s->max_seconds};
    l->title = recording;
    l->percent = 0;
    bool done = job_inputs_add(&in, l->job, "audio", recording);
    char *clips = NULL;
    if (done && l->vad && !l->s->detect)
        done = (clips = speech_clips(l, &in.items[0].value)) &&
               job_inputs_add(&in, l->job, "clip_timestamps", clips);
    done = done && transcribe_inputs(&in, l->s, l->job, clips != NULL);
    if (done) {
        sib_job_info info;
        sib_job_get_info(l->job, &info);
        l->seconds = (double)sib_tensor_count(in.items[0].value.tensor) / info.sample_rate;
        done = transcribe_recording(l, &in, recording, clips);
    }
    l->took = sib_timer_seconds(&timer);
    if (done && !l->s->quiet && !l->s->no_summary)
        fprintf(stderr, "%s: %.1f s transcribed in %.2f s, %.1f x real time\n", recording, l->seconds,
                l->took, l->seconds / l->took);
    free(clips);
    job_inputs_free(&in);
    return done;
}

/* ---- The command
   ------------------------------------------------------------------------------------------- */

static bool transcribe_all(const transcribe_settings *s, listener *l, int n, char **paths)
{
    double seconds = 0, took = 0;
    int failed = 0;
    cli_progress_begin(&l->progress, (size_t)n);
    for (int i = 0; i < n && !l->cancelled; i++) {
        l->progress.item = (size_t)i;
        if (l->shows && n > 1)
            printf("%s\n", paths[i]);
        if (transcribe_one(l, paths[i])) {
            seconds += l->seconds;
            took += l->took;
        } else
            failed++;
    }
    if (n > 1 && !s->quiet && !s->no_summary)
        fprintf(stderr, "%d of %d recordings, %.1f s transcribed in %.2f s, %.1f x real time\n", n - failed,
                n, seconds, took, took > 0 ? seconds / took : 0);
    return failed == 0;
}

/* Returns true if each recording has its own files, else false with a line on stderr. */
static bool names_differ(int n, char **paths)
{
    bool differ = true;
    for (int i = 1; i < n && differ; i++)
        for (int k = 0; k < i && differ; k++) {
            char *a = transcribe_stem(paths[k]), *b = transcribe_stem(paths[i]);
            if (!(differ = strcmp(a, b) != 0))
                cli_fail("%s and %s would be written to the same file, '%s'", paths[k], paths[i], a);
            free(a);
            free(b);
        }
    return differ;
}

/* ---- Several at once
   --------------------------------------------------------------------------------------- */

/* Recordings and what was written of each, shown in order. */
typedef struct together {
    const listener *base;
    char **paths; /* (n) */
    struct transcribed {
        char *text;
        size_t size;
        bool done;
    } * results; /* (n) under the lock */
    pthread_mutex_t lock;
    size_t n, next, shown; /* under the lock: to be begun, and shown */
    size_t failed;
    double seconds;
} together;

/* Transcribes recording i into memory, then shows all that are done in the order given. */
static bool transcribe_aside(together *t, listener *l, size_t i)
{
    char *text = NULL;
    size_t size = 0;
    l->out = open_memstream(&text, &size);
    if (!l->out)
        return !cli_fail("%s: out of memory", t->paths[i]);
    if (l->shows && t->n > 1)
        fprintf(l->out, "%s\n", t->paths[i]);
    bool done = transcribe_one(l, t->paths[i]);
    fclose(l->out);
    pthread_mutex_lock(&t->lock);
    t->results[i] = (struct transcribed){text, size, true};
    t->seconds += done ? l->seconds : 0;
    t->failed += !done;
    for (; t->shown < t->n && t->results[t->shown].done; t->shown++) {
        fwrite(t->results[t->shown].text, 1, t->results[t->shown].size, stdout);
        fflush(stdout);
        free(t->results[t->shown].text);
    }
    pthread_mutex_unlock(&t->lock);
    return !l->cancelled;
}

static void *transcribe_some(void *context)
{
    together *t = context;
    for (bool going = true; going;) {
        listener l = *t->base;
        pthread_mutex_lock(&t->lock);
        size_t i = t->next < t->n ? t->next++ : t->n;
        pthread_mutex_unlock(&t->lock);
        going = i < t->n && transcribe_aside(t, &l, i);
    }
    return NULL;
}

/* Threads for each of the recordings that are transcribed at once. */
static long threads_of_each(const transcribe_settings *s)
{
    sib_pool *pool = NULL;
    if (s->batch == 1 || sib_pool_create((unsigned)s->threads, &pool, NULL) != SIB_OK)
        return s->threads;
    long threads = (long)sib_pool_threads(pool) / s->batch;
    sib_pool_free(&pool);
    return threads > 1 ? threads : 1;
}

static bool transcribe_together(const listener *l, size_t n, char **paths)
{
    together t = {.base = l, .paths = paths, .n = n};
    size_t n_workers = (size_t)l->s->batch < n ? (size_t)l->s->batch : n, begun = 0;
    sib_timer timer = sib_timer_start();
    pthread_t workers[64];
    t.results = cli_alloc(n, sizeof *t.results);
    pthread_mutex_init(&t.lock, NULL);
    while (begun + 1 < n_workers && !pthread_create(&workers[begun], NULL, transcribe_some, &t))
        begun++;
    transcribe_some(&t);
    for (size_t i = 0; i < begun; i++)
        pthread_join(workers[i], NULL);
    pthread_mutex_destroy(&t.lock);
    double took = sib_timer_seconds(&timer);
    bool all = t.shown == n && !t.failed;
    if (!l->s->quiet && !l->s->no_summary)
        fprintf(stderr, "%zu of %zu recordings, %.1f s transcribed in %.2f s, %.1f x real time\n",
                t.shown - t.failed, n, t.seconds, took, took > 0 ? t.seconds / took : 0);
    for (size_t i = t.shown; i < n; i++) /* behind one that was cancelled */
        free(t.results[i].text);
    free(t.results);
    return all;
}

/* ---- While somebody speaks
   --------------------------------------------------------------------------------- */

static bool hear(const listener *l, const char *source)
{
    static const live_form forms[] = {LIVE_TEXT, LIVE_JSON};
    const transcribe_settings *s = l->s;
    job_inputs in = {0};
    live_hearing h = {l->job, l->vad, &in, s->max_seconds, s->format < 0 ? LIVE_LINES : forms[s->format]};
    bool done = transcribe_inputs(&in, s, l->job, false) && live_transcribe(&h, source);
    job_inputs_free(&in);
    return done;
}

/* ---- A set ---- */

static bool make_item(void *context, const char *item, const char *path, json_t *record)
{
    listener l = *(const listener *)context;
    transcribe_settings s = *l.s;
    s.output_file = path;
    s.quiet = true;
    l.s = &s;
    l.shows = false;
    l.record = record;
    return transcribe_one(&l, item);
}

static bool transcribe_set(const cli_command *self, const transcribe_settings *s, listener *l)
{
    const char *endings[SIB_TRANSCRIPT_FORMAT_COUNT + 1] = {NULL};
    size_t n = 0;
    for (int f = 0; f < SIB_TRANSCRIPT_LINES; f++)
        if (transcribe_writes(s, (sib_transcript_format)f))
            endings[n++] = sib_transcript_format_name((sib_transcript_format)f);
    return set_run(&(set_work){.command = self,
                               .settings = s,
                               .set = &s->set,
                               .folder = s->folder,
                               .endings = endings,
                               .make = make_item,
                               .context = l}) == CLI_DONE;
}

static bool work(const cli_command *self, const transcribe_settings *s, listener *l, int n, char **paths)
{
    if (s->live)
        return hear(l, n ? paths[0] : NULL);
    if (set_wanted(&s->set))
        return transcribe_set(self, s, l);
    return trace_begin(s->trace, &l->profile) &&
           (s->batch > 1 ? transcribe_together(l, (size_t)n, paths) : transcribe_all(s, l, n, paths));
}

/* Returns true if the job can do what is asked, else false with a line on stderr. */
static bool job_fits(const sib_job *job, const transcribe_settings *s)
{
    sib_job_port port;
    bool detects = !s->detect;
    for (size_t i = 0; sib_job_output(job, i, &port); i++)
        detects = detects || !strcmp(port.name, "language_probability");
    return detects || !cli_fail("%s: the model does not tell languages apart", s->model);
}

static int open_and_transcribe(const cli_command *self, const transcribe_settings *s, int n, char **paths)
{
    if (s->folder && !(names_differ(n, paths) && file_folder_ready(s->folder)))
        return CLI_FAILED;
    const long threads = threads_of_each(s);
    sib_job *job = job_model_open(s->model, &(sib_job_options){.kind = "speech-to-text",
                                                               .tokenizer = s->tokenizer,
                                                               .backends = s->backend,
                                                               .threads = (unsigned)threads,
                                                               .registry = s->ext.registry,
                                                               .log = verbose_log(s->verbose)});
    sib_job *vad = job && s->vad ? job_model_open(s->vad, &(sib_job_options){.kind = "voice-activity",
                                                                             .backends = s->backend,
                                                                             .threads = 1,
                                                                             .registry = s->ext.registry})
                                 : NULL;
    bool ready = job && job_fits(job, s) && (!s->vad || vad);
    listener l = {.s = s,
                  .job = job,
                  .vad = vad,
                  .out = stdout,
                  .shows = !s->quiet && !s->detect && (s->format < 0 || s->folder || s->output_file)};
    l.cancel = ready && !s->live ? interrupt_begin() : NULL;
    bool done = ready && (s->live || l.cancel) && work(self, s, &l, n, paths);
    done = trace_end(s->trace, &l.profile) && done;
    if (l.cancel)
        interrupt_end();
    sib_job_free(&job);
    sib_job_free(&vad);
    return done ? CLI_DONE : CLI_FAILED;
}

static int transcribe(const cli_command *self, int argc, char **argv)
{
    transcribe_settings s;
    int n, code;
    transcribe_settings_begin(&s);
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    code = transcribe_settings_check(self, &s, n);
    if (code == CLI_DONE)
        code = extensions_load(&s.ext) ? open_and_transcribe(self, &s, n, argv) : CLI_FAILED;
    transcribe_settings_free(&s);
    return code;
}

const cli_command command_transcribe = {
    .name = "transcribe",
    .summary = "speech to text",
    .operands = "IN... [--model M] [options] | --live [IN] | --manifest FILE -o DIR",
    .options = transcribe_options,
    .names = transcribe_names,
    .names_of = "openai-whisper's whisper and whisper.cpp's whisper-cli",
    .more = more,
    .run = transcribe};
