#include "text/steps/normalize.h"

#include "text/chars/chars.h"
#include "text/steps/charsmap.h"

#include "base/alloc.h"
#include "base/error.h"

/* One step, a row below. Sequences are flattened. */
typedef struct step {
    const struct step_kind *kind;
    text_pattern pattern;                /* Replace */
    byte_buffer content;                 /* Replace, Prepend */
    bool left, right;                    /* Strip */
    bool clean, chinese, accents, lower; /* BertNormalizer */
    charsmap map;                        /* Precompiled */
} step;

#define MAX_STEPS 64

/* Max growth of a text: a factor, plus a number of bytes. U+FDFA becomes eleven times as long. */
#define GROWTH        32
#define GROWTH_ANYWAY ((size_t)1 << 20)

struct normalizer {
    step steps[MAX_STEPS];
    size_t n;
};

typedef struct step_kind {
    const char *type;
    sib_code (*read)(step *s, const json_part *p, sib_error *err); /* NULL: nothing to read */
    /* Appends the normalized `text` to out. */
    sib_code (*run)(const step *s, sib_str text, byte_buffer *out, sib_error *err);
} step_kind;

/* ---- Steps ----------------------------------------------------------------------------------------- */

static sib_code run_nfc(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    (void)s;
    return unicode_form(text, true, false, out, err);
}

static sib_code run_nfd(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    (void)s;
    return unicode_form(text, false, false, out, err);
}

static sib_code run_nfkc(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    (void)s;
    return unicode_form(text, true, true, out, err);
}

static sib_code run_nfkd(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    (void)s;
    return unicode_form(text, false, true, out, err);
}

static sib_code run_lowercase(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    (void)s;
    for (size_t at = 0, length; at < text.length && out->code == SIB_OK; at += length) {
        uint32_t c = utf8_next(text.data + at, text.length - at, &length), lower[3];
        char bytes[4];
        if (c == UTF8_BROKEN) {
            buf_add(out, text.data + at, length, err);
            continue;
        }
        size_t n = char_lower(c, lower);
        for (size_t i = 0; i < n; i++)
            buf_add(out, bytes, utf8_put(lower[i], bytes), err);
    }
    return out->code;
}

static sib_code leave_out(sib_str text, bool (*is)(uint32_t c), byte_buffer *out, sib_error *err)
{
    for (size_t at = 0, length; at < text.length && out->code == SIB_OK; at += length)
        if (!is(utf8_next(text.data + at, text.length - at, &length)))
            buf_add(out, text.data + at, length, err);
    return out->code;
}

static sib_code run_strip_accents(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    (void)s;
    return leave_out(text, char_is_mark, out, err);
}

static sib_code read_strip(step *s, const json_part *p, sib_error *err)
{
    s->left = s->right = true;
    sib_code code = json_part_bool(p, "strip_left", &s->left, err);
    return code == SIB_OK ? json_part_bool(p, "strip_right", &s->right, err) : code;
}

static sib_code run_strip(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    size_t begin = 0, end = text.length, length;
    while (s->left && begin < end && char_is_space(utf8_next(text.data + begin, end - begin, &length)))
        begin += length;
    while (s->right && end > begin) {
        size_t last = utf8_before(text.data, end);
        if (!char_is_space(utf8_next(text.data + last, end - last, &length)))
            break;
        end = last;
    }
    buf_add(out, text.data + begin, end - begin, err);
    return out->code;
}

static sib_code read_content(step *s, const json_part *p, const char *key, sib_error *err)
{
    sib_str content = {0};
    sib_code code = json_part_string(p, key, &content, err);
    if (code == SIB_OK && !content.data)
        code = json_part_bad(p, SIB_ERR_FORMAT, err, "must have a replacement text");
    if (code == SIB_OK) {
        buf_add(&s->content, content.data, content.length, err);
        code = s->content.code;
    }
    return code;
}

static sib_code read_replace(step *s, const json_part *p, sib_error *err)
{
    json_part pattern = json_part_at(p, "pattern");
    sib_code code = read_content(s, p, "content", err);
    return code == SIB_OK ? pattern_open(&s->pattern, &pattern, err) : code;
}

static sib_code run_replace(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    pattern_search search;
    size_t begin, end, done = 0;
    sib_code code = pattern_begin(&search, &s->pattern, err);
    if (code == SIB_OK)
        code = pattern_text(&search, text, err);
    while (code == SIB_OK && pattern_next(&search, &begin, &end, &code, err)) {
        buf_add(out, text.data + done, begin - done, err);
        buf_add(out, s->content.data, s->content.n, err);
        done = end;
    }
    pattern_end(&search);
    buf_add(out, text.data + done, text.length - done, err);
    return code != SIB_OK ? code : out->code;
}

static sib_code read_prepend(step *s, const json_part *p, sib_error *err)
{
    return read_content(s, p, "prepend", err);
}

static sib_code run_prepend(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    if (text.length)
        buf_add(out, s->content.data, s->content.n, err);
    buf_add(out, text.data, text.length, err);
    return out->code;
}

static sib_code read_bert(step *s, const json_part *p, sib_error *err)
{
    s->clean = s->chinese = s->lower = true;
    sib_code code = json_part_bool(p, "clean_text", &s->clean, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "handle_chinese_chars", &s->chinese, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "lowercase", &s->lower, err);
    s->accents = s->lower; /* where the file omits it */
    return code == SIB_OK ? json_part_bool(p, "strip_accents", &s->accents, err) : code;
}

