/* The kernels of rows for one element type, in plain loops that compilers turn into vector code; included
   once per type. Defined by the includer:

       T        the elements
       SUM      type of sums and products: unsigned of the same width for integers, which wrap
       KIND     KIND_FLOAT, KIND_INT or KIND_UINT
       RESULT   type of results
       NAMED(x) x with the type's name */

#define PART     (64 / sizeof(T)) /* independent chains of a row */
#define SPAN     64               /* columns at a time */
#define RUN_SPAN 1024 /* the same of running sums: rows are read and written in pieces of some KB */

INLINE bool NAMED(is_nan)(T v)
{
#if KIND == KIND_FLOAT
    return v != v;
#else
    (void)v;
    return false;
#endif
}

INLINE bool NAMED(is_below_0)(T v)
{
#if KIND != KIND_UINT
    return v < 0;
#else
    (void)v;
    return false;
#endif
}

INLINE SUM NAMED(join)(SUM sum, T v, rows_kind kind)
{
    SUM a = (SUM)v;
    switch (kind) {
    case ROWS_SUM:
        return (SUM)(sum + a);
    case ROWS_SIZES:
        return (SUM)(sum + (NAMED(is_below_0)(v) ? (SUM)-a : a));
    case ROWS_SQUARES:
        return (SUM)(sum + (SUM)(1u * a * a));
    default:
        return (SUM)(1u * sum * a);
    }
}

INLINE SUM NAMED(join_sums)(SUM a, SUM b, rows_kind kind)
{
    return kind == ROWS_PRODUCT ? (SUM)(1u * a * b) : (SUM)(a + b);
}

INLINE void NAMED(sums)(const T *x, rows_walk w, RESULT *y, bool more, rows_kind kind)
{
    SUM start = (SUM)(kind == ROWS_PRODUCT);
    for (size_t j = 0; j < w.many && w.step == 1; j++) {
        const T *row = x + j * w.gap;
        SUM chain[PART], all = start;
        size_t i = 0;
        for (size_t k = 0; k < PART; k++)
            chain[k] = start;
        for (; i + PART <= w.n; i += PART)
            for (size_t k = 0; k < PART; k++)
                chain[k] = NAMED(join)(chain[k], row[i + k], kind);
        for (size_t k = 0; k < PART; k++)
            all = NAMED(join_sums)(all, chain[k], kind);
        for (; i < w.n; i++)
            all = NAMED(join)(all, row[i], kind);
        y[j] = (RESULT)(more ? NAMED(join_sums)((SUM)y[j], all, kind) : all);
    }
    for (size_t first = 0; first < w.many && w.step != 1; first += SPAN) {
        SUM all[SPAN];
        size_t columns = size_min(SPAN, w.many - first);
        for (size_t k = 0; k < columns; k++)
            all[k] = more ? (SUM)y[first + k] : start;
        for (size_t i = 0; i < w.n; i++)
            for (size_t k = 0; k < columns; k++)
                all[k] = NAMED(join)(all[k], x[i * w.step + first + k], kind);
        for (size_t k = 0; k < columns; k++)
            y[first + k] = (RESULT)all[k];
    }
}

/* Returns s where it is NaN, or where neither is NaN and s is at least as extreme; else v. */
INLINE T NAMED(extreme)(T s, T v, bool highest)
{
    return (highest ? s >= v : s <= v) || NAMED(is_nan)(s) ? s : v;
}

INLINE void NAMED(extremes)(const T *x, rows_walk w, RESULT *y, bool more, bool highest)
{
    for (size_t j = 0; j < w.many && w.step == 1; j++) {
        const T *row = x + j * w.gap;
        T best = row[0];
        for (size_t i = 1; i < w.n; i++)
            best = NAMED(extreme)(best, row[i], highest);
        y[j] = (RESULT)(more ? NAMED(extreme)((T)y[j], best, highest) : best);
    }
    for (size_t first = 0; first < w.many && w.step != 1; first += SPAN) {
        T best[SPAN];
        size_t columns = size_min(SPAN, w.many - first);
        for (size_t k = 0; k < columns; k++)
            best[k] = more ? (T)y[first + k] : (T)x[first + k];
        for (size_t i = 0; i < w.n; i++)
            for (size_t k = 0; k < columns; k++)
                best[k] = NAMED(extreme)(best[k], x[i * w.step + first + k], highest);
        for (size_t k = 0; k < columns; k++)
            y[first + k] = (RESULT)best[k];
    }
}

static void NAMED(sum)(const void *x, rows_walk w, void *y, bool more)
{
    NAMED(sums)(x, w, y, more, ROWS_SUM);
}

static void NAMED(sizes)(const void *x, rows_walk w, void *y, bool more)
{
    NAMED(sums)(x, w, y, more, ROWS_SIZES);
}

static void NAMED(squares)(const void *x, rows_walk w, void *y, bool more)
{
    NAMED(sums)(x, w, y, more, ROWS_SQUARES);
}

static void NAMED(product)(const void *x, rows_walk w, void *y, bool more)
{
    NAMED(sums)(x, w, y, more, ROWS_PRODUCT);
}

