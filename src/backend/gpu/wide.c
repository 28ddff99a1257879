#include "backend/gpu/wide.h"

#include "base/size.h"

/* Numbers converted at a time. */
#define PIECE 4096

sib_code gpu_upload_wide(gpu_device *d, gpu_range to, const void *from, sib_error *err)
{
    float narrow[PIECE];
    const double *numbers = from;
    const size_t count = to.bytes / sizeof *narrow;
    sib_code code = SIB_OK;
    for (size_t at = 0, n; at < count && code == SIB_OK; at += n) {
        n = size_min(PIECE, count - at);
        for (size_t i = 0; i < n; i++)
            narrow[i] = (float)numbers[at + i];
        code = gpu_upload(d, (gpu_range){to.buffer, to.offset + at * sizeof *narrow, n * sizeof *narrow},
                          narrow, err);
    }
    return code;
}

sib_code gpu_download_wide(gpu_device *d, gpu_range from, void *to, sib_error *err)
{
    float narrow[PIECE];
    double *numbers = to;
    const size_t count = from.bytes / sizeof *narrow;
    sib_code code = SIB_OK;
    for (size_t at = 0, n; at < count && code == SIB_OK; at += n) {
        n = size_min(PIECE, count - at);
        code = gpu_download(
            d, (gpu_range){from.buffer, from.offset + at * sizeof *narrow, n * sizeof *narrow}, narrow, err);
        for (size_t i = 0; i < n && code == SIB_OK; i++)
            numbers[at + i] = narrow[i];
    }
    return code;
}
