/* sibyl serve [MODEL...]: speech and models over HTTP. */
#include "command.h"
#include "job_model.h"
#include "messages.h"
#include "service.h"
#include "shared_options.h"

#include <sibyl/server.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TOKEN 4096

typedef struct settings {
    const char *host, *token, *token_file, *tls_cert, *tls_key, *models, *backends, *wyoming;
    long port, prefix_cache, max_upload, max_import, jobs, batch, queue, threads;
    double grace, time_limit, send_timeout;
    int log;
} settings;

static const char *const log_formats[] = {"none", "text", "json", NULL};

static const cli_option options[] = {
    OPT_FOLDER("models", models, "DIR", "folder whose models clients may open by name"),
    OPT_TEXT("host", host, "HOST", "address to listen on (default: 127.0.0.1)",
             .more = "Any but a loopback address needs a token."),
    OPT_INTEGER("port", port, "PORT", 0, 65535, "port to listen on; 0: a free one (default: 8750)"),
    OPT_TEXT("token", token, "T", "what clients must send as 'Authorization: Bearer T'"),
    OPT_FILE("token-file", token_file, "FILE", "the same from the first line of a file"),
    OPT_FILE("tls-cert", tls_cert, "FILE", "certificate (PEM) for https"),
    OPT_FILE("tls-key", tls_key, "FILE", "its key (PEM)"),
    OPT_TEXT("wyoming", wyoming, "[HOST:]PORT", "speak the Wyoming protocol there, for Home Assistant",
             .more = "HOST is a loopback address; port 0: a free one."),
    OPT_INTEGER("max-upload", max_upload, "MB", 1, 1 << 20, "largest body of a request (default: 256)"),
    OPT_INTEGER(
        "max-import", max_import, "MB", 1, 1 << 24, "largest model that an import of a checkpoint writes",
        .more = "It goes to the folder of temporary files, TMPDIR; default: half of what is free there."),
    OPT_INTEGER("jobs", jobs, "N", 1, 1024,
                "requests that compute at the same time (default: one per processor)"),
    OPT_INTEGER("batch", batch, "N", 1, 64,
                "texts that a model generates at the same time, by steps that they share (default: 16)"),
    OPT_INTEGER(
        "prefix-cache", prefix_cache, "MB", 0, 1 << 24,
        "memory of each model for what it has read of texts, which begin others alike (default: 256)",
        .more = "0: none. A client can tell by the time of an answer whether its text began as another's."),
    OPT_INTEGER("queue", queue, "N", 1, 65536,
                "requests that wait; more are answered with 429 (default: 64)"),
    OPT_NUMBER("time-limit", time_limit, "S", 0, 1e6, "seconds that a request may take (default: 600)",
               .above = true),
    OPT_NUMBER("send-timeout", send_timeout, "S", 0, 1e6,
               "seconds that a client may take nothing of its answer (default: 30)", .above = true),
    OPT_NUMBER("grace", grace, "S", 0, 1e6, "seconds that running requests have after SIGTERM (default: 10)",
               .above = true),
    OPT_BACKENDS("backend", backends, "backends in order of preference (default: all, the fastest first)"),
    OPT_THREADS("0"),
    OPT_CHOICE("log", log, log_formats, "a line on stderr for each request"),
    OPT_END};

static const char more[] = "Serves the models over HTTP until SIGINT or SIGTERM: speech to text by OpenAI's "
                           "API (/v1/audio/transcriptions, "
                           "/v1/audio/translations, /v1/models), models (/api/models), /healthz, /readyz and "
                           "/metrics. Prints one line with "
                           "the address once it listens. docs/serve.md describes it.";

/* For the signal handler, which has no context. */
static sib_server *serving;

static void on_signal(int number)
{
    (void)number;
    service_tell("STOPPING=1");
    sib_server_stop(serving);
}

static void write_log(void *context, sib_log_level level, const char *message)
{
    (void)context, (void)level;
    fprintf(stderr, "%s\n", message);
}

