/* The end of a node, and what runs where until then.
 *
 * The promise                                       is shown by
 * ------------------------------------------------  -------------------------------------------------
 * leave can be repeated                             leaving_twice_is_fine
 * shutdown: before the start, again, after OK       a_node_that_never_started_ends; lifecycle.c:
 *                                                   handles_outlive_what_they_stand_for
 * it closes connections that wait                   descriptors.c: what_nobody_accepts_is_closed
 * it wakes blocked calls: accept, recv, join, ...   blocked_calls_are_woken; port.c (accept)
 * two threads at once: the second waits, both OK    two_threads_can_shut_down
 * it waits for callbacks, then runs destroy, once   no_callback_runs_after_shutdown; lifecycle.c
 * it times out, goes on, may be called again        a_shutdown_that_timed_out_goes_on; lifecycle.c
 * after OK the port is free                         the_port_is_free_at_once
 * from its own callback refused, of every kind      a_shutdown_from_a_question_is_refused; lifecycle.c
 * from a callback of another node possible          a_callback_can_end_another_node
 * a callback that waits for a lock which the        lifecycle.c: a_stuck_callback_makes_shutdown_time_out_...
 *   thread in shutdown holds: TIMEOUT, no deadlock
 * free waits for running callbacks                  free_waits_for_a_running_callback
 * free of its own node from a callback is deferred  lifecycle.c: a_callback_can_free_its_own_node
 * free while others are blocked in accept           port.c: the_end_wakes_those_who_wait
 * free in any order                                 handles_can_be_freed_in_any_order
 *
 * notifications in order, questions beside them     a_slow_notification_delays_no_question
 * a question has a deadline                         a_question_without_an_answer_has_a_deadline
 * every function may be called from a callback      callbacks_may_call_what_blocks; lifecycle.c
 * no callback on the stack of a call                a_callback_can_end_another_node, callbacks_may_call_what_blocks
 */
#include "check.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

static void count(void *user_data)
{
    ++*(atomic_int *)user_data;
}

/* ---- leave, start, stop ------------------------------------------------------------ */

static void leaving_twice_is_fine(void)
{
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, NULL);

    OK(gossip_start(node, &err));
    OK(gossip_pool_leave(pool, PATIENCE_MS, &err));
    OK(gossip_pool_leave(pool, PATIENCE_MS, &err));
    OK(gossip_leave(node, PATIENCE_MS, &err));
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_leave(node, 0, NULL));
    gossip_pool_free(pool);
    gossip_free(node);
}

static void a_node_that_never_started_ends(void)
{
    atomic_int destroyed = 0;
    gossip_delegate_t delegate = {.struct_size = sizeof delegate, .user_data = &destroyed, .destroy = count};
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, &delegate);

    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    CHECK(destroyed == 1 && !gossip_is_running(node));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_start(node, NULL));
    gossip_pool_free(pool);
    gossip_free(node);
}

static void the_port_is_free_at_once(void)
{
    for (int i = 0; i < 10; i++) {
        gossip_t *node = open_node("node");
        struct sockaddr_in addr = {.sin_family = AF_INET};
        gossip_addr_t bound;

        OK(gossip_start(node, &err));
        EXPECT(GOSSIP_OK, gossip_local_addr(node, &bound));
        addr.sin_port = htons(bound.port);
        addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        OK(gossip_shutdown(node, PATIENCE_MS, &err));
        int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
        CHECK(bind(tcp, (struct sockaddr *)&addr, sizeof addr) == 0);
        CHECK(bind(udp, (struct sockaddr *)&addr, sizeof addr) == 0);
        close(tcp);
        close(udp);
        gossip_free(node);
    }
}

/* ---- calls that are blocked -------------------------------------------------------- */

struct blocked {
    gossip_packets_t *packets;
    gossip_listener_t *listener;
    gossip_pool_t *pool;
    char seed[GOSSIP_ADDR_TEXT_SIZE];
    _Atomic long threads[3];
    gossip_status_t statuses[3];
};

