#include "backend/cpu/call/tuning.h"

#include <stdio.h>

size_t cpu_tuning_key(const cpu_self *self, char key[CHOICES_KEY])
{
    cpu_identity own = cpu_identify();
    unsigned threads = self->pool ? sib_pool_threads(self->pool) : 1;
    int n = snprintf(key, CHOICES_KEY, "%s-%u-%u %s t%u ", *own.vendor ? own.vendor : "unnamed", own.family,
                     own.model, cpu_level_name(self->kernels->level), threads);
    SIB_ASSERT(n > 0 && n < CHOICES_KEY);
    return (size_t)n;
}

sib_code cpu_tuning_unknown(const char *key, const char *name, sib_error *err)
{
    return err_set(err, SIB_ERR_FORMAT, "the tuning file names '%s' for '%s', which is no way to compute it",
                   name, key);
}
