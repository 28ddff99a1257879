/* Shared by the files of features: the tables of a front end and the kernels that run on them. */
#ifndef FEATURES_MEL_INTERNAL_H
#define FEATURES_MEL_INTERNAL_H

#include "base/cpu.h"
#include "features/fft_plan.h"

#include <sibyl/features.h>

/* Bands are triangles over neighbouring edges, so each bin is on the falling side of one band and the rising
   side of the next. Segment s holds the bins between edges s and s + 1: falling in band s - 1, rising in band
   s. Bin first + i has the pair of weights (falling, rising) at weights + 2 i. n_mels bands have n_mels + 1
   segments. */
typedef struct mel_segment {
    int32_t first, count, weights;
} mel_segment;

/* Coefficients of z = (log(max(x, floor)) + offset) * gain, in one form for all scales: with x = 2^e (1 + f),
       z = (scale_high e + shift) + (scale_low e + f q(f)),   z >= z_floor
   where q is a polynomial that includes the scale. scale_high has so few bits that scale_high * e is
   exact. */
enum { LOG_SCALE_HIGH, LOG_SCALE_LOW, LOG_SHIFT, LOG_Z_FLOOR, LOG_POLY };
#define LOG_TERMS_F32 8
#define LOG_TERMS_F64 14
#define LOG_COEFS_MAX (LOG_POLY + LOG_TERMS_F64)

/* Everything that a kernel reads. The arrays hold the kernel's real type: float or double. */
typedef struct mel_tables {
    int32_t n_fft, win_length, hop_length, n_bins, n_mels;
    int32_t n_filled; /* bands that have bins; the value of the others is the floor */
    bool remove_dc, magnitude, logarithm;
    double preemphasis, offset, gain; /* offset and gain apply where there is no logarithm */
    const void *window;            /* (win_length); (25, 8) for the 400-point kernel, see mel_window_fft400 */
    const void *weights;           /* (sum of counts, 2) */
    const void *log_coefs;         /* (LOG_COEFS_MAX) */
    const void *energy_weights;    /* (n_mels) weights of the bands' energies in the energy of their frame */
    const void *band_levels;       /* (n_mels), see mel_band_levels */
    float below_total, below_mean; /* see mel_block_fn */
    const mel_segment *segments;   /* (n_mels + 1) */
    const fft_plan *fft;           /* NULL for the 400-point kernel */
} mel_tables;

/* Results about a block of frames besides its features. */
typedef struct mel_tally {
    float maximum; /* of z over all frames */
    bool overflow; /* an energy was infinite or NaN */
} mel_tally;

/* Rows of z, which need not lie at one stride: row 0 at `first`, the last row at `last`, row m between them at
   inner + (m - 1) * stride. Columns are consecutive. */
typedef struct mel_rows {
    float *first, *inner, *last;
    size_t stride;
} mel_rows;

/* Rows at `stride` from z on. */
static inline mel_rows mel_rows_of(float *z, size_t n_mels, size_t stride)
{
    return (mel_rows){z, n_mels > 1 ? z + stride : z, z + (n_mels - 1) * stride, stride};
}

static inline float *mel_row(const mel_rows *rows, size_t n_mels, size_t m)
{
    return m == 0 ? rows->first : m + 1 == n_mels ? rows->last : rows->inner + (m - 1) * rows->stride;
}

/* The same rows from column t on. */
static inline mel_rows mel_rows_from(const mel_rows *rows, size_t t)
{
    return (mel_rows){rows->first + t, rows->inner + t, rows->last + t, rows->stride};
}

/* z of n_frames frames, before the clamp to the maximum.
   x:       samples; frame t is x[t hop .. t hop + win_length), only those are read
   out:     (n_mels, n_frames)
   limits:  (n_frames), or NULL. The rounding errors of a transform are about equal in all its bins, so they
            matter in bands far below the rest of their frame. A value of band m is doubtful where z -
            band_levels[m] is below the larger of
                z of the frame's total + below_total,   mean over filled bands of (z - band_levels) + below_mean
            limits receives that limit, or -FLT_MAX where no band is below it. See rescue.h.
   tally:   updated
   scratch: mel_kernel.scratch_bytes(t) bytes, aligned to 64 */
typedef void (*mel_block_fn)(const mel_tables *t, const float *x, size_t n_frames, const mel_rows *out,
                             float *limits, mel_tally *tally, void *scratch);

/* The same for n_frames frames at any addresses: frames[i] points to win_length samples; row m of the result
   at out + m * stride. */
typedef void (*mel_gather_fn)(const mel_tables *t, const float *const *frames, size_t n_frames, float *out,
                              size_t stride, void *scratch);

/* One way to compute frames. */
typedef struct mel_kernel {
    mel_block_fn block;
    mel_gather_fn gather; /* NULL where the kernel has none */
    size_t (*scratch_bytes)(const mel_tables *t);
    size_t lanes; /* frames computed at once */
    bool single;  /* tables hold float, else double */
} mel_kernel;

/* A 3 x 3 average over (row, column) of a block of columns, each value first raised to at least `min`. Values
   beyond the rows and columns that exist do not count. */
