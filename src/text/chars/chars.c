#include "text/chars/chars.h"

#include <utf8proc.h>

static utf8proc_category_t category(uint32_t c)
{
    return c < UTF8_BROKEN ? utf8proc_category((utf8proc_int32_t)c) : UTF8PROC_CATEGORY_SO;
}

bool char_is_space(uint32_t c)
{
    return classes_table()[c] == CLASS_SPACE;
}

bool char_is_number(uint32_t c)
{
    return classes_table()[c] == CLASS_NUMBER;
}

bool char_is_punctuation(uint32_t c)
{
    if (c < 0x80)
        return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool char_is_word(uint32_t c)
{
    text_class class = (text_class)classes_table()[c];
    if (class == CLASS_LETTER)
        return true;
    /* circled and squared letters are alphabetic */
    if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
        (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189))
        return true;
    utf8proc_category_t k = category(c);
    return char_is_mark(c) || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL ||
           k == UTF8PROC_CATEGORY_PC;
}

bool char_is_accent(uint32_t c)
{
    return category(c) == UTF8PROC_CATEGORY_MN;
}

bool char_is_mark(uint32_t c)
{
    utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
}

bool char_is_control(uint32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO ||
           k == UTF8PROC_CATEGORY_CS;
}

bool char_is_chinese(uint32_t c)
{
    static const uint32_t blocks[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                         {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                                         {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (c >= blocks[i][0] && c <= blocks[i][1])
            return true;
    return false;
}

size_t char_decompose(uint32_t c, uint32_t out[4])
{
    utf8proc_int32_t parts[4];
    int last = UTF8PROC_BOUNDCLASS_START;
    const utf8proc_ssize_t n =
        c < UTF8_BROKEN ? utf8proc_decompose_char((utf8proc_int32_t)c, parts, 4, UTF8PROC_DECOMPOSE, &last)
                        : 0;
    for (utf8proc_ssize_t i = 0; i < n && n <= 4; i++)
        out[i] = (uint32_t)parts[i];
    if (n < 1 || n > 4)
        out[0] = c;
    return n < 1 || n > 4 ? 1 : (size_t)n;
}

size_t char_lower(uint32_t c, uint32_t out[3])
{
    if (c == 0x130) { /* the only one whose lowercase has two characters (SpecialCasing.txt) */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = c < UTF8_BROKEN ? (uint32_t)utf8proc_tolower((utf8proc_int32_t)c) : c;
    return 1;
}
