/* sibyl transcribe IN...: speech to text. */
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "picture.h"
#include "shared_options.h"
#include "transcribe_live.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *model, *tokenizer, *language, *folder, *vad, *initial_prompt, *hotwords, *backend, *trace;
    extension_settings ext;
    cli_list inputs;
    long beam, best_of, threads, batch; /* beam 0: 5, or greedy where text is wanted while somebody speaks */
    int task, format, features, verbose;
    bool word_timestamps, picture, quiet, live;
    double max_seconds; /* 0: the default */
} settings;

static const char *const task_names[] = {"transcribe", "translate", NULL};
static const char *const feature_names[] = {"float", "fixed", "int16", "int8", NULL};
/* Words of --format: those of sib_transcript_format in their order, and each of them. */
enum { FORMAT_ALL = SIB_TRANSCRIPT_LINES };
static const char *const format_names[] = {"txt", "json", "srt", "vtt", "tsv", "all", NULL};

static const cli_option options[] = {
    OPT_MODEL("an ONNX model, a checkpoint (.pt, safetensors, ggml, GGUF, a Hugging Face folder), a job's "
              "document, a folder with one, or the name of an installed model (default: digits)",
              .more = CHECKPOINT_IS_KEPT),
    OPT_TOKENIZER("the model's tokenizer, where there is none in its folder"),
    OPT_TEXT("language", language, "L", "spoken language, as de or german (default: detected)"),
    OPT_CHOICE("task", task, task_names, "transcribe (default), or translate into English"),
    OPT_CHOICE("format", format, format_names,
               "format to write; without it, lines with their times are shown as they are recognised"),
    OPT_OUT_FOLDER("write DIR/NAME.FORMAT for each recording (default format: txt)"),
    OPT_FLAG("word-timestamps", word_timestamps, "find the times of words"),
    OPT_FLAG(
        "live", live, "transcribe while somebody speaks: from a microphone, or from IN as it comes",
        .more =
            "IN is alsa:NAME or pulse:NAME (default: the microphone that the system names), - or a pipe, or "
            "a file, which is heard at the pace of its playing. A pause ends a segment, whose text does not "
            "change any more; on a terminal the line under it shows what is being said. --format txt writes "
            "a line for each segment, json one for each event: started, stopped, partial, final. Ctrl-C "
            "ends it. Greedy unless --beam is given."),
    OPT_INTEGER(
        "batch", batch, "N", 1, 64, "recordings that are transcribed side by side (default: 1)",
        .more =
            "The threads are divided among them. Each recording has the text that it has alone; lines are "
            "shown when it is done, in the order given."),
    OPT_INTEGER("beam", beam, "N", 1, 100, "hypotheses of the beam search; 1: greedy (default: 5)"),
    OPT_INTEGER("best-of", best_of, "N", 1, 100, "samples drawn at temperatures above 0 (default: 5)"),
    OPT_TEXT("initial-prompt", initial_prompt, "TEXT", "text before the first window"),
    OPT_TEXT("hotwords", hotwords, "WORDS", "words to expect in every window"),
    OPT_CHOICE("features", features, feature_names,
               "arithmetic of the features that the model hears (default: float)",
               .more = "fixed is int16: what 'sibyl features --fixed' and a compute tile make."),
    OPT_FILE("vad", vad, "MODEL", "transcribe only what this voice-activity model finds to be speech"),
    OPT_JOB_INPUT(
        "any other option of openai-whisper by its name: no_speech_threshold=0.5, temperature=0,0.4"),
    OPT_FLAG("picture", picture, "show the features, time to the right, and the words under them"),
    OPT_MAX_SECONDS,
    OPT_BACKEND,
    OPT_THREADS("0"),
    OPT_TRACE,
    OPT_EXTENSIONS,
    OPT_VERBOSE,
    OPT_FLAG("quiet", quiet, "show neither lines as they are recognised nor a summary"),
    OPT_END};

static const char more[] =
    "Follows Whisper's procedure: windows of 30 s, timestamps, prompts, beam search, fallback to higher "
    "temperatures, silence left out. Lines with their times appear as they are recognised. 'sibyl job "
    "--ports MODEL' lists all options of a model; those without a row here are given with -i, and "
    "default to openai-whisper's. IN is any file that FFmpeg reads, or - for standard input: a recording, or "
    "raw "
    "mono samples of 16 kHz and 16 bits. digits, the small model that comes with Sibyl, knows ten English "
    "words, zero to nine.";

/* ---- One recording
   ----------------------------------------------------------------------------------------- */

