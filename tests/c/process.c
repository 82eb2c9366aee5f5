/* A good guest in its process: signals, threads, and forks.
 *
 * The promise                                       is shown by
 * ------------------------------------------------  -------------------------------------------------
 * library threads block all signals                 threads_of_the_library_block_all_signals,
 *                                                   callbacks_run_with_all_signals_blocked,
 *                                                   so_do_the_short_lived_ones
 * dispositions and sigaltstack are never touched    threads_of_the_library_block_all_signals; loading.c
 * no SIGPIPE                                        peers_that_vanish_raise_no_sigpipe
 * threads have names                                threads_of_the_library_have_names
 * all descriptors are close-on-exec                 descriptors.c: nothing_of_the_library_survives_exec
 * after a fork: FORKED, and free frees memory only  a_child_can_only_free
 * a child may have nodes of its own                the_threads_of_a_child_are_woken
 * nothing happens at load time, nothing stays       loading.c
 * a panic becomes a status                          border.rs: a_panic_becomes_a_status_and_an_error
 * threads, descriptors, memory are given back       soak.c, runtime_resources.rs
 */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* The signal mask of a thread as the kernel shows it: blocks all, but the two that nobody
 * can block and the two that the C library keeps for itself. */
static int blocks_all_signals(const char *thread)
{
    char path[300], line[256];
    unsigned long long mask = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    file = fopen(path, "r");
    if (file == NULL)
        return 1; /* it has ended */
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "SigBlk:", 7) == 0)
            mask = strtoull(line + 7, NULL, 16);
    fclose(file);
    for (int signal = 1; signal < SIGRTMIN; signal++)
        if (signal != SIGKILL && signal != SIGSTOP && signal < 32 && !(mask >> (signal - 1) & 1))
            return 0;
    return 1;
}

/* Counts the callbacks that were called with all signals blocked, and those that were not. */
struct masks {
    atomic_int blocked, open;
};

static void look_at_mask(struct masks *masks)
{
    char own[16];

    snprintf(own, sizeof own, "%ld", thread_id());
    if (blocks_all_signals(own))
        masks->blocked++;
    else
        masks->open++;
}

static void on_join(void *user_data, const gossip_member_t *member)
{
    (void)member;
    look_at_mask(user_data);
}

static int32_t on_local_state(void *user_data, int32_t join, gossip_buffer_t *out)
{
    (void)join;
    (void)out;
    look_at_mask(user_data);
    return GOSSIP_CB_DONE;
}

static void callbacks_run_with_all_signals_blocked(void)
{
    struct masks masks = {0};
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate,
        .user_data = &masks,
        .notify_join = on_join,
        .local_state = on_local_state,
    };
    gossip_t *node = open_node("node"), *other = open_node("other");
    gossip_pool_t *pool = open_pool(node, 1, &delegate), *other_pool = open_pool(other, 1, NULL);

    OK(gossip_start(node, &err));
    OK(gossip_start(other, &err));
    join_two(other_pool, pool, node);
    EVENTUALLY(masks.blocked + masks.open >= 3); /* two joins, one state */
    CHECK(masks.open == 0);
    gossip_free(node);
    gossip_free(other);
    gossip_pool_free(pool);
    gossip_pool_free(other_pool);
}

static void threads_of_the_library_block_all_signals(void)
{
    gossip_t *node = open_node("node");
    gossip_delegate_t delegate = {.struct_size = sizeof delegate};
    struct dirent *entry;
    struct sigaction before, after;
    sigset_t mask;
    char own[16];
    int seen = 0;
    DIR *folder;

    CHECK(sigaction(SIGPIPE, NULL, &before) == 0);
    OK(gossip_start(node, &err));
    gossip_pool_t *pool = open_pool(node, 1, &delegate);
    snprintf(own, sizeof own, "%ld", thread_id());
    folder = opendir("/proc/self/task");
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, own) == 0)
            continue;
        if (!blocks_all_signals(entry->d_name)) {
            fprintf(stderr, "thread %s takes signals\n", entry->d_name);
            _exit(1);
        }
        seen++;
    }
    closedir(folder);
    CHECK(seen >= 2);
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
    CHECK(!sigismember(&mask, SIGINT) && !sigismember(&mask, SIGTERM));
    CHECK(sigaction(SIGPIPE, NULL, &after) == 0 && after.sa_handler == before.sa_handler);
    gossip_free(node);
    gossip_pool_free(pool);
}

