/* The account of a pool on simulated machines. */
#include "base/pool_account.h"
#include "check.h"

#define MS 1e6

/* A machine on which the caller and the workers each get `share` of a processor, and a worker that loses its
   own lets the caller wait for `stall` ns in every `period` ns of work. */
typedef struct machine {
    double share, stall, period;
} machine;

typedef struct simulated {
    pool_account account;
    unsigned used;
    double now, work; /* ns; work: of one thread */
    double waited;    /* work since the last stall */
} simulated;

static void begin(simulated *s, unsigned threads)
{
    *s = (simulated){.used = threads};
    pool_account_init(&s->account, threads);
}

/* Works on 0.2 ms of one thread's work with the threads in use. */
static void window(simulated *s, const machine *m)
{
    double work = 0.2 * MS, own = work / s->used;
    pool_window w = {.wall = own / m->share, .cpu = own, .pieces = own / m->share};
    if (s->used > 1) {
        w.helped = w.pieces * (s->used - 1);
        s->waited += work;
        if (s->waited > m->period) {
            s->waited = 0;
            w.slept = m->stall;
            w.wall += m->stall;
        }
    }
    s->used = pool_account_add(&s->account, &w);
    s->now += w.wall;
    s->work += work;
}

static void run_for(simulated *s, const machine *m, double ns)
{
    double end = s->now + ns;
    while (s->now < end)
        window(s, m);
}

static const machine quiet = {1, 0, 1e18};
static const machine busy = {0.5, 4 * MS, 1 * MS};   /* two threads take 5 times as long as one */
static const machine fair = {0.5, 0.2 * MS, 1 * MS}; /* workers gain */
static const machine rough = {1, 30 * MS, 1000 * MS};

TEST(quiet_machine)
{
    for (unsigned threads = 1; threads <= POOL_MAX_THREADS; threads = threads * 3 - threads / 2) {
        simulated s;
        begin(&s, threads);
        for (int i = 0; i < 10000; i++) {
            window(&s, &quiet);
            assert_int_equal(s.used, threads);
        }
    }
}

/* Workers that harm are kept out, all but a few hundredths of the time. */
TEST(busy_machine)
{
    for (unsigned threads = 2; threads <= 64; threads *= 3) {
        simulated s;
        begin(&s, threads);
        run_for(&s, &busy, 1000 * MS);
        double now = s.now, work = s.work;
        run_for(&s, &busy, 20000 * MS);
        double slower = (s.now - now) * busy.share / (s.work - work);
        if (!(slower < 1.05))
            fail_msg("%u threads take %g times as long as one", threads, slower);
    }
}

TEST(workers_return)
{
    for (unsigned threads = 2; threads <= 64; threads *= 2) {
        simulated s;
        begin(&s, threads);
        run_for(&s, &busy, 5000 * MS);
        run_for(&s, &quiet, 12000 * MS);
        assert_int_equal(s.used, threads);
    }
}

/* Workers that gain on a busy machine work, also where each processor gives half of its time. */
TEST(fair_machine)
{
    simulated s;
    begin(&s, 2);
    run_for(&s, &fair, 2000 * MS);
    double now = s.now, work = s.work;
    run_for(&s, &fair, 20000 * MS);
    double faster = (s.work - work) / fair.share / (s.now - now);
    if (!(faster > 1.3))
        fail_msg("2 threads are %g times as fast as one", faster);
}

/* An interruption a second does not end what workers gain. */
TEST(rare_interruptions)
{
    simulated s;
    begin(&s, 2);
    for (int i = 0; i < 50000; i++) {
        window(&s, &rough);
        assert_int_equal(s.used, 2);
    }
}
