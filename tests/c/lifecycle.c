/* From new to free: in every order, from callbacks, fifty times over. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- destroy is called exactly once, whatever happens ------------------------------ */

static void count(void *user_data)
{
    ++*(atomic_int *)user_data;
}

static gossip_delegate_t counting(atomic_int *destroyed)
{
    gossip_delegate_t delegate = {.struct_size = sizeof delegate, .user_data = destroyed, .destroy = count};
    return delegate;
}

static void a_failed_registration_destroys(void)
{
    gossip_t *node = open_node("node");
    gossip_pool_config_t *config = fast_pool(1);
    gossip_pool_t *pool = open_pool(node, 1, NULL), *none = NULL;
    atomic_int destroyed = 0;
    gossip_delegate_t delegate = counting(&destroyed);

    EXPECT(GOSSIP_ERR_EXISTS, gossip_register_pool(node, config, &delegate, &none, NULL));
    CHECK(destroyed == 1);
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_register_pool(NULL, config, &delegate, &none, NULL));
    CHECK(destroyed == 2);
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_register_pool(node, NULL, &delegate, &none, NULL));
    CHECK(destroyed == 3);
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    OK(gossip_pool_config_set(config, "framing", "label:x", &err));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_register_pool(node, config, &delegate, &none, NULL));
    CHECK(destroyed == 4 && none == NULL);
    delegate.struct_size = 0;
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_register_pool(node, config, &delegate, &none, NULL));
    CHECK(destroyed == 4); /* nothing was read that could be called */
    gossip_pool_free(pool);
    gossip_pool_config_free(config);
    gossip_free(node);
}

static void every_registration_owes_one_destroy(void)
{
    atomic_int destroyed = 0;
    gossip_delegate_t delegate = counting(&destroyed);
    gossip_t *node = open_node("node");
    gossip_pool_t *first = open_pool(node, 1, &delegate), *second = open_pool(node, 2, &delegate);

    OK(gossip_start(node, &err));
    CHECK(destroyed == 0);
    OK(gossip_pool_shutdown(first, PATIENCE_MS, &err));
    CHECK(destroyed == 1);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_pool_broadcast(first, "late", 4, 0, NULL));
    gossip_pool_free(first);
    first = open_pool(node, 1, &delegate); /* the id is free again */
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    CHECK(destroyed == 3);
    gossip_pool_free(first);
    gossip_pool_free(second);
    gossip_free(node);
    CHECK(destroyed == 3);
}

static void a_node_that_never_started_destroys(void)
{
    atomic_int destroyed = 0;
    gossip_delegate_t delegate = counting(&destroyed);
    gossip_t *node = open_node("node");

    gossip_pool_free(open_pool(node, 1, &delegate));
    CHECK(destroyed == 0);
    gossip_free(node);
    CHECK(destroyed == 1);
}

/* ---- calls from callbacks ---------------------------------------------------------- */

struct inside {
    gossip_t *node;
    _Atomic(gossip_pool_t *) pool;
    atomic_int calls, destroyed;
    atomic_int shutdown, pool_shutdown, broadcast, members; /* statuses, 1 before the call */
};

static void call_everything(void *user_data, const gossip_member_t *member)
{
    struct inside *inside = user_data;
    gossip_members_t *members = NULL;

    (void)member;
    EVENTUALLY(inside->pool != NULL);
    inside->broadcast = gossip_pool_broadcast(inside->pool, "hello", 5, 0, NULL);
    inside->members = gossip_pool_members(inside->pool, &members);
    gossip_members_free(members);
    inside->pool_shutdown = gossip_pool_shutdown(inside->pool, -1, NULL);
    inside->shutdown = gossip_shutdown(inside->node, -1, NULL);
    inside->calls++;
}

static void count_inside(void *user_data)
{
    ((struct inside *)user_data)->destroyed++;
}

static void a_shutdown_from_a_callback_is_refused(void)
{
    struct inside inside = {.node = open_node("node"), .shutdown = 1, .pool_shutdown = 1, .broadcast = 1};
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate,
        .user_data = &inside,
        .destroy = count_inside,
        .notify_join = call_everything,
    };

    inside.pool = open_pool(inside.node, 1, &delegate);
    OK(gossip_start(inside.node, &err));
    EVENTUALLY(inside.calls == 1); /* this node's own join */
    CHECK(inside.shutdown == GOSSIP_ERR_DEADLOCK);
    CHECK(inside.pool_shutdown == GOSSIP_ERR_DEADLOCK);
    CHECK(inside.broadcast == GOSSIP_OK && inside.members == GOSSIP_OK);
    CHECK(gossip_is_running(inside.node));
    gossip_free(inside.node);
    CHECK(inside.destroyed == 1);
    gossip_pool_free(inside.pool);
}

