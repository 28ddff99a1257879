/* What nodes share that recognise or make speech: calls of models, clips of a recording, and what recognisers give. */
#ifndef JOB_NODES_SPEECH_H
#define JOB_NODES_SPEECH_H

#include "job/nodes/nodes.h"
#include "job/whisper/segments.h"

/* Outputs of the nodes, in order. */
enum { SPEECH_TEXT, SPEECH_SEGMENTS, SPEECH_LANGUAGE, SPEECH_OUTPUTS };
extern const job_port speech_outputs[SPEECH_OUTPUTS];

/* A tensor of dims (rank) over data, for the port of a call. */
typedef struct speech_port {
    const char *name;
    sib_dtype dtype;
    size_t rank;
    const int64_t *dims;
    const void *data;
} speech_port;

/* Whether the node's call number `call` has an input of this name. */
bool speech_call_takes(const job_step *s, size_t call, const char *port);
/* Makes that call with given (n), all of its inputs that are not fixed. out (n_out): its outputs `gives` as float32, the
   caller's; where out is NULL they are not read. Errors: SIB_ERR_ARGUMENT (a port that the call lacks), those of the call. */
sib_code speech_call(const job_step *s, size_t call, size_t n, const speech_port *given, size_t n_out,
                     const char *const *gives, sib_tensor **out, sib_error *err);
/* The elements of a tensor as one row, which shares its memory. *out: the caller's. */
sib_code speech_flatten(const sib_tensor *samples, sib_value **out, sib_error *err);
/* Calls each(self, from, to) for the clips of a recording of n samples that input `port` has as seconds, or for all of it. */
sib_code speech_clips(const job_step *s, size_t port, double rate, size_t n,
                      sib_code (*each)(void *self, size_t from, size_t to, sib_error *err), void *self,
                      sib_error *err);
/* Where a chunk of samples (n) ends: in the middle of the quietest tenth of a second of its second half. */
size_t speech_quiet_place(const float *samples, size_t n, double rate);
/* Passes a segment that is final on, with the text that it adds to the transcript. */
sib_code speech_pass(const job_watch *w, const sib_segment *segment, sib_str text, sib_error *err);
/* Gives the outputs: the text without blanks at its ends, the segments, which it takes over, and the language of an input. */
sib_code speech_give(job_step *s, sib_str text, whisper_segments *segments, size_t language, sib_error *err);

#endif