/* Removes control characters, replaces white space by plain spaces, and surrounds ideographs with spaces. */
static sib_code bert_clean(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    for (size_t at = 0, length; at < text.length && out->code == SIB_OK; at += length) {
        uint32_t c = utf8_next(text.data + at, text.length - at, &length);
        if (s->clean && (c == 0 || c == 0xFFFD || char_is_control(c)))
            continue;
        bool chinese = s->chinese && char_is_chinese(c), space = s->clean && char_is_space(c);
        if (space)
            buf_add(out, " ", 1, err);
        else
            buf_add(out, chinese ? " " : "", chinese, err);
        if (!space)
            buf_add(out, text.data + at, length, err);
        buf_add(out, " ", chinese, err);
    }
    return out->code;
}

static sib_code run_bert(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    byte_buffer clean = {0}, parts = {0}, bare = {0};
    sib_code code = bert_clean(s, text, &clean, err);
    sib_str now = {clean.data, clean.n};
    if (code == SIB_OK && s->accents) {
        code = unicode_form(now, false, false, &parts, err);
        if (code == SIB_OK)
            code = leave_out((sib_str){parts.data, parts.n}, char_is_accent, &bare, err);
        now = (sib_str){bare.data, bare.n};
    }
    if (code == SIB_OK && s->lower)
        code = run_lowercase(s, now, out, err);
    else if (code == SIB_OK)
        buf_add(out, now.data, now.length, err);
    buf_free(&clean);
    buf_free(&parts);
    buf_free(&bare);
    return code != SIB_OK ? code : out->code;
}

static sib_code read_precompiled(step *s, const json_part *p, sib_error *err)
{
    return charsmap_open(&s->map, p, "precompiled_charsmap", err);
}

static sib_code run_precompiled(const step *s, sib_str text, byte_buffer *out, sib_error *err)
{
    return charsmap_run(&s->map, text, out, err);
}

static const step_kind step_kinds[] = {
    {"NFC", NULL, run_nfc},
    {"NFD", NULL, run_nfd},
    {"NFKC", NULL, run_nfkc},
    {"NFKD", NULL, run_nfkd},
    {"Lowercase", NULL, run_lowercase},
    {"StripAccents", NULL, run_strip_accents},
    {"Strip", read_strip, run_strip},
    {"Replace", read_replace, run_replace},
    {"Prepend", read_prepend, run_prepend},
    {"BertNormalizer", read_bert, run_bert},
    {"Precompiled", read_precompiled, run_precompiled},
};

/* ---- All steps ----------------------------------------------------------------------------------------- */

static sib_code read_part(normalizer *n, const json_part *p, sib_error *err)
{
    const char *type = json_part_type(p);
    if (p->depth > JSON_MAX_DEPTH || n->n == MAX_STEPS)
        return json_part_bad(p, SIB_ERR_UNSUPPORTED, err, "has too many steps");
    if (strcmp(type, "Sequence") == 0) {
        json_part list = json_part_at(p, "normalizers");
        sib_code code = SIB_OK;
        for (size_t i = 0; i < json_array_size(list.value) && code == SIB_OK; i++) {
            json_part item = json_part_item(&list, i);
            code = read_part(n, &item, err);
        }
        return code;
    }
    for (size_t i = 0; i < sizeof step_kinds / sizeof *step_kinds; i++)
        if (strcmp(type, step_kinds[i].type) == 0) {
            step *s = &n->steps[n->n++];
            s->kind = &step_kinds[i];
            return s->kind->read ? s->kind->read(s, p, err) : SIB_OK;
        }
    return json_part_unknown(p, "normalizer", type, err);
}

sib_code normalizer_open(const json_part *p, normalizer **out, sib_error *err)
{
    *out = NULL;
    if (!p->value)
        return SIB_OK;
    normalizer *n = mem_calloc(1, sizeof *n);
    if (!n)
        return err_memory(err, sizeof *n, "a normalizer");
    sib_code code = read_part(n, p, err);
    if (code != SIB_OK || n->n == 0)
        normalizer_free(&n);
    *out = n;
    return code;
}

void normalizer_free(normalizer **n)
{
    for (size_t i = 0; *n && i < (*n)->n; i++) {
        pattern_free(&(*n)->steps[i].pattern);
        buf_free(&(*n)->steps[i].content);
        charsmap_free(&(*n)->steps[i].map);
    }
    mem_free(*n);
    *n = NULL;
}

sib_code normalizer_run(const normalizer *n, sib_str text, byte_buffer *scratch, sib_str *out, sib_error *err)
{
    byte_buffer other = {0};
    sib_code code = SIB_OK;
    *out = text;
    for (size_t i = 0; n && i < n->n && code == SIB_OK; i++) {
        other.n = 0;
        other.max =
            text.length < (SIZE_MAX - GROWTH_ANYWAY) / GROWTH ? GROWTH * text.length + GROWTH_ANYWAY : 0;
        buf_add(&other, "", 0, err);
        buf_reserve(&other, 1, err); /* so that data is not NULL for an empty text */
        code = other.code == SIB_OK ? n->steps[i].kind->run(&n->steps[i], *out, &other, err) : other.code;
        byte_buffer swap = *scratch;
        *scratch = other;
        other = swap;
        *out = buf_str(scratch);
    }
    buf_free(&other);
    return code;
}
