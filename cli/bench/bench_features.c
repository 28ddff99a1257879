/* sibyl bench features: 30 s of noise and tones, microseconds per frame. */
#include "bench/bench.h"

#include "bench/peer_fftw.h"
#include "bench/peer_torch.h"
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE       16000
#define N_SAMPLES  (30 * RATE)
#define N_FRAMES   3000
#define MAX_BANDS  128
#define MAX_FIGURE 16
#define US         1e6

/* The project's own bars, in time per frame. */
#define TORCH_BAR   0.20
#define FFTW_BAR    0.80
#define PRECISE_BAR 1.00
#define AVERAGE_BAR 1.15 /* with the 3 x 3 average over without */
#define SCALING_BAR 1.80
#define FIXED_BAR   1.50 /* fixed point over float */

/* A recording of 1 h 44 m, and the seconds that its features may take on two cores. */
#define TALK_FRAMES 628163
#define TALK_BAR    0.50

/* Chunks of the longer recording, on which the cost of waking threads no longer shows. */
#define LONG_CHUNKS 10

#define N_WAYS 6

/* One of our ways to compute features. */
typedef struct {
    const float *samples; /* (chunks, N_SAMPLES): chunks of 30 s, one recording */
    size_t chunks;
    sib_mel *mel;
    sib_pool *pool;
    float *out; /* (MAX_BANDS, chunks, N_FRAMES) */
} own;

typedef struct {
    const float *samples;
    peer_fftw *peer;
    volatile double sum; /* keeps the work */
} fftw_context;

static double measure_own(void *context)
{
    own *o = context;
    const size_t n = o->chunks * N_SAMPLES, frames = o->chunks * N_FRAMES;
    sib_timer timer = sib_timer_start();
    if (sib_mel_compute(o->mel, o->pool, o->samples, n, 0, o->out, frames, NULL) != SIB_OK)
        return -1;
    return sib_timer_seconds(&timer) * US / (double)frames;
}

/* One of our ways to compute features in fixed point. */
typedef struct {
    const int16_t *samples; /* (chunks, N_SAMPLES) */
    size_t chunks;
    sib_pool *pool;
    int16_t *wide;  /* (80, chunks, N_FRAMES), or NULL */
    int8_t *narrow; /* the same, where wide is NULL */
} fixed;

static double measure_fixed(void *context)
{
    fixed *f = context;
    const size_t n = f->chunks * N_SAMPLES, frames = f->chunks * N_FRAMES;
    sib_timer timer = sib_timer_start();
    sib_code code =
        f->wide
            ? sib_fixed_int16(80, SIB_FIXED_CLAMP_WHOLE, f->pool, f->samples, n, 0, f->wide, frames, NULL)
            : sib_fixed_int8(80, SIB_FIXED_CLAMP_WHOLE, f->pool, f->samples, n, 0, f->narrow, frames, NULL);
    return code == SIB_OK ? sib_timer_seconds(&timer) * US / (double)frames : -1;
}

/* Pushes a tenth of a second at a time, as a microphone would. */
static sib_code stream_through(own *o, sib_mel_stream *stream)
{
    const size_t block = RATE / 10;
    size_t pulled = 0, got = 0;
    for (size_t at = 0; at <= N_SAMPLES; at += block) {
        size_t taken;
        sib_code code = at < N_SAMPLES ? sib_mel_stream_push(stream, o->samples + at, block, &taken, NULL)
                                       : sib_mel_stream_end(stream, NULL);
        if (code == SIB_OK)
            code = sib_mel_stream_pull(stream, o->out + pulled, N_FRAMES - pulled, N_FRAMES, &got, NULL);
        if (code != SIB_OK)
            return code;
        pulled += got;
    }
    sib_mel_finish(o->mel, sib_mel_stream_maximum(stream), o->out, pulled, N_FRAMES);
    return pulled == N_FRAMES ? SIB_OK : SIB_ERR_SIZE;
}

static double measure_stream(void *context)
{
    own *o = context;
    sib_mel_stream *stream = NULL;
    sib_timer timer = sib_timer_start();
    sib_code code = sib_mel_stream_create(o->mel, &stream, NULL);
    if (code == SIB_OK)
        code = stream_through(o, stream);
    sib_mel_stream_free(&stream);
    return code == SIB_OK ? sib_timer_seconds(&timer) * US / N_FRAMES : -1;
}

static double measure_fftw(void *context)
{
    fftw_context *f = context;
    sib_timer timer = sib_timer_start();
    f->sum = peer_fftw_run(f->peer, f->samples, N_FRAMES - 2);
    return sib_timer_seconds(&timer) * US / (N_FRAMES - 2);
}

