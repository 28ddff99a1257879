/* Segments of transcripts as `sibyl transcribe` writes them. */
#include "server/speech/segments_json.h"

json_t *segments_json(const sib_segment *segments, size_t n)
{
    sib_transcript t = {"", "", segments, n};
    char *text = NULL;
    if (sib_transcript_text(&t, SIB_TRANSCRIPT_JSON, &text, NULL, NULL) != SIB_OK)
        return NULL;
    json_t *all = json_loads(text, 0, NULL), *list = json_incref(json_object_get(all, "segments"));
    json_decref(all);
    sib_free(text);
    return list;
}
