/* Clocks, statistics of measured series, memory, and a monitor for long runs. */
#ifndef SIBYL_TIMING_H
#define SIBYL_TIMING_H

#include <sibyl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Monotonic time in nanoseconds since an arbitrary point (CLOCK_MONOTONIC). Thread-safe. */
SIB_API uint64_t sib_time_ns(void);

/* Start a timer, then read the seconds since; a timer may be read many times. */
typedef struct sib_timer {
    uint64_t start_ns;
} sib_timer;
SIB_API sib_timer sib_timer_start(void);
SIB_API double sib_timer_seconds(const sib_timer *timer);

/* Statistics of a series of n values. Percentiles interpolate linearly between order statistics (Hyndman &
   Fan 1996, type 7, as NumPy's default); std is the sample's (n - 1), 0 for n = 1. An outlier lies more
   than 1.5 interquartile ranges outside the quartiles (Tukey 1977). */
typedef struct sib_series {
    size_t n;
    double min, median, mean, p95, p99, max, std;
    size_t n_outliers;
} sib_series;

/* values: (n) only read. outliers: (n) set to true for each outlier, or NULL.
   Errors: SIB_ERR_ARGUMENT (n is 0), SIB_ERR_VALUE (a NaN or infinite value, named by index),
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_series_stats(const double *values, size_t n, sib_series *out, bool *outliers,
                                  sib_error *err);

/* Memory of this process in bytes, as the system counts it; 0 where it is unknown. */
typedef struct sib_memory {
    uint64_t resident;      /* now */
    uint64_t resident_peak; /* max since the process began */
} sib_memory;
SIB_API void sib_memory_usage(sib_memory *out);

/* Sets how many bytes the library may hold in this process; what needs more fails with SIB_ERR_MEMORY. 0, as
   at the start: as many megabytes as the environment variable SIBYL_MEMORY says, else seven eighths of the
   memory that the machine and the process's control groups have for this process, looked up again as it
   grows. UINT64_MAX: no limit. Files mapped into memory, such as weights of a model, and memory of
   third-party libraries are not counted. Thread-safe. */
SIB_API void sib_memory_limit_set(uint64_t bytes);

/* ---- Monitor ------------------------------------------------------------------------------------ */

/* One reading of this process. */
typedef struct sib_monitor_sample {
    double seconds;     /* since the monitor began */
    double cpu;         /* average number of busy processors since the previous reading (the first: since the
                           monitor began) */
    uint64_t resident;  /* bytes */
    uint64_t allocated; /* bytes that the library holds (sib_alloc_counters.bytes_current) */
} sib_monitor_sample;

/* Reads CPU and memory of this process every `interval` seconds on its own thread. */
typedef struct sib_monitor sib_monitor;

/* capacity: readings kept; when full, every second one is dropped and the interval doubled, so a run of any
   length fits. At least 2. out: owned by the caller, sib_monitor_free(&monitor) (which also stops it).
   Errors: SIB_ERR_ARGUMENT (interval below 0.001 s or not finite, capacity below 2), SIB_ERR_MEMORY,
   SIB_ERR_UNSUPPORTED (no thread could be started). */
SIB_API sib_code sib_monitor_start(double interval, size_t capacity, sib_monitor **out, sib_error *err);

/* Takes a last reading and stops the thread; the readings stay until sib_monitor_free. May be called twice,
   but not from two threads at once. */
SIB_API void sib_monitor_stop(sib_monitor *monitor);

/* Readings so far, oldest first: copies up to max into samples (max) and returns how many there are. */
SIB_API size_t sib_monitor_samples(sib_monitor *monitor, sib_monitor_sample *samples, size_t max);
SIB_API void sib_monitor_free(sib_monitor **monitor);

/* ---- What the machine can do --------------------------------------------------------------------- */

typedef struct sib_peak {
    double flops;      /* best FMA rate reached, FLOP/s, float32, over `threads` threads */
    double read_bytes; /* bytes read per second from a buffer far larger than the caches */
    unsigned threads;
} sib_peak;

/* Measures for about `seconds` with the widest FMA of the CPU level in use (independent chains in registers)
   and with streaming reads. pool: NULL for one thread.
   Errors: SIB_ERR_ARGUMENT (seconds not in 0.01 .. 60), SIB_ERR_MEMORY. */
SIB_API sib_code sib_measure_peak(sib_pool *pool, double seconds, sib_peak *out, sib_error *err);

/* The costs by which kernels are chosen, as this machine shows them. */
typedef struct sib_costs {
    size_t shapes; /* convolutions of which at least two ways were measured */
    /* time of the way chosen over that of the fastest one, geometric mean of the shapes: by the numbers of the
       processor's class, and by those of `row` */
    double before, after;
    char row[2048]; /* the numbers as C text, a row of src/kernel/costs.def */
} sib_costs;

/* Measures convolutions of many shapes for about `seconds`, each by every way that fits, and fits the numbers of the
   class to them. pool: NULL for one thread. Errors: SIB_ERR_ARGUMENT (seconds not in 0.01 .. 3,600), SIB_ERR_MEMORY. */
SIB_API sib_code sib_measure_costs(sib_pool *pool, double seconds, sib_costs *out, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
