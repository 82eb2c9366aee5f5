/* A whole pool moves to another key and to a label in one call. */
#include "check.h"

#include <pthread.h>

enum { NODES = 3 };

static const char old_key[] = "0123456789abcdef0123456789abcdef", new_key[] = "fedcba9876543210fedcba9876543210";

struct told {
    pthread_mutex_t lock;
    int steps, kind, last;
    char by[32];
};

struct scene {
    gossip_t *nodes[NODES];
    gossip_pool_t *pools[NODES];
    struct told told;
};

static void on_migrated(void *user_data, int32_t kind, int32_t step, const char *by)
{
    struct told *told = user_data;

    pthread_mutex_lock(&told->lock);
    told->steps++;
    told->kind = kind;
    told->last = step;
    snprintf(told->by, sizeof told->by, "%s", by);
    pthread_mutex_unlock(&told->lock);
}

static int steps_told(struct told *told)
{
    pthread_mutex_lock(&told->lock);
    int steps = told->steps;
    pthread_mutex_unlock(&told->lock);
    return steps;
}

static gossip_pool_t *secret_pool(gossip_t *node, const char *key, const gossip_delegate_t *delegate, const char *obeys)
{
    gossip_pool_config_t *config = fast_pool(7);
    gossip_pool_t *pool;

    OK(gossip_pool_config_add_key(config, key, 32, &err));
    OK(gossip_pool_config_set(config, "remote_migration", obeys, &err));
    OK(gossip_register_pool(node, config, delegate, &pool, &err));
    gossip_pool_config_free(config);
    OK(gossip_start(node, &err));
    return pool;
}

static void enter(const gossip_pool_t *pool, const gossip_t *seed)
{
    const char *addr = addr_of(seed);

    OK(gossip_pool_join(pool, &addr, 1, PATIENCE_MS, NULL, &err));
}

static void open_scene(struct scene *scene)
{
    static const char *const names[NODES] = {"red", "green", "blue"};
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate, .user_data = &scene->told, .notify_migrated = on_migrated};

    pthread_mutex_init(&scene->told.lock, NULL);
    for (int i = 0; i < NODES; i++) {
        scene->nodes[i] = open_node(names[i]);
        scene->pools[i] = secret_pool(scene->nodes[i], old_key, i == 1 ? &delegate : NULL, "encrypted");
        if (i > 0)
            enter(scene->pools[i], scene->nodes[0]);
    }
    for (int i = 0; i < NODES; i++)
        EVENTUALLY(num_members(scene->pools[i]) == NODES);
}

static int holds(const gossip_pool_t *pool, const char *key)
{
    uint8_t keys[4][GOSSIP_KEY_MAX];
    size_t lens[4], count;

    EXPECT(GOSSIP_OK, gossip_pool_keyring_list(pool, keys[0], lens, 4, &count));
    return count == 1 && memcmp(keys[0], key, 32) == 0;
}

struct progress {
    size_t done, total;
    int last, calls, troubles;
};

static void on_progress(void *user_data, int32_t step, const char *member, const char *trouble, size_t done, size_t total)
{
    struct progress *progress = user_data;

    CHECK(strlen(member) > 0 && done <= total);
    *progress = (struct progress){done, total, step, progress->calls + 1, progress->troubles + (trouble != NULL)};
}

static void a_key_is_rotated(struct scene *scene)
{
    OK(gossip_pool_rotate_key(scene->pools[0], new_key, 32, PATIENCE_MS, &err));

    for (int i = 0; i < NODES; i++)
        CHECK(holds(scene->pools[i], new_key));
    EVENTUALLY(steps_told(&scene->told) == 3);
    pthread_mutex_lock(&scene->told.lock);
    CHECK(scene->told.kind == GOSSIP_MIGRATION_KEY && scene->told.last == GOSSIP_STEP_REQUIRE);
    CHECK(strcmp(scene->told.by, "red") == 0);
    pthread_mutex_unlock(&scene->told.lock);
}

