#include "transcribe_live.h"

#include "interrupt.h"
#include "messages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RATE      16000
#define BLOCK     (RATE / 20)
#define MAX_AHEAD ((size_t)60 * RATE) /* samples that may wait: then reading waits */

/* ---- What is heard ------------------------------------------------------------------------------------- */

/* Samples that a thread reads and that have not been transcribed. */
typedef struct sound {
    sib_audio_reader *reader;
    bool paced; /* a file is read as fast as it would be played */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    float waiting[MAX_AHEAD]; /* (n) under the lock */
    size_t n;
    bool ended, given_up;
    sib_error err; /* where it ended */
} sound;

static void wait_until(const sib_timer *since, double seconds)
{
    double left = seconds - sib_timer_seconds(since);
    if (left > 0)
        nanosleep(&(struct timespec){(time_t)left, (long)((left - (double)(time_t)left) * 1e9)}, NULL);
}

static void *read_sound(void *context)
{
    sound *s = context;
    float block[BLOCK];
    size_t got = 1, total = 0;
    sib_timer since = sib_timer_start();
    for (bool going = true; going;) {
        sib_error err = SIB_ERROR_INIT;
        sib_code code = sib_audio_read(s->reader, block, BLOCK, &got, &err);
        total += got;
        if (s->paced)
            wait_until(&since, (double)total / RATE);
        pthread_mutex_lock(&s->lock);
        while (s->n + got > MAX_AHEAD && !s->given_up)
            pthread_cond_wait(&s->changed, &s->lock);
        going = code == SIB_OK && got > 0 && !s->given_up;
        if (going)
            memcpy(s->waiting + s->n, block, got * sizeof *block);
        s->n += going ? got : 0;
        s->ended = !going;
        s->err = err;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

/* Waits for samples, a tenth of a second at most, and takes them all: out (MAX_AHEAD). Returns false at the end. */
static bool take_sound(sound *s, float *out, size_t *n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->lock);
    if (!s->n && !s->ended)
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
    *n = s->n;
    memcpy(out, s->waiting, s->n * sizeof *out);
    s->n = 0;
    bool more = *n || !s->ended;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return more;
}

/* Opens the source; a name that begins with "alsa:" or "pulse:" is a device. */
static bool open_sound(sound *s, const live_hearing *h, const char *source)
{
    sib_error err = SIB_ERROR_INIT;
    struct stat st;
    const sib_audio_options o = {.sample_rate = RATE, .max_seconds = h->max_seconds};
    const bool device = !source || !strncmp(source, "alsa:", 5) || !strncmp(source, "pulse:", 6);
    if ((device ? sib_audio_open_device(source, &o, &s->reader, &err)
                : sib_audio_open(source, &o, &s->reader, &err)) != SIB_OK) {
        cli_fail("%s", err.message);
        return false;
    }
    s->paced = !device && !(strcmp(source, "-") ? stat(source, &st) : fstat(STDIN_FILENO, &st)) &&
               S_ISREG(st.st_mode);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    return true;
}

/* ---- What is shown ------------------------------------------------------------------------------------- */

static size_t terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20 ? 80 : size.ws_col;
}

/* The end of the text that fits a line of the terminal, in place of what is there. */
static void show_partial(const char *text)
{
    size_t width = 0, room = terminal_columns() - 1;
    for (const char *c = text; *c; c++) /* characters of UTF-8 */
        width += ((unsigned char)*c & 0xC0) != 0x80;
    for (; width > room; text++)
        width -= ((unsigned char)text[1] & 0xC0) != 0x80;
    fprintf(stderr, "\r\033[K%s", text);
    fflush(stderr);
}

