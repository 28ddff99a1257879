/* Source: The Unicode Standard, section 3.13 (default case conversion); SpecialCasing.txt for characters
   with several in upper case. */
#include "backend/ref/text_case.h"
#include "tensor/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Characters that become several in upper case. */
typedef struct special {
    uint16_t from, to[3]; /* 0 after the last */
} special;

/* clang-format off */
static const special specials[] = {
    {0x00DF, {0x0053, 0x0053}},
    {0x0149, {0x02BC, 0x004E}},
    {0x01F0, {0x004A, 0x030C}},
    {0x0390, {0x0399, 0x0308, 0x0301}},
    {0x03B0, {0x03A5, 0x0308, 0x0301}},
    {0x0587, {0x0535, 0x0552}},
    {0x1E96, {0x0048, 0x0331}},
    {0x1E97, {0x0054, 0x0308}},
    {0x1E98, {0x0057, 0x030A}},
    {0x1E99, {0x0059, 0x030A}},
    {0x1E9A, {0x0041, 0x02BE}},
    {0x1F50, {0x03A5, 0x0313}},
    {0x1F52, {0x03A5, 0x0313, 0x0300}},
    {0x1F54, {0x03A5, 0x0313, 0x0301}},
    {0x1F56, {0x03A5, 0x0313, 0x0342}},
    {0x1F80, {0x1F08, 0x0399}},
    {0x1F81, {0x1F09, 0x0399}},
    {0x1F82, {0x1F0A, 0x0399}},
    {0x1F83, {0x1F0B, 0x0399}},
    {0x1F84, {0x1F0C, 0x0399}},
    {0x1F85, {0x1F0D, 0x0399}},
    {0x1F86, {0x1F0E, 0x0399}},
    {0x1F87, {0x1F0F, 0x0399}},
    {0x1F88, {0x1F08, 0x0399}},
    {0x1F89, {0x1F09, 0x0399}},
    {0x1F8A, {0x1F0A, 0x0399}},
    {0x1F8B, {0x1F0B, 0x0399}},
    {0x1F8C, {0x1F0C, 0x0399}},
    {0x1F8D, {0x1F0D, 0x0399}},
    {0x1F8E, {0x1F0E, 0x0399}},
    {0x1F8F, {0x1F0F, 0x0399}},
    {0x1F90, {0x1F28, 0x0399}},
    {0x1F91, {0x1F29, 0x0399}},
    {0x1F92, {0x1F2A, 0x0399}},
    {0x1F93, {0x1F2B, 0x0399}},
    {0x1F94, {0x1F2C, 0x0399}},
    {0x1F95, {0x1F2D, 0x0399}},
    {0x1F96, {0x1F2E, 0x0399}},
    {0x1F97, {0x1F2F, 0x0399}},
    {0x1F98, {0x1F28, 0x0399}},
    {0x1F99, {0x1F29, 0x0399}},
    {0x1F9A, {0x1F2A, 0x0399}},
    {0x1F9B, {0x1F2B, 0x0399}},
    {0x1F9C, {0x1F2C, 0x0399}},
    {0x1F9D, {0x1F2D, 0x0399}},
    {0x1F9E, {0x1F2E, 0x0399}},
    {0x1F9F, {0x1F2F, 0x0399}},
    {0x1FA0, {0x1F68, 0x0399}},
    {0x1FA1, {0x1F69, 0x0399}},
    {0x1FA2, {0x1F6A, 0x0399}},
    {0x1FA3, {0x1F6B, 0x0399}},
    {0x1FA4, {0x1F6C, 0x0399}},
    {0x1FA5, {0x1F6D, 0x0399}},
    {0x1FA6, {0x1F6E, 0x0399}},
    {0x1FA7, {0x1F6F, 0x0399}},
    {0x1FA8, {0x1F68, 0x0399}},
    {0x1FA9, {0x1F69, 0x0399}},
    {0x1FAA, {0x1F6A, 0x0399}},
    {0x1FAB, {0x1F6B, 0x0399}},
    {0x1FAC, {0x1F6C, 0x0399}},
    {0x1FAD, {0x1F6D, 0x0399}},
    {0x1FAE, {0x1F6E, 0x0399}},
    {0x1FAF, {0x1F6F, 0x0399}},
    {0x1FB2, {0x1FBA, 0x0399}},
    {0x1FB3, {0x0391, 0x0399}},
    {0x1FB4, {0x0386, 0x0399}},
    {0x1FB6, {0x0391, 0x0342}},
    {0x1FB7, {0x0391, 0x0342, 0x0399}},
    {0x1FBC, {0x0391, 0x0399}},
    {0x1FC2, {0x1FCA, 0x0399}},
    {0x1FC3, {0x0397, 0x0399}},
    {0x1FC4, {0x0389, 0x0399}},
    {0x1FC6, {0x0397, 0x0342}},
    {0x1FC7, {0x0397, 0x0342, 0x0399}},
    {0x1FCC, {0x0397, 0x0399}},
    {0x1FD2, {0x0399, 0x0308, 0x0300}},
    {0x1FD3, {0x0399, 0x0308, 0x0301}},
    {0x1FD6, {0x0399, 0x0342}},
    {0x1FD7, {0x0399, 0x0308, 0x0342}},
    {0x1FE2, {0x03A5, 0x0308, 0x0300}},
    {0x1FE3, {0x03A5, 0x0308, 0x0301}},
    {0x1FE4, {0x03A1, 0x0313}},
    {0x1FE6, {0x03A5, 0x0342}},
    {0x1FE7, {0x03A5, 0x0308, 0x0342}},
    {0x1FF2, {0x1FFA, 0x0399}},
    {0x1FF3, {0x03A9, 0x0399}},
    {0x1FF4, {0x038F, 0x0399}},
    {0x1FF6, {0x03A9, 0x0342}},
    {0x1FF7, {0x03A9, 0x0342, 0x0399}},
    {0x1FFC, {0x03A9, 0x0399}},
    {0xFB00, {0x0046, 0x0046}},
    {0xFB01, {0x0046, 0x0049}},
    {0xFB02, {0x0046, 0x004C}},
    {0xFB03, {0x0046, 0x0046, 0x0049}},
    {0xFB04, {0x0046, 0x0046, 0x004C}},
    {0xFB05, {0x0053, 0x0054}},
    {0xFB06, {0x0053, 0x0054}},
    {0xFB13, {0x0544, 0x0546}},
    {0xFB14, {0x0544, 0x0535}},
    {0xFB15, {0x0544, 0x053B}},
    {0xFB16, {0x054E, 0x0546}},
    {0xFB17, {0x0544, 0x053D}}};
