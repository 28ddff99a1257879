/* A model and its inputs, run on each of `ref` and `cpu`: a protobuf message in which field 1 is the ModelProto and each
   field 2 the next input's file, as those of ONNX's backend tests. An input that has none is drawn. */
#include "fuzz.h"
#include "models.h"

#include "base/mapping.h"

#include <string.h>

#define MAX_INPUTS   32
#define MEMORY_LIMIT (64u << 20)
/* Elements of an input that is drawn. */
#define MAX_ELEMENTS 4096

typedef struct parts {
    byte_span model, inputs[MAX_INPUTS];
    size_t n_inputs;
} parts;

/* A varint at *at; false at the end. */
static bool take(const uint8_t *data, size_t n, size_t *at, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; *at < n && shift < 64; shift += 7) {
        uint8_t byte = data[(*at)++];
        *v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Fields of bytes alone; whatever follows another one is left out. */
static parts parts_of(const uint8_t *data, size_t n)
{
    parts p = {.model = {data, 0}};
    uint64_t tag, length;
    for (size_t at = 0;
         take(data, n, &at, &tag) && (tag & 7) == 2 && take(data, n, &at, &length) && length <= n - at;
         at += (size_t)length) {
        byte_span bytes = {data + at, (size_t)length};
        if (tag >> 3 == 1)
            p.model = bytes;
        else if (tag >> 3 == 2 && p.n_inputs < MAX_INPUTS)
            p.inputs[p.n_inputs++] = bytes;
    }
    return p;
}

static bool is_small(const sib_value_info *info)
{
    double count = 1;
    for (size_t i = 0; i < info->rank; i++)
        count *= info->dims[i] < 0 ? 2 : (double)info->dims[i];
    return count <= MAX_ELEMENTS;
}

/* An input of the type that the model says, where every symbol is 2. */
static sib_value *draw(const sib_value_info *info, uint64_t *state)
{
    sib_error err = SIB_ERROR_INIT;
    sib_dim sizes[SIB_MAX_RANK];
    sib_value_info like = *info;
    sib_value *v = NULL;
    size_t n = 0;
    for (size_t i = 0; i < info->rank && info->ranked; i++) {
        if (info->dims[i] < 0 && info->dim_names[i])
            sizes[n++] = (sib_dim){info->dim_names[i], 2};
        else if (info->dims[i] < 0)
            like.dims[i] = 2;
    }
    if (is_small(info))
        fuzz_code(sib_value_random(&like, n, sizes, state, &v, &err), &err);
    return v;
}

static sib_value *input_of(const parts *p, size_t i, const sib_value_info *info, uint64_t *state)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    if (i >= p->n_inputs || !p->inputs[i].size)
        return draw(info, state);
    fuzz_file f = fuzz_file_begin(p->inputs[i].data, p->inputs[i].size);
    fuzz_code(sib_value_load_pb(f.path, info, &v, NULL, &err), &err);
    fuzz_file_end(&f);
    return v ? v : draw(info, state);
}

static sib_code ignore(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)err;
    *(size_t *)context += strlen(event->name);
    return SIB_OK;
}

static void run(sib_session *s, size_t n, const sib_named_value *given, size_t n_outputs, uint64_t hash)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out[MAX_INPUTS] = {0};
    size_t letters = 0;
    sib_cancel *cancel = fuzz_cancel_begin();
    sib_run_options options = {.cancel = cancel, .tap_context = &letters};
    if (hash % 16 == 0) {
        options.tap = ignore;
        options.tap_inside = true;
    }
    sib_code code = sib_session_run(s, n, given, 0, NULL, out, &options, &err);
    fuzz_cancel_end(&cancel);
    fuzz_code(code, &err);
    for (size_t i = 0; i < n_outputs; i++) {
        if ((code == SIB_OK) != (out[i] != NULL))
            fuzz_fail("output %zu is %s after %s", i, out[i] ? "there" : "missing", sib_code_name(code));
        sib_value_free(&out[i]);
    }
}

/* Two runs on the same inputs: the second one has the plan of the first. */
static void run_on(sib_model *m, const char *backends, size_t n, const sib_named_value *given,
                   size_t n_outputs, uint64_t hash)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    sib_session_options options = {
        .backends = backends, .threads = 1, .memory_limit = MEMORY_LIMIT, .seed = 1};
    options.oracle = hash % 11 == 0;
    options.passes = hash % 3 == 0 ? "all" : NULL;
    fuzz_code(sib_session_create(m, &options, &s, &err), &err);
    for (int times = 0; s && times < 2; times++)
        run(s, n, given, n_outputs, hash);
    sib_session_free(&s);
}

void fuzz_session(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    parts p = parts_of(data, n);
    sib_model *m = NULL;
    sib_value *values[MAX_INPUTS] = {0};
    sib_named_value given[MAX_INPUTS];
    sib_model_info info = {0};
    sib_value_info input;
    uint64_t hash = fuzz_hash(data, n), state = hash | 1;
    size_t n_given = 0;
    fuzz_code(model_open(p.model.data, p.model.size, hash, &m, &err), &err);
    if (m)
        sib_model_get_info(m, &info);
    if (m && info.n_outputs <= MAX_INPUTS) {
        for (size_t i = 0; i < MAX_INPUTS && sib_model_input(m, i, &input); i++) {
            values[n_given] = input_of(&p, i, &input, &state);
            given[n_given] = (sib_named_value){input.name, values[n_given]};
            n_given += values[n_given] != NULL;
        }
        run_on(m, "ref", n_given, given, info.n_outputs, hash);
        run_on(m, "cpu,ref", n_given, given, info.n_outputs, hash);
    }
    for (size_t i = 0; i < n_given; i++)
        sib_value_free(&values[i]);
    sib_model_free(&m);
}