static void NAMED(min)(const void *x, rows_walk w, void *y, bool more)
{
    NAMED(extremes)(x, w, y, more, false);
}

static void NAMED(max)(const void *x, rows_walk w, void *y, bool more)
{
    NAMED(extremes)(x, w, y, more, true);
}

/* ---- Indices of extremes ------------------------------------------------------------------------------- */

/* Whether v replaces best: it is more extreme, where NaN is most extreme, or equal and the last is wanted. */
INLINE bool NAMED(takes)(T best, T v, bool highest, bool last)
{
    bool beats = highest ? v > best : v < best;
    return beats | (last & (v == best)) | (NAMED(is_nan)(v) & (!NAMED(is_nan)(best) | last));
}

/* Finds the extreme first, then the index of the first element that equals it. */
INLINE int64_t NAMED(place)(const T *x, size_t n, bool highest, bool last)
{
    T best = x[0];
    for (size_t i = 1; i < n; i++)
        best = NAMED(extreme)(best, x[i], highest);
    for (size_t k = 0; k < n; k++) {
        size_t i = last ? n - 1 - k : k;
        if (x[i] == best || (NAMED(is_nan)(x[i]) && NAMED(is_nan)(best)))
            return (int64_t)i;
    }
    return 0;
}

INLINE void NAMED(places)(const T *x, rows_walk w, int64_t *y, bool highest, bool last)
{
    for (size_t j = 0; j < w.many && w.step == 1; j++)
        y[j] = NAMED(place)(x + j * w.gap, w.n, highest, last);
    for (size_t first = 0; first < w.many && w.step != 1; first += SPAN) {
        T best[SPAN];
        size_t columns = size_min(SPAN, w.many - first);
        for (size_t k = 0; k < columns; k++) {
            best[k] = x[first + k];
            y[first + k] = 0;
        }
        for (size_t i = 1; i < w.n; i++)
            for (size_t k = 0; k < columns; k++) {
                T v = x[i * w.step + first + k];
                bool takes = NAMED(takes)(best[k], v, highest, last);
                best[k] = takes ? v : best[k];
                y[first + k] = takes ? (int64_t)i : y[first + k];
            }
    }
}

static void NAMED(arg)(const void *x, rows_walk w, int64_t *y, bool highest, bool last)
{
    if (highest && !last)
        NAMED(places)(x, w, y, true, false);
    else if (highest)
        NAMED(places)(x, w, y, true, true);
    else
        NAMED(places)(x, w, y, false, last);
}

/* ---- Running values ------------------------------------------------------------------------------------ */

/* Four rows of x, step apart, added to the sums `all` and written to a, b, c and d. */
INLINE void NAMED(run_four)(const T *restrict x, size_t step, size_t columns, SUM *restrict all,
                            T *restrict a, T *restrict b, T *restrict c, T *restrict d, rows_kind kind)
{
    for (size_t k = 0; k < columns; k++) {
        SUM sum = NAMED(join)(all[k], x[k], kind);
        a[k] = (T)sum;
        b[k] = (T)(sum = NAMED(join)(sum, x[step + k], kind));
        c[k] = (T)(sum = NAMED(join)(sum, x[2 * step + k], kind));
        d[k] = (T)(sum = NAMED(join)(sum, x[3 * step + k], kind));
        all[k] = sum;
    }
}

INLINE void NAMED(run_on)(const T *x, rows_walk w, T *y, rows_kind kind)
{
    SUM start = (SUM)(kind == ROWS_PRODUCT);
    for (size_t j = 0; j < w.many && w.step == 1; j++) {
        SUM all = start;
        for (size_t i = 0; i < w.n; i++)
            y[j * w.gap + i] = (T)(all = NAMED(join)(all, x[j * w.gap + i], kind));
    }
    for (size_t first = 0; first < w.many && w.step != 1; first += RUN_SPAN) {
        SUM all[RUN_SPAN];
        size_t columns = size_min(RUN_SPAN, w.many - first), i = 0;
        for (size_t k = 0; k < columns; k++)
            all[k] = start;
        for (; i + 4 <= w.n; i += 4) {
            T *to = y + i * w.step + first;
            NAMED(run_four)
            (x + i * w.step + first, w.step, columns, all, to, to + w.step, to + 2 * w.step, to + 3 * w.step,
             kind);
        }
        for (; i < w.n; i++)
            for (size_t k = 0; k < columns; k++) {
                size_t at = i * w.step + first + k;
                y[at] = (T)(all[k] = NAMED(join)(all[k], x[at], kind));
            }
    }
}

static void NAMED(running)(const void *x, rows_walk w, void *y, bool product)
{
    if (product)
        NAMED(run_on)(x, w, y, ROWS_PRODUCT);
    else
        NAMED(run_on)(x, w, y, ROWS_SUM);
}

static const rows_typed NAMED(typed) = {
    .reduce = {NAMED(sum), NAMED(sizes), NAMED(squares), NAMED(product), NAMED(min), NAMED(max)},
    .arg = NAMED(arg),
    .running = NAMED(running),
};

#undef T
#undef SUM
#undef KIND
#undef RESULT
#undef NAMED
#undef PART
#undef SPAN
#undef RUN_SPAN
