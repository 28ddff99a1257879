/* Parses files of cases: lines, their parts, and the dtypes and versions for which a line is repeated. */
#include "case.h"

#include "base/error.h"
#include "case_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX    128
#define CHOICES_MAX  64
#define IN_MAX       128
#define ATTRS_MAX    64
#define FILE_MAXIMUM (16 << 20)

/* The dtypes of one `for`. */
typedef struct choice {
    sib_str name;
    size_t n;
    sib_dtype dtypes[CHOICES_MAX]; /* (n) */
} choice;

typedef struct case_line {
    const char *file;
    unsigned line;
    size_t n_before, n_after; /* parts before and after "->", without trailers */
    sib_str before[PARTS_MAX], after[PARTS_MAX];
    size_t n_choices, n_versions;
    choice choices[CASE_MAX_VARIABLES];
    int64_t versions[CHOICES_MAX];
    double tolerance;
} case_line;

/* ---- Parts -------------------------------------------------------------------------------------------- */

static sib_str trimmed(const char *begin, const char *end)
{
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    return (sib_str){begin, (size_t)(end - begin)};
}

/* The end of the part that begins at `at`: ';', "->" or the end of the line, outside of quotes. */
static const char *part_end(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end; at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (quoted && *at == '\\' && at + 1 < end)
            at++;
        else if (!quoted && (*at == ';' || (*at == '-' && at + 1 < end && at[1] == '>')))
            break;
    }
    return at;
}

static bool starts_with_word(sib_str s, const char *word)
{
    size_t n = strlen(word);
    return s.length > n && !memcmp(s.data, word, n) && isspace((unsigned char)s.data[n]);
}

static bool read_for(cursor *c, case_line *l)
{
    if (l->n_choices == CASE_MAX_VARIABLES)
        return cursor_fails(c, "more than %d `for`", CASE_MAX_VARIABLES);
    choice *it = &l->choices[l->n_choices++];
    it->n = 0;
    it->name = cursor_word(c);
    if (!it->name.length || case_dtype(it->name.data, it->name.length))
        return cursor_fails(c, "a name that is no dtype expected before");
    if (!cursor_expects(c, "="))
        return false;
    for (cursor_blanks(c); c->at < c->end; cursor_blanks(c)) {
        if (it->n == CHOICES_MAX || !cursor_dtype(c, &it->dtypes[it->n++]))
            return cursor_fails(c, "at most %d dtypes expected", CHOICES_MAX);
        if (c->at < c->end && !isspace((unsigned char)*c->at))
            return cursor_fails(c, "a blank expected");
    }
    return it->n || cursor_fails(c, "dtypes expected");
}

static bool read_versions(cursor *c, case_line *l)
{
    for (cursor_blanks(c); c->at < c->end; cursor_blanks(c)) {
        if (l->n_versions == CHOICES_MAX)
            return cursor_fails(c, "more than %d versions", CHOICES_MAX);
        if (!cursor_int(c, &l->versions[l->n_versions++]))
            return false;
    }
    return l->n_versions || cursor_fails(c, "versions expected");
}

static bool read_tolerance(cursor *c, case_line *l)
{
    char text[48], *end;
    sib_str token = cursor_token(c, ";");
    snprintf(text, sizeof text, "%.*s", (int)token.length, token.data);
    l->tolerance = strtod(text, &end);
    cursor_blanks(c);
    return (*text && !*end && l->tolerance >= 0 && c->at == c->end) ||
           cursor_fails(c, "one tolerance expected, such as 1e-6,");
}

static const struct {
    const char *word;
    bool (*read)(cursor *c, case_line *l);
} trailers[] = {{"for", read_for}, {"version", read_versions}, {"tol", read_tolerance}};

/* Splits a line and reads its trailers. */
static bool cut_line(cursor *c, case_line *l)
{
    bool after = false;
    const char *line_end = c->end, *at = c->at;
    for (;;) {
        const char *end = part_end(at, line_end);
        sib_str part = trimmed(at, end);
        size_t k = 0, *n = after ? &l->n_after : &l->n_before;
        while (k < 3 && !starts_with_word(part, trailers[k].word))
            k++;
        if (k < 3) {
            c->at = part.data + strlen(trailers[k].word);
            c->end = part.data + part.length;
            if (!trailers[k].read(c, l))
                return false;
        } else if (part.length || !after) {
            if (*n == PARTS_MAX)
                return cursor_fails(c, "more than %d parts", PARTS_MAX);
            (after ? l->after : l->before)[(*n)++] = part;
        }
        at = end;
        c->end = line_end;
        c->at = at;
        if (at == line_end)
            break;
        if (*at == '-') {
            if (after)
                return cursor_fails(c, "a second '->'");
            after = true;
            at++;
        }
        at++;
    }
    return after || cursor_fails(c, "'->' expected");
}

