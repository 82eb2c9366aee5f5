/* The event queue: pools, a listener and datagrams in one thread, batches, overflow, ends. */
#include "queue.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

enum { BLUE_TAG = 100, GREEN_TAG = 200, MANY = 10000 };

static int is_readable(gossip_fd_t fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    CHECK(poll(&watched, 1, 0) >= 0);
    return (watched.revents & POLLIN) != 0;
}

/* ---- one thread for everything ---------------------------------------------------- */

struct heard {
    int joins[2], messages[2], reliable, connections, datagrams;
};

static void hear_events(gossip_queue_t *queue, struct heard *heard)
{
    gossip_event_t *event;

    while (gossip_queue_poll(queue, 0, &event) == GOSSIP_OK) {
        uint64_t tag = gossip_event_tag(event);
        int green = gossip_event_pool_id(event) == GREEN;
        CHECK(tag == (green ? GREEN_TAG : BLUE_TAG));
        switch (gossip_event_type(event)) {
        case GOSSIP_EVENT_JOIN:
            heard->joins[green] += is_member(gossip_event_member(event), "peer");
            break;
        case GOSSIP_EVENT_MESSAGE: {
            gossip_addr_t from;
            CHECK(is_text(event, green ? "to green" : "to blue"));
            EXPECT(GOSSIP_OK, gossip_event_from(event, &from));
            CHECK(from.family == 4 && from.port != 0 && gossip_event_member(event) == NULL);
            heard->messages[green]++;
            heard->reliable += gossip_event_is_reliable(event);
            break;
        }
        case GOSSIP_EVENT_PING_COMPLETE:
            CHECK(gossip_event_rtt_ns(event) > 0 && is_member(gossip_event_member(event), "peer"));
            break;
        default:
            break;
        }
        gossip_event_free(event);
    }
}

static int heard_all(const struct heard *heard)
{
    return heard->joins[0] == 1 && heard->joins[1] == 1 && heard->messages[0] == 1 && heard->messages[1] == 1 &&
           heard->reliable == 1 && heard->connections == 1 && heard->datagrams == 1;
}

static void one_thread_serves_two_pools_a_listener_and_datagrams(void)
{
    gossip_t *node = open_node("node"), *peer = open_node("peer");
    gossip_queue_t *queue = open_queue(ROOMY);
    gossip_pool_t *pools[] = {queue_pool(node, fast_pool(BLUE), queue, BLUE_TAG, 0), queue_pool(node, fast_pool(GREEN), queue, GREEN_TAG, 0)};
    gossip_pool_t *peers[] = {open_pool(peer, BLUE, NULL), open_pool(peer, GREEN, NULL)};
    gossip_listener_t *listener;
    gossip_packets_t *packets, *sender;
    struct pollfd watched[3] = {{.events = POLLIN}, {.events = POLLIN}, {.events = POLLIN}};
    struct heard heard = {0};
    gossip_fd_t dialed, again;
    gossip_addr_t addr;
    gossip_members_t *members;

    OK(gossip_listen(node, 0x0101, &listener, &err));
    OK(gossip_packets(node, &packets, &err));
    OK(gossip_packets(peer, &sender, &err));
    EXPECT(GOSSIP_OK, gossip_queue_fd(queue, &watched[0].fd));
    EXPECT(GOSSIP_OK, gossip_listener_fd(listener, &watched[1].fd));
    EXPECT(GOSSIP_OK, gossip_packets_fd(packets, &watched[2].fd));
    EXPECT(GOSSIP_OK, gossip_queue_fd(queue, &again));
    CHECK(again == watched[0].fd);
    CHECK(poll(watched, 3, 0) == 0);

    OK(gossip_start(node, &err));
    OK(gossip_start(peer, &err));
    for (int i = 0; i < 2; i++)
        join_two(peers[i], pools[i], node);
    OK(gossip_pool_broadcast(peers[0], "to blue", 7, 0, &err));
    EXPECT(GOSSIP_OK, gossip_pool_members(peers[1], &members));
    OK(gossip_pool_send_reliable(peers[1], gossip_members_find(members, "node", 4), "to green", 8, PATIENCE_MS, NULL, &err));
    gossip_members_free(members);
    OK(gossip_dial(addr_of(node), 0x0101, PATIENCE_MS, GOSSIP_FD_BLOCKING, &dialed, &err));
    EXPECT(GOSSIP_OK, gossip_local_addr(node, &addr));
    OK(gossip_packets_send(sender, &addr, "datagram", 8, &err));

    while (!heard_all(&heard)) {
        char data[64];
        gossip_fd_t fd;
        size_t len;

        CHECK(poll(watched, 3, PATIENCE_MS) > 0);
        if (watched[0].revents)
            hear_events(queue, &heard);
        while (watched[1].revents && gossip_listener_accept(listener, 0, GOSSIP_FD_NONBLOCK, &fd, NULL) == GOSSIP_OK) {
            heard.connections++;
            close(fd);
        }
        while (watched[2].revents && gossip_packets_recv(packets, data, sizeof data, &len, NULL, 0) == GOSSIP_OK)
            heard.datagrams += len == 8;
    }
    CHECK(!is_readable(watched[1].fd) && !is_readable(watched[2].fd));

    /* What has ended is readable for ever, and says so. */
    gossip_free(node);
    gossip_event_free(await(queue, GOSSIP_EVENT_SHUTDOWN));
    gossip_event_free(await(queue, GOSSIP_EVENT_SHUTDOWN));
    CHECK(!is_readable(watched[0].fd)); /* the queue has not */
    CHECK(is_readable(watched[1].fd) && is_readable(watched[2].fd));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_listener_accept(listener, 0, GOSSIP_FD_BLOCKING, &again, NULL));
    close(dialed);
    gossip_queue_free(queue);
    gossip_listener_free(listener);
    gossip_packets_free(packets);
    gossip_free(peer);
    gossip_packets_free(sender);
    for (int i = 0; i < 2; i++) {
        gossip_pool_free(pools[i]);
        gossip_pool_free(peers[i]);
    }
}