static void *receive(void *argument)
{
    struct blocked *blocked = argument;
    char data[8];
    size_t len;

    blocked->threads[0] = thread_id();
    blocked->statuses[0] = gossip_packets_recv(blocked->packets, data, sizeof data, &len, NULL, -1);
    return NULL;
}

static void *accept_one(void *argument)
{
    struct blocked *blocked = argument;
    gossip_fd_t fd;

    blocked->threads[1] = thread_id();
    blocked->statuses[1] = gossip_listener_accept(blocked->listener, -1, 0, &fd, NULL);
    return NULL;
}

static void *join_silence(void *argument)
{
    struct blocked *blocked = argument;
    const char *seed = blocked->seed;

    blocked->threads[2] = thread_id();
    blocked->statuses[2] = gossip_pool_join(blocked->pool, &seed, 1, -1, NULL, NULL);
    return NULL;
}

/* A peer that lets itself be connected to and says nothing. */
static int open_silence(char *text, size_t cap)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, 8) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
    snprintf(text, cap, "127.0.0.1:%u", ntohs(addr.sin_port));
    return fd;
}

static void blocked_calls_are_woken(void)
{
    void *(*const calls[])(void *) = {receive, accept_one, join_silence};
    gossip_t *node = open_node("node");
    gossip_pool_config_t *config = fast_pool(1);
    struct blocked blocked = {.statuses = {1, 1, 1}};
    pthread_t threads[3];
    int silence = open_silence(blocked.seed, sizeof blocked.seed);

    OK(gossip_pool_config_set(config, "tcp_timeout_ms", "100000", &err));
    OK(gossip_register_pool(node, config, NULL, &blocked.pool, &err));
    gossip_pool_config_free(config);
    OK(gossip_listen(node, 1, &blocked.listener, &err));
    OK(gossip_packets(node, &blocked.packets, &err));
    OK(gossip_start(node, &err));
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&threads[i], NULL, calls[i], &blocked) == 0);
        EVENTUALLY(blocked.threads[i] != 0 && is_asleep(blocked.threads[i]));
    }

    OK(gossip_shutdown(node, PATIENCE_MS, &err));

    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(blocked.statuses[0] == GOSSIP_ERR_CLOSED && blocked.statuses[1] == GOSSIP_ERR_CLOSED);
    CHECK(blocked.statuses[2] == GOSSIP_ERR_CLOSED || blocked.statuses[2] == GOSSIP_ERR_CANCELLED);
    gossip_listener_free(blocked.listener);
    gossip_packets_free(blocked.packets);
    gossip_pool_free(blocked.pool);
    gossip_free(node);
    close(silence);
}

/* ---- several who end it ------------------------------------------------------------ */

static void *shut_down(void *node)
{
    OK(gossip_shutdown(node, -1, &err));
    return NULL;
}

static void *free_it(void *node)
{
    gossip_free(node);
    return NULL;
}

/* A callback that is held until the gate opens, and then tells that it has returned. */
struct gate {
    pthread_mutex_t lock;
    atomic_int entered, returned, destroyed, early;
};

static void wait_at_the_gate(void *user_data, const gossip_member_t *member)
{
    struct gate *gate = user_data;

    (void)member;
    gate->entered++;
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
    gate->returned++;
}

static void look_whether_all_returned(void *user_data)
{
    struct gate *gate = user_data;

    if (gate->returned != gate->entered)
        gate->early++;
    gate->destroyed++;
}

static gossip_t *open_at_the_gate(struct gate *gate, gossip_pool_t **pool)
{
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate,
        .user_data = gate,
        .destroy = look_whether_all_returned,
        .notify_join = wait_at_the_gate,
    };
    gossip_t *node = open_node("gate");

    *pool = open_pool(node, 1, &delegate);
    pthread_mutex_lock(&gate->lock);
    OK(gossip_start(node, &err));
    EVENTUALLY(gate->entered == 1);
    return node;
}