/* The first line of a file, owned by the caller; NULL, with a line on stderr, on failure. */
static char *read_token(const char *path)
{
    char line[MAX_TOKEN] = "";
    FILE *f = fopen(path, "re");
    bool read = f && fgets(line, sizeof line, f);
    if (f)
        fclose(f);
    line[strcspn(line, "\r\n")] = 0;
    char *token = read && line[0] ? strdup(line) : NULL;
    if (!token)
        cli_fail("%s: no token can be read from its first line", path);
    return token;
}

/* Whether the error itself begins with the file, as those of most files do. */
static bool tells(const sib_error *err, const char *path)
{
    return !strncmp(err->message, path, strlen(path));
}

static bool open_models(sib_server *s, int n, char **names)
{
    for (int i = 0; i < n; i++) {
        sib_error err = SIB_ERROR_INIT;
        char *path = job_model_path(names[i], NULL);
        bool opened = path && sib_server_open(s, path, &err) == SIB_OK;
        if (path && !opened)
            cli_fail("%s%s%s", tells(&err, path) ? "" : names[i], tells(&err, path) ? "" : ": ", err.message);
        free(path);
        if (!opened)
            return false;
    }
    return true;
}

/* Large blocks, of recordings and runs, are given back as they are freed. Otherwise glibc raises the size from which it
   does that up to 32 MiB, and its arenas, one of each thread, keep the largest that each has ever needed. */
static void keep_memory_flat(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

static bool serve_until_signal(sib_server *s)
{
    sib_error err = SIB_ERROR_INIT;
    struct sigaction action = {.sa_handler = on_signal};
    serving = s;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    printf("sibyl: serving at %s\n", sib_server_address(s));
    if (sib_server_wyoming_address(s))
        printf("sibyl: speaking Wyoming at %s\n", sib_server_wyoming_address(s));
    fflush(stdout);
    service_tell("READY=1");
    bool done = sib_server_run(s, &err) == SIB_OK;
    if (!done)
        cli_fail("%s", err.message);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    return done;
}

static int serve(const cli_command *self, int argc, char **argv)
{
    settings s = {.port = 8750, .prefix_cache = 256, .log = SIB_SERVER_LOG_NONE};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (s.token && s.token_file)
        return cli_usage(self, "give --token or --token-file, not both");
    char *token = s.token_file ? read_token(s.token_file) : NULL;
    int socket;
    if ((s.token_file && !token) || !service_socket(&socket)) {
        free(token);
        return CLI_FAILED;
    }
    service_begin();
    keep_memory_flat();
    sib_error err = SIB_ERROR_INIT;
    sib_server *server = NULL;
    sib_server_options o = {.host = s.host,
                            .port = (unsigned)s.port,
                            .socket = socket,
                            .token = token ? token : s.token,
                            .tls_cert = s.tls_cert,
                            .tls_key = s.tls_key,
                            .models = s.models,
                            .backends = s.backends,
                            .wyoming = s.wyoming,
                            .threads = (unsigned)s.threads,
                            .jobs = (unsigned)s.jobs,
                            .batch = (unsigned)s.batch,
                            .prefix_bytes = s.prefix_cache ? (uint64_t)s.prefix_cache << 20 : UINT64_MAX,
                            .queue = (unsigned)s.queue,
                            .max_upload = (uint64_t)s.max_upload << 20,
                            .max_import = (uint64_t)s.max_import << 20,
                            .time_limit = s.time_limit,
                            .send_timeout = s.send_timeout,
                            .grace = s.grace,
                            .log_format = (sib_server_log)s.log,
                            .log = {.write = write_log, .level = SIB_LOG_INFO}};
    bool done = sib_server_create(&o, &server, &err) == SIB_OK;
    if (!done)
        cli_fail("%s", err.message);
    done = done && open_models(server, n, argv) && serve_until_signal(server);
    sib_server_free(&server);
    free(token);
    return done ? CLI_DONE : CLI_FAILED;
}

const cli_command command_serve = {.name = "serve",
                                   .summary = "serve speech and models over HTTP",
                                   .operands = "[MODEL...] [options]",
                                   .options = options,
                                   .more = more,
                                   .run = serve};
