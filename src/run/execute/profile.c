/* Profiles: rows of times by node, operator and milli-op, and a timeline of spans. */
#include "run/execute/profile.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/names.h"

#include <sibyl/graph.h>
#include <sibyl/timing.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#define PROFILE_VIEWS (SIB_PROFILE_BY_PHASE + 1)
#define SPANS_MAX     1000000

typedef struct profile_list {
    sib_profile_row *rows; /* (n) in order of first use; strings of the profile */
    size_t *order;         /* (n) longest time first, where sorted */
    size_t n, capacity, order_capacity;
    bool sorted;
    name_map by_key;
} profile_list;

/* A span that goes on. */
typedef struct profile_opened {
    uint64_t token, thread, begin;
    uint64_t inner_ns;    /* of the spans in it */
    uint32_t depth, span; /* span: SIB_NONE where it is not kept */
    sib_span_kind kind;
} profile_opened;

struct sib_profile {
    pthread_mutex_t lock;
    profile_list views[PROFILE_VIEWS];
    name_map texts; /* names of spans and rows, each once */
    size_t n_owned, owned_capacity;
    char **owned; /* (n_owned) texts and keys */
    size_t n_spans, span_capacity, max_spans;
    sib_time_span *spans; /* (n_spans) */
    uint64_t dropped, tokens;
    size_t n_opened, opened_capacity;
    profile_opened *opened; /* (n_opened) */
};

uint64_t profile_thread(void)
{
#if defined(__linux__)
    return (uint64_t)syscall(SYS_gettid);
#elif defined(__APPLE__)
    uint64_t number = 0;
    pthread_threadid_np(NULL, &number);
    return number;
#else
    return (uint64_t)(uintptr_t)pthread_self();
#endif
}

const char *sib_span_kind_name(sib_span_kind kind)
{
    static const char *const names[] = {
#define SIB_SPAN_NAME(constant, name, meaning) name,
        SIB_SPAN_KINDS(SIB_SPAN_NAME)
#undef SIB_SPAN_NAME
    };
    return (unsigned)kind < SIB_SPAN_COUNT ? names[kind] : NULL;
}

sib_code sib_profile_create(sib_profile **out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL");
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a profile");
    (*out)->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    (*out)->max_spans = SPANS_MAX;
    return SIB_OK;
}

void sib_profile_free(sib_profile **pp)
{
    sib_profile *p = pp ? *pp : NULL;
    if (!p)
        return;
    for (int v = 0; v < PROFILE_VIEWS; v++) {
        mem_free(p->views[v].rows);
        mem_free(p->views[v].order);
        name_map_clear(&p->views[v].by_key);
    }
    name_map_clear(&p->texts);
    for (size_t i = 0; i < p->n_owned; i++)
        mem_free(p->owned[i]);
    mem_free(p->owned);
    mem_free(p->spans);
    mem_free(p->opened);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
    *pp = NULL;
}

void sib_profile_limit(sib_profile *p, size_t max_spans)
{
    pthread_mutex_lock(&p->lock);
    p->max_spans = max_spans;
    pthread_mutex_unlock(&p->lock);
}

/* ---- Texts ------------------------------------------------------------------------------------------- */

static char *own(sib_profile *p, sib_str text)
{
    char *copy = mem_alloc(text.length + 1, 1);
    if (!copy)
        return NULL;
    memcpy(copy, text.data, text.length);
    copy[text.length] = 0;
    if (ARRAY_PUSH(p->owned, p->n_owned, p->owned_capacity, "a profile", NULL, copy) == SIB_OK)
        return copy;
    mem_free(copy);
    return NULL;
}

/* The profile's copy of a text; "" where memory fails. */
static const char *text_of(sib_profile *p, const char *text)
{
    uint32_t at;
    const sib_str given = {text, strlen(text)};
    if (!text[0])
        return "";
    if (name_map_find(&p->texts, given, &at))
        return p->owned[at];
    const char *copy = own(p, given);
    return copy && name_map_put(&p->texts, (sib_str){copy, given.length}, (uint32_t)(p->n_owned - 1)) ? copy
                                                                                                      : "";
}

/* ---- Rows -------------------------------------------------------------------------------------------- */

