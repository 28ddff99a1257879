/* Execution modes added to modules of SPIR-V. */
#include "gpu/vulkan_modes.h"

#include "base/alloc.h"
#include "check.h"

#define OP(length, op) ((length) << 16 | (op))
#define HEAD           0x07230203, 0x10500, 0, 9, 0
#define CAPABILITY     OP(2, 17), 1
#define MEMORY_MODEL   OP(3, 14), 0, 1
#define ENTRY_POINT    OP(5, 15), 5, 4, 0x6e69616d, 0
#define LOCAL_SIZE     OP(6, 16), 4, 17, 1, 1, 1

TEST(test_added)
{
    static const uint32_t module[] = {HEAD, CAPABILITY, MEMORY_MODEL, ENTRY_POINT, LOCAL_SIZE},
                          all[] = {HEAD,      CAPABILITY, OP(2, 17),    4464,        OP(2, 17), 4466,
                                   OP(2, 17), 4467,       MEMORY_MODEL, ENTRY_POINT, OP(4, 16), 4,
                                   4459,      32,         OP(4, 16),    4,           4461,      32,
                                   OP(4, 16), 4,          4462,         32,          LOCAL_SIZE};
    const vulkan_modes every = {true, true, true}, none = {false, false, false};
    size_t n = 0;
    uint32_t *made = vulkan_add_modes(&every, module, COUNT(module), &n);
    assert_non_null(made);
    assert_int_equal(n, COUNT(all));
    assert_memory_equal(made, all, sizeof all);
    mem_free(made);
    made = vulkan_add_modes(&none, module, COUNT(module), &n);
    assert_non_null(made);
    assert_int_equal(n, COUNT(module));
    assert_memory_equal(made, module, sizeof module);
    mem_free(made);
}

/* What is no module, ends inside of an instruction, or has no entry point. */
TEST(test_refused)
{
    static const uint32_t no_magic[] = {1, 0, 0, 0, 0, CAPABILITY, ENTRY_POINT},
                          cut[] = {HEAD, CAPABILITY, OP(9, 15), 5, 4},
                          no_entry[] = {HEAD, CAPABILITY, MEMORY_MODEL},
                          endless[] = {HEAD, CAPABILITY, OP(0, 15), 5, 4};
    const vulkan_modes every = {true, true, true};
    size_t n;
    assert_null(vulkan_add_modes(&every, no_magic, COUNT(no_magic), &n));
    assert_null(vulkan_add_modes(&every, cut, COUNT(cut), &n));
    assert_null(vulkan_add_modes(&every, no_entry, COUNT(no_entry), &n));
    assert_null(vulkan_add_modes(&every, endless, COUNT(endless), &n));
    assert_null(vulkan_add_modes(&every, cut, 3, &n));
}
