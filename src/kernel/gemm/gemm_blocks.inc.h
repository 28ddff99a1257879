/* Few rows times blocks of tensor/blocks.h as they are in the file (gemm_thin of gemm.h): each column is a row of memory,
   of which 32 weights at a time become floats in registers. Part of gemm.inc.h.

   A weight differs from the decoder's by at most the rounding of a product and a sum. */

#define GROUP         32 /* weights that are widened together: a block of them, or an eighth of one of 256 */
#define GROUP_VECTORS (GROUP / VF_LANES)

/* Kinds of which two weights share a byte. */
#define HAS_CODES(kind)                                                                                      \
    ((kind) == BLOCK_q4_0 || (kind) == BLOCK_q4_1 || (kind) == BLOCK_iq4_nl || (kind) == BLOCK_mxfp4 ||      \
     (kind) == BLOCK_q4_k)

/* What a code of four bits stands for, before scale and offset. */
INLINE vf_codes codes_of(const int kind, vf d, vf offset)
{
    static const int8_t iq4_nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113},
                        mxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return vf_codes_of(kind == BLOCK_iq4_nl ? iq4_nl : kind == BLOCK_mxfp4 ? mxfp4 : NULL, d, offset);
}

/* ---- Bytes, of other kinds ------------------------------------------------------------------------------ */

typedef uint8_t group_bytes __attribute__((vector_size(GROUP)));

INLINE group_bytes bytes_at(const uint8_t *p)
{
    group_bytes bytes;
    memcpy(&bytes, p, sizeof bytes);
    return bytes;
}

/* 1 << at where a bit is set, from the lowest of 32 on; else 0. */
INLINE group_bytes bits_at(const uint8_t *p, int at)
{
    typedef uint32_t words __attribute__((vector_size(GROUP)));
    uint32_t bits;
    memcpy(&bits, p, sizeof bits);
    group_bytes all = (group_bytes)((words){0} + bits), each;
    each = __builtin_shufflevector(all, all, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 18, 18, 18, 18,
                                   18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19);
    const group_bytes one = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128,
                             1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    return (group_bytes)((each & one) == one) & (uint8_t)(1 << at);
}

/* 16 bytes: the low halves are the first 16 elements. */
INLINE group_bytes nibbles_at(const uint8_t *p)
{
    typedef uint64_t words __attribute__((vector_size(GROUP)));
    uint64_t two[2];
    memcpy(two, p, sizeof two);
    words both = {two[0], two[1], two[0] >> 4, two[1] >> 4};
    return (group_bytes)both & 15;
}

/* The numbers of group g of a block, before scale and offset. Signed in q8_0 alone. */
INLINE group_bytes quants_of(const int kind, const uint8_t *block, int g)
{
    const int half = g / 4, quarter = g % 4;
    if (kind == BLOCK_q8_0)
        return bytes_at(block + 2);
    if (kind == BLOCK_q5_0)
        return nibbles_at(block + 6) | bits_at(block + 2, 4);
    if (kind == BLOCK_q5_1)
        return nibbles_at(block + 8) | bits_at(block + 4, 4);
    if (kind == BLOCK_q2_k)
        return bytes_at(block + 16 + half * 32) >> (2 * quarter) & 3;
    if (kind == BLOCK_q3_k)
        return (bytes_at(block + 32 + half * 32) >> (2 * quarter) & 3) | (bytes_at(block) >> g & 1) << 2;
    if (kind == BLOCK_q5_k)
        return (bytes_at(block + 48 + g / 2 * 32) >> (g % 2 * 4) & 15) | (bytes_at(block + 16) >> g & 1) << 4;
    return (bytes_at(block + half * 64 + quarter % 2 * 32) >> (quarter / 2 * 4) & 15) |
           (bytes_at(block + 128 + half * 32) >> (2 * quarter) & 3) << 4; /* q6_k */
}

/* ---- Blocks of 32: w = d * q + offset ------------------------------------------------------------------- */

/* Blocks whose scales are widened together: in few instructions, and so many that the first are stored when they are read
   as a vector. */
#define RUN 64

typedef struct run_scales {
    float d[RUN], offset[RUN];
} run_scales;

