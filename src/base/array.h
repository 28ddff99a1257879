/* Growing arrays. An array is three variables of its owner: a pointer to the items, their number and the
   capacity, all zero at first; mem_free releases the items. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <sibyl/base.h>

/* Makes room for at least `wanted` items of `size` bytes. The capacity grows at least by half, so
   appending takes amortized constant time. items: address of the pointer to the items. what: names the
   memory in the message. Error: SIB_ERR_MEMORY, the array unchanged. */
sib_code array_grow(void *items, size_t *capacity, size_t wanted, size_t size, const char *what,
                    sib_error *err);

/* The same for a typed array. items, capacity (a size_t): lvalues. */
#define ARRAY_RESERVE(items, capacity, wanted, what, err)                                                    \
    ((size_t)(wanted) <= (capacity)                                                                          \
         ? SIB_OK                                                                                            \
         : array_grow(&(items), &(capacity), (wanted), sizeof *(items), (what), (err)))

/* Appends the item that the last argument evaluates to: ARRAY_PUSH(l->words, l->n, l->capacity, "words",
   err, (word){at, n}). The other arguments are evaluated more than once; the item once, after growing.
   Error: SIB_ERR_MEMORY. */
#define ARRAY_PUSH(items, n, capacity, what, err, ...)                                                       \
    (ARRAY_RESERVE(items, capacity, (size_t)(n) + 1, what, err) == SIB_OK                                    \
         ? ((items)[(n)++] = (__VA_ARGS__), SIB_OK)                                                          \
         : SIB_ERR_MEMORY)

#endif
