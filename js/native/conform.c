/* Runs cases of ONNX's backend tests in WebAssembly: conform BACKENDS ATOL FOLDER... prints a line per case that does not
   pass, and a count. Exits 1 where one fails. */
#include <sibyl/conform.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    size_t count[3] = {0};
    char *end = NULL;
    const double atol = argc > 3 ? strtod(argv[2], &end) : 0;
    if (argc <= 3 || *end || !(atol >= 0)) {
        fprintf(stderr, "conform: expected BACKENDS ATOL FOLDER...\n");
        return 2;
    }
    const sib_session_options session = {.backends = argv[1], .threads = 1};
    const sib_conform_options options = {.session = &session, .tolerance = {.atol = atol, .rtol = 1e-3}};
    for (int i = 3; i < argc; i++) {
        sib_conform_result r = {0};
        sib_error err = SIB_ERROR_INIT;
        if (sib_conform_case(argv[i], &options, &r, &err) != SIB_OK) {
            fprintf(stderr, "conform: %s\n", err.message);
            return 1;
        }
        count[r.verdict]++;
        if (r.verdict != SIB_CONFORM_PASSED)
            printf("%s %s: %s\n", r.verdict == SIB_CONFORM_FAILED ? "failed" : "skipped", argv[i], r.reason);
    }
    printf("%zu passed, %zu failed, %zu skipped\n", count[SIB_CONFORM_PASSED], count[SIB_CONFORM_FAILED],
           count[SIB_CONFORM_SKIPPED]);
    return count[SIB_CONFORM_FAILED] ? 1 : 0;
}
