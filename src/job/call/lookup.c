/* Guesses by prompt lookup. */
#include "job/call/speculation.h"

/* Shorter ends repeat without meaning; longer ones are as good as these. */
#define MIN_END 2
#define MAX_END 16

/* How many tokens before `at` are those before the end of ids (n). */
static size_t common_end(const int32_t *ids, size_t n, size_t at)
{
    size_t k = 0;
    while (k < at && k < MAX_END && ids[at - 1 - k] == ids[n - 1 - k])
        k++;
    return k;
}

size_t lookup_guess(const int32_t *ids, size_t n, size_t max, int32_t *out)
{
    size_t best = 0, from = 0;
    for (size_t at = n; at-- > 1 && best < MAX_END;) {
        const size_t k = common_end(ids, n, at);
        if (k > best) {
            best = k;
            from = at;
        }
    }
    size_t made = 0;
    for (; best >= MIN_END && made < max; made++) /* what repeats within `max` tokens goes on repeating */
        out[made] = from + made < n ? ids[from + made] : out[from + made - n];
    return made;
}
