/* Speech that a client streams: its settings, the model, and the text as it becomes known. */
#ifndef SIB_SERVER_SPEECH_STREAM_H
#define SIB_SERVER_SPEECH_STREAM_H

#include "server/http/state.h"
#include "server/models/catalog.h"

#define MAX_SPEECH_STREAMS 128 /* of all connections: each holds 2 MB */

/* All zero: the defaults. Strings are owned. */
typedef struct speech_settings {
    char *model, *language, *prompt; /* NULL: not given */
    char *voice;                     /* the model that tells speech; NULL: the level does */
    int32_t rate;                    /* Hz; 0: 16,000 */
    sib_pcm pcm;
    bool manual, words;
    bool final;                         /* no partial texts */
    double threshold, silence, padding; /* as in sib_live_options */
} speech_settings;

/* Returns false where memory fails; *to is then all zero. */
bool speech_settings_copy(speech_settings *to, const speech_settings *from);
void speech_settings_clear(speech_settings *s);
/* Replaces a string, with a copy or NULL. Returns false where memory fails. */
bool speech_settings_text(char **to, const char *text);

/* The owner fills the first part. One thread at a time. */
typedef struct speech_stream {
    struct server *server;
    const sib_cancel *cancel;
    sib_code (*on_event)(void *context, const sib_live_event *event, sib_error *err);
    void *context;

    speech_settings settings;
    served *model, *voice; /* held while it is open; voice may be NULL */
    sib_live *live;
    sib_job_value inputs[6]; /* (n_inputs) */
    size_t n_inputs;
    double seconds; /* that were pushed */
    sib_timer timer;
} speech_stream;

/* Takes *settings, all zero afterwards: what is open ends and is sent first, with the old ones. */
sib_code speech_stream_set(speech_stream *s, speech_settings *settings, sib_error *err);
/* Opens the stream where it is not. Errors: SIB_ERR_ARGUMENT (no such model), SIB_ERR_SIZE (too many streams). */
sib_code speech_stream_open(speech_stream *s, sib_error *err);
/* Takes PCM, complete samples; opens the stream. */
sib_code speech_stream_push(speech_stream *s, const void *pcm, size_t size, sib_error *err);
/* As sib_live_refresh and so on; nothing where it is not open. */
sib_code speech_stream_refresh(speech_stream *s, sib_error *err);
sib_code speech_stream_commit(speech_stream *s, sib_error *err);
sib_code speech_stream_finish(speech_stream *s, sib_error *err);
void speech_stream_clear(speech_stream *s);
double speech_stream_pending(const speech_stream *s);
size_t speech_stream_sample_bytes(const speech_stream *s);
/* Forgets everything but what the owner has filled in. */
void speech_stream_close(speech_stream *s);

#endif
