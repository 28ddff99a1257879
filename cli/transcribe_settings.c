#include "transcribe_settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef transcribe_settings settings;

static const char *const task_names[] = {"transcribe", "translate", NULL};
static const char *const feature_names[] = {"float", "fixed", "int16", "int8", NULL};
/* Words of --format: those of sib_transcript_format in their order, and each of them but csv. */
static const char *const format_names[] = {"txt", "json", "srt", "vtt", "tsv", "all", "csv", NULL};
static const sib_transcript_format format_values[] = {
    SIB_TRANSCRIPT_TXT, SIB_TRANSCRIPT_JSON,         SIB_TRANSCRIPT_SRT, SIB_TRANSCRIPT_VTT,
    SIB_TRANSCRIPT_TSV, SIB_TRANSCRIPT_FORMAT_COUNT, SIB_TRANSCRIPT_CSV};
#define MAX_MILLISECONDS 1e12

const cli_option transcribe_options[] = {
    OPT_MODEL("an ONNX model, a checkpoint (.pt, safetensors, ggml, GGUF, a Hugging Face folder), a job's "
              "document, a folder with one, or the name of an installed model (default: digits)",
              .letter = 'm', .more = CHECKPOINT_IS_KEPT),
    OPT_TOKENIZER("the model's tokenizer, where there is none in its folder"),
    OPT_TEXT("language", language, "L", "spoken language, as de or german (default: detected)",
             .letter = 'l'),
    OPT_CHOICE("task", task, task_names, "transcribe (default), or translate into English"),
    OPT_FLAG("detect-language", detect, "print the language of each recording's first 30 s, and no text",
             .word = "dl"),
    OPT_CHOICE("format", format, format_names,
               "format to write; without it, lines with their times are shown as they are recognised",
               .more = "all is each but csv, which whisper.cpp has."),
    OPT_OUT_FOLDER("write DIR/NAME.FORMAT for each recording (default format: txt)"),
    OPT_FLAG("word-timestamps", word_timestamps, "find the times of words",
             .more = "True or False may follow."),
    OPT_INTEGER("max-line-width", width, "N", 0, 100000,
                "characters of a line of subtitles, whose words are timed",
                .more = "This and the next three are openai-whisper's, and need no --word-timestamps."),
    OPT_INTEGER("max-line-count", lines, "N", 0, 100000,
                "lines of a cue, which then may have words of several segments; with --max-line-width"),
    OPT_INTEGER("max-words-per-line", words, "N", 0, 100000, "words of a cue of subtitles"),
    OPT_FLAG("highlight-words", highlight, "a cue for each word, which is underlined",
             .more = "True or False may follow."),
    OPT_INTEGER("max-len", max_length, "N", 0, 100000,
                "characters of a segment: longer ones are divided between words", .word = "ml"),
    OPT_NUMBER("offset-t", from, "MS", 0, MAX_MILLISECONDS, "begin so many milliseconds into the recording",
               .word = "ot"),
    OPT_NUMBER("duration", duration, "MS", 0, MAX_MILLISECONDS, "transcribe so many milliseconds (0: all)",
               .letter = 'd'),
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
    OPT_INTEGER("best-of", best_of, "N", 1, 100, "samples drawn at temperatures above 0 (default: 5)",
                .word = "bo"),
    OPT_NUMBER("temperature", temperature, "T", 0, 100, "of sampling, at first (default: 0)", .word = "tp"),
    OPT_NUMBER("temperature-increment-on-fallback", increment, "T", 0, 100,
               "added where a window fails, up to 1; 0: no further tries (default: 0.2)"),
    OPT_TEXT("initial-prompt", initial_prompt, "TEXT", "text before the first window"),
    OPT_TEXT("hotwords", hotwords, "WORDS", "words to expect in every window"),
    OPT_CHOICE("features", features, feature_names,
               "arithmetic of the features that the model hears (default: float)",
               .more = "fixed is int16: what 'sibyl features --fixed' and a compute tile make."),
    OPT_FILE("vad", vad, "MODEL", "transcribe only what this voice-activity model finds to be speech"),
    OPT_JOB_INPUT(
        "any other option of openai-whisper by its name: no_speech_threshold=0.5, temperature=0,0.4"),
    OPT_FLAG("picture", picture, "show the features, time to the right, and the words under them"),
    OPT_FILE("png", image, "P.png",
             "write a picture of the recording: waveform, features, words, and speech where --vad finds it",
             .more = "As SVG where the name ends with .svg. One recording; long ones are drawn in rows."),
    OPT_FILE(
        "attention", attention, "P.png",
        "write a picture of what the decoder attends to in the audio, a row for each token",
        .more =
            "Of the first window with text: means over layers and heads, as roots, each row scaled to its "
            "largest. As SVG where the name ends with .svg."),
    OPT_FLAG("print-colors", print_colours, "colour words by their probability, red to green", .word = "pc",
             .more = "On a terminal, where NO_COLOR is not set."),
    OPT_FLAG("no-timestamps", no_times, "show lines without their times", .word = "nt"),
    OPT_FLAG("print-progress", print_progress, "print a line on stderr for each 5 % of a recording",
             .word = "pp", .more = "A terminal shows a bar without it."),
    OPT_MAX_SECONDS,
    OPT_BACKEND,
    OPT_THREADS_T("0"),
    OPT_TRACE,
    OPT_EXTENSIONS,
    OPT_VERBOSE,
    OPT_FLAG("quiet", quiet, "show neither lines as they are recognised nor a summary"),
    OPT_SET,
    OPT_END};

