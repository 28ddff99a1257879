#include "server/speech/speech_form.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Kinds of fields ---- */

typedef struct rule rule;
struct rule {
    const char *name;
    bool (*read)(exchange *x, const rule *r, const char *text, speech_form *f);
    const char *input; /* of the job; or why the field is refused */
    double min, max;   /* of numbers */
    bool list;         /* may come several times */
};

static bool add_input(exchange *x, const char *name, sib_port_value value, speech_form *f)
{
    if (f->n_inputs == MAX_SPEECH_INPUTS) {
        answer_error(x, 400, NULL, "the form has more than %d options", MAX_SPEECH_INPUTS);
        return false;
    }
    f->inputs[f->n_inputs++] = (sib_job_value){name, value};
    return true;
}

static bool read_text(exchange *x, const rule *r, const char *text, speech_form *f)
{
    return add_input(x, r->input, (sib_port_value){.type = SIB_PORT_TEXT, .text = {text, strlen(text)}}, f);
}

/* Joins what is given. */
static bool read_hotwords(exchange *x, const rule *r, const char *text, speech_form *f)
{
    (void)r;
    bool done =
        (!f->hotwords.size || buffer_add_text(&f->hotwords, ", ")) && buffer_add_text(&f->hotwords, text);
    if (!done)
        answer_error(x, 503, NULL, "the server has too little memory");
    return done;
}

static bool number_of(exchange *x, const rule *r, const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (strspn(text, "0123456789.+-eE") == strlen(text) && end > text && !*end && *out >= r->min &&
        *out <= r->max)
        return true;
    answer_error(x, 400, r->name, "%s must be a number from %g to %g, not '%.40s'", r->name, r->min, r->max,
                 text);
    return false;
}

static bool read_number(exchange *x, const rule *r, const char *text, speech_form *f)
{
    double value;
    return number_of(x, r, text, &value) &&
           add_input(x, r->input, (sib_port_value){.type = SIB_PORT_NUMBER, .number = value}, f);
}

/* 0 leaves it to the procedure, which begins there and raises it where a window fails. */
static bool read_temperature(exchange *x, const rule *r, const char *text, speech_form *f)
{
    if (!number_of(x, r, text, &f->temperature))
        return false;
    sib_port_value one = {.type = SIB_PORT_NUMBERS, .numbers = {&f->temperature, 1}};
    return f->temperature == 0 || add_input(x, r->input, one, f);
}

/* The index of text in words, which end with NULL; answers 400 and returns -1 where it is none. */
static int choice_of(exchange *x, const rule *r, const char *text, const char *const *words)
{
    char list[160] = "";
    for (int i = 0; words[i]; i++) {
        if (!strcmp(text, words[i]))
            return i;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", words[i]);
    }
    answer_error(x, 400, r->name, "%s must be one of %s, not '%.40s'", r->name, list, text);
    return -1;
}

static bool read_format(exchange *x, const rule *r, const char *text, speech_form *f)
{
    static const char *const words[] = {[SPEECH_JSON] = "json", [SPEECH_TEXT] = "text", [SPEECH_SRT] = "srt",
                                        [SPEECH_VTT] = "vtt",   "verbose_json",         NULL};
    int i = choice_of(x, r, text, words);
    f->format = (speech_format)i;
    return i >= 0;
}

static bool read_stream(exchange *x, const rule *r, const char *text, speech_form *f)
{
    static const char *const words[] = {"false", "true", "False", "True", "0", "1", NULL};
    int i = choice_of(x, r, text, words);
    f->stream = i % 2 == 1;
    return i >= 0;
}

static bool read_granularity(exchange *x, const rule *r, const char *text, speech_form *f)
{
    static const char *const words[] = {"word", "segment", NULL};
    int i = choice_of(x, r, text, words);
    f->words = f->words || i == 0;
    f->segments = f->segments || i == 1;
    return i >= 0;
}

static bool read_include(exchange *x, const rule *r, const char *text, speech_form *f)
{
    static const char *const words[] = {"logprobs", NULL};
    f->logprobs = choice_of(x, r, text, words) == 0;
    return f->logprobs;
}

static bool read_model(exchange *x, const rule *r, const char *text, speech_form *f)
{
    (void)x;
    (void)r;
    f->model = text;
    return true;
}

/* Read with the part `file`, in whose place it stands. */
static bool read_recording(exchange *x, const rule *r, const char *text, speech_form *f)
{
    (void)x, (void)r, (void)text, (void)f;
    return true;
}

static bool refuse(exchange *x, const rule *r, const char *text, speech_form *f)
{
    (void)text;
    (void)f;
    answer_error(x, 400, r->name, "%s is not supported here: %s", r->name, r->input);
    return false;
}

/* ---- The fields ---- */

#define NO_SPEAKERS  "speakers are not distinguished"
#define NO_CHUNKS    "recordings are read in windows of 30 s"
#define ONE_LANGUAGE "give one as 'language', or none"

