/* The tile: Whisper's features in fixed point on compute tiles with little memory, above all those of AMD's
   XDNA1 NPU: what fits a tile, what a recording costs, a model of the machine, and code for it. */
#ifndef SIBYL_TILE_H
#define SIBYL_TILE_H

#include <sibyl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Options ------------------------------------------------------------------------------------ */

/* Samples of a frame and from one frame to the next, as int16 at 16 kHz. */
#define SIB_TILE_WINDOW 400
#define SIB_TILE_HOP    160
/* Compute tiles of the machine: four columns of four. */
#define SIB_TILE_MAX 16
/* Bytes of a compute tile's program memory, which is apart from its data memory. */
#define SIB_TILE_PROGRAM 16384

typedef enum sib_tile_out { SIB_TILE_INT8 = 0, SIB_TILE_INT16 = 1 } sib_tile_out;

/* Forms of MLIR-AIE. That of 2026: aie.runtime_sequence, the function names the object that it is linked
   from, an acquired element is a memref. That of 2024: aiex.runtime_sequence, cores name the object, acquired
   elements are accessed through a subview. */
typedef enum sib_tile_dialect { SIB_TILE_DIALECT_2026 = 0, SIB_TILE_DIALECT_2024 = 1 } sib_tile_dialect;

/* Seconds that work takes on the chip. A call costs `call` once; each byte that a shim channel moves costs
   `byte`; each frame that a tile computes costs `frame`. Channels and tiles work in parallel, so the busiest
   determines the time. With depth 1 a call's three steps (in, compute, out) follow one another; with depth 2
   those of neighbouring calls overlap:
       depth 1: calls * (call + in + compute + out)
       depth 2: calls * (call + max(in, compute, out)) + in + compute + out - max(in, compute, out) */
typedef struct sib_tile_cost {
    double call, byte, frame;
} sib_tile_cost;

typedef struct sib_tile_options {
    uint32_t batch; /* frames per call, over all tiles */
    uint32_t depth; /* elements of each FIFO: 1, or 2 for double buffering */
    uint32_t tiles; /* compute tiles, 1 .. SIB_TILE_MAX */
    uint32_t bands; /* 80 or 128 */
    sib_tile_out out;
    uint64_t memory; /* bytes of a compute tile's data memory, up to 16 MiB */
    sib_tile_cost cost;
    sib_tile_dialect dialect; /* of what sib_tile_emit writes */
} sib_tile_options;

/* Batch 10, depth 2, one tile, 80 bands, int8, 65,536 bytes, the dialect of 2026; 103 microseconds per call and
   110 per frame. The one public measurement has 213 for a call of one frame, and 1.10 to 2.37 ms for calls of
   ten, 110 to 237 microseconds a frame. */
SIB_API void sib_tile_defaults(sib_tile_options *out);

/* ---- Plans -------------------------------------------------------------------------------------- */

/* A recording divided over tiles. A call hands `batch` frames to the tiles, `rows` to each; where `batch` is
   not a multiple, the rest of the last tile is padded, and the padding is moved and dropped; likewise in the
   recording's last call. */
typedef struct sib_tile_plan {
    sib_tile_options options;
    uint64_t frames; /* of the recording */

    /* A call. */
    uint32_t rows; /* frames of one FIFO element */
    /* tiles with frames to compute; fewer than `tiles` where the batch is smaller */
    uint32_t tiles_used;
    /* shim channels in each direction: one per tile, or one per column that uses its memory tile */
    uint32_t channels;
    uint32_t linked; /* columns that use their memory tile, which are those with more than two tiles */

    /* Memory of a compute tile, bytes. */
    uint64_t element_in, element_out; /* of one FIFO element */
    uint64_t fifo_in, fifo_out;       /* all elements */
    uint64_t stack, constants, state; /* of the kernel, measured */
    uint64_t total;
    bool fits;
    /* of the kernel's code, apart from the others: at most SIB_TILE_PROGRAM. Measured at -O2 for other
       processors than AIE2 */
    uint64_t program;
    uint64_t memory_tile; /* bytes that links take in the fullest memory tile */

    /* The recording. */
    uint64_t calls;
    uint64_t transfers;                              /* by shim channels, in and out */
    uint64_t bytes_in, bytes_out;                    /* moved by these transfers, padding included */
    uint64_t bytes_host;                             /* of the samples on the host, where frames overlap */
    double seconds;                                  /* by the cost model */
    double seconds_in, seconds_compute, seconds_out; /* of one call */
} sib_tile_plan;

