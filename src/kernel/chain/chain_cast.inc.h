/* Casts from one type. Included with FROM, the type; FROM_REAL, 1 where it is a float; and NAME(to), the name
   of the cast to `to`. */

#define CAST_LOOP(to, result, formula)                                                                       \
    static void NAME(to)(const void *a, const void *b, const void *c, void *out, size_t n)                   \
    {                                                                                                        \
        const FROM *source = a;                                                                              \
        result *z = out;                                                                                     \
        (void)b, (void)c;                                                                                    \
        _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++)                                                  \
        {                                                                                                    \
            FROM x = source[i];                                                                              \
            z[i] = (result)(formula);                                                                        \
        }                                                                                                    \
    }

/* Where all numbers of a stretch are below the limit, the machine's conversion to `middle` is used. */
#define CAST_TRUNCATED(to, result, middle, limit)                                                            \
    static void NAME(to)(const void *a, const void *b, const void *c, void *out, size_t n)                   \
    {                                                                                                        \
        const FROM *source = a;                                                                              \
        result *z = out;                                                                                     \
        (void)b, (void)c;                                                                                    \
        for (size_t part; n; n -= part, source += part, z += part) {                                         \
            unsigned beyond = 0;                                                                             \
            part = n < 256 ? n : 256;                                                                        \
            for (size_t i = 0; i < part; i++)                                                                \
                beyond |= !((source[i] < 0 ? -source[i] : source[i]) < (FROM)(limit));                       \
            _Pragma("GCC ivdep") for (size_t i = 0; i < part && !beyond; i++) z[i] =                         \
                (result)(middle)source[i];                                                                   \
            for (size_t i = 0; i < part && beyond; i++)                                                      \
                z[i] = (result)chain_wrap((double)source[i]);                                                \
        }                                                                                                    \
    }

CAST_LOOP(F32, float, x)
CAST_LOOP(F64, double, x)
CAST_LOOP(BOOL, uint8_t, x != 0)
#if FROM_REAL
CAST_TRUNCATED(I8, int8_t, int32_t, 0x1p31)
CAST_TRUNCATED(I16, int16_t, int32_t, 0x1p31)
CAST_TRUNCATED(I32, int32_t, int32_t, 0x1p31)
CAST_TRUNCATED(I64, int64_t, int64_t, 0x1p63)
CAST_TRUNCATED(U8, uint8_t, int32_t, 0x1p31)
CAST_TRUNCATED(U16, uint16_t, int32_t, 0x1p31)
CAST_TRUNCATED(U32, uint32_t, int64_t, 0x1p63)
CAST_TRUNCATED(U64, uint64_t, int64_t, 0x1p63)
#else
CAST_LOOP(I8, int8_t, x)
CAST_LOOP(I16, int16_t, x)
CAST_LOOP(I32, int32_t, x)
CAST_LOOP(I64, int64_t, x)
CAST_LOOP(U8, uint8_t, x)
CAST_LOOP(U16, uint16_t, x)
CAST_LOOP(U32, uint32_t, x)
CAST_LOOP(U64, uint64_t, x)
#endif

static void NAME(init)(chain_kernels *k, chain_type from)
{
#define CAST_ENTRY(to, type) k->cast[from][CHAIN_##to] = NAME(to);
    CHAIN_TYPE_ROWS(CAST_ENTRY)
#undef CAST_ENTRY
}

#undef CAST_LOOP
#undef CAST_TRUNCATED
