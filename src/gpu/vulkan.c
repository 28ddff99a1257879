/* The driver `vulkan`. Launches are recorded one after another, each behind a barrier, and submitted where
   somebody waits: for a copy, or because LAUNCHES_MAX are recorded. Memory is visible to the host and stays
   mapped. */
#include "gpu/vulkan_open.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/device.h"

#include <pthread.h>
#include <string.h>

#define LAUNCHES_MAX 256
#define WAIT_NS      UINT64_C(60000000000) /* a device that computes for longer does not answer */

#define GPU_KERNEL(name)                                                                                     \
    extern const uint32_t spirv_##name[];                                                                    \
    extern const size_t spirv_##name##_bytes;
#include "gpu/kernels.def"
#undef GPU_KERNEL

struct gpu_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    unsigned char *bytes; /* mapped */
};

typedef struct vulkan_device {
    gpu_device head;
    vulkan v;
    pthread_mutex_t lock;
    uint32_t memory_type;
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipeline pipelines[GPU_KERNEL_COUNT]; /* each made when first launched */
    VkDescriptorPool sets;
    VkCommandPool commands;
    VkCommandBuffer command;
    VkFence done;
    unsigned recorded; /* launches in `command` */
} vulkan_device;

static vulkan_device *of(gpu_device *d)
{
    return (vulkan_device *)d;
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

/* Memory of the host that the device sees, best where it is the device's own. */
static sib_code choose_memory(vulkan_device *d, sib_error *err)
{
    VkPhysicalDeviceMemoryProperties p;
    const VkMemoryPropertyFlags needed =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    d->v.GetPhysicalDeviceMemoryProperties(d->v.physical, &p);
    for (uint32_t i = 0; i < p.memoryHeapCount; i++)
        d->head.memory +=
            p.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT ? p.memoryHeaps[i].size : 0;
    for (int own = 1; own >= 0; own--)
        for (uint32_t i = 0; i < p.memoryTypeCount; i++) {
            const VkMemoryPropertyFlags all = needed | (own ? VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT : 0);
            if ((p.memoryTypes[i].propertyFlags & all) == all) {
                d->memory_type = i;
                return SIB_OK;
            }
        }
    return err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: %s has no memory that the host sees",
                   d->v.properties.deviceName);
}

static sib_code make_layouts(vulkan_device *d, sib_error *err)
{
    VkDescriptorSetLayoutBinding bindings[GPU_BUFFERS];
    for (uint32_t i = 0; i < GPU_BUFFERS; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                                                     VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    const VkDescriptorSetLayoutCreateInfo set = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                 .bindingCount = GPU_BUFFERS,
                                                 .pBindings = bindings};
    const VkPushConstantRange args = {VK_SHADER_STAGE_COMPUTE_BIT, 0, GPU_ARGS_BYTES};
    VkPipelineLayoutCreateInfo pipeline = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                           .setLayoutCount = 1,
                                           .pSetLayouts = &d->set_layout,
                                           .pushConstantRangeCount = 1,
                                           .pPushConstantRanges = &args};
    VkResult r = d->v.CreateDescriptorSetLayout(d->v.device, &set, NULL, &d->set_layout);
    if (r == VK_SUCCESS)
        r = d->v.CreatePipelineLayout(d->v.device, &pipeline, NULL, &d->layout);
    return vulkan_check(r, "the layout of kernels", err);
}

static sib_code make_recorder(vulkan_device *d, sib_error *err)
{
    const VkDescriptorPoolSize room = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, GPU_BUFFERS * LAUNCHES_MAX};
    const VkDescriptorPoolCreateInfo sets = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = LAUNCHES_MAX,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &room};
    const VkCommandPoolCreateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                              .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                              .queueFamilyIndex = d->v.family};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkResult r = d->v.CreateDescriptorPool(d->v.device, &sets, NULL, &d->sets);
    if (r == VK_SUCCESS)
        r = d->v.CreateCommandPool(d->v.device, &commands, NULL, &d->commands);
    const VkCommandBufferAllocateInfo command = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                 .commandPool = d->commands,
                                                 .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                 .commandBufferCount = 1};
    if (r == VK_SUCCESS)
        r = d->v.AllocateCommandBuffers(d->v.device, &command, &d->command);
    if (r == VK_SUCCESS)
        r = d->v.CreateFence(d->v.device, &fence, NULL, &d->done);
    return vulkan_check(r, "a queue", err);
}

static void vulkan_shut(gpu_device **device)
{
    vulkan_device *d = of(*device);
    const vulkan *v = &d->v;
    for (size_t i = 0; i < GPU_KERNEL_COUNT && v->device; i++)
        v->DestroyPipeline(v->device, d->pipelines[i], NULL);
    if (v->device) {
        v->DestroyFence(v->device, d->done, NULL);
        v->DestroyCommandPool(v->device, d->commands, NULL);
        v->DestroyDescriptorPool(v->device, d->sets, NULL);
        v->DestroyPipelineLayout(v->device, d->layout, NULL);
        v->DestroyDescriptorSetLayout(v->device, d->set_layout, NULL);
    }
    vulkan_close(&d->v);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    *device = NULL;
}

