#include "gpu/vulkan_open.h"

#include "base/error.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define DEVICES_MAX  16
#define FAMILIES_MAX 16

sib_code vulkan_check(VkResult r, const char *what, sib_error *err)
{
    switch (r) {
    case VK_SUCCESS:
        return SIB_OK;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
        return err_set(err, SIB_ERR_MEMORY, "Vulkan: %s: the device is out of memory", what);
    case VK_ERROR_DEVICE_LOST:
        return err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: %s: the device is lost", what);
    case VK_TIMEOUT:
        return err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: %s: the device does not answer", what);
    default:
        return err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: %s: error %d", what, (int)r);
    }
}

/* The process's instance, which stays: drivers can be loaded a limited number of times. */
static struct {
    pthread_mutex_t lock;
    PFN_vkGetInstanceProcAddr get;
    VkInstance instance;
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

static sib_code open_loader(PFN_vkGetInstanceProcAddr *get, sib_error *err)
{
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: there is no loader (libvulkan.so.1)");
    void *address = dlsym(library, "vkGetInstanceProcAddr");
    dlclose(library);
    memcpy(get, &address, sizeof address);
    return *get ? SIB_OK : err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: libvulkan.so.1 is no loader");
}

static sib_code make_instance(sib_error *err)
{
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .pEngineName = "sibyl",
                                           .apiVersion = VK_API_VERSION_1_2};
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pApplicationInfo = &application};
    sib_code code = open_loader(&process.get, err);
    if (code != SIB_OK)
        return code;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)process.get(NULL, "vkCreateInstance");
    if (!create)
        return err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: libvulkan.so.1 is no loader");
    const VkResult r = create(&info, NULL, &process.instance);
    if (r != VK_SUCCESS)
        process.instance = VK_NULL_HANDLE;
    return r == VK_ERROR_INCOMPATIBLE_DRIVER
               ? err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: there is no driver for any device")
               : vulkan_check(r, "an instance", err);
}

static sib_code take_instance(vulkan *v, sib_error *err)
{
    pthread_mutex_lock(&process.lock);
    const sib_code code = process.instance ? SIB_OK : make_instance(err);
    v->instance = process.instance;
    pthread_mutex_unlock(&process.lock);
#define X(name) v->name = code == SIB_OK ? (PFN_vk##name)process.get(v->instance, "vk" #name) : NULL;
    VULKAN_OF_INSTANCE(X)
#undef X
    return code;
}

/* Finds the first family of queues that compute; returns false where there is none. */
static bool find_queue(vulkan *v, VkPhysicalDevice device)
{
    VkQueueFamilyProperties families[FAMILIES_MAX];
    uint32_t n = FAMILIES_MAX;
    v->GetPhysicalDeviceQueueFamilyProperties(device, &n, families);
    for (v->family = 0; v->family < n; v->family++)
        if (families[v->family].queueFlags & VK_QUEUE_COMPUTE_BIT) {
            const uint32_t bits = families[v->family].timestampValidBits;
            v->stamps = bits ? UINT64_MAX >> (64 - bits) : 0;
            return true;
        }
    return false;
}

static sib_code choose_device(vulkan *v, unsigned number, sib_error *err)
{
    unsigned found = 0;
    VkPhysicalDevice devices[DEVICES_MAX];
    uint32_t n = DEVICES_MAX;
    VkResult r = v->EnumeratePhysicalDevices(v->instance, &n, devices);
    if (r != VK_SUCCESS && r != VK_INCOMPLETE)
        return vulkan_check(r, "its devices", err);
    for (int dedicated = 1; dedicated >= 0; dedicated--)
        for (uint32_t i = 0; i < n && !v->physical; i++) {
            v->GetPhysicalDeviceProperties(devices[i], &v->properties);
            if (find_queue(v, devices[i]) && v->properties.apiVersion >= VK_API_VERSION_1_2 &&
                dedicated == (v->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU) &&
                found++ == number)
                v->physical = devices[i];
        }
    if (v->physical)
        return SIB_OK;
    return found ? err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: there is no device %u; the last one is %u",
                           number, found - 1)
                 : err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: no device of version 1.2 computes");
}

sib_code vulkan_open(vulkan *v, unsigned number, sib_error *err)
{
    const float priority = 1;
    *v = (vulkan){0};
    sib_code code = take_instance(v, err);
    if (code == SIB_OK)
        code = choose_device(v, number, err);
    if (code != SIB_OK)
        return code;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = v->family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue};
    code = vulkan_check(v->CreateDevice(v->physical, &info, NULL, &v->device), "a device", err);
    if (code != SIB_OK)
        return code;
#define X(name) v->name = (PFN_vk##name)v->GetDeviceProcAddr(v->device, "vk" #name);
    VULKAN_OF_DEVICE(X)
#undef X
    v->GetDeviceQueue(v->device, v->family, 0, &v->queue);
    return SIB_OK;
}

void vulkan_close(vulkan *v)
{
    if (v->device)
        v->DestroyDevice(v->device, NULL);
    *v = (vulkan){0};
}