static double measure_torch(void *context)
{
    double seconds = peer_torch_run(context, 0);
    return seconds < 0 ? -1 : seconds * US / N_FRAMES;
}

/* Noise, and tones that come and go: loud and quiet places, high and low bands. */
static void make_samples(float *samples)
{
    const double tones[] = {110, 440, 1230, 3300, 6100}, pi = 3.14159265358979323846;
    uint64_t state = 30;
    for (int i = 0; i < N_SAMPLES; i++) {
        double t = (double)i / RATE, x = 0.02 * bench_uniform(&state);
        for (int k = 0; k < 5; k++)
            x += 0.12 * fmax(0, sin(2 * pi * (0.3 + 0.11 * k) * t)) * sin(2 * pi * tones[k] * t);
        samples[i] = (float)(lround(x * 32768) / 32768.0);
    }
}

/* ---- Accuracy ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Errors against torch's double: largest, 99.9th percentile and mean. */
static json_t *errors(bench_report *report, const char *name, const float *got, const double *want, size_t n)
{
    double *difference = cli_alloc(n, sizeof *difference), sum = 0;
    for (size_t i = 0; i < n; i++) {
        difference[i] = fabs(got[i] - want[i]);
        sum += difference[i];
    }
    qsort(difference, n, sizeof *difference, by_size);
    double largest = difference[n - 1], p999 = difference[(size_t)(0.999 * (double)(n - 1))];
    if (!report->settings->json)
        printf("error of %-14s max %.3g, 99.9th percentile %.3g, mean %.3g\n", name, largest, p999,
               sum / (double)n);
    free(difference);
    return json_pack("{s:o, s:o, s:o}", "max", cli_json_number(largest), "p99_9", cli_json_number(p999),
                     "mean", cli_json_number(sum / (double)n));
}

static void compare(bench_report *report, peer_torch *torch, own *single, own *precise)
{
    const size_t n = 80 * N_FRAMES;
    float *theirs = cli_alloc(n, sizeof *theirs);
    double *exact = cli_alloc(n, sizeof *exact);
    if (peer_torch_features_result(torch, theirs, exact, n) && measure_own(single) >= 0 &&
        measure_own(precise) >= 0) {
        json_t *all = json_object();
        bench_report_note(report, "errors are against the same formula in double under torch");
        json_object_set_new(all, "whisper-80", errors(report, "whisper-80", single->out, exact, n));
        json_object_set_new(all, "precise-80", errors(report, "precise-80", precise->out, exact, n));
        json_object_set_new(all, "torch", errors(report, "torch float32", theirs, exact, n));
        bench_report_value(report, "errors", all);
    }
    free(theirs);
    free(exact);
}

/* ---- Peers ---- */

typedef struct {
    fftw_context fftw;
    peer_torch *torch;
} peers;

static size_t add_peers(bench_report *report, const own *ours, peers *p, bench_figure *figures, size_t n)
{
    char why[512];
    p->fftw = (fftw_context){.samples = ours->samples, .peer = peer_fftw_open(why, sizeof why)};
    if (p->fftw.peer) {
        bench_report_note(report, "FFTW: window, transform and power only, %zu frames at once, FFTW_MEASURE",
                          peer_fftw_batch(p->fftw.peer));
        figures[n++] =
            (bench_figure){.name = "fftw", .threads = 1, .measure = measure_fftw, .context = &p->fftw};
    } else {
        bench_report_note(report, "FFTW: skipped, %s", why);
    }
    p->torch = peer_torch_open(why, sizeof why);
    if (p->torch) {
        double *weights = cli_alloc(80 * FFTW_BINS, sizeof *weights);
        sib_mel_weights(ours->mel, weights);
        bench_report_note(report, "torch %s: OpenAI's formula, 80 bands", peer_torch_version(p->torch));
        if (peer_torch_features(p->torch, ours->samples, N_SAMPLES, weights, 80, FFTW_BINS))
            figures[n++] =
                (bench_figure){.name = "torch", .threads = 1, .measure = measure_torch, .context = p->torch};
        else
            bench_report_note(report, "torch: skipped, its Python ended");
        free(weights);
    } else {
        bench_report_note(report, "torch: skipped, %s", why);
    }
    return n;
}

/* ---- The benchmark ---- */

