#include "text/steps/decode.h"

#include "text/chars/byte_level.h"
#include "text/chars/utf8.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

typedef struct step {
    const struct step_kind *kind;
    text_pattern pattern; /* Replace */
    byte_buffer content;  /* Replace, Strip, Metaspace, WordPiece's prefix, BPEDecoder's suffix */
    bool prefix;          /* Metaspace: remove the spaces of the first string */
    bool cleanup;         /* WordPiece */
    int64_t start, stop;  /* Strip */
} step;

#define MAX_STEPS 32

struct decoder {
    step steps[MAX_STEPS];
    size_t n;
};

/* A string and its position among the others, for a step. */
typedef struct place {
    sib_str text;
    size_t i, n;
    bool bytes; /* the strings are bytes already */
} place;

typedef struct step_kind {
    const char *type;
    sib_code (*read)(step *s, const json_part *p, sib_error *err); /* NULL: nothing to read */
    /* Appends what the string becomes to out->bytes; NULL: the string itself. */
    sib_code (*run)(const step *s, const place *p, string_list *out, sib_error *err);
    bool fuse; /* all strings become one */
} step_kind;

sib_code strings_end(string_list *l, sib_error *err)
{
    return l->bytes.code != SIB_OK
               ? l->bytes.code
               : ARRAY_PUSH(l->ends, l->n, l->capacity, "the strings of tokens", err, l->bytes.n);
}

void strings_free(string_list *l)
{
    buf_free(&l->bytes);
    mem_free(l->ends);
    *l = (string_list){0};
}

/* ---- Steps ----------------------------------------------------------------------------------------- */

