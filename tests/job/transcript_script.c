/* Transcripts as text, for python/tests/test_whisper.py: reads one case (JSON) per line and prints one result (a JSON
   string) per line. A case: {"format": number, "layout": [width, lines, words, highlight], "segments": [{"start",
   "end", "text", "words": [{"word", "start", "end"}]}]}. */
#include <jansson.h>
#include <sibyl/transcript.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_ITEMS 64

static double number(const json_t *o, const char *name)
{
    return json_number_value(json_object_get(o, name));
}

static size_t layout_number(const json_t *o, size_t i)
{
    return (size_t)json_integer_value(json_array_get(json_object_get(o, "layout"), i));
}

int main(void)
{
    static sib_word words[MAX_ITEMS][MAX_ITEMS];
    static sib_segment segments[MAX_ITEMS];
    char *line = NULL, *text;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *o = json_loads(line, 0, NULL), *list = json_object_get(o, "segments");
        sib_subtitle_layout layout = {layout_number(o, 0), layout_number(o, 1), layout_number(o, 2),
                                      layout_number(o, 3) != 0, 0};
        const size_t n = json_array_size(list);
        if (n > MAX_ITEMS)
            return 1;
        for (size_t k = 0; k < n; k++) {
            const json_t *s = json_array_get(list, k), *spoken = json_object_get(s, "words");
            segments[k] = (sib_segment){.start = number(s, "start"),
                                        .end = number(s, "end"),
                                        .text = json_string_value(json_object_get(s, "text")),
                                        .words = spoken ? words[k] : NULL,
                                        .n_words = json_array_size(spoken)};
            if (segments[k].n_words > MAX_ITEMS)
                return 1;
            for (size_t i = 0; i < segments[k].n_words; i++) {
                const json_t *w = json_array_get(spoken, i);
                words[k][i] = (sib_word){.text = json_string_value(json_object_get(w, "word")),
                                         .start = number(w, "start"),
                                         .end = number(w, "end")};
            }
        }
        if (sib_transcript_text_as(&(sib_transcript){"", "", segments, n},
                                   (sib_transcript_format)number(o, "format"), &layout, &text, NULL,
                                   NULL) != SIB_OK)
            return 1;
        json_t *result = json_string(text);
        json_dumpf(result, stdout, JSON_ENCODE_ANY);
        putchar('\n');
        json_decref(result);
        sib_free(text);
        json_decref(o);
    }
    free(line);
    return 0;
}
