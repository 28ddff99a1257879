/* Hashes for tables whose keys come from files: SipHash-1-3 under a key that each process draws anew, so that no file can
   be made whose keys collide. Nothing but the places in a table may depend on them. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* data may be NULL where n is 0. Thread-safe. */
uint64_t hash_bytes(const void *data, size_t n);

#endif
