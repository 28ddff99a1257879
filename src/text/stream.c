#include "text/stream.h"

#include "base/alloc.h"
#include "base/size.h"

/* Fewer bytes are not worth moving the rest. */
#define MIN_FORGOTTEN 4096

void text_stream_begin(text_stream *s, const sib_tokenizer *t)
{
    *s = (text_stream){.tokenizer = t};
}

void text_stream_free(text_stream *s)
{
    mem_free(s->ids.ids);
    buf_free(&s->text);
    *s = (text_stream){0};
}

/* Appends the text of the first n unsettled ids, and settles it unless later ids can change it. */
static sib_code settle(text_stream *s, size_t n, const decode_look *look, sib_error *err)
{
    decode_place place = s->place;
    place.more = true;
    sib_code code = tokenizer_decode_ids(s->tokenizer, s->ids.ids, n, &place, &s->text, err);
    if (code != SIB_OK)
        return code;
    if (!s->place.before && s->text.n < look->front) {
        s->text.n = s->settled;
        return SIB_OK;
    }
    s->place = place;
    s->settled = s->text.n;
    s->ids.n -= n;
    memmove(s->ids.ids, s->ids.ids + n, s->ids.n * sizeof *s->ids.ids);
    return SIB_OK;
}

sib_code text_stream_add(text_stream *s, const int32_t *ids, size_t n, bool skip_special, sib_error *err)
{
    decode_look look = tokenizer_decode_look(s->tokenizer);
    sib_code code = tokenizer_choose(s->tokenizer, ids, n, s->n, skip_special, &s->ids, err);
    s->n += n;
    s->text.n = s->settled;
    if (code == SIB_OK && !look.all && s->ids.n > look.lookahead)
        code = settle(s, s->ids.n - look.lookahead, &look, err);
    decode_place place = s->place;
    place.more = false;
    if (code == SIB_OK && (s->ids.n || !s->place.before))
        code = tokenizer_decode_ids(s->tokenizer, s->ids.ids, s->ids.n, &place, &s->text, err);
    return code;
}

void text_stream_forget(text_stream *s, size_t to)
{
    size_t n = to > s->at ? size_min(to - s->at, s->settled) : 0;
    if (n < MIN_FORGOTTEN || n < s->text.n / 2)
        return;
    memmove(s->text.data, s->text.data + n, s->text.n - n);
    s->text.n -= n;
    s->settled -= n;
    s->at += n;
}
