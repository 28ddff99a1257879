/* The session of /v1/realtime as OpenAI's events describe it. */
#ifndef SIB_SERVER_REALTIME_SESSION_H
#define SIB_SERVER_REALTIME_SESSION_H

#include "server/speech/speech_stream.h"

/* Which events describe it: session.update, or transcription_session.update of before. */
typedef enum realtime_form { REALTIME_SESSION, REALTIME_TRANSCRIPTION_SESSION } realtime_form;

/* Changes what `session` holds; the rest stays. *param: the member that err is about. Errors: SIB_ERR_ARGUMENT,
   SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY; *settings is then changed in part. */
sib_code realtime_session_read(const json_t *session, realtime_form form, speech_settings *settings,
                               const char **param, sib_error *err);
/* The session in full. NULL: memory failed. */
json_t *realtime_session_json(const speech_settings *settings, realtime_form form, const char *id);

#endif
