/* Pseudo-random numbers, the same for the same seed on every machine. */
#ifndef JOB_NODES_RANDOM_H
#define JOB_NODES_RANDOM_H

#include <stdint.h>

/* Number `count` of the sequence of `seed`, in [0, 1): SplitMix64 (Steele, Lea & Flood 2014) at seed +
   count. */
static inline double random_at(uint64_t seed, uint64_t count)
{
    uint64_t z = seed + (count + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

#endif
