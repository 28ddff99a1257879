/* SentencePiece's normalizer. */
#include "text/pieces/build.h"

#include "text/chars/utf8.h"

/* The bytes from the first of text that neither the map nor a user-defined piece may change, up to a space. */
static size_t plain_bytes(const pieces *p, sib_str text)
{
    size_t n = 1;
    while (n < text.length && text.data[n] != ' ' && !p->user.roots[(uint8_t)text.data[n]])
        n++;
    return n;
}

/* What the first *length bytes of a text become: a user-defined piece stays as it is; what the map has is replaced. */
static sib_str next_part(const pieces *p, sib_str text, size_t *length)
{
    sib_str part;
    if (p->user.roots[(uint8_t)text.data[0]] && trie_longest(&p->user, text.data, text.length, length) >= 0)
        return (sib_str){text.data, *length};
    if (!p->map.n_units)
        *length = text.data[0] == ' ' ? 1 : plain_bytes(p, text);
    else if (charsmap_longest(&p->map, text, length, &part))
        return part;
    else
        utf8_next(text.data, text.length, length);
    return (sib_str){text.data, *length};
}

static void add_marked(const pieces *p, sib_str s, byte_buffer *out, sib_error *err)
{
    while (s.length) {
        const char *space = p->keep_spaces ? NULL : memchr(s.data, ' ', s.length);
        const size_t n = space ? (size_t)(space - s.data) : s.length;
        buf_add(out, s.data, n, err);
        if (space)
            buf_add(out, PIECES_SPACE, PIECES_SPACE_SIZE, err);
        s = str_from(s, n + (space != NULL));
    }
}

sib_code pieces_normalize(const pieces *p, sib_str text, bool first, byte_buffer *out, sib_error *err)
{
    const sib_str one = str_of(" "), mark = str_of(p->keep_spaces ? " " : PIECES_SPACE);
    const size_t begin = out->n;
    size_t length = 0;
    while (p->trim && text.length && str_same(next_part(p, text, &length), one))
        text = str_from(text, length);
    if (p->prefix && first && text.length)
        add_marked(p, one, out, err);
    for (bool spaced = p->trim; text.length && out->code == SIB_OK; text = str_from(text, length)) {
        sib_str part = next_part(p, text, &length);
        while (spaced && part.length && part.data[0] == ' ')
            part = str_from(part, 1);
        if (part.length)
            spaced = p->trim && part.data[part.length - 1] == ' ';
        add_marked(p, part, out, err);
    }
    while (p->trim && out->n - begin >= mark.length &&
           !memcmp(out->data + out->n - mark.length, mark.data, mark.length))
        out->n -= mark.length;
    return out->code;
}
