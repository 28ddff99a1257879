#include "base/array.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <string.h>

#define MIN_CAPACITY 8

sib_code array_grow(void *items, size_t *capacity, size_t wanted, size_t size, const char *what,
                    sib_error *err)
{
    if (wanted <= *capacity)
        return SIB_OK;
    size_t more = size_max(wanted, size_max(*capacity + *capacity / 2, MIN_CAPACITY)), bytes;
    void *block; /* copied as bytes, since to the compiler a pointer to items of any type is not a void * */
    memcpy(&block, items, sizeof block);
    block = mem_realloc(block, more, size);
    if (!block)
        return err_memory(err, size_mul(more, size, &bytes) ? bytes : SIZE_MAX, what);
    memcpy(items, &block, sizeof block);
    *capacity = more;
    return SIB_OK;
}
