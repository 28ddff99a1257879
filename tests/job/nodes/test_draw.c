/* Samplers, mirostat and penalties against what defines them, written out plainly. */
#include "check.h"
#include "job/nodes/draw.h"
#include "job/nodes/penalty.h"
#include "job/nodes/random.h"

#include <math.h>
#include <string.h>

enum { N = 40 };

static double logit_of(int i)
{
    return 3 * sin(1.7 * i) + 0.4 * cos(11.0 * i);
}

static draw_settings usual(void)
{
    return (draw_settings){.temperature = 1,
                           .top_p = 1,
                           .typical_p = 1,
                           .xtc_threshold = 0.1,
                           .tau = 5,
                           .eta = 0.1,
                           .order = DRAW_ORDER,
                           .seed = 5};
}

/* Probabilities of those of `is`. */
static void softmax(const double *logits, const bool *is, double temperature, double *p)
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += p[i] = is[i] ? exp(logits[i] / temperature) : 0;
    for (int i = 0; i < N; i++)
        p[i] /= sum;
}

/* How many of p are above p[i]. */
static int rank_of(const double *p, int i)
{
    int n = 0;
    for (int k = 0; k < N; k++)
        n += p[k] > p[i];
    return n;
}

/* The sampler by its definition, one name at a time; quadratic. */
static void leave_out(char sampler, const draw_settings *s, const double *logits, double temperature,
                      bool xtc_runs, bool *is)
{
    double p[N], entropy = 0, shift[N];
    bool next[N] = {false};
    int likely = 0;
    softmax(logits, is, temperature, p);
    for (int i = 0; i < N; i++) {
        entropy -= p[i] > 0 ? p[i] * log(p[i]) : 0;
        likely += p[i] >= s->xtc_threshold;
    }
    for (int i = 0; i < N; i++)
        shift[i] = fabs(-log(p[i]) - entropy);
    for (int i = 0; i < N; i++) {
        double above = 0, nearer = 0, max = 0;
        for (int k = 0; k < N; k++) {
            above += p[k] > p[i] ? p[k] : 0;
            nearer += is[k] && shift[k] < shift[i] ? p[k] : 0;
            max = p[k] > max ? p[k] : max;
        }
        const bool keeps = sampler == 'k'   ? rank_of(p, i) < s->top_k
                           : sampler == 'p' ? above < s->top_p
                           : sampler == 'm' ? p[i] >= s->min_p * max
                           : sampler == 't' ? nearer < s->typical_p
                                            : !xtc_runs || rank_of(p, i) >= likely - 1;
        next[i] = is[i] && keeps;
    }
    memcpy(is, next, sizeof next);
}

/* What draws give, 4000 of them: all that the definition leaves, and nothing else, as often as their probabilities. */
static void expect_draws(const draw_settings *given, const char *letters)
{
    enum { DRAWS = 4000 };
    sib_error err = SIB_ERROR_INIT;
    double logits[N], expected[N] = {0}, chi = 0, mu = 0;
    int counts[N] = {0};
    draw_settings s = *given;
    for (int i = 0; i < N; i++)
        logits[i] = logit_of(i);
    for (s.count = 0; s.count < DRAWS; s.count++) {
        candidate c[N];
        int32_t id;
        for (int i = 0; i < N; i++)
            c[i] = (candidate){logits[i], i};
        CHECK_OK(draw_token(&s, c, N, N, &mu, "it", &id, &err), err);
        counts[id]++;
    }
    for (int runs = 0; runs < 2; runs++) { /* with xtc and without it */
        const double share = runs ? s.xtc_probability : 1 - s.xtc_probability;
        double p[N], temperature = 1;
        bool is[N];
        for (int i = 0; i < N; i++)
            is[i] = true;
        for (const char *at = letters; *at; at++) {
            if (*at == 'T')
                temperature = s.temperature;
            else
                leave_out(*at, &s, logits, temperature, runs, is);
        }
        softmax(logits, is, temperature, p);
        for (int i = 0; i < N; i++)
            expected[i] += share * p[i] * DRAWS;
    }
    for (int i = 0; i < N; i++) {
        if (expected[i] < 1e-9 && counts[i])
            fail_msg("%s: token %d was drawn %d times", letters, i, counts[i]);
        const double off = counts[i] - expected[i];
        chi += expected[i] > 1e-9 ? off * off / fmax(expected[i], 1) : 0;
    }
    if (chi > 85) /* the quantile 0.9999 for 39 degrees of freedom is 80 */
        fail_msg("%s: chi square is %g", letters, chi);
}

