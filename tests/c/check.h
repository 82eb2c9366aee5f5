/* What the test programs share: checks that say where they failed, waiting for conditions
 * with a deadline, and nodes on loopback. A program that hangs is killed; valgrind on a busy
 * machine is a hundred times as slow as the program alone. */
#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE 1

#include <gossip/gossip.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, LIFETIME_S = 300 };

#define CHECK(condition) \
    do \
        if (!(condition)) \
            check_failed(__FILE__, __LINE__, #condition); \
    while (0)

/* The status that is expected, or the names of both. */
#define EXPECT(expected, call) check_status(__FILE__, __LINE__, #call, (expected), (call))

/* Success, or the error's message. `call` uses `&err`. */
#define OK(call) \
    do { \
        gossip_error_t *err = NULL; \
        const gossip_status_t check_of_call = (call); \
        check_ok(__FILE__, __LINE__, #call, check_of_call, err); \
        gossip_error_free(err); \
    } while (0)

/* Waits until a condition holds. */
#define EVENTUALLY(condition) \
    do { \
        int64_t deadline = now_ms() + PATIENCE_MS; \
        while (!(condition)) { \
            if (now_ms() > deadline) \
                check_failed(__FILE__, __LINE__, #condition); \
            pause_ms(5); \
        } \
    } while (0)

static inline void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    _exit(1);
}

static inline void check_status(const char *file, int line, const char *call, gossip_status_t expected,
                                gossip_status_t status)
{
    if (status == expected)
        return;
    fprintf(stderr, "%s:%d: %s, must be %s: %s\n", file, line, gossip_status_name(status),
            gossip_status_name(expected), call);
    _exit(1);
}

static inline void check_ok(const char *file, int line, const char *call, gossip_status_t status,
                            const gossip_error_t *err)
{
    if (status == GOSSIP_OK)
        return;
    fprintf(stderr, "%s:%d: %s (%s): %s\n", file, line, gossip_status_name(status),
            gossip_error_message(err), call);
    _exit(1);
}

static inline int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void pause_ms(long ms)
{
    struct timespec span = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&span, NULL);
}

/* Entries of a folder such as /proc/self/fd, or -1. */
static inline int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;

    if (folder == NULL)
        return -1;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* The number by which the kernel knows this thread. */
static inline long thread_id(void)
{
    return syscall(SYS_gettid);
}

/* Whether a thread of this process is blocked in the kernel. */
static inline int is_asleep(long thread)
{
    char path[64], line[256] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", thread);
    file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    const char *state = strrchr(line, ')'); /* 12 (name) S ... */
    return state != NULL && strlen(state) > 2 && state[2] == 'S';
}

/* A node on loopback with a free port. */
static inline gossip_t *open_node(const char *name)
{
    gossip_config_t *config;
    gossip_t *node;

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_config_set(config, "name", name, &err));
    OK(gossip_config_set(config, "bind_addr", "127.0.0.1", &err));
    OK(gossip_config_set(config, "bind_port", "0", &err));
    OK(gossip_new(config, &node, &err));
    gossip_config_free(config);
    return node;
}

/* A configuration that is fast enough for tests. */
static inline gossip_pool_config_t *fast_pool(int32_t id)
{
    gossip_pool_config_t *config;

    OK(gossip_pool_config_new(id, GOSSIP_PRESET_LOCAL, &config, &err));
    OK(gossip_pool_config_set(config, "probe_interval_ms", "200", &err));
    OK(gossip_pool_config_set(config, "probe_timeout_ms", "100", &err));
    OK(gossip_pool_config_set(config, "gossip_interval_ms", "20", &err));
    /* On a busy machine an exchange may take long. */
    OK(gossip_pool_config_set(config, "tcp_timeout_ms", "20000", &err));
    /* In a pool of two, each broadcast goes out once, so that tests can count. */
    OK(gossip_pool_config_set(config, "retransmit_mult", "1", &err));
    return config;
}

/* A pool of that kind. */
static inline gossip_pool_t *open_pool(gossip_t *node, int32_t id, const gossip_delegate_t *delegate)
{
    gossip_pool_config_t *config = fast_pool(id);
    gossip_pool_t *pool;

    OK(gossip_register_pool(node, config, delegate, &pool, &err));
    gossip_pool_config_free(config);
    return pool;
}

/* The address of a node as text; a static buffer for each of the last two calls. */
static inline const char *addr_of(const gossip_t *node)
{
    static char texts[2][GOSSIP_ADDR_TEXT_SIZE];
    static int turn;
    gossip_addr_t addr;

    turn = !turn;
    EXPECT(GOSSIP_OK, gossip_local_addr(node, &addr));
    EXPECT(GOSSIP_OK, gossip_addr_format(&addr, texts[turn], sizeof texts[turn], NULL));
    return texts[turn];
}

static inline size_t num_members(const gossip_pool_t *pool)
{
    size_t count = 0;
    EXPECT(GOSSIP_OK, gossip_pool_num_members(pool, &count));
    return count;
}

/* Joins, and waits until both sides know both. */
static inline void join_two(const gossip_pool_t *pool, const gossip_pool_t *other, const gossip_t *other_node)
{
    const char *seed = addr_of(other_node);
    gossip_joined_t *joined;

    OK(gossip_pool_join(pool, &seed, 1, PATIENCE_MS, &joined, &err));
    CHECK(gossip_joined_reached(joined) == 1);
    gossip_joined_free(joined);
    EVENTUALLY(num_members(pool) == 2 && num_members(other) == 2);
}

/* Called first: nothing here may hang the build. */
static inline void start_watchdog(void)
{
    alarm(LIFETIME_S);
}

#endif
