#include "job/nodes/ctc_text.h"

#include "base/alloc.h"
#include "base/error.h"
#include "job/nodes/speech.h"
#include "text/chars/chars.h"
#include "text/chars/utf8.h"

#include <math.h>
#include <string.h>

/* ---- How texts are written ------------------------------------------------------------------------------ */

static void add_lower(byte_buffer *out, sib_str s, sib_error *err)
{
    for (size_t at = 0, length; at < s.length; at += length) {
        uint32_t lower[3];
        char bytes[4];
        const uint32_t c = utf8_next(s.data + at, s.length - at, &length);
        const size_t n = c < UTF8_BROKEN ? char_lower(c, lower) : 0;
        for (size_t i = 0; i < n; i++)
            buf_add(out, bytes, utf8_put(lower[i], bytes), err);
    }
}

/* Replaces `from` by `to`, which is shorter. */
static void replace_all(byte_buffer *b, const char *from, const char *to)
{
    const size_t n_from = strlen(from), n_to = strlen(to);
    size_t n = 0;
    for (size_t at = 0; at < b->n; n++) {
        const bool found = b->n - at >= n_from && !memcmp(b->data + at, from, n_from);
        if (found) {
            memcpy(b->data + n, to, n_to);
            n += n_to - 1;
        } else
            b->data[n] = b->data[at];
        at += found ? n_from : 1;
    }
    b->n = n;
    if (b->data)
        b->data[n] = 0;
}

