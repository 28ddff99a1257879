/* Random numbers as numpy.random.RandomState draws them.

   Sources: Matsumoto & Nishimura 1998, "Mersenne Twister: A 623-dimensionally equidistributed uniform
   pseudo-random number generator" with the initialisation of 2002; Marsaglia & Bray 1964, "A convenient
   method for generating normal variables" (polar method). */
#include "backend/ref/elements.h"
#include "backend/ref/kernel.h"

#include <math.h>

#define STATE_WORDS 624
#define STATE_SHIFT 397

typedef struct twister {
    uint32_t state[STATE_WORDS];
    size_t at;
    double spare; /* the second of a pair of normal numbers */
    bool has_spare;
} twister;

/* Seeds as init_genrand does. */
static void seed_word(twister *t, uint32_t seed)
{
    t->state[0] = seed;
    for (uint32_t i = 1; i < STATE_WORDS; i++)
        t->state[i] = UINT32_C(1812433253) * (t->state[i - 1] ^ t->state[i - 1] >> 30) + i;
    t->at = STATE_WORDS;
    t->has_spare = false;
}

/* Seeds as init_by_array does, with the two halves of a seed, the low one first. */
static void seed_words(twister *t, const uint32_t words[2])
{
    uint32_t i = 1, *s = t->state;
    seed_word(t, UINT32_C(19650218));
    for (uint32_t k = 0; k < STATE_WORDS; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * UINT32_C(1664525)) + words[k % 2] + k % 2;
        if (++i == STATE_WORDS) {
            s[0] = s[STATE_WORDS - 1];
            i = 1;
        }
    }
    for (uint32_t k = 0; k < STATE_WORDS - 1; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * UINT32_C(1566083941)) - i;
        if (++i == STATE_WORDS) {
            s[0] = s[STATE_WORDS - 1];
            i = 1;
        }
    }
    s[0] = UINT32_C(0x80000000);
}

static void next_state(twister *t)
{
    uint32_t *s = t->state;
    for (size_t i = 0; i < STATE_WORDS; i++) {
        uint32_t y = (s[i] & UINT32_C(0x80000000)) | (s[(i + 1) % STATE_WORDS] & UINT32_C(0x7FFFFFFF));
        s[i] = s[(i + STATE_SHIFT) % STATE_WORDS] ^ y >> 1 ^ (y & 1 ? UINT32_C(0x9908B0DF) : 0);
    }
    t->at = 0;
}

static uint32_t draw_word(twister *t)
{
    if (t->at == STATE_WORDS)
        next_state(t);
    uint32_t y = t->state[t->at++];
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9D2C5680);
    y ^= y << 15 & UINT32_C(0xEFC60000);
    return y ^ y >> 18;
}

/* Uniform in [0, 1), 53 bits. */
static double draw_uniform(twister *t)
{
    double high = draw_word(t) >> 5, low = draw_word(t) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

static double draw_normal(twister *t)
{
    double x, y, square;
    if (t->has_spare) {
        t->has_spare = false;
        return t->spare;
    }
    do {
        x = 2.0 * draw_uniform(t) - 1.0;
        y = 2.0 * draw_uniform(t) - 1.0;
        square = x * x + y * y;
    } while (square >= 1.0 || square == 0.0);
    double scale = sqrt(-2.0 * log(square) / square);
    t->spare = scale * x;
    t->has_spare = true;
    return scale * y;
}

/* Seeds of 32 bits as RandomState(seed), others as RandomState([low, high]) of their halves. */
sib_code ref_random(const ref_call *c)
{
    sib_tensor *out = ref_out(c, 0);
    uint64_t seed = (uint64_t)spec_milli_random(c->node).seed;
    bool normal = c->node->milli->kind == MILLI_random_normal;
    twister t;
    ref_block block;
    if (!out)
        return SIB_OK;
    if (ref_path_of(out->dtype) != REF_PATH_DOUBLE)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for %s", sib_dtype_name(out->dtype));
    if (seed >> 32)
        seed_words(&t, (uint32_t[2]){(uint32_t)seed, (uint32_t)(seed >> 32)});
    else
        seed_word(&t, (uint32_t)seed);
    sib_code code = SIB_OK;
    for (uint64_t done = 0; done < out->count && code == SIB_OK; done += REF_BLOCK) {
        size_t n = out->count - done < REF_BLOCK ? (size_t)(out->count - done) : REF_BLOCK;
        for (size_t i = 0; i < n; i++)
            block.f[i] = normal ? draw_normal(&t) : draw_uniform(&t);
        ref_store(REF_PATH_DOUBLE, &block, out->dtype, out->data, done, n);
        code = ref_cancelled(c);
    }
    return code;
}
