/* POST /api/spans: the stretches of a recording in which somebody speaks. */
#include "server/handlers.h"
#include "server/models/exchange_model.h"
#include "server/speech/recording.h"

#include <stdlib.h>
#include <string.h>

/* The numbers of the form that are inputs of the job, by the same names. */
static const struct {
    const char *name;
    double min, max;
} numbers[] = {{"threshold", 0, 1},
               {"min_speech_duration_ms", 0, 1e6},
               {"min_silence_duration_ms", 0, 1e6},
               {"speech_pad_ms", 0, 1e6}};
enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

static bool read_number(exchange *x, size_t i, const part *p, double *out)
{
    const char *text = p->data.size ? p->data.data : "";
    char *end;
    *out = strtod(text, &end);
    if (*text && strspn(text, "0123456789.+-eE") == strlen(text) && !*end && *out >= numbers[i].min &&
        *out <= numbers[i].max)
        return true;
    answer_error(x, 400, numbers[i].name, "%s must be a number from %g to %g, not '%.40s'", numbers[i].name,
                 numbers[i].min, numbers[i].max, text);
    return false;
}

/* Fills in[*n]. Answers 400 and returns false where a field is unknown or out of range. */
static bool read_form(exchange *x, sib_job_value in[], size_t *n, const char **model)
{
    const part *p;
    for (size_t k = 0; (p = exchange_part_at(x, k)); k++) {
        size_t i = 0;
        while (i < N_NUMBERS && strcmp(numbers[i].name, p->name) != 0)
            i++;
        double number;
        if (!strcmp(p->name, "model"))
            *model = p->data.size ? p->data.data : NULL;
        else if (i < N_NUMBERS && exchange_part(x, p->name) == p) { /* once */
            if (!read_number(x, i, p, &number))
                return false;
            in[(*n)++] = (sib_job_value){numbers[i].name, {.type = SIB_PORT_NUMBER, .number = number}};
        } else if (strcmp(p->name, "file") != 0 && strcmp(p->name, "recording") != 0) {
            answer_error(x, 400, p->name, "the field '%.60s' is unknown, or given twice", p->name);
            return false;
        }
    }
    return true;
}

static void answer_spans(exchange *x, const sib_port_value *found, double seconds)
{
    json_t *list = json_array();
    for (size_t i = 0; i < found->spans.n; i++)
        json_array_append_new(list, json_pack("{s:f, s:f}", "start", found->spans.data[i].start, "end",
                                              found->spans.data[i].end));
    answer_json(x, 200, json_pack("{s:f, s:o}", "duration", seconds, "spans", list));
}

/* in[0] is the audio. */
static void find_spans(exchange *x, const served *v, const part *file, sib_job_value in[], size_t n)
{
    static const char *const wanted[] = {"spans"};
    sib_error err = SIB_ERROR_INIT;
    sib_job_info info;
    sib_job_get_info(v->job, &info);
    sib_tensor *audio = NULL;
    sib_job_result *r = NULL;
    sib_job_run_options run = {.cancel = exchange_cancel(x)};
    sib_code code = recording_read(x, file, info.sample_rate, &audio, &err);
    in[0] = (sib_job_value){"audio", {.type = SIB_PORT_AUDIO, .tensor = audio}};
    if (code == SIB_OK)
        code = sib_job_run(v->job, n, in, 1, wanted, &run, &r, &err);
    if (code == SIB_OK)
        answer_spans(x, sib_job_result_find(r, "spans"), (double)sib_tensor_count(audio) / info.sample_rate);
    else
        answer_failure(x, &err);
    sib_job_result_free(&r);
    sib_tensor_free(&audio);
}

void handle_spans(exchange *x)
{
    sib_job_value in[1 + N_NUMBERS];
    size_t n = 1;
    const char *model = NULL;
    recording *held;
    const part *file = recording_given(x, &held);
    served *v = file && read_form(x, in, &n, &model)
                    ? exchange_model_of(x, model, "voice-activity", "finds speech", NULL)
                    : NULL;
    if (v)
        find_spans(x, v, file, in, n);
    catalog_release(v);
    recording_release(held);
}
