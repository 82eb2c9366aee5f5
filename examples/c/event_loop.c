/*
 * A chat in one thread: what the pool tells, connections, datagrams and the keyboard come
 * through one epoll loop. No callbacks, no threads of its own, no locks.
 *
 *     ./event_loop ada 7946                       in one terminal
 *     ./event_loop bob 7947 127.0.0.1:7946        in another
 *
 * Each line that is typed goes to everybody; the end of input leaves. Beside the chat, on
 * the same port: a connection for listener 0x0101 is told who is there, and a datagram is
 * answered.
 */
#define _POSIX_C_SOURCE 200809L

#include <gossip/gossip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    POOL = 1,
    WHO_ID = 0x0101, /* the first two bytes of a connection that asks who is there */
    LINE = 1000,     /* the longest line; a broadcast must fit a packet */
    BATCH = 64       /* events taken at once */
};

static const char *name;
static gossip_t *node;
static gossip_pool_t *pool;
static gossip_queue_t *queue;
static gossip_listener_t *listener;
static gossip_packets_t *packets;

#define TRY(call) \
    do \
        if ((call) != GOSSIP_OK) \
            fail(#call, err); \
    while (0)

static void fail(const char *call, const gossip_error_t *err)
{
    fprintf(stderr, "%s: %s\n", call, gossip_error_message(err));
    exit(1);
}

/* ---- what comes in ------------------------------------------------------------------ */

static void tell(const gossip_event_t *event)
{
    const gossip_member_t *member = gossip_event_member(event);
    size_t len;
    const uint8_t *data = gossip_event_data(event, &len);

    switch (gossip_event_type(event)) {
    case GOSSIP_EVENT_JOIN:
        printf("* %s is here, at %s\n", gossip_member_name(member, NULL), gossip_member_addr_text(member));
        break;
    case GOSSIP_EVENT_LEAVE:
        printf("* %s is gone: %s\n", gossip_member_name(member, NULL), gossip_state_name(gossip_member_state(member)));
        break;
    case GOSSIP_EVENT_MESSAGE:
        fwrite(data, 1, len, stdout); /* any bytes: it came from the network */
        putchar('\n');
        break;
    case GOSSIP_EVENT_OVERFLOW:
        printf("* %llu messages were lost, we were too slow\n", (unsigned long long)gossip_event_dropped(event));
        break;
    default:
        break; /* what we do not know or need */
    }
}

static void take_events(void)
{
    gossip_event_t *events[BATCH];
    size_t count;

    while (gossip_queue_poll_batch(queue, 0, events, BATCH, &count) == GOSSIP_OK)
        for (size_t i = 0; i < count; i++) {
            tell(events[i]);
            gossip_event_free(events[i]);
        }
    fflush(stdout);
}

/* The descriptor is an ordinary socket, and ours: a real program would add it to the loop. */
static void take_connections(void)
{
    gossip_fd_t fd;

    while (gossip_listener_accept(listener, 0, GOSSIP_FD_NONBLOCK, &fd, NULL) == GOSSIP_OK) {
        gossip_members_t *members;
        if (gossip_pool_members(pool, &members) == GOSSIP_OK) {
            for (size_t i = 0; i < gossip_members_len(members); i++) {
                size_t len;
                const char *who = gossip_member_name(gossip_members_get(members, i), &len);
                if (send(fd, who, len, MSG_NOSIGNAL) < 0 || send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
                    break;
            }
            gossip_members_free(members);
        }
        close(fd);
    }
}

static void take_datagrams(void)
{
    static char datagram[65507]; /* fits every one */
    char answer[256];
    gossip_addr_t from;
    size_t len;

    while (gossip_packets_recv(packets, datagram, sizeof datagram, &len, &from, 0) == GOSSIP_OK) {
        int size = snprintf(answer, sizeof answer, "%.200s got %zu bytes", name, len);
        gossip_packets_send(packets, &from, answer, (size_t)size, NULL);
    }
}

/* Sends what was typed, line by line; 0 at the end of input. */
static int take_lines(void)
{
    static char typed[LINE];
    static size_t len;
    ssize_t got = read(STDIN_FILENO, typed + len, sizeof typed - len);
    char *end;

    if (got <= 0)
        return 0;
    len += (size_t)got;
    while ((end = memchr(typed, '\n', len)) != NULL || len == sizeof typed) {
        size_t line = end == NULL ? len : (size_t)(end - typed), taken = end == NULL ? len : line + 1;
        char said[LINE + 256];
        gossip_error_t *err;
        int size = snprintf(said, sizeof said, "%.200s: %.*s", name, (int)line, typed);

        /* It never waits in a loop: a full queue of broadcasts is AGAIN. */
        if (gossip_pool_broadcast(pool, said, (size_t)size, 0, &err) != GOSSIP_OK)
            printf("* not sent: %s\n", gossip_error_message(err));
        gossip_error_free(err);
        len -= taken;
        memmove(typed, typed + taken, len);
    }
    fflush(stdout);
    return 1;
}

/* ---- from start to end -------------------------------------------------------------- */

static void open_everything(const char *port)
{
    gossip_error_t *err = NULL;
    gossip_config_t *config;
    gossip_pool_config_t *lan;

    TRY(gossip_config_new(&config));
    TRY(gossip_config_set(config, "name", name, &err));
    TRY(gossip_config_set(config, "bind_addr", "127.0.0.1", &err)); /* default: every interface */
    TRY(gossip_config_set(config, "bind_port", port, &err));
    TRY(gossip_new(config, &node, &err));
    gossip_config_free(config);

    TRY(gossip_queue_new(10000, 64 << 20, &queue));
    TRY(gossip_pool_config_new(POOL, GOSSIP_PRESET_LAN, &lan, &err));
    TRY(gossip_pool_config_set_queue(lan, queue, 0, GOSSIP_ASK_NOTHING, &err));
    TRY(gossip_register_pool(node, lan, NULL, &pool, &err));
    gossip_pool_config_free(lan);

    TRY(gossip_listen(node, WHO_ID, &listener, &err));
    TRY(gossip_packets(node, &packets, &err));
    TRY(gossip_start(node, &err));
}

static void watch(int loop, int fd)
{
    struct epoll_event interest = {.events = EPOLLIN, .data = {.fd = fd}};

    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &interest) != 0) {
        perror("epoll_ctl"); /* standard input must be a terminal or a pipe */
        exit(1);
    }
}

