/* sibyl speak TEXT --model M -o FILE: text to speech. */
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "job_model.h"
#include "job_values.h"
#include "shared_options.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *model, *out, *backend, *trace;
    extension_settings ext;
    cli_list inputs;
    long seed, speaker, threads;
    double speed, length_scale, noise_scale, duration_scale;
    int verbose;
    bool phonemes, floats, json;
} settings;

static const cli_option options[] = {
    OPT_MODEL("an ONNX model that was imported or that Piper exported, a checkpoint (a Hugging Face folder), "
              "a job's document, a folder with one, or an installed model",
              .more = CHECKPOINT_IS_KEPT),
    OPT_FILE("out", out, "FILE", "write a WAV file of one channel; -: to standard output", .letter = 'o'),
    OPT_INTEGER("seed", seed, "S", 0, 1e15, "seed of what varies in speech (default: 0)",
                .more =
                    "Voices of Piper's draw their noise themselves, the same in each run, and take none."),
    OPT_NUMBER("speed", speed, "X", 0.01, 100, "2: twice as fast (default: the model's own)"),
    OPT_NUMBER("length-scale", length_scale, "X", 0.01, 100, "2: half as fast, in place of --speed"),
    OPT_INTEGER("speaker", speaker, "N", 0, 1 << 20,
                "number of the speaker, of models of several (default: 0)"),
    OPT_NUMBER("noise-scale", noise_scale, "X", 0, 100,
               "how much speech varies; 0: not at all (default: the model's own)"),
    OPT_NUMBER("duration-noise-scale", duration_scale, "X", 0, 100,
               "how much durations vary (default: the model's own)"),
    OPT_FLAG("phonemes", phonemes, "the text is phonemes, for models that read those"),
    OPT_FLAG("float", floats, "samples of 32-bit floats in place of 16-bit integers"),
    OPT_JOB_INPUT("another input of the job: noise=noise.npy"),
    OPT_BACKEND,
    OPT_THREADS("0"),
    OPT_TRACE,
    OPT_EXTENSIONS,
    OPT_VERBOSE,
    OPT_JSON,
    OPT_END};

static const char more[] =
    "Says a text with a model of text to speech, and writes what is said. The text is an operand, after an @ "
    "the name of a file with it, or - for standard input. The same seed gives the same speech.";

/* Numbers of the settings, which are NAN or -1 where nothing is given, and the inputs that they are. */
static const struct {
    const char *name;
    size_t at;
} doubles[] = {{"speed", offsetof(settings, speed)},
               {"noise_scale", offsetof(settings, noise_scale)},
               {"duration_noise_scale", offsetof(settings, duration_scale)}},
  integers[] = {{"seed", offsetof(settings, seed)}, {"speaker", offsetof(settings, speaker)}};

static bool add_number(job_inputs *in, const sib_job *job, const char *name, double number)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", number);
    return job_inputs_add(in, job, name, text);
}

/* text: (size) */
static bool add_inputs(job_inputs *in, const sib_job *job, const settings *s, const char *text, size_t size)
{
    bool done = job_inputs_add(in, job, "text", "");
    if (done) {
        in->items[in->n - 1].value.text.data = text;
        in->items[in->n - 1].value.text.size = size;
    }
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles && done; i++) {
        const double x = *(const double *)(const void *)((const char *)s + doubles[i].at);
        done = isnan(x) || add_number(in, job, doubles[i].name, x);
    }
    for (size_t i = 0; i < sizeof integers / sizeof *integers && done; i++) {
        const long x = *(const long *)(const void *)((const char *)s + integers[i].at);
        done = x < 0 || add_number(in, job, integers[i].name, (double)x);
    }
    return done && (!s->phonemes || job_inputs_add(in, job, "phonemes", "true")) &&
           job_inputs_add_list(in, job, &s->inputs);
}

