#include "import/model/report.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"
#include "import/model/work.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Elements that statistics read at once. */
#define PIECE ((size_t)1 << 16)
/* Max problems that a refusal names. */
#define NAMED_MAX 3

/* ---- Making -------------------------------------------------------------------------------------------- */

static sib_code add_weight(sib_import_report *r, const weight *w, sib_import_weight *out, sib_error *err)
{
    bool ok = true;
    uint64_t count;
    int64_t *dims = arena_alloc(r->arena, w->rank + 1, sizeof *dims);
    *out = (sib_import_weight){.rank = w->rank, .dims = dims, .bytes = w->size, .format = w->format->name};
    out->name = arena_string(r->arena, w->name, &ok).data;
    if (!ok || !dims)
        return err_memory(err, w->name.length, "a name");
    memcpy(dims, w->dims, w->rank * sizeof *dims);
    r->parameters += weight_count(w, &count) ? count : 0;
    r->bytes_read += w->size;
    return SIB_OK;
}

sib_code report_create(const checkpoint *c, sib_import_report **out, sib_error *err)
{
    sib_import_report *r = mem_calloc(1, sizeof *r);
    size_t n = checkpoint_weights(c);
    *out = NULL;
    if (!r)
        return err_memory(err, sizeof *r, "a report");
    r->format = checkpoint_format_name(c);
    r->weights = mem_calloc(n + 1, sizeof *r->weights);
    sib_code code =
        r->weights ? arena_create(&r->arena, err) : err_memory(err, n * sizeof *r->weights, "a report");
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = add_weight(r, checkpoint_weight(c, i), &r->weights[r->n_weights++], err);
    if (code != SIB_OK)
        sib_import_report_free(&r);
    *out = r;
    return code;
}

void sib_import_report_free(sib_import_report **r)
{
    if (!r || !*r)
        return;
    arena_free(&(*r)->arena);
    mem_free((*r)->weights);
    mem_free((*r)->problems);
    mem_free(*r);
    *r = NULL;
}

sib_code report_add(sib_import_report *r, sib_import_fault fault, const char *name, sib_error *err,
                    const char *format, ...)
{
    char text[400];
    bool ok = true;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sib_code code = ARRAY_RESERVE(r->problems, r->problem_capacity, r->n_problems + 1, "a report", err);
    if (code != SIB_OK)
        return code;
    sib_import_problem *p = &r->problems[r->n_problems];
    p->fault = fault;
    p->name = arena_string(r->arena, (sib_str){name, strlen(name)}, &ok).data;
    p->text = arena_string(r->arena, (sib_str){text, strlen(text)}, &ok).data;
    if (!ok)
        return err_memory(err, sizeof text, "a report");
    r->n_problems++;
    return SIB_OK;
}

/* ---- Refusing ------------------------------------------------------------------------------------------ */

sib_code report_refuse(const sib_import_report *r, const char *path, sib_error *err)
{
    static const struct {
        sib_import_fault fault;
        const char *words;
    } kinds[] = {{SIB_IMPORT_MISSING, "missing"},
                 {SIB_IMPORT_SHAPE, "of the wrong shape"},
                 {SIB_IMPORT_UNEXPECTED, "unexpected"}};
    char text[300] = "";
    size_t used = 0, faults = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = 0;
        for (size_t i = 0; i < r->n_problems; i++)
            n += r->problems[i].fault == kinds[k].fault;
        if (n && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu %s", faults ? "; " : "", n,
                                     kinds[k].words);
        size_t named = 0;
        for (size_t i = 0; i < r->n_problems && named < NAMED_MAX && used < sizeof text; i++)
            if (r->problems[i].fault == kinds[k].fault)
                used += (size_t)snprintf(text + used, sizeof text - used, "%s%.100s", named++ ? ", " : " (",
                                         kinds[k].fault == SIB_IMPORT_SHAPE ? r->problems[i].text
                                                                            : r->problems[i].name);
        if (n && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s)", n > named ? ", ..." : "");
        faults += n;
    }
    return faults ? err_set(err, SIB_ERR_FORMAT, "%s: weights do not match the recipe '%s': %s", path,
                            r->recipe ? r->recipe : "?", text)
                  : SIB_OK;
}

/* ---- Checking ------------------------------------------------------------------------------------------ */

