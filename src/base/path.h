/* Names of files. Strings returned are released with mem_free; NULL where memory cannot be had. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <sibyl/base.h>

/* The folder in which a file stands, without a slash at the end: "." for a bare name. */
char *path_folder(const char *path);

/* "folder/name"; the name alone where it is absolute or folder is NULL. */
char *path_join(const char *folder, const char *name);

/* *out: where folder/name leads, all symbolic links followed, for names that strangers write. The name is relative, has no
   ".." and leads to what stands in the folder (NULL: the current one) or below; SIB_ERR_ARGUMENT says so. Errors: SIB_ERR_IO
   (there is no such file), SIB_ERR_MEMORY. */
sib_code path_confined(const char *folder, const char *name, char **out, sib_error *err);

/* What stands beside a file under its name with another ending: "folder/model.job.json" for "folder/model.onnx" and ".job.json".
   A dot in front of all is no ending. */
char *path_beside(const char *path, const char *ending);

#endif
