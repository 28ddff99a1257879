#include "audio/ffmpeg.h"

#include "base/error.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define TEXT(number)         #number
#define FILE_OF(name, major) "lib" #name ".so." TEXT(major)

ffmpeg_functions ffmpeg;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool opened, with_devices;

typedef struct libraries {
    void *avutil, *swresample, *avcodec, *avformat;
} libraries;

/* They stay open: threads of theirs may outlive their last use. */
static bool open_library(const char *file, void **out, sib_error *err)
{
    *out = dlopen(file, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
    if (!*out)
        err_set(err, SIB_ERR_UNSUPPORTED, "recordings cannot be read without FFmpeg's libraries: %s",
                dlerror());
    return *out;
}

static bool find(void *library, const char *name, void *function, sib_error *err)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    if (!address)
        err_set(err, SIB_ERR_UNSUPPORTED,
                "recordings cannot be read with these libraries of FFmpeg: they lack %s", name);
    return address;
}

static sib_code open_all(sib_error *err)
{
    libraries l;
    if (!open_library(FILE_OF(avutil, LIBAVUTIL_VERSION_MAJOR), &l.avutil, err) ||
        !open_library(FILE_OF(swresample, LIBSWRESAMPLE_VERSION_MAJOR), &l.swresample, err) ||
        !open_library(FILE_OF(avcodec, LIBAVCODEC_VERSION_MAJOR), &l.avcodec, err) ||
        !open_library(FILE_OF(avformat, LIBAVFORMAT_VERSION_MAJOR), &l.avformat, err))
        return SIB_ERR_UNSUPPORTED;
#define X(library, function)                                                                                 \
    if (!find(l.library, #function, &ffmpeg.function, err))                                                  \
        return SIB_ERR_UNSUPPORTED;
    FFMPEG_FUNCTIONS(X)
#undef X
    /* One setting of the process: the library does not print, errors carry what FFmpeg reports. */
    ffmpeg.av_log_set_level(AV_LOG_QUIET);
    return SIB_OK;
}

static void say_nothing(const char *file, int line, const char *function, int err, const char *format, ...)
{
    (void)file, (void)line, (void)function, (void)err, (void)format;
}

/* ALSA's library, which libavdevice has opened, prints its failures where nobody says otherwise (alsa/error.h). */
static void silence_alsa(void)
{
    int (*set_handler)(void (*)(const char *, int, const char *, int, const char *, ...));
    void *library = dlopen("libasound.so.2", RTLD_LAZY | RTLD_NOLOAD),
         *address = library ? dlsym(library, "snd_lib_error_set_handler") : NULL;
    memcpy(&set_handler, &address, sizeof address);
    if (address)
        set_handler(say_nothing);
}

/* libavdevice has the version of libavformat since FFmpeg 2, and no header is needed for its one function. */
static sib_code open_devices(sib_error *err)
{
    void (*register_all)(void);
    void *library;
    if (!open_library(FILE_OF(avdevice, LIBAVFORMAT_VERSION_MAJOR), &library, err) ||
        !find(library, "avdevice_register_all", &register_all, err))
        return SIB_ERR_UNSUPPORTED;
    register_all();
    silence_alsa();
    return SIB_OK;
}

sib_code ffmpeg_open_devices(sib_error *err)
{
    sib_code code = ffmpeg_open(err);
    pthread_mutex_lock(&lock);
    if (code == SIB_OK && !with_devices)
        code = open_devices(err);
    with_devices = with_devices || code == SIB_OK;
    pthread_mutex_unlock(&lock);
    return code;
}

sib_code ffmpeg_open(sib_error *err)
{
    pthread_mutex_lock(&lock);
    const sib_code code = opened ? SIB_OK : open_all(err);
    opened = code == SIB_OK;
    pthread_mutex_unlock(&lock);
    return code;
}
