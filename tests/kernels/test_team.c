/* Dealing (team.h): whatever the sizes that follow each other, every item is taken
 * once. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <string.h>

#include "kernels/team.h"
#include "tests/support/numeric.h"

enum { DEALS = 60, MOST = 300, TEAMS = 5 };

static void deal_all(int threads, unsigned char taken[DEALS][MOST], const size_t *count,
                     const size_t *bytes)
{
    tern_dealer dealer;
    for (int i = 0; i < TERN_TEAM_MAX; i++)
        for (int j = 0; j < 2; j++) atomic_init(&dealer.line[i].next[j], 0);
#pragma omp parallel num_threads(threads)
    {
        tern_team t = tern_team_here();
        t.dealer = &dealer;
        for (int i = 0; i < DEALS; i++) {
            tern_deal d = tern_team_deal(&t, i % 2, count[i], bytes[i]);
            for (tern_part p; tern_deal_next(&d, &p);)
                for (size_t e = p.first; e < p.end; e++)
#pragma omp atomic
                    taken[i][e]++;
            tern_team_wait(&t);
        }
    }
}

/* Small deals, which are one piece for each member, stand between large ones. */
Test(team, every_item_is_dealt_once)
{
    for (int threads = 1; threads <= TEAMS; threads++) {
        static unsigned char taken[DEALS][MOST];
        size_t count[DEALS], bytes[DEALS];
        memset(taken, 0, sizeof taken);
        for (size_t i = 0; i < DEALS; i++) {
            count[i] = (size_t)((tern_test_rand(1, i) + 1.0f) * 0.5f * (MOST - 1));
            bytes[i] = tern_test_rand(2, i) > 0.0f ? 1 << 17 : 1;
        }
        deal_all(threads, taken, count, bytes);
        for (size_t i = 0; i < DEALS; i++)
            for (size_t e = 0; e < MOST; e++)
                cr_assert(eq(int, taken[i][e], e < count[i]),
                          "%d threads, deal %zu: %zu", threads, i, e);
    }
}
