/* The tables of kernels that tests go through. */
#ifndef TESTS_KERNEL_TABLES_H
#define TESTS_KERNEL_TABLES_H

#include "features/mel_internal.h"
#include "kernel/kernel.h"
#include "tile/tile_lanes.h"

typedef struct named_table {
    const char *name;
    kernel_table table;
    mel_kernel_table mel;
    tile_lanes tile;
} named_table;

/* The portable tables and those of the other CPU levels that run here (n_levels); then, up to n_tables, what
   these levels choose for bytes on machines without 4-byte dot products. */
extern named_table tables[CPU_LEVELS + 2];
extern size_t n_levels, n_tables;

/* Also a fixture of TEST_FIXTURE: returns 0. */
int make_tables(void);

#endif
