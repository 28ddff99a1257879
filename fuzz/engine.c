/* The entry points that a fuzzing engine calls, for the row of targets.def in FUZZ_FUNCTION, FUZZ_MUTATOR and
   FUZZ_MAX_BYTES. */
#include "fuzz.h"
#include "mutate.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b, uint8_t *out,
                                 size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t room);

static const fuzz_target target = {"this target", FUZZ_FUNCTION, FUZZ_MAX_BYTES};
static const fuzz_mutator change = FUZZ_MUTATOR;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_one(&target, data, n);
    return 0;
}

/* One change in four is the engine's own. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned seed)
{
    if (!change || !n || seed % 4 == 0)
        return LLVMFuzzerMutate(data, n, room);
    return change(data, n, room, NULL, 0, seed / 4);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b, uint8_t *out,
                                 size_t room, unsigned seed)
{
    size_t n = n_a < room ? n_a : room;
    memcpy(out, a, n);
    return change && n ? change(out, n, room, b, n_b, seed) : n;
}