/* The row with these names, made if missing. NULL where memory fails. */
static sib_profile_row *row_of(sib_profile *p, int view, const char *node, const char *type,
                               const char *backend)
{
    profile_list *list = &p->views[view];
    char key[700];
    uint32_t at;
    const int length = snprintf(key, sizeof key, "%s\n%s\n%s", backend, type, node);
    const sib_str given = {key, length < (int)sizeof key ? (size_t)length : sizeof key - 1};
    if (name_map_find(&list->by_key, given, &at))
        return &list->rows[at];
    const sib_profile_row row = {text_of(p, node), text_of(p, type), text_of(p, backend), 0, 0, 0, 0, 0, 0};
    const char *copy = own(p, given);
    if (!copy || ARRAY_RESERVE(list->rows, list->capacity, list->n + 1, "a profile", NULL) != SIB_OK ||
        !name_map_put(&list->by_key, (sib_str){copy, given.length}, (uint32_t)list->n))
        return NULL;
    list->rows[list->n] = row;
    return &list->rows[list->n++];
}

static void count(sib_profile *p, int view, const char *node, const char *type, const profile_step *s,
                  bool calls)
{
    sib_profile_row *row = row_of(p, view, node, type, s->backend);
    p->views[view].sorted = false;
    if (!row)
        return;
    row->calls += calls;
    row->seconds += (double)s->ns * 1e-9;
    row->flops += s->flops;
    row->bytes_read += s->bytes_read;
    row->bytes_written += s->bytes_written;
    row->memory = row->memory > s->memory ? row->memory : s->memory;
}

void profile_add(sib_profile *p, const profile_step *s)
{
    pthread_mutex_lock(&p->lock);
    count(p, SIB_PROFILE_BY_NODE, s->node, s->type, s, s->begins);
    count(p, SIB_PROFILE_BY_OPERATOR, "", s->type, s, s->begins);
    count(p, SIB_PROFILE_BY_MILLI, "", s->milli ? s->milli : s->type, s, true);
    pthread_mutex_unlock(&p->lock);
}

/* qsort has no context: sorts what these refer to. */
typedef struct sort_item {
    double seconds;
    size_t at;
} sort_item;

static int longer_first(const void *a, const void *b)
{
    const sort_item *x = a, *y = b;
    return x->seconds != y->seconds ? (x->seconds < y->seconds) - (x->seconds > y->seconds)
                                    : (x->at > y->at) - (x->at < y->at);
}

/* Without memory the rows stay in order of first use. */
static void sort_rows(profile_list *list)
{
    sort_item *items = list->n ? mem_alloc(list->n, sizeof *items) : NULL;
    list->sorted =
        items && ARRAY_RESERVE(list->order, list->order_capacity, list->n, "a profile", NULL) == SIB_OK;
    for (size_t i = 0; i < list->n && list->sorted; i++)
        items[i] = (sort_item){list->rows[i].seconds, i};
    if (list->sorted)
        qsort(items, list->n, sizeof *items, longer_first);
    for (size_t i = 0; i < list->n && list->sorted; i++)
        list->order[i] = items[i].at;
    mem_free(items);
}

bool sib_profile_get(const sib_profile *p, sib_profile_by by, size_t i, sib_profile_row *out)
{
    sib_profile *mine = (sib_profile *)p; /* the order of the rows is not observable state */
    if ((unsigned)by >= PROFILE_VIEWS)
        return false;
    profile_list *list = &mine->views[by];
    pthread_mutex_lock(&mine->lock);
    if (!list->sorted)
        sort_rows(list);
    const bool there = i < list->n;
    if (there)
        *out = list->rows[list->sorted ? list->order[i] : i];
    pthread_mutex_unlock(&mine->lock);
    return there;
}

/* ---- Spans ------------------------------------------------------------------------------------------- */

/* The innermost span of this thread that goes on, or NULL. */
static profile_opened *innermost(sib_profile *p, uint64_t thread)
{
    for (size_t i = p->n_opened; i-- > 0;)
        if (p->opened[i].thread == thread)
            return &p->opened[i];
    return NULL;
}

