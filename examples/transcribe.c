/* Speech to text by the installed library, segments as they come:
       cc transcribe.c -o transcribe $(pkg-config --cflags --libs sibyl)
       ./transcribe whisper.onnx speech.flac */
#include <sibyl/sibyl.h>
#include <stdio.h>

static sib_code on_segment(void *context, const sib_segment *s, sib_error *err)
{
    (void)context;
    (void)err;
    printf("%7.2f %7.2f %s\n", s->start, s->end, s->text);
    return SIB_OK;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: transcribe MODEL RECORDING\n");
        return 2;
    }
    sib_error err = SIB_ERROR_INIT;
    sib_job *job = NULL;
    sib_job_result *result = NULL;
    sib_tensor *audio = NULL;
    float *samples = NULL; /* (n) at 16 kHz */
    size_t n = 0;

    if (sib_job_open(argv[1], &(sib_job_options){.kind = "speech-to-text"}, &job, &err) == SIB_OK &&
        sib_audio_load(argv[2], NULL, &samples, &n, NULL, &err) == SIB_OK &&
        sib_tensor_wrap(SIB_F32, 1, (const int64_t[]){(int64_t)n}, NULL, samples, NULL, NULL, &audio, &err) ==
            SIB_OK) {
        const sib_job_value input = {"audio", {.type = SIB_PORT_AUDIO, .tensor = audio}};
        const sib_job_run_options options = {.on_segment = on_segment};
        if (sib_job_run(job, 1, &input, 0, NULL, &options, &result, &err) == SIB_OK)
            printf("language: %s\n", sib_job_result_find(result, "language")->text.data);
    }
    if (err.code != SIB_OK)
        fprintf(stderr, "transcribe: %s\n", err.message);
    sib_job_result_free(&result);
    sib_tensor_free(&audio);
    sib_free(samples);
    sib_job_free(&job);
    return err.code == SIB_OK ? 0 : 1;
}
