/* What schemas allow, for test_schema_peer.py. Each case on stdin: "SCHEMA_BYTES TEXTS DRAWN SEED\n", the
   schema, then TEXTS times "BYTES\n" and a text. The answer on stdout: "CODE BYTES\n" and the error's
   sentence, or "ok 0\n", a line of + (allowed) and - (refused) for the texts, and DRAWN times "BYTES\n"
   and a text drawn at random; 0 BYTES where one came to no end. */
#include "text/constrain/machine.h"
#include "text/constrain/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT  (1 << 20)
#define MAX_DRAWN 4000

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

static bool accepts(machine *m, uint32_t state, const char *text, size_t n, sib_error *err)
{
    for (size_t i = 0; i < n && state != MACHINE_DEAD; i++)
        if (machine_step(m, state, (uint8_t)text[i], &state, err) != SIB_OK)
            return false;
    return m->states[state].complete;
}

/* Draws a text byte by byte, mostly what ends things, so that it comes to an end. */
static size_t draw(machine *m, uint32_t state, char *text, sib_error *err)
{
    static const char ends[] = "]}\"";
    for (size_t n = 0; n < MAX_DRAWN; n++) {
        uint8_t can[256];
        uint32_t next[256], n_can = 0, chosen;
        if (m->states[state].closed || (m->states[state].complete && !random_below(3)))
            return n;
        for (unsigned byte = 0; byte < 256; byte++) {
            uint32_t to;
            if (machine_step(m, state, (uint8_t)byte, &to, err) != SIB_OK)
                return 0;
            next[byte] = to;
            if (to != MACHINE_DEAD)
                can[n_can++] = (uint8_t)byte;
        }
        if (!n_can)
            return SIZE_MAX; /* a dead end: must not be */
        chosen = random_below(n_can);
        for (uint32_t i = 0; i < n_can && random_below(3); i++)
            if (strchr(ends, can[i]) && can[i])
                chosen = i;
        text[n] = (char)can[chosen];
        state = next[can[chosen]];
    }
    return 0;
}

static void answer(const char *schema, size_t n, size_t n_texts, size_t n_drawn)
{
    grammar g;
    machine m = {0};
    sib_error err = SIB_ERROR_INIT;
    static char text[MAX_TEXT];
    uint32_t start;
    sib_code code = schema_grammar((sib_str){schema, n}, &g, &err);
    if (code == SIB_OK)
        code = machine_begin(&m, &g, &start, &err);
    if (code != SIB_OK)
        printf("%s %zu\n%s", sib_code_name(code), strlen(err.message), err.message);
    else
        printf("ok 0\n");
    for (size_t i = 0, size; i < n_texts; i++) {
        if (scanf("%zu", &size) != 1 || getchar() != '\n' || size > MAX_TEXT ||
            fread(text, 1, size, stdin) != size)
            exit(1);
        if (code == SIB_OK)
            putchar(accepts(&m, start, text, size, &err) ? '+' : '-');
    }
    if (code == SIB_OK)
        putchar('\n');
    for (size_t i = 0; i < n_drawn && code == SIB_OK; i++) {
        size_t size = draw(&m, start, text, &err);
        if (size == SIZE_MAX || err.code != SIB_OK) {
            fprintf(stderr, "a text comes to a dead end: %s\n", err.message);
            exit(2);
        }
        printf("%zu\n", size);
        fwrite(text, 1, size, stdout);
    }
    fflush(stdout);
    machine_end(&m);
    grammar_free(&g);
}

int main(void)
{
    size_t n, n_texts, n_drawn;
    unsigned long long seed;
    while (scanf("%zu %zu %zu %llu", &n, &n_texts, &n_drawn, &seed) == 4 && getchar() == '\n') {
        char *schema = malloc(n + 1);
        random_state = seed;
        if (!schema || fread(schema, 1, n, stdin) != n)
            return 1;
        answer(schema, n, n_texts, n_drawn);
        free(schema);
    }
    return 0;
}
