/* The models that the server has opened, by the names that clients use. */
#ifndef SIB_SERVER_CATALOG_H
#define SIB_SERVER_CATALOG_H

#include "server/models/file_hash.h"

#include <sibyl/sibyl.h>

struct server;
typedef struct catalog catalog;

/* An opened model. Held by whoever uses it, so closing a model lets its requests end. */
typedef struct served {
    char *id;        /* "digits" */
    char *file;      /* the last part of its path */
    uint64_t number; /* unique in the process, where ids are used again */
    uint64_t bytes;
    file_hash *hash;  /* of the file alone, not of others that it names */
    int64_t opened;   /* Unix time, seconds */
    sib_job *job;     /* NULL: a graph alone */
    sib_model *model; /* NULL: a job's, see served_model */
    const char *kind; /* "graph", "document", or that of the job: "speech-to-text" */
    sib_batch *batch; /* of the texts that it generates; NULL: each is generated alone */
    char *alone;      /* why, in a sentence; NULL where it generates no text, or in batches */
    struct served_inner *inner;
} served;

catalog *catalog_create(struct server *s);
void catalog_free(catalog **m);

/* Opens what a path of the server names. *out: held by the caller. Thread-safe. */
sib_code catalog_open(catalog *m, const char *path, served **out, sib_error *err);
/* The same from bytes of an ONNX file. name: for its id. */
sib_code catalog_open_bytes(catalog *m, const char *name, const void *data, size_t size,
                            const sib_open_options *options, served **out, sib_error *err);
/* Takes a job that was opened from a client's document of (size) bytes, even on failure, as a model of the kind
   `document`, which no other route than those of jobs chooses. */
sib_code catalog_add_document(catalog *m, const char *text, size_t size, sib_job *job, served **out,
                              sib_error *err);
/* The path of a file that a client names, below the server's folder of models, after resolving
   links. Owned by the caller. Errors: SIB_ERR_ARGUMENT. */
sib_code catalog_resolve(const catalog *m, const char *name, char **path, sib_error *err);

/* Held; NULL where there is none. Thread-safe. */
served *catalog_hold(catalog *m, const char *id);
/* The first of a kind that was opened, held, or NULL. */
served *catalog_hold_kind(catalog *m, const char *kind);
/* The model that a request names, held; where it names none, or `alias`, which clients have built in, the first of the
   kind. does: "transcribes". id and alias may be NULL. Errors: SIB_ERR_ARGUMENT (there is none), SIB_ERR_UNSUPPORTED (of
   another kind). */
served *catalog_find(catalog *m, const char *id, const char *kind, const char *does, const char *alias,
                     sib_error *err);
/* Model i in the order of opening, held; NULL past the last. */
served *catalog_hold_at(catalog *m, size_t i);
/* v may be NULL, which it returns then. */
served *served_hold(served *v);
void catalog_release(served *v);
/* Returns false where there is none. */
bool catalog_close(catalog *m, const char *id);

/* The model whose graphs are shown: of the job's call, or of the first where call is NULL. NULL where there is no such
   call. Lives as long as v. */
const sib_model *served_model(served *v, const char *call);
/* The session that runs of the job make that call in, as it is planned: sib_job_unwatched_session. NULL where v is no job or
   has no such call. */
sib_session *served_unwatched(const served *v, const char *call);
/* A session of that model, made once for each choice and kept with the model. backends: NULL for the server's.
   Thread-safe; while one is made, those that are there can be had. */
sib_code served_session(served *v, const char *call, const char *backends, bool oracle, sib_session **out,
                        sib_error *err);

#endif
