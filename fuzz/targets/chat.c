/* A chat template and its variables: the template, a line of three dashes, a JSON object. */
#include "fuzz.h"

#include <sibyl/chat.h>
#include <string.h>

static const char usual[] = "{\"messages\":[{\"role\":\"system\",\"content\":\"Be "
                            "brief.\"},{\"role\":\"user\",\"content\":\"h\xC3\xA9 <b>\"},"
                            "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"tool_"
                            "calls\":[{\"function\":{\"name\":"
                            "\"f\",\"arguments\":{\"a\":[1,2.5,null,true]}}}]}],\"tools\":[{\"type\":"
                            "\"function\",\"function\":{\"name\":\"f\","
                            "\"parameters\":{\"type\":\"object\"}}}],\"bos_token\":\"<s>\",\"eos_token\":\"</"
                            "s>\",\"add_generation_prompt\":true}";

void fuzz_chat(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_chat_template *t = NULL;
    char *text = NULL;
    size_t size, n_template, n_variables;
    const uint8_t *variables;
    if (!fuzz_cut(data, n, "---", &n_template, &variables, &n_variables)) {
        variables = (const uint8_t *)usual;
        n_variables = strlen(usual);
    }
    sib_code code = sib_chat_template_open((const char *)data, n_template, &t, &err);
    fuzz_code(code, &err);
    if (code != SIB_OK)
        return;
    sib_cancel *cancel = fuzz_cancel_begin();
    fuzz_code(sib_chat_template_render(t, (const char *)variables, n_variables, cancel, &text, &size, &err),
              &err);
    fuzz_cancel_end(&cancel);
    sib_free(text);
    sib_chat_template_free(&t);
}
