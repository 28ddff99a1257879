#include "server/http/metrics.h"

#include "server/handlers.h"
#include "server/http/exchange_inner.h"
#include "server/http/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 256 /* of route and status; further ones are counted in the last */

static const double bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                0.5,   1,      2.5,   5,    10,    30,   60};
#define N_BOUNDS (sizeof bounds / sizeof *bounds)

typedef struct row {
    const route *route; /* NULL: none was found */
    unsigned status;
    uint64_t count, in_bucket[N_BOUNDS + 1];
    double seconds;
} row;

struct metrics {
    pthread_mutex_t lock;
    row rows[MAX_ROWS];
    size_t n_rows;
    uint64_t tokens;
    double audio_seconds, audio_took;
};

metrics *metrics_create(void)
{
    metrics *m = calloc(1, sizeof *m);
    if (m)
        pthread_mutex_init(&m->lock, NULL);
    return m;
}

void metrics_free(metrics **m)
{
    if (!*m)
        return;
    pthread_mutex_destroy(&(*m)->lock);
    free(*m);
    *m = NULL;
}

static void count(metrics *m, const route *r, unsigned status, double seconds)
{
    pthread_mutex_lock(&m->lock);
    size_t i = 0;
    while (i < m->n_rows && i + 1 < MAX_ROWS && (m->rows[i].route != r || m->rows[i].status != status))
        i++;
    if (i == m->n_rows)
        m->rows[m->n_rows++] = (row){.route = r, .status = status};
    row *to = &m->rows[i];
    size_t bucket = 0;
    while (bucket < N_BOUNDS && seconds > bounds[bucket])
        bucket++;
    to->in_bucket[bucket]++;
    to->count++;
    to->seconds += seconds;
    pthread_mutex_unlock(&m->lock);
}

static void write_log(struct server *s, const exchange *x, double seconds)
{
    const sib_logger *log = &s->options.log;
    if (s->options.log_format == SIB_SERVER_LOG_NONE || !log->write || log->level < SIB_LOG_INFO)
        return;
    char line[600];
    if (s->options.log_format == SIB_SERVER_LOG_TEXT)
        snprintf(line, sizeof line, "%llu %s %.200s %u %llu bytes %.1f ms%s", (unsigned long long)x->id,
                 x->method, x->path, x->status, (unsigned long long)x->n_bytes, seconds * 1e3,
                 x->gone ? " (client gone)" : "");
    else {
        json_t *entry =
            json_pack("{s:I, s:s, s:s, s:i, s:I, s:f, s:b, s:s?}", "id", (json_int_t)x->id, "method",
                      x->method, "path", x->path, "status", (int)x->status, "bytes", (json_int_t)x->n_bytes,
                      "seconds", seconds, "gone", x->gone, "traceparent", x->headers[HEADER_TRACEPARENT]);
        size_t n = entry ? json_dumpb(entry, line, sizeof line - 1, JSON_COMPACT) : 0;
        line[n < sizeof line ? n : 0] = 0;
        json_decref(entry);
    }
    log->write(log->context, SIB_LOG_INFO, line);
}

void metrics_request(struct server *s, const exchange *x)
{
    double seconds = (double)(sib_time_ns() - x->began) / 1e9;
    if (!x->method || !x->path)
        return;
    count(s->metrics, x->route, x->gone && !x->headers_sent ? 499 : x->status, seconds);
    write_log(s, x, seconds);
}

void metrics_audio(struct server *s, double seconds, double took)
{
    pthread_mutex_lock(&s->metrics->lock);
    s->metrics->audio_seconds += seconds;
    s->metrics->audio_took += took;
    pthread_mutex_unlock(&s->metrics->lock);
}

void metrics_tokens(struct server *s, uint64_t n)
{
    pthread_mutex_lock(&s->metrics->lock);
    s->metrics->tokens += n;
    pthread_mutex_unlock(&s->metrics->lock);
}

/* ---- /metrics ---- */

static void write_rows(buffer *b, const metrics *m)
{
    buffer_add_text(b, "# HELP sibyl_request_seconds Time from a request's first byte to the answer's last.\n"
                       "# TYPE sibyl_request_seconds histogram\n");
    for (size_t i = 0; i < m->n_rows; i++) {
        const row *r = &m->rows[i];
        char labels[160];
        snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\",code=\"%u\"",
                 r->route ? r->route->method : "", r->route ? r->route->path : "none", r->status);
        uint64_t below = 0;
        for (size_t k = 0; k < N_BOUNDS; k++) {
            below += r->in_bucket[k];
            buffer_format(b, "sibyl_request_seconds_bucket{%s,le=\"%g\"} %llu\n", labels, bounds[k],
                          (unsigned long long)below);
        }
        buffer_format(
            b,
            "sibyl_request_seconds_bucket{%s,le=\"+Inf\"} %llu\nsibyl_request_seconds_sum{%s} %.9g\n"
            "sibyl_request_seconds_count{%s} %llu\n",
            labels, (unsigned long long)r->count, labels, r->seconds, labels, (unsigned long long)r->count);
    }
}

/* One value: its help, kind and number. */
static void write_value(buffer *b, const char *name, const char *kind, const char *help, double value)
{
    buffer_format(b, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, kind, name, value);
}

void handle_metrics(exchange *x)
{
    struct server *s = exchange_server(x);
    metrics *m = s->metrics;
    buffer b = {0};
    pthread_mutex_lock(&m->lock);
    write_rows(&b, m);
    double tokens = (double)m->tokens, audio = m->audio_seconds, took = m->audio_took;
    pthread_mutex_unlock(&m->lock);
    unsigned waiting, running;
    work_load(s->work, &waiting, &running);
    sib_memory memory;
    sib_memory_usage(&memory);
    sib_alloc_counters held;
    sib_alloc_counters_get(&held);
    write_value(&b, "sibyl_queue_waiting", "gauge", "Requests that wait for a thread.", waiting);
    write_value(&b, "sibyl_queue_running", "gauge", "Requests that compute.", running);
    write_value(&b, "sibyl_tokens_total", "counter", "Tokens generated.", tokens);
    write_value(&b, "sibyl_audio_seconds_total", "counter", "Seconds of audio transcribed.", audio);
    write_value(&b, "sibyl_audio_compute_seconds_total", "counter", "Seconds that this took.", took);
    write_value(&b, "sibyl_real_time_factor", "gauge", "Seconds taken by a second of audio, since the start.",
                audio > 0 ? took / audio : 0);
    write_value(&b, "sibyl_models", "gauge", "Models opened.", atomic_load(&s->n_models));
    write_value(&b, "process_resident_memory_bytes", "gauge", "Memory of the process.",
                (double)memory.resident);
    write_value(&b, "sibyl_allocated_bytes", "gauge", "Memory that the library holds.",
                (double)held.bytes_current);
    if (b.failed)
        answer_error(x, 503, NULL, "the server has too little memory for this answer");
    else
        answer_bytes(x, 200, "text/plain; version=0.0.4; charset=utf-8", b.data, b.size);
    buffer_free(&b);
}