/* Writes samples [n] and says so. */
static bool write_speech(const settings *s, const sib_tensor *samples, double rate)
{
    sib_error err = SIB_ERROR_INIT;
    const size_t n = (size_t)sib_tensor_count(samples);
    const bool shown = strcmp(s->out, "-") != 0;
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool done = sib_audio_wav(sib_tensor_data(samples), n, (int32_t)rate,
                              s->floats ? SIB_PCM_F32LE : SIB_PCM_S16LE, &bytes, &size, &err) == SIB_OK;
    if (!done)
        cli_fail("%s: %s", s->out, err.message);
    else if (shown)
        done = file_put(s->out, (const char *)bytes, size);
    else if (fwrite(bytes, 1, size, stdout) != size || fflush(stdout))
        done = !cli_fail("standard output cannot be written");
    sib_free(bytes);
    if (done && s->json)
        cli_json_print(json_pack("{s:o, s:o, s:f}", "out", cli_json_text(s->out), "sample_rate",
                                 cli_json_number(rate), "seconds", (double)n / rate));
    else if (done && shown)
        printf("%s: %.2f s of speech, %.0f samples per second\n", s->out, (double)n / rate, rate);
    return done;
}

static bool say(const settings *s, const sib_job *job, const char *text, size_t size)
{
    static const char *const wanted[] = {"samples", "sample_rate"};
    sib_error err = SIB_ERROR_INIT;
    job_inputs in = {0};
    sib_job_result *r = NULL;
    const sib_cancel *cancel = interrupt_begin();
    sib_job_run_options o = {.cancel = cancel};
    bool done = cancel && trace_begin(s->trace, &o.profile) && add_inputs(&in, job, s, text, size);
    if (done && sib_job_run(job, in.n, in.items, 2, wanted, &o, &r, &err) != SIB_OK)
        done = !cli_fail("%s", err.message);
    if (cancel)
        interrupt_end();
    done = trace_end(s->trace, &o.profile) && done;
    done = done && write_speech(s, sib_job_result_find(r, "samples")->tensor,
                                sib_job_result_find(r, "sample_rate")->number);
    sib_job_result_free(&r);
    job_inputs_free(&in);
    return done;
}

/* The operand's text, of a file or standard input where it says so; release with free. */
static char *read_text(const char *operand, size_t *size)
{
    if (!strcmp(operand, "-"))
        return file_read_stream(stdin, "standard input", SIZE_MAX, size);
    if (*operand == '@')
        return file_read(operand + 1, SIZE_MAX, size);
    *size = strlen(operand);
    return cli_format("%s", operand);
}

static int open_and_say(const settings *s, const char *operand)
{
    size_t size = 0;
    char *text = read_text(operand, &size);
    sib_job *job = text ? job_model_open(s->model, &(sib_job_options){.kind = "text-to-speech",
                                                                      .backends = s->backend,
                                                                      .threads = (unsigned)s->threads,
                                                                      .registry = s->ext.registry,
                                                                      .log = verbose_log(s->verbose)})
                        : NULL;
    const bool done = job && say(s, job, text, size);
    sib_job_free(&job);
    free(text);
    return done ? CLI_DONE : CLI_FAILED;
}

static int speak(const cli_command *self, int argc, char **argv)
{
    settings s = {.seed = -1,
                  .speaker = -1,
                  .speed = NAN,
                  .length_scale = NAN,
                  .noise_scale = NAN,
                  .duration_scale = NAN,
                  .verbose = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n != 1)
        code = cli_usage(self, "expected one text, got %d", n);
    else if (!s.model)
        code = cli_usage(self, "give the model with --model");
    else if (!s.out)
        code = cli_usage(self, "give the file to write with --out");
    else if (!isnan(s.speed) && !isnan(s.length_scale))
        code = cli_usage(self, "give one of --speed and --length-scale");
    else if (s.json && !strcmp(s.out, "-"))
        code = cli_usage(self, "--json and the samples cannot both go to standard output");
    else if (!strcmp(s.out, "-") && isatty(STDOUT_FILENO))
        code = cli_usage(self, "samples are not written to a terminal");
    else {
        if (!isnan(s.length_scale))
            s.speed = 1 / s.length_scale;
        code = extensions_load(&s.ext) ? open_and_say(&s, argv[0]) : CLI_FAILED;
    }
    extensions_free(&s.ext);
    free(s.inputs.items);
    return code;
}

const cli_command command_speak = {.name = "speak",
                                   .summary = "text to speech",
                                   .operands = "(TEXT | @FILE | -) --model M -o FILE [options]",
                                   .options = options,
                                   .takes = CLI_TEXTS,
                                   .more = more,
                                   .run = speak};
