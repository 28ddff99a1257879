/* The files of whisper.cpp and rwkv.cpp: numbers of the model, then tensors up to the end of the file, each
   as int32 n_dims, name length, type, dims (innermost first), the name, the elements. Nothing is aligned. */
#include "import/read/reader.h"

/* ggml's limit. */
#define MAX_DIMS 4

typedef struct tensor_rules {
    const weight_format *(*format)(uint32_t number, const char **name);
    bool blocks; /* whether blocks have their present layout */
} tensor_rules;

/* dims: (rank), outermost first. */
static sib_code read_dims(ckpt_file *s, uint64_t *at, uint32_t rank, int64_t *dims)
{
    sib_code code = SIB_OK;
    for (uint32_t i = rank; i-- > 0 && code == SIB_OK;) {
        uint32_t d = 0;
        code = ckpt_u32(s, at, "a dim", &d);
        dims[i] = d > INT32_MAX ? -1 : (int64_t)d;
    }
    return code;
}

static sib_code read_tensor(ckpt_file *s, const tensor_rules *rules, uint64_t *at)
{
    uint64_t begin = *at, bytes = 0;
    uint32_t rank = 0, length = 0, type = 0;
    int64_t dims[MAX_DIMS];
    byte_span name = {0}, data = {0};
    sib_code code = ckpt_u32(s, at, "a tensor's number of dims", &rank);
    if (code == SIB_OK)
        code = ckpt_u32(s, at, "a name's length", &length);
    if (code == SIB_OK)
        code = ckpt_u32(s, at, "a tensor's type", &type);
    if (code == SIB_OK && rank > MAX_DIMS)
        code = ckpt_fail(s, SIB_ERR_FORMAT, begin, "a tensor has %u dims, at most %d are expected", rank,
                         MAX_DIMS);
    if (code == SIB_OK)
        code = read_dims(s, at, rank, dims);
    if (code == SIB_OK)
        code = ckpt_take(s, at, length, "a tensor's name", &name);
    if (code != SIB_OK)
        return code;
    sib_str text = str_of_span(name);
    const char *type_name;
    const weight_format *format = rules->format(type, &type_name);
    if (!format)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, begin,
                         "weight '%.*s': elements of type %u (%s) are not supported", READER_STR(text), type,
                         type_name);
    if (format->block > 1 && !rules->blocks)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, begin,
                         "weight '%.*s': %s in an old version of its format, with other blocks; convert the "
                         "original file again",
                         READER_STR(text), format->name);
    if (!weight_format_bytes(format, rank, dims, &bytes))
        return ckpt_fail(
            s, SIB_ERR_FORMAT, begin,
            "weight '%.*s': its dims are negative, too large, or do not divide into blocks of %u",
            READER_STR(text), format->block);
    uint64_t offset = *at;
    code = ckpt_take(s, at, bytes, "a tensor's elements", &data);
    return code == SIB_OK ? ckpt_weight(s, text, format, rank, dims, NULL, offset, bytes, begin) : code;
}

static sib_code read_tensors(ckpt_file *s, const tensor_rules *rules, uint64_t at)
{
    sib_code code = SIB_OK;
    while (at < s->bytes.size && code == SIB_OK)
        code = read_tensor(s, rules, &at);
    return code;
}

/* Adds n numbers as facts. values: (n) */
static sib_code read_numbers(ckpt_file *s, const char *const *names, size_t n, uint64_t *at, int32_t *values)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        uint64_t begin = *at;
        code = ckpt_i32(s, at, names[i], &values[i]);
        if (code == SIB_OK && values[i] < 0)
            code = ckpt_fail(s, SIB_ERR_FORMAT, begin, "%s is %d, which is negative", names[i], values[i]);
        if (code == SIB_OK)
            code = ckpt_fact_int(s, str_of(names[i]), values[i], begin);
    }
    return code;
}

static bool begins_with(byte_span b, uint32_t magic)
{
    uint32_t first;
    if (b.size < sizeof first)
        return false;
    memcpy(&first, b.data, sizeof first);
    return first == magic;
}

/* ---- whisper.cpp ---------------------------------------------------------------------------------- */

static bool is_whisper(byte_span b)
{
    return begins_with(b, 0x67676d6c);
}