/* Of n <= RUN blocks. */
INLINE void scales_of(const int kind, size_t bytes, const uint8_t *blocks, size_t n, run_scales *out)
{
    uint16_t d[RUN] = {0}, offset[RUN] = {0};
    for (size_t i = 0; i < n && kind != BLOCK_mxfp4; i++) {
        memcpy(&d[i], blocks + i * bytes, sizeof *d);
        if (kind == BLOCK_q4_1 || kind == BLOCK_q5_1)
            memcpy(&offset[i], blocks + i * bytes + sizeof *d, sizeof *d);
    }
    for (size_t j = 0; j < n; j += VF_LANES) {
        vf scale = vf_load_f16(d + j), other = vf_zero();
        if (kind == BLOCK_q4_0 || kind == BLOCK_q5_0)
            other = vf_mul(scale, vf_set1(kind == BLOCK_q4_0 ? -8.0f : -16.0f));
        else if (kind == BLOCK_q4_1 || kind == BLOCK_q5_1)
            other = vf_load_f16(offset + j);
        vf_store(out->d + j, scale);
        vf_store(out->offset + j, other);
    }
    for (size_t i = 0; i < n && kind == BLOCK_mxfp4; i++) {
        /* 2^(e - 128), of which the first two are denormal */
        uint32_t e = blocks[i * bytes], power = e < 2 ? UINT32_C(0x200000) << e : (e - 1) << 23;
        memcpy(&out->d[i], &power, sizeof power);
    }
}

INLINE void group_32(const int kind, const uint8_t *block, float d, float offset, vf w[GROUP_VECTORS])
{
    if (HAS_CODES(kind)) {
        const vf_codes codes = codes_of(kind, vf_set1(d), vf_set1(offset));
        vf_load_codes(block + (kind == BLOCK_q4_1    ? 4
                               : kind == BLOCK_mxfp4 ? 1
                                                     : 2),
                      &codes, &codes, w, w + GROUP_VECTORS / 2);
        return;
    }
    uint8_t bytes[GROUP];
    const group_bytes quants = quants_of(kind, block, 0);
    memcpy(bytes, &quants, sizeof bytes);
    UNROLL for (int j = 0; j < GROUP_VECTORS; j++) w[j] =
        kind == BLOCK_q8_0 ? vf_mul(vf_set1(d), vf_load_s8((const int8_t *)bytes + j * VF_LANES))
                           : vf_fma(vf_set1(d), vf_load_u8(bytes + j * VF_LANES), vf_set1(offset));
}

/* ---- Blocks of 256: w = scale * u + offset, a scale and an offset for each 16 or 32 weights ------------- */

typedef struct block_parts {
    float scale[16], offset[16]; /* q4_k and q5_k: offsets begin at 8 */
} block_parts;

/* 8 scales, then 8 minimums, of 6 bits each, from 12 bytes. */
INLINE void unpack_8_6(const uint8_t *p, uint8_t out[16])
{
    uint32_t in[3], all[4];
    memcpy(in, p, sizeof in);
    all[0] = in[0] & 0x3F3F3F3F;
    all[1] = (in[2] & 0x0F0F0F0F) | (in[0] >> 6 & 0x03030303) << 4;
    all[2] = in[1] & 0x3F3F3F3F;
    all[3] = (in[2] >> 4 & 0x0F0F0F0F) | (in[1] >> 6 & 0x03030303) << 4;
    memcpy(out, all, sizeof all);
}

/* 16 scales of 6 bits, the low four of all and then the high two, from 12 bytes. */
INLINE void unpack_16(const uint8_t *p, uint8_t out[16])
{
    uint32_t in[3], all[4];
    memcpy(in, p, sizeof in);
    for (int i = 0; i < 4; i++)
        all[i] = (in[i % 2] >> (i / 2 * 4) & 0x0F0F0F0F) | (in[2] >> (2 * i) & 0x03030303) << 4;
    memcpy(out, all, sizeof all);
}