static sib_code vulkan_start(gpu_device **out, sib_error *err)
{
    extern const gpu_driver gpu_driver_vulkan;
    vulkan_device *d = mem_calloc(1, sizeof *d);
    *out = NULL;
    if (!d || pthread_mutex_init(&d->lock, NULL)) {
        mem_free(d);
        return err_memory(err, sizeof *d, "a device");
    }
    *out = &d->head;
    sib_code code = vulkan_open(&d->v, err);
    d->head = (gpu_device){.driver = &gpu_driver_vulkan,
                           .name = d->v.properties.deviceName,
                           .max_range = d->v.properties.limits.maxStorageBufferRange};
    if (code == SIB_OK)
        code = choose_memory(d, err);
    if (code == SIB_OK)
        code = make_layouts(d, err);
    if (code == SIB_OK)
        code = make_recorder(d, err);
    if (code != SIB_OK)
        vulkan_shut(out);
    return code;
}

/* ---- Waiting ------------------------------------------------------------------------------------------- */

/* Runs what is recorded and waits for it. */
static sib_code finish(vulkan_device *d, sib_error *err)
{
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &d->command};
    /* what kernels wrote becomes visible to the host */
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT};
    if (!d->recorded)
        return SIB_OK;
    d->recorded = 0;
    d->v.CmdPipelineBarrier(d->command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0,
                            1, &barrier, 0, NULL, 0, NULL);
    VkResult r = d->v.EndCommandBuffer(d->command);
    if (r == VK_SUCCESS)
        r = d->v.QueueSubmit(d->v.queue, 1, &submit, d->done);
    if (r == VK_SUCCESS)
        r = d->v.WaitForFences(d->v.device, 1, &d->done, VK_TRUE, WAIT_NS);
    if (r == VK_SUCCESS)
        r = d->v.ResetFences(d->v.device, 1, &d->done);
    if (r == VK_SUCCESS)
        r = d->v.ResetDescriptorPool(d->v.device, d->sets, 0);
    return vulkan_check(r, "a run", err);
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static void vulkan_free(gpu_device *device, gpu_buffer **buffer)
{
    vulkan_device *d = of(device);
    gpu_buffer *b = *buffer;
    pthread_mutex_lock(&d->lock);
    finish(d, NULL);
    pthread_mutex_unlock(&d->lock);
    d->v.DestroyBuffer(d->v.device, b->buffer, NULL);
    d->v.FreeMemory(d->v.device, b->memory, NULL);
    mem_free(b);
    *buffer = NULL;
}

static sib_code vulkan_alloc(gpu_device *device, size_t bytes, gpu_buffer **out, sib_error *err)
{
    vulkan_device *d = of(device);
    const vulkan *v = &d->v;
    gpu_buffer *b = mem_calloc(1, sizeof *b);
    void *mapped = NULL;
    size_t all = 0;
    *out = b;
    if (!b || !size_add(bytes, GPU_ALIGN - 1, &all)) {
        mem_free(b);
        *out = NULL;
        return err_memory(err, bytes, "a buffer");
    }
    const VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                     .size = all / GPU_ALIGN * GPU_ALIGN,
                                     .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT};
    VkMemoryRequirements needs = {0};
    VkResult r = v->CreateBuffer(v->device, &info, NULL, &b->buffer);
    if (r == VK_SUCCESS)
        v->GetBufferMemoryRequirements(v->device, b->buffer, &needs);
    if (r == VK_SUCCESS && !(needs.memoryTypeBits >> d->memory_type & 1))
        r = VK_ERROR_FORMAT_NOT_SUPPORTED;
    const VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                         .allocationSize = needs.size,
                                         .memoryTypeIndex = d->memory_type};
    if (r == VK_SUCCESS)
        r = v->AllocateMemory(v->device, &memory, NULL, &b->memory);
    if (r == VK_SUCCESS)
        r = v->BindBufferMemory(v->device, b->buffer, b->memory, 0);
    if (r == VK_SUCCESS)
        r = v->MapMemory(v->device, b->memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    b->bytes = mapped;
    if (r != VK_SUCCESS)
        vulkan_free(device, out);
    return vulkan_check(r, "a buffer", err);
}

static sib_code vulkan_upload(gpu_device *device, gpu_range to, const void *from, sib_error *err)
{
    vulkan_device *d = of(device);
    pthread_mutex_lock(&d->lock);
    sib_code code = finish(d, err); /* earlier launches may read these bytes */
    if (code == SIB_OK)
        memcpy(to.buffer->bytes + to.offset, from, to.bytes);
    pthread_mutex_unlock(&d->lock);
    return code;
}

static sib_code vulkan_download(gpu_device *device, gpu_range from, void *to, sib_error *err)
{
    vulkan_device *d = of(device);
    pthread_mutex_lock(&d->lock);
    sib_code code = finish(d, err);
    if (code == SIB_OK)
        memcpy(to, from.buffer->bytes + from.offset, from.bytes);
    pthread_mutex_unlock(&d->lock);
    return code;
}

