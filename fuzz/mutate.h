/* Changes of inputs that suit their format: see fuzz_mutator. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "fuzz.h"

/* Protobuf: fields removed, repeated, exchanged or taken from the other input, numbers replaced; the lengths around them
   stay right, mostly. */
size_t mutate_protobuf(uint8_t *data, size_t n, size_t room, const uint8_t *other, size_t n_other,
                       unsigned seed);
/* Texts of any syntax with words, numbers, strings in quotes and brackets: words replaced by others of the same kind,
   numbers by extreme ones, what stands in brackets removed, repeated, exchanged or taken from the other input. */
size_t mutate_text(uint8_t *data, size_t n, size_t room, const uint8_t *other, size_t n_other, unsigned seed);
/* The header of a safetensors file as such a text, its length corrected. */
size_t mutate_safetensors(uint8_t *data, size_t n, size_t room, const uint8_t *other, size_t n_other,
                          unsigned seed);

#endif
