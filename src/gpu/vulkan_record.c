#include "gpu/vulkan_record.h"

#include "base/error.h"

/* The error of a call; what was recorded is gone then, and with it the device. */
static sib_code check(vulkan_recorder *r, VkResult result, const char *what, sib_error *err)
{
    if (result != VK_SUCCESS)
        r->device->lost = true;
    r->stuck |= result == VK_TIMEOUT;
    return vulkan_check(result, what, err);
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

void vulkan_memory_free(const vulkan *v, vulkan_memory *m)
{
    v->DestroyBuffer(v->device, m->buffer, NULL);
    v->FreeMemory(v->device, m->memory, NULL);
    *m = (vulkan_memory){0};
}

sib_code vulkan_memory_make(const vulkan *v, size_t bytes, uint32_t memory_type, bool map, vulkan_memory *out,
                            sib_error *err)
{
    const VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                     .size = bytes,
                                     .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                              VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                              VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkMemoryRequirements needs = {0};
    void *mapped = NULL;
    *out = (vulkan_memory){0};
    VkResult r = v->CreateBuffer(v->device, &info, NULL, &out->buffer);
    if (r == VK_SUCCESS)
        v->GetBufferMemoryRequirements(v->device, out->buffer, &needs);
    if (r == VK_SUCCESS && !(needs.memoryTypeBits >> memory_type & 1))
        r = VK_ERROR_FORMAT_NOT_SUPPORTED;
    const VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                         .allocationSize = needs.size,
                                         .memoryTypeIndex = memory_type};
    if (r == VK_SUCCESS)
        r = v->AllocateMemory(v->device, &memory, NULL, &out->memory);
    if (r == VK_SUCCESS)
        r = v->BindBufferMemory(v->device, out->buffer, out->memory, 0);
    if (r == VK_SUCCESS && map)
        r = v->MapMemory(v->device, out->memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    out->bytes = mapped;
    if (r != VK_SUCCESS)
        vulkan_memory_free(v, out);
    return vulkan_check(r, "a buffer", err);
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

static sib_code open_slot(vulkan_recorder *r, vulkan_slot *s, uint32_t memory_type, sib_error *err)
{
    const vulkan *v = r->v;
    const VkDescriptorPoolSize room = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, GPU_BUFFERS * VULKAN_COMMANDS};
    const VkDescriptorPoolCreateInfo sets = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = VULKAN_COMMANDS,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &room};
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkQueryPoolCreateInfo stamps = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                          .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                          .queryCount = 2};
    const VkCommandBufferAllocateInfo command = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                 .commandPool = r->commands,
                                                 .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                 .commandBufferCount = 1};
    VkResult result = v->AllocateCommandBuffers(v->device, &command, &s->command);
    if (result == VK_SUCCESS)
        result = v->CreateDescriptorPool(v->device, &sets, NULL, &s->sets);
    if (result == VK_SUCCESS)
        result = v->CreateFence(v->device, &fence, NULL, &s->done);
    if (result == VK_SUCCESS && v->stamps)
        result = v->CreateQueryPool(v->device, &stamps, NULL, &s->stamps);
    if (result != VK_SUCCESS)
        return vulkan_check(result, "a queue", err);
    return vulkan_memory_make(v, VULKAN_STAGED, memory_type, true, &s->staging, err);
}

sib_code vulkan_recorder_open(vulkan_recorder *r, vulkan *v, gpu_device *device, uint32_t memory_type,
                              sib_error *err)
{
    const VkCommandPoolCreateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                              .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                              .queueFamilyIndex = v->family};
    *r = (vulkan_recorder){.v = v, .device = device};
    sib_code code =
        vulkan_check(v->CreateCommandPool(v->device, &commands, NULL, &r->commands), "a queue", err);
    for (int i = 0; i < VULKAN_SLOTS && code == SIB_OK; i++)
        code = open_slot(r, &r->slots[i], memory_type, err);
    return code;
}

void vulkan_recorder_close(vulkan_recorder *r)
{
    const vulkan *v = r->v;
    for (int i = 0; i < VULKAN_SLOTS && v; i++) {
        vulkan_slot *s = &r->slots[i];
        v->DestroyFence(v->device, s->done, NULL);
        v->DestroyDescriptorPool(v->device, s->sets, NULL);
        v->DestroyQueryPool(v->device, s->stamps, NULL);
        vulkan_memory_free(v, &s->staging);
    }
    if (v)
        v->DestroyCommandPool(v->device, r->commands, NULL);
}

