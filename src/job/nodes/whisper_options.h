/* The options of Whisper's procedure as inputs of nodes, found by their names. */
#ifndef JOB_NODES_WHISPER_OPTIONS_H
#define JOB_NODES_WHISPER_OPTIONS_H

#include "job/nodes/nodes.h"
#include "job/whisper/whisper.h"

/* Rows of a node's inputs: how one window is decoded. */
#define WHISPER_DECODING_PORTS                                                                               \
    {"language", SIB_PORT_TEXT, false, "spoken language, code or name (detected)"},                          \
        {"task", SIB_PORT_TEXT, false, "transcribe (default), or translate into English"},                   \
        {"best_of", SIB_PORT_NUMBER, false, "number of samples above temperature 0"},                        \
        {"beam_size", SIB_PORT_NUMBER, false, "hypotheses at temperature 0 (none: greedy)"},                 \
        {"patience", SIB_PORT_NUMBER, false,                                                                 \
         "beam search ends with patience * beam_size complete hypotheses (1)"},                              \
        {"length_penalty", SIB_PORT_NUMBER, false, "exponent of Google's NMT (none: mean over the length)"}, \
        {"sample_len", SIB_PORT_NUMBER, false, "max tokens of a window (half of n_text_ctx)"},               \
        {"prefix", SIB_PORT_TEXT, false, "what each window begins with"},                                    \
        {"suppress_tokens", SIB_PORT_TEXT, false,                                                            \
         "ids that are never chosen; -1: symbols that are not speech (-1)"},                                 \
        {"suppress_blank", SIB_PORT_FLAG, false, "a window does not begin with a blank (true)"},             \
        {"without_timestamps", SIB_PORT_FLAG, false, "text alone (false)"},                                  \
        {"max_initial_timestamp", SIB_PORT_NUMBER, false,                                                    \
         "latest first timestamp of a window, seconds (1)"},                                                 \
    {                                                                                                        \
        "seed", SIB_PORT_NUMBER, false, "of sampling (0)"                                                    \
    }

/* The options of those inputs that the node has, and openai-whisper's defaults of all others. What they point
   to lives as long as the step. Errors: SIB_ERR_ARGUMENT names node and option. */
sib_code whisper_options_read(const job_step *s, whisper_options *o, sib_error *err);

#endif
