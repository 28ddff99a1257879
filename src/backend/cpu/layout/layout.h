/* What kernels share that move elements without looking at them. */
#ifndef CPU_LAYOUT_H
#define CPU_LAYOUT_H

#include "backend/cpu/cpu.h"
#include "kernel/layout/layout.h"

/* Bytes per element that can be moved as an item, 1 to 16; 0 for strings, packed and unknown dtypes. */
size_t cpu_item(sib_dtype dtype);

/* A tensor whose dims are known and whose elements are items. */
typedef struct cpu_box {
    size_t item, rank, count;
    int64_t dims[SIB_MAX_RANK]; /* (rank) */
} cpu_box;

/* Returns false where v is no such tensor, or its size in bytes overflows. */
bool cpu_box_of(const node_view *n, const value *v, cpu_box *out);

#endif