TEST(samplers_leave_what_their_definitions_do)
{
    draw_settings s = usual();
    s.typical_p = 0.7;
    expect_draws(&s, "Tt");
    s.temperature = 1.6;
    expect_draws(&s, "Tt");
    s.top_k = 12, s.min_p = 0.05, s.top_p = 0.9;
    expect_draws(&s, "Tkpmt");
    s.order = "llama.cpp";
    expect_draws(&s, "ktpmT");
    s = usual();
    s.xtc_probability = 1, s.xtc_threshold = 0.06;
    expect_draws(&s, "Tx");
    s.xtc_probability = 0.4, s.temperature = 0.7;
    expect_draws(&s, "Tx");
    s.order = "xtc;temperature;top_k", s.top_k = 3;
    expect_draws(&s, "xTk");
    s.xtc_threshold = 0.6; /* never above a half */
    expect_draws(&s, "Tk");
}

TEST(an_unknown_sampler_is_named)
{
    sib_error err = SIB_ERROR_INIT;
    draw_settings s = usual();
    double mu = 0;
    int32_t id;
    static const char *const wrong[] = {
        "top_q", "top_k;;top_p", "temperature top_k",
        "xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc;xtc"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        candidate c[] = {{1, 0}, {2, 1}};
        s.order = wrong[i];
        CHECK_FAILS(draw_token(&s, c, 2, 2, &mu, "it", &id, &err), SIB_ERR_ARGUMENT, err,
                    "it: samplers has '");
    }
}

/* As the paper's algorithms say, token by token. */
TEST(mirostat_follows_its_surprise)
{
    sib_error err = SIB_ERROR_INIT;
    for (int version = 1; version <= 2; version++) {
        draw_settings s = usual();
        double mu = 0, own = 0;
        s.mirostat = version, s.tau = 2.5, s.eta = 0.3, s.temperature = 0.9;
        own = 2 * s.tau;
        for (s.count = 0; s.count < 200; s.count++) {
            candidate c[N];
            double p[N], sum = 0, kept = 0, below = 0, products = 0, squares = 0;
            int order[N], n = 0, at = 0;
            int32_t id;
            for (int i = 0; i < N; i++) {
                c[i] = (candidate){logit_of(i + (int)s.count % 7), i};
                sum += p[i] = exp(c[i].logit / s.temperature);
            }
            for (int i = 0; i < N; i++)
                order[rank_of(p, i)] = i;
            for (int i = 0; i + 1 < N; i++) {
                const double t = log((i + 2.0) / (i + 1.0));
                products += t * log(p[order[i]] / p[order[i + 1]]);
                squares += t * t;
            }
            const double exponent = products / squares, excess = exponent - 1;
            const double k = pow(excess * pow(2, own) / (1 - pow(N, -excess)), 1 / exponent);
            while (n < N && (version == 1 ? n < (int)k : -log2(p[order[n]] / sum) <= own))
                n++;
            n = n ? n : 1;
            for (int i = 0; i < n; i++)
                kept += p[order[i]];
            for (below = p[order[0]] / kept; at + 1 < n && random_at(s.seed, s.count) >= below;)
                below += p[order[++at]] / kept;
            CHECK_OK(draw_token(&s, c, N, N, &mu, "it", &id, &err), err);
            assert_int_equal(id, order[at]);
            own -= s.eta * (-log2(p[order[at]] / kept) - s.tau);
            assert_float_equal(mu, own, 1e-9);
        }
    }
}

/* ---- Penalties ------------------------------------------------------------------------------------------- */

/* A token for each byte. */
static sib_tokenizer *bytes(void)
{
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tokenizer_open_bytes("t", "", 0, &(sib_tokenizer_options){.kind = "bytes"}, &t, &err), err);
    return t;
}

/* The longest repetition that token `id` would go on with, by its definition: the longest end of the last tokens, without
   what a breaker ends, that stands before an earlier `id`. */