INLINE void parts_of(const int kind, const uint8_t *block, block_parts *out)
{
    uint8_t bytes[16];
    const int at = kind == BLOCK_q2_k ? 80 : kind == BLOCK_q3_k ? 108 : kind == BLOCK_q6_k ? 208 : 0;
    vf d = vf_set1_f16(block + at), less = vf_zero();
    if (kind == BLOCK_q3_k)
        unpack_16(block + 96, bytes);
    else if (kind == BLOCK_q4_k || kind == BLOCK_q5_k)
        unpack_8_6(block + 4, bytes);
    if (kind != BLOCK_q3_k && kind != BLOCK_q6_k)
        less = vf_sub(vf_zero(), vf_set1_f16(block + at + 2));
    UNROLL for (int j = 0; j < 16; j += VF_LANES)
    {
        vf scale, minimum;
        if (kind == BLOCK_q2_k)
            scale = vf_load_u4(block + j, &minimum);
        else if (kind == BLOCK_q3_k)
            scale = vf_sub(vf_load_u8(bytes + j), vf_set1(32.0f));
        else if (kind == BLOCK_q6_k)
            scale = vf_load_s8((const int8_t *)block + 192 + j);
        else
            scale = minimum = vf_load_u8(bytes + j);
        scale = vf_mul(d, scale);
        vf_store(out->scale + j, scale);
        vf_store(out->offset + j, kind == BLOCK_q3_k   ? vf_mul(scale, vf_set1(-4.0f))
                                  : kind == BLOCK_q6_k ? vf_mul(scale, vf_set1(-32.0f))
                                                       : vf_mul(less, minimum));
    }
}

/* Groups g and g + 1. */
INLINE void groups_k(const int kind, const uint8_t *block, const block_parts *parts, int g,
                     vf w[2][GROUP_VECTORS])
{
    if (HAS_CODES(kind)) {
        vf_codes low = codes_of(kind, vf_set1(parts->scale[g]), vf_set1(parts->offset[8 + g]));
        vf_codes high = codes_of(kind, vf_set1(parts->scale[g + 1]), vf_set1(parts->offset[9 + g]));
        UNROLL for (int i = 0; i < 2; i++)
            vf_load_codes(block + 16 + g * 16 + i * 16, &low, &high, w[0] + i * GROUP_VECTORS / 2,
                          w[1] + i * GROUP_VECTORS / 2);
        return;
    }
    UNROLL for (int i = 0; i < 2; i++)
    {
        uint8_t bytes[GROUP];
        const group_bytes quants = quants_of(kind, block, g + i);
        memcpy(bytes, &quants, sizeof bytes);
        UNROLL for (int j = 0; j < GROUP_VECTORS; j++)
        {
            const int at = kind == BLOCK_q5_k ? g + i : 2 * (g + i) + j * VF_LANES / 16;
            w[i][j] = vf_fma(vf_set1(parts->scale[at]), vf_load_u8(bytes + j * VF_LANES),
                             vf_set1(parts->offset[kind == BLOCK_q5_k ? 8 + at : at]));
        }
    }
}

/* ---- Columns --------------------------------------------------------------------------------------------- */

/* Columns that are summed side by side, each with SUMS sums: so that additions need not wait for one another. */
#define COLUMNS(kind, m) ((kind) >= BLOCK_q2_k || (m) > 2 ? 1 : (m) == 2 ? 2 : 4)
#define SUMS(kind, m)    ((kind) >= BLOCK_q2_k && (m) <= 2 ? 4 : 2)
#define MAX_COLUMNS      4
#define MAX_SUMS         4

/* Adds a group of m rows of A, (m, lda), to the sums. */
INLINE void add_group(const int m, const int sums, const float *a, size_t lda, const vf w[GROUP_VECTORS],
                      const int first, vf sum[THIN_MAX][MAX_SUMS])
{
    UNROLL for (int j = 0; j < GROUP_VECTORS; j++) UNROLL for (int i = 0; i < m; i++)
    {
        vf *to = &sum[i][(first + j) % sums];
        *to = vf_fma(vf_load(a + (size_t)i * lda + (size_t)(j * VF_LANES)), w[j], *to);
    }
}

