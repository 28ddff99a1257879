/* sibyl features IN...: options, names and output; the work is done in features_job.c. */
#include "command.h"
#include "features_job.h"
#include "files.h"
#include "messages.h"
#include "set/set.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SAMPLE_RATE 16000

typedef struct {
    const char *out, *png;
    int preset, smooth, normalize, pcm, fixed;
    long bands, threads;
    double chunk, max_seconds;
    bool precise, keep_float, json;
    set_settings set;
} settings;

static const char *const presets[] = {"whisper", "librosa", "kaldi", NULL};
static const char *const smoothings[] = {"none", "same", "valid", NULL};
static const char *const levels[] = {"peak", "rms", NULL};
static const char *const pcm_formats[] = {"s16le", "f32le", NULL};
static const char *const widths[] = {"int16", "int8", NULL};
static const sib_dtype width_types[] = {SIB_I16, SIB_I8};

/* A number of bands that no front end has is bad input, not misuse: it fails with exit code 1. */
#define MAX_BANDS    4096
#define PRESET_BANDS INT32_MIN

/* Full scale; -20 dB of full scale. */
static const double level_targets[] = {1.0, 0.1};

static const cli_option options[] = {
    OPT_FILE("out", out, "OUT.npy",
             "where the array goes; a folder with several inputs (default: the input's name with .npy, in "
             "this folder)",
             .letter = 'o',
             .more = "Where it names a folder with one input, the array goes into it. " FOLDER_IS_MADE
                     " - is standard output; the summary then goes to standard error. The name for standard "
                     "input is features.npy."),
    OPT_FILE(
        "png", png, "P.png",
        "write a picture too, as PNG or, where the name ends with .svg, as SVG; a folder with several inputs",
        .more = "Time runs to the right, in rows where the recording is long; the waveform is above, the "
                "frequency of "
                "the band centres runs upwards, the scale of values is at the right."),
    OPT_CHOICE("preset", preset, presets, "the front end to compute (default: whisper)"),
    OPT_INTEGER("bands", bands, "N", INT32_MIN, INT32_MAX,
                "mel bands, 1 to 4096; Whisper has 80, large-v3 128 (default: the preset's own)",
                .more = "The presets have 80, 128 and 80.", .offer = "80 128"),
    OPT_CHOICE("smooth", smooth, smoothings,
               "average 3 x 3 over bands and frames: same shape, or full neighbourhoods only (default: none)",
               .more = "At the edges, same averages what exists."),
    OPT_CHOICE("normalize", normalize, levels,
               "scale the recording first: its peak to 1.0, or its RMS to 0.1",
               .more = "0.1 is -20 dB of full scale."),
    OPT_NUMBER("chunk", chunk, "S", 0, 86400,
               "cut into chunks of S seconds, the last padded with zeros, each clamped to its own maximum",
               .above = true,
               .more = "Each chunk is a separate recording, like Whisper's windows of 30 s; they are "
                       "concatenated along the frames."),
    OPT_MAX_SECONDS,
    OPT_FLAG("precise", precise, "compute in double precision and round once at the end"),
    OPT("fixed", CLI_OPTIONAL, fixed,
        "Whisper's front end in fixed point, 80 or 128 bands: 1.0 is 16384 in int16 (default), 64 in int8",
        .choices = widths,
        .more =
            "Integers from the 16-bit samples on, by the kernel that also runs on chips without floating "
            "point; "
            "the same bits everywhere. Mean errors are below 0.0001 and 0.005 on speech. Not with another "
            "--preset, --precise or --float."),
    OPT_FLAG("float", keep_float, "do not round decoded samples to 16 bits"),
    OPT_CHOICE("pcm", pcm, pcm_formats,
               "format of raw mono 16 kHz samples on standard input (default: s16le)"),
    OPT_THREADS("0"),
    OPT_FLAG("json", json, "print one JSON document instead of text",
             .more = "An object for one input; an object with an array files for several."),
    OPT_SET,
    OPT_END};

static const char more[] =
    "Computes the features of Whisper, librosa or Kaldi. IN is any file that FFmpeg reads, or - for raw "
    "samples on standard input. The array has the shape (bands, frames) and holds float32 (or see --fixed). "
    "With several inputs each NAME.ext gives NAME.npy; all are tried, and each failure is one line. An "
    "output is written aside and renamed: it is complete or absent.";

