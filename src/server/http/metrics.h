/* What the server counts, shown at /metrics in Prometheus' text format, and the log of requests. */
#ifndef SIB_SERVER_METRICS_H
#define SIB_SERVER_METRICS_H

#include "server/http/exchange.h"

typedef struct metrics metrics;

metrics *metrics_create(void);
void metrics_free(metrics **m);
/* Counts an exchange that has ended, and writes its line to the log. */
void metrics_request(struct server *s, const exchange *x);
/* Seconds of audio transcribed in `took` seconds; tokens generated. Thread-safe. */
void metrics_audio(struct server *s, double seconds, double took);
void metrics_tokens(struct server *s, uint64_t n);

#endif
