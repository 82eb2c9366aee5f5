/* Connections as ordinary descriptors: the contract, and what shows each part of it.
 *
 * The promise                                       is shown by
 * ------------------------------------------------  -------------------------------------------------
 * one pending byte keeps nobody busy                sniff.rs: a_byte_that_waits_for_the_next_keeps_nobody_busy
 * low-water mark 1, and a single byte wakes poll    a_single_byte_wakes_poll
 * a silent peer is native, or closed                mux_tcp.rs: a_client_that_waits_for_the_server_to_speak_is_native,
 *                                                   a_silent_client_is_closed_where_nobody_speaks_first
 * silent peers are limited and delay nobody         mux_tcp.rs: silent_clients_delay_nobody,
 *                                                   connections_being_looked_at_are_limited_by_source_and_in_all
 * one byte and the end are native, with the byte    an_end_after_one_byte_is_native; mux_ends.rs, every stage
 * a full backlog stalls nobody, and is counted      port.c: a_port_tells_of_its_listeners;
 *                                                   mux_tcp.rs: a_listener_nobody_accepts_from_stalls_nobody_else
 * without an owner closed at once, and counted      without_an_owner_it_is_closed_and_counted
 * no descriptor left: calls say so, peers are       without_descriptors_calls_say_so_and_the_node_recovers;
 *   turned away, the node recovers                  mux_port.rs: a_process_out_of_descriptors_turns_peers_away_and_recovers
 * close-on-exec                                     nothing_of_the_library_survives_exec
 * blocking unless asked, TCP_NODELAY, keep-alive    the_descriptor_is_as_promised, for both ends
 * ours alone: closing it is final, and its number   a_number_that_was_closed_is_never_touched_again
 *   is never touched again
 * what nobody accepts is closed with the listener   what_nobody_accepts_is_closed (close, free, shutdown)
 * it outlives listener and node                     a_connection_outlives_its_node
 * bytes intact, exactly the two of the id are gone  bytes_are_intact_in_both_directions
 * half close, both ways                             each_direction_ends_on_its_own
 * a reset reads as such                             mux_ends.rs: ..._reset_in_the_backlog_is_accepted_and_reads_as_reset
 * urgent data arrives, and confuses nobody          urgent_data_arrives, urgent_data_before_there_is_an_owner
 * SIGPIPE is the program's, none comes from us      process.c: peers_that_vanish_raise_no_sigpipe
 * ids of pools are refused, those of known          port.c: impossible_ids_are_refused;
 *   protocols warned of                             mux_warnings.rs
 * the id goes out at once (TCP_NODELAY first)       the_id_is_not_held_back
 * exactly two bytes are consumed after a peek       bytes_are_intact_in_both_directions; mux_tcp.rs
 * a descriptor to watch, as long as its handle      port.c: descriptors_tell_an_event_loop_when_to_take;
 *   lives; readable for ever once closed            handover.rs (races)
 * accept after the end is CLOSED, who waits wakes   lifecycle.c, port.c: the_end_wakes_those_who_wait
 * a forked child: FORKED; the descriptor works      a_child_can_use_an_accepted_descriptor; process.c
 * what is no socket is refused                      sockets.c: descriptors_that_make_no_port_stay_the_callers
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { ID = 0x0102 };

/* A node with a listener for an id and a native one. */
struct port {
    gossip_t *node;
    gossip_listener_t *muxed, *native;
};

static struct port open_port(void)
{
    struct port port = {.node = open_node("port")};

    OK(gossip_listen(port.node, ID, &port.muxed, &err));
    OK(gossip_listen_tcp(port.node, &port.native, &err));
    OK(gossip_start(port.node, &err));
    return port;
}

static void close_port(struct port *port)
{
    gossip_free(port->node);
    gossip_listener_free(port->native);
    gossip_listener_free(port->muxed);
}

static gossip_fd_t dial(const struct port *port, int32_t id)
{
    gossip_fd_t fd;
    OK(gossip_dial(addr_of(port->node), id, PATIENCE_MS, GOSSIP_FD_BLOCKING, &fd, &err));
    return fd;
}

static gossip_fd_t take(const gossip_listener_t *listener, uint32_t flags)
{
    gossip_fd_t fd;
    EXPECT(GOSSIP_OK, gossip_listener_accept(listener, PATIENCE_MS, flags, &fd, NULL));
    return fd;
}

static int is_readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* The other end has closed: nothing is left but the end, or a reset. */
static int has_ended(int fd)
{
    char byte;
    return is_readable(fd, PATIENCE_MS) && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    CHECK(getsockopt(fd, level, name, &value, &len) == 0);
    return value;
}

static void is_as_promised(int fd, int nonblocking)
{
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK) == !nonblocking);
    CHECK(option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(fd, SOL_SOCKET, SO_RCVLOWAT) == 1);
    CHECK(option(fd, SOL_SOCKET, SO_ERROR) == 0);
}

