/* Few rows deinterleaved or interleaved item by item, and items repeated: loops that compilers vectorize,
   included in each level's file. The including file has included kernel.h. */

typedef uint8_t __attribute__((may_alias)) item_1;
typedef uint16_t __attribute__((may_alias, aligned(1))) item_2;
typedef uint32_t __attribute__((may_alias, aligned(1))) item_4;
typedef uint64_t __attribute__((may_alias, aligned(1))) item_8;

/* For each type: deal_S dst[j][i] = src[i * few + j], join_S dst[i * few + j] = src[j][i] and repeat_S dst[i
   * few + j] = src[i] for i < n, j < few; few is 2 to 4; the `few` rows are `apart` bytes apart. */
#define FEW(size)                                                                                            \
    static inline __attribute__((always_inline)) void deal_##size##_of(                                      \
        const item_##size *restrict src, char *restrict dst, ptrdiff_t apart, size_t n, size_t few)          \
    {                                                                                                        \
        item_##size *restrict a = (item_##size *)dst, *restrict b = (item_##size *)(dst + apart),            \
                              *restrict c = (item_##size *)(dst + 2 * apart),                                \
                              *restrict d = (item_##size *)(dst + 3 * apart);                                \
        for (size_t i = 0; i < n; i++) {                                                                     \
            a[i] = src[i * few];                                                                             \
            b[i] = src[i * few + 1];                                                                         \
            if (few > 2)                                                                                     \
                c[i] = src[i * few + 2];                                                                     \
            if (few > 3)                                                                                     \
                d[i] = src[i * few + 3];                                                                     \
        }                                                                                                    \
    }                                                                                                        \
    static inline __attribute__((always_inline)) void join_##size##_of(                                      \
        const char *restrict src, ptrdiff_t apart, item_##size *restrict dst, size_t n, size_t few)          \
    {                                                                                                        \
        const item_##size *restrict a = (const item_##size *)src,                                            \
                                    *restrict b = (const item_##size *)(src + apart),                        \
                                    *restrict c = (const item_##size *)(src + 2 * apart),                    \
                                    *restrict d = (const item_##size *)(src + 3 * apart);                    \
        for (size_t i = 0; i < n; i++) {                                                                     \
            dst[i * few] = a[i];                                                                             \
            dst[i * few + 1] = b[i];                                                                         \
            if (few > 2)                                                                                     \
                dst[i * few + 2] = c[i];                                                                     \
            if (few > 3)                                                                                     \
                dst[i * few + 3] = d[i];                                                                     \
        }                                                                                                    \
    }                                                                                                        \
    static void deal_##size(const char *src, char *dst, ptrdiff_t apart, size_t n, size_t few)               \
    {                                                                                                        \
        const item_##size *from = (const item_##size *)src;                                                  \
        if (few == 2)                                                                                        \
            deal_##size##_of(from, dst, apart, n, 2);                                                        \
        else if (few == 3)                                                                                   \
            deal_##size##_of(from, dst, apart, n, 3);                                                        \
        else                                                                                                 \
            deal_##size##_of(from, dst, apart, n, 4);                                                        \
    }                                                                                                        \
    static void join_##size(const char *src, ptrdiff_t apart, char *dst, size_t n, size_t few)               \
    {                                                                                                        \
        item_##size *to = (item_##size *)dst;                                                                \
        if (few == 2)                                                                                        \
            join_##size##_of(src, apart, to, n, 2);                                                          \
        else if (few == 3)                                                                                   \
            join_##size##_of(src, apart, to, n, 3);                                                          \
        else                                                                                                 \
            join_##size##_of(src, apart, to, n, 4);                                                          \
    }                                                                                                        \
    static __attribute__((noinline)) void repeat_##size(const char *src, char *dst, size_t n, size_t times)  \
    {                                                                                                        \
        const item_##size *restrict from = (const item_##size *)src;                                         \
        item_##size *restrict to = (item_##size *)dst;                                                       \
        for (size_t i = 0; i < n && times == 2; i++)                                                         \
            to[2 * i] = to[2 * i + 1] = from[i];                                                             \
        for (size_t i = 0; i < n && times != 2; i++)                                                         \
            for (size_t k = 0; k < times; k++)                                                               \
                to[i * times + k] = from[i];                                                                 \
    }

FEW(1)
FEW(2)
FEW(4)
FEW(8)