/* clang-format on */

#define CAPITAL_SIGMA    0x03A3
#define FINAL_SIGMA      0x03C2
#define CAPITAL_I_DOTTED 0x0130

static int compare_special(const void *key, const void *row)
{
    uint32_t a = *(const uint32_t *)key, b = ((const special *)row)->from;
    return (a > b) - (a < b);
}

static size_t put(char *out, uint32_t character)
{
    char bytes[4];
    size_t n = utf8_write(character, bytes);
    memcpy(out, bytes, n);
    return n;
}

static size_t put_upper(char *out, uint32_t character)
{
    const special *s =
        bsearch(&character, specials, sizeof specials / sizeof *specials, sizeof *specials, compare_special);
    size_t n = 0;
    if (!s)
        return put(out, (uint32_t)utf8proc_toupper((utf8proc_int32_t)character));
    for (size_t i = 0; i < 3 && s->to[i]; i++)
        n += put(out + n, s->to[i]);
    return n;
}

/* ---- Final sigma --------------------------------------------------------------------------------------- */

static bool is_cased(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/* Case-ignorable characters: marks, formats, modifiers, apostrophes. */
static bool is_ignored(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x2018 || c == 0x2019 || c == 0x2024 ||
               c == 0x2027;
    }
}

/* Whether a cased letter follows s[at], skipping ignorable characters. */
static bool cased_follows(sib_str s, size_t at)
{
    uint32_t c;
    for (size_t n; at < s.length && (n = utf8_read(s.data + at, s.length - at, &c)) > 0; at += n)
        if (!is_ignored(c))
            return is_cased(c);
    return false;
}

size_t text_case(sib_str s, bool upper, char *out)
{
    size_t n = 0;
    bool after_cased = false; /* a cased letter precedes, skipping ignorable characters */
    for (size_t at = 0, width; at < s.length; at += width) {
        uint32_t c;
        width = utf8_read(s.data + at, s.length - at, &c);
        if (!width) {
            out[n++] = s.data[at];
            width = 1;
            after_cased = false;
            continue;
        }
        if (upper)
            n += put_upper(out + n, c);
        else if (c == CAPITAL_SIGMA && after_cased && !cased_follows(s, at + width))
            n += put(out + n, FINAL_SIGMA);
        else if (c == CAPITAL_I_DOTTED) {
            n += put(out + n, 'i');
            n += put(out + n, 0x0307);
        } else
            n += put(out + n, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
        if (!is_ignored(c))
            after_cased = is_cased(c);
    }
    return n;
}