/* ---- many messages, too many messages ----------------------------------------------- */

/* "sender" sends to "receiver", whose pool tells `queue`. */
struct pair {
    gossip_t *sender, *receiver;
    gossip_pool_t *sender_pool, *receiver_pool;
    gossip_addr_t addr;
};

static void open_pair(struct pair *pair, gossip_queue_t *queue)
{
    pair->sender = open_node("sender");
    pair->receiver = open_node("receiver");
    pair->sender_pool = open_pool(pair->sender, BLUE, NULL);
    pair->receiver_pool = queue_pool(pair->receiver, fast_pool(BLUE), queue, 0, 0);
    OK(gossip_start(pair->sender, &err));
    OK(gossip_start(pair->receiver, &err));
    EXPECT(GOSSIP_OK, gossip_local_addr(pair->receiver, &pair->addr));
}

static void close_pair(struct pair *pair)
{
    gossip_pool_free(pair->sender_pool);
    gossip_pool_free(pair->receiver_pool);
    gossip_free(pair->sender);
    gossip_free(pair->receiver);
}

static void send_number(struct pair *pair, uint32_t number)
{
    OK(gossip_pool_send_to_address(pair->sender_pool, &pair->addr, &number, sizeof number, &err));
}

static void a_batch_loop_loses_nothing(uint32_t many)
{
    enum { AHEAD = 64 }; /* datagrams: no more under way than every buffer holds */
    gossip_queue_t *queue = open_queue(ROOMY);
    gossip_event_t *batch[50];
    char *seen = calloc(many, 1);
    uint32_t sent = 0, received = 0;
    uint64_t dropped = 1;
    struct pair pair;

    CHECK(seen != NULL);
    open_pair(&pair, queue);
    while (received < many) {
        size_t count = 0;
        while (sent < many && sent < received + AHEAD)
            send_number(&pair, sent++);
        EXPECT(GOSSIP_OK, gossip_queue_poll_batch(queue, PATIENCE_MS, batch, 50, &count));
        CHECK(count >= 1 && count <= 50);
        for (size_t i = 0; i < count; i++) {
            if (gossip_event_type(batch[i]) == GOSSIP_EVENT_MESSAGE) {
                uint32_t number;
                memcpy(&number, gossip_event_data(batch[i], NULL), sizeof number);
                CHECK(number < many && !seen[number]);
                seen[number] = 1;
                received++;
            }
            gossip_event_free(batch[i]);
        }
    }
    EXPECT(GOSSIP_OK, gossip_queue_stats(queue, NULL, &dropped, NULL, NULL));
    CHECK(dropped == 0);
    close_pair(&pair);
    gossip_queue_free(queue);
    free(seen);
}

