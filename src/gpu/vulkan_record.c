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

static sib_code open_list(vulkan_list *l, sib_error *err)
{
    *l = (vulkan_list){.commands = mem_calloc(VULKAN_COMMANDS, sizeof *l->commands)};
    return l->commands ? SIB_OK : err_memory(err, VULKAN_COMMANDS * sizeof *l->commands, "a queue");
}

static sib_code open_slot(vulkan_recorder *r, vulkan_slot *s, uint32_t memory_type, sib_error *err)
{
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    sib_code code = open_list(&s->list, err);
    if (code == SIB_OK)
        code = vulkan_check(r->v->CreateFence(r->v->device, &fence, NULL, &s->done), "a queue", err);
    return code == SIB_OK ? vulkan_memory_make(r->v, VULKAN_STAGED, memory_type, true, &s->staging, err)
                          : code;
}

static sib_code open_recording(vulkan_recorder *r, vulkan_recording *out, sib_error *err)
{
    const vulkan *v = r->v;
    const VkDescriptorPoolSize room = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, GPU_BUFFERS * VULKAN_COMMANDS};
    const VkDescriptorPoolCreateInfo sets = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = VULKAN_COMMANDS,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &room};
    const VkQueryPoolCreateInfo stamps = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                          .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                          .queryCount = 2};
    const VkCommandBufferAllocateInfo command = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                                 .commandPool = r->commands,
                                                 .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                                 .commandBufferCount = 1};
    sib_code code = open_list(&out->list, err);
    if (code != SIB_OK)
        return code;
    VkResult result = v->AllocateCommandBuffers(v->device, &command, &out->command);
    if (result == VK_SUCCESS)
        result = v->CreateDescriptorPool(v->device, &sets, NULL, &out->sets);
    if (result == VK_SUCCESS && v->stamps)
        result = v->CreateQueryPool(v->device, &stamps, NULL, &out->stamps);
    return vulkan_check(result, "a queue", err);
}

sib_code vulkan_recorder_open(vulkan_recorder *r, vulkan *v, gpu_device *device, VkPipelineLayout layout,
                              VkDescriptorSetLayout set_layout, uint32_t memory_type, sib_error *err)
{
    const VkCommandPoolCreateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                              .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                              .queueFamilyIndex = v->family};
    *r = (vulkan_recorder){.v = v, .device = device, .layout = layout, .set_layout = set_layout};
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
        mem_free(r->slots[i].list.commands);
        if (!v)
            continue;
        v->DestroyFence(v->device, r->slots[i].done, NULL);
        vulkan_memory_free(v, &r->slots[i].staging);
    }
    for (int i = 0; i < VULKAN_RECORDINGS; i++) {
        mem_free(r->recordings[i].list.commands);
        if (!v)
            continue;
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

static VkResult record_launch(vulkan_recorder *r, const vulkan_recording *to, const vulkan_command *c)
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
    const VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                        .dstSet = set,
                                        .descriptorCount = GPU_BUFFERS,
                                        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                        .pBufferInfo = c->buffers};
    v->UpdateDescriptorSets(v->device, 1, &write, 0, NULL);
    v->CmdBindPipeline(to->command, VK_PIPELINE_BIND_POINT_COMPUTE, c->pipeline);
    v->CmdBindDescriptorSets(to->command, VK_PIPELINE_BIND_POINT_COMPUTE, r->layout, 0, 1, &set, 0, NULL);
    v->CmdPushConstants(to->command, r->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, c->args_bytes, c->args);
    v->CmdDispatch(to->command, c->groups[0], c->groups[1], c->groups[2]);
    return VK_SUCCESS;
}

static VkResult record_command(vulkan_recorder *r, const vulkan_recording *to, const vulkan_command *c)
{
    const VkAccessFlags any = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                              VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = any, .dstAccessMask = any};
    const VkDescriptorBufferInfo *b = c->buffers;
    r->v->CmdPipelineBarrier(to->command, stages, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
    if (c->pipeline)
        return record_launch(r, to, c);
    const VkBufferCopy region = {b[0].offset, b[1].offset, b[0].range};
    r->v->CmdCopyBuffer(to->command, b[0].buffer, b[1].buffer, 1, &region);
    return VK_SUCCESS;
}

