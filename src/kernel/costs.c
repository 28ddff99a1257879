#include "kernel/costs.h"

#include "base/assert.h"

#include <string.h>

static const kernel_costs classes[] = {
#define COST_CLASS(class, its_level, its_vendor, its_family, ...)                                            \
    {.name = class, .level = its_level, .vendor = its_vendor, .family = its_family, __VA_ARGS__},
#include "kernel/costs.def"
#undef COST_CLASS
};
#define N_CLASSES (sizeof classes / sizeof *classes)

const kernel_costs *kernel_costs_of(cpu_level level)
{
    cpu_identity own = cpu_identify();
    size_t i = 0;
    while (i < N_CLASSES &&
           (classes[i].level != level || (classes[i].vendor && strcmp(classes[i].vendor, own.vendor) != 0) ||
            (classes[i].family && classes[i].family != own.family)))
        i++;
    SIB_ASSERT(i < N_CLASSES);
    return &classes[i];
}
