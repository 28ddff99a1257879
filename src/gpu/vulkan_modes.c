#include "gpu/vulkan_modes.h"

#include "base/alloc.h"

#include <string.h>

/* The numbers of SPIR-V 1.5, which has these modes without an extension. */
#define MAGIC             0x07230203u
#define HEADER            5u /* words in front of the first instruction */
#define OP_ENTRY_POINT    15u
#define OP_EXECUTION_MODE 16u
#define OP_CAPABILITY     17u
#define FLOAT_BITS        32u
#define MODES             3u
#define ADDED             (2u + 4u) /* words of a capability and of an execution mode */

/* The word behind the first row of instructions `op` from word `at` on, 0 where there is none. *entry: receives the id of
   an entry point. */
static size_t behind(const uint32_t *words, size_t n, size_t at, uint32_t op, uint32_t *entry)
{
    size_t last = 0;
    while (at < n) {
        const size_t length = words[at] >> 16;
        if (!length || length > n - at)
            return 0;
        if ((words[at] & 0xffff) == op) {
            last = at + length;
            if (op == OP_ENTRY_POINT && length > 2)
                *entry = words[at + 2];
        } else if (last)
            break;
        at += length;
    }
    return last;
}

uint32_t *vulkan_add_modes(const vulkan_modes *m, const uint32_t *words, size_t n, size_t *made)
{
    const struct {
        bool has;
        uint32_t capability, mode;
    } modes[MODES] = {
        {m->keeps_denormals, 4464, 4459}, {m->keeps_special, 4466, 4461}, {m->rounds_to_even, 4467, 4462}};
    uint32_t entry = 0;
    if (n < HEADER || words[0] != MAGIC)
        return NULL;
    const size_t first = behind(words, n, HEADER, OP_CAPABILITY, &entry),
                 second = first ? behind(words, n, first, OP_ENTRY_POINT, &entry) : 0;
    uint32_t *out = second ? mem_alloc(n + MODES * ADDED, sizeof *out) : NULL;
    if (!out)
        return NULL;
    uint32_t *to = out;
    memcpy(to, words, first * sizeof *to);
    to += first;
    for (size_t i = 0; i < MODES; i++)
        if (modes[i].has) {
            *to++ = 2u << 16 | OP_CAPABILITY;
            *to++ = modes[i].capability;
        }
    memcpy(to, words + first, (second - first) * sizeof *to);
    to += second - first;
    for (size_t i = 0; i < MODES; i++)
        if (modes[i].has) {
            *to++ = 4u << 16 | OP_EXECUTION_MODE;
            *to++ = entry;
            *to++ = modes[i].mode;
            *to++ = FLOAT_BITS;
        }
    memcpy(to, words + second, (n - second) * sizeof *to);
    to += n - second;
    *made = (size_t)(to - out);
    return out;
}