static int repeats(const char *text, int id, const char *breaker)
{
    int n = (int)strlen(text), limit = n, longest = 0;
    for (int i = 0; breaker && i + (int)strlen(breaker) <= n; i++)
        if (!strncmp(text + i, breaker, strlen(breaker)))
            limit = n - i - (int)strlen(breaker);
    for (int at = 1; at < n; at++) {
        int k = 0;
        while (text[at] == id && k < limit && k < at && text[at - 1 - k] == text[n - 1 - k])
            k++;
        longest = k > longest ? k : longest;
    }
    return longest;
}

TEST(dry_penalises_what_lengthens_a_repetition)
{
    sib_error err = SIB_ERROR_INIT;
    static const struct {
        const char *text, *breaker;
        size_t allowed;
    } cases[] = {{"abcabcab", NULL, 2},
                 {"abcabcab", NULL, 4},
                 {"aaaaaa", NULL, 1},
                 {"ab:cab:cab", ":", 1},
                 {"xabc-d xabc-d xab", "-d", 2},
                 {"abab", "a", 1},
                 {"hello hello hel", " ", 1},
                 {"ab", NULL, 2}};
    sib_tokenizer *t = bytes();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        penalty_memory m;
        candidate c[256];
        const penalty_settings s = {.repetition = 1,
                                    .dry_multiplier = 0.8,
                                    .dry_base = 1.75,
                                    .dry_allowed = cases[i].allowed,
                                    .breakers = &cases[i].breaker,
                                    .n_breakers = cases[i].breaker != NULL};
        CHECK_OK(penalty_begin(&m, 256, &err), err);
        for (int k = 0; k < 256; k++)
            c[k] = (candidate){0, k};
        for (const char *at = cases[i].text; *at; at++)
            CHECK_OK(penalty_feed(&m, (int32_t[]){*at}, 1, &err), err);
        CHECK_OK(penalty_apply(&m, &s, t, c, &err), err);
        for (int k = 0; k < 256; k++) {
            const int longest = repeats(cases[i].text, k, cases[i].breaker);
            const double by =
                longest >= (int)s.dry_allowed ? 0.8 * pow(1.75, longest - (double)s.dry_allowed) : 0;
            if (fabs(c[k].logit + by) > 1e-12)
                fail_msg("'%s': token %c has %g, expected %g", cases[i].text, k, c[k].logit, -by);
        }
        penalty_end(&m);
    }
    sib_tokenizer_free(&t);
}

/* Over the last tokens, those of the prompt among them. */
TEST(penalties_look_back_as_far_as_they_are_asked_to)
{
    sib_error err = SIB_ERROR_INIT;
    for (size_t last = 0; last < 9; last++) {
        penalty_memory m;
        candidate c[8];
        static const int32_t fed[] = {1, 2, 2, 3, 77}, chosen[] = {2, 5, 5};
        static const int32_t all[] = {1, 2, 2, 3, 2, 5, 5};
        const penalty_settings s = {
            .repetition = 2, .presence = 0.5, .frequency = 0.25, .last = last, .dry_base = 1.75};
        CHECK_OK(penalty_begin(&m, 8, &err), err);
        CHECK_OK(penalty_feed(&m, fed, 5, &err), err);
        for (int k = 0; k < 3; k++) {
            CHECK_OK(penalty_choose(&m, chosen[k], &err), err);
            CHECK_OK(penalty_feed(&m, &chosen[k], 1, &err), err); /* as a loop feeds what it chose: once */
        }
        for (int k = 0; k < 8; k++)
            c[k] = (candidate){k % 2 ? 1 : -1, k};
        CHECK_OK(penalty_apply(&m, &s, NULL, c, &err), err);
        for (int k = 0; k < 8; k++) {
            int times = 0, seen = 0;
            for (int i = 0; i < 7; i++) {
                seen += all[i] == k;
                times += all[i] == k && (last ? i >= 7 - (int)last : i >= 4);
            }
            seen = last ? times : seen;
            double x = k % 2 ? 1 : -1;
            if (seen)
                x = (x > 0 ? x / 2 : x * 2) - 0.5 * (times > 0) - 0.25 * times;
            assert_float_equal(c[k].logit, x, 1e-12);
        }
        penalty_end(&m);
    }
}
