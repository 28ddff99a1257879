#include "job/whisper/mel.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <string.h>

sib_code whisper_arithmetic(const char *node, const char *word, sib_dtype *out, sib_error *err)
{
    static const struct {
        const char *word;
        sib_dtype dtype;
    } words[] = {{"float", SIB_DTYPE_UNKNOWN}, {"fixed", SIB_I16}, {"int16", SIB_I16}, {"int8", SIB_I8}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i].word)) {
            *out = words[i].dtype;
            return SIB_OK;
        }
    return err_set(err, SIB_ERR_ARGUMENT, "%s: features in '%s', expected float, fixed, int16 or int8", node,
                   word);
}

/* Fixed point has no padding of its own: the zeros are appended to a copy. */
static sib_code compute_fixed(const sib_mel *mel, sib_dtype arithmetic, sib_pool *pool, const float *samples,
                              size_t n_samples, size_t padding, float *out, sib_error *err)
{
    size_t total;
    sib_recording r = {0};
    float *padded =
        size_add(n_samples, padding, &total) ? mem_calloc(total ? total : 1, sizeof *padded) : NULL;
    if (!padded)
        return err_memory(err, n_samples * sizeof *padded, "the recording and its padding");
    if (n_samples)
        memcpy(padded, samples, n_samples * sizeof *padded);
    sib_code code = sib_recording_compute(mel, pool, padded, total,
                                          &(sib_recording_options){.fixed = arithmetic}, &r, err);
    if (code == SIB_OK)
        memcpy(out, sib_tensor_data(r.features), (size_t)sib_tensor_count(r.features) * sizeof *out);
    sib_recording_free(&r);
    mem_free(padded);
    return code;
}

sib_code whisper_mel(sib_dtype arithmetic, const sib_mel *mel, sib_pool *pool, const float *samples,
                     size_t n_samples, size_t padding, float *out, size_t frames, sib_error *err)
{
    return arithmetic == SIB_DTYPE_UNKNOWN
               ? sib_mel_compute(mel, pool, n_samples > 0 ? samples : &(float){0}, n_samples, padding, out,
                                 frames, err)
               : compute_fixed(mel, arithmetic, pool, samples, n_samples, padding, out, err);
}
