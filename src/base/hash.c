#include "base/hash.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static uint64_t key[2];
static pthread_once_t key_drawn = PTHREAD_ONCE_INIT;

/* Without waiting for entropy where the system could make it wait. */
static bool draw_random(void *to, size_t n)
{
#if defined(GRND_NONBLOCK)
    return getrandom(to, n, GRND_NONBLOCK) == (ssize_t)n;
#else
    return getentropy(to, n) == 0;
#endif
}

static void draw_key(void)
{
    if (draw_random(key, sizeof key))
        return;
    /* without entropy yet, the clock and the stack address are better than a constant */
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    key[0] = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 32;
    key[1] = (uint64_t)(uintptr_t)&now * UINT64_C(0x9E3779B97F4A7C15);
}

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; one round per word, three at the end. */
uint64_t hash_bytes(const void *data, size_t n)
{
    pthread_once(&key_drawn, draw_key);
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    const unsigned char *p = data;
    uint64_t word, last = (uint64_t)n << 56;
    size_t left = n;
    for (; left >= sizeof word; p += sizeof word, left -= sizeof word) {
        memcpy(&word, p, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)p[i] << 8 * i;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xFF;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
