/* Errors, versions, memory and threads: what every other header builds on. */
#ifndef SIBYL_BASE_H
#define SIBYL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(SIB_STATIC)
#define SIB_API
#elif defined(SIB_BUILDING)
#define SIB_API __attribute__((visibility("default")))
#else
#define SIB_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ------------------------------------------------------------------------------------- */

/* One row per code: constant, number, name, meaning. The enum and the names are made from this list. */
#define SIB_CODES(X)                                                                                         \
    X(SIB_OK, 0, "ok", "no error")                                                                           \
    X(SIB_ERR_ARGUMENT, 1, "argument", "an argument is not what the call takes")                             \
    X(SIB_ERR_MEMORY, 2, "memory", "memory could not be had")                                                \
    X(SIB_ERR_IO, 3, "io", "a file could not be opened, read or written")                                    \
    X(SIB_ERR_FORMAT, 4, "format", "a file or value is malformed")                                           \
    X(SIB_ERR_SIZE, 5, "size", "a size overflows or does not fit")                                           \
    X(SIB_ERR_VALUE, 6, "value", "a number is not usable: NaN, infinite or out of range")                    \
    X(SIB_ERR_UNSUPPORTED, 7, "unsupported", "known, but not built or not available here")                   \
    X(SIB_ERR_CANCELLED, 8, "cancelled", "the caller cancelled the call")

typedef enum sib_code {
#define SIB_CODE_ENUM(constant, number, name, text) constant = number,
    SIB_CODES(SIB_CODE_ENUM)
#undef SIB_CODE_ENUM
} sib_code;

#define SIB_NO_OFFSET UINT64_MAX

/* Bytes of an error's message with its NUL. */
#define SIB_MESSAGE_SIZE 1024

/* Filled by the first failure; later ones leave it alone, so start from SIB_ERROR_INIT (or all zero). Holds
   no allocated memory, so that running out of memory can be reported. */
typedef struct sib_error {
    sib_code code;
    uint64_t offset; /* byte in the file that was read, or SIB_NO_OFFSET */
    /* one sentence: which thing, what is wrong, what was expected; UTF-8, NUL-terminated */
    char message[SIB_MESSAGE_SIZE];
} sib_error;

#define SIB_ERROR_INIT                                                                                       \
    {                                                                                                        \
        SIB_OK, SIB_NO_OFFSET,                                                                               \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }

/* Name of a code ("io"), or "unknown". Static storage. Thread-safe. */
SIB_API const char *sib_code_name(sib_code code);

/* What a code means, as a sentence, or "unknown error". Static storage. Thread-safe. */
SIB_API const char *sib_code_text(sib_code code);

/* ---- Logs --------------------------------------------------------------------------------------- */

/* One row per level: constant, number, name, what is written. A log receives its own level and those above. */
#define SIB_LOG_LEVELS(X)                                                                                    \
    X(SIB_LOG_ERROR, 1, "error", "calls that failed, as they return it")                                     \
    X(SIB_LOG_WARNING, 2, "warning", "what models and runs noticed")                                         \
    X(SIB_LOG_INFO, 3, "info",                                                                               \
      "models opened, backends and passes chosen, plans, operators without a fast kernel")                   \
    X(SIB_LOG_DEBUG, 4, "debug", "each step of a plan with its kernel, weights packed")

typedef enum sib_log_level {
#define SIB_LOG_ENUM(constant, number, name, text) constant = number,
    SIB_LOG_LEVELS(SIB_LOG_ENUM)
#undef SIB_LOG_ENUM
} sib_log_level;
/* "error", "warning", "info" or "debug"; NULL for anything else. */
SIB_API const char *sib_log_level_name(sib_log_level level);

/* Where messages go, an option of models, sessions and jobs: the library itself prints nothing. All zero: nowhere.
   Each message is one line without its end, UTF-8 where names of the model are, and lives until `write` returns. A
   session's log is written to from every thread that runs it, perhaps at the same time; it must outlive the session
   (a model's and a job's the call that opens it, and the job). `write` must not call the object that it is of. */