static void free_the_node(void *user_data, const gossip_member_t *member)
{
    struct inside *inside = user_data;

    (void)member;
    EVENTUALLY(inside->pool != NULL);
    gossip_pool_free(inside->pool);
    gossip_free(inside->node);
    inside->calls++;
}

static void a_callback_can_free_its_own_node(void)
{
    struct inside inside = {.node = open_node("node")};
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate,
        .user_data = &inside,
        .destroy = count_inside,
        .notify_join = free_the_node,
    };

    inside.pool = open_pool(inside.node, 1, &delegate);
    /* The callback may free the node while this call is still in it: free it only after. */
    gossip_pool_t *pool = inside.pool;
    inside.pool = NULL;
    OK(gossip_start(inside.node, &err));
    inside.pool = pool;
    EVENTUALLY(inside.calls == 1 && inside.destroyed == 1);
}

/* ---- a callback that does not return ----------------------------------------------- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_the_gate(void *user_data, const gossip_member_t *member)
{
    (void)member;
    ++*(atomic_int *)user_data;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void a_stuck_callback_makes_shutdown_time_out_and_try_again(void)
{
    atomic_int entered = 0;
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate, .user_data = &entered, .notify_join = wait_at_the_gate};
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, &delegate);

    pthread_mutex_lock(&gate);
    OK(gossip_start(node, &err));
    EVENTUALLY(entered == 1);
    EXPECT(GOSSIP_ERR_TIMEOUT, gossip_shutdown(node, 20, NULL));
    EXPECT(GOSSIP_ERR_AGAIN, gossip_shutdown(node, 0, NULL));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_pool_broadcast(pool, "late", 4, 0, NULL));
    pthread_mutex_unlock(&gate);
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    gossip_pool_free(pool);
    gossip_free(node);
}

struct slow {
    atomic_int may_go, joins, messages, ended, destroyed;
    _Atomic uint64_t dropped;
};

static void hold(void *user_data, const gossip_member_t *member)
{
    struct slow *slow = user_data;
    (void)member;
    slow->joins++;
    EVENTUALLY(slow->may_go);
}

static void on_message(void *user_data, const uint8_t *data, size_t len, const gossip_message_t *message)
{
    (void)data, (void)len, (void)message;
    ((struct slow *)user_data)->messages++;
}

static void on_overflow(void *user_data, uint64_t dropped)
{
    ((struct slow *)user_data)->dropped += dropped;
}

static void on_shutdown(void *user_data)
{
    struct slow *slow = user_data;
    CHECK(!slow->destroyed);
    slow->ended++;
}

static void on_destroy(void *user_data)
{
    ((struct slow *)user_data)->destroyed++;
}

static uint64_t messages_received(const gossip_pool_t *pool)
{
    gossip_stats_t *stats;
    uint64_t count = 0;

    EXPECT(GOSSIP_OK, gossip_pool_stats(pool, &stats));
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, "messages_received", &count));
    gossip_stats_free(stats);
    return count;
}

static void a_delegate_hears_of_what_was_dropped_and_of_the_end(void)
{
    enum { ROOM = 5, SENT = 30 };
    struct slow slow = {0};
    gossip_delegate_t delegate = {.struct_size = sizeof delegate,
                                  .user_data = &slow,
                                  .destroy = on_destroy,
                                  .notify_join = hold,
                                  .notify_msg = on_message,
                                  .notify_overflow = on_overflow,
                                  .notify_shutdown = on_shutdown};
    gossip_t *sender = open_node("sender"), *receiver = open_node("receiver");
    gossip_pool_t *from = open_pool(sender, 1, NULL), *pool;
    gossip_pool_config_t *config = fast_pool(1);
    gossip_addr_t addr;

    OK(gossip_pool_config_set(config, "message_queue_depth", "5", &err));
    OK(gossip_register_pool(receiver, config, &delegate, &pool, &err));
    gossip_pool_config_free(config);
    OK(gossip_start(sender, &err));
    OK(gossip_start(receiver, &err));
    EXPECT(GOSSIP_OK, gossip_local_addr(receiver, &addr));
    EVENTUALLY(slow.joins == 1);
    for (int i = 0; i < SENT; i++)
        OK(gossip_pool_send_to_address(from, &addr, "x", 1, &err));
    EVENTUALLY(messages_received(pool) == SENT);
    slow.may_go = 1;
    EVENTUALLY(slow.messages == ROOM && slow.dropped == SENT - ROOM);
    CHECK(slow.ended == 0);
    gossip_free(sender);
    gossip_free(receiver);
    CHECK(slow.ended == 1 && slow.destroyed == 1);
    gossip_pool_free(from);
    gossip_pool_free(pool);
}

static void on_isolated(void *user_data)
{
    ((struct slow *)user_data)->joins++;
}

static void on_healed(void *user_data, size_t returned, size_t missing)
{
    CHECK(returned == 0 && missing == 0);
    ((struct slow *)user_data)->messages++;
}

static void a_delegate_hears_of_the_company_of_its_node(void)
{
    struct slow slow = {0};
    gossip_delegate_t delegate = {.struct_size = sizeof delegate,
                                  .user_data = &slow,
                                  .notify_isolated = on_isolated,
                                  .notify_healed = on_healed};
    gossip_t *seed = open_node("seed"), *node = open_node("node");
    gossip_pool_t *seeds = open_pool(seed, 1, NULL), *pool;
    gossip_pool_config_t *config = fast_pool(1);

    OK(gossip_pool_config_set(config, "seeds", addr_of(seed), &err));
    OK(gossip_pool_config_set(config, "tcp_timeout_ms", "200", &err));
    OK(gossip_pool_config_set(config, "reconnect_interval_ms", "200", &err));
    OK(gossip_register_pool(node, config, &delegate, &pool, &err));
    gossip_pool_config_free(config);
    OK(gossip_start(node, &err)); /* the seed is not served yet */
    EVENTUALLY(slow.joins == 1);
    CHECK(slow.messages == 0);
    OK(gossip_start(seed, &err));
    EVENTUALLY(slow.messages == 1);
    gossip_free(node);
    gossip_free(seed);
    gossip_pool_free(pool);
    gossip_pool_free(seeds);
}

