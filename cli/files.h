/* Names of files and folders. Strings returned are released with free. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "talk" of "talks/talk.flac"; a name that is nothing but extension stays whole. */
char *file_stem(const char *path);

/* "v1.2" of "cases/v1.2/". */
char *file_name(const char *path);

/* "folder/name". */
char *file_join(const char *folder, const char *name);

bool file_is_folder(const char *path);

/* The folder that `path` lies in: "." for a bare name. */
char *file_folder(const char *path);

/* True where files can be written into `folder`; else false, with a line on stderr that says why. */
bool file_folder_takes(const char *folder);

/* The same of a folder that is made where its parent exists. */
bool file_folder_ready(const char *folder);

/* Writes a complete file or, with a line on stderr and false, none: beside it first, under its name
   with ".part". */
bool file_put(const char *path, const char *data, size_t size);

/* All that a stream still gives, a NUL behind it; *size (may be NULL): bytes without it. name: for
   messages. NULL with a line on stderr where it cannot be read or has more than `max` bytes. */
char *file_read_stream(FILE *f, const char *name, size_t max, size_t *size);
/* The same of a file. */
char *file_read(const char *path, size_t max, size_t *size);

/* True where both names exist and lead to one file. */
bool file_same(const char *a, const char *b);

/* True where `path` leads to this process' standard output. */
bool file_is_stdout(const char *path);

#endif