/* Serves everything that comes, until the end of input. */
static void run(void)
{
    gossip_error_t *err = NULL;
    gossip_fd_t queue_fd, listener_fd, packets_fd;
    int loop = epoll_create1(EPOLL_CLOEXEC), goes_on = 1;

    /* Level triggered: readable while a call with timeout 0 would bring something. */
    TRY(gossip_queue_fd(queue, &queue_fd));
    TRY(gossip_listener_fd(listener, &listener_fd));
    TRY(gossip_packets_fd(packets, &packets_fd));
    watch(loop, queue_fd);
    watch(loop, listener_fd);
    watch(loop, packets_fd);
    watch(loop, STDIN_FILENO);

    while (goes_on) {
        struct epoll_event ready[4];
        int count = epoll_wait(loop, ready, 4, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == queue_fd)
                take_events();
            else if (fd == listener_fd)
                take_connections();
            else if (fd == packets_fd)
                take_datagrams();
            else
                goes_on = take_lines();
        }
    }
    close(loop);
}

int main(int argc, char **argv)
{
    gossip_error_t *err = NULL;

    if (argc < 3) {
        fprintf(stderr, "usage: event_loop NAME PORT [SEED...]\n");
        return 2;
    }
    name = argv[1];
    open_everything(argv[2]);
    if (argc > 3)
        TRY(gossip_pool_join(pool, (const char *const *)argv + 3, (size_t)argc - 3, 5000, NULL, &err));
    run();
    TRY(gossip_leave(node, 5000, &err));
    TRY(gossip_shutdown(node, 5000, &err)); /* nothing of the library runs any more */
    take_events();                          /* what it told until then */

    gossip_queue_free(queue);
    gossip_packets_free(packets);
    gossip_listener_free(listener);
    gossip_pool_free(pool);
    gossip_free(node);
    return 0;
}
