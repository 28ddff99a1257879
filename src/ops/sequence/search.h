/* Forms of a search's decoder, the numbers that attribute model_type has for them. */
#ifndef OPS_SEQUENCE_SEARCH_H
#define OPS_SEQUENCE_SEARCH_H

enum { SEARCH_GPT, SEARCH_T5, SEARCH_WHISPER };

#endif
