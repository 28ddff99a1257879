#include "import/sentencepiece.h"
#include "import/sentencepiece_parts.h"

#include "base/alloc.h"
#include "base/mapping.h"
#include "import/read/beside.h"

#include <stdio.h>
#include <string.h>

/* ---- Around a text -------------------------------------------------------------------------------------- */

static bool flag(const pieces_document *d, const char *key, bool otherwise)
{
    const json_t *given = json_object_get(d->config, key);
    return json_is_boolean(given) ? json_boolean_value(given) : otherwise;
}

/* Appends a token around a text to the template. */
static sib_code add_around(pieces_document *d, const piece_around *a, json_t *single, json_t *tokens)
{
    char key[32], language[64];
    const char *name = a->name;
    snprintf(key, sizeof key, "add_%s_token", a->key);
    if (d->rule->optional && !flag(d, key, !strcmp(a->key, "bos")))
        return SIB_OK;
    if (name) {
        snprintf(key, sizeof key, "%s_token", a->key);
        const char *given = pieces_token_name(d, key);
        name = given ? given : name;
    } else {
        const char *given = json_string_value(json_object_get(d->config, "src_lang"));
        const char *mark = d->rule->wrapped ? "__" : "";
        snprintf(language, sizeof language, "%s%s%s", mark, given ? given : d->rule->language, mark);
        name = language;
    }
    const int64_t id = pieces_id(d, name);
    if (id < 0)
        return err_set(
            d->err, SIB_ERR_VALUE,
            "%s: '%.64s', which stands around texts, is neither a piece nor listed in tokenizer_config.json "
            "(added_tokens_decoder, additional_special_tokens) or added_tokens.json",
            d->path, name);
    json_t *item = json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", name, "type_id", 0),
           *entry = json_pack("{s:s, s:[I], s:[s]}", "id", name, "ids", (json_int_t)id, "tokens", name);
    const bool done = !json_array_append_new(single, item) & !json_object_set_new(tokens, name, entry);
    return done ? SIB_OK : pieces_no_memory(d);
}

static sib_code make_template(pieces_document *d, json_t *out)
{
    json_t *single = json_array(), *tokens = json_object();
    sib_code code = single && tokens ? SIB_OK : pieces_no_memory(d);
    for (size_t i = 0; i < MAX_AROUND && d->rule->before[i].key && code == SIB_OK; i++)
        code = add_around(d, &d->rule->before[i], single, tokens);
    if (code == SIB_OK)
        json_array_append_new(single, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0));
    for (size_t i = 0; i < MAX_AROUND && d->rule->after[i].key && code == SIB_OK; i++)
        code = add_around(d, &d->rule->after[i], single, tokens);
    json_t *made = json_pack("{s:s, s:o, s:o}", "type", "TemplateProcessing", "single", single,
                             "special_tokens", tokens);
    if (code == SIB_OK)
        return json_object_set_new(out, "post_processor", made) ? pieces_no_memory(d) : SIB_OK;
    json_decref(made);
    return code;
}

/* ---- Texts before the file sees them --------------------------------------------------------------------- */

/* As ALBERT's, or lower case alone. */
static sib_code make_normalizer(pieces_document *d, json_t *out)
{
    const bool albert = !strcmp(d->rule->name, "AlbertTokenizer");
    const bool lower = flag(d, "do_lower_case", albert), plain = albert && !flag(d, "keep_accents", false);
    json_t *list = json_array();
    if (albert) {
        json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String",
                                              "``", "content", "\""));
        json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String",
                                              "''", "content", "\""));
    }
    if (plain) {
        json_array_append_new(list, json_pack("{s:s}", "type", "NFKD"));
        json_array_append_new(list, json_pack("{s:s}", "type", "StripAccents"));
    }
    if (lower)
        json_array_append_new(list, json_pack("{s:s}", "type", "Lowercase"));
    if (list && json_array_size(list) != 2u * albert + 2u * plain + lower) {
        json_decref(list);
        list = NULL;
    }
    json_t *all = list ? json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", list) : NULL;
    return all && !json_object_set_new(out, "normalizer", all) ? SIB_OK : pieces_no_memory(d);
}

