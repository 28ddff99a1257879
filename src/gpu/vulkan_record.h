/* What Vulkan is to do, listed in a ring of slots: while the device works on one, the next is filled. A list that is
   submitted becomes a command buffer, which is submitted again where the same list comes again, byte by byte: pipelines,
   arguments, groups, and buffers with their offsets and sizes. So what steady runs launch is recorded once. */
#ifndef GPU_VULKAN_RECORD_H
#define GPU_VULKAN_RECORD_H

#include "gpu/device.h"
#include "gpu/vulkan_open.h"

/* A buffer with memory of its own. */
typedef struct gpu_memory {
    VkBuffer buffer;
    VkDeviceMemory memory;
    unsigned char *bytes; /* mapped; NULL: the host does not see it */
} vulkan_memory;

/* Launches and copies of a slot at most, and bytes that it stages. */
#define VULKAN_COMMANDS 256
#define VULKAN_STAGED   ((size_t)4 << 20)
#define VULKAN_SLOTS    2
/* Command buffers that are kept; more than slots. */
#define VULKAN_RECORDINGS 16

/* A launch of a pipeline, or without one a copy of buffers[0] to buffers[1]. What is not used is 0. */
typedef struct vulkan_command {
    VkPipeline pipeline;
    VkDescriptorBufferInfo buffers[GPU_BUFFERS];
    uint32_t groups[3], args_bytes;
    unsigned char args[GPU_ARGS_BYTES];
} vulkan_command;

typedef struct vulkan_list {
    size_t n;
    vulkan_command *commands; /* (VULKAN_COMMANDS) */
} vulkan_list;

/* A list as a command buffer. */
typedef struct vulkan_recording {
    vulkan_list list;
    VkCommandBuffer command;
    VkDescriptorPool sets;
    VkQueryPool stamps; /* when it began and ended; VK_NULL_HANDLE: the device does not tell */
    uint64_t used;      /* the submission that used it last */
    bool pending;
} vulkan_recording;

typedef struct vulkan_slot {
    vulkan_list list;
    VkFence done;
    vulkan_memory staging;
    size_t staged;               /* bytes of staging in use */
    vulkan_recording *recording; /* that was submitted; NULL: none */
} vulkan_slot;

typedef struct vulkan_recorder {
    vulkan *v;
    gpu_device *device; /* whose `lost` is set */
    VkPipelineLayout layout;
    VkDescriptorSetLayout set_layout;
    VkCommandPool commands;
    vulkan_slot slots[VULKAN_SLOTS];
    vulkan_recording recordings[VULKAN_RECORDINGS];
    size_t n_recordings;
    unsigned at; /* the slot that is filled */
    uint64_t ns; /* that finished slots took */
    bool stuck;  /* the device did not answer: it may use what it has still, so nothing of it is destroyed */
} vulkan_recorder;

/* layout, set_layout: of all pipelines. memory_type: of the staging buffers. After a failure too the caller calls vulkan_recorder_close. Errors:
   those of vulkan_check. */
sib_code vulkan_recorder_open(vulkan_recorder *r, vulkan *v, gpu_device *device, VkPipelineLayout layout,
                              VkDescriptorSetLayout set_layout, uint32_t memory_type, sib_error *err);
/* Leaves what a device that is stuck may use. */
void vulkan_recorder_close(vulkan_recorder *r);
/* A slot with room for one more command and `staged` bytes. Errors: those of the device. */
sib_code vulkan_recorder_room(vulkan_recorder *r, size_t staged, vulkan_slot **out, sib_error *err);
/* Adds to the slot of vulkan_recorder_room: what comes before is done and visible when the command begins. */
void vulkan_recorder_add(vulkan_slot *s, const vulkan_command *c);
/* Drops the recordings that use a buffer, which is about to go. Everything is finished. */
void vulkan_recorder_forget(vulkan_recorder *r, VkBuffer buffer);
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
