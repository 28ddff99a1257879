/* The timeline of a profile as Chrome's trace events: "Trace Event Format", Google 2016. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"

#include <sibyl/graph.h>
#include <sibyl/watch.h>

#include <stdlib.h>
#include <string.h>

/* A JSON string. Bytes that are not ASCII are copied if they are UTF-8, and replaced by '?' otherwise. */
static void write_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        size_t more = *at < 0xC2 ? 0 : *at < 0xE0 ? 1 : *at < 0xF0 ? 2 : *at < 0xF5 ? 3 : 0, have = 0;
        while (have < more && (at[have + 1] & 0xC0) == 0x80)
            have++;
        if (*at == '"' || *at == '\\')
            fprintf(f, "\\%c", *at);
        else if (*at < 0x20 || *at == 0x7F)
            fprintf(f, "\\u%04x", *at);
        else if (*at < 0x80)
            fputc(*at, f);
        else if (!more || have < more)
            fputc('?', f);
        else {
            fwrite(at, 1, more + 1, f);
            at += more;
        }
    }
    fputc('"', f);
}

static void write_pair(FILE *f, const char *name, const char *text, const char **comma)
{
    if (!text[0])
        return;
    fprintf(f, "%s\"%s\":", *comma, name);
    write_text(f, text);
    *comma = ",";
}

static void write_number(FILE *f, const char *name, double number, const char **comma)
{
    if (number <= 0)
        return;
    fprintf(f, "%s\"%s\":%.0f", *comma, name, number);
    *comma = ",";
}

/* Nanoseconds as microseconds, in any locale. */
static void write_us(FILE *f, const char *name, uint64_t ns)
{
    fprintf(f, ",\"%s\":%llu.%03llu", name, (unsigned long long)(ns / 1000), (unsigned long long)(ns % 1000));
}

static void write_span(FILE *f, const sib_time_span *s, uint64_t origin, uint64_t end)
{
    const char *kind = sib_span_kind_name(s->kind), *comma = "";
    fputs(",\n{\"ph\":\"X\",\"pid\":1,\"name\":", f);
    write_text(f, s->kind == SIB_SPAN_STEP ? s->op_type : s->name[0] ? s->name : kind);
    fprintf(f, ",\"cat\":\"%s\",\"tid\":%llu", kind, (unsigned long long)s->thread);
    write_us(f, "ts", s->begin - origin);
    write_us(f, "dur", (s->end ? s->end : end) - s->begin);
    fputs(",\"args\":{", f);
    write_pair(f, "operator", s->op_type, &comma);
    write_pair(f, "backend", s->backend, &comma);
    write_pair(f, "kernel", s->kernel, &comma);
    write_number(f, "run", (double)s->run, &comma);
    write_number(f, "flops", s->flops, &comma);
    write_number(f, "bytes_read", (double)s->bytes_read, &comma);
    write_number(f, "bytes_written", (double)s->bytes_written, &comma);
    write_number(f, "memory", (double)s->memory, &comma);
    fputs("}}", f);
}

static void write_trace(const sib_profile *p, FILE *f)
{
    sib_time_span s;
    uint64_t origin = UINT64_MAX, end = 0, dropped = 0;
    const size_t n = sib_profile_spans(p, &dropped);
    for (size_t i = 0; i < n && sib_profile_span(p, i, &s); i++) {
        origin = s.begin < origin ? s.begin : origin;
        end = s.begin > end ? s.begin : end;
        end = s.end > end ? s.end : end;
    }
    fprintf(
        f,
        "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"version\":\"sibyl %s\",\"dropped\":\"%llu\"},"
        "\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"sibyl\"}}",
        sib_version(), (unsigned long long)dropped);
    for (size_t i = 0; i < n && sib_profile_span(p, i, &s); i++)
        write_span(f, &s, origin, end);
    fputs("\n]}\n", f);
}

sib_code sib_profile_save_trace(const sib_profile *p, const char *path, sib_error *err)
{
    outfile out = {0};
    if (!p || !path)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", p ? "the path" : "the profile");
    sib_code code = outfile_begin(&out, path, err);
    if (code != SIB_OK)
        return code;
    write_trace(p, out.stream);
    return outfile_commit(&out, err);
}

sib_code sib_profile_trace_text(const sib_profile *p, char **text, size_t *size, sib_error *err)
{
    char *made = NULL;
    size_t n = 0;
    if (size)
        *size = 0;
    if (text)
        *text = NULL;
    if (!p || !text)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", p ? "text" : "the profile");
    FILE *f = open_memstream(&made, &n);
    if (f)
        write_trace(p, f);
    const bool failed = !f || ferror(f);
    if (!f || fclose(f) != 0 || failed || !(*text = mem_alloc(n + 1, 1))) {
        free(made);
        return err_memory(err, n, "a trace");
    }
    memcpy(*text, made, n + 1);
    free(made); /* the C library's, not the library's own */
    if (size)
        *size = n;
    return SIB_OK;
}