static void add_ratio(bench_ratio *ratios, size_t *n, const char *name, const bench_figure *over,
                      const bench_figure *under, double bar, bool at_least)
{
    if (over && under)
        ratios[(*n)++] = (bench_ratio){name, over->series.median / under->series.median, bar, at_least};
}

static void print_figures(bench_report *report, const bench_figure *figures, size_t n)
{
    bench_ratio ratios[16];
    size_t k = 0;
    const bench_figure *w80 = bench_find(figures, n, "whisper-80"),
                       *w128 = bench_find(figures, n, "whisper-128");
    const bench_figure *precise = bench_find(figures, n, "precise-80"),
                       *stream = bench_find(figures, n, "stream-80");
    const bench_figure *threads = bench_find(figures, n, "whisper-80, threads");
    const bench_figure *longer = bench_find(figures, n, "whisper-80, 5 min"),
                       *longer_threads = bench_find(figures, n, "whisper-80, 5 min, threads");
    const bench_figure *fftw = bench_find(figures, n, "fftw"), *torch = bench_find(figures, n, "torch");
    bench_report_figures(report, figures, n);
    add_ratio(ratios, &k, "whisper-80 / torch", w80, torch, TORCH_BAR, false);
    add_ratio(ratios, &k, "whisper-80 / fftw", w80, fftw, FFTW_BAR, false);
    add_ratio(ratios, &k, "precise-80 / torch", precise, torch, PRECISE_BAR, false);
    if (w80 && torch)
        ratios[k++] = (bench_ratio){"whisper-80 / torch, best of each", w80->series.min / torch->series.min,
                                    TORCH_BAR, false};
    if (w80 && fftw)
        ratios[k++] = (bench_ratio){"whisper-80 / fftw, best of each", w80->series.min / fftw->series.min,
                                    FFTW_BAR, false};
    const bench_figure *fixed16 = bench_find(figures, n, "fixed-80"),
                       *fixed_threads = bench_find(figures, n, "fixed-80, 5 min, threads");
    add_ratio(ratios, &k, "fixed-80 / whisper-80", fixed16, w80, FIXED_BAR, false);
    if (fixed_threads)
        ratios[k++] = (bench_ratio){"fixed-80, seconds for 1 h 44 m, threads",
                                    fixed_threads->series.median / US * TALK_FRAMES,
                                    fixed_threads->threads == 2 ? TALK_BAR : 0, false};
    add_ratio(ratios, &k, "whisper-128 / whisper-80", w128, w80, 0, false);
    add_ratio(ratios, &k, "stream-80 / whisper-80", stream, w80, 0, false);
    add_ratio(ratios, &k, "average-80 / whisper-80", bench_find(figures, n, "average-80"), w80, AVERAGE_BAR,
              false);
    /* the bar is for two threads; with more, the ratio is shown without a bar */
    add_ratio(ratios, &k, "one thread / several", w80, threads,
              threads && threads->threads == 2 ? SCALING_BAR : 0, true);
    add_ratio(ratios, &k, "one thread / several, 5 min", longer, longer_threads,
              longer_threads && longer_threads->threads == 2 ? SCALING_BAR : 0, true);
    if (w80)
        ratios[k++] = (bench_ratio){.name = "whisper-80, times real time",
                                    .value = 30 * US / (w80->series.median * N_FRAMES)};
    bench_report_ratios(report, ratios, k);
}

static bool make_mel(int32_t bands, bool precise, sib_smooth smooth, sib_mel **out)
{
    sib_mel_spec spec;
    sib_mel_options options = {.precise = precise};
    sib_error err = SIB_ERROR_INIT;
    sib_code code = sib_mel_spec_preset("whisper", bands, &spec, &err);
    spec.smooth = smooth;
    if (code == SIB_OK && sib_mel_create(&spec, &options, out, &err) == SIB_OK)
        return true;
    cli_fail("%s", err.message);
    return false;
}