static void two_threads_can_shut_down(void)
{
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
    gossip_pool_t *pool;
    gossip_t *node = open_at_the_gate(&gate, &pool);
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, shut_down, node) == 0);
    EVENTUALLY(!gossip_is_running(node));
    CHECK(gate.destroyed == 0);
    pthread_mutex_unlock(&gate.lock);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(gate.destroyed == 1 && gate.early == 0);
    gossip_pool_free(pool);
    gossip_free(node);
    CHECK(gate.destroyed == 1);
}

static void free_waits_for_a_running_callback(void)
{
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
    gossip_pool_t *pool;
    gossip_t *node = open_at_the_gate(&gate, &pool);
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, free_it, node) == 0);
    EVENTUALLY(gossip_pool_broadcast(pool, "late", 4, 0, NULL) == GOSSIP_ERR_CLOSED);
    CHECK(gate.returned == 0 && gate.destroyed == 0);
    pthread_mutex_unlock(&gate.lock);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(gate.destroyed == 1 && gate.early == 0); /* by the time that free returned */
    gossip_pool_free(pool);
}

static void a_shutdown_that_timed_out_goes_on(void)
{
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
    gossip_pool_t *pool;
    gossip_t *node = open_at_the_gate(&gate, &pool);

    EXPECT(GOSSIP_ERR_TIMEOUT, gossip_shutdown(node, 10, NULL));
    CHECK(!gossip_is_running(node) && gate.destroyed == 0);
    pthread_mutex_unlock(&gate.lock);
    EVENTUALLY(gate.destroyed == 1); /* though nobody has called again */
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    CHECK(gate.destroyed == 1 && gate.early == 0);
    gossip_pool_free(pool);
    gossip_free(node);
}

/* ---- callbacks --------------------------------------------------------------------- */

struct traffic {
    atomic_int inside, messages, destroyed, wrong;
};

static void on_msg(void *user_data, const uint8_t *data, size_t len, const gossip_message_t *message)
{
    struct traffic *traffic = user_data;

    (void)data;
    (void)len;
    (void)message;
    if (traffic->inside++ != 0 || traffic->destroyed != 0)
        traffic->wrong++; /* not one at a time, or after the end */
    traffic->messages++;
    traffic->inside--;
}

static void end_of_traffic(void *user_data)
{
    struct traffic *traffic = user_data;

    if (traffic->inside != 0)
        traffic->wrong++;
    traffic->destroyed++;
}

static void no_callback_runs_after_shutdown(void)
{
    for (int round = 0; round < 10; round++) {
        struct traffic traffic = {0};
        gossip_delegate_t delegate = {
            .struct_size = sizeof delegate,
            .user_data = &traffic,
            .destroy = end_of_traffic,
            .notify_msg = on_msg,
        };
        gossip_t *node = open_node("told"), *other = open_node("telling");
        gossip_pool_t *pool = open_pool(node, 1, &delegate), *other_pool = open_pool(other, 1, NULL);
        gossip_addr_t to;
        int seen;

        OK(gossip_start(node, &err));
        OK(gossip_start(other, &err));
        EXPECT(GOSSIP_OK, gossip_local_addr(node, &to));
        for (int i = 0; i < 200; i++)
            gossip_pool_send_to_address(other_pool, &to, "hello", 5, NULL);
        EVENTUALLY(traffic.messages > 0);
        OK(gossip_shutdown(node, PATIENCE_MS, &err));
        CHECK(traffic.destroyed == 1 && traffic.inside == 0);
        seen = traffic.messages;
        gossip_pool_send_to_address(other_pool, &to, "hello", 5, NULL);
        gossip_free(node);
        gossip_free(other);
        CHECK(traffic.messages == seen && traffic.wrong == 0 && traffic.destroyed == 1);
        gossip_pool_free(pool);
        gossip_pool_free(other_pool);
    }
}

struct questions {
    gossip_t *own, *other;
    gossip_pool_t *other_pool;
    pthread_mutex_t lock;
    atomic_int asked, told, shutdown, other_shutdown, ping;
    _Atomic long told_by, asked_by;
    atomic_int stuck;
};

