#include "job/whisper/letters.h"

#include <string.h>

/* ---- One character of any bytes -------------------------------------------------------------------- */

typedef struct piece {
    uint32_t character; /* U+FFFD for an invalid sequence */
    size_t size;        /* bytes */
    bool cut;           /* the bytes end before the character does */
} piece;

/* The length that a first byte declares, and the range of the second byte, which excludes overlong forms,
   surrogates, and values above U+10FFFF (The Unicode Standard, table 3-7). */
static size_t announced(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* The first piece of s, which must have at least one byte. */
static piece read_piece(sib_str s)
{
    const unsigned char *u = (const unsigned char *)s.data;
    unsigned char low, high;
    size_t length = announced(u[0], &low, &high);
    if (length < 2)
        return (piece){length == 1 ? u[0] : 0xFFFD, 1, false};
    uint32_t c = u[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (i >= s.length)
            return (piece){0xFFFD, i, true};
        if (u[i] < low || u[i] > high)
            return (piece){0xFFFD, i, false};
        c = c << 6 | (u[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    return (piece){c, length, false};
}

sib_code whisper_repair(sib_str bytes, bool at_end, byte_buffer *out, size_t *taken, sib_error *err)
{
    sib_code code = buf_add(out, "", 0, err);
    size_t done = 0;
    while (code == SIB_OK && done < bytes.length) {
        sib_str rest = {bytes.data + done, bytes.length - done};
        piece p = read_piece(rest);
        if (p.cut && !at_end)
            break;
        bool whole = p.character != 0xFFFD;
        code = buf_add(out, whole ? rest.data : "\xEF\xBF\xBD", whole ? p.size : 3, err);
        done += p.size;
    }
    if (taken)
        *taken = done;
    return code;
}

/* False for continuation bytes. */
static bool begins_letter(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

/* ---- Blanks and parts ------------------------------------------------------------------------------ */

static bool is_blank(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } blanks[] = {{0x09, 0x0D},     {0x1C, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
                  {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++)
        if (c >= blanks[i].first && c <= blanks[i].last)
            return true;
    return false;
}

sib_str whisper_trim(sib_str s)
{
    while (s.length > 0) {
        piece p = read_piece(s);
        if (!is_blank(p.character))
            break;
        s.data += p.size;
        s.length -= p.size;
    }
    while (s.length > 0) {
        size_t begin = s.length - 1; /* start of the last character */
        while (begin > 0 && !begins_letter(s.data[begin]))
            begin--;
        if (!is_blank(read_piece((sib_str){s.data + begin, s.length - begin}).character))
            break;
        s.length = begin;
    }
    return s;
}

bool whisper_within(sib_str part, sib_str whole)
{
    return part.length == 0 || memmem(whole.data, whole.length, part.data, part.length);
}

/* ---- Characters of UTF-8 --------------------------------------------------------------------------- */

size_t whisper_letters(sib_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.length; i++)
        n += begins_letter(s.data[i]);
    return n;
}

sib_str whisper_letter(sib_str s, size_t k)
{
    size_t from = 0, seen = 0;
    for (; from < s.length; from++)
        if (begins_letter(s.data[from]) && seen++ == k)
            break;
    size_t to = from < s.length ? from + 1 : from;
    while (to < s.length && !begins_letter(s.data[to]))
        to++;
    return (sib_str){s.data + from, to - from};
}
