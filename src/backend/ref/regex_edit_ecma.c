/* Replaces and splits by regular expressions of ECMAScript's syntax, as std::regex_replace and std::regex_iterator of C++ do. */
#include "backend/ref/regex_edit.h"

/* The matches in a string, one after the other. */
typedef struct matches {
    const ref_call *c;
    regex *m;
    sib_str s;
    size_t begin, end; /* of the last one */
    bool any;
} matches;

/* Goes on to the next match; *found: there is one. */
static sib_code next_match(matches *w, bool *found)
{
    size_t from = w->end;
    *found = false;
    if (w->any && w->begin == w->end) {
        if (from >= w->s.length)
            return SIB_OK;
        sib_code code = regex_search_here(w->c, w->m, w->s, from, found);
        if (code != SIB_OK || *found) {
            regex_span(w->m, 0, &w->begin, &w->end);
            return code;
        }
        from++;
    }
    sib_code code = regex_search(w->c, w->m, w->s, from, false, found);
    w->any = true;
    *found = code == SIB_OK && *found && regex_span(w->m, 0, &w->begin, &w->end);
    return code;
}

/* Appends the text of a group, if it took part. */
static sib_code put_group(const matches *w, size_t number, byte_buffer *out)
{
    size_t begin, end;
    if (!regex_span(w->m, number, &begin, &end))
        return SIB_OK;
    return buf_add(out, w->s.data + begin, end - begin, w->c->err);
}

/* Appends what stands for $ and what follows it in a rewrite, of which *used bytes are used. kept: where the text since the
   match before begins. */
static sib_code put_dollar(const matches *w, sib_str rest, size_t kept, byte_buffer *out, size_t *used)
{
    char next = rest.length > 1 ? rest.data[1] : '\0';
    *used = 2;
    switch (next) {
    case '$':
        return buf_add(out, "$", 1, w->c->err);
    case '&':
        return put_group(w, 0, out);
    case '`':
        return buf_add(out, w->s.data + kept, w->begin - kept, w->c->err);
    case '\'':
        return buf_add(out, w->s.data + w->end, w->s.length - w->end, w->c->err);
    default:
        break;
    }
    *used = 1;
    if (next < '0' || next > '9')
        return buf_add(out, "$", 1, w->c->err);
    size_t number = 0;
    for (; *used < 3 && *used < rest.length && rest.data[*used] >= '0' && rest.data[*used] <= '9'; ++*used)
        number = number * 10 + (size_t)(rest.data[*used] - '0');
    return put_group(w, number, out);
}

static sib_code put_rewrite(const matches *w, sib_str rewrite, size_t kept, byte_buffer *out)
{
    sib_code code = SIB_OK;
    while (rewrite.length && code == SIB_OK) {
        const char *dollar = memchr(rewrite.data, '$', rewrite.length);
        size_t used = dollar ? (size_t)(dollar - rewrite.data) : rewrite.length;
        code = buf_add(out, rewrite.data, used, w->c->err);
        rewrite = str_from(rewrite, used);
        if (code == SIB_OK && rewrite.length) {
            code = put_dollar(w, rewrite, kept, out, &used);
            rewrite = str_from(rewrite, used);
        }
    }
    return code;
}

sib_code ecma_replace(const ref_call *c, regex *m, sib_str s, const regex_edit_spec *spec, sib_str *to)
{
    matches w = {.c = c, .m = m, .s = s};
    byte_buffer out = {0};
    size_t kept = 0;
    bool found = true;
    sib_code code = SIB_OK;
    while (found && code == SIB_OK) {
        code = next_match(&w, &found);
        if (code != SIB_OK || !found)
            break;
        code = buf_add(&out, s.data + kept, w.begin - kept, c->err);
        if (code == SIB_OK)
            code = put_rewrite(&w, spec->rewrite, kept, &out);
        kept = w.end;
        found = spec->global_replace;
    }
    if (code == SIB_OK)
        code = buf_add(&out, s.data + kept, s.length - kept, c->err);
    if (code == SIB_OK)
        code = tensor_put_string(to, buf_str(&out), c->err);
    buf_free(&out);
    return code;
}

sib_code ecma_split(const ref_call *c, regex *cut, regex *keep, sib_str s, spans *words)
{
    matches w = {.c = c, .m = cut, .s = s};
    size_t kept = 0;
    bool found = true;
    sib_code code = SIB_OK;
    while (code == SIB_OK) {
        code = next_match(&w, &found);
        if (code != SIB_OK || !found)
            break;
        if (kept < w.begin)
            code = spans_put(c, words, s, kept, w.begin);
        kept = w.end;
        bool kept_too = false;
        if (code == SIB_OK && keep)
            code = regex_matches(c, keep, (sib_str){s.data + w.begin, w.end - w.begin}, &kept_too);
        if (code == SIB_OK && kept_too)
            code = spans_put(c, words, s, w.begin, w.end);
    }
    return code == SIB_OK && kept < s.length ? spans_put(c, words, s, kept, s.length) : code;
}
