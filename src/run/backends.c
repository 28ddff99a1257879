/* The backends of this build, for callers. */
#include "backend/backend.h"
#include "base/error.h"

#include <stdio.h>

const char *sib_backend_name(size_t i)
{
    size_t n;
    const sib_backend *const *list = backend_list(&n);
    return i < n ? list[i]->name : NULL;
}

bool sib_backend_asked(size_t i)
{
    size_t n;
    const sib_backend *const *list = backend_list(&n);
    return i < n && list[i]->asked;
}

sib_code sib_backend_measure(size_t i, unsigned device, sib_device_rates *out, sib_error *err)
{
    size_t n;
    const sib_backend *const *list = backend_list(&n);
    *out = (sib_device_rates){0};
    if (i >= n || !list[i]->measure)
        return err_set(err, SIB_ERR_ARGUMENT, "backend %s has no devices",
                       i < n ? list[i]->name : "out of range");
    return list[i]->measure(device, out, err);
}

bool sib_backend_get_info(size_t i, sib_backend_info *out)
{
    return sib_backend_get_device(i, 0, out);
}

bool sib_backend_get_device(size_t i, unsigned device, sib_backend_info *out)
{
    size_t n;
    sib_error err = SIB_ERROR_INIT;
    const sib_backend *const *list = backend_list(&n);
    *out = (sib_backend_info){0};
    if (i >= n)
        return false;
    out->name = list[i]->name;
    out->description = list[i]->description;
    out->asked = list[i]->asked;
    out->available = list[i]->device ? list[i]->device(device, out, &err) == SIB_OK : !device;
    snprintf(out->problem, sizeof out->problem, "%s", out->available ? "" : err.message);
    return out->available || !device;
}
