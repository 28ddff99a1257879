/* Features in the lanes, for conv2d.inc.h: a few pixels at arbitrary addresses times vectors of weights, one
   feature per lane. Weights are loaded in order; an element of a pixel's window is broadcast to all lanes. */

#define COUNT(n) +1
enum { SPOTS = CONV2D_SPOTS(COUNT) };
#undef COUNT

/* Floats that weights are prefetched ahead: the first tile of a block reads them from memory, the others from the L2
   cache. */
#define SPOT_AHEAD 1024

/* n pixels by nv vectors; both are constants. */
static inline __attribute__((always_inline)) void spot_tile(const conv2d_terms *t, const float *const *x,
                                                            bool more, float *sums, int n, int nv)
{
    const float *at[SPOTS];
    vf sum[SPOTS][SPOT_VECTORS];
    UNROLL for (int i = 0; i < n; i++)
    {
        at[i] = x[i];
        UNROLL for (int j = 0; j < nv; j++) sum[i][j] =
            more ? vf_load(sums + (i * nv + j) * VF_LANES) : vf_zero();
    }
    for (size_t r = 0; r < t->runs; r++) {
        const float *w = t->w + r * t->apart * (size_t)nv * VF_LANES;
        const int32_t *offset = t->offset + r * t->apart;
        for (size_t p = 0; p < t->run; p++, w += nv * VF_LANES) {
            ptrdiff_t tap = offset[p];
            vf left[SPOT_VECTORS];
            UNROLL for (int j = 0; j < nv; j++)
            {
                left[j] = vf_load(w + j * VF_LANES);
                __builtin_prefetch(w + j * VF_LANES + SPOT_AHEAD);
            }
            UNROLL for (int i = 0; i < n; i++)
            {
                vf right = vf_set1(at[i][tap]);
                UNROLL for (int j = 0; j < nv; j++) sum[i][j] = vf_fma(left[j], right, sum[i][j]);
            }
        }
    }
    UNROLL for (int i = 0; i < n; i++) UNROLL for (int j = 0; j < nv; j++)
        vf_store(sums + (i * nv + j) * VF_LANES, sum[i][j]);
}

#define SPOT(n)                                                                                              \
    static void spot_##n(size_t nv, const conv2d_terms *t, const float *const *x, bool more, float *sums)    \
    {                                                                                                        \
        UNROLL for (int v = 1; v <= SPOT_VECTORS; v++) if (v == (int)nv) spot_tile(t, x, more, sums, n, v);  \
    }
CONV2D_SPOTS(SPOT)
#undef SPOT

static void conv2d_spot(size_t n, size_t nv, const conv2d_terms *t, const float *const *x, bool more,
                        float *sums)
{
#define SPOT(n) spot_##n,
    static void (*const by_pixels[])(size_t nv, const conv2d_terms *t, const float *const *x, bool more,
                                     float *sums) = {CONV2D_SPOTS(SPOT)};
#undef SPOT
    by_pixels[n - 1](nv, t, x, more, sums);
}

/* VF_LANES pixels of n <= VF_LANES features. */
static inline __attribute__((always_inline)) void store_block(const conv2d_feature_sums *t, size_t i,
                                                              size_t f, size_t pixels, size_t features)
{
    vf v[VF_LANES], low = vf_set1(t->low), high = vf_set1(t->high);
    UNROLL for (int r = 0; r < VF_LANES; r++) v[r] = vf_load(t->sums + (i + (size_t)r) * t->width + f);
    vf_transpose(v);
    float *y = t->y + f * t->ldy + i;
    UNROLL for (int r = 0; r < VF_LANES; r++, y += t->ldy)
    {
        if ((size_t)r >= features)
            break;
        vf sum = t->bias ? vf_add(v[r], vf_set1(t->bias[f + (size_t)r])) : v[r];
        sum = vf_min(high, vf_max(low, sum));
        if (pixels == VF_LANES)
            vf_store(y, sum);
        else
            vf_store_n(y, sum, pixels);
    }
}

static void conv2d_store_features(const conv2d_feature_sums *t, size_t n, size_t m)
{
    for (size_t f = 0; f < m; f += VF_LANES)
        for (size_t i = 0; i < n; i += VF_LANES)
            store_block(t, i, f, size_min(VF_LANES, n - i), size_min(VF_LANES, m - f));
}