/* ---- after the end ----------------------------------------------------------------- */

static void handles_outlive_what_they_stand_for(void)
{
    gossip_t *node = open_node("node"), *again = NULL;
    gossip_pool_t *pool = open_pool(node, 1, NULL);
    gossip_listener_t *listener;
    gossip_packets_t *packets;
    gossip_members_t *members;
    gossip_fd_t fd;
    const char *seed = addr_of(node);

    EXPECT(GOSSIP_ERR_INVALID_STATE, gossip_pool_join(pool, &seed, 1, 0, NULL, NULL));
    OK(gossip_listen(node, 1, &listener, &err));
    OK(gossip_packets(node, &packets, &err));
    OK(gossip_start(node, &err));
    OK(gossip_start(node, &err)); /* does nothing */
    EXPECT(GOSSIP_OK, gossip_pool_members(pool, &members));
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    OK(gossip_shutdown(node, PATIENCE_MS, &err)); /* neither */

    CHECK(strcmp(gossip_member_name(gossip_members_get(members, 0), NULL), "node") == 0);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_start(node, NULL));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_pool_join(pool, &seed, 1, 0, NULL, NULL));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_pool_leave(pool, 0, NULL));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_listener_accept(listener, -1, 0, &fd, NULL));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_listen(node, 2, &listener, NULL));
    gossip_free(node);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_pool_broadcast(pool, "late", 4, 0, NULL));
    gossip_packets_free(packets);
    gossip_pool_free(pool);
    gossip_listener_free(listener);
    gossip_members_free(members);

    again = open_node("node");
    gossip_free(again);
}

/* ---- nothing stays ----------------------------------------------------------------- */

static void cycle(void)
{
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, NULL);
    gossip_listener_t *listener;
    gossip_packets_t *packets;

    OK(gossip_listen(node, 1, &listener, &err));
    OK(gossip_packets(node, &packets, &err));
    OK(gossip_start(node, &err));
    CHECK(num_members(pool) == 1);
    gossip_free(node);
    gossip_packets_free(packets);
    gossip_listener_free(listener);
    gossip_pool_free(pool);
}

/* ThreadSanitizer has a thread of its own. */
#ifdef __SANITIZE_THREAD__
enum { SANITIZER = 1 };
#else
enum { SANITIZER = 0 };
#endif

static void cycles_leave_neither_descriptors_nor_threads(void)
{
    int fds, threads;

    cycle(); /* whatever is made once is made now */
    EVENTUALLY(count_entries("/proc/self/task") <= 3 + SANITIZER); /* ".", "..", this one */
    fds = count_entries("/proc/self/fd");
    threads = count_entries("/proc/self/task");
    for (int i = 0; i < 50; i++)
        cycle();
    EVENTUALLY(count_entries("/proc/self/task") == threads);
    EVENTUALLY(count_entries("/proc/self/fd") == fds);
}

int main(void)
{
    start_watchdog();
    a_failed_registration_destroys();
    every_registration_owes_one_destroy();
    a_node_that_never_started_destroys();
    a_shutdown_from_a_callback_is_refused();
    a_callback_can_free_its_own_node();
    a_stuck_callback_makes_shutdown_time_out_and_try_again();
    a_delegate_hears_of_what_was_dropped_and_of_the_end();
    a_delegate_hears_of_the_company_of_its_node();
    handles_outlive_what_they_stand_for();
    cycles_leave_neither_descriptors_nor_threads();
    return 0;
}
