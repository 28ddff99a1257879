/* Sessions: models made ready to run, with every value of a run open to inspection. */
#ifndef SIBYL_SESSION_H
#define SIBYL_SESSION_H

#include <sibyl/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_session sib_session;

typedef struct sib_session_options {
    /* In order of preference, "cpu,ref"; "vulkan:1" is the second device of a backend that has some. NULL: all in this
       build but those of devices, fastest first. */
    const char *backends;
    unsigned threads; /* 0: one per processor that this process may use */
    sib_pool *pool;   /* threads to share between sessions: borrowed, must outlive the session; NULL: the
                              session's own */
    uint64_t seed;    /* of random operators without a seed attribute */
    bool oracle;      /* every float value in double */
    uint64_t
        memory_limit; /* max bytes that values of a run may take together; 0: 4 GiB or 1,024 times the bytes
                              of weights and inputs, whichever is more, and 512 MiB for strings that nodes make.
                              The process's limit (sib_memory_limit_set) holds too */
    /* Passes that rewrite the graph before it is planned: "-fuse_gelu" (all but that), "-all,dead" (that
       alone) or "all". NULL: all where a backend other than ref is present, otherwise none. With oracle none
       run. */
    const char *passes;
    /* Limits the edits that passes make to pass_limit, and the fused groups of each plan to what is left of
       it: halving the number finds the edit that did harm. */
    bool limit_passes;
    uint64_t pass_limit;
    /* Kernels of the backend cpu whose modelled costs are close are timed on the layer's own shape, a few milliseconds
       each, when a plan is made, and the fastest one runs; the process remembers it for later plans. Ways to compute a
       layer differ in the last bits, so results may then differ from one process to the next. Not with oracle. */
    bool tune;
    /* Implies tune: a file from which such choices are read and to which new ones are appended, so that later
       processes measure nothing and compute the same. Its form: docs/tuning.md. NULL: none. */
    const char *tuning_file;
    sib_logger log; /* backends, passes, plans, kernels, failures of runs */
} sib_session_options;

/* Names of the backends in this build, which include "ref". NULL where i is out of range. */
SIB_API const char *sib_backend_name(size_t i);
/* Whether sessions open backend i only where they name it, as those of devices. */
SIB_API bool sib_backend_asked(size_t i);

/* A backend, and the device that it would run on. */
typedef struct sib_backend_info {
    const char *name, *description; /* static */
    bool asked;                     /* sib_backend_asked */
    bool available;
    char device[256];               /* its name; "" for the processor that runs the program */
    char features[256];             /* what it says of its arithmetic, for people; may be "" */
    uint64_t memory;                /* bytes of the device's own memory; 0: unknown */
    uint64_t max_value;             /* max bytes of one value; 0: unknown */
    char problem[SIB_MESSAGE_SIZE]; /* why it is not available, a sentence */
} sib_backend_info;
/* Fills *out for backend i, whose first device is opened for that. Returns false where i is out of range. */
SIB_API bool sib_backend_get_info(size_t i, sib_backend_info *out);
/* The same for its device `device`, from 0 on; --backend names the second as "vulkan:1". Returns false where
   there is none of that number, except that device 0 says in `problem` why it is not available. */
SIB_API bool sib_backend_get_device(size_t i, unsigned device, sib_backend_info *out);

/* What a device does per second at most. */
typedef struct sib_device_rates {
    double upload, download; /* bytes to it and from it */
    double copy;             /* bytes that its kernel for moving elements reads and writes, together */
    double flops;            /* of its product of large float32 matrices */
} sib_device_rates;
/* Measures device `device` of backend i, some seconds. Errors: SIB_ERR_ARGUMENT (i is out of range, or its backend
   has no devices), SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY. */
SIB_API sib_code sib_backend_measure(size_t i, unsigned device, sib_device_rates *out, sib_error *err);

/* Makes a session. model: kept alive by the session, so the caller may free its reference. options: may be
   NULL. out: owned by the caller, sib_session_free(&s). An operator that no backend has is refused, by name.
   Errors: SIB_ERR_ARGUMENT (a backend that is not in this build), SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY; of tuning_file
   SIB_ERR_IO, SIB_ERR_FORMAT (it is no such file, or damaged; nothing in it is changed) and SIB_ERR_SIZE. */
SIB_API sib_code sib_session_create(sib_model *model, const sib_session_options *options, sib_session **out,
                                    sib_error *err);
SIB_API void sib_session_free(sib_session **s);
SIB_API const sib_model *sib_session_model(const sib_session *s);
/* What runs noticed, such as inputs that share a symbol and have different sizes, as a sentence, each once.
   NULL where i is out of range. Lives as long as the session. Thread-safe. */
SIB_API const char *sib_session_diagnostic(const sib_session *s, size_t i);
/* Number of edits that passes made to the model's graph for this session, without those of plans (fused
   groups). */
SIB_API uint64_t sib_session_edits(const sib_session *s);
/* Name of pass i in the order in which they run, and in *meaning (may be NULL) what it does. NULL where i is
   out of range. */
SIB_API const char *sib_pass_name(size_t i, const char **meaning);

