#include "text/constrain/pointer.h"

#include <stdlib.h>
#include <string.h>

#define MAX_PART 1024

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;
    return at && c > ' ' ? (int)(at - digits) : -1;
}

/* One part of a pointer, decoded into out; returns what follows it, or NULL. */
static const char *read_part(const char *text, char out[MAX_PART])
{
    size_t n = 0;
    while (*text && *text != '/' && n + 1 < MAX_PART) {
        if (text[0] == '~' && (text[1] == '0' || text[1] == '1')) {
            out[n++] = text[1] == '0' ? '~' : '/';
            text += 2;
        } else if (text[0] == '%') {
            int high = hex(text[1]), low = high >= 0 ? hex(text[2]) : -1;
            if (low < 0 || !(high | low))
                return NULL;
            out[n++] = (char)(high * 16 + low);
            text += 3;
        } else
            out[n++] = *text++;
    }
    out[n] = '\0';
    return !*text || *text == '/' ? text : NULL;
}

const json_t *json_pointer(const json_t *root, const char *text)
{
    char part[MAX_PART];
    if (*text++ != '#')
        return NULL;
    while (root && *text) {
        if (*text != '/' || !(text = read_part(text + 1, part)))
            return NULL;
        if (json_is_array(root)) {
            size_t digits = strspn(part, "0123456789");
            root =
                digits && digits < 10 && !part[digits] ? json_array_get(root, strtoul(part, NULL, 10)) : NULL;
        } else
            root = json_object_get(root, part);
    }
    return root;
}