/* A block of 256 of one column. */
INLINE void add_block(const int kind, const int m, const float *a, size_t lda, const uint8_t *block,
                      vf sum[THIN_MAX][MAX_SUMS])
{
    block_parts parts;
    parts_of(kind, block, &parts);
    UNROLL for (int g = 0; g < 8; g += 2)
    {
        vf w[2][GROUP_VECTORS];
        groups_k(kind, block, &parts, g, w);
        UNROLL for (int i = 0; i < 2; i++)
            add_group(m, SUMS(kind, m), a + (g + i) * GROUP, lda, w[i], i * GROUP_VECTORS, sum);
    }
}

/* n <= RUN blocks of 32 of each column; columns are `row` bytes apart. The next columns are fetched meanwhile: their
   scales are read ahead of all else. */
INLINE void add_run(const int kind, const int m, const int columns, size_t bytes, const float *a, size_t lda,
                    const uint8_t *blocks, size_t row, size_t n, vf sum[MAX_COLUMNS][THIN_MAX][MAX_SUMS])
{
    run_scales scales[MAX_COLUMNS];
    UNROLL for (int c = 0; c < columns; c++) scales_of(kind, bytes, blocks + (size_t)c * row, n, &scales[c]);
    for (size_t i = 0; i < n; i++, a += GROUP, blocks += bytes) {
        UNROLL for (int c = 0; c < columns; c++)
        {
            vf w[GROUP_VECTORS];
            __builtin_prefetch(blocks + (size_t)(c + columns) * row);
            group_32(kind, blocks + (size_t)c * row, scales[c].d[i], scales[c].offset[i], w);
            add_group(m, SUMS(kind, m), a, lda, w, 0, sum[c]);
        }
    }
}

/* Columns `at` and on of m rows. blocks: those of the first. */
INLINE void columns_of(const int kind, const int m, const int columns, size_t elements, size_t bytes,
                       const gemm_tile *t, const uint8_t *blocks, size_t row, size_t at)
{
    vf sum[MAX_COLUMNS][THIN_MAX][MAX_SUMS];
    const size_t step = elements == GROUP ? RUN : 1;
    UNROLL for (int c = 0; c < columns; c++) UNROLL for (int i = 0; i < m; i++)
        UNROLL for (int s = 0; s < MAX_SUMS; s++) sum[c][i][s] = vf_zero();
    for (size_t k = 0, n; k < t->k; k += n * elements, blocks += n * bytes) {
        n = size_min(step, (t->k - k) / elements);
        if (elements == GROUP)
            add_run(kind, m, columns, bytes, t->a + k, t->lda, blocks, row, n, sum);
        else {
            for (size_t b = 0; b < bytes; b += 64)
                __builtin_prefetch(blocks + THIN_AHEAD + b);
            add_block(kind, m, t->a + k, t->lda, blocks, sum[0]);
        }
    }
    UNROLL for (int c = 0; c < columns; c++) UNROLL for (int i = 0; i < m; i++)
    {
        const size_t j = at + (size_t)c;
        vf all = vf_add(sum[c][i][0], sum[c][i][1]);
        if (SUMS(kind, m) == 4)
            all = vf_add(all, vf_add(sum[c][i][2], sum[c][i][3]));
        float total = t->alpha * vf_sum(all);
        t->c[(size_t)i * t->ldc + j] = t->from ? total + t->from[(size_t)i * t->ldfrom + j] : total;
    }
}

INLINE void rows_of(const int kind, const int m, size_t elements, size_t bytes, const gemm_tile *t,
                    const gemm_thin *w, size_t n)
{
    const uint8_t *blocks = w->q;
    size_t j = 0;
    for (; j + COLUMNS(kind, m) <= n; j += COLUMNS(kind, m))
        columns_of(kind, m, COLUMNS(kind, m), elements, bytes, t, blocks + j * w->row, w->row, j);
    for (; COLUMNS(kind, m) > 1 && j < n; j++)
        columns_of(kind, m, 1, elements, bytes, t, blocks + j * w->row, w->row, j);
}

#define BLOCKS(name, elements, bytes)                                                                        \
    static void blocks_##name(const gemm_tile *t, const gemm_thin *w, size_t m, size_t n)                    \
    {                                                                                                        \
        UNROLL for (int rows = 1; rows <= THIN_MAX; rows++) if (m == (size_t)rows)                           \
            rows_of(BLOCK_##name, rows, elements, bytes, t, w, n);                                           \
    }
BLOCK_FORMATS(BLOCKS)