/* What tokenizers with clean_up_tokenization_spaces do, in this order. */
static void clean_up(byte_buffer *b)
{
    static const char *const pairs[][2] = {{" .", "."},     {" ?", "?"},     {" !", "!"},   {" ,", ","},
                                           {" ' ", "'"},    {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"},
                                           {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        replace_all(b, pairs[i][0], pairs[i][1]);
}

/* Adds s as the rules have it. */
static sib_code add_text(const ctc_rules *r, byte_buffer *out, sib_str s, sib_error *err)
{
    if (r->lower_case)
        add_lower(out, s, err);
    else
        buf_add_str(out, s, err);
    return out->code;
}

/* ---- Segments ------------------------------------------------------------------------------------------- */

static void drop_open(ctc_text *t)
{
    for (size_t i = 0; i < t->open.n; i++)
        mem_free((char *)t->open.words[i].text);
    mem_free(t->open.words);
    mem_free(t->open.logprobs);
    ids_free(&t->open.tokens);
    buf_free(&t->open.text);
    byte_buffer blanks = t->open.blanks;
    memset(&t->open, 0, sizeof t->open);
    t->open.blanks = blanks;
}

static sib_code end_segment(ctc_text *t, sib_error *err)
{
    const ctc_rules *r = t->rules;
    const size_t before = t->text.n, n = t->open.tokens.n, id = t->segments.n;
    byte_buffer text = {0};
    if (!n)
        return SIB_OK;
    add_text(r, &text, buf_str(&t->open.text), err);
    if (r->clean_up)
        clean_up(&text);
    sib_code code = text.code == SIB_OK ? buf_add_str(&t->text, buf_str(&text), err) : text.code;
    if (code == SIB_OK)
        code = ARRAY_PUSH(t->segments.data, t->segments.n, t->segments.capacity, "segments", err,
                          (sib_segment){.id = id,
                                        .seek = t->seek,
                                        .start = t->open.start,
                                        .end = t->open.end,
                                        .text = text.data,
                                        .n_tokens = n,
                                        .tokens = t->open.tokens.ids,
                                        .n_words = r->words ? t->open.n : 0,
                                        .words = r->words ? t->open.words : NULL,
                                        .avg_logprob = t->open.sum / (double)n,
                                        .compression_ratio = NAN,
                                        .no_speech_prob = NAN,
                                        .logprobs = t->open.logprobs});
    if (code != SIB_OK) {
        buf_free(&text);
        return code;
    }
    t->open.tokens = (token_ids){0};
    t->open.logprobs = NULL;
    if (r->words) {
        t->open.words = NULL;
        t->open.n = 0;
    }
    drop_open(t);
    const sib_str added = {t->text.data + before, t->text.n - before};
    return speech_pass(t->watch, &t->segments.data[t->segments.n - 1], added, err);
}

/* ---- Words ---------------------------------------------------------------------------------------------- */

static sib_code end_word(ctc_text *t, sib_error *err)
{
    byte_buffer text = {0};
    if (!t->word.any)
        return SIB_OK;
    t->word.any = false;
    buf_add_str(&t->open.text, buf_str(&t->open.blanks), err);
    t->open.blanks.n = 0;
    if (buf_add_str(&t->open.text, buf_str(&t->word.text), err) != SIB_OK)
        return t->open.text.code;
    buf_add_text(&text, t->word.joined ? "" : " ", err);
    sib_code code = add_text(t->rules, &text, buf_str(&t->word.text), err);
    if (code == SIB_OK)
        code = ARRAY_PUSH(t->open.words, t->open.n, t->open.capacity, "words", err,
                          (sib_word){.text = text.data,
                                     .start = t->word.start,
                                     .end = t->word.end,
                                     .probability = t->word.sum / (double)t->word.n});
    if (code != SIB_OK)
        buf_free(&text);
    t->open.end = t->word.end;
    t->word.text.n = 0;
    return code;
}

/* Begins a word, and a segment where it is far from the one before. */
static sib_code begin_word(ctc_text *t, double start, bool joined, sib_error *err)
{
    const ctc_rules *r = t->rules;
    sib_code code = end_word(t, err);
    if (code == SIB_OK && t->open.tokens.n &&
        (start - t->open.end >= r->pause_seconds || start - t->open.start > r->max_seconds))
        code = end_segment(t, err);
    if (!t->open.tokens.n)
        t->open.start = start;
    t->word.any = true;
    t->word.joined = joined;
    t->word.start = start;
    t->word.sum = 0;
    t->word.n = 0;
    return code;
}

static sib_code add_separator(ctc_text *t, sib_error *err)
{
    sib_code code = end_word(t, err);
    return code == SIB_OK ? buf_add_text(&t->open.blanks, t->rules->separator, err) : code;
}

/* Adds a token of the open word. */
static sib_code add_token(ctc_text *t, size_t id, double end, double probability, sib_error *err)
{
    const double logprob = log(fmax(probability, 1e-300));
    sib_code code = ids_add(&t->open.tokens, (int32_t)id, err);
    if (code == SIB_OK)
        code = ARRAY_PUSH(t->open.logprobs, t->open.n_logprobs, t->open.logprobs_capacity,
                          "log probabilities", err, logprob);
    t->open.sum += logprob;
    t->word.sum += probability;
    t->word.n++;
    t->word.end = end;
    return code;
}

/* Takes the run of frames that has ended. */
static sib_code end_run(ctc_text *t, sib_error *err)
{
    const ctc_rules *r = t->rules;
    if (!t->run.any)
        return SIB_OK;
    t->run.any = false;
    const char *text = r->texts[t->run.id];
    const double start = t->offset + (double)t->run.start * r->frame_seconds,
                 end = t->offset + (double)t->run.end * r->frame_seconds,
                 probability = t->run.sum / (double)t->run.n;
    if (!strcmp(text, r->blank))
        return SIB_OK;
    const size_t n_prefix = strlen(r->prefix);
    const bool begins = n_prefix && !strncmp(text, r->prefix, n_prefix);
    sib_code code = SIB_OK;
    if (!strcmp(text, r->delimiter) || !strcmp(text, r->separator))
        return add_separator(t, err);
    if (begins) {
        code = t->apart ? end_word(t, err) : add_separator(t, err);
        text += n_prefix;
    }
    t->apart = false;
    if (begins && !*text)
        return code;
    const bool split = t->word.any && start - t->word.start > r->max_seconds;
    if (code == SIB_OK && (split || !t->word.any))
        code = begin_word(t, start, split, err);
    if (code == SIB_OK)
        code = add_token(t, t->run.id, end, probability, err);
    return code == SIB_OK ? buf_add_text(&t->word.text, text, err) : code;
}

/* ---- Frames --------------------------------------------------------------------------------------------- */

sib_code ctc_text_frame(ctc_text *t, uint64_t frame, size_t id, double probability, sib_error *err)
{
    const bool same = t->run.any && !strcmp(t->rules->texts[t->run.id], t->rules->texts[id]);
    sib_code code = same ? SIB_OK : end_run(t, err);
    if (!same) {
        t->run.any = true;
        t->run.id = id;
        t->run.start = frame;
        t->run.sum = 0;
        t->run.n = 0;
    }
    t->run.n++;
    t->run.end = frame + 1;
    t->run.sum += probability;
    return code;
}

sib_code ctc_text_token(ctc_text *t, uint64_t from, uint64_t to, size_t id, double probability,
                        sib_error *err)
{
    sib_code code = end_run(t, err);
    t->run.any = true;
    t->run.id = id;
    t->run.start = from;
    t->run.end = to;
    t->run.n = 1;
    t->run.sum = probability;
    return code == SIB_OK ? end_run(t, err) : code;
}

sib_code ctc_text_clip(ctc_text *t, sib_error *err)
{
    t->apart = t->text.n > 0;
    return !t->text.n ? SIB_OK : buf_add_text(&t->open.blanks, t->rules->separator, err);
}

sib_code ctc_text_end(ctc_text *t, sib_error *err)
{
    sib_code code = end_run(t, err);
    if (code == SIB_OK)
        code = end_word(t, err);
    if (code == SIB_OK)
        code = end_segment(t, err);
    if (code == SIB_OK)
        code = buf_add_str(&t->text, buf_str(&t->open.blanks), err);
    t->open.blanks.n = 0;
    return code;
}

void ctc_text_free(ctc_text *t)
{
    drop_open(t);
    whisper_segments_cut(&t->segments, 0);
    buf_free(&t->open.blanks);
    buf_free(&t->word.text);
    buf_free(&t->text);
}
