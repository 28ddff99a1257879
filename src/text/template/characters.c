#include "text/template/characters.h"

#include "text/chars/chars.h"
#include "text/chars/utf8.h"

static bool is_space(uint32_t c)
{
    return char_is_space(c) || (c >= 0x1c && c <= 0x1f);
}

size_t space_at(sib_str s, size_t at)
{
    size_t n;
    return at < s.length && is_space(utf8_next(s.data + at, s.length - at, &n)) ? n : 0;
}

size_t space_before(sib_str s, size_t at)
{
    size_t from = at ? utf8_before(s.data, at) : 0;
    return at && space_at(s, from) == at - from ? at - from : 0;
}

size_t characters(sib_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.length; i++)
        n += (s.data[i] & 0xc0) != 0x80;
    return n;
}

size_t character_at(sib_str s, size_t i)
{
    size_t at = 0;
    for (; at < s.length; at++)
        if ((s.data[at] & 0xc0) != 0x80 && !i--)
            break;
    return at;
}

size_t text_find(sib_str s, sib_str part, size_t from)
{
    if (part.length > s.length || from > s.length - part.length)
        return SIZE_MAX;
    const char *found =
        part.length ? memmem(s.data + from, s.length - from, part.data, part.length) : s.data + from;
    return found ? (size_t)(found - s.data) : SIZE_MAX;
}
