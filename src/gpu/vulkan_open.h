/* Vulkan opened at run time: its functions, an instance and a device with a queue that computes. */
#ifndef GPU_VULKAN_OPEN_H
#define GPU_VULKAN_OPEN_H

#include <sibyl/base.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

/* Functions of an instance, and of a device. */
#define VULKAN_OF_INSTANCE(X)                                                                                \
    X(EnumeratePhysicalDevices)                                                                              \
    X(GetPhysicalDeviceProperties)                                                                           \
    X(GetPhysicalDeviceProperties2)                                                                          \
    X(GetPhysicalDeviceFeatures2)                                                                            \
    X(GetPhysicalDeviceQueueFamilyProperties)                                                                \
    X(GetPhysicalDeviceMemoryProperties)                                                                     \
    X(CreateDevice)                                                                                          \
    X(GetDeviceProcAddr)
#define VULKAN_OF_DEVICE(X)                                                                                  \
    X(DestroyDevice)                                                                                         \
    X(GetDeviceQueue)                                                                                        \
    X(AllocateMemory)                                                                                        \
    X(FreeMemory)                                                                                            \
    X(MapMemory)                                                                                             \
    X(CreateBuffer)                                                                                          \
    X(DestroyBuffer)                                                                                         \
    X(GetBufferMemoryRequirements)                                                                           \
    X(BindBufferMemory)                                                                                      \
    X(CreateShaderModule)                                                                                    \
    X(DestroyShaderModule)                                                                                   \
    X(CreateDescriptorSetLayout)                                                                             \
    X(DestroyDescriptorSetLayout)                                                                            \
    X(CreatePipelineLayout)                                                                                  \
    X(DestroyPipelineLayout)                                                                                 \
    X(CreateComputePipelines)                                                                                \
    X(DestroyPipeline)                                                                                       \
    X(CreateDescriptorPool)                                                                                  \
    X(DestroyDescriptorPool)                                                                                 \
    X(ResetDescriptorPool)                                                                                   \
    X(AllocateDescriptorSets)                                                                                \
    X(UpdateDescriptorSets)                                                                                  \
    X(CreateCommandPool)                                                                                     \
    X(DestroyCommandPool)                                                                                    \
    X(AllocateCommandBuffers)                                                                                \
    X(BeginCommandBuffer)                                                                                    \
    X(EndCommandBuffer)                                                                                      \
    X(CmdBindPipeline)                                                                                       \
    X(CmdBindDescriptorSets)                                                                                 \
    X(CmdPushConstants)                                                                                      \
    X(CmdDispatch)                                                                                           \
    X(CmdPipelineBarrier)                                                                                    \
    X(CmdCopyBuffer)                                                                                         \
    X(CreateQueryPool)                                                                                       \
    X(DestroyQueryPool)                                                                                      \
    X(CmdResetQueryPool)                                                                                     \
    X(CmdWriteTimestamp)                                                                                     \
    X(GetQueryPoolResults)                                                                                   \
    X(QueueSubmit)                                                                                           \
    X(CreateFence)                                                                                           \
    X(DestroyFence)                                                                                          \
    X(WaitForFences)                                                                                         \
    X(ResetFences)

typedef struct vulkan {
    VkInstance instance; /* the process's */
    VkPhysicalDevice physical;
    VkDevice device;
    uint32_t family; /* of the queue */
    uint64_t stamps; /* the bits that the queue's time stamps have; 0: it has none */
    VkQueue queue;
    VkPhysicalDeviceProperties properties;
#define X(name) PFN_vk##name name;
    VULKAN_OF_INSTANCE(X)
    VULKAN_OF_DEVICE(X)
#undef X
} vulkan;

/* Opens the loader and an instance of Vulkan 1.2, which the process keeps, and device `number` of those that compute, dedicated ones before
   others. After a failure too the caller calls vulkan_close. Errors: SIB_ERR_UNSUPPORTED (no loader, no
   device), those of vulkan_check. */
sib_code vulkan_open(vulkan *v, unsigned number, sib_error *err);
void vulkan_close(vulkan *v);
/* The error of a call that gave r. Errors: SIB_ERR_MEMORY, else SIB_ERR_UNSUPPORTED, with what failed. */
sib_code vulkan_check(VkResult r, const char *what, sib_error *err);

#endif
