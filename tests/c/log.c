/* The log of a node, given to a callback. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* What a log callback has seen. */
struct heard {
    atomic_int records, highest, of_pool, destroyed, after_destroy, running, overlapped, open_to_signals;
    atomic_int shutdown, members; /* statuses of calls in the callback, 1 before */
    gossip_t *_Atomic node;
    gossip_pool_t *_Atomic pool;
    pthread_mutex_t gate;
};

static void on_record(void *user_data, const gossip_record_t *record)
{
    struct heard *heard = user_data;
    sigset_t mask;
    size_t count;

    if (heard->running++ > 0)
        heard->overlapped++;
    pthread_mutex_lock(&heard->gate);
    pthread_mutex_unlock(&heard->gate);
    if (heard->destroyed)
        heard->after_destroy++;
    CHECK(gossip_record_message(record)[0] != '\0');
    CHECK(strncmp(gossip_record_target(record), "gossip_core", 11) == 0);
    CHECK(gossip_record_fields(record) != NULL && strchr(gossip_record_fields(record), '\n') == NULL);
    int level = gossip_record_level(record);
    CHECK(level >= GOSSIP_LOG_ERROR && level <= GOSSIP_LOG_TRACE);
    if (level > heard->highest)
        heard->highest = level;
    int64_t age_s = (int64_t)time(NULL) - gossip_record_time_ns(record) / 1000000000;
    CHECK(age_s >= -1 && age_s < LIFETIME_S);
    int pool = gossip_record_pool(record);
    CHECK(pool == -1 || pool == 5);
    heard->of_pool += pool == 5;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
    heard->open_to_signals += !sigismember(&mask, SIGTERM);
    if (heard->node != NULL)
        heard->shutdown = gossip_shutdown(heard->node, -1, NULL);
    if (heard->pool != NULL)
        heard->members = gossip_pool_num_members(heard->pool, &count);
    heard->records++;
    heard->running--;
}

static void on_destroy(void *user_data)
{
    ((struct heard *)user_data)->destroyed++;
}

static void init(struct heard *heard)
{
    memset(heard, 0, sizeof *heard);
    pthread_mutex_init(&heard->gate, NULL);
    heard->shutdown = heard->members = 1;
}

static uint64_t log_count(gossip_t *node, const char *name)
{
    gossip_stats_t *stats;
    uint64_t value = 0;

    EXPECT(GOSSIP_OK, gossip_log_stats(node, &stats));
    CHECK(gossip_stats_len(stats) == 2);
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, name, &value));
    gossip_stats_free(stats);
    return value;
}

static void a_callback_hears_the_life_of_its_node(void)
{
    struct heard heard;
    gossip_t *node = open_node("node"), *silent = open_node("silent");

    init(&heard);
    CHECK(log_count(node, "delivered") == 0);
    OK(gossip_set_log(node, GOSSIP_LOG_INFO, on_record, &heard, on_destroy, &err));
    gossip_pool_t *pool = open_pool(node, 5, NULL), *other = open_pool(silent, 6, NULL);
    heard.pool = pool;
    OK(gossip_start(node, &err));
    OK(gossip_start(silent, &err)); /* whose pool 6 would be noticed */
    EVENTUALLY(heard.records > 0 && heard.of_pool > 0);
    EVENTUALLY(heard.members == GOSSIP_OK);
    CHECK(heard.highest <= GOSSIP_LOG_INFO && heard.open_to_signals == 0);
    EVENTUALLY(log_count(node, "delivered") == (uint64_t)heard.records);
    CHECK(log_count(node, "dropped") == 0 && log_count(silent, "delivered") == 0);

    heard.pool = NULL;
    heard.node = node;
    int before = heard.records;
    OK(gossip_pool_shutdown(pool, PATIENCE_MS, &err));
    EVENTUALLY(heard.records > before && heard.shutdown == GOSSIP_ERR_DEADLOCK);
    CHECK(gossip_is_running(node) && heard.destroyed == 0);
    heard.node = NULL;
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    CHECK(heard.destroyed == 1 && heard.after_destroy == 0 && heard.overlapped == 0);
    gossip_pool_free(pool);
    gossip_pool_free(other);
    gossip_free(node);
    gossip_free(silent);
    CHECK(heard.destroyed == 1);
}

