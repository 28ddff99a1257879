/* The kernels of bytes.h over these vector operations of simd/int_*.h:

       vi, VI_LANES            a vector of int32 and how many it holds
       VI_GROUP, VI_ELEMENT    terms that a dot product adds up, bytes of a weight
       vi_zero()
       vi_left(a)              VI_GROUP weights at a in every lane
       vi_plain(b)             VI_GROUP unsigned bytes for each lane: (VI_LANES, VI_GROUP)
       vi_dot_plain(sum, l, b) sum + the products of a lane's terms, exactly
       vi_store(p, v)
       vi_join(rows, l, flip, dst)  bytes l .. l + VI_JOIN - 1 of VI_GROUP rows interleaved, ^ flip
       vi_windows(p, flip)     p[i], p[i + 1], ... (VI_GROUP) for lane i, ^ flip; reads VI_WINDOW bytes from p
                               on; only where VI_WINDOW is defined

   where VI_ROW is defined also over those of bytes_plane.inc.h; and over BYTES_MR of kernel/levels, the max
   number of features, and BYTES_TILES(T): T(m, nv) for every number m of features with its number of vectors,
   a power of 2. */
#include "base/size.h"
#include "kernel/conv/bytes_fill.h"
#include "kernel/kernel.h"

#include <string.h>

#define UNROLL _Pragma("GCC unroll 32")
#define INLINE static inline __attribute__((always_inline))

_Static_assert(BYTES_MR <= BYTES_MAX_MR && VI_LANES <= BYTES_SLACK, "the tile is within what callers hold");

/* nv vectors of pixels from j on: m and nv are constants where this is inlined. */
INLINE void tile_of(const bytes_tile *t, size_t j, const int m, const int nv)
{
    vi sum[BYTES_MR][8];
    const char *a = t->a;
    const uint8_t *b = t->b + j * VI_GROUP;
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int v = 0; v < nv; v++) sum[i][v] = vi_zero();
    for (size_t p = 0; p < t->groups; p++, a += (size_t)m * VI_GROUP * VI_ELEMENT) {
        const uint8_t *line = b + t->at[p];
        vi right[8];
        UNROLL for (int v = 0; v < nv; v++) right[v] = vi_plain(line + v * VI_LANES * VI_GROUP);
        UNROLL for (int i = 0; i < m; i++)
        {
            vi left = vi_left(a + i * VI_GROUP * VI_ELEMENT);
            UNROLL for (int v = 0; v < nv; v++) sum[i][v] = vi_dot_plain(sum[i][v], left, right[v]);
        }
    }
    int32_t *to = t->sums + j;
    UNROLL for (int i = 0; i < m; i++, to += t->ld) UNROLL for (int v = 0; v < nv; v++)
        vi_store(to + v * VI_LANES, sum[i][v]);
}

INLINE void tile_all(const bytes_tile *t, size_t n, const int m, const int max)
{
    size_t j = 0;
    UNROLL for (int nv = max; nv; nv /= 2) for (; j + (size_t)(nv - 1) * VI_LANES < n;
                                                j += (size_t)nv * VI_LANES) tile_of(t, j, m, nv);
}

#define TILE(m, nv)                                                                                          \
    static void tile_##m(const bytes_tile *t, size_t n)                                                      \
    {                                                                                                        \
        tile_all(t, n, m, nv);                                                                               \
    }
BYTES_TILES(TILE)
#undef TILE

/* Interleaves BYTES_SLACK bytes of rows, some of which may end earlier. */
static void join_last(const uint8_t *const *row, const uint8_t *end, int32_t flip, uint8_t *dst)
{
    uint8_t bytes[VI_GROUP][BYTES_SLACK] = {{0}};
    const uint8_t *from[VI_GROUP];
    for (int q = 0; q < VI_GROUP; q++) {
        from[q] = bytes[q];
        if (row[q] < end)
            memcpy(bytes[q], row[q], size_min(BYTES_SLACK, (size_t)(end - row[q])));
    }
    UNROLL for (size_t l = 0; l < BYTES_SLACK; l += VI_JOIN) vi_join(from, l, flip, dst + l * VI_GROUP);
}

/* Interleaves rows that are readable for full steps: their first `columns` bytes from `at` on, a multiple of
   BYTES_SLACK. */
INLINE void join_row(const uint8_t *at, const int32_t *from, size_t columns, int32_t flip, uint8_t *dst)
{
    const uint8_t *row[VI_GROUP];
    UNROLL for (int q = 0; q < VI_GROUP; q++) row[q] = at + from[q];
    for (size_t j = 0; j < columns; j += VI_JOIN)
        vi_join(row, j, flip, dst + j * VI_GROUP);
}

/* The same where the rows are shifted by one byte each: from[q] = from[0] + q. Reads VI_WINDOW bytes of the
   last step. */
INLINE void join_windows(const uint8_t *at, size_t columns, int32_t flip, uint8_t *dst)
{
#ifdef VI_WINDOW
    for (size_t j = 0; j < columns; j += VI_LANES)
        vi_store((int32_t *)(void *)(dst + j * VI_GROUP), vi_windows(at + j, flip));
#else
    (void)at, (void)columns, (void)flip, (void)dst;
#endif
}

static void join(const bytes_join *g)
{
    const int32_t flip = (int32_t)(0x01010101u * g->flip);
    int32_t last = g->from[0];
    size_t whole = size_ceil_div(g->columns, BYTES_SLACK) * BYTES_SLACK, reads = whole;
    bool windows = false;
#ifdef VI_WINDOW
    windows = true;
    reads += VI_WINDOW;
#endif
    for (int q = 1; q < VI_GROUP; q++) {
        last = g->from[q] > last ? g->from[q] : last;
        windows &= g->from[q] == g->from[0] + q;
    }
    for (size_t i = 0; i < g->rows; i++) {
        const uint8_t *at = g->image + i * g->pitch, *row[VI_GROUP];
        uint8_t *dst = g->dst + i * g->apart * VI_GROUP;
        if (g->end - at - last >= (ptrdiff_t)reads) {
            if (windows)
                join_windows(at + g->from[0], whole, flip, dst);
            else
                join_row(at, g->from, whole, flip, dst);
            continue;
        }
        for (size_t j = 0; j < whole; j += BYTES_SLACK) {
            UNROLL for (int q = 0; q < VI_GROUP; q++) row[q] = at + j + g->from[q];
            join_last(row, g->end, flip, dst + j * VI_GROUP);
        }
    }
}

#ifdef VI_ROW
#include "kernel/conv/bytes_plane.inc.h"
#endif

#ifdef BYTES_BY_CPU
#define BYTES_FILL SIMD_NAME(bytes_fill)
#else
#define BYTES_FILL SIMD_NAME(bytes_init)
#endif

void BYTES_FILL(bytes_kernels *k)
{
#define TILE(m, nv) [m] = tile_##m,
    *k = (bytes_kernels){.mr = BYTES_MR,
                         .lanes = VI_LANES,
                         .group = VI_GROUP,
                         .element = VI_ELEMENT,
                         .tile = {BYTES_TILES(TILE)},
                         .join = join};
#ifdef VI_ROW
    k->planes = plane_rows;
    k->n_planes = sizeof plane_rows / sizeof *plane_rows;
#endif
#undef TILE
}
