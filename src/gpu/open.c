/* The list of drivers, and of the devices that are open. */
#include "base/error.h"
#include "gpu/blocks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern const gpu_driver gpu_driver_host, gpu_driver_vulkan, gpu_driver_cuda;

static const gpu_driver *const drivers[] = {
    &gpu_driver_host,
#if defined(SIBYL_VULKAN)
    &gpu_driver_vulkan,
#endif
    &gpu_driver_cuda,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gpu_device *opened;

/* "vulkan:1" is the driver "vulkan" and the number 1. */
static sib_code find(const char *name, const gpu_driver **driver, unsigned *number, sib_error *err)
{
    const size_t length = strcspn(name, ":");
    char *end = NULL;
    const unsigned long value = name[length] ? strtoul(name + length + 1, &end, 10) : 0;
    if (end && (*end || end == name + length + 1 || value > 255))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "'%s': expected a driver and the number of a device, as in 'vulkan:1'", name);
    *number = (unsigned)value;
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (strlen(drivers[i]->name) == length && !strncmp(drivers[i]->name, name, length)) {
            *driver = drivers[i];
            return SIB_OK;
        }
    return err_set(err, SIB_ERR_UNSUPPORTED, "this build has no driver '%.*s' for GPUs", (int)length, name);
}

/* The open device, which is not lost. */
static gpu_device *shared(const gpu_driver *driver, unsigned number)
{
    gpu_device *d = opened;
    while (d && (d->driver != driver || d->number != number || d->lost))
        d = d->next;
    return d;
}

static void shut(gpu_device **device)
{
    sib_pool_free(&(*device)->copiers);
    gpu_blocks_free(&(*device)->blocks);
    (*device)->driver->close(device);
}

static sib_code open_new(const gpu_driver *driver, unsigned number, gpu_device **out, sib_error *err)
{
    sib_code code = driver->open(number, out, err);
    if (code != SIB_OK)
        return code;
    (*out)->number = number;
    code = gpu_blocks_create(*out, &(*out)->blocks, err);
    if (code != SIB_OK) {
        shut(out);
        return code;
    }
    (*out)->next = opened;
    opened = *out;
    return code;
}

sib_code gpu_open(const char *name, gpu_device **out, sib_error *err)
{
    const gpu_driver *driver = NULL;
    unsigned number = 0;
    *out = NULL;
    sib_code code = find(name, &driver, &number, err);
    if (code != SIB_OK)
        return code;
    pthread_mutex_lock(&lock);
    *out = shared(driver, number);
    if (!*out)
        code = open_new(driver, number, out, err);
    if (code == SIB_OK)
        (*out)->users++;
    pthread_mutex_unlock(&lock);
    return code;
}

void gpu_share(gpu_device *d)
{
    pthread_mutex_lock(&lock);
    d->users++;
    pthread_mutex_unlock(&lock);
}

void gpu_close(gpu_device **device)
{
    gpu_device *d = *device, **at = &opened;
    *device = NULL;
    if (!d)
        return;
    pthread_mutex_lock(&lock);
    if (!--d->users) {
        while (*at != d)
            at = &(*at)->next;
        *at = d->next;
        shut(&d);
    }
    pthread_mutex_unlock(&lock);
}
