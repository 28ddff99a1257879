#include "job/transcript_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

long long transcript_milliseconds(double seconds)
{
    return llrint(fmin(fmax(seconds, -1e12), 1e12) * 1000);
}

void transcript_time(char text[TRANSCRIPT_TIME], double seconds, bool hours, char point)
{
    const long long ms = transcript_milliseconds(fmax(seconds, 0));
    int at = 0;
    if (hours || ms >= 3600000)
        at = snprintf(text, TRANSCRIPT_TIME, "%02lld:", ms / 3600000);
    snprintf(text + at, TRANSCRIPT_TIME - (size_t)at, "%02lld:%02lld%c%03lld", ms / 60000 % 60,
             ms / 1000 % 60, point, ms % 1000);
}

size_t transcript_blank(const char *text)
{
    /* U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000 */
    static const char *const blanks[] = {"\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80",
                                         "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84",
                                         "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88",
                                         "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9",
                                         "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
    const unsigned char c = (unsigned char)*text;
    if (c < 0x80)
        return (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= ' ');
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++)
        if (!strncmp(text, blanks[i], strlen(blanks[i])))
            return strlen(blanks[i]);
    return 0;
}

sib_str transcript_trimmed(const char *text)
{
    size_t n, end = 0;
    while ((n = transcript_blank(text)))
        text += n;
    for (size_t i = 0; text[i]; i += n ? n : 1) {
        n = transcript_blank(text + i);
        end = n ? end : i + 1;
    }
    return (sib_str){text, end};
}

void transcript_add_cue_text(byte_buffer *b, sib_str text, sib_error *err)
{
    for (size_t i = 0; i < text.length; i++)
        if (!(i + 2 < text.length && !strncmp(text.data + i, "-->", 3)))
            buf_add(b, text.data + i, 1, err);
}