/* Threads that would take signals, made since this was last 0. */
static atomic_int open_to_signals;

/* Stands before the C library's, for the library too. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    sigset_t mask;

    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && !sigismember(&mask, SIGTERM))
        open_to_signals++;
    return real(thread, attr, start, arg);
}

static void so_do_the_short_lived_ones(void)
{
    gossip_t *node = open_node("node");
    gossip_fd_t fd;

    open_to_signals = 0;
    OK(gossip_start(node, &err));
    CHECK(gossip_dial("localhost:1", GOSSIP_DIAL_NATIVE, 5000, 0, &fd, NULL) != GOSSIP_OK);
    CHECK(open_to_signals == 0);
    OK(gossip_shutdown(node, 5000, &err));
    CHECK(open_to_signals == 0);
    gossip_free(node);
    CHECK(open_to_signals == 0);
}

/* ---- SIGPIPE ------------------------------------------------------------------------ */

static void reset_and_close(int fd)
{
    struct linger at_once = {1, 0};

    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close(fd);
}

/* The disposition is the default, so one signal would end this program. */
static void peers_that_vanish_raise_no_sigpipe(void)
{
    /* Beginnings of push/pull and of nothing, to which a pool answers if it can. */
    static const char *const openings[] = {"", "\xfe", "\xfe\x01", "\xfe\x01\x06\x83", "GET"};
    gossip_t *node = open_node("node"), *other;
    gossip_pool_t *pool = open_pool(node, 1, NULL), *other_pool;
    gossip_listener_t *listener;
    struct sigaction action;
    gossip_fd_t fd;

    CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    OK(gossip_listen_tcp(node, &listener, &err));
    OK(gossip_start(node, &err));
    for (int round = 0; round < 20; round++)
        for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
            OK(gossip_dial(addr_of(node), GOSSIP_DIAL_NATIVE, PATIENCE_MS, 0, &fd, &err));
            CHECK(send(fd, openings[i], strlen(openings[i]), MSG_NOSIGNAL) >= 0);
            reset_and_close(fd);
        }
    /* A member that dies in the middle of everything. */
    other = open_node("other");
    other_pool = open_pool(other, 1, NULL);
    OK(gossip_start(other, &err));
    join_two(pool, other_pool, other);
    gossip_free(other);
    gossip_pool_free(other_pool);
    for (int i = 0; i < 20; i++)
        gossip_pool_broadcast(pool, "hello", 5, 0, NULL);
    EVENTUALLY(num_members(pool) == 1); /* probed in vain, over TCP as well */
    gossip_listener_free(listener);
    gossip_free(node);
    gossip_pool_free(pool);
}

/* ---- threads ------------------------------------------------------------------------ */

static int has_thread(const char *prefix)
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    int found = 0;

    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue;
        if (fgets(name, sizeof name, file) != NULL && strncmp(name, prefix, strlen(prefix)) == 0)
            found = 1;
        fclose(file);
    }
    closedir(folder);
    return found;
}

static void threads_of_the_library_have_names(void)
{
    struct masks masks = {0};
    gossip_delegate_t delegate = {.struct_size = sizeof delegate, .user_data = &masks, .notify_join = on_join};
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, &delegate);

    CHECK(!has_thread("gossip-"));
    OK(gossip_start(node, &err));
    EVENTUALLY(has_thread("gossip-io-0") && has_thread("gossip-io-1") && has_thread("gossip-cb-"));
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    EVENTUALLY(!has_thread("gossip-"));
    gossip_free(node);
    gossip_pool_free(pool);
}

/* ---- fork --------------------------------------------------------------------------- */

static void count(void *user_data)
{
    ++*(atomic_int *)user_data;
}

