/* The driver `vulkan`. Launches and copies are listed one after another, each behind a barrier, and submitted
   where somebody waits or a slot of the recorder is full. Values are in the device's own memory; where the host
   does not see that, copies go through the recorder's staging buffers. */
#include "gpu/vulkan_modes.h"
#include "gpu/vulkan_record.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/device.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 << 20)

#define GPU_KERNEL(name)                                                                                     \
    extern const uint32_t spirv_##name[];                                                                    \
    extern const size_t spirv_##name##_bytes;
#include "gpu/kernels.def"
#undef GPU_KERNEL

typedef struct vulkan_device {
    gpu_device head;
    vulkan v;
    pthread_mutex_t lock;
    uint32_t values_type, staging_type; /* of memory */
    bool staged;                        /* values are in memory that the host does not see */
    bool slow_reads;                    /* or that it reads without a cache */
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    vulkan_modes modes;
    VkPipeline pipelines[GPU_KERNEL_COUNT]; /* each made when first launched */
    vulkan_recorder recorder;
} vulkan_device;

static vulkan_device *of(gpu_device *d)
{
    return (vulkan_device *)d;
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

/* The first type of memory of a heap (any: UINT32_MAX) with these properties; UINT32_MAX: none. */
static uint32_t type_with(const VkPhysicalDeviceMemoryProperties *p, uint32_t heap,
                          VkMemoryPropertyFlags flags)
{
    for (uint32_t i = 0; i < p->memoryTypeCount; i++)
        if ((p->memoryTypes[i].propertyFlags & flags) == flags &&
            (heap == UINT32_MAX || p->memoryTypes[i].heapIndex == heap))
            return i;
    return UINT32_MAX;
}

/* Values go to the largest heap of the device's own, best where the host sees it entirely. SIBYL_VULKAN_STAGED=1
   counts memory as invisible, so that staging can be tried on any device. */
static sib_code choose_memory(vulkan_device *d, sib_error *err)
{
    VkPhysicalDeviceMemoryProperties p;
    const VkMemoryPropertyFlags own = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                seen = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const char *forced = getenv("SIBYL_VULKAN_STAGED");
    uint32_t heap = UINT32_MAX;
    d->v.GetPhysicalDeviceMemoryProperties(d->v.physical, &p);
    for (uint32_t i = 0; i < p.memoryHeapCount; i++)
        if (p.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) {
            d->head.memory += p.memoryHeaps[i].size;
            if (heap == UINT32_MAX || p.memoryHeaps[i].size > p.memoryHeaps[heap].size)
                heap = i;
        }
    d->staging_type = type_with(&p, UINT32_MAX, seen | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    if (d->staging_type == UINT32_MAX)
        d->staging_type = type_with(&p, UINT32_MAX, seen);
    if (d->staging_type == UINT32_MAX)
        return err_set(err, SIB_ERR_UNSUPPORTED, "Vulkan: %s has no memory that the host sees", d->head.name);
    d->values_type = type_with(&p, heap, own | seen);
    d->staged = d->values_type == UINT32_MAX || (forced && *forced == '1');
    if (d->staged)
        d->values_type = type_with(&p, heap, own);
    if (d->values_type == UINT32_MAX)
        d->values_type = d->staging_type;
    d->slow_reads = !(p.memoryTypes[d->values_type].propertyFlags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    return SIB_OK;
}

static void add_feature(vulkan_device *d, bool has, const char *name)
{
    const size_t used = strlen(d->head.features);
    if (has)
        snprintf(d->head.features + used, sizeof d->head.features - used, "%s%s", used ? ", " : "", name);
}

/* What the device says of its arithmetic, which `sibyl devices` shows. The kernels ask for what it keeps of float32, and
   need none of it. */
static void ask_features(vulkan_device *d)
{
    VkPhysicalDeviceFloatControlsProperties floats = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                              .pNext = &floats};
    VkPhysicalDeviceShaderFloat16Int8Features narrow = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &narrow};
    d->v.GetPhysicalDeviceProperties2(d->v.physical, &properties);
    d->v.GetPhysicalDeviceFeatures2(d->v.physical, &features);
    add_feature(d, narrow.shaderFloat16, "float16");
    add_feature(d, narrow.shaderInt8, "int8");
    add_feature(d, features.features.shaderFloat64, "float64");
    add_feature(d, features.features.shaderInt64, "int64");
    d->modes = (vulkan_modes){
        floats.shaderSignedZeroInfNanPreserveFloat32,
        floats.shaderDenormPreserveFloat32 &&
            floats.denormBehaviorIndependence != VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_NONE,
        floats.shaderRoundingModeRTEFloat32 &&
            floats.roundingModeIndependence != VK_SHADER_FLOAT_CONTROLS_INDEPENDENCE_NONE,
    };
    add_feature(d, floats.shaderDenormPreserveFloat32, "keeps denormal float32");
    add_feature(d, floats.shaderDenormFlushToZeroFloat32, "flushes denormal float32");
    add_feature(d, floats.shaderRoundingModeRTEFloat32, "rounds float32 to even");
    add_feature(d, floats.shaderSignedZeroInfNanPreserveFloat32,
                "keeps signed zeros, infinities and NaN of float32");
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

static void vulkan_shut(gpu_device **device)
{
    vulkan_device *d = of(*device);
    const vulkan *v = &d->v;
    vulkan_recorder_close(&d->recorder);
    if (v->device && !d->recorder.stuck) {
        for (size_t i = 0; i < GPU_KERNEL_COUNT; i++)
            v->DestroyPipeline(v->device, d->pipelines[i], NULL);
        v->DestroyPipelineLayout(v->device, d->layout, NULL);
        v->DestroyDescriptorSetLayout(v->device, d->set_layout, NULL);
    }
    if (!d->recorder.stuck)
        vulkan_close(&d->v);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    *device = NULL;
}

static sib_code vulkan_start(unsigned number, gpu_device **out, sib_error *err)
{
    extern const gpu_driver gpu_driver_vulkan;
    vulkan_device *d = mem_calloc(1, sizeof *d);
    *out = NULL;
    if (!d || pthread_mutex_init(&d->lock, NULL)) {
        mem_free(d);
        return err_memory(err, sizeof *d, "a device");
    }
    *out = &d->head;
    sib_code code = vulkan_open(&d->v, number, err);
    d->head.driver = &gpu_driver_vulkan;
    d->head.max_range = d->v.properties.limits.maxStorageBufferRange;
    d->head.block_bytes = BLOCK_BYTES;
    snprintf(d->head.name, sizeof d->head.name, "%s", d->v.properties.deviceName);
    if (code == SIB_OK)
        ask_features(d);
    if (code == SIB_OK)
        code = choose_memory(d, err);
    if (code == SIB_OK)
        code = make_layouts(d, err);
    if (code == SIB_OK)
        code = vulkan_recorder_open(&d->recorder, &d->v, &d->head, d->pipelines, d->layout, d->set_layout,
                                    d->staging_type, err);
    if (code != SIB_OK)
        vulkan_shut(out);
    return code;
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static void vulkan_free(gpu_device *device, gpu_memory **memory)
{
    vulkan_device *d = of(device);
    pthread_mutex_lock(&d->lock);
    if (!device->lost)
        vulkan_recorder_finish(&d->recorder, NULL);
    gpu_records_forget(&d->recorder.records, *memory);
    pthread_mutex_unlock(&d->lock);
    if (!d->recorder.stuck)
        vulkan_memory_free(&d->v, *memory);
    mem_free(*memory);
    *memory = NULL;
}

static sib_code vulkan_alloc(gpu_device *device, size_t bytes, gpu_memory **out, sib_error *err)
{
    vulkan_device *d = of(device);
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a buffer");
    const sib_code code = vulkan_memory_make(&d->v, bytes, d->values_type, !d->staged, *out, err);
    if (code != SIB_OK) {
        mem_free(*out);
        *out = NULL;
    }
    return code;
}

/* Copies a piece by a command, through a place of the slot's staging buffer, which is *bytes. */
static sib_code copy_piece(vulkan_device *d, gpu_place p, bool in, unsigned char **bytes, const void *from,
                           sib_error *err)
{
    vulkan_slot *s;
    const sib_code code = vulkan_recorder_room(&d->recorder, p.bytes, &s, err);
    if (code != SIB_OK)
        return code;
    *bytes = s->staging.bytes + s->staged;
    const gpu_place staged = {&s->staging, s->staged, p.bytes};
    if (in)
        gpu_copy(&d->head, *bytes, from, p.bytes);
    vulkan_recorder_add(s, &(gpu_command){.kernel = GPU_COPY, .places = {in ? staged : p, in ? p : staged}});
    s->staged += (p.bytes + 3) / 4 * 4;
    return SIB_OK;
}

static gpu_place piece_of(gpu_place p, size_t at)
{
    return (gpu_place){p.memory, p.offset + at, size_min(p.bytes - at, VULKAN_STAGED)};
}

static sib_code upload(vulkan_device *d, gpu_place to, const void *from, sib_error *err)
{
    unsigned char *staged;
    sib_code code = SIB_OK;
    /* earlier launches may read these bytes: small copies wait with them in line, large ones for them */
    if (to.memory->bytes && to.bytes > VULKAN_STAGED / 4)
        code = vulkan_recorder_finish(&d->recorder, err);
    if (code == SIB_OK && to.memory->bytes && vulkan_recorder_idle(&d->recorder)) {
        gpu_copy(&d->head, to.memory->bytes + to.offset, from, to.bytes);
        return SIB_OK;
    }
    for (size_t at = 0; at < to.bytes && code == SIB_OK; at += VULKAN_STAGED)
        code = copy_piece(d, piece_of(to, at), true, &staged, (const unsigned char *)from + at, err);
    return code;
}

static sib_code download(vulkan_device *d, gpu_place from, void *to, sib_error *err)
{
    unsigned char *staged = NULL;
    sib_code code = SIB_OK;
    if (from.memory->bytes && !d->slow_reads) {
        code = vulkan_recorder_finish(&d->recorder, err);
        if (code == SIB_OK)
            gpu_copy(&d->head, to, from.memory->bytes + from.offset, from.bytes);
        return code;
    }
    for (size_t at = 0; at < from.bytes && code == SIB_OK; at += VULKAN_STAGED) {
        const gpu_place piece = piece_of(from, at);
        code = copy_piece(d, piece, false, &staged, NULL, err);
        if (code == SIB_OK)
            code = vulkan_recorder_finish(&d->recorder, err);
        if (code == SIB_OK)
            gpu_copy(&d->head, (unsigned char *)to + at, staged, piece.bytes);
    }
    return code;
}

static sib_code vulkan_upload(gpu_device *device, gpu_place to, const void *from, sib_error *err)
{
    vulkan_device *d = of(device);
    pthread_mutex_lock(&d->lock);
    const sib_code code = upload(d, to, from, err);
    pthread_mutex_unlock(&d->lock);
    return code;
}

static sib_code vulkan_download(gpu_device *device, gpu_place from, void *to, sib_error *err)
{
    vulkan_device *d = of(device);
    pthread_mutex_lock(&d->lock);
    const sib_code code = download(d, from, to, err);
    pthread_mutex_unlock(&d->lock);
    return code;
}

static sib_code vulkan_finish(gpu_device *device, uint64_t *ns, sib_error *err)
{
    vulkan_device *d = of(device);
    pthread_mutex_lock(&d->lock);
    const sib_code code = vulkan_recorder_finish(&d->recorder, err);
    *ns = d->recorder.ns;
    d->recorder.ns = 0;
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
    size_t n;
    uint32_t *words = vulkan_add_modes(&d->modes, texts[kernel].words, *texts[kernel].bytes / 4, &n);
    if (!words)
        return err_memory(err, *texts[kernel].bytes, "a kernel");
    const VkShaderModuleCreateInfo text = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = 4 * n, .pCode = words};
    VkResult r = d->v.CreateShaderModule(d->v.device, &text, NULL, &module);
    mem_free(words);
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

static sib_code launch(vulkan_device *d, gpu_kernel kernel, size_t n, const gpu_place *places,
                       const void *args, const uint32_t groups[3], sib_error *err)
{
    const gpu_command c = gpu_command_of(kernel, n, places, args, groups);
    vulkan_slot *s;
    sib_code code = d->pipelines[kernel] ? SIB_OK : make_pipeline(d, kernel, err);
    if (code == SIB_OK)
        code = vulkan_recorder_room(&d->recorder, 0, &s, err);
    if (code == SIB_OK)
        vulkan_recorder_add(s, &c);
    return code;
}

static sib_code vulkan_launch(gpu_device *device, gpu_kernel kernel, size_t n, const gpu_place *places,
                              const void *args, const uint32_t groups[3], sib_error *err)
{
    vulkan_device *d = of(device);
    pthread_mutex_lock(&d->lock);
    sib_code code = launch(d, kernel, n, places, args, groups, err);
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
    .finish = vulkan_finish,
};
