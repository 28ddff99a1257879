/* The values of a run in files: a folder with a .npy each and a manifest, or one .npz. */
#ifndef CLI_DUMP_H
#define CLI_DUMP_H

#include "aside.h"
#include "messages.h"

/* A folder has manifest.json, an object of objects by the names of values:
   {"layer/sum": {"file": "layer_sum.npy", "dtype": "float32", "dims": [1, 3]}}
   since names are longer than those of files may be, and clash. Without it, a value's file is NAME.npy, or
   that with other characters for those that file names cannot have. */
typedef struct dump {
    char *path;
    json_t *manifest;      /* or NULL */
    sib_npz_entry *arrays; /* (n_arrays) of a .npz, by name; NULL of folders */
    size_t n_arrays;
} dump;

/* Returns false, with a line on stderr, where path is neither or is damaged. The caller calls dump_close(d)
   in any case. */
bool dump_open(const char *path, dump *d);
/* *out: the value of that name, owned by the caller, or NULL where there is none. Returns false, with a line
   on stderr, if it cannot be read. */
bool dump_value(const dump *d, const char *name, sib_value **out);
void dump_close(dump *d);

/* ---- Written ---- */

typedef struct dump_writer {
    const char *path;         /* the caller's; one that ends in .npz is an archive */
    json_t *manifest;         /* of a folder, */
    cli_aside aside;          /* whose files appear together at the end; */
    const sib_cancel *cancel; /* of the work that makes the values, by Ctrl-C: then nothing is left */
    json_t *names;            /* of files so far; of an archive the numbers of arrays by name */
    sib_npz_entry *arrays;    /* (n, of room) of an archive */
    sib_value **held;         /* (n) what the arrays are of */
    size_t n, room;
} dump_writer;

/* Makes the folder if there is none. Returns false, with a line on stderr, on failure. w stays where it is until
   dump_end or dump_discard. */
bool dump_begin(const char *path, dump_writer *w);
/* Values that are no tensors are written as NAME.pb; an archive refuses them. One of the same name replaces
   the first. Likewise. */
bool dump_put(dump_writer *w, const char *name, const sib_value *v);
/* Writes the manifest or the archive. Likewise; frees what w holds in any case. */
bool dump_end(dump_writer *w);
void dump_discard(dump_writer *w);

/* A value's name as that of a file, with as many characters as file systems take: '/', ':' and others that
   they refuse become '_'. Released with free. */
char *value_file_name(const char *name);

#endif
