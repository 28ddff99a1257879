/* What a kernel's SPIR-V asks of a device's arithmetic, added when the device is known: the text asks for nothing that some
   device lacks. */
#ifndef GPU_VULKAN_MODES_H
#define GPU_VULKAN_MODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For float32, each where the device has it. */
typedef struct vulkan_modes {
    bool keeps_special;   /* signed zeros, infinities and NaN; compilers assume else that there are none */
    bool keeps_denormals; /* else they may be zeros */
    bool rounds_to_even;
} vulkan_modes;

/* A copy of the module words (n) with these execution modes of its one entry point; *made: its words. The caller frees it
   with mem_free. Returns NULL without memory, or where words are no module with an entry point. */
uint32_t *vulkan_add_modes(const vulkan_modes *m, const uint32_t *words, size_t n, size_t *made);

#endif