static int32_t shut_down_when_asked(void *user_data, int32_t join, gossip_buffer_t *out)
{
    struct questions *questions = user_data;

    (void)join;
    questions->shutdown = gossip_shutdown(questions->own, -1, NULL);
    questions->asked_by = thread_id();
    questions->asked++;
    EXPECT(GOSSIP_OK, gossip_buffer_append(out, "state", 5));
    return GOSSIP_CB_DONE;
}

static void a_shutdown_from_a_question_is_refused(void)
{
    struct questions questions = {.own = open_node("asked"), .shutdown = 1};
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate, .user_data = &questions, .local_state = shut_down_when_asked};
    gossip_t *other = open_node("asking");
    gossip_pool_t *pool = open_pool(questions.own, 1, &delegate), *other_pool = open_pool(other, 1, NULL);

    OK(gossip_start(questions.own, &err));
    OK(gossip_start(other, &err));
    join_two(other_pool, pool, questions.own);
    CHECK(questions.asked >= 1 && questions.shutdown == GOSSIP_ERR_DEADLOCK);
    CHECK(gossip_is_running(questions.own) && questions.asked_by != thread_id());
    gossip_free(questions.own);
    gossip_free(other);
    gossip_pool_free(pool);
    gossip_pool_free(other_pool);
}

static void end_the_other(void *user_data, const gossip_member_t *member)
{
    struct questions *questions = user_data;

    (void)member;
    questions->told_by = thread_id();
    questions->other_shutdown = gossip_shutdown(questions->other, PATIENCE_MS, NULL);
    questions->told++;
}

static void a_callback_can_end_another_node(void)
{
    struct questions questions = {.other = open_node("other"), .other_shutdown = 1};
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate, .user_data = &questions, .notify_join = end_the_other};
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, &delegate);

    OK(gossip_start(questions.other, &err));
    OK(gossip_start(node, &err));
    EVENTUALLY(questions.told == 1);
    CHECK(questions.other_shutdown == GOSSIP_OK && questions.told_by != thread_id());
    gossip_free(node);
    gossip_free(questions.other);
    gossip_pool_free(pool);
}

static void stay_in_the_notification(void *user_data, const gossip_member_t *member)
{
    struct questions *questions = user_data;

    (void)member;
    questions->told++;
    pthread_mutex_lock(&questions->lock);
    pthread_mutex_unlock(&questions->lock);
}

static int32_t answer(void *user_data, int32_t join, gossip_buffer_t *out)
{
    struct questions *questions = user_data;

    (void)join;
    (void)out;
    questions->asked++;
    if (questions->stuck) {
        pthread_mutex_lock(&questions->lock);
        pthread_mutex_unlock(&questions->lock);
    }
    return GOSSIP_CB_DONE;
}

/* Another node joins while a notification, or the answer to its question, does not come. */
static void joins_although(int stuck_in_the_question)
{
    struct questions questions = {.lock = PTHREAD_MUTEX_INITIALIZER, .stuck = stuck_in_the_question};
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate,
        .user_data = &questions,
        .notify_join = stuck_in_the_question ? NULL : stay_in_the_notification,
        .local_state = answer,
    };
    gossip_t *node = open_node("node"), *other = open_node("other");
    gossip_pool_config_t *config = fast_pool(1);
    gossip_pool_t *pool, *other_pool = open_pool(other, 1, NULL);

    OK(gossip_pool_config_set(config, "query_timeout_ms", "50", &err));
    OK(gossip_register_pool(node, config, &delegate, &pool, &err));
    gossip_pool_config_free(config);
    pthread_mutex_lock(&questions.lock);
    OK(gossip_start(node, &err));
    OK(gossip_start(other, &err));
    EVENTUALLY(stuck_in_the_question || questions.told == 1);
    join_two(other_pool, pool, node);
    CHECK(questions.asked >= 1 && (stuck_in_the_question || questions.told == 1));
    pthread_mutex_unlock(&questions.lock);
    gossip_free(node);
    gossip_free(other);
    gossip_pool_free(pool);
    gossip_pool_free(other_pool);
}