static void what_a_full_queue_drops_is_told(void)
{
    enum { ROOM = 10, SENT = 50 };
    gossip_queue_t *queue = open_queue(ROOM);
    uint64_t accepted = 0, dropped = 0, pending = 0, limit = 0;
    uint64_t told = 0, messages = 0, joins = 0;
    gossip_event_t *event;
    struct pair pair;

    open_pair(&pair, queue);
    for (uint32_t i = 0; i < SENT; i++)
        send_number(&pair, i);
    EVENTUALLY((EXPECT(GOSSIP_OK, gossip_queue_stats(queue, &accepted, &dropped, &pending, &limit)),
                accepted + dropped >= SENT + 1));
    /* The receiver's own join takes no room from messages. */
    CHECK(limit == ROOM && pending == ROOM + 1 && accepted == ROOM + 1);
    join_two(pair.sender_pool, pair.receiver_pool, pair.receiver); /* comes for all that */
    while (joins < 2) {
        EXPECT(GOSSIP_OK, gossip_queue_poll(queue, PATIENCE_MS, &event));
        if (gossip_event_type(event) == GOSSIP_EVENT_OVERFLOW) {
            CHECK(gossip_event_pool_id(event) == -1 && gossip_event_tag(event) == 0);
            told += gossip_event_dropped(event);
        } else {
            CHECK(told > 0 && gossip_event_dropped(event) == 0); /* told first */
            messages += gossip_event_type(event) == GOSSIP_EVENT_MESSAGE;
            joins += gossip_event_type(event) == GOSSIP_EVENT_JOIN;
        }
        gossip_event_free(event);
    }
    CHECK(messages == ROOM && told >= SENT - messages);
    close_pair(&pair);
    gossip_queue_free(queue);
}

/* ---- company ------------------------------------------------------------------------- */

static void wait_for(gossip_queue_t *queue, int32_t type)
{
    gossip_event_t *event;
    int32_t found;

    do {
        EXPECT(GOSSIP_OK, gossip_queue_poll(queue, PATIENCE_MS, &event));
        found = gossip_event_type(event);
        CHECK(gossip_event_returned(event) == 0 && gossip_event_missing(event) == 0);
        gossip_event_free(event);
    } while (found != type);
}

/* Its seed is a node that starts later, and cannot know of it. */
static void a_node_without_company_is_told_of_it_and_of_the_end_of_that(void)
{
    gossip_queue_t *queue = open_queue(ROOMY);
    gossip_t *seed = open_node("seed"), *node = open_node("node");
    gossip_pool_t *pool, *seeds = open_pool(seed, BLUE, NULL);
    gossip_pool_config_t *config = fast_pool(BLUE);

    OK(gossip_pool_config_set(config, "seeds", addr_of(seed), &err));
    OK(gossip_pool_config_set(config, "tcp_timeout_ms", "200", &err));
    OK(gossip_pool_config_set(config, "reconnect_interval_ms", "200", &err));
    pool = queue_pool(node, config, queue, BLUE_TAG, 0);
    OK(gossip_start(node, &err));
    wait_for(queue, GOSSIP_EVENT_ISOLATED);

    OK(gossip_start(seed, &err));
    wait_for(queue, GOSSIP_EVENT_HEALED);

    gossip_free(node);
    gossip_free(seed);
    gossip_pool_free(pool);
    gossip_pool_free(seeds);
    gossip_queue_free(queue);
}

/* ---- the ends ------------------------------------------------------------------------ */

struct waiting {
    gossip_queue_t *queue;
    _Atomic long thread;
};

static void *poll_until_closed(void *argument)
{
    struct waiting *waiting = argument;
    gossip_event_t *event;

    waiting->thread = thread_id();
    EXPECT(GOSSIP_ERR_CLOSED, gossip_queue_poll(waiting->queue, -1, &event));
    return NULL;
}

static void a_closed_queue_wakes_refuses_and_stays_readable(void)
{
    gossip_queue_t *queue = open_queue(10);
    struct waiting waiting = {queue, 0};
    gossip_t *node = open_node("node");
    gossip_pool_config_t *config = fast_pool(BLUE);
    gossip_delegate_t delegate = {.struct_size = sizeof delegate};
    gossip_event_t *event;
    gossip_error_t *err;
    gossip_fd_t fd;
    size_t count;
    pthread_t thread;

    OK(gossip_pool_config_set_queue(config, queue, 0, 0, &err));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_register_pool(node, config, &delegate, NULL, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_config_set_queue(config, queue, 0, 16, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_queue_new(0, BYTES, &(gossip_queue_t *){NULL}));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_queue_poll_batch(queue, 0, &event, 0, &count));
    EXPECT(GOSSIP_ERR_AGAIN, gossip_queue_poll(queue, 0, &event));
    EXPECT(GOSSIP_ERR_TIMEOUT, gossip_queue_poll_batch(queue, 1, &event, 1, &count));
    EXPECT(GOSSIP_OK, gossip_queue_fd(queue, &fd));
    CHECK(!is_readable(fd));
    CHECK(pthread_create(&thread, NULL, poll_until_closed, &waiting) == 0);
    EVENTUALLY(waiting.thread != 0 && is_asleep(waiting.thread));

    EXPECT(GOSSIP_OK, gossip_queue_close(queue));

    CHECK(pthread_join(thread, NULL) == 0);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_queue_poll_batch(queue, -1, &event, 1, &count));
    CHECK(is_readable(fd));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_register_pool(node, config, NULL, NULL, &err));
    CHECK(strstr(gossip_error_message(err), "queue") != NULL);
    gossip_error_free(err);
    gossip_queue_free(queue);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_register_pool(node, config, NULL, NULL, NULL));
    OK(gossip_pool_config_set_queue(config, NULL, 0, 0, &err));
    OK(gossip_register_pool(node, config, &delegate, NULL, &err));
    gossip_pool_config_free(config);
    gossip_free(node);
}