static void a_label_is_taken_with_news_and_a_report(struct scene *scene)
{
    struct progress progress = {0};
    gossip_migration_t *report;
    const char *name;

    OK(gossip_pool_migrate(scene->pools[2], GOSSIP_MIGRATION_LABEL, "blue", 4, GOSSIP_STEP_REQUIRE, 0, PATIENCE_MS,
                           on_progress, &progress, &report, &err));

    CHECK(progress.calls >= 9 && progress.done == NODES && progress.total == NODES);
    CHECK(progress.last == GOSSIP_STEP_REQUIRE);
    CHECK(strcmp(gossip_migration_text(report), "label: all 3 members have taken require") == 0);
    CHECK(gossip_migration_count(report, GOSSIP_MIGRATION_MEMBERS) == NODES);
    CHECK(gossip_migration_count(report, GOSSIP_MIGRATION_LOST) == 0);
    CHECK(gossip_migration_count(report, 99) == 0);
    EXPECT(GOSSIP_OK, gossip_migration_at(report, GOSSIP_MIGRATION_MEMBERS, 0, &name));
    CHECK(strlen(name) > 0);
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_migration_at(report, GOSSIP_MIGRATION_MANUAL, 0, &name));
    gossip_migration_free(report);
    /* Back, without a report. */
    OK(gossip_pool_migrate(scene->pools[2], GOSSIP_MIGRATION_LABEL, NULL, 0, GOSSIP_STEP_REQUIRE, 0, PATIENCE_MS, NULL,
                           NULL, NULL, &err));
}

static void who_is_in_the_way_is_named_or_passed_over(struct scene *scene)
{
    gossip_t *node = open_node("mule");
    gossip_pool_t *pool = secret_pool(node, new_key, NULL, "never");
    gossip_error_t *err;
    gossip_migration_t *report;
    const char *field, *name, *why;

    enter(pool, scene->nodes[0]);
    for (int i = 0; i < NODES; i++)
        EVENTUALLY(num_members(scene->pools[i]) == NODES + 1);

    EXPECT(GOSSIP_ERR_NOT_MIGRATED, gossip_pool_rotate_key(scene->pools[0], old_key, 32, PATIENCE_MS, &err));
    CHECK(gossip_error_problem_count(err) == 1);
    EXPECT(GOSSIP_OK, gossip_error_problem_at(err, 0, &field, &name, &why));
    CHECK(strcmp(field, "members") == 0 && strcmp(name, "mule") == 0);
    CHECK(strstr(why, "remote_migration") != NULL);
    gossip_error_free(err);
    CHECK(holds(scene->pools[1], new_key));

    OK(gossip_pool_migrate(scene->pools[0], GOSSIP_MIGRATION_KEY, old_key, 32, GOSSIP_STEP_ACCEPT,
                           GOSSIP_MIGRATION_BY_HAND | GOSSIP_MIGRATION_WITHOUT_LOST, PATIENCE_MS, NULL, NULL, &report,
                           &err));
    EXPECT(GOSSIP_OK, gossip_migration_at(report, GOSSIP_MIGRATION_MANUAL, 0, &name));
    CHECK(strcmp(name, "mule") == 0);
    gossip_migration_free(report);
    gossip_free(node);
    gossip_pool_free(pool);
}

static void what_cannot_be_is_refused(struct scene *scene)
{
    gossip_pool_t *pool = scene->pools[0];

    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_rotate_key(pool, "short", 5, 0, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_rotate_key(pool, NULL, 32, 0, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_migrate(pool, 9, "x", 1, 3, 0, 0, NULL, NULL, NULL, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_migrate(pool, 3, "x", 1, 4, 0, 0, NULL, NULL, NULL, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_migrate(pool, 3, "x", 1, 3, 4, 0, NULL, NULL, NULL, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_migrate(pool, 2, old_key, 32, 3, 0, 0, NULL, NULL, NULL, NULL));
}

int main(void)
{
    static struct scene scene;

    start_watchdog();
    open_scene(&scene);
    a_key_is_rotated(&scene);
    a_label_is_taken_with_news_and_a_report(&scene);
    what_cannot_be_is_refused(&scene);
    who_is_in_the_way_is_named_or_passed_over(&scene);
    for (int i = 0; i < NODES; i++) {
        gossip_free(scene.nodes[i]);
        gossip_pool_free(scene.pools[i]);
    }
    return 0;
}
