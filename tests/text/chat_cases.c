/* Renders chat templates for test_chat_peer.py. Each case on stdin: "TEMPLATE_BYTES VARIABLES_BYTES\n", then both; each
   answer on stdout: "CODE BYTES\n", then the prompt, or the error's sentence. */
#include <sibyl/chat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(const char *template, size_t n, const char *variables, size_t m)
{
    sib_chat_template *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    char *text = NULL;
    size_t size = 0;
    sib_code code = sib_chat_template_open(template, n, &t, &err);
    if (code == SIB_OK)
        code = sib_chat_template_render(t, variables, m, NULL, &text, &size, &err);
    if (code == SIB_OK) {
        printf("ok %zu\n", size);
        fwrite(text, 1, size, stdout);
    } else
        printf("%s %zu\n%s", sib_code_name(code), strlen(err.message), err.message);
    fflush(stdout);
    sib_free(text);
    sib_chat_template_free(&t);
}

int main(void)
{
    size_t n, m;
    while (scanf("%zu %zu", &n, &m) == 2 && getchar() == '\n') {
        char *template = malloc(n + 1), *variables = malloc(m + 1);
        if (!template || !variables || fread(template, 1, n, stdin) != n ||
            fread(variables, 1, m, stdin) != m)
            return 1;
        answer(template, n, variables, m);
        free(template);
        free(variables);
    }
    return 0;
}
