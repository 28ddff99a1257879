/* The page's files as they lie in the program: a table that tools/embed.py writes, or an empty one (page_none.c). */
#ifndef SIB_SERVER_PAGE_H
#define SIB_SERVER_PAGE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct page_file {
    const char *path, *type; /* "/assets/index-D302ETBm.css", "text/css; charset=utf-8" */
    const char *tag;         /* of its content */
    bool hashed;             /* its name changes with its content */
    const unsigned char *packed;
    size_t packed_size, size; /* bytes of gzip, and unpacked */
} page_file;

extern const page_file page_files[];
extern const size_t n_page_files;

#endif
