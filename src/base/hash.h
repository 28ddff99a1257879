/* Hashes for tables whose keys come from files: SipHash-1-3 under a random key per process, so that no
   file can be crafted to collide. Only positions in a table may depend on these hashes. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* data may be NULL where n is 0. Thread-safe. */
uint64_t hash_bytes(const void *data, size_t n);

#endif
