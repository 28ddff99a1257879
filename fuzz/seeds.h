/* The parts of fuzz_seeds. */
#ifndef FUZZ_SEEDS_H
#define FUZZ_SEEDS_H

#include <stddef.h>

/* Writes TARGET/NAME in the folder of seeds, unless it is too large. */
void write_seed(const char *target, const char *name, const void *data, size_t n);

void write_tokenizers(void);

#endif
