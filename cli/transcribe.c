/* sibyl transcribe IN...: speech to text. */
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "picture.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *model, *tokenizer, *language, *folder, *vad, *initial_prompt, *hotwords, *backend, *trace;
    extension_settings ext;
    cli_list inputs;
    long beam, best_of, threads;
    int task, format, features, verbose;
    bool word_timestamps, picture, quiet;
    double max_seconds; /* 0: the default */
} settings;

static const char *const task_names[] = {"transcribe", "translate", NULL};
static const char *const feature_names[] = {"float", "fixed", "int16", "int8", NULL};
/* Words of --format: those of sib_transcript_format in their order, and each of them. */
enum { FORMAT_ALL = SIB_TRANSCRIPT_LINES };
static const char *const format_names[] = {"txt", "json", "srt", "vtt", "tsv", "all", NULL};

static const cli_option options[] = {
    OPT_MODEL("an ONNX model that 'sibyl import' made, a job's document, a folder with one, or the name of "
              "an installed "
              "model (default: digits)"),
    OPT_TOKENIZER("the model's tokenizer, where there is none in its folder"),
    OPT_TEXT("language", language, "L", "spoken language, as de or german (default: detected)"),
    OPT_CHOICE("task", task, task_names, "transcribe (default), or translate into English"),
    OPT_CHOICE("format", format, format_names,
               "format to write; without it, lines with their times are shown as they are recognised"),
    OPT_OUT_FOLDER("write DIR/NAME.FORMAT for each recording (default format: txt)"),
    OPT_FLAG("word-timestamps", word_timestamps, "find the times of words"),
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
    "default to openai-whisper's. digits, the small model that comes with Sibyl, knows ten English "
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
    bool live; /* lines are shown as they come */
    bool cancelled;
    double seconds, took;
} listener;

static sib_code on_segment(void *context, const sib_segment *segment, sib_error *err)
{
    listener *l = context;
    sib_transcript t = {"", "", segment, 1};
    char *line = NULL;
    if (!l->live)
        return SIB_OK;
    sib_code code = sib_transcript_text(&t, SIB_TRANSCRIPT_LINES, &line, NULL, err);
    if (code == SIB_OK) {
        cli_progress_clear(&l->progress);
        fputs(line, stdout);
        fflush(stdout);
    }
    sib_free(line);
    return code;
}

static sib_code on_progress(void *context, double done, double total, sib_error *err)
{
    listener *l = context;
    (void)err;
    cli_progress_show(&l->progress, total > 0 ? done / total : 0, "hearing", l->title);
    return SIB_OK;
}

/* The options as inputs of the job. */
static bool add_options(job_inputs *in, const settings *s, const sib_job *job, bool clips)
{
    char beam[24], best[24];
    snprintf(beam, sizeof beam, "%ld", s->beam);
    snprintf(best, sizeof best, "%ld", s->best_of);
    const struct {
        const char *name, *text;
    } given[] = {{"language", s->language},
                 {"task", task_names[s->task]},
                 {"word_timestamps", s->word_timestamps || s->picture ? "true" : NULL},
                 {"beam_size", s->beam > 1 ? beam : NULL},
                 {"best_of", best},
                 {"initial_prompt", s->initial_prompt},
                 {"hotwords", s->hotwords},
                 {"arithmetic", s->features ? feature_names[s->features] : NULL}};
    bool done = true;
    for (size_t i = 0; i < sizeof given / sizeof *given && done; i++)
        done = !given[i].text || job_inputs_add(in, job, given[i].name, given[i].text);
    for (size_t i = 0; i < s->inputs.n && done; i++)
        if (clips && !strncmp(s->inputs.items[i], "clip_timestamps=", 16)) {
            cli_fail("clip_timestamps and --vad both select what is transcribed: give one");
            done = false;
        }
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

/* Writes DIR/NAME.FORMAT, or to stdout where folder is NULL. */
static bool write_one(const char *folder, const char *recording, const sib_transcript *t,
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
        char *stem = file_stem(recording),
             *name = cli_format("%s.%s", stem, sib_transcript_format_name(format));
        char *path = file_join(folder, name);
        done = file_put(path, text, size);
        free(path);
        free(name);
        free(stem);
    } else
        fwrite(text, 1, size, stdout);
    sib_free(text);
    return done;
}

static bool write_all(const settings *s, const char *recording, const sib_transcript *t)
{
    bool done = true;
    int first = s->format < 0 ? SIB_TRANSCRIPT_TXT : s->format == FORMAT_ALL ? 0 : s->format;
    int last = s->format == FORMAT_ALL ? FORMAT_ALL - 1 : first;
    if (!s->folder && s->format < 0)
        return true;
    for (int f = first; f <= last && done; f++)
        done = write_one(s->folder, recording, t, (sib_transcript_format)f);
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
        done = write_all(l->s, recording, &t);
        if (done && l->s->picture) {
            const sib_tensor *audio = in->items[0].value.tensor; /* [n] */
            done = picture_show(sib_tensor_data(audio), (size_t)sib_tensor_count(audio), t.segments,
                                t.n_segments, picture_columns(stdout), isatty(STDOUT_FILENO), stdout);
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
        if (l->live && n > 1)
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
            char *a = file_stem(paths[k]), *b = file_stem(paths[i]);
            if (!(differ = strcmp(a, b) != 0))
                cli_fail("%s and %s would be written to the same file, '%s'", paths[k], paths[i], a);
            free(a);
            free(b);
        }
    return differ;
}

static int open_and_transcribe(const settings *s, int n, char **paths)
{
    if (s->folder && !(names_differ(n, paths) && file_folder_ready(s->folder)))
        return CLI_FAILED;
    sib_job *job = job_model_open(s->model, &(sib_job_options){.kind = "speech-to-text",
                                                               .tokenizer = s->tokenizer,
                                                               .backends = s->backend,
                                                               .threads = (unsigned)s->threads,
                                                               .registry = s->ext.registry,
                                                               .log = verbose_log(s->verbose)});
    sib_job *vad = job && s->vad ? job_model_open(s->vad, &(sib_job_options){.kind = "voice-activity",
                                                                             .backends = s->backend,
                                                                             .threads = 1,
                                                                             .registry = s->ext.registry})
                                 : NULL;
    bool ready = job && (!s->vad || vad);
    listener l = {.s = s, .job = job, .vad = vad, .live = !s->quiet && (s->format < 0 || s->folder)};
    l.cancel = ready ? interrupt_begin() : NULL;
    bool done = l.cancel && trace_begin(s->trace, &l.profile) && transcribe_all(s, &l, n, paths);
    done = trace_end(s->trace, &l.profile) && done;
    if (l.cancel)
        interrupt_end();
    sib_job_free(&job);
    sib_job_free(&vad);
    return done ? CLI_DONE : CLI_FAILED;
}

static int transcribe(const cli_command *self, int argc, char **argv)
{
    settings s = {.model = "digits", .beam = 5, .best_of = 5, .format = -1, .verbose = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (!n)
        code = cli_usage(self, "no recording is given");
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
                                        .operands = "IN... [--model M] [options]",
                                        .options = options,
                                        .more = more,
                                        .run = transcribe};
