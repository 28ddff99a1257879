#include "report/html.h"

#include "messages.h"

void html_text(FILE *f, const char *text)
{
    json_t *valid = cli_json_text(text);
    for (const char *c = json_string_value(valid); *c; c++)
        if (*c == '&' || *c == '<' || *c == '>' || *c == '"')
            fprintf(f, "&#%d;", *c);
        else
            fputc((unsigned char)*c < 32 ? ' ' : *c, f);
    json_decref(valid);
}

void html_base64(FILE *f, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        uint32_t three =
            (uint32_t)bytes[i] << 16 | (n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (n > 2 ? bytes[i + 2] : 0);
        for (size_t k = 0; k < 4; k++)
            fputc(k <= n ? digits[three >> (18 - 6 * k) & 63] : '=', f);
    }
}

void html_seconds(FILE *f, double seconds)
{
    double ms = seconds * 1e3;
    if (ms >= 0.1)
        fprintf(f, "%.*f ms", ms < 10 ? 2 : ms < 100 ? 1 : 0, ms);
    else
        fprintf(f, "%.1f us", seconds * 1e6);
}