static void a_level_can_change_while_the_node_runs(void)
{
    struct heard heard[3];
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 5, NULL);

    for (int i = 0; i < 3; i++)
        init(&heard[i]);
    OK(gossip_start(node, &err));
    OK(gossip_set_log(node, GOSSIP_LOG_TRACE, on_record, &heard[0], on_destroy, &err));
    OK(gossip_pool_ping_to(pool, addr_of(node), PATIENCE_MS, NULL, &err)); /* itself */
    EVENTUALLY(heard[0].highest >= GOSSIP_LOG_DEBUG);
    OK(gossip_set_log(node, GOSSIP_LOG_OFF, on_record, &heard[1], on_destroy, &err));
    EVENTUALLY(heard[0].destroyed == 1);
    OK(gossip_pool_ping_to(pool, addr_of(node), PATIENCE_MS, NULL, &err));
    OK(gossip_set_log(node, GOSSIP_LOG_TRACE, NULL, &heard[2], on_destroy, &err)); /* to nobody */
    CHECK(heard[2].destroyed == 1);
    EVENTUALLY(heard[1].destroyed == 1);
    CHECK(heard[1].records == 0 && heard[0].after_destroy == 0);
    gossip_free(node);
    gossip_pool_free(pool);
    for (int i = 0; i < 3; i++)
        CHECK(heard[i].destroyed == 1);
}

static void a_refused_callback_is_destroyed_too(void)
{
    struct heard heard, kept;
    gossip_t *node = open_node("node");

    init(&heard);
    init(&kept);
    OK(gossip_set_log(node, GOSSIP_LOG_TRACE, on_record, &kept, on_destroy, &err));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_set_log(NULL, GOSSIP_LOG_INFO, on_record, &heard, on_destroy, NULL));
    CHECK(heard.destroyed == 1);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_set_log(node, 6, on_record, &heard, on_destroy, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_set_log(node, -1, on_record, &heard, on_destroy, NULL));
    CHECK(heard.destroyed == 3 && kept.destroyed == 0);
    EXPECT(GOSSIP_OK, gossip_shutdown(node, PATIENCE_MS, NULL));
    CHECK(kept.destroyed == 1);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_set_log(node, GOSSIP_LOG_INFO, on_record, &heard, on_destroy, NULL));
    CHECK(heard.destroyed == 4 && heard.records == 0);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_set_log(node, GOSSIP_LOG_INFO, on_record, &heard, NULL, NULL));
    gossip_free(node);
}

static void a_slow_callback_holds_up_nobody(void)
{
    struct heard heard;
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 5, NULL);

    init(&heard);
    pthread_mutex_lock(&heard.gate);
    OK(gossip_start(node, &err));
    OK(gossip_set_log(node, GOSSIP_LOG_TRACE, on_record, &heard, on_destroy, &err));
    int64_t deadline = now_ms() + PATIENCE_MS;
    while (log_count(node, "dropped") == 0) {
        CHECK(now_ms() < deadline);
        OK(gossip_pool_ping_to(pool, addr_of(node), PATIENCE_MS, NULL, &err));
    }
    CHECK(heard.records == 0);
    OK(gossip_set_log(node, GOSSIP_LOG_INFO, on_record, &heard, NULL, &err));
    EXPECT(GOSSIP_ERR_TIMEOUT, gossip_shutdown(node, 20, NULL));
    pthread_mutex_unlock(&heard.gate);
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    CHECK(heard.destroyed == 1);
    gossip_free(node);
    gossip_pool_free(pool);
}

static void levels_have_names(void)
{
    static const char *const names[] = {"off", "error", "warn", "info", "debug", "trace", "unknown"};

    for (int i = 0; i < 7; i++)
        CHECK(strcmp(gossip_log_level_name(i), names[i]) == 0);
    CHECK(strcmp(gossip_log_level_name(-1), "unknown") == 0);
    CHECK(gossip_record_pool(NULL) == -1 && gossip_record_message(NULL)[0] == '\0');
}

int main(void)
{
    start_watchdog();
    levels_have_names();
    a_callback_hears_the_life_of_its_node();
    a_level_can_change_while_the_node_runs();
    a_refused_callback_is_destroyed_too();
    a_slow_callback_holds_up_nobody();
    return 0;
}