static void a_slow_notification_delays_no_question(void)
{
    joins_although(0);
}

static void a_question_without_an_answer_has_a_deadline(void)
{
    joins_although(1);
}

static void ping_who_joined(void *user_data, const gossip_member_t *member)
{
    struct questions *questions = user_data;

    if (strcmp(gossip_member_name(member, NULL), "joining") != 0)
        return;
    questions->told_by = thread_id();
    questions->ping = gossip_pool_ping(questions->other_pool, member, PATIENCE_MS, NULL, NULL);
    questions->told++;
}

static void callbacks_may_call_what_blocks(void)
{
    struct questions questions = {.ping = 1};
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate, .user_data = &questions, .notify_join = ping_who_joined};
    gossip_t *node = open_node("node"), *other = open_node("joining");
    gossip_pool_t *other_pool = open_pool(other, 1, NULL);

    questions.other_pool = open_pool(node, 1, &delegate);
    OK(gossip_start(node, &err));
    OK(gossip_start(other, &err));
    join_two(questions.other_pool, other_pool, other);
    EVENTUALLY(questions.told == 1);
    CHECK(questions.ping == GOSSIP_OK);
    CHECK(questions.told_by != thread_id()); /* not on the stack of the join */
    gossip_free(node);
    gossip_free(other);
    gossip_pool_free(questions.other_pool);
    gossip_pool_free(other_pool);
}

/* ---- free -------------------------------------------------------------------------- */

static void handles_can_be_freed_in_any_order(void)
{
    static const int orders[24][4] = {
        {0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1},
        {1, 0, 2, 3}, {1, 0, 3, 2}, {1, 2, 0, 3}, {1, 2, 3, 0}, {1, 3, 0, 2}, {1, 3, 2, 0},
        {2, 0, 1, 3}, {2, 0, 3, 1}, {2, 1, 0, 3}, {2, 1, 3, 0}, {2, 3, 0, 1}, {2, 3, 1, 0},
        {3, 0, 1, 2}, {3, 0, 2, 1}, {3, 1, 0, 2}, {3, 1, 2, 0}, {3, 2, 0, 1}, {3, 2, 1, 0},
    };

    for (int round = 0; round < 48; round++) {
        atomic_int destroyed = 0;
        gossip_delegate_t delegate = {.struct_size = sizeof delegate, .user_data = &destroyed, .destroy = count};
        gossip_t *node = open_node("node");
        gossip_pool_t *pool = open_pool(node, 1, &delegate);
        gossip_listener_t *listener;
        gossip_packets_t *packets;

        OK(gossip_listen_prefix(node, "SSH-", 4, &listener, &err));
        OK(gossip_packets(node, &packets, &err));
        OK(gossip_start(node, &err));
        if (round >= 24)
            OK(gossip_shutdown(node, PATIENCE_MS, &err));
        for (int i = 0; i < 4; i++)
            switch (orders[round % 24][i]) {
            case 0: gossip_free(node); break;
            case 1: gossip_pool_free(pool); break;
            case 2: gossip_listener_free(listener); break;
            default: gossip_packets_free(packets); break;
            }
        CHECK(destroyed == 1);
    }
}

int main(void)
{
    start_watchdog();
    leaving_twice_is_fine();
    a_node_that_never_started_ends();
    the_port_is_free_at_once();
    blocked_calls_are_woken();
    two_threads_can_shut_down();
    free_waits_for_a_running_callback();
    a_shutdown_that_timed_out_goes_on();
    no_callback_runs_after_shutdown();
    a_shutdown_from_a_question_is_refused();
    a_callback_can_end_another_node();
    a_slow_notification_delays_no_question();
    a_question_without_an_answer_has_a_deadline();
    callbacks_may_call_what_blocks();
    handles_can_be_freed_in_any_order();
    return 0;
}
