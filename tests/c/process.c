/* A good guest in its process: signals, and forks. */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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

int main(void)
{
    start_watchdog();
    threads_of_the_library_block_all_signals();
    callbacks_run_with_all_signals_blocked();
    so_do_the_short_lived_ones();
    a_child_can_only_free();
    return 0;
}
