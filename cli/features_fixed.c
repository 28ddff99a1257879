#include "features_fixed.h"

#include <math.h>
#include <stdlib.h>

double features_scale(sib_dtype dtype)
{
    return dtype == SIB_I16 ? SIB_FIXED_ONE_INT16 : dtype == SIB_I8 ? SIB_FIXED_ONE_INT8 : 1;
}

static void to_pcm(const float *x, int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float scaled = x[i] * 32768;
        pcm[i] = (int16_t)lrintf(scaled < -32768 ? -32768 : scaled > 32767 ? 32767 : scaled);
    }
}

sib_code features_fixed_piece(const feature_tools *tools, const float *x, size_t n, size_t bands,
                              size_t frames, size_t at, feature_arrays *arrays, sib_error *err)
{
    int16_t *pcm = malloc(n * sizeof *pcm), *wide = tools->fixed == SIB_I16 ? arrays->fixed : NULL;
    int8_t *narrow = tools->fixed == SIB_I8 ? arrays->fixed : NULL;
    const float unit = (float)(1 / features_scale(tools->fixed));
    if (!pcm) {
        *err = (sib_error){.code = SIB_ERR_MEMORY, .message = "memory for the recording could not be had"};
        return SIB_ERR_MEMORY;
    }
    to_pcm(x, pcm, n);
    sib_code code = wide ? sib_fixed_int16((int32_t)bands, SIB_FIXED_CLAMP_WHOLE, tools->pool, pcm, n, 0,
                                           wide + at, frames, err)
                         : sib_fixed_int8((int32_t)bands, SIB_FIXED_CLAMP_WHOLE, tools->pool, pcm, n, 0,
                                          narrow + at, frames, err);
    free(pcm);
    const size_t columns = n / 160;
    for (size_t b = 0; code == SIB_OK && b < bands; b++)
        for (size_t t = b * frames + at; t < b * frames + at + columns; t++)
            arrays->features[t] = unit * (float)(wide ? wide[t] : narrow[t]);
    return code;
}
