/* Paths of files. Release returned strings with mem_free; NULL where memory fails. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <sibyl/base.h>

/* The folder of a file, without a trailing slash; "." for a bare name. */
char *path_folder(const char *path);

/* "folder/name"; only the name where it is absolute or folder is NULL. */
char *path_join(const char *folder, const char *name);

/* Whether `path` is below `folder`. Both must be resolved (path_resolve). */
bool path_is_inside(const char *path, const char *folder);

/* Resolves a path: absolute, without symbolic links. Errors: SIB_ERR_IO (no such file), SIB_ERR_MEMORY. */
sib_code path_resolve(const char *path, char **out, sib_error *err);

/* Resolves folder/name for names from untrusted sources. The name must be relative, without "..", and
   lead to something below the folder once links are followed, else SIB_ERR_ARGUMENT. Other errors: as
   path_resolve. */
sib_code path_confined(const char *folder, const char *name, char **out, sib_error *err);

/* The path of a file in the same folder, with the extension replaced: "folder/model.job.json" for
   "folder/model.onnx" and ".job.json". A leading dot of the name does not begin an extension. */
char *path_with_extension(const char *path, const char *ending);

#endif
