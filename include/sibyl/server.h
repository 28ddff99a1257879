/* A server of speech, text and models over HTTP and WebSocket, as `sibyl serve` runs it. In a library of its own,
   sibyl_server, so that programs without it need no libwebsockets. */
#ifndef SIBYL_SERVER_H
#define SIBYL_SERVER_H

#include <sibyl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_server sib_server;

/* How requests are logged. */
typedef enum sib_server_log { SIB_SERVER_LOG_NONE, SIB_SERVER_LOG_TEXT, SIB_SERVER_LOG_JSON } sib_server_log;

/* All zero: the defaults in brackets. Strings are copied. */
typedef struct sib_server_options {
    const char *host; /* address to listen on ["127.0.0.1"]; any but a loopback one demands a token */
    unsigned port;    /* 0: a free one, which sib_server_address tells */
    int socket;       /* a TCP socket that listens, to use in place of host and port; owned by the server once
                          it is created; 0: none */
    const char *token; /* what clients must send as "Authorization: Bearer TOKEN"; NULL: nothing */
    const char *tls_cert, *tls_key; /* PEM files, both or none */
    const char *models;             /* folder whose files clients may name; NULL: none */
    const char *backends;           /* as in sib_session_options */
    const char *wyoming;            /* "PORT" or "HOST:PORT" where the Wyoming protocol is spoken, without
                                       tokens: HOST is a loopback address ["127.0.0.1"]; NULL: nowhere */
    unsigned threads;               /* of each job; 0: one per processor that this process may use */
    unsigned jobs;                  /* requests that compute at the same time [one per processor] */
    unsigned batch;            /* texts that are generated at the same time, by steps that they share where
                                       the model can be batched (batch.h), otherwise as many as `jobs`; at most
                                       64; 1: one after the other [16] */
    uint64_t prefix_bytes;     /* of each model, memory of caches that are kept of texts that have ended
                                  (batch.h); UINT64_MAX: none [256 MiB] */
    unsigned queue;            /* requests that wait for these; more are answered with 429 [64] */
    uint64_t max_upload;       /* bytes of a request's body [256 MiB] */
    uint64_t max_bodies;       /* bytes of all bodies held at once [4 max_upload] */
    uint64_t max_import;       /* bytes of weights that the import of a checkpoint writes to the folder of
                                       temporary files [half of what is free there] */
    unsigned max_connections;  /* [2048] */
    double time_limit;         /* seconds that a request may compute [600] */
    double send_timeout;       /* seconds that a client may take nothing of its answer, at most 1e6 [30] */
    double grace;              /* seconds that running requests have after sib_server_stop [10] */
    sib_server_log log_format; /* of a line per request, given to `log` as SIB_LOG_INFO */
    sib_logger log;            /* called from several threads at once */
} sib_server_options;

/* Begins to listen; connections wait until sib_server_run. out: owned by the caller, sib_server_free(&s).
   Errors: SIB_ERR_ARGUMENT (options that contradict each other, such as a public host without a token), SIB_ERR_IO (the
   address is in use, a certificate cannot be read), SIB_ERR_MEMORY. */
SIB_API sib_code sib_server_create(const sib_server_options *options, sib_server **out, sib_error *err);

/* Opens a model, a job's document or a folder with one, under the name that clients use: its file's name without
   extension. Errors: those of sib_job_open and sib_model_open. Thread-safe. */
SIB_API sib_code sib_server_open(sib_server *s, const char *path, sib_error *err);

/* "http://127.0.0.1:8750". Lives as long as the server. */
SIB_API const char *sib_server_address(const sib_server *s);

/* "tcp://127.0.0.1:10300"; NULL where the Wyoming protocol is not spoken. Lives as long as the server. */
SIB_API const char *sib_server_wyoming_address(const sib_server *s);

/* Serves until sib_server_stop, then lets running requests end within the grace period, cancels those that are left, and
   returns SIB_OK. Call it once. Errors: SIB_ERR_IO (the event loop failed). */
SIB_API sib_code sib_server_run(sib_server *s, sib_error *err);

/* Makes sib_server_run return. Thread-safe, and safe in signal handlers. */
SIB_API void sib_server_stop(sib_server *s);

/* NULL and a pointer to NULL are allowed. Not while sib_server_run runs. */
SIB_API void sib_server_free(sib_server **s);

#ifdef __cplusplus
}
#endif
#endif
