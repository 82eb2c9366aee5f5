/* The calls that a program makes most, through the C interface; rust/src/interface.rs makes the
 * same without it, so that the difference is what the interface costs. Prints a line of JSON for
 * each figure: nanoseconds for each call or thing, and how often the measuring thread allocated. */
#define _GNU_SOURCE 1

#include <gossip/gossip.h>

#include "../../tests/c/counting.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS = 31,
    MEMBERS = 1000,
    EVENTS = 1000,
    CHUNK = 40,
    BATCH = 64,
    CONNECTIONS = 32, /* far fewer at once than one address may have while they say whom they want */
    BROADCASTS = 500,
    ID = 0x0101,
    PATIENCE_MS = 30000
};

static gossip_t *node;
static gossip_pool_t *pool;
static gossip_queue_t *queue;
static gossip_listener_t *listener;
static gossip_addr_t local;
static volatile uintptr_t sink;

static void ok(gossip_status_t status, gossip_error_t *err, const char *what)
{
    if (status == GOSSIP_OK)
        return;
    fprintf(stderr, "%s: %s %s\n", what, gossip_status_name(status), gossip_error_message(err));
    exit(1);
}

#define OK(call) \
    do { \
        gossip_error_t *err = NULL; \
        gossip_status_t status_ = (call); \
        ok(status_, err, #call); \
        (void)err; \
    } while (0)

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t told(void)
{
    uint64_t accepted = 0;
    OK(gossip_queue_stats(queue, &accepted, NULL, NULL, NULL));
    return accepted;
}

static uint64_t unaccepted(void)
{
    uint64_t pending = 0;
    OK(gossip_listener_stats(listener, NULL, NULL, &pending, NULL));
    return pending;
}

static void until(uint64_t (*count)(void), uint64_t expected)
{
    double deadline = now_ns() + PATIENCE_MS * 1e6;
    while (count() < expected) {
        const struct timespec pause = {0, 1000000};
        if (now_ns() > deadline) {
            fprintf(stderr, "it takes too long\n");
            exit(1);
        }
        nanosleep(&pause, NULL);
    }
}

static void snapshot(void)
{
    gossip_members_t *members;
    OK(gossip_pool_members(pool, &members));
    sink = (uintptr_t)members;
    gossip_members_free(members);
}

static void read_members(void)
{
    gossip_members_t *members;
    size_t i, count;

    OK(gossip_pool_members(pool, &members));
    count = gossip_members_len(members);
    for (i = 0; i < count; i++) {
        const gossip_member_t *member = gossip_members_get(members, i);
        size_t name_len, meta_len;
        gossip_addr_t addr;
        sink = (uintptr_t)gossip_member_name(member, &name_len);
        sink = (uintptr_t)gossip_member_meta(member, &meta_len);
        OK(gossip_member_addr(member, &addr));
        sink = (uintptr_t)gossip_member_state(member) + addr.port + name_len + meta_len;
    }
    gossip_members_free(members);
}

static void send_messages(void)
{
    static const char message[100];
    const uint64_t before = told();
    uint64_t sent;

    /* Few at a time: the socket's buffer need not hold them all. What else happens is told, too. */
    for (sent = 1; sent <= EVENTS; sent++) {
        OK(gossip_pool_send_to_address(pool, &local, message, sizeof message, &err));
        if (sent % CHUNK == 0)
            until(told, before + sent);
    }
}

static void take_events(void)
{
    int taken = 0;

    while (taken < EVENTS) {
        gossip_event_t *events[BATCH];
        size_t i, count;
        OK(gossip_queue_poll_batch(queue, PATIENCE_MS, events, BATCH, &count));
        for (i = 0; i < count; i++) {
            size_t len;
            gossip_addr_t from;
            if (gossip_event_type(events[i]) == GOSSIP_EVENT_MESSAGE) {
                sink = (uintptr_t)gossip_event_data(events[i], &len);
                OK(gossip_event_from(events[i], &from));
                sink = len + from.port;
                taken++;
            }
            gossip_event_free(events[i]);
        }
    }
}

static int clients[CONNECTIONS], accepted[CONNECTIONS];

static void connect_clients(void)
{
    struct sockaddr_in to = {0};
    const unsigned char id[2] = {ID >> 8, ID & 0xff};
    int i;

    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(local.port);
    for (i = 0; i < CONNECTIONS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(clients[i], (struct sockaddr *)&to, sizeof to) != 0 || write(clients[i], id, 2) != 2) {
            perror("connect");
            exit(1);
        }
    }
    until(unaccepted, CONNECTIONS);
}