/* ---- Names ---- */

/* The path of an output of `in`: `named` is a file with one input, and a folder with several or if it exists
   as one. */
static char *output_path(const char *in, const char *named, bool several, const char *extension)
{
    char *stem = strcmp(in, "-") == 0 ? cli_format("features") : file_stem(in);
    char *name = cli_format("%s.%s", stem, extension), *path;
    if (!named)
        path = several ? file_join(".", name) : cli_format("%s", name);
    else if (several || file_is_folder(named))
        path = file_join(named, name);
    else
        path = cli_format("%s", named);
    free(stem);
    free(name);
    return path;
}

static int by_output(const void *a, const void *b)
{
    return strcmp((*(const feature_job *const *)a)->npy, (*(const feature_job *const *)b)->npy);
}

/* Finds two inputs that would write one file. */
static int check_collisions(const cli_command *self, const feature_job *jobs, size_t n)
{
    const feature_job **sorted = cli_alloc(n, sizeof *sorted);
    int code = CLI_DONE;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &jobs[i];
    qsort(sorted, n, sizeof *sorted, by_output);
    for (size_t i = 1; i < n && code == CLI_DONE; i++)
        if (strcmp(sorted[i - 1]->npy, sorted[i]->npy) == 0) {
            const feature_job *a = sorted[i - 1] < sorted[i] ? sorted[i - 1] : sorted[i];
            const feature_job *b = sorted[i - 1] < sorted[i] ? sorted[i] : sorted[i - 1];
            code = cli_usage(self, "'%s' and '%s' would both be written to %s", a->in, b->in, a->npy);
        }
    free(sorted);
    return code;
}

/* Finds outputs that would replace a recording, or each other. */
static int check_overwriting(const cli_command *self, const feature_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *outputs[] = {jobs[i].npy, jobs[i].png};
        for (int k = 0; k < 2; k++)
            if (outputs[k] && strcmp(jobs[i].in, "-") != 0 && file_same(outputs[k], jobs[i].in))
                return cli_usage(self, "output '%s' would replace the input '%s'", outputs[k], jobs[i].in);
        if (outputs[0] && outputs[1] && strcmp(outputs[0], outputs[1]) == 0)
            return cli_usage(self, "the array and the image would both be written to '%s'", outputs[0]);
    }
    return CLI_DONE;
}

static bool folder_of_takes(const char *path)
{
    char *folder = file_folder(path);
    bool takes = file_folder_takes(folder);
    free(folder);
    return takes;
}

/* Checks the folders before anything is decoded. */
static int check_folders(const settings *s, const feature_job *jobs, size_t n)
{
    const char *named[] = {s->out, s->png};
    for (int k = 0; k < 2; k++) {
        const char *path = k ? jobs[0].png : jobs[0].npy;
        if (!path || strncmp(path, "/dev/", 5) == 0)
            continue;
        if (n > 1 && named[k] ? !file_folder_ready(named[k]) : !folder_of_takes(path))
            return CLI_FAILED;
    }
    return CLI_DONE;
}

/* Returns true for a file whose name has the ending of another image format than PNG and SVG. */
static bool named_otherwise(const char *png)
{
    const char *slash = strrchr(png, '/'), *dot = strrchr(slash ? slash : png, '.');
    return strncmp(png, "/dev/", 5) != 0 && dot && strcasecmp(dot, ".png") != 0 &&
           strcasecmp(dot, ".svg") != 0;
}

static int name_outputs(const cli_command *self, const settings *s, char **inputs, feature_job *jobs,
                        size_t n)
{
    int stdin_inputs = 0;
    for (size_t i = 0; i < n; i++) {
        if (!inputs[i][0])
            return cli_usage(self, "an input has an empty name");
        stdin_inputs += strcmp(inputs[i], "-") == 0;
        jobs[i].in = inputs[i];
        jobs[i].title = strcmp(inputs[i], "-") == 0 ? "standard input" : inputs[i];
        jobs[i].npy = output_path(inputs[i], s->out, n > 1, "npy");
        jobs[i].png = s->png ? output_path(inputs[i], s->png, n > 1, "png") : NULL;
    }
    if (stdin_inputs > 1)
        return cli_usage(self, "standard input ('-') can be read only once");
    if ((s->out && !s->out[0]) || (s->png && !s->png[0]))
        return cli_usage(self, "--%s has an empty value", s->out && !s->out[0] ? "out" : "png");
    if (s->json && file_is_stdout(jobs[0].npy))
        return cli_usage(self, "--out %s and --json both write to standard output", jobs[0].npy);
    int code = check_collisions(self, jobs, n);
    if (code == CLI_DONE)
        code = check_overwriting(self, jobs, n);
    if (code == CLI_DONE && s->png && named_otherwise(jobs[0].png))
        code = cli_usage(self, "--png is '%s', expected a name that ends with .png or .svg", s->png);
    return code == CLI_DONE ? check_folders(s, jobs, n) : code;
}

