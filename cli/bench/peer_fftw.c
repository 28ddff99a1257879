#include "bench/peer_fftw.h"

#include "messages.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libfftw3f.so.3"

/* Of FFTW's documented interface (version 3, single precision). */
#define PLAN_MEASURE 0u
typedef float complex_value[2];
typedef struct fftw_plan_opaque *plan;
typedef plan (*plan_many_r2c)(int rank, const int *n, int howmany, float *in, const int *inembed, int istride,
                              int idist, complex_value *out, const int *onembed, int ostride, int odist,
                              unsigned flags);

static const size_t batches[] = {1, 4, 16, 64};
#define N_BATCHES    (sizeof batches / sizeof *batches)
#define LARGEST      64
#define TRIAL_RUNS   5
#define TRIAL_FRAMES 640

struct peer_fftw {
    void *library;
    plan_many_r2c make;
    void (*execute)(plan);
    void (*destroy)(plan);
    void *(*take)(size_t);
    void (*give)(void *);
    void (*cleanup)(void); /* of what its planner keeps between plans */
    plan plans[N_BATCHES];
    size_t chosen;      /* of batches */
    float *frames;      /* (LARGEST, 400) */
    complex_value *out; /* (LARGEST, 201) */
    float *power;       /* (LARGEST, 201) */
    float window[FFTW_N_FFT];
};

/* The two loops around the transform are compiled for AVX2 too, so that they do not slow FFTW down. */
static inline __attribute__((always_inline)) void window_loop(const float *x, const float *w, float *out)
{
    for (size_t i = 0; i < FFTW_N_FFT; i++)
        out[i] = x[i] * w[i];
}

static inline __attribute__((always_inline)) void power_loop(const complex_value *x, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i][0] * x[i][0] + x[i][1] * x[i][1];
}

typedef struct {
    void (*window)(const float *x, const float *w, float *out);
    void (*power)(const complex_value *x, float *out, size_t n);
} loops;

static void window_plain(const float *x, const float *w, float *out)
{
    window_loop(x, w, out);
}

static void power_plain(const complex_value *x, float *out, size_t n)
{
    power_loop(x, out, n);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void window_avx2(const float *x, const float *w, float *out)
{
    window_loop(x, w, out);
}

__attribute__((target("avx2,fma"))) static void power_avx2(const complex_value *x, float *out, size_t n)
{
    power_loop(x, out, n);
}
#endif

static loops best_loops(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (loops){window_avx2, power_avx2};
#endif
    return (loops){window_plain, power_plain};
}

static void run_batch(peer_fftw *p, const loops *l, const float *samples, size_t which)
{
    for (size_t f = 0; f < batches[which]; f++)
        l->window(samples + f * FFTW_HOP, p->window, p->frames + f * FFTW_N_FFT);
    p->execute(p->plans[which]);
    l->power(p->out, p->power, batches[which] * FFTW_BINS);
}

static double run_frames(peer_fftw *p, const float *samples, size_t n_frames, size_t which)
{
    const loops l = best_loops();
    size_t batch = batches[which], t = 0;
    double sum = 0;
    for (; t + batch <= n_frames; t += batch) {
        run_batch(p, &l, samples + t * FFTW_HOP, which);
        sum += p->power[t % FFTW_BINS];
    }
    for (; t < n_frames; t++) {
        run_batch(p, &l, samples + t * FFTW_HOP, 0);
        sum += p->power[t % FFTW_BINS];
    }
    return sum;
}

static bool find_symbols(peer_fftw *p)
{
    const struct {
        const char *name;
        void **slot;
    } symbols[] = {{"fftwf_plan_many_dft_r2c", (void **)&p->make},
                   {"fftwf_execute", (void **)&p->execute},
                   {"fftwf_destroy_plan", (void **)&p->destroy},
                   {"fftwf_malloc", (void **)&p->take},
                   {"fftwf_free", (void **)&p->give},
                   {"fftwf_cleanup", (void **)&p->cleanup}};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (!(*symbols[i].slot = dlsym(p->library, symbols[i].name)))
            return false;
    return true;
}

static bool make_plans(peer_fftw *p)
{
    const int n[] = {FFTW_N_FFT};
    p->frames = p->take(LARGEST * FFTW_N_FFT * sizeof(float));
    p->out = p->take(LARGEST * FFTW_BINS * sizeof(complex_value));
    p->power = p->take(LARGEST * FFTW_BINS * sizeof(float));
    if (!p->frames || !p->out || !p->power)
        return false;
    for (size_t i = 0; i < N_BATCHES; i++) {
        p->plans[i] = p->make(1, n, (int)batches[i], p->frames, NULL, 1, FFTW_N_FFT, p->out, NULL, 1,
                              FFTW_BINS, PLAN_MEASURE);
        if (!p->plans[i])
            return false;
    }
    return true;
}

static void choose_batch(peer_fftw *p)
{
    float *samples = cli_alloc(TRIAL_FRAMES * FFTW_HOP + FFTW_N_FFT, sizeof *samples);
    double best = INFINITY;
    for (int run = 0; run < TRIAL_RUNS; run++)
        for (size_t i = 0; i < N_BATCHES; i++) {
            sib_timer timer = sib_timer_start();
            run_frames(p, samples, TRIAL_FRAMES, i);
            double seconds = sib_timer_seconds(&timer);
            if (seconds < best) {
                best = seconds;
                p->chosen = i;
            }
        }
    free(samples);
}

peer_fftw *peer_fftw_open(char *why, size_t bytes)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(why, bytes, "%s is not installed", LIBRARY);
        return NULL;
    }
    peer_fftw *p = cli_alloc(1, sizeof *p);
    p->library = library;
    for (int i = 0; i < FFTW_N_FFT; i++)
        p->window[i] = (float)(0.5 - 0.5 * cos(2 * 3.14159265358979323846 * i / FFTW_N_FFT));
    if (!find_symbols(p) || !make_plans(p)) {
        snprintf(why, bytes, "%s has no single-precision plans of 400 points", LIBRARY);
        peer_fftw_close(p);
        return NULL;
    }
    choose_batch(p);
    return p;
}

void peer_fftw_close(peer_fftw *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < N_BATCHES; i++)
        if (p->plans[i])
            p->destroy(p->plans[i]);
    if (p->give) {
        p->give(p->frames);
        p->give(p->out);
        p->give(p->power);
    }
    if (p->cleanup)
        p->cleanup();
    dlclose(p->library);
    free(p);
}

size_t peer_fftw_batch(const peer_fftw *p)
{
    return batches[p->chosen];
}

double peer_fftw_run(peer_fftw *p, const float *samples, size_t n_frames)
{
    return run_frames(p, samples, n_frames, p->chosen);
}

void peer_fftw_frame(peer_fftw *p, const float *samples, float *power)
{
    const loops l = best_loops();
    run_batch(p, &l, samples, 0);
    memcpy(power, p->power, FFTW_BINS * sizeof *power);
}