static sib_code run_byte_level(const step *s, const place *p, string_list *out, sib_error *err)
{
    (void)s;
    if (p->bytes || !byte_level_bytes(p->text, &out->bytes, err))
        buf_add(&out->bytes, p->text.data, p->text.length, err);
    return out->bytes.code;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* "<0x0A>" becomes its byte. Bytes that are not UTF-8 stay, where others put U+FFFD. */
static sib_code run_byte_fallback(const step *s, const place *p, string_list *out, sib_error *err)
{
    (void)s;
    const char *t = p->text.data;
    if (p->text.length == 6 && memcmp(t, "<0x", 3) == 0 && t[5] == '>' && hex(t[3]) >= 0 && hex(t[4]) >= 0) {
        char byte = (char)(hex(t[3]) << 4 | hex(t[4]));
        buf_add(&out->bytes, &byte, 1, err);
    } else {
        buf_add(&out->bytes, t, p->text.length, err);
    }
    return out->bytes.code;
}

static sib_code read_text(step *s, const json_part *p, const char *key, const char *otherwise, sib_error *err)
{
    sib_str content = {otherwise, otherwise ? strlen(otherwise) : 0};
    sib_code code = json_part_string(p, key, &content, err);
    if (code == SIB_OK && !content.data) {
        json_part at = json_part_at(p, key);
        code = json_part_bad(&at, SIB_ERR_FORMAT, err, "is missing");
    }
    if (code == SIB_OK) {
        buf_add(&s->content, content.data, content.length, err);
        code = s->content.code;
    }
    return code;
}

static sib_code read_metaspace(step *s, const json_part *p, sib_error *err)
{
    sib_str scheme = {0};
    s->prefix = true;
    sib_code code = read_text(s, p, "replacement", "\xE2\x96\x81", err);
    if (code == SIB_OK)
        code = json_part_bool(p, "add_prefix_space", &s->prefix, err);
    if (code == SIB_OK)
        code = json_part_string(p, "prepend_scheme", &scheme, err);
    if (code == SIB_OK && scheme.data)
        s->prefix = !str_is(scheme, "never");
    if (code == SIB_OK && !s->content.n)
        code = json_part_bad(p, SIB_ERR_FORMAT, err, "the replacement is empty");
    return code;
}

/* Appends the text with every `what` replaced by `with`. */
static void put_replaced(sib_str text, const byte_buffer *what, sib_str with, byte_buffer *out,
                         sib_error *err)
{
    const char *at = text.data, *end = text.data + text.length, *found;
    while (what->n && at < end && (found = memmem(at, (size_t)(end - at), what->data, what->n)) != NULL) {
        buf_add(out, at, (size_t)(found - at), err);
        buf_add(out, with.data, with.length, err);
        at = found + what->n;
    }
    buf_add(out, at, (size_t)(end - at), err);
}

static sib_code run_metaspace(const step *s, const place *p, string_list *out, sib_error *err)
{
    bool drop = p->i == 0 && s->prefix;
    put_replaced(p->text, &s->content, drop ? (sib_str){"", 0} : (sib_str){" ", 1}, &out->bytes, err);
    return out->bytes.code;
}

static sib_code read_replace(step *s, const json_part *p, sib_error *err)
{
    json_part pattern = json_part_at(p, "pattern");
    sib_code code = read_text(s, p, "content", NULL, err);
    return code == SIB_OK ? pattern_open(&s->pattern, &pattern, err) : code;
}

static sib_code run_replace(const step *s, const place *p, string_list *out, sib_error *err)
{
    pattern_search search;
    size_t begin, end, done = 0;
    sib_code code = pattern_begin(&search, &s->pattern, err);
    if (code == SIB_OK)
        code = pattern_text(&search, p->text, err);
    while (code == SIB_OK && pattern_next(&search, &begin, &end, &code, err)) {
        buf_add(&out->bytes, p->text.data + done, begin - done, err);
        buf_add(&out->bytes, s->content.data, s->content.n, err);
        done = end;
    }
    pattern_end(&search);
    buf_add(&out->bytes, p->text.data + done, p->text.length - done, err);
    return code != SIB_OK ? code : out->bytes.code;
}

static sib_code read_strip(step *s, const json_part *p, sib_error *err)
{
    sib_code code = read_text(s, p, "content", NULL, err);
    if (code == SIB_OK && !s->content.n)
        code = json_part_bad(p, SIB_ERR_FORMAT, err, "the content is empty");
    if (code == SIB_OK)
        code = json_part_integer(p, "start", &s->start, err);
    return code == SIB_OK ? json_part_integer(p, "stop", &s->stop, err) : code;
}

static sib_code run_strip(const step *s, const place *p, string_list *out, sib_error *err)
{
    const byte_buffer *c = &s->content;
    const char *begin = p->text.data, *end = begin + p->text.length;
    for (int64_t i = 0; i < s->start && (size_t)(end - begin) >= c->n && memcmp(begin, c->data, c->n) == 0;
         i++)
        begin += c->n;
    for (int64_t i = 0;
         i < s->stop && (size_t)(end - begin) >= c->n && memcmp(end - c->n, c->data, c->n) == 0; i++)
        end -= c->n;
    buf_add(&out->bytes, begin, (size_t)(end - begin), err);
    return out->bytes.code;
}

static sib_code read_wordpiece(step *s, const json_part *p, sib_error *err)
{
    s->cleanup = true;
    sib_code code = read_text(s, p, "prefix", "##", err);
    return code == SIB_OK ? json_part_bool(p, "cleanup", &s->cleanup, err) : code;
}

static const char *const english[][2] = {
    {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
    {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

/* Removes the spaces that tokens of English words leave before punctuation and contractions. */
static void clean_up(sib_str text, byte_buffer *out, sib_error *err)
{
    byte_buffer now = {0}, next = {0};
    buf_add(&now, text.data, text.length, err);
    for (size_t i = 0; i < sizeof english / sizeof *english && now.code == SIB_OK; i++) {
        byte_buffer what = {.data = (char *)(uintptr_t)english[i][0], .n = strlen(english[i][0])};
        next.n = 0;
        put_replaced((sib_str){now.data, now.n}, &what, (sib_str){english[i][1], strlen(english[i][1])},
                     &next, err);
        byte_buffer swap = now;
        now = next;
        next = swap;
    }
    if (now.code == SIB_OK)
        buf_add(out, now.data, now.n, err);
    else
        out->code = now.code;
    buf_free(&now);
    buf_free(&next);
}

static sib_code run_wordpiece(const step *s, const place *p, string_list *out, sib_error *err)
{
    byte_buffer word = {0};
    sib_str rest = p->text;
    bool goes_on = p->i > 0 && rest.length >= s->content.n &&
                   (!s->content.n || memcmp(rest.data, s->content.data, s->content.n) == 0);
    if (goes_on)
        rest = (sib_str){rest.data + s->content.n, rest.length - s->content.n};
    else if (p->i > 0)
        buf_add(&word, " ", 1, err);
    buf_add(&word, rest.data, rest.length, err);
    sib_code code = word.code;
    if (code == SIB_OK && s->cleanup)
        clean_up(buf_str(&word), &out->bytes, err);
    else if (code == SIB_OK)
        buf_add(&out->bytes, word.data, word.n, err);
    buf_free(&word);
    return code != SIB_OK ? code : out->bytes.code;
}

static sib_code read_bpe(step *s, const json_part *p, sib_error *err)
{
    return read_text(s, p, "suffix", "</w>", err);
}

static sib_code run_bpe(const step *s, const place *p, string_list *out, sib_error *err)
{
    put_replaced(p->text, &s->content, p->i + 1 < p->n ? (sib_str){" ", 1} : (sib_str){"", 0}, &out->bytes,
                 err);
    return out->bytes.code;
}

static const step_kind step_kinds[] = {
    {"ByteLevel", NULL, run_byte_level, true},
    {"ByteFallback", NULL, run_byte_fallback, false},
    {"Fuse", NULL, NULL, true},
    {"Metaspace", read_metaspace, run_metaspace, false},
    {"Replace", read_replace, run_replace, false},
    {"Strip", read_strip, run_strip, false},
    {"WordPiece", read_wordpiece, run_wordpiece, false},
    {"BPEDecoder", read_bpe, run_bpe, false},
};

/* ---- All steps ----------------------------------------------------------------------------------------- */

static sib_code read_part(decoder *d, const json_part *p, sib_error *err)
{
    const char *type = json_part_type(p);
    if (p->depth > JSON_MAX_DEPTH || d->n == MAX_STEPS)
        return json_part_bad(p, SIB_ERR_UNSUPPORTED, err, "has too many steps");
    if (strcmp(type, "Sequence") == 0) {
        json_part list = json_part_at(p, "decoders");
        sib_code code = SIB_OK;
        for (size_t i = 0; i < json_array_size(list.value) && code == SIB_OK; i++) {
            json_part item = json_part_item(&list, i);
            code = read_part(d, &item, err);
        }
        return code;
    }
    for (size_t i = 0; i < sizeof step_kinds / sizeof *step_kinds; i++)
        if (strcmp(type, step_kinds[i].type) == 0) {
            step *s = &d->steps[d->n++];
            s->kind = &step_kinds[i];
            return s->kind->read ? s->kind->read(s, p, err) : SIB_OK;
        }
    return json_part_unknown(p, "decoder", type, err);
}

sib_code decoder_open(const json_part *p, decoder **out, sib_error *err)
{
    *out = NULL;
    if (!p->value)
        return SIB_OK;
    decoder *d = mem_calloc(1, sizeof *d);
    if (!d)
        return err_memory(err, sizeof *d, "a decoder");
    sib_code code = read_part(d, p, err);
    if (code != SIB_OK)
        decoder_free(&d);
    *out = d;
    return code;
}

void decoder_free(decoder **d)
{
    for (size_t i = 0; *d && i < (*d)->n; i++) {
        pattern_free(&(*d)->steps[i].pattern);
        buf_free(&(*d)->steps[i].content);
    }
    mem_free(*d);
    *d = NULL;
}

bool decoder_byte_level(const decoder *d)
{
    for (size_t i = 0; d && i < d->n; i++)
        if (d->steps[i].kind->run == run_byte_level)
            return true;
    return false;
}

/* Runs a step on a part of a text: `before` strings precede it, and `more` follow. */
static sib_code run_step(const step *s, bool bytes, size_t before, bool more, string_list *l, sib_error *err)
{
    string_list out = {.bytes.max = 64 * (l->bytes.n + l->n) + ((size_t)1 << 20)};
    sib_code code = SIB_OK;
    size_t n = l->n;
    for (size_t i = 0, at = 0; s->kind->run && i < n && code == SIB_OK; at = l->ends[i++]) {
        place p = {{l->bytes.data + at, l->ends[i] - at}, before + i, before + n + more, bytes};
        code = s->kind->run(s, &p, &out, err);
        if (code == SIB_OK && !s->kind->fuse)
            code = strings_end(&out, err);
    }
    if (s->kind->run) {
        strings_free(l);
        *l = out;
    }
    if (code == SIB_OK && s->kind->fuse) {
        l->n = 0;
        code = strings_end(l, err);
    }
    return code;
}

static sib_code put_spaces(size_t before, string_list *l, sib_error *err)
{
    string_list out = {0};
    for (size_t i = 0, at = 0; i < l->n; at = l->ends[i++]) {
        buf_add(&out.bytes, " ", before + i > 0, err);
        buf_add(&out.bytes, l->bytes.data + at, l->ends[i] - at, err);
    }
    strings_free(l);
    *l = out;
    return l->bytes.code;
}

decode_look decoder_look(const decoder *d, bool bytes)
{
    decode_look look = {0};
    bool fused = false;
    for (size_t i = 0; d && i < d->n && !look.all; i++) {
        const step *s = &d->steps[i];
        if (!fused)
            look.lookahead |= s->kind->run == run_bpe;
        else if (s->kind->run == run_strip && s->stop <= 0 && !look.front)
            look.front = s->start > 0 ? s->content.n : 0;
        else
            look.all = s->kind->run && !(s->kind->run == run_byte_level && bytes);
        fused |= s->kind->fuse;
    }
    return look;
}

sib_code decoder_run(const decoder *d, bool bytes, const decode_place *at, string_list *l, sib_error *err)
{
    if (!d)
        return put_spaces(at->before, l, err);
    sib_code code = SIB_OK;
    bool fused = false;
    for (size_t i = 0; i < d->n && code == SIB_OK; i++) {
        const step *s = &d->steps[i];
        if (!fused)
            code = run_step(s, bytes, at->before, at->more, l, err);
        else if (!at->before || s->kind->run != run_strip) /* the front was stripped in an earlier part */
            code = run_step(s, bytes, 0, false, l, err);
        fused |= s->kind->fuse;
    }
    return code;
}