/* ---- Output ---- */

static void warning_to_json(void *context, const char *sentence)
{
    json_array_append_new(context, cli_json_text(sentence));
}

/* Seconds of the work on a recording. */
static double total_seconds(const feature_job *job)
{
    return job->decode_seconds + job->summary.compute_seconds + job->summary.write_seconds;
}

static json_t *job_times(const feature_job *job)
{
    const sib_recording_summary *r = &job->summary;
    return json_pack("{s:f, s:f, s:f, s:f}", "decode_seconds", job->decode_seconds, "features_seconds",
                     r->compute_seconds, "write_seconds", r->write_seconds, "total_seconds",
                     total_seconds(job));
}

static json_t *job_to_json(const feature_job *job, const settings *s, const feature_tools *tools)
{
    double seconds = (double)job->n_samples / SAMPLE_RATE;
    const sib_recording_summary *r = &job->summary;
    json_t *j = json_object();
    json_object_set_new(j, "input", cli_json_text(job->in));
    if (!job->done) {
        json_object_set_new(j, "error",
                            json_pack("{s:s, s:o}", "code", sib_code_name(job->err.code), "message",
                                      cli_json_text(job->err.message)));
        return j;
    }
    json_t *warnings = json_array();
    feature_job_warnings(job, warning_to_json, warnings);
    json_object_set_new(j, "output", cli_json_text(job->npy));
    json_object_set_new(j, "picture", job->png ? cli_json_text(job->png) : json_null());
    json_object_set_new(j, "container", cli_json_text(job->info.container));
    json_object_set_new(j, "codec", cli_json_text(job->info.codec));
    json_object_set_new(j, "source_rate", json_integer(job->info.source_rate));
    json_object_set_new(j, "channels", json_integer(job->info.channels));
    json_object_set_new(j, "samples", json_integer((json_int_t)job->n_samples));
    json_object_set_new(j, "seconds", json_real(seconds));
    json_object_set_new(j, "shape", json_pack("[I, I]", (json_int_t)r->bands, (json_int_t)r->frames));
    json_object_set_new(j, "bands", json_integer((json_int_t)r->bands));
    json_object_set_new(j, "frames", json_integer((json_int_t)r->frames));
    json_object_set_new(j, "chunks", json_integer((json_int_t)r->chunks));
    json_object_set_new(j, "frames_per_chunk", json_integer((json_int_t)r->frames_per_chunk));
    json_object_set_new(j, "preset", json_string(presets[s->preset]));
    json_object_set_new(j, "smooth", json_string(smoothings[s->smooth]));
    json_object_set_new(j, "dtype", json_string(sib_dtype_name(r->dtype)));
    json_object_set_new(j, "one", json_real(r->one));
    json_object_set_new(j, "precise", json_boolean(s->precise));
    json_object_set_new(j, "threads", json_integer(sib_pool_threads(tools->pool)));
    json_object_set_new(j, "cpu", json_string(sib_cpu_level_name()));
    json_object_set_new(j, "features",
                        json_pack("{s:o, s:o, s:o}", "min", cli_json_number(r->min), "max",
                                  cli_json_number(r->max), "mean", cli_json_number(r->mean)));
    json_object_set_new(j, "audio",
                        json_pack("{s:o, s:o, s:o, s:I, s:I}", "peak", cli_json_number(r->audio.peak), "rms",
                                  cli_json_number(r->audio.rms), "dc_offset",
                                  cli_json_number(r->audio.dc_offset), "clipped_samples",
                                  (json_int_t)r->audio.n_clipped, "longest_silence_samples",
                                  (json_int_t)r->audio.longest_silence));
    json_object_set_new(j, "warnings", warnings);
    json_object_set_new(j, "times", job_times(job));
    json_object_set_new(j, "times_real_time", cli_json_number(seconds / total_seconds(job)));
    return j;
}

