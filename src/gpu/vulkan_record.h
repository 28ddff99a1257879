/* What Vulkan is to do, recorded into a ring of slots: while the device works on one, the next is filled. */
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

typedef struct vulkan_slot {
    VkCommandBuffer command;
    VkDescriptorPool sets;
    VkFence done;
    VkQueryPool stamps; /* when it began and ended; VK_NULL_HANDLE: the device does not tell */
    vulkan_memory staging;
    size_t staged;     /* bytes of staging in use */
    unsigned recorded; /* commands */
    bool pending;      /* submitted */
} vulkan_slot;

typedef struct vulkan_recorder {
    vulkan *v;
    gpu_device *device; /* whose `lost` is set */
    VkCommandPool commands;
    vulkan_slot slots[VULKAN_SLOTS];
    unsigned at; /* the slot that is recorded */
    uint64_t ns; /* that finished slots took */
    bool stuck;  /* the device did not answer: it may use what it has still, so nothing of it is destroyed */
} vulkan_recorder;

/* memory_type: of the staging buffers. After a failure too the caller calls vulkan_recorder_close. Errors:
   those of vulkan_check. */
sib_code vulkan_recorder_open(vulkan_recorder *r, vulkan *v, gpu_device *device, uint32_t memory_type,
                              sib_error *err);
void vulkan_recorder_close(vulkan_recorder *r);
/* A slot with room for one more command and `staged` bytes, behind a barrier: what was recorded before is done
   and visible when the next command begins. Errors: those of the device. */
sib_code vulkan_recorder_begin(vulkan_recorder *r, size_t staged, vulkan_slot **out, sib_error *err);
/* Submits what is recorded and waits for everything; the host sees what was written. Errors: those of the
   device. */
sib_code vulkan_recorder_finish(vulkan_recorder *r, sib_error *err);
/* True where the device does nothing and nothing is recorded. */
bool vulkan_recorder_idle(const vulkan_recorder *r);

/* A buffer of a memory type, mapped where `map`. Errors: those of vulkan_check. */
sib_code vulkan_memory_make(const vulkan *v, size_t bytes, uint32_t memory_type, bool map, vulkan_memory *out,
                            sib_error *err);
void vulkan_memory_free(const vulkan *v, vulkan_memory *m);

#endif