/* Returns the number of the span, or SIB_NONE where it is not kept. */
static uint32_t keep_span(sib_profile *p, const sib_time_span *s, const profile_opened *outer)
{
    sib_time_span kept = *s;
    kept.name = text_of(p, s->name ? s->name : "");
    kept.op_type = text_of(p, s->op_type ? s->op_type : "");
    kept.backend = text_of(p, s->backend ? s->backend : "");
    kept.kernel = text_of(p, s->kernel ? s->kernel : "");
    kept.parent = outer ? outer->span : SIB_NONE;
    kept.depth = outer ? outer->depth + 1 : 0;
    if (p->n_spans < p->max_spans && p->n_spans < SIB_NONE &&
        ARRAY_PUSH(p->spans, p->n_spans, p->span_capacity, "a profile", NULL, kept) == SIB_OK)
        return (uint32_t)(p->n_spans - 1);
    p->dropped++;
    return SIB_NONE;
}

uint64_t profile_open(sib_profile *p, const sib_time_span *s)
{
    pthread_mutex_lock(&p->lock);
    const profile_opened *outer = innermost(p, s->thread);
    profile_opened now = {++p->tokens, s->thread, s->begin, 0, outer ? outer->depth + 1 : 0, 0, s->kind};
    now.span = keep_span(p, s, outer);
    if (ARRAY_PUSH(p->opened, p->n_opened, p->opened_capacity, "a profile", NULL, now) != SIB_OK)
        now.token = 0;
    pthread_mutex_unlock(&p->lock);
    return now.token;
}

/* Time that is spent in a span and in none inside it. */
static void add_phase(sib_profile *p, sib_span_kind kind, uint64_t ns)
{
    const profile_step step = {.backend = "", .ns = ns};
    count(p, SIB_PROFILE_BY_PHASE, "", sib_span_kind_name(kind), &step, true);
}

static void close_span(sib_profile *p, size_t at, const sib_time_span *s)
{
    const profile_opened o = p->opened[at];
    memmove(&p->opened[at], &p->opened[at + 1], (p->n_opened - at - 1) * sizeof *p->opened);
    p->n_opened--;
    profile_opened *outer = innermost(p, o.thread);
    const uint64_t ns = s->end - o.begin;
    if (outer)
        outer->inner_ns += ns;
    add_phase(p, o.kind, ns > o.inner_ns ? ns - o.inner_ns : 0);
    if (o.span == SIB_NONE)
        return;
    sib_time_span *kept = &p->spans[o.span];
    kept->end = s->end;
    kept->flops = s->flops;
    kept->bytes_read = s->bytes_read;
    kept->bytes_written = s->bytes_written;
    kept->memory = s->memory;
}

void profile_close(sib_profile *p, uint64_t span, const sib_time_span *s)
{
    pthread_mutex_lock(&p->lock);
    for (size_t i = p->n_opened; i-- > 0 && span;)
        if (p->opened[i].token == span) {
            close_span(p, i, s);
            break;
        }
    pthread_mutex_unlock(&p->lock);
}

void profile_put(sib_profile *p, const sib_time_span *s)
{
    pthread_mutex_lock(&p->lock);
    profile_opened *outer = innermost(p, s->thread);
    if (outer)
        outer->inner_ns += s->end - s->begin;
    add_phase(p, s->kind, s->end - s->begin);
    keep_span(p, s, outer);
    pthread_mutex_unlock(&p->lock);
}

bool sib_profile_span(const sib_profile *p, size_t i, sib_time_span *out)
{
    sib_profile *mine = (sib_profile *)p; /* for its lock */
    pthread_mutex_lock(&mine->lock);
    const bool there = i < mine->n_spans;
    if (there)
        *out = mine->spans[i];
    pthread_mutex_unlock(&mine->lock);
    return there;
}

size_t sib_profile_spans(const sib_profile *p, uint64_t *dropped)
{
    sib_profile *mine = (sib_profile *)p;
    pthread_mutex_lock(&mine->lock);
    const size_t n = mine->n_spans;
    if (dropped)
        *dropped = mine->dropped;
    pthread_mutex_unlock(&mine->lock);
    return n;
}

uint64_t sib_profile_begin(sib_profile *p, sib_span_kind kind, const char *name)
{
    const sib_time_span s = {.kind = kind, .name = name, .thread = profile_thread(), .begin = sib_time_ns()};
    return (unsigned)kind < SIB_SPAN_COUNT ? profile_open(p, &s) : 0;
}

void sib_profile_end(sib_profile *p, uint64_t span)
{
    const sib_time_span s = {.end = sib_time_ns()};
    profile_close(p, span, &s);
}
