/* The folders of the server's files, which messages to clients leave out: where they are is nobody's business. Names
   of nodes look like paths too ("/encoder/conv1/Conv"), so only these folders are cut. */
#ifndef SIB_SERVER_FOLDERS_H
#define SIB_SERVER_FOLDERS_H

#include <stdbool.h>

typedef struct folders folders;

/* NULL: no memory. */
folders *folders_create(void);
void folders_free(folders **f);

/* Adds a folder, and where a link leads to it what it leads to. Thread-safe. Returns false without memory. */
bool folders_add(folders *f, const char *folder);

/* Adds the folder of a file, where its name tells one. */
bool folders_add_of(folders *f, const char *file);

/* Removes the folders from a message: "/srv/models/a/b.onnx" becomes "a/b.onnx". Thread-safe. */
void folders_cut(folders *f, char *message);

#endif