typedef struct mel_average {
    mel_rows in;          /* (rows, columns) */
    size_t rows, columns; /* columns: at most MEL_AVERAGE_COLUMNS */
    const float *left,
        *right; /* the columns beside the block, row m at m * their stride; NULL: none exists */
    size_t left_stride, right_stride;
    float min;
    bool valid;   /* no averages are made of the first and last row */
    mel_rows out; /* the average around row m as row m; may be `in` */
} mel_average;

#define MEL_AVERAGE_COLUMNS 256

typedef void (*mel_average_fn)(const mel_average *a);

/* The kernels of one CPU level; every slot is filled. */
typedef struct mel_kernel_table {
    mel_kernel fft400_f32; /* n_fft 400, hop 160, periodic Hann 400, power 2 */
    mel_kernel fft400_f64;
    mel_kernel general_f64; /* all other front ends */
    mel_average_fn average;
} mel_kernel_table;

/* Fills the table with portable C, then with the functions of `level`. */
void mel_kernel_table_init(mel_kernel_table *table, cpu_level level);

#define FFT400_SIZE 400
#define FFT400_HOP  160
#define FFT400_BINS 201

/* The kernels of each level, one file each: <folder>/mel_<slot>_<level>_<type>.c. */
#define MEL_KERNELS(with, constant, level)                                                                   \
    extern const mel_kernel mel_fft400_f32_##level, mel_fft400_f64_##level, mel_general_f64_##level;         \
    void mel_average_##level(const mel_average *a);
MEL_KERNELS(, C, c)
CPU_ALL_SIMD_LEVELS(MEL_KERNELS, )
#undef MEL_KERNELS

/* Numbers of a front end in one real type. */
typedef struct mel_numbers {
    void *window, *weights, *log_coefs, *energy_weights, *band_levels;
} mel_numbers;

struct sib_mel {
    sib_mel_spec spec;
    mel_kernel kernel;
    mel_tables tables;
    mel_kernel precise; /* the double kernel that recomputes doubtful values, where `kernel` is single */
    mel_tables precise_tables;
    double *dense_weights; /* (n_mels, n_bins) */
    mel_segment *segments; /* (n_mels + 1) */
    mel_numbers doubles, singles;
    fft_plan fft;
    mel_average_fn average;
    size_t lead; /* samples of frame 0 before sample 0 */
};

/* Whether the specialized 400-point kernel computes what `spec` describes. */
bool mel_is_fft400(const sib_mel_spec *spec);

/* Checks each field; the message names the first one out of range. */
sib_code mel_spec_check(const sib_mel_spec *spec, sib_error *err);

/* The first half of each pair of samples of the periodic Hann window, in the order of the 400-point kernel:
   (25, 8), sample (25 a + 16 b) mod 400 at [b][a]. */
void mel_window_fft400(double *w);

/* Make the window w (win_length); the bands as dense weights (n_mels, n_fft / 2 + 1), and energy_weights
   (n_mels), such that the sum over bands of energy_weights * energy is about the energy of the frame. */
void mel_window(const sib_mel_spec *spec, double *w);
void mel_dense_weights(const sib_mel_spec *spec, double *weights, double *energy_weights);

/* Centre of a band in Hz; band may be fractional. */
double mel_band_hz(const sib_mel_spec *spec, double band);
/* Its inverse: the band, between bands too, whose centre is at a frequency. */
double mel_hz_band(const sib_mel_spec *spec, double hz);

/* Makes segments (n_mels + 1) and, unless it is NULL, their weights; returns the number of pairs of
   weights. */
size_t mel_pack_segments(const sib_mel_spec *spec, const double *dense_weights, mel_segment *segments,
                         double *weights);

/* Coefficients as above; terms is LOG_TERMS_F32 or LOG_TERMS_F64. */
void mel_log_coefs(const sib_mel_spec *spec, size_t terms, double coefs[LOG_COEFS_MAX]);

/* The reference level by which a value of a band (n_mels) is doubtful: z, without the shift, of sum w^2 / sum
   w. For equal bins of power p this is z of the band's energy, minus those of p and of the number of bins
   (sum w)^2 / sum w^2 that rounding errors average over. For a band without bins it is below what is between
   any two floats, so that its value is never doubtful. */
#define MEL_EMPTY_LEVEL -256 /* octaves */
void mel_band_levels(const sib_mel_spec *spec, const double *dense_weights, const double coefs[LOG_COEFS_MAX],
                     double *levels);

/* Frames of n_samples before smoothing, 0 where there is none; never fails. */
uint64_t mel_frame_count(const sib_mel *mel, uint64_t n_samples);

/* Rejects recordings that are too short for a frame or for the reflection. */
sib_code mel_length_check(const sib_mel *mel, uint64_t n_samples, sib_error *err);

/* Index of the first sample that is NaN or infinite, n where there is none. */
size_t mel_first_bad(const float *samples, size_t n);

/* Frames per work item, so that its samples stay in the L2 cache. */
size_t mel_block_frames(const sib_mel *mel);

#endif
