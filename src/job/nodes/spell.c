/* Text to tokens, one for each character, as models that speak have them. */
#include "base/error.h"
#include "job/nodes/nodes.h"
#include "text/chars/chars.h"
#include "text/vocab/token_ids.h"

#include <stdlib.h>
#include <string.h>

enum {
    IN_TEXT,
    IN_VOCABULARY,
    IN_BLANK,
    IN_BARE,
    IN_BEGIN,
    IN_END,
    IN_LOWER,
    IN_DECOMPOSED,
    IN_SKIP,
    IN_ASCII,
    IN_REPLACED,
    IN_PHONEMIZER,
    IN_PHONEMES
};
static const job_port spell_inputs[] = {
    {"text", SIB_PORT_TEXT, true, "what is said"},
    {"vocabulary", SIB_PORT_TEXTS, true, "texts of the tokens, in order; those of one character are found"},
    {"blank", SIB_PORT_NUMBER, false, "token around all others; -1: none (-1)"},
    {"bare", SIB_PORT_TOKENS, false, "tokens that have no blanks around them (none)"},
    {"begin", SIB_PORT_TOKENS, false, "put before all (none)"},
    {"end", SIB_PORT_TOKENS, false, "put behind all (none)"},
    {"lower_case", SIB_PORT_FLAG, false, "characters without a token are taken in lower case (false)"},
    {"decomposed", SIB_PORT_FLAG, false, "letters and their marks are characters of their own (false)"},
    {"skip_unknown", SIB_PORT_FLAG, false,
     "characters without a token are left out, and blanks at both ends; otherwise they are an error (false)"},
    {"ascii", SIB_PORT_FLAG, false,
     "characters beyond ASCII are an error: the text is romanised before (false)"},
    {"replaced", SIB_PORT_TEXTS, false, "characters, each before the one that stands for it (none)"},
    {"phonemizer", SIB_PORT_TEXT, false, "the program whose phonemes the vocabulary has (none)"},
    {"phonemes", SIB_PORT_FLAG, false, "the text is phonemes (false)"}};
static const job_port spell_outputs[] = {{"tokens", SIB_PORT_TOKENS, false, "ids"}};

/* ---- The vocabulary ------------------------------------------------------------------------------------- */

typedef struct symbol {
    uint32_t c;
    int32_t id;
} symbol;

typedef struct speller {
    const job_step *s;
    const char *const *texts, *const *replaced; /* (n_texts), (n_replaced) */
    size_t n_texts, n_replaced;
    symbol *symbols; /* (n) by character */
    size_t n, capacity;
    bool lower, decomposed, skip, ascii;
    token_ids found; /* of the text's characters */
} speller;

/* The only character of a text; UTF8_BROKEN where it has another number of them. */
static uint32_t only_character(const char *text)
{
    size_t length, n = strlen(text);
    const uint32_t c = n ? utf8_next(text, n, &length) : UTF8_BROKEN;
    return n && length == n ? c : UTF8_BROKEN;
}

static int by_character(const void *a, const void *b)
{
    const symbol *x = a, *y = b;
    return x->c != y->c ? (x->c > y->c) - (x->c < y->c) : (x->id > y->id) - (x->id < y->id);
}

static sib_code read_vocabulary(speller *p, sib_error *err)
{
    sib_code code = SIB_OK;
    step_texts(p->s, IN_VOCABULARY, &p->texts, &p->n_texts);
    step_texts(p->s, IN_REPLACED, &p->replaced, &p->n_replaced);
    for (size_t i = 0; i < p->n_texts && code == SIB_OK; i++) {
        const uint32_t c = only_character(p->texts[i]);
        if (c != UTF8_BROKEN)
            code = ARRAY_PUSH(p->symbols, p->n, p->capacity, "symbols", err, (symbol){c, (int32_t)i});
    }
    if (code == SIB_OK && !p->n)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: the vocabulary has no characters", p->s->node->name);
    if (code == SIB_OK)
        qsort(p->symbols, p->n, sizeof *p->symbols, by_character);
    return code;
}

/* The token of a character, or -1. */
static int32_t token_of(const speller *p, uint32_t c)
{
    size_t from = 0, to = p->n;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (p->symbols[middle].c < c)
            from = middle + 1;
        else
            to = middle;
    }
    return from < p->n && p->symbols[from].c == c ? p->symbols[from].id : -1;
}

/* ---- The text ------------------------------------------------------------------------------------------- */

static sib_code add_character(speller *p, uint32_t c, sib_error *err)
{
    for (size_t i = 0; i + 1 < p->n_replaced; i += 2)
        if (c == only_character(p->replaced[i])) {
            c = only_character(p->replaced[i + 1]);
            break;
        }
    if (p->ascii && c > 0x7F)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "%s: the model reads text in Roman letters, as the program uroman makes it, and the text "
            "has the character U+%04X",
            p->s->node->name, (unsigned)c);
    const int32_t id = token_of(p, c);
    if (id < 0 && !p->skip)
        return err_set(err, SIB_ERR_VALUE, "%s: the model has no token of the character U+%04X",
                       p->s->node->name, (unsigned)c);
    return id < 0 ? SIB_OK : ids_add(&p->found, id, err);
}

