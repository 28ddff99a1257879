/* Archives with uncompressed entries: finds the bytes of each in the file. Compressed and encrypted entries
   are refused, so nothing is ever unpacked; so are entries that overlap, leave the file, or differ between
   the directory and their local header. */
#ifndef IMPORT_ZIP_H
#define IMPORT_ZIP_H

#include "import/read/reader.h"

typedef struct zip_entry {
    sib_str name; /* in the file */
    uint64_t offset, size;
    uint64_t header; /* offset of its local header */
} zip_entry;

typedef struct zip_directory {
    zip_entry *entries; /* (n) in the order of the directory */
    size_t n;
    name_map names; /* name to index */
} zip_directory;

/* out: zip_close_directory(out), also where it fails. */
sib_code zip_open_directory(ckpt_file *s, zip_directory *out);
void zip_close_directory(zip_directory *d);
/* NULL where there is none. */
const zip_entry *zip_find(const zip_directory *d, sib_str name);

#endif
