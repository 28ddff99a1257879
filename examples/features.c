/* Whisper features of a recording, by the installed library:
       cc features.c -o features $(pkg-config --cflags --libs sibyl) && ./features speech.flac */
#include <sibyl/sibyl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: features RECORDING\n");
        return 2;
    }
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    sib_mel *mel = NULL;
    sib_tensor *features = NULL;
    float *samples = NULL; /* (n_samples) at 16 kHz */
    size_t n_samples = 0;
    uint64_t bands, frames;

    if (sib_audio_load(argv[1], NULL, &samples, &n_samples, NULL, &err) == SIB_OK &&
        sib_mel_spec_preset("whisper", 80, &spec, &err) == SIB_OK &&
        sib_mel_create(&spec, NULL, &mel, &err) == SIB_OK &&
        sib_mel_shape(mel, n_samples, &bands, &frames, &err) == SIB_OK) {
        const int64_t dims[2] = {(int64_t)bands, (int64_t)frames};
        if (sib_tensor_create(SIB_F32, 2, dims, &features, &err) == SIB_OK &&
            sib_mel_compute(mel, NULL, samples, n_samples, 0, sib_tensor_data(features), (size_t)frames,
                            &err) == SIB_OK &&
            sib_npy_save("features.npy", features, &err) == SIB_OK)
            printf("features.npy: %llu bands, %llu frames\n", (unsigned long long)bands,
                   (unsigned long long)frames);
    }
    if (err.code != SIB_OK)
        fprintf(stderr, "features: %s\n", err.message);
    sib_tensor_free(&features);
    sib_mel_free(&mel);
    sib_free(samples);
    return err.code == SIB_OK ? 0 : 1;
}