/* ---- Cases -------------------------------------------------------------------------------------------- */

static bool read_head(cursor *c, const case_line *l, op_case *out)
{
    sib_str token = cursor_token(c, ";");
    const char *name = token.data, *end = token.data + token.length;
    bool ok = true;
    for (const char *p = token.data; p < end; p++)
        if (*p == ':') {
            sib_str domain = {token.data, (size_t)(p - token.data)};
            if (str_is(domain, "ai.onnx"))
                domain.length = 0;
            out->domain = arena_string(c->arena, domain, &ok);
            name = p + 1;
        }
    const char *dash = end;
    while (dash > name && dash[-1] != '-')
        dash--;
    bool versioned = dash > name;
    cursor number = *c;
    number.at = dash;
    number.end = end;
    if (versioned && !cursor_int(&number, &out->version))
        return false;
    if (!versioned && !l->n_versions)
        return cursor_fails(c, "an operator with its opset expected, such as Relu-14, before");
    out->name = arena_string(c->arena, (sib_str){name, (size_t)((versioned ? dash - 1 : end) - name)}, &ok);
    if (!out->domain.data)
        out->domain = (sib_str){"", 0};
    if (!ok)
        return cursor_fails(c, "memory could not be had");
    return out->name.length || cursor_fails(c, "the name of an operator expected before");
}

static bool read_attributes(cursor *c, op_case *out)
{
    out->attributes = arena_alloc(c->arena, ATTRS_MAX, sizeof *out->attributes);
    if (!out->attributes)
        return cursor_fails(c, "memory could not be had");
    for (cursor_blanks(c); c->at < c->end; cursor_blanks(c)) {
        if (out->n_attributes == ATTRS_MAX)
            return cursor_fails(c, "more than %d attributes", ATTRS_MAX);
        if (!cursor_attribute(c, &out->attributes[out->n_attributes++]))
            return false;
        if (c->at < c->end && !isspace((unsigned char)*c->at))
            return cursor_fails(c, "a blank between attributes expected");
    }
    return true;
}

static bool read_values(cursor *c, const sib_str *parts, size_t n, case_value **out, size_t *n_out)
{
    *out = arena_alloc(c->arena, n + 1, sizeof **out);
    if (!*out)
        return cursor_fails(c, "memory could not be had");
    for (*n_out = 0; *n_out < n; ++*n_out) {
        c->at = parts[*n_out].data;
        c->end = c->at + parts[*n_out].length;
        if (!cursor_value(c, &(*out)[*n_out]))
            return false;
    }
    return true;
}

static bool read_case(cursor *c, const case_line *l, op_case *out)
{
    c->at = l->before[0].data;
    c->end = c->at + l->before[0].length;
    if (!read_head(c, l, out) || !read_attributes(c, out) ||
        !read_values(c, l->before + 1, l->n_before - 1, &out->in, &out->n_in))
        return false;
    for (size_t i = 0; i < out->n_in; i++)
        if (out->in[i].any)
            return cursor_fails(c, "an input has elements, not '?',");
    if (l->n_after == 1 && starts_with_word(l->after[0], "error")) {
        c->at = l->after[0].data + strlen("error");
        c->end = l->after[0].data + l->after[0].length;
        return cursor_string(c, &out->error);
    }
    if (!l->n_after)
        return cursor_fails(c, "outputs expected");
    return read_values(c, l->after, l->n_after, &out->out, &out->n_out);
}

static void free_case(op_case *c)
{
    for (size_t i = 0; c->in && i < c->n_in; i++)
        sib_value_free(&c->in[i].value);
    for (size_t i = 0; c->out && i < c->n_out; i++)
        sib_value_free(&c->out[i].value);
    arena_free(&c->arena);
}

