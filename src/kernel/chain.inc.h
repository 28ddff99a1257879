/* The elementwise functions, one shape for every instruction set. The file that includes this one has included the
   level's vector header and defined CHAIN_INIT, the function that fills the entries. */
#include "base/error.h" /* refuses -ffast-math */
#include "kernel/kernel.h"
#include "kernel/vf_math.h"

/* What comes short of a vector is a vector whose other lanes are 0, so that each element meets the same instructions
   wherever it stands. */
#define CHAIN_MAP(name)                                                                                      \
    static void chain_##name(const float *x, float *y, size_t n)                                             \
    {                                                                                                        \
        for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES, y += VF_LANES)                                   \
            vf_store(y, vf_##name(vf_load(x)));                                                              \
        if (n)                                                                                               \
            vf_store_n(y, vf_##name(vf_load_n(x, n)), n);                                                    \
    }

CHAIN_VECTOR_FUNCTIONS(CHAIN_MAP)

void CHAIN_INIT(chain_kernels *k)
{
#define CHAIN_ENTRY(name) k->vector[CHAIN_VECTOR_##name] = chain_##name;
    CHAIN_VECTOR_FUNCTIONS(CHAIN_ENTRY)
#undef CHAIN_ENTRY
}