/* ---- Recording ----------------------------------------------------------------------------------------- */

static void add_stamp(vulkan_recorder *r, const vulkan_slot *s, uint32_t number)
{
    if (!s->stamps)
        return;
    if (!number)
        r->v->CmdResetQueryPool(s->command, s->stamps, 0, 2);
    r->v->CmdWriteTimestamp(s->command, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, s->stamps, number);
}

static void read_stamps(vulkan_recorder *r, const vulkan_slot *s)
{
    uint64_t ticks[2];
    if (s->stamps && r->v->GetQueryPoolResults(r->v->device, s->stamps, 0, 2, sizeof ticks, ticks,
                                               sizeof *ticks, VK_QUERY_RESULT_64_BIT) == VK_SUCCESS)
        r->ns += (uint64_t)((double)((ticks[1] - ticks[0]) & r->v->stamps) *
                            r->v->properties.limits.timestampPeriod);
}

/* Waits for a slot, which is then empty. */
static sib_code wait_slot(vulkan_recorder *r, vulkan_slot *s, sib_error *err)
{
    const vulkan *v = r->v;
    if (!s->pending)
        return SIB_OK;
    s->pending = false;
    VkResult result = v->WaitForFences(v->device, 1, &s->done, VK_TRUE, gpu_wait_ns);
    if (result == VK_SUCCESS)
        result = v->ResetFences(v->device, 1, &s->done);
    if (result == VK_SUCCESS)
        result = v->ResetDescriptorPool(v->device, s->sets, 0);
    if (result == VK_SUCCESS)
        read_stamps(r, s);
    s->recorded = 0;
    s->staged = 0;
    return check(r, result, "a run", err);
}

/* Submits the slot that is recorded; the next one is recorded then. */
static sib_code submit(vulkan_recorder *r, sib_error *err)
{
    vulkan_slot *s = &r->slots[r->at];
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &s->command};
    /* what was written becomes visible to the host */
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask =
                                         VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT};
    if (!s->recorded || s->pending)
        return SIB_OK;
    r->v->CmdPipelineBarrier(s->command,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                             VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    add_stamp(r, s, 1);
    VkResult result = r->v->EndCommandBuffer(s->command);
    if (result == VK_SUCCESS)
        result = r->v->QueueSubmit(r->v->queue, 1, &info, s->done);
    s->pending = result == VK_SUCCESS;
    r->at = (r->at + 1) % VULKAN_SLOTS;
    return check(r, result, "a run", err);
}

sib_code vulkan_recorder_begin(vulkan_recorder *r, size_t staged, vulkan_slot **out, sib_error *err)
{
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    const VkAccessFlags any = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                              VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = any, .dstAccessMask = any};
    vulkan_slot *s = &r->slots[r->at];
    sib_code code = SIB_OK;
    if (s->recorded == VULKAN_COMMANDS || staged > VULKAN_STAGED - s->staged)
        code = submit(r, err);
    s = &r->slots[r->at];
    *out = s;
    if (code == SIB_OK)
        code = wait_slot(r, s, err);
    if (code == SIB_OK && !s->recorded) {
        code = check(r, r->v->BeginCommandBuffer(s->command, &begin), "a run", err);
        if (code == SIB_OK)
            add_stamp(r, s, 0);
    }
    if (code != SIB_OK)
        return code;
    r->v->CmdPipelineBarrier(s->command, stages, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
    s->recorded++;
    return SIB_OK;
}

sib_code vulkan_recorder_finish(vulkan_recorder *r, sib_error *err)
{
    sib_code code = submit(r, err);
    for (int i = 0; i < VULKAN_SLOTS && code == SIB_OK; i++)
        code = wait_slot(r, &r->slots[i], err);
    return code;
}

bool vulkan_recorder_idle(const vulkan_recorder *r)
{
    for (int i = 0; i < VULKAN_SLOTS; i++)
        if (r->slots[i].recorded)
            return false;
    return true;
}