/* Plans `frames` frames (0: none; times and transfers are then 0). A plan that does not fit is returned too,
   with `fits` false.
   Errors: SIB_ERR_ARGUMENT (batch 0, a depth other than 1 and 2, no tiles or more than there are, bands other
   than 80 and 128, no known dialect, more memory than 16 MiB, a cost that is negative or not finite), SIB_ERR_SIZE (memory
   smaller than the kernel's stack, or than stack, constants and state; a batch whose bytes overflow).
   Thread-safe. */
SIB_API sib_code sib_tile_plan_make(const sib_tile_options *options, uint64_t frames, sib_tile_plan *out,
                                    sib_error *err);

/* Number of frames of `samples` samples at 16 kHz, Whisper's framing: samples / 160. Errors: SIB_ERR_VALUE
   where the recording is too short to be reflected at its ends (200 samples or fewer). */
SIB_API sib_code sib_tile_frames(uint64_t samples, uint64_t *frames, sib_error *err);

typedef enum sib_tile_change {
    SIB_TILE_DEPTH_1 = 0,       /* the same with depth 1 */
    SIB_TILE_SMALLER_BATCH = 1, /* the largest batch that fits */
    SIB_TILE_MORE_TILES = 2,    /* the fewest tiles at this depth */
    SIB_TILE_EVEN_TILES = 3,    /* the fewest that divide the batch without padding, where that is more */
    /* the fewest tiles with depth 1, where fewer, and where the present tiles are too few */
    SIB_TILE_MORE_TILES_1 = 4,
    SIB_TILE_CHANGES = 5
} sib_tile_change;

typedef struct sib_tile_advice {
    sib_tile_change change;
    sib_tile_plan plan; /* one that fits */
} sib_tile_advice;

/* Changes that would make a plan fit: advice (*n <= SIB_TILE_CHANGES), none where it fits. Thread-safe. */
SIB_API void sib_tile_advise(const sib_tile_plan *plan, sib_tile_advice advice[SIB_TILE_CHANGES], size_t *n);

/* The fastest plan that fits by the cost model, over batches, depths and up to options->tiles tiles; among
   equals the one with the fewest tiles, then the least memory. Its batch fills every tile's element. Errors:
   those of sib_tile_plan_make except for batch and depth, which are ignored; SIB_ERR_ARGUMENT (no frames),
   SIB_ERR_SIZE where not even one frame fits. */
SIB_API sib_code sib_tile_plan_best(const sib_tile_options *options, uint64_t frames, sib_tile_plan *out,
                                    sib_error *err);

/* ---- The published table ------------------------------------------------------------------------- */

/* A row of the one published plan: 80 bands, int8, depth 2, one tile, KB of 1,000 bytes, constants left
   out. */
typedef struct sib_tile_published {
    uint32_t batch;
    uint32_t stack;             /* bytes that the table assumes */
    uint64_t fifo_in, fifo_out; /* bytes */
    uint64_t total;             /* bytes: the sum of these three */
    uint64_t calls;             /* for SIB_TILE_PUBLISHED_FRAMES frames */
} sib_tile_published;

#define SIB_TILE_PUBLISHED_FRAMES 628163

/* Row i of the table; returns false where i is out of range. Only batch and stack are the table's own; the
   sums are computed. */
SIB_API bool sib_tile_published_row(size_t i, sib_tile_published *out);

/* ---- The machine, simulated ----------------------------------------------------------------------- */

