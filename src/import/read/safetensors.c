/* safetensors: a length of 8 bytes, a header in JSON, and the elements of one tensor after another without
   gaps. The header: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [BEGIN, END]}, ...,
   "__metadata__": {...}}, offsets counted from the header's end. */
#include "import/read/json.h"

/* The format's limit. */
#define MAX_HEADER (100u * 1000 * 1000)

static const struct {
    const char *name;
    sib_dtype dtype;
} dtypes[] = {
    {"F64", SIB_F64},
    {"F32", SIB_F32},
    {"F16", SIB_F16},
    {"BF16", SIB_BF16},
    {"F8_E4M3", SIB_F8E4M3FN},
    {"F8_E5M2", SIB_F8E5M2},
    {"F8_E8M0", SIB_F8E8M0},
    {"I64", SIB_I64},
    {"I32", SIB_I32},
    {"I16", SIB_I16},
    {"I8", SIB_I8},
    {"U64", SIB_U64},
    {"U32", SIB_U32},
    {"U16", SIB_U16},
    {"U8", SIB_U8},
    {"BOOL", SIB_BOOL},
    {"C64", SIB_C64},
    {"F8_E4M3FNUZ", SIB_F8E4M3FNUZ},
    {"F8_E5M2FNUZ", SIB_F8E5M2FNUZ},
};

static bool recognises(byte_span b)
{
    return b.size > 8 && b.data[8] == '{' && b.data[0] != '{';
}

static sib_code read_dtype(ckpt_file *s, const char *name, const json_t *entry, const weight_format **out)
{
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    if (!text)
        return ckpt_fail(s, SIB_ERR_FORMAT, 8, "weight '%.100s' has no 'dtype'", name);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, text) == 0) {
            *out = weight_format_of(dtypes[i].dtype);
            return SIB_OK;
        }
    return ckpt_fail(s, SIB_ERR_UNSUPPORTED, 8, "weight '%.100s': the element type '%.50s' is not known",
                     name, text);
}

/* Integers, none negative. */
static bool whole_numbers(const json_t *list, size_t n, int64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return false;
        out[i] = json_integer_value(v);
    }
    return true;
}

/* data: offset of the elements. */
static sib_code read_entry(ckpt_file *s, const char *name, const json_t *entry, uint64_t data)
{
    const weight_format *format = NULL;
    int64_t dims[SIB_MAX_RANK], offsets[2];
    if (!json_is_object(entry))
        return ckpt_fail(s, SIB_ERR_FORMAT, 8, "weight '%.100s' is not an object in the header", name);
    sib_code code = read_dtype(s, name, entry, &format);
    if (code != SIB_OK)
        return code;
    const json_t *shape = json_object_get(entry, "shape"), *range = json_object_get(entry, "data_offsets");
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || (rank <= SIB_MAX_RANK && !whole_numbers(shape, rank, dims)))
        return ckpt_fail(s, SIB_ERR_FORMAT, 8, "weight '%.100s': 'shape' is not a list of dims", name);
    if (json_array_size(range) != 2 || !whole_numbers(range, 2, offsets) || offsets[1] < offsets[0])
        return ckpt_fail(s, SIB_ERR_FORMAT, 8, "weight '%.100s': 'data_offsets' are not [begin, end]", name);
    if (offsets[0] % format->bytes != 0)
        return ckpt_fail(s, SIB_ERR_FORMAT, data + (uint64_t)offsets[0],
                         "weight '%.100s' begins at %lld, which is not aligned to its %u-byte elements", name,
                         (long long)offsets[0], format->bytes);
    return ckpt_weight(s, str_of(name), format, rank, dims, NULL, data + (uint64_t)offsets[0],
                       (uint64_t)(offsets[1] - offsets[0]), data + (uint64_t)offsets[0]);
}

static sib_code read_metadata(ckpt_file *s, const json_t *metadata)
{
    key_path key = {0};
    if (!json_is_object(metadata))
        return ckpt_fail(s, SIB_ERR_FORMAT, 8, "'__metadata__' is not an object");
    key_enter(&key, str_of("__metadata__"));
    return json_facts(s, metadata, &key);
}

static sib_code read_safetensors(ckpt_file *s)
{
    uint64_t at = 0, length = 0;
    byte_span header = {0};
    json_t *root = NULL;
    sib_code code = ckpt_u64(s, &at, "the header's length", &length);
    if (code == SIB_OK && length > MAX_HEADER)
        return ckpt_fail(s, SIB_ERR_FORMAT, 0, "the header has %llu bytes, expected at most %u",
                         (unsigned long long)length, MAX_HEADER);
    if (code == SIB_OK)
        code = ckpt_take(s, &at, length, "the header", &header);
    if (code == SIB_OK)
        code = json_parse(s, header, 8, &root);
    const char *name;
    json_t *entry;
    json_object_foreach(root, name, entry)
    {
        if (code != SIB_OK)
            break;
        code = strcmp(name, "__metadata__") == 0 ? read_metadata(s, entry) : read_entry(s, name, entry, at);
    }
    json_decref(root);
    return code == SIB_OK ? ckpt_check_ranges(s, at, true) : code;
}

const checkpoint_format format_safetensors = {"safetensors", recognises, read_safetensors, true};
