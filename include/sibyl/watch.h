/* Watching runs: values and events of a session's runs, seen from any thread while they go on, and the timeline
   of a profile. */
#ifndef SIBYL_WATCH_H
#define SIBYL_WATCH_H

#include <sibyl/digest.h>
#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Spans ------------------------------------------------------------------------------------------ */

/* What takes time in a run, from the outside in. Constant, name, meaning. */
#define SIB_SPAN_KINDS(X)                                                                                    \
    X(SIB_SPAN_JOB, "job", "a run of a job, or what the program that fills a profile calls one")             \
    X(SIB_SPAN_CALL, "call", "one call of a model, or one node of a job")                                    \
    X(SIB_SPAN_RUN, "run", "sib_session_run")                                                                \
    X(SIB_SPAN_BODY, "body", "one run of the graph inside a node: an iteration of Loop, a branch of If")     \
    X(SIB_SPAN_PLAN, "plan", "planning of nodes for dims that no kept plan fits; packing is part of it")     \
    X(SIB_SPAN_PACK, "pack", "weights of a node read from the file and packed for its kernel")               \
    X(SIB_SPAN_NODE, "node", "a node of the graph")                                                          \
    X(SIB_SPAN_STEP, "step", "a milli-op or fused group of a node that no backend runs as one operator")

typedef enum sib_span_kind {
#define SIB_SPAN_ENUM(constant, name, meaning) constant,
    SIB_SPAN_KINDS(SIB_SPAN_ENUM)
#undef SIB_SPAN_ENUM
        SIB_SPAN_COUNT
} sib_span_kind;
/* "job", "run", ...; NULL for anything else. */
SIB_API const char *sib_span_kind_name(sib_span_kind kind);

/* Strings live until the callback returns, or as long as the profile. Fields that do not apply are 0 or "". */
typedef struct sib_time_span {
    sib_span_kind kind;
    const char *name;    /* of the node ("node12" if unnamed); of a BODY its node and iteration: "loop[4]" */
    const char *op_type; /* operator or milli-op */
    const char *backend, *kernel;
    uint64_t run;           /* number of the run in its session, from 1 */
    uint64_t thread;        /* the system's number of the thread that runs the nodes, not of its helpers */
    uint64_t begin, end;    /* sib_time_ns; end is 0 while it goes on */
    uint32_t depth, parent; /* parent: number of the enclosing span in the profile, SIB_NONE where none is */
    double flops;           /* a multiply-add counts as 2; 0 where unknown */
    uint64_t bytes_read;    /* elements of inputs, weights included. PACK: 0 */
    uint64_t bytes_written; /* elements of outputs. PACK: bytes packed */
    uint64_t memory;        /* of values that exist while a NODE or STEP runs; weights are not counted */
} sib_time_span;

/* ---- Watches ---------------------------------------------------------------------------------------- */

typedef struct sib_watch sib_watch;

/* What a watch of digests takes where nothing else is asked: of the time of runs, and in seconds before that counts. */
#define SIB_WATCH_SHARE   0.05
#define SIB_WATCH_SECONDS 0.05

/* Callbacks are called from the thread that runs the session, and from several at once if several run it. Their
   arguments live until they return. NULL: none. A code other than SIB_OK ends that run with it. */
