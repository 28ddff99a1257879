/* Splits strings and counts them. */
#include "backend/ref/kernel.h"
#include "tensor/utf8.h"

#include <string.h>

/* ---- Lengths ------------------------------------------------------------------------------------------- */

sib_code ref_string_length(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    uint32_t character;
    for (size_t i = 0; out && i < x->count; i++) {
        sib_str s = ((const sib_str *)x->data)[i];
        int64_t count = 0;
        for (size_t at = 0, n; at < s.length; at += n ? n : 1, count++)
            n = utf8_read(s.data + at, s.length - at, &character);
        ((int64_t *)out->data)[i] = count;
    }
    return SIB_OK;
}

/* ---- Splitting ----------------------------------------------------------------------------------------- */

/* State of splitting a string. */
typedef struct splitter {
    sib_str rest, delimiter;
    bool spaces;  /* split at runs of white space instead of the delimiter */
    int64_t left; /* cuts that may still be made, -1: no limit */
    bool done;
} splitter;

/* Unicode's White_Space, and the four ASCII separators that Python counts too. */
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

/* Length of the character at `at`, and whether it is white space; invalid UTF-8 is not. */
static size_t step_over(sib_str s, size_t at, bool *space)
{
    uint32_t c;
    size_t n = utf8_read(s.data + at, s.length - at, &c);
    *space = n > 0 && is_space(c);
    return n ? n : 1;
}

static sib_str without_start(sib_str s, size_t n)
{
    return (sib_str){s.data + n, s.length - n};
}

/* s without the white space at its start, or at its end. */
static sib_str trimmed(sib_str s, bool at_end)
{
    size_t kept = 0;
    bool space;
    for (size_t at = 0, n; at < s.length; at += n) {
        n = step_over(s, at, &space);
        if (!space && !at_end)
            return without_start(s, at);
        if (!space)
            kept = at + n;
    }
    return at_end ? (sib_str){s.data, kept} : without_start(s, s.length);
}

/* Returns false after the last part. */
static bool next_part(splitter *p, sib_str *part)
{
    size_t at = 0, n = 0;
    bool space = false, cut = false;
    if (p->spaces)
        p->rest = trimmed(p->rest, false);
    if (p->done || (p->spaces && !p->rest.length))
        return false;
    if (p->left != 0 && p->spaces) {
        for (; at < p->rest.length && !cut; at += cut ? 0 : n) {
            n = step_over(p->rest, at, &space);
            cut = space;
        }
    } else if (p->left != 0) {
        const char *found = p->rest.length
                                ? memmem(p->rest.data, p->rest.length, p->delimiter.data, p->delimiter.length)
                                : NULL;
        cut = found != NULL;
        at = cut ? (size_t)(found - p->rest.data) : p->rest.length;
        n = p->delimiter.length;
    } else
        at = p->rest.length;
    *part = (sib_str){p->rest.data, at};
    if (!cut) {
        p->done = true;
        if (p->spaces) /* after the last allowed cut white space may remain at the end */
            *part = trimmed(*part, true);
        return true;
    }
    p->rest = without_start(p->rest, at + n);
    if (p->left > 0)
        p->left--;
    return true;
}

sib_code ref_string_split(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *parts = NULL, *counts = NULL;
    string_split_spec spec = spec_string_split(c->node);
    splitter start = {.delimiter = spec.delimiter, .spaces = spec.spaces, .left = spec.maxsplit};
    int64_t dims[SIB_MAX_RANK], max = 0;
    sib_str part;
    if (x->rank + 1 > SIB_MAX_RANK || (!start.spaces && !start.delimiter.length))
        return ref_fail(c, SIB_ERR_VALUE, "expected a list of strings and a delimiter, found rank %zu",
                        x->rank);
    const sib_str *strings = (const sib_str *)x->data;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < x->count && code == SIB_OK; i++) {
        splitter p = start;
        int64_t n = 0;
        p.rest = strings[i];
        while (next_part(&p, &part))
            n++;
        max = n > max ? n : max;
        code = ref_cancelled(c);
    }
    memcpy(dims, x->dims, x->rank * sizeof *dims);
    dims[x->rank] = max;
    if (code == SIB_OK)
        code = ref_make(c, 0, SIB_STRING, x->rank + 1, dims, &parts);
    if (code == SIB_OK)
        code = ref_make(c, 1, SIB_I64, x->rank, dims, &counts);
    for (size_t i = 0; i < x->count && code == SIB_OK; i++) {
        splitter p = start;
        int64_t n = 0;
        p.rest = strings[i];
        for (; code == SIB_OK && next_part(&p, &part); n++)
            if (parts)
                code = tensor_put_string((sib_str *)parts->data + (int64_t)i * max + n, part, c->err);
        if (counts)
            ((int64_t *)counts->data)[i] = n;
        if (code == SIB_OK)
            code = ref_cancelled(c);
    }
    return code;
}
