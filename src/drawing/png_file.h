/* PNG of 24 bits per pixel, written row by row. */
#ifndef DRAWING_PNG_FILE_H
#define DRAWING_PNG_FILE_H

#include <sibyl/base.h>
#include <stdio.h>

/* Where the pixels come from: `row` fills row y, rgb (width, 3). */
typedef struct png_rows {
    size_t width, height;
    void (*row)(const void *context, size_t y, uint8_t *rgb);
    const void *context;
} png_rows;

/* Writes to a stream. name: for messages. Errors: SIB_ERR_IO, SIB_ERR_MEMORY. */
sib_code png_write_stream(const png_rows *rows, FILE *stream, const char *name, sib_error *err);

/* Writes a file, complete or not at all. Errors: likewise. */
sib_code png_write_file(const png_rows *rows, const char *path, sib_error *err);

#endif