typedef struct sib_watch_options {
    /* (n_names) names or globs of values ("*", "encoder/?", "loop[[]*]/h"); with n_names 0 every value. Copied. */
    const char *const *names;
    size_t n_names;
    bool inside; /* also values of milli-ops */
    /* Leaves the choice of graph and plan to the session, so that runs are as fast as unwatched ones: values are
       seen that the graph has after passes and that fusing leaves. Otherwise runs that begin with the watch use
       the graph as in the file, unfused, as taps do, and every value is seen. */
    bool optimised;
    bool exact; /* as in sib_digest_options */
    /* What values and digests of this watch, and the plans that show them, may take of the time of runs, on average:
       after a run in which they took t, nothing is seen of the next runs until these have taken t / share in total.
       0: a watch of digests alone takes SIB_WATCH_SHARE once it has had SIB_WATCH_SECONDS, so that a few runs are all
       seen and the speed of many is kept; one with on_value sees every run. A run that goes on in another thread
       meanwhile may be seen in part. */
    double share;
    bool every_run; /* every run is seen, whatever that takes; share is then 0 */
    void *context;
    sib_code (*on_value)(void *context, const sib_tap_event *event, sib_error *err);
    sib_code (*on_digest)(void *context, const sib_tap_event *event, const sib_digest *digest,
                          sib_error *err);
    /* begins: the span begins, else it has ended. Of a span in which the watch was added only the end is seen. */
    void (*on_event)(void *context, const sib_time_span *span, bool begins);
} sib_watch_options;

/* Adds a watch. It is seen by runs of the session under way, from the next step of their plans on, and by those that
   begin later. A run under way keeps its plan, so that of its values those are seen that the plan has: with a plan that
   is not fused each output of a node, otherwise those that fusing left. Values that the watch misses in this way it
   sees in the next run. Steps of long recurrent nodes are not seen as values, the nodes are. out: owned by the caller,
   sib_watch_remove(&w), also after the session is freed. Thread-safe, also from callbacks. Errors: SIB_ERR_ARGUMENT (no
   callback), SIB_ERR_MEMORY. */
SIB_API sib_code sib_watch_add(sib_session *s, const sib_watch_options *options, sib_watch **out,
                               sib_error *err);
/* Removes and frees a watch and clears the pointer. When it returns, no callback of the watch runs in another thread,
   and none will be called. Thread-safe; a callback may remove its own watch. Two callbacks that run at the same time
   in two threads must not remove the same watch, nor each other's: each would wait for the other. */
SIB_API void sib_watch_remove(sib_watch **w);
/* Runs that the watch did not see since it was added, for its share of the time. Thread-safe. */
SIB_API uint64_t sib_watch_skipped(const sib_watch *w);
/* Whether the session has watches. Thread-safe. */
SIB_API bool sib_session_is_watched(const sib_session *s);

/* ---- Timelines -------------------------------------------------------------------------------------- */

/* Max spans that a profile keeps: the first ones; others are counted. At first 1,000,000, of about 110 bytes. */
SIB_API void sib_profile_limit(sib_profile *p, size_t max_spans);
/* Span i in the order in which they began. Returns false where i is out of range. Thread-safe; strings live as
   long as the profile. */
SIB_API bool sib_profile_span(const sib_profile *p, size_t i, sib_time_span *out);
/* Number of spans kept; *dropped (may be NULL): those that were not. */
SIB_API size_t sib_profile_spans(const sib_profile *p, uint64_t *dropped);

/* Spans of the caller's own, around those of the runs that it starts in the same thread. Returns the number to be
   given to sib_profile_end. Where memory fails, or beyond the limit, nothing is kept. Thread-safe. */
SIB_API uint64_t sib_profile_begin(sib_profile *p, sib_span_kind kind, const char *name);
SIB_API void sib_profile_end(sib_profile *p, uint64_t span);

/* Writes the timeline as Chrome's trace events in JSON, which ui.perfetto.dev, chrome://tracing and speedscope open:
   a complete event ("ph": "X") for each span, times in microseconds from the first. Written to another file and
   renamed. Errors: SIB_ERR_IO, SIB_ERR_MEMORY. */
SIB_API sib_code sib_profile_save_trace(const sib_profile *p, const char *path, sib_error *err);
/* The same as text. *text: owned by the caller, release with sib_free; *size: its bytes without the NUL at its end; may
   be NULL. Errors: SIB_ERR_MEMORY. */
SIB_API sib_code sib_profile_trace_text(const sib_profile *p, char **text, size_t *size, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