/* Statistics in two passes: the first for the mean, the second for the deviation. */
static void first_look(sib_stats *s, const double *x, size_t n, double *sum)
{
    for (size_t i = 0; i < n; i++) {
        s->n_nan += isnan(x[i]) != 0;
        s->n_inf += isinf(x[i]) != 0;
        s->n_zero += x[i] == 0;
        if (isfinite(x[i]))
            *sum += x[i];
        if (!isnan(x[i])) {
            s->min = x[i] < s->min || isnan(s->min) ? x[i] : s->min;
            s->max = x[i] > s->max || isnan(s->max) ? x[i] : s->max;
        }
    }
}

static sib_code look(const weight *w, const char *name, double *piece, sib_stats *s, import_work *work,
                     sib_error *err)
{
    uint64_t count;
    double sum = 0, squares = 0;
    *s = (sib_stats){.min = NAN, .max = NAN, .mean = NAN, .std = NAN};
    if (!weight_count(w, &count))
        return err_set(err, SIB_ERR_SIZE, "%s: has too many elements", name);
    s->count = count;
    sib_code code = SIB_OK;
    for (int walk = 0; walk < 2 && code == SIB_OK; walk++) {
        uint64_t finite = count - s->n_nan - s->n_inf;
        if (walk == 1 && !finite)
            break;
        s->mean = walk ? sum / (double)finite : NAN;
        for (uint64_t i = 0; i < count && code == SIB_OK; i += PIECE) {
            size_t n = count - i < PIECE ? (size_t)(count - i) : PIECE;
            code = weight_read(w, i, n, SIB_F64, piece, err);
            if (code == SIB_OK && !walk)
                first_look(s, piece, n, &sum);
            for (size_t k = 0; k < n && code == SIB_OK && walk; k++)
                squares += isfinite(piece[k]) ? (piece[k] - s->mean) * (piece[k] - s->mean) : 0;
            if (code == SIB_OK)
                code = work_did(work, n * 2, name, err);
        }
        if (walk)
            s->std = sqrt(squares / (double)finite);
    }
    return code;
}

sib_code report_check(sib_import_report *r, const checkpoint *c, import_work *work, sib_error *err)
{
    double *piece = mem_alloc(PIECE, sizeof *piece);
    sib_code code = piece ? SIB_OK : err_memory(err, PIECE * sizeof *piece, "a piece of a weight");
    size_t bad = 0;
    const char *first = NULL;
    for (size_t i = 0; i < r->n_weights && code == SIB_OK; i++) {
        sib_import_weight *w = &r->weights[i];
        sib_stats *s = &w->stats;
        code = look(checkpoint_weight(c, i), w->name, piece, s, work, err);
        w->checked = code == SIB_OK;
        if (code == SIB_OK && s->n_nan)
            code = report_add(r, SIB_IMPORT_NAN, w->name, err, "%s: %llu of %llu elements are NaN", w->name,
                              (unsigned long long)s->n_nan, (unsigned long long)s->count);
        if (code == SIB_OK && s->n_inf)
            code = report_add(r, SIB_IMPORT_INF, w->name, err, "%s: %llu of %llu elements are infinite",
                              w->name, (unsigned long long)s->n_inf, (unsigned long long)s->count);
        if (code == SIB_OK && s->count && s->n_zero == s->count)
            code = report_add(r, SIB_IMPORT_ZERO, w->name, err, "%s: all of its %llu elements are 0", w->name,
                              (unsigned long long)s->count);
        if (s->n_nan || s->n_inf) {
            first = first ? first : w->name;
            bad++;
        }
    }
    mem_free(piece);
    if (code == SIB_OK && bad)
        return err_set(err, SIB_ERR_VALUE,
                       "%s: %zu of %zu weights hold NaN or infinities, the first is %.100s",
                       checkpoint_file(c, 0), bad, r->n_weights, first);
    return code;
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

void sib_import_report_totals(const sib_import_report *r, sib_import_totals *out)
{
    *out = (sib_import_totals){r->format,     r->recipe,     r->tokenizer,  r->n_weights,
                               r->n_problems, r->parameters, r->bytes_read, r->bytes_written};
}

bool sib_import_report_weight(const sib_import_report *r, size_t i, sib_import_weight *out)
{
    if (i >= r->n_weights)
        return false;
    *out = r->weights[i];
    return true;
}

bool sib_import_report_problem(const sib_import_report *r, size_t i, sib_import_problem *out)
{
    if (i >= r->n_problems)
        return false;
    *out = r->problems[i];
    return true;
}

const char *sib_import_fault_name(sib_import_fault fault)
{
    static const char *const names[] = {"missing", "unexpected", "shape", "nan", "inf", "zero"};
    return (size_t)fault < sizeof names / sizeof *names ? names[fault] : "unknown";
}
