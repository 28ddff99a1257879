#include "server/http/multipart.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_BOUNDARY 70 /* RFC 2046 */

static part *add_part(exchange *x)
{
    return x->n_parts < MAX_PARTS ? &x->parts[x->n_parts] : NULL;
}

/* ---- multipart/form-data (RFC 7578) ---- */

/* Copies a line break, "--" and the boundary of the content type. */
static bool delimiter_of(const char *type, char out[MAX_BOUNDARY + 5])
{
    const char *at = strcasestr(type, "boundary=");
    if (!at)
        return false;
    at += 9;
    size_t n = *at == '"' ? strcspn(++at, "\"") : strcspn(at, "; \t");
    if (!n || n > MAX_BOUNDARY)
        return false;
    memcpy(out, "\r\n--", 4);
    memcpy(out + 4, at, n);
    out[n + 4] = 0;
    return true;
}

/* The value of `name="..."` among the parameters of a header line, owned by the caller, or NULL. A backslash keeps the
   next character. */
static char *parameter(const char *line, size_t size, const char *name)
{
    size_t n = strlen(name);
    bool quoted = false;
    for (size_t i = 1; i + n + 2 < size; i++) {
        if (line[i] == '"' && line[i - 1] != '\\')
            quoted = !quoted;
        if (quoted || !strchr("; \t", line[i - 1]) || strncasecmp(line + i, name, n) || line[i + n] != '=' ||
            line[i + n + 1] != '"')
            continue;
        char *out = malloc(size), *to = out;
        for (const char *at = line + i + n + 2; out && at < line + size && *at != '"'; at++) {
            if (*at == '\\' && at + 1 < line + size)
                at++;
            *to++ = *at;
        }
        if (out)
            *to = 0;
        return out;
    }
    return NULL;
}

/* Reads the headers of a part, which end with an empty line. Returns where its data begins, or NULL. */
static const char *read_part_headers(const char *at, const char *end, part *p)
{
    while (at < end) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!line_end)
            return NULL;
        if (line_end == at)
            return at + 2;
        if (!strncasecmp(at, "content-disposition:", 20)) {
            free(p->name);
            free(p->file);
            p->name = parameter(at, (size_t)(line_end - at), "name");
            p->file = parameter(at, (size_t)(line_end - at), "filename");
        }
        at = line_end + 2;
    }
    return NULL;
}

/* delimiter: a line break and the boundary. */
static bool parse_multipart(exchange *x, const char *delimiter, const char **why)
{
    const char *boundary = delimiter + 2;
    size_t n = strlen(boundary);
    const char *at = x->body.size ? x->body.data : "", *end = at + x->body.size;
    const char *found = memmem(at, x->body.size, boundary, n);
    *why = "the multipart body does not begin with its boundary";
    if (!found || (found != at && (found < at + 2 || memcmp(found - 2, "\r\n", 2))))
        return false;
    for (at = found + n; end - at < 2 || memcmp(at, "--", 2);) {
        *why = "the multipart body has more than 64 parts";
        part *p = add_part(x);
        if (!p)
            return false;
        *why = "a part of the multipart body has malformed headers";
        if (end - at < 2 || memcmp(at, "\r\n", 2))
            return false;
        *p = (part){0};
        x->n_parts++;
        const char *data = read_part_headers(at + 2, end, p);
        if (!p->name)
            p->name = strdup("");
        if (!data || !p->name)
            return false;
        *why = "the multipart body is cut off: its last boundary is missing";
        /* The line break before a boundary belongs to it; that of an empty part is the one that ends its headers. */
        const char *next = memmem(data - 2, (size_t)(end - data) + 2, delimiter, n + 2);
        if (!next)
            return false;
        *why = "memory ran out";
        if (!buffer_add(&p->data, data, next > data ? (size_t)(next - data) : 0))
            return false;
        at = next + 2 + n;
    }
    return true;
}

/* ---- application/x-www-form-urlencoded ---- */

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

static bool decode(buffer *out, const char *text, size_t size)
{
    bool done = buffer_add(out, "", 0);
    for (size_t i = 0; i < size && done; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%' && i + 2 < size && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
            c = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        }
        done = buffer_add(out, &c, 1);
    }
    return done;
}

static bool parse_form(exchange *x, const char **why)
{
    const char *at = x->body.size ? x->body.data : "", *end = at + x->body.size;
    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        stop = stop ? stop : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        part *p = add_part(x);
        *why = "the form has more than 64 fields";
        if (!p)
            return false;
        *p = (part){0};
        buffer name = {0};
        bool done =
            decode(&name, at, (size_t)((equals ? equals : stop) - at)) &&
            decode(&p->data, equals ? equals + 1 : stop, (size_t)(stop - (equals ? equals + 1 : stop)));
        p->name = name.data;
        x->n_parts++;
        *why = "memory ran out";
        if (!done)
            return false;
        at = stop + 1;
    }
    return true;
}

bool multipart_parse(exchange *x, const char **why)
{
    const char *type = x->headers[HEADER_CONTENT_TYPE];
    char delimiter[MAX_BOUNDARY + 5];
    bool done;
    if (type && !strncasecmp(type, "multipart/form-data", 19)) {
        *why = "the content type multipart/form-data has no usable boundary";
        done = delimiter_of(type, delimiter) && parse_multipart(x, delimiter, why);
    } else if (type && !strncasecmp(type, "application/x-www-form-urlencoded", 33) &&
               !(x->body.size && x->body.data[0] == '{')) /* curl -d sends JSON under this type */
        done = parse_form(x, why);
    else
        return true;
    buffer_free(&x->body);
    return done;
}
