/* The text of tokens that come one after the other, as sib_tokenizer_decode has it for all so far. The time grows with the new
   tokens alone, but for decoders whose steps look at the whole text (decoder_look): those begin anew each time. */
#ifndef TEXT_STREAM_H
#define TEXT_STREAM_H

#include "text/tokenizer.h"

typedef struct text_stream {
    const sib_tokenizer *tokenizer;
    token_ids ids;      /* not settled yet: they are decoded again with those to come */
    size_t n;           /* ids that have come */
    decode_place place; /* behind the settled ones */
    byte_buffer text;   /* settled, then what the ids behind give as it stands */
    size_t settled;     /* bytes of text */
    size_t at;          /* bytes of the whole text that are forgotten, before those */
} text_stream;

/* Nothing has come. t outlives the stream. */
void text_stream_begin(text_stream *s, const sib_tokenizer *t);
void text_stream_free(text_stream *s);

/* More ids; s->text is the text from byte s->at on then. What is not settled may change with ids to come, and the text may even
   become shorter (a decoder that takes spaces off the end). Errors: as sib_tokenizer_decode; the stream is spent then. */
sib_code text_stream_add(text_stream *s, const int32_t *ids, size_t n, bool skip_special, sib_error *err);

/* The text before byte `to` of the whole is not asked for any more. */
void text_stream_forget(text_stream *s, size_t to);

#endif
