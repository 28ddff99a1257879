/* Texts and numbers of models as JSON. */

#include "server/values/json.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the character at (size), 0 where it is no UTF-8 (RFC 3629). */
static size_t character(const unsigned char *at, size_t size)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t min;
    } kinds[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 1; n <= 4 && n <= size; n++) {
        if ((at[0] & kinds[n - 1].mask) != kinds[n - 1].lead)
            continue;
        uint32_t code = at[0] & (unsigned char)~kinds[n - 1].mask;
        for (size_t k = 1; k < n; k++) {
            if ((at[k] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (at[k] & 0x3f);
        }
        return code >= kinds[n - 1].min && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? n : 0;
    }
    return 0;
}

/* The text with what is no UTF-8 replaced, followed by tail. */
static json_t *repaired(const char *bytes, size_t size, const char *tail)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t used = 0;
    char *made = malloc(3 * size + strlen(tail) + 1);
    if (!made)
        return NULL;
    for (size_t i = 0; i < size;) {
        size_t n = character((const unsigned char *)bytes + i, size - i);
        const char *from = n ? bytes + i : replacement;
        size_t m = n ? n : sizeof replacement - 1;
        memcpy(made + used, from, m);
        used += m;
        i += n ? n : 1;
    }
    memcpy(made + used, tail, strlen(tail));
    json_t *value = json_stringn_nocheck(made, used + strlen(tail));
    free(made);
    return value;
}

json_t *text_of_bytes(const char *bytes, size_t size)
{
    json_t *valid = json_stringn(bytes, size);
    return valid ? valid : repaired(bytes, size, "");
}

json_t *text_json(const char *text, size_t max)
{
    size_t size = strnlen(text, max);
    if (!text[size])
        return text_of_bytes(text, size);
    for (int back = 0; back < 3 && size && ((unsigned char)text[size] & 0xc0) == 0x80; back++)
        size--; /* not within a character */
    return repaired(text, size, "\xe2\x80\xa6");
}

json_t *text_or_null(const char *text, size_t max)
{
    return text ? text_json(text, max) : json_null();
}

json_t *number_json(uint32_t number)
{
    return json_integer(number == SIB_NONE ? -1 : (json_int_t)number);
}

json_t *numbers_json(const uint32_t *numbers, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, number_json(numbers[i]));
    return list;
}
