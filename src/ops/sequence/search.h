/* Forms of a search's decoder, the numbers that attribute model_type has for them. */
#ifndef OPS_SEQUENCE_SEARCH_H
#define OPS_SEQUENCE_SEARCH_H

#include <stdbool.h>

struct graph;

enum { SEARCH_GPT, SEARCH_T5, SEARCH_WHISPER };

/* Whether a decoder of GPT-2's form has its states in buffers of max_length tokens; how many are used is its last input then,
   past_sequence_length. */
bool search_shares(const struct graph *decoder);

#endif
