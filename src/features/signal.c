#include "features/signal.h"

#include <string.h>

/* Sample i, for any i that one reflection maps into the samples. */
static float signal_at(const mel_signal *s, int64_t i)
{
    const int64_t last = (int64_t)s->total - 1;
    if (s->framing == SIB_FRAMING_CENTER_REFLECT)
        i = i < 0 ? -i : i > last ? 2 * last - i : i;
    return i >= 0 && i < (int64_t)s->n ? s->samples[i] : 0;
}

const float *signal_view(const mel_signal *s, int64_t begin, size_t count, float *buffer)
{
    const int64_t end = begin + (int64_t)count, n = (int64_t)s->n;
    if (begin >= 0 && end <= n)
        return s->samples + begin;
    /* the part within the samples is copied at once */
    int64_t inside = begin < 0 ? 0 : begin, beyond = end < n ? end : n;
    if (beyond < inside)
        inside = beyond = end;
    for (int64_t i = begin; i < inside; i++)
        buffer[i - begin] = signal_at(s, i);
    if (beyond > inside)
        memcpy(buffer + (inside - begin), s->samples + inside, (size_t)(beyond - inside) * sizeof *buffer);
    for (int64_t i = beyond; i < end; i++)
        buffer[i - begin] = signal_at(s, i);
    return buffer;
}
