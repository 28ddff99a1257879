/* Checkpoints of random weights, as safetensors. */
#ifndef CLI_CHECKPOINT_H
#define CLI_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct random_weights {
    size_t n;
    struct random_weight *items; /* (WEIGHTS_MAX) */
} random_weights;

/* A weight called where + what, of which each element is noise of [-1, 1) times scale, plus offset. */
void random_add(random_weights *w, const char *where, const char *what, size_t rank, const int64_t *dims,
                double scale, double offset);
/* Those of a product of `from` inputs, [to, from], and of its bias, called where + what + .weight and .bias. */
void random_add_linear(random_weights *w, const char *where, const char *what, int64_t from, int64_t to,
                       bool biased);
/* Writes them and frees w. Returns false, with a line on stderr, on failure. */
bool random_write(random_weights *w, const char *path);

#endif
