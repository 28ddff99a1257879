/* Windows of a fixed size over single planes of bytes, for bytes.inc.h, where a level has, besides the
   operations there,

       vi_span vi_within(low, high, stride)  bytes low .. high - 1 of what vi_row reads
       vi_row(p, stride, span, zero)       bytes 4 l stride ... 4 l stride + 15 from p on in 16-byte lane l,
                                           `zero` for those out of the span, which are not read
       vi_xor(a, b) vi_bytes(b)            bitwise; the byte b in all places
       vi_taps(row, pattern)               of every 16-byte lane the bytes that pattern (16) selects; 0 where
                                           it is 128

   Each column of vectors proceeds down the rows, PLANE_ROWS of the output at once: a row of the image is
   loaded once for all output rows that read it. */

#define PLANE_ROWS 4

/* Constants where blocks are inlined. */
typedef struct plane_form {
    int size, stride; /* of windows, on both axes */
    int groups;       /* groups of a row's taps */
} plane_form;

typedef struct plane_args {
    const bytes_plane *g;
    vi zero, flip; /* zero: padding */
    vi taps[3];    /* the patterns of the groups of taps */
    vi a[5 * 3];   /* (size, groups) weights */
    size_t ox;     /* first column of the vector */
    vi_span span;
} plane_args;

/* The first byte that column ox of the output reads in a row of the image; may be out of range. */
INLINE ptrdiff_t plane_first(const bytes_plane *g, plane_form f, size_t ox)
{
    return (ptrdiff_t)(ox * (size_t)f.stride) - (ptrdiff_t)g->before[1];
}

/* `rows` rows from oy on. */
INLINE void plane_block(const plane_args *t, plane_form f, size_t oy, const int rows)
{
    const bytes_plane *g = t->g;
    ptrdiff_t width = (ptrdiff_t)g->in[1], ix = plane_first(g, f, t->ox);
    ptrdiff_t iy = (ptrdiff_t)(oy * (size_t)f.stride) - (ptrdiff_t)g->before[0];
    vi sum[PLANE_ROWS];
    UNROLL for (int r = 0; r < rows; r++) sum[r] = vi_zero();
    UNROLL for (int i = 0; i < (rows - 1) * f.stride + f.size; i++)
    {
        vi row = t->zero;
        if (iy + i >= 0 && iy + i < (ptrdiff_t)g->in[0])
            row = vi_row(g->x + (iy + i) * width + ix, f.stride, t->span, t->zero);
        row = vi_xor(row, t->flip);
        UNROLL for (int k = 0; k < f.groups; k++)
        {
            vi taps = vi_taps(row, t->taps[k]);
            UNROLL for (int r = 0; r < rows; r++)
            {
                int tap = i - r * f.stride;
                if (tap >= 0 && tap < f.size)
                    sum[r] = vi_dot_plain(sum[r], t->a[tap * f.groups + k], taps);
            }
        }
    }
    int32_t *to = g->sums + (oy - g->row0) * g->out[1] + t->ox;
    UNROLL for (int r = 0; r < rows; r++, to += g->out[1]) vi_store(to, sum[r]);
}

/* The remaining rows or columns are computed together with some that were done before; outputs with fewer
   columns than a vector are not supported. */
INLINE void plane_run(const bytes_plane *g, plane_form f)
{
    plane_args t = {.g = g, .zero = vi_bytes(g->zero), .flip = vi_bytes(g->flip)};
    size_t end = g->row0 + g->rows;
    UNROLL for (int k = 0; k < f.groups; k++)
    {
        uint8_t pattern[16];
        for (int b = 0; b < 16; b++) {
            int tap = b % 4 / VI_ELEMENT;
            pattern[b] = b % VI_ELEMENT ? 128 : (uint8_t)(b / 4 * f.stride + k * VI_GROUP + tap);
        }
        t.taps[k] = vi_pattern(pattern);
    }
    UNROLL for (int i = 0; i < f.size * f.groups; i++) t.a[i] =
        vi_left((const char *)g->a + i * VI_GROUP * VI_ELEMENT);
    for (size_t i = 0; i < g->out[1]; i += VI_LANES) {
        t.ox = size_min(i, g->out[1] - VI_LANES);
        ptrdiff_t ix = plane_first(g, f, t.ox);
        t.span = vi_within(-ix, (ptrdiff_t)g->in[1] - ix, f.stride);
        if (g->rows < PLANE_ROWS)
            for (size_t oy = g->row0; oy < end; oy++)
                plane_block(&t, f, oy, 1);
        else
            for (size_t oy = g->row0; oy < end; oy += PLANE_ROWS)
                plane_block(&t, f, size_min(oy, end - PLANE_ROWS), PLANE_ROWS);
    }
}

#define PLANES(P) P(3, 1) P(3, 2) P(5, 1) P(5, 2)
#define PLANE(size, stride)                                                                                  \
    static void plane_##size##_##stride(const bytes_plane *g)                                                \
    {                                                                                                        \
        plane_run(g, (plane_form){size, stride, (size + VI_GROUP - 1) / VI_GROUP});                          \
    }
PLANES(PLANE)
#undef PLANE
#define PLANE(size, stride) {size, stride, plane_##size##_##stride},
static const bytes_plane_row plane_rows[] = {PLANES(PLANE)};
#undef PLANE
