#include "base/error.h"

#include "base/assert.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    sib_code code;
    const char *name, *text;
} code_row;

static const code_row code_rows[] = {
#define CODE_ROW(constant, number, name, text) {constant, name, text},
    SIB_CODES(CODE_ROW)
#undef CODE_ROW
};

static const code_row *find_code(sib_code code)
{
    for (size_t i = 0; i < sizeof code_rows / sizeof *code_rows; i++)
        if (code_rows[i].code == code)
            return &code_rows[i];
    return NULL;
}

const char *sib_code_name(sib_code code)
{
    const code_row *row = find_code(code);
    return row ? row->name : "unknown";
}

const char *sib_code_text(sib_code code)
{
    const code_row *row = find_code(code);
    return row ? row->text : "unknown error";
}

const char *sib_version(void)
{
    return SIBYL_VERSION;
}

/* Removes a character that the end of the buffer split: a lead byte without all of its continuation bytes. */
static void trim_utf8(char *s)
{
    size_t n = strlen(s), tail = 0;
    while (tail < 3 && tail < n && ((unsigned char)s[n - 1 - tail] & 0xC0) == 0x80)
        tail++;
    if (tail == n)
        return;
    unsigned char lead = (unsigned char)s[n - 1 - tail];
    size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (need > tail)
        s[n - 1 - tail] = '\0';
}

/* Adds to the message of length n which limit refused an allocation, if one did. */
static void add_limit(sib_error *err, size_t n)
{
    uint64_t limit = mem_refused();
    if (limit && n < sizeof err->message)
        snprintf(err->message + n, sizeof err->message - n,
                 "; this process may hold %" PRIu64 " bytes, SIBYL_MEMORY sets another limit", limit);
}

static sib_code set(sib_error *err, sib_code code, uint64_t offset, const char *format, va_list args)
{
    SIB_ASSERT(code != SIB_OK);
    if (!err || err->code != SIB_OK)
        return code;
    err->code = code;
    err->offset = offset;
    int length = vsnprintf(err->message, sizeof err->message, format, args);
    if (length >= (int)sizeof err->message)
        trim_utf8(err->message);
    else if (code == SIB_ERR_MEMORY && length > 0)
        add_limit(err, (size_t)length);
    return code;
}

sib_code(err_set)(sib_error *err, sib_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, SIB_NO_OFFSET, format, args);
    va_end(args);
    return code;
}

sib_code(err_set_at)(sib_error *err, sib_code code, uint64_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, offset, format, args);
    va_end(args);
    return code;
}

sib_code(err_memory)(sib_error *err, size_t bytes, const char *what)
{
    return err_set(err, SIB_ERR_MEMORY, "out of memory: %zu bytes for %s", bytes, what);
}