/* ---- The document --------------------------------------------------------------------------------------- */

void base64_add(byte_buffer *out, sib_str s, sib_error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.length; i += 3) {
        const size_t n = s.length - i < 3 ? s.length - i : 3;
        char four[4];
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (uint8_t)s.data[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            four[k] = k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
        buf_add(out, four, sizeof four, err);
    }
}

static int add_dumped(const char *text, size_t n, void *out)
{
    return buf_add(out, text, n, NULL) == SIB_OK ? 0 : -1;
}

/* The members of an object, without its braces. */
static void add_members(byte_buffer *out, const json_t *object)
{
    json_dump_callback(object, add_dumped, out, JSON_COMPACT | JSON_EMBED);
}

static const char *prefix_of(const pieces_document *d)
{
    const json_t *space = json_object_get(d->config, "add_prefix_space");
    return !d->rule->prefix_first     ? "always"
           : json_is_false(space)     ? "never"
           : flag(d, "legacy", false) ? "always"
                                      : "first";
}

static sib_code write_document(pieces_document *d, sib_str bytes, byte_buffer *out)
{
    json_t *rest = json_pack("{s:O}", "added_tokens", d->added);
    const char *unknown = pieces_token_name(d, "unk_token");
    json_t *model = json_pack("{s:s, s:s}", "prefix", prefix_of(d), "unk_token", unknown ? unknown : "<unk>");
    sib_code code = rest && model && !(d->vocab && json_object_set(model, "vocab", d->vocab))
                        ? SIB_OK
                        : pieces_no_memory(d);
    if (code == SIB_OK)
        code = make_template(d, rest);
    if (code == SIB_OK)
        code = make_normalizer(d, rest);
    if (code == SIB_OK) {
        buf_add_text(out, "{\"version\":\"1.0\",\"model\":{\"type\":\"SentencePiece\",\"file\":\"", d->err);
        base64_add(out, bytes, d->err);
        buf_add_text(out, "\",", d->err);
        add_members(out, model);
        buf_add_text(out, "},", d->err);
        add_members(out, rest);
        buf_add_text(out, "}\n", d->err);
        code = out->code;
    }
    json_decref(model);
    json_decref(rest);
    return code;
}

static sib_code make_document(pieces_document *d, sib_str bytes, byte_buffer *out)
{
    const sib_tokenizer_options options = {.kind = "sentencepiece"};
    sib_code code = sib_tokenizer_open_bytes(d->path, bytes.data, bytes.length, &options, &d->file, d->err);
    if (code == SIB_OK)
        code = pieces_read_beside(d, "tokenizer_config.json", &d->config);
    if (code == SIB_OK)
        code = pieces_read_beside(d, "special_tokens_map.json", &d->special);
    if (code == SIB_OK)
        code = pieces_find_rule(d);
    if (code == SIB_OK)
        code = pieces_make_ids(d);
    if (code == SIB_OK)
        code = pieces_make_added(d);
    return code == SIB_OK ? write_document(d, bytes, out) : code;
}

sib_code sentencepiece_document(const build *b, const char *path, byte_buffer *out, sib_error *err)
{
    pieces_document d = {.b = b, .path = path, .err = err, .added = json_array()};
    mapping *m = NULL;
    if (!d.added)
        return pieces_no_memory(&d);
    sib_code code = mapping_open(path, &m, err);
    if (code == SIB_OK)
        code = make_document(&d, (sib_str){(const char *)m->bytes.data, m->bytes.size}, out);
    if (m)
        mapping_release(m);
    sib_tokenizer_free(&d.file);
    json_decref(d.config);
    json_decref(d.special);
    json_decref(d.vocab);
    json_decref(d.added);
    return code;
}

sib_code sentencepiece_find(const build *b, char **out, sib_error *err)
{
    static const char *const names[] = {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
                                        "spm.model",       "source.spm",   "spm_char.model"};
    sib_code code = SIB_OK;
    *out = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && code == SIB_OK && !*out; i++)
        code = beside_path(b->c, names[i], out, err);
    return code;
}