/* n_mel x n_fft filters, as float32. */
static sib_code read_filters(ckpt_file *s, uint64_t *at)
{
    static const char *const names[] = {"mel_filters.n_mel", "mel_filters.n_fft"};
    int32_t dims[2];
    byte_span data = {0};
    void *items;
    uint64_t begin = *at;
    sib_code code = read_numbers(s, names, 2, at, dims);
    if (code != SIB_OK)
        return code;
    size_t n = (size_t)dims[0] * (size_t)dims[1]; /* below 2^62 */
    code = ckpt_take(s, at, 4 * (uint64_t)n, "the mel filters", &data);
    if (code == SIB_OK)
        code = ckpt_fact(s, str_of("mel_filters"), FACT_FLOAT, true, n, begin, &items);
    return code == SIB_OK ? sib_convert(SIB_F32, data.data, SIB_F64, items, n, SIB_OVERFLOW_IEEE, s->err)
                          : code;
}

static sib_code read_vocabulary(ckpt_file *s, uint64_t *at)
{
    uint32_t n = 0;
    uint64_t begin = *at;
    void *items = NULL;
    byte_span word = {0};
    sib_code code = ckpt_u32(s, at, "the vocabulary's size", &n);
    if (code == SIB_OK && n > (s->bytes.size - *at) / 4)
        code = ckpt_fail(s, SIB_ERR_FORMAT, begin, "a vocabulary of %u words is larger than the file", n);
    if (code == SIB_OK)
        code = ckpt_fact(s, str_of("vocab"), FACT_STRING, true, n, begin, &items);
    for (uint32_t i = 0; i < n && code == SIB_OK; i++) {
        uint32_t length = 0;
        code = ckpt_u32(s, at, "a word's length", &length);
        if (code == SIB_OK)
            code = ckpt_take(s, at, length, "a word of the vocabulary", &word);
        ((sib_str *)items)[i] = str_of_span(word);
    }
    return code;
}

static sib_code read_whisper(ckpt_file *s)
{
    static const char *const names[] = {"n_vocab",       "n_audio_ctx", "n_audio_state", "n_audio_head",
                                        "n_audio_layer", "n_text_ctx",  "n_text_state",  "n_text_head",
                                        "n_text_layer",  "n_mels",      "ftype"};
    enum { N = sizeof names / sizeof *names };
    int32_t values[N];
    uint64_t at = 4;
    sib_code code = read_numbers(s, names, N, &at, values);
    if (code == SIB_OK)
        code = read_filters(s, &at);
    if (code == SIB_OK)
        code = read_vocabulary(s, &at);
    /* The thousands of ftype are the version of block layouts; 2 since May 2023. */
    tensor_rules rules = {weight_format_of_ggml, code == SIB_OK && values[N - 1] / 1000 == 2};
    return code == SIB_OK ? read_tensors(s, &rules, at) : code;
}

/* ---- rwkv.cpp ------------------------------------------------------------------------------------- */

static bool is_rwkv(byte_span b)
{
    return begins_with(b, 0x67676d66);
}

static const weight_format *rwkv_format(uint32_t number, const char **name)
{
    static const struct {
        const char *name, *format;
    } types[] = {{"FP32", "float32"}, {"FP16", "float16"}, {"Q4_0", "q4_0"}, {"Q4_1", "q4_1"},
                 {"Q4_1_O", NULL},    {"Q4_2", NULL},      {"Q4_3", NULL},   {"Q5_0", "q5_0"},
                 {"Q5_1", "q5_1"},    {"Q8_0", "q8_0"}};
    *name = "a type without name";
    if (number >= sizeof types / sizeof *types)
        return NULL;
    *name = types[number].name;
    return types[number].format ? weight_format_named(types[number].format) : NULL;
}

static sib_code read_rwkv(ckpt_file *s)
{
    static const char *const names[] = {"version", "n_vocab", "n_embed", "n_layer", "data_type"};
    enum { N = sizeof names / sizeof *names };
    int32_t values[N];
    uint64_t at = 4;
    sib_code code = read_numbers(s, names, N, &at, values);
    if (code != SIB_OK)
        return code;
    if (values[0] != 100 && values[0] != 101)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, 4, "version %d of rwkv.cpp's files, expected 100 or 101",
                         values[0]);
    tensor_rules rules = {rwkv_format, values[0] == 101};
    return read_tensors(s, &rules, at);
}

const checkpoint_format format_whisper = {"whisper.cpp", is_whisper, read_whisper, true};
const checkpoint_format format_rwkv = {"rwkv.cpp", is_rwkv, read_rwkv, true};