static void write_label(op_case *c, const cursor *at)
{
    int n = snprintf(c->label, sizeof c->label, "%s%s%s-%lld", c->domain.data, c->domain.length ? ":" : "",
                     c->name.data, (long long)c->version);
    for (size_t i = 0; i < at->n_variables && n >= 0 && (size_t)n < sizeof c->label; i++)
        n +=
            snprintf(c->label + n, sizeof c->label - (size_t)n, " %.*s=%s", (int)at->variables[i].name.length,
                     at->variables[i].name.data, case_dtype_name(at->variables[i].dtype));
}

/* Visits the case of one choice. Returns false to stop; *sound is set to whether the line could be read. */
static bool visit_choice(const case_line *l, size_t choice_number, const case_visitor *visitor, bool *sound)
{
    sib_error err = SIB_ERROR_INIT;
    op_case c = {.file = l->file, .line = l->line, .tolerance = l->tolerance};
    cursor at = {.n_variables = l->n_choices, .err = &err};
    bool go_on = true;
    for (size_t i = 0; i < l->n_choices; i++) {
        at.variables[i] =
            (case_variable){l->choices[i].name, l->choices[i].dtypes[choice_number % l->choices[i].n]};
        choice_number /= l->choices[i].n;
    }
    *sound = arena_create(&c.arena, &err) == SIB_OK;
    at.arena = c.arena;
    *sound = *sound && read_case(&at, l, &c);
    if (*sound) {
        if (l->n_versions)
            c.version = l->versions[choice_number % l->n_versions];
        c.n_variables = at.n_variables;
        memcpy(c.variables, at.variables, sizeof c.variables);
        write_label(&c, &at);
        go_on = visitor->visit(visitor->context, &c);
    } else {
        go_on = visitor->malformed(visitor->context, l->file, l->line, err.message);
    }
    free_case(&c);
    return go_on;
}

static bool visit_line(const char *file, unsigned number, sib_str text, const case_visitor *visitor)
{
    sib_error err = SIB_ERROR_INIT;
    case_line l = {.file = file, .line = number, .tolerance = -1};
    cursor at = {.at = text.data, .end = text.data + text.length, .err = &err};
    if (!cut_line(&at, &l))
        return visitor->malformed(visitor->context, file, number, err.message);
    size_t n = l.n_versions ? l.n_versions : 1;
    for (size_t i = 0; i < l.n_choices; i++)
        n *= l.choices[i].n;
    bool go_on = true, sound = true;
    for (size_t i = 0; i < n && go_on && sound; i++)
        go_on = visit_choice(&l, i, visitor, &sound);
    return go_on;
}

/* ---- Files -------------------------------------------------------------------------------------------- */

static sib_code read_file(const char *path, graph_arena *arena, sib_str *out, sib_error *err)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return err_set(err, SIB_ERR_IO, "%s cannot be opened", path);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    char *text = size >= 0 && size < FILE_MAXIMUM ? arena_alloc(arena, (size_t)size + 1, 1) : NULL;
    sib_code code = SIB_OK;
    if (!text)
        code = err_set(err, SIB_ERR_MEMORY, "%s: no memory for its text", path);
    else if (fread(text, 1, (size_t)size, f) != (size_t)size)
        code = err_set(err, SIB_ERR_IO, "%s cannot be read", path);
    else
        *out = (sib_str){text, (size_t)size};
    fclose(f);
    return code;
}

/* Takes a line and its continuations: backslash and line feed become blanks. */
static sib_str take_line(sib_str *rest, unsigned *lines)
{
    char *begin = (char *)(uintptr_t)rest->data, *end = begin + rest->length, *at = begin;
    for (*lines = 1; at < end && *at != '\n'; at++)
        if (*at == '\\' && at + 1 < end && at[1] == '\n') {
            at[0] = at[1] = ' ';
            at++;
            ++*lines;
        }
    sib_str line = trimmed(begin, at);
    at += at < end;
    *rest = (sib_str){at, (size_t)(end - at)};
    return line;
}

sib_code case_each(const char *path, const case_visitor *visitor, sib_error *err)
{
    graph_arena *arena = NULL;
    sib_str rest = {NULL, 0};
    sib_code code = arena_create(&arena, err);
    if (code == SIB_OK)
        code = read_file(path, arena, &rest, err);
    bool go_on = true;
    for (unsigned number = 1, lines; code == SIB_OK && rest.length && go_on; number += lines) {
        sib_str line = take_line(&rest, &lines);
        if (line.length && line.data[0] != '#')
            go_on = visit_line(path, number, line, visitor);
    }
    arena_free(&arena);
    return code;
}