#define OUTPUT_FLAG(name, format, letters)                                                                   \
    OPT_FLAG("output-" name, outputs[SIB_TRANSCRIPT_##format], "write IN." name " beside each recording IN", \
             .word = letters)
/* The value gives an input of the job. */
#define INPUT(name, value_, ...) OPT_ALIAS(name, "input", __VA_ARGS__, .value = value_)
#define WITHOUT_VALUE(name_)     OPT_ALIAS(name_, NULL, NULL, .value = "None", .when = "None")
#define BOTH                     "True False"
#define VAD_IS_MODELS            "the procedure around the voice-activity model is fixed"

const cli_option transcribe_names[] = {
    /* Values of openai-whisper, which stand before rows of the same names. */
    INPUT("word-timestamps", "B", "word_timestamps=%", .when = BOTH),
    INPUT("carry-initial-prompt", "B", "carry_initial_prompt=%", .when = BOTH),
    OPT_ALIAS("highlight-words", "highlight-words", NULL, .value = "B", .when = "True"),
    OPT_ALIAS("highlight-words", NULL, NULL, .value = "B", .when = "False"),
    OPT_ALIAS("verbose", NULL, NULL, .value = "B", .when = "True"),
    OPT_ALIAS("verbose", "quiet", NULL, .value = "B", .when = "False"),
    OPT_ALIAS("language", NULL, NULL, .value = "L", .when = "None auto", .letter = 'l'),
    OPT_ALIAS("device", NULL, NULL, .value = "D", .when = "cpu"),
    OPT_ALIAS("temperature-increment-on-fallback", "temperature-increment-on-fallback", "0", .value = "T",
              .when = "None"),
    WITHOUT_VALUE("max-line-width"),
    WITHOUT_VALUE("max-line-count"),
    WITHOUT_VALUE("max-words-per-line"),
    INPUT("best-of", "N", "best_of=%", .when = "None"),
    INPUT("compression-ratio-threshold", "X", "compression_ratio_threshold=nan", .when = "None"),
    INPUT("logprob-threshold", "X", "logprob_threshold=nan", .when = "None"),
    INPUT("no-speech-threshold", "X", "no_speech_threshold=nan", .when = "None"),
    INPUT("beam-size", "N", "beam_size=None", .when = "-1 0 1", .word = "bs"),
    OPT_ALIAS("output-format", "format", "%", .value = "FORMAT", .letter = 'f',
              .when = "txt json srt vtt tsv all"),
    INPUT("max-context", "N", "condition_on_previous_text=false", .when = "0", .word = "mc"),
    OPT_ALIAS("max-context", NULL, NULL, .value = "N", .when = "-1", .word = "mc"),

    OPT_ALIAS("output-dir", "out", "%", .value = "DIR"),
    OPT_ALIAS("output-format", "format", "%", .value = "FORMAT"),
    OPT_TEXT("output-file", output_file, "PATH", "write PATH.FORMAT, of one recording", .word = "of"),
    OUTPUT_FLAG("txt", TXT, "otxt"),
    OUTPUT_FLAG("srt", SRT, "osrt"),
    OUTPUT_FLAG("vtt", VTT, "ovtt"),
    OUTPUT_FLAG("csv", CSV, "ocsv"),
    OUTPUT_FLAG("json", JSON, "oj"),
    OPT_FLAG("output-json-full", outputs[SIB_TRANSCRIPT_JSON], "the same: all fields are written",
             .word = "ojf"),
    OPT_INTEGER("offset-n", offset_n, "N", 0, 1000000000, "added to the numbers of cues", .word = "on"),
    OPT_FLAG("no-prints", no_summary, "print no summary", .word = "np"),
    OPT_ALIAS("file", "", NULL, .value = "IN", .letter = 'f'),
    OPT_ALIAS("offset", "offset-t", "%", .value = "MS"),
    OPT_ALIAS("split-on-word", NULL, NULL, .word = "sow", .help = "--max-len always divides between words"),
    INPUT("beam-size", "N", "beam_size=%", .word = "bs"),
    INPUT("patience", "X", "patience=%"),
    INPUT("length-penalty", "X", "length_penalty=%"),
    INPUT("suppress-tokens", "IDS", "suppress_tokens=%"),
    OPT_ALIAS("prompt", "initial-prompt", "%", .value = "TEXT"),
    OPT_ALIAS("carry-initial-prompt", "input", "carry_initial_prompt=true"),
    INPUT("condition-on-previous-text", "B", "condition_on_previous_text=%"),
    INPUT("compression-ratio-threshold", "X", "compression_ratio_threshold=%"),
    INPUT("logprob-threshold", "X", "logprob_threshold=%"),
    INPUT("logprob-thold", "X", "logprob_threshold=%", .word = "lpt"),
    INPUT("no-speech-threshold", "X", "no_speech_threshold=%"),
    INPUT("no-speech-thold", "X", "no_speech_threshold=%", .word = "nth"),
    OPT_ALIAS("temperature-inc", "temperature-increment-on-fallback", "%", .value = "T", .word = "tpi"),
    OPT_ALIAS("no-fallback", "temperature-increment-on-fallback", "0", .word = "nf"),
    INPUT("prepend-punctuations", "TEXT", "prepend_punctuations=%"),
    INPUT("append-punctuations", "TEXT", "append_punctuations=%"),
    INPUT("clip-timestamps", "LIST", "clip_timestamps=%"),
    INPUT("hallucination-silence-threshold", "S", "hallucination_silence_threshold=%"),
    OPT_ALIAS("translate", "task", "translate", .word = "tr"),
    OPT_ALIAS("vad-model", "vad", "%", .value = "MODEL", .word = "vm"),
    INPUT("suppress-nst", NULL, "suppress_tokens=-1", .word = "sns"),

    OPT_NOTHING("fp16", "weights are as the model has them", .value = "B"),
    OPT_NOTHING("model-dir", "--model names the file", .value = "DIR"),
    OPT_NOTHING("processors", "--threads has the number", .value = "N", .letter = 'p'),
    OPT_NOTHING("entropy-thold", "compression_ratio_threshold finds repetitions", .value = "X", .word = "et"),
    OPT_NOTHING("word-thold", "times of words have no threshold", .value = "X", .word = "wt"),
    OPT_NOTHING("dtw", "the model says which heads follow the words", .value = "MODEL", .word = "dtw"),
    OPT_NOTHING("no-gpu", "--backend chooses", .word = "ng"),
    OPT_NOTHING("flash-attn", "attention is computed in one way", .word = "fa"),
    OPT_NOTHING("no-flash-attn", "attention is computed in one way", .word = "nfa"),
    OPT_NOTHING("ov-e-device", "there is no OpenVINO", .value = "DEVICE", .word = "oved"),
    OPT_NOTHING("font-path", "no karaoke video is made", .value = "PATH", .word = "fp"),
    OPT_NOTHING("log-score", "--output-json has log probabilities", .word = "ls"),

    OPT_UNBUILT("device", "--backend cuda,cpu names a GPU", .value = "NAME", .word = "dev"),
    OPT_UNBUILT("max-context", "but for 0 and -1; --condition-on-previous-text False is 0", .value = "N",
                .word = "mc"),
    OPT_UNBUILT("audio-ctx", "sibyl import --audio-context shortens the windows", .value = "N", .word = "ac"),
    OPT_UNBUILT("diarize", "channels are mixed", .word = "di"),
    OPT_UNBUILT("tinydiarize", "speakers are not distinguished", .word = "tdrz"),
    OPT_UNBUILT("debug-mode", "sibyl features writes the spectrogram", .word = "debug"),
    OPT_UNBUILT("output-words", "no karaoke video is made", .word = "owts"),
    OPT_UNBUILT("output-lrc", "--output-srt has times of lines", .word = "olrc"),
    OPT_UNBUILT("print-special", "--output-json has the tokens", .word = "ps"),
    OPT_UNBUILT("print-confidence", "--output-json --word-timestamps has probabilities"),
    OPT_UNBUILT("suppress-regex", "--suppress-tokens takes ids", .value = "REGEX"),
    OPT_UNBUILT("grammar", "text is not constrained", .value = "GRAMMAR"),
    OPT_UNBUILT("grammar-rule", "text is not constrained", .value = "RULE"),
    OPT_UNBUILT("grammar-penalty", "text is not constrained", .value = "X"),
    OPT_UNBUILT("vad-threshold", VAD_IS_MODELS, .value = "X", .word = "vt"),
    OPT_UNBUILT("vad-min-speech-duration-ms", VAD_IS_MODELS, .value = "N", .word = "vspd"),
    OPT_UNBUILT("vad-min-silence-duration-ms", VAD_IS_MODELS, .value = "N", .word = "vsd"),
    OPT_UNBUILT("vad-max-speech-duration-s", VAD_IS_MODELS, .value = "X", .word = "vmsd"),
    OPT_UNBUILT("vad-speech-pad-ms", VAD_IS_MODELS, .value = "N", .word = "vp"),
    OPT_UNBUILT("vad-samples-overlap", VAD_IS_MODELS, .value = "X", .word = "vo"),
    OPT_END};

void transcribe_settings_begin(transcribe_settings *s)
{
    *s = (settings){
        .model = "digits", .batch = 1, .format = -1, .verbose = -1, .temperature = -1, .increment = -1};
}

void transcribe_settings_free(transcribe_settings *s)
{
    extensions_free(&s->ext);
    set_settings_free(&s->set);
    free(s->inputs.items);
}

static bool has_files(const settings *s)
{
    bool any = s->folder || s->output_file;
    for (size_t f = 0; f < SIB_TRANSCRIPT_FORMAT_COUNT; f++)
        any = any || s->outputs[f];
    return any;
}

/* What the files of a set have no place for. */
static bool is_of_one(const settings *s)
{
    return s->live || s->batch > 1 || s->detect || s->picture || s->image || s->attention || s->output_file ||
           s->trace;
}

int transcribe_settings_check(const cli_command *self, const settings *s, int n)
{
    const int code = set_check(self, &s->set, n, s->folder);
    if (code != CLI_DONE)
        return code;
    if (set_wanted(&s->set) && is_of_one(s))
        return cli_usage(self, "--manifest writes transcripts and a manifest: not with --live, --batch, "
                               "--detect-language, --picture, --png, --attention, --output-file or --trace");
    if (!n && !s->live && !set_wanted(&s->set))
        return cli_usage(self, "no recording is given");
    if (s->live && (n > 1 || s->folder || s->picture || s->trace || s->batch > 1 || s->word_timestamps))
        return cli_usage(self, "--live takes one source, and neither --%s",
                         n > 1 ? "batch nor several"
                               : "out, --picture, --trace, --batch nor --word-timestamps");
    if (s->live && (has_files(s) || s->detect || s->from > 0 || s->duration > 0 || transcribe_wants_words(s)))
        return cli_usage(self, "--live writes no files and takes neither --detect-language, --offset-t, "
                               "--duration nor options about words and lines");
    if (s->live && s->format > SIB_TRANSCRIPT_JSON)
        return cli_usage(self, "--live writes --format txt and json alone");
    if (s->batch > 1 && s->trace)
        return cli_usage(self, "--trace takes recordings one after another, without --batch");
    if (s->format == TRANSCRIBE_ALL && !s->folder && !s->output_file)
        return cli_usage(self, "all formats need a folder, -o DIR");
    if (s->output_file && n > 1)
        return cli_usage(self, "--output-file names the files of one recording, not of %d", n);
    if ((s->image || s->attention) && (n > 1 || s->detect || s->live))
        return cli_usage(self, "--png and --attention draw one recording, with its text");
    if (s->detect && (has_files(s) || s->format >= 0))
        return cli_usage(self, "--detect-language prints languages and writes no transcript");
    return CLI_DONE;
}

bool transcribe_wants_words(const settings *s)
{
    return s->word_timestamps || s->picture || s->image || s->print_colours || s->max_length || s->width ||
           s->lines || s->words || s->highlight;
}

bool transcribe_writes(const settings *s, sib_transcript_format format)
{
    if (s->format == TRANSCRIBE_ALL && format <= SIB_TRANSCRIPT_TSV)
        return true;
    if (s->format >= 0 && format_values[s->format] == format)
        return true;
    if (s->outputs[format])
        return true;
    bool other = s->format >= 0;
    for (size_t f = 0; f < SIB_TRANSCRIPT_FORMAT_COUNT; f++)
        other = other || s->outputs[f];
    return format == SIB_TRANSCRIPT_TXT && !other && (s->folder || s->output_file);
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

/* "0,0.2,...": from the first temperature up to 1. Returns NULL where neither option was given. */
static char *temperatures(const settings *s)
{
    const double first = fmax(s->temperature, 0), step = s->increment < 0 ? 0.2 : s->increment;
    if (s->temperature < 0 && s->increment < 0)
        return NULL;
    char *list = cli_format("%.9g", first);
    for (int k = 1; step >= 0.001 && first + k * step <= 1 + 1e-6; k++) {
        char *longer = cli_format("%s,%.9g", list, first + k * step);
        free(list);
        list = longer;
    }
    return list;
}

bool transcribe_inputs(job_inputs *in, const settings *s, const sib_job *job, bool clips)
{
    char beam[24], best[24], clip[64];
    const long width = s->beam ? s->beam : s->live ? 1 : 5;
    const bool part = s->from > 0 || s->duration > 0;
    snprintf(beam, sizeof beam, "%ld", width);
    snprintf(best, sizeof best, "%ld", s->best_of ? s->best_of : 5);
    int used = snprintf(clip, sizeof clip, "%.3f", s->detect ? 0 : s->from / 1000);
    if (s->detect || s->duration > 0)
        snprintf(clip + used, sizeof clip - (size_t)used, ",%.3f",
                 s->detect ? 30 : (s->from + s->duration) / 1000);
    char *tries = s->detect ? cli_format("0") : temperatures(s);
    const struct {
        const char *name, *text;
        bool by_default; /* nobody asked for it: not where the job has no such input */
    } given[] = {{"language", s->language, false},
                 {"task", task_names[s->task], !s->task},
                 {"word_timestamps", transcribe_wants_words(s) ? "true" : NULL, false},
                 {"beam_size", width > 1 && !s->detect ? beam : NULL, !s->beam},
                 {"best_of", best, !s->best_of},
                 {"temperature", tries, false},
                 {"sample_len", s->detect ? "1" : NULL, false},
                 {"clip_timestamps", (part || s->detect) && !clips ? clip : NULL, false},
                 {"initial_prompt", s->initial_prompt, false},
                 {"hotwords", s->hotwords, false},
                 {"arithmetic", s->features ? feature_names[s->features] : NULL, false}};
    bool done = true;
    for (size_t i = 0; i < sizeof given / sizeof *given && done; i++)
        done = !given[i].text || is_given(s, given[i].name) ||
               (given[i].by_default && !sib_job_has_input(job, given[i].name)) ||
               job_inputs_add(in, job, given[i].name, given[i].text);
    free(tries);
    if (clips + part + is_given(s, "clip_timestamps") > 1)
        return !cli_fail(
            "clip_timestamps, --offset-t or --duration, and --vad both select what is transcribed: "
            "give one");
    return done && job_inputs_add_list(in, job, &s->inputs);
}
