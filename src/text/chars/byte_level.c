#include "text/chars/byte_level.h"

#include "text/chars/utf8.h"

/* GPT-2's table: '!' to '~', U+00A1 to U+00AC and U+00AE to U+00FF represent themselves; characters from
   U+0100 on represent the 68 other bytes in order. Returns -1 for a character that represents no byte. */
static int byte_of(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF))
        return (int)c;
    if (c < 0x100 || c >= 0x144)
        return -1;
    uint32_t i = c - 0x100;
    return i <= 0x20 ? (int)i : i == 0x43 ? 0xAD : (int)(i - 0x21 + 0x7F);
}

bool byte_level_bytes(sib_str text, byte_buffer *out, sib_error *err)
{
    size_t before = out->n;
    for (size_t at = 0, length; at < text.length; at += length) {
        int byte = byte_of(utf8_next(text.data + at, text.length - at, &length));
        char c = (char)byte;
        if (byte < 0) {
            out->n = before;
            return false;
        }
        buf_add(out, &c, 1, err);
    }
    return true;
}
