/* Names of files and folders. Strings returned are released with free. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "talk" of "talks/talk.flac"; a name that is only an extension is kept. */
char *file_stem(const char *path);

/* "v1.2" of "cases/v1.2/". */
char *file_name(const char *path);

/* "folder/name". */
char *file_join(const char *folder, const char *name);

bool file_is_folder(const char *path);

/* 0 where there is none. */
uint64_t file_bytes(const char *path);

/* The folder that `path` lies in: "." for a bare name. */
char *file_folder(const char *path);

/* Returns true if files can be written into `folder`; else false, with the reason on stderr. */
bool file_folder_takes(const char *folder);

/* The same; creates the folder if its parent exists. */
bool file_folder_ready(const char *folder);

/* True for a device or pipe, which is written directly. */
bool file_is_special(const char *path);

/* Writes a file completely, first as NAME.0.part in the same folder. On failure returns false, with a line on
   stderr, and leaves no file. */
bool file_put(const char *path, const char *data, size_t size);

/* Reads the rest of a stream and appends a NUL; *size (may be NULL): bytes without it. name: for messages.
   Returns NULL, with a line on stderr, if it cannot be read or has more than `max` bytes. */
char *file_read_stream(FILE *f, const char *name, size_t max, size_t *size);
/* The same for a file. */
char *file_read(const char *path, size_t max, size_t *size);

/* Returns true if both names exist and lead to one file. */
bool file_same(const char *a, const char *b);

/* Returns true if `path` leads to this process's standard output. */
bool file_is_stdout(const char *path);

#endif
