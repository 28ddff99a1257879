/* What Vulkan is to do, listed in a ring of slots: while the device works on one, the next is filled. A list that is
   submitted becomes a command buffer, which is kept (record.h). */
#ifndef GPU_VULKAN_RECORD_H
#define GPU_VULKAN_RECORD_H

#include "gpu/record.h"
#include "gpu/vulkan_open.h"

/* A buffer with memory of its own. */
typedef struct gpu_memory {
    VkBuffer buffer;
    VkDeviceMemory memory;
    unsigned char *bytes; /* mapped; NULL: the host does not see it */
} vulkan_memory;

/* Slots, fewer than lists that are kept, and bytes that each stages. */
#define VULKAN_STAGED ((size_t)4 << 20)
#define VULKAN_SLOTS  2

/* A list as a command buffer. */
typedef struct vulkan_recording {
    VkCommandBuffer command;
    VkDescriptorPool sets;
    VkQueryPool stamps; /* when it began and ended; VK_NULL_HANDLE: the device does not tell */
} vulkan_recording;

typedef struct vulkan_slot {
    gpu_list list;
    VkFence done;
    vulkan_memory staging;
    size_t staged; /* bytes of staging in use */
    bool submitted;
    int record; /* the number of what was */
} vulkan_slot;

typedef struct vulkan_recorder {
    vulkan *v;
    gpu_device *device;          /* whose `lost` is set */
    const VkPipeline *pipelines; /* by kernel */
    VkPipelineLayout layout;
    VkDescriptorSetLayout set_layout;
    VkCommandPool commands;
    vulkan_slot slots[VULKAN_SLOTS];
    gpu_records records;
    vulkan_recording recordings[GPU_RECORDS]; /* of each */
    unsigned at;                              /* the slot that is filled */
    uint64_t ns;                              /* that finished slots took */
    bool stuck; /* the device did not answer: it may use what it has still, so nothing of it is destroyed */
} vulkan_recorder;

/* pipelines: by kernel, there when a launch is added. layout, set_layout: of all of them. memory_type: of the staging
   buffers. After a failure too the caller calls vulkan_recorder_close. Errors: those of vulkan_check. */
sib_code vulkan_recorder_open(vulkan_recorder *r, vulkan *v, gpu_device *device, const VkPipeline *pipelines,
                              VkPipelineLayout layout, VkDescriptorSetLayout set_layout, uint32_t memory_type,
                              sib_error *err);
/* Leaves what a device that is stuck may use. */
void vulkan_recorder_close(vulkan_recorder *r);
/* A slot with room for one more command and `staged` bytes. Errors: those of the device. */
sib_code vulkan_recorder_room(vulkan_recorder *r, size_t staged, vulkan_slot **out, sib_error *err);
/* Adds to the slot of vulkan_recorder_room: what comes before is done and visible when the command begins. */
void vulkan_recorder_add(vulkan_slot *s, const gpu_command *c);
/* Submits what is listed and waits for everything; the host sees what was written. Errors: those of the
   device. */
sib_code vulkan_recorder_finish(vulkan_recorder *r, sib_error *err);
/* True where the device does nothing and nothing is listed. */
bool vulkan_recorder_idle(const vulkan_recorder *r);

/* A buffer of a memory type, mapped where `map`. Errors: those of vulkan_check. */
sib_code vulkan_memory_make(const vulkan *v, size_t bytes, uint32_t memory_type, bool map, vulkan_memory *out,
                            sib_error *err);
void vulkan_memory_free(const vulkan *v, vulkan_memory *m);

#endif