static int run(bench_report *report, own ways[N_WAYS], own threaded[2], fixed fixeds[3])
{
    bench_figure figures[MAX_FIGURE] = {
        {.name = "whisper-80", .threads = 1, .measure = measure_own, .context = &ways[0]},
        {.name = "whisper-128", .threads = 1, .measure = measure_own, .context = &ways[1]},
        {.name = "precise-80", .threads = 1, .measure = measure_own, .context = &ways[2]},
        {.name = "average-80", .threads = 1, .measure = measure_own, .context = &ways[5]},
        {.name = "stream-80", .threads = 1, .measure = measure_stream, .context = &ways[3]},
        {.name = "fixed-80", .threads = 1, .measure = measure_fixed, .context = &fixeds[0]},
        {.name = "fixed-80, int8", .threads = 1, .measure = measure_fixed, .context = &fixeds[1]}};
    size_t n = 7;
    peers p = {.torch = NULL};
    const unsigned threads = sib_pool_threads(threaded->pool);
    if (threads > 1) {
        figures[n++] = (bench_figure){.name = "whisper-80, threads",
                                      .threads = threads,
                                      .measure = measure_own,
                                      .context = &threaded[0]};
        figures[n++] = (bench_figure){
            .name = "whisper-80, 5 min", .threads = 1, .measure = measure_own, .context = &ways[4]};
        figures[n++] = (bench_figure){.name = "whisper-80, 5 min, threads",
                                      .threads = threads,
                                      .measure = measure_own,
                                      .context = &threaded[1]};
        figures[n++] = (bench_figure){.name = "fixed-80, 5 min, threads",
                                      .threads = threads,
                                      .measure = measure_fixed,
                                      .context = &fixeds[2]};
    }
    bench_report_note(report, "30 s of noise and tones, %d frames; every figure once per round, alternating",
                      N_FRAMES);
    if (report->settings->peers)
        n = add_peers(report, &ways[0], &p, figures, n);
    for (size_t i = 0; i < n; i++)
        figures[i].unit = "us/frame";
    int code = bench_run(figures, n, report->settings, "features");
    if (code == CLI_DONE)
        print_figures(report, figures, n);
    if (code == CLI_DONE && p.torch)
        compare(report, p.torch, &ways[0], &ways[2]);
    bench_free(figures, n);
    peer_fftw_close(p.fftw.peer);
    peer_torch_close(p.torch);
    return code;
}

int bench_features(const void *of)
{
    const bench_settings *settings = of;
    bench_report report;
    sib_error err = SIB_ERROR_INIT;
    own ways[N_WAYS] = {0}, threaded[2] = {0};
    float *samples = cli_alloc(LONG_CHUNKS * N_SAMPLES, sizeof *samples);
    int code = CLI_FAILED;
    make_samples(samples);
    int16_t *pcm = cli_alloc(LONG_CHUNKS * N_SAMPLES, sizeof *pcm);
    for (size_t i = N_SAMPLES; i < LONG_CHUNKS * N_SAMPLES; i++)
        samples[i] = samples[i - N_SAMPLES];
    for (size_t i = 0; i < LONG_CHUNKS * N_SAMPLES; i++)
        pcm[i] = (int16_t)lrintf(samples[i] * 32768);
    fixed fixeds[3] = {{.samples = pcm, .chunks = 1},
                       {.samples = pcm, .chunks = 1},
                       {.samples = pcm, .chunks = LONG_CHUNKS}};
    fixeds[0].wide = fixeds[2].wide = cli_alloc(LONG_CHUNKS * N_FRAMES * 80, sizeof(int16_t));
    fixeds[1].narrow = cli_alloc(N_FRAMES * 80, 1);
    for (int i = 0; i < N_WAYS; i++) {
        ways[i].samples = samples;
        ways[i].chunks = i == 4 ? LONG_CHUNKS : 1;
        ways[i].out = cli_alloc(MAX_BANDS * N_FRAMES * ways[i].chunks, sizeof(float));
    }
    if (make_mel(80, false, SIB_SMOOTH_NONE, &ways[0].mel) &&
        make_mel(128, false, SIB_SMOOTH_NONE, &ways[1].mel) &&
        make_mel(80, true, SIB_SMOOTH_NONE, &ways[2].mel) &&
        make_mel(80, false, SIB_SMOOTH_SAME, &ways[5].mel)) {
        ways[3].mel = ways[4].mel = ways[0].mel;
        threaded[0] = ways[0];
        threaded[1] = ways[4];
        if (sib_pool_create((unsigned)settings->threads, &threaded[0].pool, &err) != SIB_OK)
            code = cli_fail("%s", err.message);
        else if ((code = bench_report_begin(&report, settings, "features")) == CLI_DONE) {
            threaded[1].pool = fixeds[2].pool = threaded[0].pool;
            code = run(&report, ways, threaded, fixeds);
            bench_report_end(&report);
        }
    }
    for (int i = 0; i < N_WAYS; i++) {
        free(ways[i].out);
        if (i != 3 && i != 4)
            sib_mel_free(&ways[i].mel);
    }
    sib_pool_free(&threaded[0].pool);
    free(fixeds[0].wide);
    free(fixeds[1].narrow);
    free(pcm);
    free(samples);
    return code;
}