static void warning_to_text(void *context, const char *sentence)
{
    fprintf(context, "  warning   %s\n", sentence);
}

static void job_to_text(const feature_job *job, const settings *s, FILE *out)
{
    double seconds = (double)job->n_samples / SAMPLE_RATE;
    double total = total_seconds(job);
    const sib_recording_summary *r = &job->summary;
    fprintf(out, "%s\n", job->title);
    fprintf(out, "  audio     %.3f s (%s, %d Hz, %d channel%s)\n", seconds, job->info.codec,
            (int)job->info.source_rate, (int)job->info.channels, job->info.channels == 1 ? "" : "s");
    fprintf(out, "  features  %llu bands x %llu frames, %s, %s%s", (unsigned long long)r->bands,
            (unsigned long long)r->frames, sib_dtype_name(r->dtype), presets[s->preset],
            s->precise ? ", precise" : "");
    if (s->chunk > 0)
        fprintf(out, ", %zu chunk%s of %zu frames", r->chunks, r->chunks == 1 ? "" : "s",
                r->frames_per_chunk);
    fprintf(out, "\n  values    %.4f to %.4f, mean %.4f\n", r->min, r->max, r->mean);
    fprintf(out, "  written   %s\n", job->npy);
    if (job->png)
        fprintf(out, "  picture   %s\n", job->png);
    fprintf(out, "  time      %.1f ms (decode %.1f, features %.1f, write %.1f), %.0f x real time\n",
            1e3 * total, 1e3 * job->decode_seconds, 1e3 * r->compute_seconds, 1e3 * r->write_seconds,
            seconds / total);
    feature_job_warnings(job, warning_to_text, out);
}

/* ---- The command ---- */

static int run_jobs(const settings *s, feature_tools *tools, feature_job *jobs, size_t n)
{
    cli_progress progress;
    json_t *files = json_array();
    size_t done = 0;
    FILE *out = file_is_stdout(jobs[0].npy) ? stderr : stdout;
    cli_progress_begin(&progress, n);
    tools->progress = &progress;
    for (size_t i = 0; i < n && (i == 0 || jobs[i - 1].err.code != SIB_ERR_CANCELLED); i++) {
        progress.item = i;
        feature_job_run(&jobs[i], tools);
        cli_progress_clear(&progress);
        done += jobs[i].done;
        if (!jobs[i].done)
            cli_fail("%s", jobs[i].err.message);
        else if (!s->json)
            job_to_text(&jobs[i], s, out);
        if (s->json)
            json_array_append_new(files, job_to_json(&jobs[i], s, tools));
    }
    if (s->json && n == 1)
        cli_json_print(json_incref(json_array_get(files, 0)));
    else if (s->json)
        cli_json_print(json_pack("{s:O, s:I}", "files", files, "failed", (json_int_t)(n - done)));
    else if (n > 1)
        fprintf(out, "%zu of %zu recordings done in %.2f s\n", done, n, sib_timer_seconds(&progress.since));
    tools->progress = NULL; /* it ends here */
    json_decref(files);
    return done < n ? CLI_FAILED : CLI_DONE;
}

