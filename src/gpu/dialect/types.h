/* Element types of buffers, for every dialect: a buffer is read and written by words of 32 bits, so that no
   device needs narrower accesses; a thread writes the elements of complete words. */
#ifndef GPU_DIALECT_TYPES_H
#define GPU_DIALECT_TYPES_H

/* Where groups are counted along one line: so many of it along x. */
#define GROUPS_ALONG_X 1024u

/* The numbers of sib_dtype. */
#define T_F32  1u
#define T_U8   2u
#define T_I8   3u
#define T_I32  6u
#define T_BOOL 9u
#define T_F16  10u
#define T_BF16 16u

/* Elements of a type in a word, as a power of two. */
FN u32 type_shift(u32 type)
{
    return type == T_F32 || type == T_I32 ? 0u : type == T_F16 || type == T_BF16 ? 1u : 2u;
}

FN bool type_is_float(u32 type)
{
    return type == T_F32 || type == T_F16 || type == T_BF16;
}

FN bool is_nan(f32 v)
{
    return (f32_to_bits(v) & 0x7fffffffu) > 0x7f800000u;
}

FN bool is_inf(f32 v)
{
    return (f32_to_bits(v) & 0x7fffffffu) == 0x7f800000u;
}

FN bool is_finite(f32 v)
{
    return (f32_to_bits(v) & 0x7f800000u) != 0x7f800000u;
}

#if !defined(NATIVE_F16)
FN f32 f16_to_f32(u32 bits)
{
    u32 sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
    if (rest >= 0x7c00u)
        return bits_to_f32(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
    if (rest >= 0x400u)
        return bits_to_f32(sign | ((rest << 13) + 0x38000000u));
    f32 small = F32(rest) * 5.9604644775390625e-08f; /* 2^-24 */
    return bits_to_f32(sign | f32_to_bits(small));
}

/* Rounds to the nearest, ties to even. */
FN u32 f32_to_f16(f32 v)
{
    u32 bits = f32_to_bits(v), sign = (bits >> 16) & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        return sign | 0x7e00u | ((rest >> 13) & 0x1ffu);
    if (rest >= 0x477ff000u) /* 65520 */
        return sign | 0x7c00u;
    if (rest < 0x38800000u) /* 2^-14: adding 0.5 leaves multiples of 2^-24 in the low bits */
        return sign | (f32_to_bits(bits_to_f32(rest) + 0.5f) - 0x3f000000u);
    return sign | ((rest - 0x38000000u + 0xfffu + ((rest >> 13) & 1u)) >> 13);
}
#endif

/* Rounds to the nearest, ties to even. */
FN u32 f32_to_bf16(f32 v)
{
    u32 bits = f32_to_bits(v);
    if (is_nan(v))
        return (bits >> 16) | 0x40u;
    return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

/* The integer part of v modulo 2^32; 0 for NaN and infinities. */
FN u32 f32_wrapped(f32 v)
{
    u32 bits = f32_to_bits(v), fraction = (bits & 0x7fffffu) | 0x800000u, exponent = (bits >> 23) & 0xffu,
        size;
    if (exponent < 127u || exponent >= 127u + 55u)
        return 0u;
    size = exponent < 150u ? fraction >> (150u - exponent) : fraction << (exponent - 150u);
    return bits >= 0x80000000u ? 0u - size : size;
}

/* Element i as its word says: the bits of a float32, or an integer. */
FN u32 decode(u32 type, u32 word, u32 i)
{
    if (type == T_F16)
        return f32_to_bits(f16_to_f32((word >> (16u * (i & 1u))) & 0xffffu));
    if (type == T_BF16)
        return ((word >> (16u * (i & 1u))) & 0xffffu) << 16;
    if (type_shift(type) == 0u)
        return word;
    u32 byte = (word >> (8u * (i & 3u))) & 0xffu;
    if (type == T_BOOL)
        return byte != 0u ? 1u : 0u;
    return type == T_I8 && byte >= 0x80u ? byte | 0xffffff00u : byte;
}

/* Element i of a word of floats. */
FN f32 float_of(u32 type, u32 word, u32 i)
{
    if (type == T_F32)
        return bits_to_f32(word);
    u32 half_word = (i & 1u) == 0u ? word & 0xffffu : word >> 16;
    return type == T_F16 ? f16_to_f32(half_word) : bits_to_f32(half_word << 16);
}

/* The bits of element i at their place in its word; the other bits are 0. */
FN u32 encode(u32 type, u32 value, u32 i)
{
    if (type == T_F16)
        return f32_to_f16(bits_to_f32(value)) << (16u * (i & 1u));
    if (type == T_BF16)
        return f32_to_bf16(bits_to_f32(value)) << (16u * (i & 1u));
    return type_shift(type) == 0u ? value : (value & 0xffu) << (8u * (i & 3u));
}

/* Element i's place in its word, and that of a word's last element. */
#define PLACE(type, i)   ((i)&LAST_PLACE(type))
#define LAST_PLACE(type) ((1u << type_shift(type)) - 1u)

/* What a value is once it has been written and read. */
FN u32 rounded(u32 type, u32 value)
{
    return type_shift(type) == 0u ? value : decode(type, encode(type, value, 0u), 0u);
}

/* `word` with element i, the elements before which stand in it already. */
FN u32 joined(u32 type, u32 word, u32 value, u32 i)
{
    return encode(type, value, i) | (PLACE(type, i) == 0u ? 0u : word);
}

#define LOAD(buffer, type, i)       decode(type, WORD(buffer, (i) >> type_shift(type)), i)
#define LOAD_F32(buffer, type, i)   bits_to_f32(LOAD(buffer, type, i))
#define LOAD_FLOAT(buffer, type, i) float_of(type, WORD(buffer, (i) >> type_shift(type)), i)
/* Element i of a buffer = what decodes to `bits`, or v, for a thread that makes a word's elements in order: the last
   writes `word`. PUT_WITHIN: of `count` elements, which may end inside of a word. */
#define PUT(buffer, type, word, i, bits) PUT_WITHIN(buffer, type, 0u, word, i, bits)
#define PUT_WITHIN(buffer, type, count, word, i, bits)                                                       \
    word = joined(type, word, bits, i);                                                                      \
    if (PLACE(type, i) == LAST_PLACE(type) || (i) + 1u == (count))                                           \
    SET_WORD(buffer, (i) >> type_shift(type), word)
#define PUT_F32(buffer, type, word, i, v) PUT(buffer, type, word, i, f32_to_bits(v))

#endif
