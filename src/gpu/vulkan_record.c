#include "gpu/vulkan_record.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"

#include <string.h>

/* The error of a call; what was listed is gone then, and with it the device. */
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
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    sib_code code = gpu_list_open(&s->list, err);
    if (code == SIB_OK)
        code = vulkan_check(r->v->CreateFence(r->v->device, &fence, NULL, &s->done), "a queue", err);
    return code == SIB_OK ? vulkan_memory_make(r->v, VULKAN_STAGED, memory_type, true, &s->staging, err)
                          : code;
}

static sib_code open_recording(vulkan_recorder *r, vulkan_recording *out, sib_error *err)
{
    const vulkan *v = r->v;
    const VkDescriptorPoolSize room = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, GPU_BUFFERS * GPU_COMMANDS};
    const VkDescriptorPoolCreateInfo sets = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = GPU_COMMANDS,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &room};
    const VkQueryPoolCreateInfo stamps = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                          .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                          .queryCount = 2};
    const VkCommandBufferAllocateInfo command = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                 .commandPool = r->commands,
                                                 .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                 .commandBufferCount = 1};
    VkResult result = v->AllocateCommandBuffers(v->device, &command, &out->command);
    if (result == VK_SUCCESS)
        result = v->CreateDescriptorPool(v->device, &sets, NULL, &out->sets);
    if (result == VK_SUCCESS && v->stamps)
        result = v->CreateQueryPool(v->device, &stamps, NULL, &out->stamps);
    return vulkan_check(result, "a queue", err);
}

sib_code vulkan_recorder_open(vulkan_recorder *r, vulkan *v, gpu_device *device, const VkPipeline *pipelines,
                              VkPipelineLayout layout, VkDescriptorSetLayout set_layout, uint32_t memory_type,
                              sib_error *err)
{
    const VkCommandPoolCreateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                              .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                              .queueFamilyIndex = v->family};
    *r = (vulkan_recorder){
        .v = v, .device = device, .pipelines = pipelines, .layout = layout, .set_layout = set_layout};
    sib_code code =
        vulkan_check(v->CreateCommandPool(v->device, &commands, NULL, &r->commands), "a queue", err);
    for (int i = 0; i < VULKAN_SLOTS && code == SIB_OK; i++)
        code = open_slot(r, &r->slots[i], memory_type, err);
    return code;
}

void vulkan_recorder_close(vulkan_recorder *r)
{
    const vulkan *v = r->stuck ? NULL : r->v;
    for (int i = 0; i < VULKAN_SLOTS; i++) {
        gpu_list_close(&r->slots[i].list);
        if (!v)
            continue;
        v->DestroyFence(v->device, r->slots[i].done, NULL);
        vulkan_memory_free(v, &r->slots[i].staging);
    }
    gpu_records_close(&r->records);
    for (int i = 0; i < GPU_RECORDS && v; i++) {
        v->DestroyDescriptorPool(v->device, r->recordings[i].sets, NULL);
        v->DestroyQueryPool(v->device, r->recordings[i].stamps, NULL);
    }
    if (v)
        v->DestroyCommandPool(v->device, r->commands, NULL);
}

/* ---- Recording ----------------------------------------------------------------------------------------- */

static void add_stamp(vulkan_recorder *r, const vulkan_recording *to, uint32_t number)
{
    if (!to->stamps)
        return;
    if (!number)
        r->v->CmdResetQueryPool(to->command, to->stamps, 0, 2);
    r->v->CmdWriteTimestamp(to->command, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, to->stamps, number);
}

static void read_stamps(vulkan_recorder *r, const vulkan_recording *from)
{
    uint64_t ticks[2];
    if (from->stamps && r->v->GetQueryPoolResults(r->v->device, from->stamps, 0, 2, sizeof ticks, ticks,
                                                  sizeof *ticks, VK_QUERY_RESULT_64_BIT) == VK_SUCCESS)
        r->ns += (uint64_t)((double)((ticks[1] - ticks[0]) & r->v->stamps) *
                            r->v->properties.limits.timestampPeriod);
}

/* Bindings that the kernel does not use show the first range. */
static VkResult record_launch(vulkan_recorder *r, const vulkan_recording *to, const gpu_command *c)
{
    const vulkan *v = r->v;
    VkDescriptorSet set = VK_NULL_HANDLE;
    const VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                              .descriptorPool = to->sets,
                                              .descriptorSetCount = 1,
                                              .pSetLayouts = &r->set_layout};
    const VkResult result = v->AllocateDescriptorSets(v->device, &info, &set);
    if (result != VK_SUCCESS)
        return result;
    VkDescriptorBufferInfo buffers[GPU_BUFFERS];
    for (size_t i = 0; i < GPU_BUFFERS; i++) {
        const gpu_place *p = &c->places[c->places[i].memory ? i : 0];
        buffers[i] = (VkDescriptorBufferInfo){p->memory->buffer, p->offset, (p->bytes + 3) / 4 * 4};
    }
    const VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                        .dstSet = set,
                                        .descriptorCount = GPU_BUFFERS,
                                        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                        .pBufferInfo = buffers};
    v->UpdateDescriptorSets(v->device, 1, &write, 0, NULL);
    v->CmdBindPipeline(to->command, VK_PIPELINE_BIND_POINT_COMPUTE, r->pipelines[c->kernel]);
    v->CmdBindDescriptorSets(to->command, VK_PIPELINE_BIND_POINT_COMPUTE, r->layout, 0, 1, &set, 0, NULL);
    v->CmdPushConstants(to->command, r->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                        (uint32_t)gpu_args_bytes(c->kernel), c->args);
    v->CmdDispatch(to->command, c->groups[0], c->groups[1], c->groups[2]);
    return VK_SUCCESS;
}