static int make_tools(const settings *s, sib_mel **mel, feature_tools *tools)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    sib_mel_options mel_options = {.precise = s->precise};
    if (s->bands != PRESET_BANDS && (s->bands < 1 || s->bands > MAX_BANDS))
        return cli_fail("--bands is %ld, expected 1 to %d", s->bands, MAX_BANDS);
    const int32_t bands = s->bands == PRESET_BANDS ? 0 : (int32_t)s->bands;
    sib_code code = sib_mel_spec_preset(presets[s->preset], bands, &spec, &err);
    if (code == SIB_OK) {
        spec.smooth = (sib_smooth)s->smooth;
        code = sib_mel_create(&spec, &mel_options, mel, &err);
    }
    if (code == SIB_OK)
        code = sib_pool_create((unsigned)s->threads, &tools->pool, &err);
    if (code != SIB_OK)
        return cli_fail("%s", err.message);
    tools->mel = *mel;
    tools->audio = (sib_audio_options){.sample_rate = SAMPLE_RATE,
                                       .keep_float = s->keep_float,
                                       .pcm = (sib_pcm)s->pcm,
                                       .max_seconds = s->max_seconds};
    tools->recording = (sib_recording_options){.chunk_seconds = s->chunk};
    if (s->normalize >= 0) {
        tools->recording.normalize = true;
        tools->recording.level = (sib_level)s->normalize;
        tools->recording.target = level_targets[s->normalize];
    }
    if (s->fixed >= 0)
        tools->recording.fixed = width_types[s->fixed];
    uint64_t frames;
    if (s->fixed >= 0 && sib_fixed_shape(spec.n_mels, SAMPLE_RATE, &frames, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    tools->preset = presets[s->preset];
    return CLI_DONE;
}

/* A name of a set's recordings. */
static bool make_item(void *tools, const char *item, const char *path, json_t *record)
{
    feature_job job = {.in = item, .title = item, .npy = cli_format("%s.npy", path)};
    feature_job_run(&job, tools);
    free(job.npy);
    if (!job.done)
        return !cli_fail("%s", job.err.message);
    const sib_recording_summary *r = &job.summary;
    json_object_set_new(record, "seconds", json_real((double)job.n_samples / SAMPLE_RATE));
    json_object_set_new(record, "shape", json_pack("[I, I]", (json_int_t)r->bands, (json_int_t)r->frames));
    json_object_set_new(record, "dtype", json_string(sib_dtype_name(r->dtype)));
    return true;
}

static int run_set(const cli_command *self, const settings *s, const feature_tools *tools)
{
    static const char *const endings[] = {"npy", NULL};
    cli_progress progress;
    cli_progress_begin(&progress, 1);
    progress.terminal = false; /* a set has no length */
    feature_tools own = *tools;
    own.progress = &progress;
    return set_run(&(set_work){.command = self,
                               .settings = s,
                               .set = &s->set,
                               .folder = s->out,
                               .endings = endings,
                               .make = make_item,
                               .context = &own});
}

static int run_named(const cli_command *self, const settings *s, feature_tools *tools, char **argv, size_t n)
{
    feature_job *jobs = cli_alloc(n, sizeof *jobs);
    sib_mel *mel = NULL;
    int code = set_wanted(&s->set) ? CLI_DONE : name_outputs(self, s, argv, jobs, n);
    if (code == CLI_DONE)
        code = make_tools(s, &mel, tools);
    if (code == CLI_DONE)
        code = set_wanted(&s->set) ? run_set(self, s, tools) : run_jobs(s, tools, jobs, n);
    sib_pool_free(&tools->pool);
    sib_mel_free(&mel);
    for (size_t i = 0; i < n; i++) {
        free(jobs[i].npy);
        free(jobs[i].png);
    }
    free(jobs);
    return code;
}

static int check(const cli_command *self, const settings *s, int n_inputs)
{
    if (n_inputs == 0 && !set_wanted(&s->set))
        return cli_usage(self, "no input: give a recording, or '-' for samples on standard input");
    if (s->fixed >= 0 && (s->preset != 0 || s->precise || s->keep_float))
        return cli_usage(self, "--fixed is Whisper's front end of 16-bit samples: not with another --preset, "
                               "--precise or --float");
    if (set_wanted(&s->set) && (s->png || s->json))
        return cli_usage(self, "--manifest writes arrays and a manifest: not with --%s",
                         s->png ? "png" : "json");
    return set_check(self, &s->set, n_inputs, s->out);
}

static int features(const cli_command *self, int argc, char **argv)
{
    settings s = {.normalize = -1, .fixed = -1, .bands = PRESET_BANDS};
    int n_inputs, code;
    if (cli_begin(self, argc, argv, &s, &n_inputs, &code)) {
        feature_tools tools = {0};
        if (s.out && strcmp(s.out, "-") == 0)
            s.out = "/dev/stdout";
        code = check(self, &s, n_inputs);
        if (code == CLI_DONE)
            code = run_named(self, &s, &tools, argv, (size_t)n_inputs);
    }
    set_settings_free(&s.set);
    return code;
}

const cli_command command_features = {.name = "features",
                                      .summary = "compute log-mel features of recordings",
                                      .operands = "IN... [-o OUT.npy] [options] | --manifest FILE -o DIR",
                                      .options = options,
                                      .more = more,
                                      .run = features};