static void the_descriptor_is_as_promised(const struct port *port)
{
    const struct {
        int32_t id;
        const gossip_listener_t *listener;
    } ways[] = {{ID, port->muxed}, {GOSSIP_DIAL_NATIVE, port->native}};

    for (int way = 0; way < 2; way++)
        for (uint32_t flags = GOSSIP_FD_BLOCKING; flags <= GOSSIP_FD_NONBLOCK; flags++) {
            gossip_fd_t there, here;
            OK(gossip_dial(addr_of(port->node), ways[way].id, PATIENCE_MS, flags, &there, &err));
            CHECK(send(there, "GET", 3, MSG_NOSIGNAL) == 3);
            here = take(ways[way].listener, flags);
            is_as_promised(here, flags == GOSSIP_FD_NONBLOCK);
            is_as_promised(there, flags == GOSSIP_FD_NONBLOCK);
            close(here);
            close(there);
        }
}

static void a_single_byte_wakes_poll(const struct port *port)
{
    gossip_fd_t there = dial(port, ID), here = take(port->muxed, GOSSIP_FD_BLOCKING);
    char byte;

    CHECK(!is_readable(here, 0)); /* the id is gone */
    CHECK(send(there, "x", 1, MSG_NOSIGNAL) == 1);
    CHECK(is_readable(here, PATIENCE_MS));
    CHECK(recv(here, &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x');
    close(here);
    close(there);
}

static void the_id_is_not_held_back(const struct port *port)
{
    gossip_fd_t there = dial(port, ID); /* and not a byte more */

    close(take(port->muxed, GOSSIP_FD_BLOCKING));
    close(there);
}

enum { MUCH = 4 << 20 };

static void *write_much(void *argument)
{
    static char block[65536];
    int fd = *(int *)argument;

    for (size_t sent = 0; sent < MUCH; sent += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (char)((sent + i) * 2654435761u >> 24);
        for (size_t done = 0; done < sizeof block;) {
            ssize_t n = send(fd, block + done, sizeof block - done, MSG_NOSIGNAL);
            CHECK(n > 0);
            done += (size_t)n;
        }
    }
    CHECK(shutdown(fd, SHUT_WR) == 0);
    return NULL;
}

static void read_much(int fd)
{
    static char block[65536];
    size_t got = 0;
    ssize_t n;

    while ((n = recv(fd, block, sizeof block, 0)) > 0)
        for (ssize_t i = 0; i < n; i++, got++)
            CHECK(block[i] == (char)(got * 2654435761u >> 24));
    CHECK(n == 0 && got == MUCH);
}

static void bytes_are_intact_in_both_directions(const struct port *port)
{
    gossip_fd_t there = dial(port, ID), here;
    pthread_t writer;

    CHECK(pthread_create(&writer, NULL, write_much, &there) == 0); /* right behind the id */
    here = take(port->muxed, GOSSIP_FD_BLOCKING);
    read_much(here);
    CHECK(pthread_join(writer, NULL) == 0);
    CHECK(pthread_create(&writer, NULL, write_much, &here) == 0);
    read_much(there);
    CHECK(pthread_join(writer, NULL) == 0);
    close(here);
    close(there);
}

static void each_direction_ends_on_its_own(const struct port *port)
{
    gossip_fd_t there = dial(port, ID), here;
    char data[8];

    CHECK(send(there, "question", 8, MSG_NOSIGNAL) == 8 && shutdown(there, SHUT_WR) == 0);
    here = take(port->muxed, GOSSIP_FD_BLOCKING);
    CHECK(recv(here, data, 8, MSG_WAITALL) == 8 && recv(here, data, 1, 0) == 0);
    CHECK(send(here, "answer", 6, MSG_NOSIGNAL) == 6); /* the other way is open */
    CHECK(recv(there, data, 6, MSG_WAITALL) == 6);
    CHECK(shutdown(here, SHUT_WR) == 0 && recv(there, data, 1, 0) == 0);
    close(here);
    close(there);
}

static void an_end_after_one_byte_is_native(const struct port *port)
{
    gossip_fd_t there = dial(port, GOSSIP_DIAL_NATIVE), here;
    char data[2];

    CHECK(send(there, "\x01", 1, MSG_NOSIGNAL) == 1 && shutdown(there, SHUT_WR) == 0);
    here = take(port->native, GOSSIP_FD_BLOCKING);
    CHECK(recv(here, data, 2, 0) == 1 && data[0] == 1 && recv(here, data, 2, 0) == 0);
    close(here);
    close(there);
}

static void urgent_data_arrives(const struct port *port)
{
    gossip_fd_t there = dial(port, ID), here;
    struct pollfd urgent;
    char data[4];

    CHECK(send(there, "ab", 2, MSG_NOSIGNAL) == 2);
    CHECK(send(there, "!", 1, MSG_NOSIGNAL | MSG_OOB) == 1);
    here = take(port->muxed, GOSSIP_FD_BLOCKING);
    urgent = (struct pollfd){.fd = here, .events = POLLPRI};
    CHECK(poll(&urgent, 1, PATIENCE_MS) == 1 && (urgent.revents & POLLPRI));
    CHECK(recv(here, data, 1, MSG_OOB) == 1 && data[0] == '!');
    CHECK(recv(here, data, 2, MSG_WAITALL) == 2 && memcmp(data, "ab", 2) == 0);
    close(here);
    close(there);
}

/* Among the very bytes that name an owner: its sender finds none, everybody else does. */
static void urgent_data_before_there_is_an_owner(const struct port *port)
{
    gossip_fd_t odd[2], there;
    struct linger reset = {1, 0};

    for (int i = 0; i < 2; i++) {
        odd[i] = dial(port, GOSSIP_DIAL_NATIVE);
        if (i == 1)
            CHECK(send(odd[i], "\x01", 1, MSG_NOSIGNAL) == 1);
        CHECK(send(odd[i], "\x02", 1, MSG_NOSIGNAL | MSG_OOB) == 1);
    }
    there = dial(port, ID);
    close(take(port->muxed, GOSSIP_FD_BLOCKING));
    close(there);
    for (int i = 0; i < 2; i++) {
        CHECK(setsockopt(odd[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
        close(odd[i]);
    }
}

static uint64_t counter(const gossip_t *node, const char *name)
{
    gossip_stats_t *stats;
    uint64_t value = 0;

    EXPECT(GOSSIP_OK, gossip_stats(node, &stats));
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, name, &value));
    gossip_stats_free(stats);
    return value;
}

static void without_an_owner_it_is_closed_and_counted(void)
{
    gossip_t *node = open_node("bare");
    gossip_fd_t there;

    OK(gossip_start(node, &err));
    OK(gossip_dial(addr_of(node), ID, PATIENCE_MS, 0, &there, &err));
    CHECK(has_ended(there));
    CHECK(counter(node, "connections_no_listener") == 1);
    close(there);
    gossip_free(node);
}

static void a_number_that_was_closed_is_never_touched_again(void)
{
    struct port port = open_port();
    gossip_fd_t there = dial(&port, ID), here = take(port.muxed, GOSSIP_FD_BLOCKING);
    struct stat before, after;
    int file;

    close(here);
    file = dup2(STDERR_FILENO, here); /* something of the program's under the same number */
    CHECK(file == here && fstat(file, &before) == 0);
    CHECK(has_ended(there)); /* the close was the last: the library holds no duplicate */
    close(there);
    for (int i = 0; i < 20; i++) {
        there = dial(&port, ID);
        close(take(port.muxed, GOSSIP_FD_NONBLOCK));
        close(there);
    }
    close_port(&port);
    CHECK(fstat(file, &after) == 0 && before.st_ino == after.st_ino && before.st_dev == after.st_dev);
    close(file);
}

/* How the end comes to connections that wait. */
enum ending { BY_CLOSE, BY_FREE, BY_SHUTDOWN };

static void what_nobody_accepts_is_closed(enum ending ending)
{
    struct port port = open_port();
    gossip_fd_t there = dial(&port, ID);
    uint64_t pending = 0;

    EVENTUALLY(gossip_listener_stats(port.muxed, NULL, NULL, &pending, NULL) == GOSSIP_OK && pending == 1);
    CHECK(!is_readable(there, 0));
    if (ending == BY_CLOSE)
        EXPECT(GOSSIP_OK, gossip_listener_close(port.muxed));
    else if (ending == BY_SHUTDOWN)
        OK(gossip_shutdown(port.node, PATIENCE_MS, &err));
    else {
        gossip_listener_free(port.muxed);
        port.muxed = NULL;
    }
    CHECK(has_ended(there));
    close(there);
    close_port(&port);
}

static void a_connection_outlives_its_node(void)
{
    struct port port = open_port();
    gossip_fd_t there = dial(&port, ID), here = take(port.muxed, GOSSIP_FD_BLOCKING);
    char data[4];

    close_port(&port);
    CHECK(send(there, "ping", 4, MSG_NOSIGNAL) == 4 && recv(here, data, 4, MSG_WAITALL) == 4);
    CHECK(send(here, "pong", 4, MSG_NOSIGNAL) == 4 && recv(there, data, 4, MSG_WAITALL) == 4);
    close(here);
    close(there);
}

static void a_child_can_use_an_accepted_descriptor(const struct port *port)
{
    gossip_fd_t there = dial(port, ID), here = take(port->muxed, GOSSIP_FD_BLOCKING), none;
    int result = -1;
    char data[4];
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        EXPECT(GOSSIP_ERR_FORKED, gossip_listener_accept(port->muxed, 0, 0, &none, NULL));
        EXPECT(GOSSIP_ERR_FORKED, gossip_listener_fd(port->muxed, &none));
        EXPECT(GOSSIP_ERR_FORKED, gossip_listener_set_backlog(port->muxed, 1, NULL));
        CHECK(gossip_listener_kind(port->muxed) == -1);
        CHECK(send(here, "mine", 4, MSG_NOSIGNAL) == 4);
        _exit(0);
    }
    close(here);
    CHECK(recv(there, data, 4, MSG_WAITALL) == 4 && memcmp(data, "mine", 4) == 0);
    CHECK(waitpid(child, &result, 0) == child && result == 0);
    CHECK(has_ended(there));
    close(there);
}

/* With every kind of descriptor open that there is, another program starts with none. */
static void nothing_of_the_library_survives_exec(const struct port *port, const char *self)
{
    gossip_fd_t there = dial(port, ID), here = take(port->muxed, GOSSIP_FD_BLOCKING), watched;
    gossip_packets_t *packets;
    int result = -1;
    pid_t child;

    OK(gossip_packets(port->node, &packets, &err));
    EXPECT(GOSSIP_OK, gossip_packets_fd(packets, &watched));
    EXPECT(GOSSIP_OK, gossip_listener_fd(port->muxed, &watched));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        execl(self, self, "descriptors", (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(child, &result, 0) == child && WIFEXITED(result));
    CHECK(WEXITSTATUS(result) == 0);
    gossip_packets_free(packets);
    close(here);
    close(there);
}

/* What the other program finds open that only the library can have opened. */
static int count_sockets(void)
{
    int found = 0;

    for (int fd = 3; fd < 256; fd++) {
        char path[64], target[128] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0
            && (strncmp(target, "socket:", 7) == 0 || strncmp(target, "anon_inode:", 11) == 0)) {
            fprintf(stderr, "descriptor %d is open: %s\n", fd, target);
            found++;
        }
    }
    return found;
}

static void without_descriptors_calls_say_so_and_the_node_recovers(void)
{
    struct port port = open_port();
    struct rlimit before, few;
    gossip_config_t *config;
    gossip_t *none;
    gossip_error_t *err;
    gossip_fd_t fd, there, filler[256];
    int filled = 0;

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_config_set(config, "bind_addr", "127.0.0.1", &err));
    OK(gossip_config_set(config, "bind_port", "0", &err));
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = 128;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    while (filled < 256 && (filler[filled] = dup(STDERR_FILENO)) >= 0)
        filled++;
    CHECK(filled < 256 && errno == EMFILE);
    EXPECT(GOSSIP_ERR_RESOURCE_LIMIT, gossip_new(config, &none, &err));
    CHECK(gossip_error_os_errno(err) == EMFILE);
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_RESOURCE_LIMIT, gossip_dial(addr_of(port.node), ID, PATIENCE_MS, 0, &fd, &err));
    CHECK(gossip_error_os_errno(err) == EMFILE);
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_RESOURCE_LIMIT, gossip_listener_fd(port.muxed, &fd));
    while (filled > 0)
        close(filler[--filled]);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);

    there = dial(&port, ID);
    close(take(port.muxed, GOSSIP_FD_BLOCKING));
    close(there);
    EXPECT(GOSSIP_OK, gossip_listener_fd(port.muxed, &fd));
    gossip_config_free(config);
    close_port(&port);
}

int main(int argc, char **argv)
{
    struct port port;

    start_watchdog();
    if (argc > 1 && strcmp(argv[1], "descriptors") == 0)
        return count_sockets();
    port = open_port();
    the_descriptor_is_as_promised(&port);
    a_single_byte_wakes_poll(&port);
    the_id_is_not_held_back(&port);
    bytes_are_intact_in_both_directions(&port);
    each_direction_ends_on_its_own(&port);
    an_end_after_one_byte_is_native(&port);
    urgent_data_arrives(&port);
    urgent_data_before_there_is_an_owner(&port);
    a_child_can_use_an_accepted_descriptor(&port);
    nothing_of_the_library_survives_exec(&port, argv[0]);
    close_port(&port);
    without_an_owner_it_is_closed_and_counted();
    a_number_that_was_closed_is_never_touched_again();
    what_nobody_accepts_is_closed(BY_CLOSE);
    what_nobody_accepts_is_closed(BY_FREE);
    what_nobody_accepts_is_closed(BY_SHUTDOWN);
    a_connection_outlives_its_node();
    without_descriptors_calls_say_so_and_the_node_recovers();
    return 0;
}
