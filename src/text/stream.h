/* The text of tokens that arrive one after the other, equal to sib_tokenizer_decode of all so far. Time
   grows only with the new tokens, except for decoders whose steps need the entire text (decoder_look):
   those start over each time. */
#ifndef TEXT_STREAM_H
#define TEXT_STREAM_H

#include "text/vocab/tokenizer.h"

typedef struct text_stream {
    const sib_tokenizer *tokenizer;
    token_ids ids;      /* not settled yet: decoded again with later ids */
    size_t n;           /* ids received so far */
    decode_place place; /* after the settled ids */
    byte_buffer text;   /* settled text, then the present text of the other ids */
    size_t settled;     /* bytes of settled text */
    size_t at;          /* bytes of the entire text that were dropped before `text` */
} text_stream;

/* Begins an empty stream. t must outlive it. */
void text_stream_begin(text_stream *s, const sib_tokenizer *t);
void text_stream_free(text_stream *s);

/* Adds ids; s->text is then the text from byte s->at on. What is not settled may change with later ids,
   and the text may even become shorter (a decoder that strips trailing spaces). Errors: as
   sib_tokenizer_decode; the stream is then unusable. */
sib_code text_stream_add(text_stream *s, const int32_t *ids, size_t n, bool skip_special, sib_error *err);

/* Allows the text before byte `to` of the entire text to be dropped. */
void text_stream_forget(text_stream *s, size_t to);

#endif