/* Makes the list's command buffer. */
static VkResult record(vulkan_recorder *r, const vulkan_recording *to)
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
    for (size_t i = 0; i < to->list.n && result == VK_SUCCESS; i++)
        result = record_command(r, to, &to->list.commands[i]);
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
    vulkan_recording *done = s->recording;
    if (!done)
        return SIB_OK;
    s->recording = NULL;
    VkResult result = v->WaitForFences(v->device, 1, &s->done, VK_TRUE, gpu_wait_ns);
    if (result == VK_SUCCESS)
        result = v->ResetFences(v->device, 1, &s->done);
    if (result == VK_SUCCESS)
        read_stamps(r, done);
    done->pending = false;
    s->list.n = 0;
    s->staged = 0;
    return check(r, result, "a run", err);
}

static bool same_list(const vulkan_list *a, const vulkan_list *b)
{
    return a->n == b->n && !memcmp(a->commands, b->commands, a->n * sizeof *a->commands);
}

/* A recording for another list: a new one, or the one that was not used for longest. */
static sib_code replace_recording(vulkan_recorder *r, vulkan_recording **out, sib_error *err)
{
    vulkan_recording *oldest = NULL;
    if (r->n_recordings < VULKAN_RECORDINGS) {
        *out = &r->recordings[r->n_recordings++];
        return open_recording(r, *out, err);
    }
    for (size_t i = 0; i < r->n_recordings; i++) {
        vulkan_recording *one = &r->recordings[i];
        if (!one->pending && (!oldest || one->used < oldest->used))
            oldest = one;
    }
    SIB_ASSERT(oldest); /* there are more than slots */
    *out = oldest;
    return SIB_OK;
}

/* The recording of the slot's list: one that was made before, or a new one, which takes the list. */
static sib_code find_recording(vulkan_recorder *r, vulkan_slot *s, vulkan_recording **out, sib_error *err)
{
    for (size_t i = 0; i < r->n_recordings; i++)
        if (same_list(&r->recordings[i].list, &s->list)) {
            *out = &r->recordings[i];
            sib_code code = SIB_OK;
            for (int k = 0; k < VULKAN_SLOTS && code == SIB_OK; k++)
                if (r->slots[k].recording == *out) /* a command buffer is in use once */
                    code = wait_slot(r, &r->slots[k], err);
            return code;
        }
    const sib_code code = replace_recording(r, out, err);
    if (code != SIB_OK) {
        r->device->lost = true;
        return code;
    }
    const vulkan_list spare = (*out)->list;
    (*out)->list = s->list;
    s->list = spare;
    s->list.n = (*out)->list.n;
    return check(r, record(r, *out), "a run", err);
}

/* Submits the slot that is filled; the next one is filled then. */
static sib_code submit(vulkan_recorder *r, sib_error *err)
{
    vulkan_slot *s = &r->slots[r->at];
    vulkan_recording *recording;
    if (!s->list.n || s->recording)
        return SIB_OK;
    sib_code code = find_recording(r, s, &recording, err);
    if (code != SIB_OK)
        return code;
    const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .commandBufferCount = 1,
                               .pCommandBuffers = &recording->command};
    const VkResult result = r->v->QueueSubmit(r->v->queue, 1, &info, s->done);
    recording->pending = result == VK_SUCCESS;
    recording->used = ++r->device->submitted;
    s->recording = recording->pending ? recording : NULL;
    r->at = (r->at + 1) % VULKAN_SLOTS;
    return check(r, result, "a run", err);
}

sib_code vulkan_recorder_room(vulkan_recorder *r, size_t staged, vulkan_slot **out, sib_error *err)
{
    vulkan_slot *s = &r->slots[r->at];
    sib_code code = SIB_OK;
    if (s->list.n == VULKAN_COMMANDS || staged > VULKAN_STAGED - s->staged)
        code = submit(r, err);
    *out = &r->slots[r->at];
    return code == SIB_OK ? wait_slot(r, *out, err) : code;
}

void vulkan_recorder_add(vulkan_slot *s, const vulkan_command *c)
{
    s->list.commands[s->list.n++] = *c;
}

void vulkan_recorder_forget(vulkan_recorder *r, VkBuffer buffer)
{
    for (size_t i = 0; i < r->n_recordings; i++) {
        vulkan_list *l = &r->recordings[i].list;
        bool used = false;
        for (size_t k = 0; k < l->n; k++)
            for (size_t b = 0; b < GPU_BUFFERS; b++)
                used |= l->commands[k].buffers[b].buffer == buffer;
        if (used)
            l->n = 0;
    }
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
        if (r->slots[i].list.n)
            return false;
    return true;
}