/* Faults to inject, to test that they are reported. */
typedef enum sib_tile_fault {
    SIB_TILE_NO_FAULT = 0,
    SIB_TILE_LOST_LOCK = 1, /* a core's release of an output element does not arrive */
    SIB_TILE_LATE_DMA = 2,  /* an element is released before its samples are there */
    SIB_TILE_BATCH = 3,     /* the host sends a number of frames other than what the program takes */
    SIB_TILE_OVERRUN = 4    /* a core writes one byte past an output element */
} sib_tile_fault;

typedef struct sib_tile_simulation {
    sib_tile_fault fault;
    uint64_t fault_call; /* the call that it affects; the last one where there are fewer */
    uint32_t fault_tile; /* the tile, likewise */
} sib_tile_simulation;

typedef struct sib_tile_report {
    uint64_t calls, transfers, bytes_in, bytes_out; /* as counted by the DMA engines */
    uint64_t stalls_input, stalls_output;           /* waits of a core for samples, and for room */
    uint64_t stalls_dma;                            /* waits of an engine for a tile or another engine */
    double stall_seconds;                           /* of all cores together */
    double predicted_seconds;                       /* by the plan */
    double measured_seconds;                        /* of the entire simulation on this machine */
    double kernel_seconds;                          /* in the kernel, all cores together */
} sib_tile_report;

/* Computes the features of a recording on a model of the machine. The host issues calls; DMA engines walk the
   samples with strides in four dimensions, fill and empty FIFO elements, and link columns through memory
   tiles; one thread per tile acquires an input and an output element, runs the kernel frame by frame, and
   releases both; locks are counting semaphores; each buffer in a tile's memory lies between guard words. The
   host clamps to the recording's maximum at the end.
   plan:    one that fits, made for the frames of n samples (sib_tile_frames).
   samples: (n) int16 mono at 16 kHz; only read.
   options: NULL means no fault.
   out:     (frames, bands) int8 in Q6 or int16 in Q14, by the plan: features times 64 or 16,384. The bits are
            those of one kernel call on the entire recording, whatever the batch, depth and tiles.
   report:  may be NULL.
   Errors: SIB_ERR_SIZE (a plan that does not fit), SIB_ERR_ARGUMENT (a plan for another number of frames),
   SIB_ERR_VALUE: what went wrong in the machine, with call and tile: a release that was lost, an element
   whose samples were not there, batches that disagree, memory that was overwritten, a deadlock (found without
   a time limit, when no thread can continue); SIB_ERR_MEMORY. After an error the contents of `out` are
   undefined. */
SIB_API sib_code sib_tile_simulate(const sib_tile_plan *plan, const int16_t *samples, size_t n,
                                   const sib_tile_simulation *options, void *out, sib_tile_report *report,
                                   sib_error *err);

/* ---- Code for the chip ----------------------------------------------------------------------------- */

/* Writes a plan's program into `folder`, which is created if missing:
     aie.mlir          the design in MLIR-AIE's syntax, in the plan's dialect: device npu1, tiles, object FIFOs, links through memory
                       tiles where a column has more than two tiles, cores, and the runtime sequence of one
                       call
     aie_generic.mlir  the same in MLIR's generic form, which tools without these dialects can parse
     sibyl_tile.c      the kernel alone, in freestanding C
     sibyl_tile.h      for the host: the inputs and outputs of a call, and the layout of samples
     host.cpp          runs sibyl_tile.xclbin on a recording through XRT. Not run on a chip so far
     build.sh          builds sibyl_tile.xclbin with clang for AIE2 and aiecc, and the host's program where
                       there is XRT
   aie.mlir is read back first and must agree with the plan. Either all files appear or none.
   Errors: SIB_ERR_SIZE (a plan that does not fit, or an element of more frames than a DMA can count),
   SIB_ERR_IO names the path, SIB_ERR_MEMORY. */
SIB_API sib_code sib_tile_emit(const sib_tile_plan *plan, const char *folder, sib_error *err);

/* Checks that a design (the text of an aie.mlir, of either dialect) has the memory and the transfers of a plan, recomputed from
   the text.
   Errors: SIB_ERR_FORMAT (a line that cannot be read, or an inconsistency, by line), SIB_ERR_VALUE names the
   figure that differs. */
SIB_API sib_code sib_tile_check(const char *design, const sib_tile_plan *plan, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