static void a_child_can_only_free(void)
{
    atomic_int destroyed = 0;
    gossip_delegate_t delegate = {.struct_size = sizeof delegate, .user_data = &destroyed, .destroy = count};
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, &delegate), *again = NULL;
    gossip_listener_t *listener;
    gossip_packets_t *packets;
    gossip_queue_t *queue;
    gossip_event_t *event, *question, *no_event = NULL;
    gossip_members_t *members, *none = NULL;
    int result = -1;
    pid_t child;

    OK(gossip_listen(node, 1, &listener, &err));
    OK(gossip_packets(node, &packets, &err));
    EXPECT(GOSSIP_OK, gossip_queue_new(100, 1 << 20, &queue));
    gossip_pool_config_t *config = fast_pool(2);
    OK(gossip_pool_config_set(config, "query_timeout_ms", "20000", &err));
    OK(gossip_pool_config_set_queue(config, queue, 0, GOSSIP_ASK_ALIVE, &err));
    OK(gossip_register_pool(node, config, NULL, NULL, &err));
    OK(gossip_start(node, &err));
    EXPECT(GOSSIP_OK, gossip_pool_members(pool, &members));
    EXPECT(GOSSIP_OK, gossip_queue_poll(queue, PATIENCE_MS, &event));
    CHECK(gossip_event_type(event) == GOSSIP_EVENT_JOIN);
    const char *seed = addr_of(node);
    gossip_t *other = open_node("other");
    gossip_pool_t *other_pool = open_pool(other, 2, NULL);
    OK(gossip_start(other, &err));
    OK(gossip_pool_join(other_pool, &seed, 1, PATIENCE_MS, NULL, &err));
    EXPECT(GOSSIP_OK, gossip_queue_poll(queue, PATIENCE_MS, &question));
    CHECK(gossip_event_type(question) == GOSSIP_EVENT_ASK_ALIVE);

    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        gossip_error_t *err;
        gossip_addr_t addr;
        gossip_fd_t fd;
        size_t n;

        start_watchdog();
        EXPECT(GOSSIP_ERR_FORKED, gossip_start(node, &err));
        CHECK(strstr(gossip_error_message(err), "fork") != NULL);
        gossip_error_free(err);
        EXPECT(GOSSIP_ERR_FORKED, gossip_shutdown(node, -1, NULL));
        EXPECT(GOSSIP_ERR_FORKED, gossip_leave(node, -1, NULL));
        EXPECT(GOSSIP_ERR_FORKED, gossip_local_addr(node, &addr));
        EXPECT(GOSSIP_ERR_FORKED, gossip_get_pool(node, 1, &again));
        EXPECT(GOSSIP_ERR_FORKED, gossip_pool_join(pool, &seed, 1, -1, NULL, NULL));
        EXPECT(GOSSIP_ERR_FORKED, gossip_pool_members(pool, &none));
        EXPECT(GOSSIP_ERR_FORKED, gossip_pool_num_members(pool, &n));
        EXPECT(GOSSIP_ERR_FORKED, gossip_pool_broadcast(pool, "x", 1, -1, NULL));
        EXPECT(GOSSIP_ERR_FORKED, gossip_listener_accept(listener, -1, 0, &fd, NULL));
        EXPECT(GOSSIP_ERR_FORKED, gossip_packets_close(packets));
        EXPECT(GOSSIP_ERR_FORKED, gossip_listener_fd(listener, &fd));
        EXPECT(GOSSIP_ERR_FORKED, gossip_packets_fd(packets, &fd));
        EXPECT(GOSSIP_ERR_FORKED, gossip_queue_fd(queue, &fd));
        EXPECT(GOSSIP_ERR_FORKED, gossip_queue_poll(queue, -1, &no_event));
        EXPECT(GOSSIP_ERR_FORKED, gossip_queue_close(queue));
        EXPECT(GOSSIP_ERR_FORKED, gossip_event_reply_verdict(question, GOSSIP_VERDICT_ACCEPT, NULL));
        CHECK(gossip_event_type(event) == GOSSIP_EVENT_JOIN); /* as a snapshot */
        gossip_event_free(event);
        gossip_event_free(question);
        gossip_queue_free(queue);
        gossip_pool_config_free(config);
        CHECK(!gossip_is_running(node));
        CHECK(gossip_members_len(members) == 1); /* a snapshot is only memory */
        gossip_members_free(members);
        gossip_listener_free(listener);
        gossip_packets_free(packets);
        gossip_pool_free(pool);
        gossip_free(node);
        CHECK(destroyed == 0); /* that is the parent's to do */

        node = open_node("child"); /* a node of its own works */
        OK(gossip_start(node, &err));
        gossip_free(node);
        _exit(0);
    }
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 0);

    CHECK(num_members(pool) == 1);
    gossip_free(node);
    CHECK(destroyed == 1);
    gossip_members_free(members);
    gossip_listener_free(listener);
    gossip_packets_free(packets);
    gossip_event_free(event);
    gossip_event_free(question);
    gossip_free(other);
    gossip_pool_free(other_pool);
    gossip_queue_free(queue);
    gossip_pool_config_free(config);
    gossip_pool_free(pool);
}

