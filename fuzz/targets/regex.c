/* A regular expression and a text, a line of three dashes between them: as a tokenizer.json splits and replaces by it, and
   as RegexFullMatch and StringRegexReplace have it on `ref`. */
#include "fuzz.h"

#include <jansson.h>
#include <sibyl/ops.h>
#include <sibyl/text.h>
#include <string.h>

/* A tokenizer of bytes with the pattern in it. NULL where it is no text of JSON. */
static char *document(const char *pattern, size_t n)
{
    json_t *text = json_stringn(pattern, n);
    json_t *o =
        text ? json_pack("{s:{s:s,s:{s:O},s:s},s:{s:s,s:{s:O},s:s,s:b},s:{s:s,s:{s:i,s:i},s:[]}}",
                         "normalizer", "type", "Replace", "pattern", "Regex", text, "content", "xy",
                         "pre_tokenizer", "type", "Split", "pattern", "Regex", text, "behavior", "Isolated",
                         "invert", 0, "model", "type", "BPE", "vocab", "a", 0, "b", 1, "merges")
             : NULL;
    char *out = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    json_decref(text);
    return out;
}

static void split(const char *pattern, size_t n, const char *text, size_t n_text)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer *t = NULL;
    char *file = document(pattern, n);
    int32_t *ids = NULL;
    size_t n_ids;
    if (!file)
        return;
    fuzz_code(sib_tokenizer_open_bytes("fuzz", file, strlen(file), NULL, &t, &err), &err);
    free(file);
    if (t)
        fuzz_code(sib_tokenizer_encode(t, text, n_text, SIB_SPECIAL_AS_TEXT, &ids, &n_ids, &err), &err);
    sib_free(ids);
    sib_tokenizer_free(&t);
}

/* ---- RE2's syntax ---------------------------------------------------------------------------------------- */

static sib_value *string_value(const char *text, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    const int64_t dims = 1, at = 0;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    if (sib_tensor_create(SIB_STRING, 1, &dims, &t, &err) != SIB_OK ||
        sib_tensor_set_string(t, &at, (sib_str){text, n}, &err) != SIB_OK ||
        sib_value_from_tensor(t, &v, &err) != SIB_OK)
        fuzz_fail("no string: %s", err.message);
    sib_tensor_free(&t);
    return v;
}

/* An operator on strings, in a context of its own: the pattern may be an attribute, for which others would be kept. */
static void call(const sib_op *op, size_t n, const sib_value *const *inputs)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *out = NULL;
    sib_ops *ops = NULL;
    const sib_ops_options options = {.backends = "ref", .threads = 1};
    if (sib_ops_create(&options, &ops, &err) != SIB_OK)
        fuzz_fail("no operators: %s", err.message);
    fuzz_code(sib_ops_call(ops, op, n, inputs, 1, &out, &err), &err);
    sib_value_free(&out);
    sib_ops_free(&ops);
}

static void match(const char *pattern, size_t n, const char *text, size_t n_text)
{
    const sib_str of = {pattern, n};
    const sib_attribute attribute = {.name = "pattern", .kind = SIB_ATTRIBUTE_STRING, .n = 1, .strings = &of};
    const sib_op entire = {.type = "RegexFullMatch", .n_attributes = 1, .attributes = &attribute},
                 replace = {.domain = "ai.onnx.contrib", .type = "StringRegexReplace"};
    sib_value *in[] = {string_value(text, n_text), string_value(pattern, n), string_value("<\\1\\0>", 6)};
    call(&entire, 1, (const sib_value *const *)in);
    call(&replace, 3, (const sib_value *const *)in);
    for (size_t i = 0; i < 3; i++)
        sib_value_free(&in[i]);
}

void fuzz_regex(const uint8_t *data, size_t n)
{
    size_t n_pattern, n_text;
    const uint8_t *text;
    if (!fuzz_cut(data, n, "---", &n_pattern, &text, &n_text))
        return;
    n_pattern -= n_pattern > 0; /* the end of its line */
    split((const char *)data, n_pattern, (const char *)text, n_text);
    match((const char *)data, n_pattern, (const char *)text, n_text);
}