/* Whatever goes first, an event that was taken stays, and nothing breaks. */
static void handles_are_freed_in_any_order(void)
{
    for (int order = 0; order < 24; order++) {
        gossip_queue_t *queue = open_queue(10);
        gossip_t *node = open_node("node");
        gossip_pool_t *pool = queue_pool(node, fast_pool(BLUE), queue, 7, GOSSIP_ASK_ALIVE);
        int left[] = {0, 1, 2, 3}, code = order;
        gossip_event_t *event;

        OK(gossip_start(node, &err));
        EXPECT(GOSSIP_OK, gossip_queue_poll(queue, PATIENCE_MS, &event));
        for (int n = 4; n > 0; n--) {
            int pick = code % n, what = left[pick];
            code /= n;
            left[pick] = left[n - 1];
            switch (what) {
            case 0: gossip_queue_free(queue); break;
            case 1: gossip_free(node); break;
            case 2: gossip_pool_free(pool); break;
            default:
                CHECK(gossip_event_tag(event) == 7 && gossip_event_pool_id(event) == BLUE);
                CHECK(is_member(gossip_event_member(event), "node"));
                gossip_event_free(event);
            }
        }
    }
}

static int bytes_in(int fd)
{
    char bytes[16];
    ssize_t got = read(fd, bytes, sizeof bytes);
    return got > 0 ? (int)got : 0;
}

static void a_descriptor_of_the_programs_is_woken_once_for_each_poll(void)
{
    gossip_queue_t *queue = open_queue(ROOMY);
    gossip_event_t *event;
    uint64_t accepted = 0;
    int ends[2], others[2];
    struct pair pair;

    CHECK(pipe(ends) == 0);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_queue_set_wake_fd(queue, ends[1], NULL)); /* it blocks */
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_queue_set_wake_fd(queue, 9999, NULL));
    int wake_fd = dup(ends[1]);
    OK(gossip_queue_set_wake_fd(queue, ends[1], &err));
    close(ends[1]); /* a duplicate is in use */
    CHECK(bytes_in(ends[0]) == 0);

    open_pair(&pair, queue);
    for (uint32_t i = 0; i < 20; i++)
        send_number(&pair, i);
    EVENTUALLY((EXPECT(GOSSIP_OK, gossip_queue_stats(queue, &accepted, NULL, NULL, NULL)), accepted >= 21));
    CHECK(bytes_in(ends[0]) == 1);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, others) == 0);
    OK(gossip_queue_set_wake_fd(queue, others[1], &err)); /* something waits: it is told at once */
    CHECK(bytes_in(others[0]) == 1);
    OK(gossip_queue_set_wake_fd(queue, -1, &err));
    CHECK(fcntl(others[0], F_SETFL, 0) == 0 && close(others[1]) == 0);
    CHECK(bytes_in(others[0]) == 0); /* its end: no duplicate is left */
    close(others[0]);
    OK(gossip_queue_set_wake_fd(queue, wake_fd, &err));
    CHECK(bytes_in(ends[0]) == 1);
    close(wake_fd);
    while (gossip_queue_poll(queue, 0, &event) == GOSSIP_OK)
        gossip_event_free(event);
    send_number(&pair, 20);
    EVENTUALLY(is_readable(ends[0]));
    CHECK(bytes_in(ends[0]) == 1);
    close_pair(&pair);

    /* SIGPIPE would end this program. */
    EXPECT(GOSSIP_OK, gossip_queue_poll(queue, 0, &event));
    gossip_event_free(event);
    bytes_in(ends[0]);
    close(ends[0]);
    sigset_t pending;
    EXPECT(GOSSIP_OK, gossip_queue_close(queue));
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
    gossip_queue_free(queue);
}

/* Where each message takes long, fewer show the same. */
static int is_under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

int main(void)
{
    start_watchdog();
    one_thread_serves_two_pools_a_listener_and_datagrams();
    a_batch_loop_loses_nothing(is_under_valgrind() ? MANY / 10 : MANY);
    what_a_full_queue_drops_is_told();
    a_node_without_company_is_told_of_it_and_of_the_end_of_that();
    a_closed_queue_wakes_refuses_and_stays_readable();
    handles_are_freed_in_any_order();
    a_descriptor_of_the_programs_is_woken_once_for_each_poll();
    return 0;
}