static void on_record(void *user_data, const gossip_record_t *record)
{
    (void)user_data;
    (void)record;
}

/* The child has no thread that could call back, and owes only what it was given itself. */
static void a_child_logs_nothing(void)
{
    atomic_int destroyed = 0, late = 0;
    gossip_t *node = open_node("node");
    int result = -1;

    OK(gossip_set_log(node, GOSSIP_LOG_INFO, on_record, &destroyed, count, &err));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        gossip_stats_t *stats;
        start_watchdog();
        EXPECT(GOSSIP_ERR_FORKED, gossip_set_log(node, GOSSIP_LOG_INFO, on_record, &late, count, NULL));
        EXPECT(GOSSIP_ERR_FORKED, gossip_log_stats(node, &stats));
        gossip_free(node);
        _exit(late == 1 && destroyed == 0 ? 0 : 1);
    }
    CHECK(waitpid(child, &result, 0) == child && WIFEXITED(result) && WEXITSTATUS(result) == 0);
    gossip_free(node);
    CHECK(destroyed == 1 && late == 0);
}

enum { CROWD = 16 };

/* So many nodes whose threads wait for something to log. */
static void open_crowd(gossip_t **nodes)
{
    for (int number = 0; number < CROWD; number++) {
        nodes[number] = open_node("crowd");
        OK(gossip_set_log(nodes[number], GOSSIP_LOG_ERROR, on_record, NULL, NULL, &err));
    }
}

/* The child has the stacks of the parent's threads for its own, and with them whatever is kept under
 * their addresses of who waits for what. */
static void the_threads_of_a_child_are_woken(void)
{
    gossip_t *nodes[CROWD], *own[CROWD];

    open_crowd(nodes);
    for (int number = 0; number < 10; number++) {
        int result = -1;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            start_watchdog();
            open_crowd(own);
            for (int one = 0; one < CROWD; one++) {
                OK(gossip_shutdown(own[one], PATIENCE_MS, &err));
                gossip_free(own[one]);
            }
            _exit(0);
        }
        CHECK(waitpid(child, &result, 0) == child && WIFEXITED(result) && WEXITSTATUS(result) == 0);
    }
    for (int one = 0; one < CROWD; one++)
        gossip_free(nodes[one]);
}

int main(void)
{
    start_watchdog();
    threads_of_the_library_block_all_signals();
    callbacks_run_with_all_signals_blocked();
    so_do_the_short_lived_ones();
    threads_of_the_library_have_names();
    peers_that_vanish_raise_no_sigpipe();
    a_child_can_only_free();
    a_child_logs_nothing();
#ifndef __SANITIZE_ADDRESS__
    /* The sanitizer's allocator takes no heed of forks: for a lock that a thread of the parent holds at that
     * moment, as those do that have just begun, the child's threads wait for ever. */
    the_threads_of_a_child_are_woken();
#else
    (void)the_threads_of_a_child_are_woken;
#endif
    return 0;
}