static sib_code show_final(const live_hearing *h, const sib_live_event *e, sib_error *err)
{
    sib_transcript t = {e->text, e->language, e->segments, e->n_segments};
    char *text = NULL;
    if (cli_moves_cursor(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    sib_code code =
        h->form == LIVE_TEXT ? SIB_OK : sib_transcript_text(&t, SIB_TRANSCRIPT_LINES, &text, NULL, err);
    if (code == SIB_OK && h->form == LIVE_TEXT && e->text[0])
        printf("%s\n", e->text);
    else if (code == SIB_OK && text)
        fputs(text, stdout);
    sib_free(text);
    return code;
}

/* A line for each event, as they come. */
static void print_json(const sib_live_event *e)
{
    static const char *const names[] = {"started", "stopped", "partial", "final"};
    json_t *j = json_pack("{s:s, s:I, s:o, s:o}", "event", names[e->kind], "segment", (json_int_t)e->segment,
                          "start", cli_json_number(e->start), "end", cli_json_number(e->end));
    if (e->kind == SIB_LIVE_PARTIAL || e->kind == SIB_LIVE_FINAL)
        json_object_set_new(j, "text", cli_json_text(e->text));
    if (e->kind == SIB_LIVE_PARTIAL)
        json_object_set_new(j, "stable", json_integer((json_int_t)e->n_stable));
    if (e->kind == SIB_LIVE_FINAL)
        json_object_set_new(j, "language", cli_json_text(e->language));
    json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(j);
}

static sib_code on_event(void *context, const sib_live_event *e, sib_error *err)
{
    const live_hearing *h = context;
    sib_code code = SIB_OK;
    if (h->form == LIVE_JSON)
        print_json(e);
    else if (e->kind == SIB_LIVE_FINAL)
        code = show_final(h, e, err);
    else if (e->kind == SIB_LIVE_PARTIAL && cli_moves_cursor(STDERR_FILENO))
        show_partial(e->text);
    fflush(stdout);
    return code;
}

/* ---- Both ---------------------------------------------------------------------------------------------- */

/* Transcribes until the sound ends or a signal comes. taken: (MAX_AHEAD) scratch. */
static bool hear(sound *s, sib_live *live, float *taken)
{
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    size_t n;
    while (code == SIB_OK && !interrupt_came() && take_sound(s, taken, &n)) {
        code = sib_live_push(live, taken, n, &err);
        if (code == SIB_OK)
            code = sib_live_refresh(live, &err);
    }
    if (code == SIB_OK)
        code = sib_live_finish(live, &err);
    if (cli_moves_cursor(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    if (code != SIB_OK)
        cli_fail("%s", err.message);
    return code == SIB_OK;
}

/* Ends the reader, which may wait for sound that never comes: where it does not end in half a second, it is left to the end of
   the process. Returns whether it ended. */
static bool end_reader(sound *s, pthread_t reader)
{
    sib_timer since = sib_timer_start();
    bool ended = false;
    while (!ended && sib_timer_seconds(&since) < 0.5) {
        pthread_mutex_lock(&s->lock);
        s->given_up = true;
        ended = s->ended;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        if (!ended)
            nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    if (ended)
        pthread_join(reader, NULL);
    else
        pthread_detach(reader);
    return ended;
}

static bool hear_source(sound *s, const live_hearing *h)
{
    sib_error err = SIB_ERROR_INIT;
    sib_live *live = NULL;
    sib_live_options o = {.on_event = on_event,
                          .context = (void *)h,
                          .inputs = h->inputs->items,
                          .n_inputs = h->inputs->n,
                          .voice = h->voice,
                          .sample_rate = RATE};
    pthread_t reader;
    if (sib_live_create(h->job, &o, &live, &err) != SIB_OK)
        return !cli_fail("%s", err.message);
    bool begun = !pthread_create(&reader, NULL, read_sound, s);
    if (!begun)
        cli_fail("a thread that reads sound cannot be started");
    float *taken = cli_alloc(MAX_AHEAD, sizeof *taken);
    interrupt_watch();
    bool done = begun && hear(s, live, taken);
    interrupt_end();
    free(taken);
    sib_live_free(&live);
    if (begun && !end_reader(s, reader))
        return done; /* s stays with the reader */
    if (done && s->err.code != SIB_OK) {
        cli_fail("%s", s->err.message);
        done = false;
    }
    sib_audio_close(&s->reader);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return done;
}

bool live_transcribe(const live_hearing *h, const char *source)
{
    sound *s = cli_alloc(1, sizeof *s);
    memset(s, 0, sizeof *s);
    s->err = (sib_error)SIB_ERROR_INIT;
    if (open_sound(s, h, source))
        return hear_source(s, h);
    free(s);
    return false;
}