static void accept_all(void)
{
    int i;
    for (i = 0; i < CONNECTIONS; i++) {
        gossip_addr_t peer;
        OK(gossip_listener_accept(listener, 0, 0, &accepted[i], &peer));
        sink = peer.port;
    }
}

static void close_all(void)
{
    int i;
    for (i = 0; i < CONNECTIONS; i++) {
        close(clients[i]);
        close(accepted[i]);
    }
}

static void broadcast_all(void)
{
    static const char message[100];
    int i;

    for (i = 0; i < BROADCASTS; i++)
        OK(gossip_pool_broadcast(pool, message, sizeof message, 0, &err));
}

static void nothing(void)
{
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void measure(const char *figure, int rounds, int count, void (*before)(void), void (*work)(void),
                    void (*after)(void))
{
    double samples[ROUNDS];
    long made = 0;
    int round;

    for (round = 0; round < rounds; round++) {
        double begun;
        before();
        made = allocations;
        begun = now_ns();
        work();
        samples[round] = (now_ns() - begun) / count;
        made = allocations - made;
        after();
    }
    qsort(samples, (size_t)rounds, sizeof samples[0], by_size);
    printf("{\"figure\": \"%s\", \"ns\": %.1f, \"allocations\": %.3f}\n", figure, samples[rounds / 2],
           (double)made / count);
}

static void open_node(void)
{
    gossip_config_t *config;
    gossip_pool_config_t *bare;

    OK(gossip_config_new(&config));
    OK(gossip_config_set(config, "name", "bench", &err));
    OK(gossip_config_set(config, "bind_addr", "127.0.0.1", &err));
    OK(gossip_config_set(config, "bind_port", "0", &err));
    OK(gossip_new(config, &node, &err));
    gossip_config_free(config);
    OK(gossip_queue_new(2 * EVENTS, 64 << 20, &queue));
    OK(gossip_pool_config_new(1, GOSSIP_PRESET_LAN, &bare, &err));
    OK(gossip_pool_config_set(bare, "framing", "bare", &err));
    /* The members are not there; they are left in peace. */
    OK(gossip_pool_config_set(bare, "probe_interval_ms", "3600000", &err));
    OK(gossip_pool_config_set(bare, "push_pull_interval_ms", "0", &err));
    OK(gossip_pool_config_set_queue(bare, queue, 1, GOSSIP_ASK_NOTHING, &err));
    OK(gossip_register_pool(node, bare, NULL, &pool, &err));
    gossip_pool_config_free(bare);
    OK(gossip_listen(node, ID, &listener, &err));
    OK(gossip_start(node, &err));
    OK(gossip_local_addr(node, &local));
}

static uint64_t members_known(void)
{
    size_t count = 0;
    OK(gossip_pool_num_members(pool, &count));
    return count;
}

int main(int argc, char **argv)
{
    const char *seed = argc == 2 ? argv[1] : NULL;
    gossip_event_t *event;

    if (seed == NULL) {
        fprintf(stderr, "usage: interface HOST:PORT\n");
        return 2;
    }
    open_node();
    OK(gossip_pool_join(pool, &seed, 1, PATIENCE_MS, NULL, &err));
    until(members_known, MEMBERS + 1);
    while (gossip_queue_poll(queue, 0, &event) == GOSSIP_OK)
        gossip_event_free(event);

    measure("snapshot", ROUNDS, 1, nothing, snapshot, nothing);
    measure("member", ROUNDS, MEMBERS, nothing, read_members, nothing);
    measure("event", ROUNDS, EVENTS, send_messages, take_events, nothing);
    measure("accept", ROUNDS, CONNECTIONS, connect_clients, accept_all, close_all);
    measure("broadcast", 1, BROADCASTS, nothing, broadcast_all, nothing);
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    return 0;
}