typedef struct listener {
    const settings *s;
    const sib_job *job, *vad;
    const sib_cancel *cancel;
    sib_profile *profile; /* for the trace, or NULL */
    cli_progress progress;
    const char *title;
    FILE *out;  /* where texts go */
    bool shows; /* lines are shown as they come */
    bool cancelled;
    double seconds, took;
} listener;

static sib_code on_segment(void *context, const sib_segment *segment, sib_error *err)
{
    listener *l = context;
    sib_transcript t = {"", "", segment, 1};
    char *line = NULL;
    if (!l->shows)
        return SIB_OK;
    sib_code code = sib_transcript_text(&t, SIB_TRANSCRIPT_LINES, &line, NULL, err);
    if (code == SIB_OK) {
        cli_progress_clear(&l->progress);
        fputs(line, l->out);
        fflush(l->out);
    }
    sib_free(line);
    return code;
}

static sib_code on_progress(void *context, double done, double total, sib_error *err)
{
    listener *l = context;
    (void)err;
    if (l->s->batch == 1)
        cli_progress_show(&l->progress, total > 0 ? done / total : 0, "hearing", l->title);
    return SIB_OK;
}

/* Whether -i gives this input, which then stands in place of what an option of the command has. */
static bool is_given(const settings *s, const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 0; i < s->inputs.n; i++)
        if (!strncmp(s->inputs.items[i], name, length) && s->inputs.items[i][length] == '=')
            return true;
    return false;
}

/* The options as inputs of the job. */
static bool add_options(job_inputs *in, const settings *s, const sib_job *job, bool clips)
{
    char beam[24], best[24];
    const long width = s->beam ? s->beam : s->live ? 1 : 5;
    snprintf(beam, sizeof beam, "%ld", width);
    snprintf(best, sizeof best, "%ld", s->best_of);
    const struct {
        const char *name, *text;
    } given[] = {{"language", s->language},
                 {"task", task_names[s->task]},
                 {"word_timestamps", s->word_timestamps || s->picture ? "true" : NULL},
                 {"beam_size", width > 1 ? beam : NULL},
                 {"best_of", best},
                 {"initial_prompt", s->initial_prompt},
                 {"hotwords", s->hotwords},
                 {"arithmetic", s->features ? feature_names[s->features] : NULL}};
    bool done = true;
    for (size_t i = 0; i < sizeof given / sizeof *given && done; i++)
        done = !given[i].text || is_given(s, given[i].name) ||
               job_inputs_add(in, job, given[i].name, given[i].text);
    if (clips && is_given(s, "clip_timestamps"))
        return !cli_fail("clip_timestamps and --vad both select what is transcribed: give one");
    return done && job_inputs_add_list(in, job, &s->inputs);
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

/* Name of a recording's files, without an ending. Release with free. */
static char *stem_of(const char *recording)
{
    return strcmp(recording, "-") == 0 ? cli_format("stdin") : file_stem(recording);
}

/* Writes DIR/NAME.FORMAT, or to `out` where folder is NULL. */
static bool write_one(const char *folder, FILE *out, const char *recording, const sib_transcript *t,
                      sib_transcript_format format)
{
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    size_t size = 0;
    if (sib_transcript_text(t, format, &text, &size, &err) != SIB_OK) {
        cli_fail("%s: %s", recording, err.message);
        return false;
    }
    bool done = true;
    if (folder) {
        char *stem = stem_of(recording),
             *name = cli_format("%s.%s", stem, sib_transcript_format_name(format));
        char *path = file_join(folder, name);
        done = file_put(path, text, size);
        free(path);
        free(name);
        free(stem);
    } else
        fwrite(text, 1, size, out);
    sib_free(text);
    return done;
}

static bool write_all(const settings *s, FILE *out, const char *recording, const sib_transcript *t)
{
    bool done = true;
    int first = s->format < 0 ? SIB_TRANSCRIPT_TXT : s->format == FORMAT_ALL ? 0 : s->format;
    int last = s->format == FORMAT_ALL ? FORMAT_ALL - 1 : first;
    if (!s->folder && s->format < 0)
        return true;
    for (int f = first; f <= last && done; f++)
        done = write_one(s->folder, out, recording, t, (sib_transcript_format)f);
    return done;
}

static bool transcribe_recording(listener *l, job_inputs *in, const char *recording)
{
    static const char *const wanted[] = {"text", "segments", "language"};
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    sib_job_run_options o = {.context = l,
                             .on_segment = on_segment,
                             .on_progress = on_progress,
                             .cancel = l->cancel,
                             .profile = l->profile};
    bool done = sib_job_run(l->job, in->n, in->items, 3, wanted, &o, &r, &err) == SIB_OK;
    cli_progress_clear(&l->progress);
    l->cancelled = err.code == SIB_ERR_CANCELLED;
    if (!done)
        cli_fail("%s: %s", recording, err.message);
    else {
        const sib_port_value *segments = sib_job_result_find(r, "segments");
        sib_transcript t = {sib_job_result_find(r, "text")->text.data,
                            sib_job_result_find(r, "language")->text.data, segments->segments.data,
                            segments->segments.n};
        done = write_all(l->s, l->out, recording, &t);
        if (done && l->s->picture) {
            const sib_tensor *audio = in->items[0].value.tensor; /* [n] */
            done =
                picture_show(sib_tensor_data(audio), (size_t)sib_tensor_count(audio), t.segments,
                             t.n_segments, picture_columns(stdout), cli_has_colours(STDOUT_FILENO), l->out);
        }
    }
    sib_job_result_free(&r);
    return done;
}

static bool transcribe_one(listener *l, const char *recording)
{
    sib_timer timer = sib_timer_start();
    job_inputs in = {.max_seconds = l->s->max_seconds};
    l->title = recording;
    bool done = job_inputs_add(&in, l->job, "audio", recording);
    char *clips = NULL;
    if (done && l->vad)
        done = (clips = speech_clips(l, &in.items[0].value)) &&
               job_inputs_add(&in, l->job, "clip_timestamps", clips);
    done = done && add_options(&in, l->s, l->job, l->vad != NULL);
    if (done) {
        sib_job_info info;
        sib_job_get_info(l->job, &info);
        l->seconds = (double)sib_tensor_count(in.items[0].value.tensor) / info.sample_rate;
        done = transcribe_recording(l, &in, recording);
    }
    l->took = sib_timer_seconds(&timer);
    if (done && !l->s->quiet)
        fprintf(stderr, "%s: %.1f s transcribed in %.2f s, %.1f x real time\n", recording, l->seconds,
                l->took, l->seconds / l->took);
    free(clips);
    job_inputs_free(&in);
    return done;
}

/* ---- The command
   ------------------------------------------------------------------------------------------- */

static bool transcribe_all(const settings *s, listener *l, int n, char **paths)
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
    if (n > 1 && !s->quiet)
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
            char *a = stem_of(paths[k]), *b = stem_of(paths[i]);
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
static long threads_of_each(const settings *s)
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
    if (!l->s->quiet)
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
    const settings *s = l->s;
    job_inputs in = {0};
    live_hearing h = {l->job, l->vad, &in, s->max_seconds, s->format < 0 ? LIVE_LINES : forms[s->format]};
    bool done = add_options(&in, s, l->job, false) && live_transcribe(&h, source);
    job_inputs_free(&in);
    return done;
}