typedef struct sib_logger {
    void (*write)(void *context, sib_log_level level, const char *message);
    void *context;
    sib_log_level level; /* the finest that is written */
} sib_logger;

/* ---- Version and machine ------------------------------------------------------------------------ */

/* Version of the library, "MAJOR.MINOR.PATCH". Static storage. Thread-safe. */
SIB_API const char *sib_version(void);

/* Name of the CPU level whose kernels run: "c", "avx2", "avx512" or "neon". The environment variable
   SIBYL_CPU lowers it (SIBYL_CPU=c forces portable C). Static storage. Thread-safe. */
SIB_API const char *sib_cpu_level_name(void);
/* Name of the class of processors whose measured costs kernels are chosen by: "any avx512". Static storage.
   Thread-safe. */
SIB_API const char *sib_cpu_class_name(void);

/* ---- Memory ------------------------------------------------------------------------------------- */

/* What the library has allocated in this process. bytes_* count payload, without the allocator's own
   overhead; memory of third-party libraries is not counted (sib_memory_usage shows all of it). */
typedef struct sib_alloc_counters {
    uint64_t allocations;   /* allocations that succeeded, since the start */
    uint64_t frees;         /* blocks freed, since the start */
    uint64_t bytes_current; /* bytes held now */
    uint64_t bytes_peak;    /* max bytes held at once */
} sib_alloc_counters;

/* Reads the counters. Thread-safe; they are read one by one, so other threads may change one in between. */
SIB_API void sib_alloc_counters_get(sib_alloc_counters *out);

/* Frees a block that a call gave to the caller ("release with sib_free"). NULL is allowed. */
SIB_API void sib_free(void *block);

/* ---- Threads ------------------------------------------------------------------------------------ */

/* A pool of worker threads. Calls that take a pool accept NULL: they then run on the calling thread. */
typedef struct sib_pool sib_pool;

/* Makes a pool that runs work on `threads` threads, the caller's included; 0 means one per processor that
   this process may use: those of its affinity, and no more than the CPU quota of its control groups pays for,
   rounded up. Idle workers sleep, and on a busy machine the pool leaves out those that do more harm than
   good. out: receives the pool, owned by the caller: sib_pool_free(&pool). Errors: SIB_ERR_ARGUMENT (more
   than 1,024 threads), SIB_ERR_MEMORY. */
SIB_API sib_code sib_pool_create(unsigned threads, sib_pool **out, sib_error *err);

/* Stops the threads, frees the pool and clears the pointer. NULL and a pointer to NULL are allowed. */
SIB_API void sib_pool_free(sib_pool **pool);

/* Threads that work in the pool, the caller's included; 1 for NULL. */
SIB_API unsigned sib_pool_threads(const sib_pool *pool);

/* ---- Hashes ------------------------------------------------------------------------------------- */

#define SIB_SHA256_TEXT 65 /* in hex, with its NUL */

/* SHA-256 (FIPS 180-4) of bytes that come in parts. The fields are private. */
typedef struct sib_sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes so far */
    unsigned char block[64];
} sib_sha256;
SIB_API void sib_sha256_begin(sib_sha256 *h);
/* data: (size) bytes; may be NULL where size is 0. */
SIB_API void sib_sha256_add(sib_sha256 *h, const void *data, size_t size);
/* h is of no use afterwards. */
SIB_API void sib_sha256_end(sib_sha256 *h, char text[SIB_SHA256_TEXT]);

/* ---- Cancelling --------------------------------------------------------------------------------- */

/* A flag that ends long calls, which then return SIB_ERR_CANCELLED. It must outlive the calls that it is given to. */
typedef struct sib_cancel sib_cancel;
/* out: owned by the caller, sib_cancel_free(&c). Errors: SIB_ERR_MEMORY. */
SIB_API sib_code sib_cancel_create(sib_cancel **out, sib_error *err);
SIB_API void sib_cancel_free(sib_cancel **c);
/* Thread-safe, and for good. */
SIB_API void sib_cancel_set(sib_cancel *c);

#ifdef __cplusplus
}
#endif
#endif