/* ---- Running --------------------------------------------------------------------------------------- */

typedef struct sib_named_value {
    const char *name;
    const sib_value *value;
} sib_named_value;

/* A value as a run computes it, of the model's graph as in the file. name: the value's name in the file,
   "node/milli.3:add" for values inside a node, and "loop[4]/name" inside a subgraph. node: the node that
   computed it, "" for an input; a node that has no name in the file is "node12" by its number in its graph, here and in
   these names as in profiles (watch.h). value lives until the call returns. A code other than SIB_OK stops the
   run. */
typedef struct sib_tap_event {
    const char *name, *node, *op_type;
    bool milli; /* a value inside a lowered operator */
    const sib_value *value;
    uint64_t run;     /* number of the run in its session, from 1 */
    uint64_t time_ns; /* sib_time_ns when the value was there */
} sib_tap_event;
typedef sib_code (*sib_tap)(void *context, const sib_tap_event *event, sib_error *err);

typedef struct sib_profile sib_profile;

typedef struct sib_run_options {
    sib_tap tap; /* NULL: none */
    void *tap_context;
    const char *const *tap_names; /* (n_taps) names or globs ("*", "encoder/?"); with n_taps 0 every value */
    size_t n_taps;
    bool tap_inside;          /* also values of milli-ops */
    bool tap_optimised;       /* values of the graph as passes left it, not as in the file */
    sib_profile *profile;     /* filled; NULL: none */
    const sib_cancel *cancel; /* NULL: none */
    bool *tap_matched; /* (n_taps) set to true for each of tap_names that a value matched; may be NULL */
    /* (n_outputs, or all) true for outputs whose elements stay on the session's device, where a step of it makes them;
       others, and all of a run with taps or watches of values, come to the host. Runs of any session with the same
       device of this process take such a value as an input without a copy, and other sessions copy it once; see
       sib_value_fetch. A run whose outputs all stay does not wait for the device, so a failure of it may show only in a
       later call. NULL: none */
    const bool *stay;
    /* (n_inputs) true for inputs that the caller has no use for afterwards, and which no other run reads: an output of
       TensorScatter may take over the memory of the cache that it continues, so that only the new rows are written. Its
       value then is, or shares memory with, the input's; after a failure the rows may have been written. NULL: none */
    const bool *overwrite;
} sib_run_options;

/* Runs the model. inputs: (n_inputs) by name; those with a default may be left out. Names, dtypes and dims
   are checked before anything runs; inputs that share a symbol and have different sizes give a diagnostic
   (sib_session_diagnostic), and the graph runs as in the file. outputs: (n_outputs) names, or NULL with
   n_outputs 0 for all. out: (n_outputs, or all) receives values owned by the caller; all NULL after a
   failure. options: may be NULL. Thread-safe: several threads may run one session.
   Errors: SIB_ERR_ARGUMENT naming the input and both shapes, SIB_ERR_CANCELLED, SIB_ERR_MEMORY (the limit,
   with the node), and those of operators (SIB_ERR_VALUE, SIB_ERR_UNSUPPORTED). */
SIB_API sib_code sib_session_run(sib_session *s, size_t n_inputs, const sib_named_value *inputs,
                                 size_t n_outputs, const char *const *outputs, sib_value **out,
                                 const sib_run_options *options, sib_error *err);

/* ---- Profiles --------------------------------------------------------------------------------------- */

SIB_API sib_code sib_profile_create(sib_profile **out, sib_error *err);
SIB_API void sib_profile_free(sib_profile **p);
typedef struct sib_profile_row {
    const char *node, *op_type, *backend; /* node "" in rows by operator; "node12" for an unnamed node */
    uint64_t calls;
    double seconds;
    double flops;                       /* a multiply-add counts as 2; 0 where unknown */
    uint64_t bytes_read, bytes_written; /* elements of inputs, weights included, and of outputs */
    uint64_t memory;                    /* max bytes of values that existed during a call, without weights */
} sib_profile_row;
typedef enum sib_profile_by {
    SIB_PROFILE_BY_NODE,
    SIB_PROFILE_BY_OPERATOR,
    SIB_PROFILE_BY_MILLI,
    SIB_PROFILE_BY_PHASE
} sib_profile_by;
/* Row i, longest time first; by node (including its milli-ops), by operator type, by milli-op, or by phase: rows
   whose op_type is the name of a kind of spans (sib_span_kind_name) and whose time is spent in such spans but in
   none inside them, so that all rows together are the time of the outermost spans. Returns false where i is
   out of range. Strings live as long as the profile. */
SIB_API bool sib_profile_get(const sib_profile *p, sib_profile_by by, size_t i, sib_profile_row *out);

/* ---- Comparing -------------------------------------------------------------------------------------- */

/* Compares two values by sib_tensor_compare on each tensor in them; *out holds the sums and the worst.
   Different kinds, counts, dtypes or dims are SIB_ERR_ARGUMENT with both. */
SIB_API sib_code sib_value_compare(const sib_value *a, const sib_value *b, const sib_tolerance *tolerance,
                                   sib_comparison *out, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
