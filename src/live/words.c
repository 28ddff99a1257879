#include "live/words.h"

size_t words_shared(const char *a, const char *b)
{
    size_t i = 0, end = 0;
    for (; a[i] && a[i] == b[i]; i++)
        if (a[i] == ' ')
            end = i;
    const char left_a = a[i], left_b = b[i];
    /* both end here, or one goes on with another word */
    return (!left_a || left_a == ' ') && (!left_b || left_b == ' ') ? i : end;
}
