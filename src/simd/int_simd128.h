/* SIMD of WebAssembly: vectors of four int32, and of 16 bytes. Those of tile/lanes.inc.h are not here: that room is not built
   for WebAssembly. */
#ifndef SIMD_INT_SIMD128_H
#define SIMD_INT_SIMD128_H

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

typedef v128_t vi;
#define VI_LANES   4
#define VI_GROUP   2
#define VI_ELEMENT 2

/* ---- Products of bytes: gemm_int.inc.h and bytes.inc.h define the operations ---- */

static inline vi vi_zero(void)
{
    return wasm_i32x4_const_splat(0);
}

static inline vi vi_left(const char *a)
{
    return wasm_v128_load32_splat(a);
}

static inline vi vi_right(const int8_t *b)
{
    return wasm_i16x8_load8x8(b);
}

static inline vi vi_dot(vi sum, vi left, vi right)
{
    return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(left, right));
}

static inline void vi_store(int32_t *p, vi v)
{
    wasm_v128_store(p, v);
}

static inline vi vi_plain(const uint8_t *b)
{
    return wasm_u16x8_load8x8(b);
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    return vi_dot(sum, left, plain);
}

#define VI_JOIN 8
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    const v128_t by = wasm_i8x16_splat((int8_t)(flip & 0xff));
    const v128_t a = wasm_v128_load64_zero(rows[0] + l), b = wasm_v128_load64_zero(rows[1] + l);
    const v128_t both = wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    wasm_v128_store(dst, wasm_v128_xor(both, by));
}

/* ---- Bytes as items in pieces of 16: kernel/layout/layout.inc.h defines the operations ---- */

typedef v128_t vb;
#define VB_PIECES 1

static inline vb vb_rows(const char *p, ptrdiff_t apart)
{
    (void)apart;
    return wasm_v128_load(p);
}

static inline vb vb_halves(const char *p)
{
    return wasm_v128_load64_splat(p);
}

static inline void vb_store(char *p, vb v)
{
    wasm_v128_store(p, v);
}

/* There is no store past the caches. */
static inline void vb_stream(char *p, const char *from)
{
    wasm_v128_store(p, wasm_v128_load(from));
}

static inline void vb_stream_end(void)
{
}

static inline vb vb_lo_1(vb a, vb b)
{
    return wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline vb vb_hi_1(vb a, vb b)
{
    return wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

static inline vb vb_lo_2(vb a, vb b)
{
    return wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

static inline vb vb_hi_2(vb a, vb b)
{
    return wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

static inline vb vb_lo_4(vb a, vb b)
{
    return wasm_i32x4_shuffle(a, b, 0, 4, 1, 5);
}

static inline vb vb_hi_4(vb a, vb b)
{
    return wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
}

static inline vb vb_lo_8(vb a, vb b)
{
    return wasm_i64x2_shuffle(a, b, 0, 2);
}

static inline vb vb_hi_8(vb a, vb b)
{
    return wasm_i64x2_shuffle(a, b, 1, 3);
}

#endif
