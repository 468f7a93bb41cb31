/* Which checkpoint of a run is taken, and which ones are removed. */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "tests/train/small_run.h"
#include "train/run_dir.h"

static tern_config config;
static tern_model *model;

static void init(void)
{
    setup();
    config = small_config();
    OK(tern_config_resolve(&config, 20, "test"));
    OK(tern_model_new(&config.model, &model));
    OK(tern_model_init(model, 0.02f, 1));
    OK(tern_make_dirs(in_dir("run/checkpoints")));
}

static void fini(void)
{
    tern_model_free(model);
    teardown();
}

TestSuite(run_dir, .init = init, .fini = fini);

static char *file(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "run/checkpoints/%.40s", name);
    return in_dir(path);
}

static void save(const char *name, int64_t step)
{
    const tern_progress_state state = {.step = step};
    OK(tern_checkpoint_save(file(name), &config, NULL, model, NULL, &state));
}

static void damage(const char *name)
{
    cr_assert(eq(int, truncate(file(name), 700), 0));
}

static void expect_found(bool best, const char *name)
{
    char path[TERN_PATH_MAX];
    OK(tern_run_find(in_dir("run"), best, path));
    cr_expect(eq(str, path, file(name)));
}

Test(run_dir, newest_is_found_by_number)
{
    save("step-00000900.h5", 900);
    save("step-00001000.h5", 1000);
    save("step-123456789.h5", 123456789);
    save("best.h5", 900);
    /* Not checkpoints of a step, whatever they hold. */
    save("step-999999999.h5.damaged", 999999999);
    save("step-1e9.h5", 1000000000);
    save(".step-200000000.h5.tmp-1", 200000000);
    expect_found(false, "step-123456789.h5");
    expect_found(true, "best.h5");
    cr_expect(eq(str, warnings, (char *)""));
}

Test(run_dir, damaged_ones_are_passed_over_with_a_warning)
{
    save("step-00000001.h5", 1);
    save("step-00000002.h5", 2);
    save("step-00000003.h5", 3);
    save("best.h5", 2);
    damage("step-00000003.h5");
    expect_found(false, "step-00000002.h5");
    cr_expect(ne(ptr, strstr(warnings, file("step-00000003.h5")), NULL), "%s",
              warnings);
    damage("best.h5");
    expect_found(true, "step-00000002.h5");
    cr_expect(ne(ptr, strstr(warnings, file("best.h5")), NULL), "%s", warnings);
    damage("step-00000002.h5");
    damage("step-00000001.h5");
    char path[TERN_PATH_MAX] = "untouched";
    FAILS(tern_run_find(in_dir("run"), true, path), TERN_ECORRUPT,
          "no older checkpoint is sound");
    FAILS(tern_run_find(in_dir("run"), false, path), TERN_ECORRUPT,
          "no older checkpoint is sound");
    cr_expect(eq(str, path, (char *)"untouched"));
}

/* best.h5 holds the optimizer's state too. */
Test(run_dir, a_sound_best_saves_a_run_whose_steps_are_damaged)
{
    save("step-00000002.h5", 2);
    save("step-00000003.h5", 3);
    save("best.h5", 1);
    expect_found(false, "step-00000003.h5");
    cr_expect(eq(str, warnings, (char *)""));
    damage("step-00000003.h5");
    damage("step-00000002.h5");
    expect_found(false, "best.h5");
    cr_expect(ne(ptr, strstr(warnings, "best.h5, which is of step 1"), NULL), "%s",
              warnings);
}

Test(run_dir, best_counts_where_it_is_the_newest)
{
    save("step-00000000.h5", 0);
    save("best.h5", 400);
    expect_found(false, "best.h5");
    cr_expect(eq(str, warnings, (char *)""));
}

Test(run_dir, a_file_is_itself)
{
    char path[TERN_PATH_MAX];
    save("step-00000001.h5", 1);
    OK(tern_run_find(file("step-00000001.h5"), false, path));
    cr_expect(eq(str, path, file("step-00000001.h5")));
    damage("step-00000001.h5");
    FAILS(tern_run_find(file("step-00000001.h5"), false, path), TERN_ECORRUPT,
          "step-00000001.h5");
    FAILS(tern_run_find(in_dir("corpus.txt"), false, path), TERN_EFORMAT, "corpus.txt");
    FAILS(tern_run_find(in_dir("nothing"), false, path), TERN_EIO, "nothing");
    FAILS(tern_run_find(dir, false, path), TERN_EIO, "no checkpoint of tern in it");
}

Test(run_dir, the_run_of_a_checkpoint)
{
    char path[TERN_PATH_MAX];
    save("step-00000001.h5", 1);
    tern_run_of(file("step-00000001.h5"), path);
    cr_expect(eq(str, path, file("step-00000001.h5")), "no config.yaml: no run");
    OK(tern_file_write(in_dir("run/config.yaml"), "", 0));
    tern_run_of(file("step-00000001.h5"), path);
    cr_expect(eq(str, path, in_dir("run")));
    cr_assert(eq(int, chdir(in_dir("run/checkpoints")), 0));
    tern_run_of("step-00000001.h5", path);
    cr_expect(eq(str, path, in_dir("run")));
    tern_run_of(in_dir("run"), path);
    cr_expect(eq(str, path, in_dir("run")));
    tern_run_of(in_dir("nothing"), path);
    cr_expect(eq(str, path, in_dir("nothing")));
}

Test(run_dir, prune_keeps_the_newest_and_the_best)
{
    for (int step = 1; step <= 9; step++) {
        char name[32];
        snprintf(name, sizeof name, "step-%08d.h5", step);
        save(name, step);
    }
    save("best.h5", 1);
    OK(tern_run_prune(in_dir("run"), 3));
    int64_t *steps;
    size_t count;
    OK(tern_run_steps(in_dir("run"), &steps, &count));
    cr_assert(eq(sz, count, 3));
    cr_expect(eq(i64, steps[0], 9));
    cr_expect(eq(i64, steps[2], 7));
    free(steps);
    cr_expect(tern_file_exists(file("best.h5")));
    OK(tern_run_prune(in_dir("run"), 5));
    OK(tern_run_prune(in_dir("nothing"), 5));
}
