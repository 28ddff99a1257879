/* An NVRTC for tests of the driver: checks what it is asked and gives an image that the fake libcuda loads. */
#include "gpu/cuda_open.h"
#include "tests/gpu/fake/fake.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct _nvrtcProgram {
    char image[256], log[64];
};

static atomic_int compiled;

int fake_nvrtc_compiled(void)
{
    return compiled;
}

#define CALL(name, function, parameters)                                                                     \
    __attribute__((visibility("default"))) nvrtc_result function parameters;
NVRTC_FUNCTIONS(CALL)
#undef CALL

nvrtc_result nvrtcVersion(int *major, int *minor)
{
    *major = 12;
    *minor = 8;
    return 0;
}

nvrtc_result nvrtcGetNumSupportedArchs(int *out)
{
    *out = 2;
    return 0;
}

nvrtc_result nvrtcGetSupportedArchs(int *out)
{
    out[0] = 70;
    out[1] = 90;
    return 0;
}

nvrtc_result nvrtcCreateProgram(nvrtc_program *out, const char *text, const char *name, int n,
                                const char *const *headers, const char *const *header_names)
{
    char entry[100];
    (void)n, (void)headers, (void)header_names;
    snprintf(entry, sizeof entry, "gpu_%s(", name);
    *out = calloc(1, sizeof **out);
    if (!*out || !strstr(text, entry))
        return 1;
    snprintf((*out)->image, sizeof(*out)->image, FAKE_IMAGE "%s", name);
    return 0;
}

nvrtc_result nvrtcDestroyProgram(nvrtc_program *program)
{
    free(*program);
    *program = NULL;
    return 0;
}

nvrtc_result nvrtcCompileProgram(nvrtc_program program, int n, const char *const *options)
{
    const char *refused = getenv("FAKE_NVRTC_REFUSES");
    snprintf(program->log, sizeof program->log, "note\n%s(7): error: refused\n", program->image);
    compiled++;
    return n < 1 || strcmp(options[0], "--gpu-architecture=sm_90") || refused ? 6 : 0;
}

static nvrtc_result size_of(const char *text, size_t *out)
{
    *out = strlen(text) + 1;
    return 0;
}

nvrtc_result nvrtcGetProgramLogSize(nvrtc_program program, size_t *out)
{
    return size_of(program->log, out);
}

nvrtc_result nvrtcGetProgramLog(nvrtc_program program, char *out)
{
    strcpy(out, program->log);
    return 0;
}

nvrtc_result nvrtcGetCUBINSize(nvrtc_program program, size_t *out)
{
    return size_of(program->image, out);
}

nvrtc_result nvrtcGetCUBIN(nvrtc_program program, char *out)
{
    strcpy(out, program->image);
    return 0;
}

nvrtc_result nvrtcGetPTXSize(nvrtc_program program, size_t *out)
{
    return size_of(program->image, out);
}

nvrtc_result nvrtcGetPTX(nvrtc_program program, char *out)
{
    strcpy(out, program->image);
    return 0;
}
