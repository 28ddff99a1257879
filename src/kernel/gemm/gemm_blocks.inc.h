/* Few rows times blocks of tensor/blocks.h as they are in the file (gemm_thin of gemm.h): each column is a row of memory,
   of which 32 weights at a time become floats in registers. Part of gemm.inc.h.

   A weight differs from the decoder's by at most the rounding of a product and a sum. */

#define GROUP         32 /* weights that are widened together: a block of them, or an eighth of one of 256 */
#define GROUP_VECTORS (GROUP / VF_LANES)

INLINE void group_q8_0(const uint8_t *block, vf w[GROUP_VECTORS])
{
    vf d = vf_set1_f16(block);
    UNROLL for (int j = 0; j < GROUP_VECTORS; j++) w[j] =
        vf_mul(d, vf_load_s8((const int8_t *)block + 2 + j * VF_LANES));
}

/* 16 bytes: the low halves are the first 16 elements. w = d * q + offset. */
INLINE void group_nibbles(const uint8_t *q, vf d, vf offset, vf w[GROUP_VECTORS])
{
    UNROLL for (int j = 0; j < GROUP_VECTORS / 2; j++)
    {
        vf high, low = vf_load_u4(q + j * VF_LANES, &high);
        w[j] = vf_fma(d, low, offset);
        w[j + GROUP_VECTORS / 2] = vf_fma(d, high, offset);
    }
}

INLINE void group_q4_0(const uint8_t *block, vf w[GROUP_VECTORS])
{
    vf d = vf_set1_f16(block);
    group_nibbles(block + 2, d, vf_mul(d, vf_set1(-8.0f)), w);
}

INLINE void group_q4_1(const uint8_t *block, vf w[GROUP_VECTORS])
{
    group_nibbles(block + 4, vf_set1_f16(block), vf_set1_f16(block + 2), w);
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

/* Vector j of group g, before scale and offset. */
INLINE vf vector_of(const int kind, const uint8_t *block, int g, int j)
{
    const int i = j * VF_LANES, half = g / 4, quarter = g % 4;
    if (kind == BLOCK_q2_k)
        return vf_load_bits(block + 16 + half * 32 + i, 2 * quarter, 3);
    if (kind == BLOCK_q3_k)
        return vf_fma(vf_set1(4.0f), vf_load_bits(block + i, g, 1),
                      vf_load_bits(block + 32 + half * 32 + i, 2 * quarter, 3));
    if (kind == BLOCK_q6_k)
        return vf_fma(vf_set1(16.0f), vf_load_bits(block + 128 + half * 32 + i, 2 * quarter, 3),
                      vf_load_bits(block + half * 64 + quarter % 2 * 32 + i, quarter / 2 * 4, 15));
    vf four = vf_load_bits(block + (kind == BLOCK_q5_k ? 48 : 16) + g / 2 * 32 + i, g % 2 * 4, 15);
    return kind == BLOCK_q5_k ? vf_fma(vf_set1(16.0f), vf_load_bits(block + 16 + i, g, 1), four) : four;
}

INLINE void group_k(const int kind, const uint8_t *block, const block_parts *parts, int g,
                    vf w[GROUP_VECTORS])
{
    const bool by_32 = kind == BLOCK_q4_k || kind == BLOCK_q5_k;
    UNROLL for (int j = 0; j < GROUP_VECTORS; j++)
    {
        const int at = by_32 ? g : 2 * g + j * VF_LANES / 16;
        w[j] = vf_fma(vf_set1(parts->scale[at]), vector_of(kind, block, g, j),
                      vf_set1(parts->offset[by_32 ? 8 + at : at]));
    }
}

/* ---- Columns ------------------------------------------------------------------------------------------- */

/* Kinds without words of their own: the block's decoder widens it into memory. */
#define IS_DECODED(kind)                                                                                     \
    ((kind) == BLOCK_q5_0 || (kind) == BLOCK_q5_1 || (kind) == BLOCK_iq4_nl || (kind) == BLOCK_mxfp4)

/* Adds a group of m rows of A, (m, lda), to the sums. */
INLINE void add_group(const int m, const float *a, size_t lda, const vf w[GROUP_VECTORS], vf sum[THIN_MAX][2])
{
    UNROLL for (int j = 0; j < GROUP_VECTORS; j++) UNROLL for (int i = 0; i < m; i++) sum[i][j % 2] =
        vf_fma(vf_load(a + (size_t)i * lda + (size_t)(j * VF_LANES)), w[j], sum[i][j % 2]);
}

INLINE void add_block(const int kind, const int m, const float *a, size_t lda, const uint8_t *block,
                      vf sum[THIN_MAX][2])
{
    vf w[GROUP_VECTORS];
    if (IS_DECODED(kind)) {
        float weights[GROUP];
        block_format_at((block_kind)kind)->decode(block, 1, weights);
        UNROLL for (int j = 0; j < GROUP_VECTORS; j++) w[j] = vf_load(weights + j * VF_LANES);
        add_group(m, a, lda, w, sum);
    } else if (kind == BLOCK_q8_0 || kind == BLOCK_q4_0 || kind == BLOCK_q4_1) {
        (kind == BLOCK_q8_0 ? group_q8_0 : kind == BLOCK_q4_0 ? group_q4_0 : group_q4_1)(block, w);
        add_group(m, a, lda, w, sum);
    } else {
        block_parts parts;
        parts_of(kind, block, &parts);
        UNROLL for (int g = 0; g < 8; g++)
        {
            group_k(kind, block, &parts, g, w);
            add_group(m, a + g * GROUP, lda, w, sum);
        }
    }
}

/* One column of m rows. column: its blocks. */
INLINE void column_of(const int kind, const int m, size_t elements, size_t bytes, const gemm_tile *t,
                      const uint8_t *column, size_t at)
{
    vf sum[THIN_MAX][2];
    UNROLL for (int i = 0; i < m; i++) sum[i][0] = sum[i][1] = vf_zero();
    for (size_t k = 0; k < t->k; k += elements, column += bytes) {
        __builtin_prefetch(column + THIN_AHEAD);
        add_block(kind, m, t->a + k, t->lda, column, sum);
    }
    UNROLL for (int i = 0; i < m; i++)
    {
        float all = t->alpha * vf_sum(vf_add(sum[i][0], sum[i][1]));
        t->c[(size_t)i * t->ldc + at] = t->from ? all + t->from[(size_t)i * t->ldfrom + at] : all;
    }
}

#define BLOCKS(name, elements, bytes)                                                                        \
    static void blocks_##name(const gemm_tile *t, const gemm_thin *w, size_t m, size_t n)                    \
    {                                                                                                        \
        UNROLL for (int rows = 1; rows <= THIN_MAX; rows++) for (size_t j = 0; j < n && m == (size_t)rows;   \
                                                                 j++)                                        \
            column_of(BLOCK_##name, rows, elements, bytes, t, (const uint8_t *)w->q + j * w->row, j);        \
    }
BLOCK_FORMATS(BLOCKS)