static int open_and_transcribe(const settings *s, int n, char **paths)
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
    bool ready = job && (!s->vad || vad);
    listener l = {
        .s = s, .job = job, .vad = vad, .out = stdout, .shows = !s->quiet && (s->format < 0 || s->folder)};
    l.cancel = ready && !s->live ? interrupt_begin() : NULL;
    bool done = s->live ? ready && hear(&l, n ? paths[0] : NULL)
                        : l.cancel && trace_begin(s->trace, &l.profile) &&
                              (s->batch > 1 ? transcribe_together(&l, (size_t)n, paths)
                                            : transcribe_all(s, &l, n, paths));
    done = trace_end(s->trace, &l.profile) && done;
    if (l.cancel)
        interrupt_end();
    sib_job_free(&job);
    sib_job_free(&vad);
    return done ? CLI_DONE : CLI_FAILED;
}

static int transcribe(const cli_command *self, int argc, char **argv)
{
    settings s = {.model = "digits", .batch = 1, .best_of = 5, .format = -1, .verbose = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (!n && !s.live)
        code = cli_usage(self, "no recording is given");
    else if (s.live && (n > 1 || s.folder || s.picture || s.trace || s.batch > 1 || s.word_timestamps))
        code =
            cli_usage(self, "--live takes one source, and neither --%s",
                      n > 1 ? "batch nor several" : "out, --picture, --trace, --batch nor --word-timestamps");
    else if (s.live && s.format > SIB_TRANSCRIPT_JSON)
        code = cli_usage(self, "--live writes --format txt and json alone");
    else if (s.batch > 1 && s.trace)
        code = cli_usage(self, "--trace takes recordings one after another, without --batch");
    else if (s.format == FORMAT_ALL && !s.folder)
        code = cli_usage(self, "all formats need a folder, -o DIR");
    else
        code = extensions_load(&s.ext) ? open_and_transcribe(&s, n, argv) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.inputs.items);
    return code;
}

const cli_command command_transcribe = {.name = "transcribe",
                                        .summary = "speech to text",
                                        .operands = "IN... [--model M] [options] | --live [IN]",
                                        .options = options,
                                        .more = more,
                                        .run = transcribe};