static VkResult record_command(vulkan_recorder *r, const vulkan_recording *to, const gpu_command *c)
{
    const VkAccessFlags any = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                              VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = any, .dstAccessMask = any};
    const gpu_place *p = c->places;
    r->v->CmdPipelineBarrier(to->command, stages, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
    if (c->kernel != GPU_COPY)
        return record_launch(r, to, c);
    const VkBufferCopy region = {p[0].offset, p[1].offset, p[0].bytes};
    r->v->CmdCopyBuffer(to->command, p[0].memory->buffer, p[1].memory->buffer, 1, &region);
    return VK_SUCCESS;
}

/* Makes a list's command buffer. */
static VkResult record(vulkan_recorder *r, const vulkan_recording *to, const gpu_list *l)
{
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    /* what was written becomes visible to the host */
    const VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask =
                                         VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT};
    VkResult result = r->v->ResetDescriptorPool(r->v->device, to->sets, 0);
    if (result == VK_SUCCESS)
        result = r->v->BeginCommandBuffer(to->command, &begin);
    if (result != VK_SUCCESS)
        return result;
    r->device->recorded++;
    add_stamp(r, to, 0);
    for (size_t i = 0; i < l->n && result == VK_SUCCESS; i++)
        result = record_command(r, to, &l->commands[i]);
    if (result != VK_SUCCESS)
        return result;
    r->v->CmdPipelineBarrier(to->command,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                             VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    add_stamp(r, to, 1);
    return r->v->EndCommandBuffer(to->command);
}

/* ---- Submitting ---------------------------------------------------------------------------------------- */

/* Waits for a slot, which is then empty. */
static sib_code wait_slot(vulkan_recorder *r, vulkan_slot *s, sib_error *err)
{
    const vulkan *v = r->v;
    if (!s->submitted)
        return SIB_OK;
    s->submitted = false;
    VkResult result = v->WaitForFences(v->device, 1, &s->done, VK_TRUE, gpu_wait_ns);
    if (result == VK_SUCCESS)
        result = v->ResetFences(v->device, 1, &s->done);
    if (result == VK_SUCCESS)
        read_stamps(r, &r->recordings[s->record]);
    r->records.pending[s->record] = false;
    s->list.n = 0;
    s->staged = 0;
    return check(r, result, "a run", err);
}

/* The slot's list becomes a command buffer, and is kept. */
static sib_code record_slot(vulkan_recorder *r, vulkan_slot *s, sib_error *err)
{
    sib_code code = gpu_records_keep(&r->records, &s->list, &s->record, err);
    vulkan_recording *made = &r->recordings[s->record];
    if (code == SIB_OK && !made->command)
        code = open_recording(r, made, err);
    if (code == SIB_OK)
        return check(r, record(r, made, &r->records.lists[s->record]), "a run", err);
    r->device->lost = true;
    return code;
}

/* Finds the recording of the slot's list, which no other slot may be using then, or makes it. */
static sib_code find_recording(vulkan_recorder *r, vulkan_slot *s, sib_error *err)
{
    sib_code code = SIB_OK;
    s->record = gpu_records_find(&r->records, &s->list);
    if (s->record < 0)
        return record_slot(r, s, err);
    for (int i = 0; i < VULKAN_SLOTS && code == SIB_OK; i++)
        if (r->slots[i].submitted && r->slots[i].record == s->record)
            code = wait_slot(r, &r->slots[i], err);
    return code;
}

/* Submits the slot that is filled; the next one is filled then. */
static sib_code submit(vulkan_recorder *r, sib_error *err)
{
    vulkan_slot *s = &r->slots[r->at];
    if (!s->list.n || s->submitted)
        return SIB_OK;
    sib_code code = find_recording(r, s, err);
    if (code != SIB_OK)
        return code;
    const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .commandBufferCount = 1,
                               .pCommandBuffers = &r->recordings[s->record].command};
    const VkResult result = r->v->QueueSubmit(r->v->queue, 1, &info, s->done);
    s->submitted = r->records.pending[s->record] = result == VK_SUCCESS;
    r->records.used[s->record] = ++r->device->submitted;
    r->at = (r->at + 1) % VULKAN_SLOTS;
    return check(r, result, "a run", err);
}

sib_code vulkan_recorder_room(vulkan_recorder *r, size_t staged, vulkan_slot **out, sib_error *err)
{
    vulkan_slot *s = &r->slots[r->at];
    sib_code code = SIB_OK;
    if (s->list.n == GPU_COMMANDS || staged > VULKAN_STAGED - s->staged)
        code = submit(r, err);
    *out = &r->slots[r->at];
    return code == SIB_OK ? wait_slot(r, *out, err) : code;
}

void vulkan_recorder_add(vulkan_slot *s, const gpu_command *c)
{
    s->list.commands[s->list.n++] = *c;
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
        if (r->slots[i].list.n || r->slots[i].submitted)
            return false;
    return true;
}