/* ---- Launches ------------------------------------------------------------------------------------------ */

static sib_code make_pipeline(vulkan_device *d, gpu_kernel kernel, sib_error *err)
{
    static const struct {
        const uint32_t *words;
        const size_t *bytes;
    } texts[] = {
#define GPU_KERNEL(name) {spirv_##name, &spirv_##name##_bytes},
#include "gpu/kernels.def"
#undef GPU_KERNEL
    };
    VkShaderModule module = VK_NULL_HANDLE;
    const VkShaderModuleCreateInfo text = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                           .codeSize = *texts[kernel].bytes,
                                           .pCode = texts[kernel].words};
    VkResult r = d->v.CreateShaderModule(d->v.device, &text, NULL, &module);
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main"},
        .layout = d->layout};
    if (r == VK_SUCCESS)
        r = d->v.CreateComputePipelines(d->v.device, VK_NULL_HANDLE, 1, &info, NULL, &d->pipelines[kernel]);
    d->v.DestroyShaderModule(d->v.device, module, NULL);
    return vulkan_check(r, gpu_kernel_name(kernel), err);
}

/* Begins to record; or makes what is written before visible to the next launch. */
static sib_code begin_launch(vulkan_device *d, sib_error *err)
{
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT};
    if (d->recorded) {
        d->v.CmdPipelineBarrier(d->command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
        return SIB_OK;
    }
    return vulkan_check(d->v.BeginCommandBuffer(d->command, &begin), "a run", err);
}

/* Bindings that the kernel does not use show the first range. */
static sib_code bind(vulkan_device *d, size_t n, const gpu_range *ranges, VkDescriptorSet *set,
                     sib_error *err)
{
    VkDescriptorBufferInfo buffers[GPU_BUFFERS];
    const VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                              .descriptorPool = d->sets,
                                              .descriptorSetCount = 1,
                                              .pSetLayouts = &d->set_layout};
    VkResult r = d->v.AllocateDescriptorSets(d->v.device, &info, set);
    for (size_t i = 0; i < GPU_BUFFERS; i++) {
        const gpu_range *range = &ranges[i < n ? i : 0];
        buffers[i] =
            (VkDescriptorBufferInfo){range->buffer->buffer, range->offset, (range->bytes + 3) / 4 * 4};
        if (buffers[i].range > d->head.max_range)
            return err_set(err, SIB_ERR_SIZE, "Vulkan: a value of %zu bytes, at most %llu", range->bytes,
                           (unsigned long long)d->head.max_range);
    }
    const VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                        .dstSet = *set,
                                        .descriptorCount = GPU_BUFFERS,
                                        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                        .pBufferInfo = buffers};
    if (r == VK_SUCCESS)
        d->v.UpdateDescriptorSets(d->v.device, 1, &write, 0, NULL);
    return vulkan_check(r, "the buffers of a kernel", err);
}

static sib_code record(vulkan_device *d, gpu_kernel kernel, size_t n, const gpu_range *ranges,
                       const void *args, const uint32_t groups[3], sib_error *err)
{
    VkDescriptorSet set = VK_NULL_HANDLE;
    sib_code code = d->pipelines[kernel] ? SIB_OK : make_pipeline(d, kernel, err);
    if (code == SIB_OK && d->recorded == LAUNCHES_MAX)
        code = finish(d, err);
    if (code == SIB_OK)
        code = bind(d, n, ranges, &set, err);
    if (code == SIB_OK)
        code = begin_launch(d, err);
    if (code != SIB_OK)
        return code;
    d->v.CmdBindPipeline(d->command, VK_PIPELINE_BIND_POINT_COMPUTE, d->pipelines[kernel]);
    d->v.CmdBindDescriptorSets(d->command, VK_PIPELINE_BIND_POINT_COMPUTE, d->layout, 0, 1, &set, 0, NULL);
    d->v.CmdPushConstants(d->command, d->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                          (uint32_t)gpu_args_bytes(kernel), args);
    d->v.CmdDispatch(d->command, groups[0], groups[1], groups[2]);
    d->recorded++;
    return SIB_OK;
}

static sib_code vulkan_launch(gpu_device *device, gpu_kernel kernel, size_t n, const gpu_range *ranges,
                              const void *args, const uint32_t groups[3], sib_error *err)
{
    vulkan_device *d = of(device);
    pthread_mutex_lock(&d->lock);
    sib_code code = record(d, kernel, n, ranges, args, groups, err);
    pthread_mutex_unlock(&d->lock);
    return code;
}

const gpu_driver gpu_driver_vulkan = {
    .name = "vulkan",
    .open = vulkan_start,
    .close = vulkan_shut,
    .alloc = vulkan_alloc,
    .free = vulkan_free,
    .upload = vulkan_upload,
    .download = vulkan_download,
    .launch = vulkan_launch,
};
