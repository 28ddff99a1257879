/* onnxruntime through its C interface: the library is searched in the Python package, and called in this
   process. */
#ifndef CLI_PEER_ORT_H
#define CLI_PEER_ORT_H

#include <sibyl/sibyl.h>

typedef struct peer_ort peer_ort;
typedef struct peer_ort_session peer_ort_session;

/* Returns NULL, with the reason in why (bytes), if there is none. $SIBYL_ONNXRUNTIME names the library
   itself. */
peer_ort *peer_ort_open(char *why, size_t bytes);
void peer_ort_close(peer_ort *peer);

/* "1.31.1" */
const char *peer_ort_version(const peer_ort *peer);

/* A session over a file, all of its graph optimizations on, with this number of threads inside an operator
   (1: no pool). Returns NULL, with the reason in why, on failure. */
peer_ort_session *peer_ort_session_open(peer_ort *peer, const char *path, unsigned threads, char *why,
                                        size_t bytes);
void peer_ort_session_close(peer_ort_session *s);

/* Binds the inputs of later runs: tensors that share the given elements, which must outlive the session. */
bool peer_ort_bind(peer_ort_session *s, size_t n, const sib_named_value *inputs, char *why, size_t bytes);

/* Runs all outputs and drops them. */
bool peer_ort_run(peer_ort_session *s, char *why, size_t bytes);

/* Runs once; outputs that are tensors become values owned by the caller, others NULL. out: (n_outputs of the
   model). */
bool peer_ort_run_values(peer_ort_session *s, sib_value **out, char *why, size_t bytes);

#endif
