/* What the kernels share that move elements without looking at them. */
#ifndef CPU_LAYOUT_H
#define CPU_LAYOUT_H

#include "backend/cpu/cpu.h"
#include "kernel/layout/layout.h"

/* Bytes of an element that can be moved as an item, 1 to 16; 0 for strings, packed and unknown types. */
size_t cpu_item(sib_dtype dtype);

/* A tensor whose dims are numbers and whose elements are items. */
typedef struct cpu_box {
    size_t item, rank, count;
    int64_t dims[SIB_MAX_RANK]; /* (rank) */
} cpu_box;

/* False where v is something else, or has more bytes than can be. */
bool cpu_box_of(const node_view *n, const value *v, cpu_box *out);

#endif