static const rule rules[] = {
    {"model", read_model, .input = NULL},
    {"language", read_text, .input = "language"},
    {"prompt", read_text, .input = "initial_prompt"},
    {"response_format", read_format, .input = NULL},
    {"temperature", read_temperature, "temperature", .min = 0, .max = 1},
    {"timestamp_granularities[]", read_granularity, .list = true},
    {"timestamp_granularities", read_granularity, .list = true},
    {"keywords[]", read_hotwords, .list = true},
    {"keywords", read_hotwords, .list = true},
    {"stream", read_stream, .input = NULL},
    {"chunking_strategy", refuse, .input = NO_CHUNKS},
    {"languages[]", refuse, .input = ONE_LANGUAGE},
    {"languages", refuse, .input = ONE_LANGUAGE},
    {"include[]", read_include, .list = true},
    {"include", read_include, .list = true},
    {"known_speaker_names[]", refuse, .input = NO_SPEAKERS},
    {"known_speaker_names", refuse, .input = NO_SPEAKERS},
    {"known_speaker_references[]", refuse, .input = NO_SPEAKERS},
    {"known_speaker_references", refuse, .input = NO_SPEAKERS},
    /* not OpenAI's: as `sibyl transcribe` has them */
    {"recording", read_recording, .input = NULL},
    {"hotwords", read_hotwords, .list = true},
    {"beam_size", read_number, "beam_size", .min = 1, .max = 20},
    {"best_of", read_number, "best_of", .min = 1, .max = 20},
    {"seed", read_number, "seed", .min = 0, .max = 0x1p53},
    {"no_speech_threshold", read_number, "no_speech_threshold", .min = 0, .max = 1},
    {"logprob_threshold", read_number, "logprob_threshold", .min = -100, .max = 0},
    {"compression_ratio_threshold", read_number, "compression_ratio_threshold", .min = 0, .max = 1000},
};

static const rule *rule_of(const char *name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(rules[i].name, name))
            return &rules[i];
    return NULL;
}

/* Reads part i. */
static bool read_part(exchange *x, size_t i, speech_form *f)
{
    const part *p = exchange_part_at(x, i);
    const rule *r = rule_of(p->name);
    if (!strcmp(p->name, "file"))
        return true;
    if (!r) {
        answer_error(x, 400, p->name, "there is no field '%.60s'; docs/serve.md lists those that there are",
                     p->name);
        return false;
    }
    if (!r->list && exchange_part(x, p->name) != p) {
        answer_error(x, 400, p->name, "the field '%.60s' is given twice", p->name);
        return false;
    }
    if (memchr(p->data.size ? p->data.data : "", 0, p->data.size)) {
        answer_error(x, 400, p->name, "the field '%.60s' holds a byte 0", p->name);
        return false;
    }
    return !p->data.size || r->read(x, r, p->data.data, f);
}

/* What single fields cannot tell. */
static bool check(exchange *x, speech_form *f)
{
    bool granular = f->words || f->segments;
    if (granular && f->format != SPEECH_VERBOSE_JSON) {
        answer_error(x, 400, "timestamp_granularities[]",
                     "timestamp_granularities[] needs the response_format verbose_json");
        return false;
    }
    if (f->stream && (f->format == SPEECH_SRT || f->format == SPEECH_VTT)) {
        answer_error(x, 400, "response_format",
                     "a stream has the response_format json, text or verbose_json");
        return false;
    }
    if (f->logprobs && f->format != SPEECH_JSON) {
        answer_error(x, 400, "include[]", "include[] needs the response_format json");
        return false;
    }
    f->segments = f->segments || !granular;
    return true;
}

static bool has_input(const speech_form *f, const char *name)
{
    for (size_t i = 0; i < f->n_inputs; i++)
        if (!strcmp(f->inputs[i].name, name))
            return true;
    return false;
}

/* What the fields made together; and where nothing is given what `sibyl transcribe` has, so that both give the same. */
static bool add_rest(exchange *x, const char *task, speech_form *f)
{
    static const char *const searches[] = {"beam_size", "best_of"};
    const bool translates = !strcmp(task, "translate");
    bool done = !translates || read_text(x, &(rule){.input = "task"}, task, f);
    if (f->hotwords.size && done)
        done = read_text(x, &(rule){.input = "hotwords"}, f->hotwords.data, f);
    if (f->words && done)
        done = add_input(x, "word_timestamps", (sib_port_value){.type = SIB_PORT_FLAG, .flag = true}, f);
    f->n_given = f->n_inputs;
    if (!translates && done)
        done = read_text(x, &(rule){.input = "task"}, task, f);
    for (size_t i = 0; i < sizeof searches / sizeof *searches && done; i++)
        if (!has_input(f, searches[i]))
            done = add_input(x, searches[i], (sib_port_value){.type = SIB_PORT_NUMBER, .number = 5}, f);
    return done;
}

bool speech_form_read(exchange *x, const char *task, speech_form *out)
{
    *out = (speech_form){0};
    out->file = recording_given(x, &out->held);
    if (!out->file)
        return false;
    for (size_t i = 0; exchange_part_at(x, i); i++)
        if (!read_part(x, i, out))
            return false;
    return check(x, out) && add_rest(x, task, out);
}

void speech_form_clear(speech_form *f)
{
    buffer_free(&f->hotwords);
    recording_release(f->held);
}