/* A character, in lower case where it has no token itself. */
static sib_code add_lowered(speller *p, uint32_t c, sib_error *err)
{
    uint32_t parts[3] = {c};
    const size_t n = p->lower && token_of(p, c) < 0 ? char_lower(c, parts) : 1;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = add_character(p, parts[i], err);
    return code;
}

static sib_code add_text(speller *p, const char *text, size_t size, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t at = 0, length; at < size && code == SIB_OK; at += length) {
        uint32_t parts[4] = {utf8_next(text + at, size - at, &length)};
        if (parts[0] == UTF8_BROKEN)
            return err_set(err, SIB_ERR_VALUE, "%s: the text is no UTF-8 at byte %zu", p->s->node->name, at);
        const size_t n = p->decomposed ? char_decompose(parts[0], parts) : 1;
        for (size_t i = 0; i < n && code == SIB_OK; i++)
            code = add_lowered(p, parts[i], err);
    }
    return code;
}

static bool is_space(const speller *p, int32_t id)
{
    return char_is_space(only_character(p->texts[id]));
}

static bool is_bare(const speller *p, int32_t id)
{
    const sib_port_value *bare = p->s->in[IN_BARE] ? &p->s->in[IN_BARE]->v : NULL;
    for (size_t i = 0; bare && i < bare->tokens.n; i++)
        if (bare->tokens.ids[i] == id)
            return true;
    return false;
}

/* Appends the tokens of a port. */
static sib_code append_port(const speller *p, size_t port, token_ids *out, sib_error *err)
{
    const job_value *v = p->s->in[port];
    return v ? ids_append(out, v->v.tokens.ids, v->v.tokens.n, err) : SIB_OK;
}

/* The characters' tokens, with blanks around each stretch of them and between. */
static sib_code separate(const speller *p, int32_t blank, token_ids *out, sib_error *err)
{
    size_t from = 0, to = p->found.n;
    bool inside = false;
    while (p->skip && from < to && is_space(p, p->found.ids[from]))
        from++;
    while (p->skip && from < to && is_space(p, p->found.ids[to - 1]))
        to--;
    if (from == to)
        return err_set(err, SIB_ERR_VALUE, "%s: the text has no character that the model can say",
                       p->s->node->name);
    sib_code code = append_port(p, IN_BEGIN, out, err);
    for (size_t i = from; i < to && code == SIB_OK; i++) {
        const bool parted = blank >= 0 && !is_bare(p, p->found.ids[i]);
        if (parted && !inside)
            code = ids_add(out, blank, err);
        if (code == SIB_OK)
            code = ids_add(out, p->found.ids[i], err);
        if (code == SIB_OK && parted)
            code = ids_add(out, blank, err);
        inside = parted;
    }
    return code == SIB_OK ? append_port(p, IN_END, out, err) : code;
}

/* ---- The node ------------------------------------------------------------------------------------------- */

/* Whether the text is what the vocabulary is of. */
static sib_code check_phonemes(const job_step *s, sib_error *err)
{
    const char *made_by = step_text(s, IN_PHONEMIZER, "");
    const bool phonemes = step_flag(s, IN_PHONEMES, false);
    if (*made_by && !phonemes)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "%s: the model reads phonemes, as the program %s makes them of text: give those in place "
            "of the text, and say so (phonemes)",
            s->node->name, made_by);
    if (!*made_by && phonemes)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: the model reads text, and no phonemes", s->node->name);
    return SIB_OK;
}

static sib_code spell_run(job_step *s, sib_error *err)
{
    speller p = {.s = s,
                 .lower = step_flag(s, IN_LOWER, false),
                 .decomposed = step_flag(s, IN_DECOMPOSED, false),
                 .skip = step_flag(s, IN_SKIP, false),
                 .ascii = step_flag(s, IN_ASCII, false)};
    const double blank = step_number(s, IN_BLANK, -1);
    const sib_port_value *text = &s->in[IN_TEXT]->v;
    token_ids out = {0};
    sib_code code = check_phonemes(s, err);
    if (code == SIB_OK)
        code = read_vocabulary(&p, err);
    if (code == SIB_OK && !(blank >= -1 && blank < (double)p.n_texts))
        code =
            err_set(err, SIB_ERR_ARGUMENT, "%s: blank is %g, expected a token, or -1", s->node->name, blank);
    if (code == SIB_OK)
        code = add_text(&p, text->text.data, text->text.size, err);
    if (code == SIB_OK)
        code = separate(&p, (int32_t)blank, &out, err);
    if (code == SIB_OK)
        code = step_give(s, 0, job_value_tokens(out.ids, out.n), err);
    ids_free(&out);
    ids_free(&p.found);
    mem_free(p.symbols);
    return code;
}

const job_op job_op_spell = {.name = "spell",
                             .meaning = "tokens of a text's characters, for a model that speaks",
                             .inputs = spell_inputs,
                             .n_inputs = sizeof spell_inputs / sizeof *spell_inputs,
                             .outputs = spell_outputs,
                             .n_outputs = 1,
                             .run = spell_run};
