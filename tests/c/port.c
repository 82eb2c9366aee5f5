/* The program's own protocols on the shared port: listeners, dialing, datagrams. */
#include "check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

static int is_blocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

static void the_descriptor_is_as_promised(int fd)
{
    int value = 0;
    socklen_t len = sizeof value;

    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len) == 0 && value != 0);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, &len) == 0 && value == 1);
}

static void say(int fd, const char *text)
{
    CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void hear(int fd, const char *text)
{
    char heard[64] = "";
    size_t len = 0;

    while (len < strlen(text)) {
        ssize_t got = recv(fd, heard + len, strlen(text) - len, 0);
        CHECK(got > 0);
        len += (size_t)got;
    }
    CHECK(strcmp(heard, text) == 0);
}

static void a_dialed_connection_reaches_its_listener(gossip_t *node)
{
    gossip_listener_t *listener, *second;
    gossip_fd_t here, there;
    gossip_addr_t peer;
    uint64_t accepted = 0, dropped = 1, pending = 1;

    OK(gossip_listen(node, 0x0101, &listener, &err));
    EXPECT(GOSSIP_ERR_EXISTS, gossip_listen(node, 0x0101, &second, NULL));
    OK(gossip_dial(addr_of(node), 0x0101, PATIENCE_MS, GOSSIP_FD_BLOCKING, &there, &err));
    EXPECT(GOSSIP_OK, gossip_listener_accept(listener, PATIENCE_MS, GOSSIP_FD_BLOCKING, &here, &peer));
    the_descriptor_is_as_promised(here);
    the_descriptor_is_as_promised(there);
    CHECK(is_blocking(here) && is_blocking(there));
    CHECK(peer.family == 4 && peer.ip[0] == 127 && peer.port != 0);
    say(there, "ping");
    hear(here, "ping");
    say(here, "pong");
    hear(there, "pong");
    close(here);
    close(there);

    OK(gossip_dial(addr_of(node), 0x0101, PATIENCE_MS, GOSSIP_FD_NONBLOCK, &there, &err));
    EXPECT(GOSSIP_OK, gossip_listener_accept(listener, -1, GOSSIP_FD_NONBLOCK, &here, NULL));
    CHECK(!is_blocking(here) && !is_blocking(there));
    close(here);
    close(there);

    char name[32];
    gossip_addr_t bound;
    EXPECT(GOSSIP_OK, gossip_local_addr(node, &bound));
    snprintf(name, sizeof name, "localhost:%u", bound.port);
    OK(gossip_dial(name, 0x0101, PATIENCE_MS, GOSSIP_FD_BLOCKING, &there, &err));
    EXPECT(GOSSIP_OK, gossip_listener_accept(listener, PATIENCE_MS, GOSSIP_FD_BLOCKING, &here, NULL));
    close(here);
    close(there);

    EXPECT(GOSSIP_ERR_AGAIN, gossip_listener_accept(listener, 0, GOSSIP_FD_BLOCKING, &here, NULL));
    EXPECT(GOSSIP_ERR_TIMEOUT, gossip_listener_accept(listener, 1, GOSSIP_FD_BLOCKING, &here, NULL));
    EXPECT(GOSSIP_OK, gossip_listener_stats(listener, &accepted, &dropped, &pending, NULL));
    CHECK(accepted == 3 && dropped == 0 && pending == 0);
    gossip_listener_free(listener);

    OK(gossip_listen(node, 0x0101, &listener, &err)); /* the id is free again */
    gossip_listener_free(listener);
}

static void everything_else_is_native_and_untouched(gossip_t *node)
{
    gossip_listener_t *listener;
    gossip_fd_t here, there;

    OK(gossip_listen_tcp(node, &listener, &err));
    OK(gossip_dial(addr_of(node), GOSSIP_DIAL_NATIVE, PATIENCE_MS, GOSSIP_FD_BLOCKING, &there, &err));
    say(there, "GET / HTTP/1.1");
    EXPECT(GOSSIP_OK, gossip_listener_accept(listener, PATIENCE_MS, GOSSIP_FD_BLOCKING, &here, NULL));
    the_descriptor_is_as_promised(here);
    hear(here, "GET / HTTP/1.1");
    close(here);
    close(there);
    gossip_listener_free(listener);
}

static void datagrams_go_both_ways_from_the_shared_port(gossip_t *node)
{
    gossip_t *other = open_node("other");
    gossip_packets_t *here, *there, *second;
    gossip_addr_t to, from, other_addr;
    char data[16];
    size_t len = 0;

    OK(gossip_start(other, &err));
    OK(gossip_packets(node, &here, &err));
    OK(gossip_packets(other, &there, &err));
    EXPECT(GOSSIP_ERR_EXISTS, gossip_packets(node, &second, NULL));
    EXPECT(GOSSIP_OK, gossip_local_addr(node, &to));
    EXPECT(GOSSIP_OK, gossip_local_addr(other, &other_addr));

    OK(gossip_packets_send(there, &to, "question", 8, &err));
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_packets_recv(here, data, 3, &len, &from, PATIENCE_MS));
    CHECK(len == 8);
    EXPECT(GOSSIP_OK, gossip_packets_recv(here, data, sizeof data, &len, &from, 0));
    CHECK(len == 8 && memcmp(data, "question", 8) == 0);
    CHECK(memcmp(&from, &other_addr, sizeof from) == 0);
    OK(gossip_packets_send(here, &from, "answer", 6, &err));
    EXPECT(GOSSIP_OK, gossip_packets_recv(there, data, sizeof data, &len, NULL, PATIENCE_MS));
    CHECK(len == 6 && memcmp(data, "answer", 6) == 0);

    EXPECT(GOSSIP_ERR_RESERVED, gossip_packets_send(here, &from, "\xfe\x01", 2, NULL));
    EXPECT(GOSSIP_ERR_AGAIN, gossip_packets_recv(here, data, sizeof data, &len, NULL, 0));
    uint64_t dropped = 1;
    EXPECT(GOSSIP_OK, gossip_packets_stats(here, NULL, &dropped, NULL, NULL));
    CHECK(dropped == 0);
    EXPECT(GOSSIP_OK, gossip_packets_close(here));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_packets_recv(here, data, sizeof data, &len, NULL, -1));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_packets_send(here, &from, "late", 4, NULL));
    gossip_packets_free(here);
    gossip_free(other);
    gossip_packets_free(there);
}

static void prefixes_share_the_port(gossip_t *node)
{
    static const char tls[] = {0x16, 0x03};
    gossip_listener_t *ssh, *secure, *none;
    gossip_fd_t here, there;
    char name[32];
    size_t len = 0;

    OK(gossip_listen_prefix(node, "SSH-", 4, &ssh, &err));
    OK(gossip_listen_prefix(node, tls, sizeof tls, &secure, &err));
    EXPECT(GOSSIP_ERR_EXISTS, gossip_listen_prefix(node, "SSH-", 4, &none, NULL));
    EXPECT(GOSSIP_ERR_RESERVED, gossip_listen_prefix(node, "\xfe\x01", 2, &none, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_listen_prefix(node, "", 0, &none, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_listen_prefix(node, NULL, 4, &none, NULL));
    OK(gossip_dial(addr_of(node), GOSSIP_DIAL_NATIVE, PATIENCE_MS, GOSSIP_FD_BLOCKING, &there, &err));
    say(there, "SSH-2.0-test");
    EXPECT(GOSSIP_OK, gossip_listener_accept(ssh, PATIENCE_MS, GOSSIP_FD_BLOCKING, &here, NULL));
    the_descriptor_is_as_promised(here);
    hear(here, "SSH-2.0-test");
    close(here);
    close(there);

    CHECK(gossip_listener_kind(ssh) == GOSSIP_LISTENER_PREFIX);
    EXPECT(GOSSIP_OK, gossip_listener_name(ssh, name, sizeof name, &len));
    CHECK(strcmp(name, "prefix SSH-") == 0 && len == strlen(name));
    EXPECT(GOSSIP_OK, gossip_listener_name(secure, name, sizeof name, NULL));
    CHECK(strcmp(name, "prefix \\x16\\x03") == 0);
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_listener_name(ssh, name, 4, &len));
    CHECK(strcmp(name, "pre") == 0 && len == 11);
    gossip_listener_free(ssh);
    gossip_listener_free(secure);
}

static void a_port_tells_of_its_listeners(gossip_t *node)
{
    static const char *const names[] = {"native", "id 0x0102", "prefix SSH-"};
    gossip_listener_t *open[3];
    gossip_listeners_t *listeners;
    gossip_fd_t there[3];
    const char *name;
    uint64_t accepted, dropped, pending, limit;

    OK(gossip_listen_prefix(node, "SSH-", 4, &open[2], &err));
    OK(gossip_listen_tcp(node, &open[0], &err));
    OK(gossip_listen(node, 0x0102, &open[1], &err));
    OK(gossip_listener_set_backlog(open[1], 2, &err));
    CHECK(gossip_listener_kind(open[0]) == GOSSIP_LISTENER_NATIVE);
    CHECK(gossip_listener_kind(open[1]) == GOSSIP_LISTENER_ID);
    for (int i = 0; i < 3; i++)
        OK(gossip_dial(addr_of(node), 0x0102, PATIENCE_MS, 0, &there[i], &err));
    EVENTUALLY(gossip_listener_stats(open[1], &accepted, &dropped, &pending, &limit) == GOSSIP_OK
               && accepted + dropped == 3);
    CHECK(accepted == 2 && dropped == 1 && pending == 2 && limit == 2);

    EXPECT(GOSSIP_OK, gossip_listeners(node, &listeners));
    CHECK(gossip_listeners_len(listeners) == 3);
    for (size_t i = 0; i < 3; i++) {
        EXPECT(GOSSIP_OK, gossip_listeners_at(listeners, i, &name, &accepted, &dropped, &pending, &limit));
        CHECK(strcmp(name, names[i]) == 0);
        CHECK(accepted == (i == 1 ? 2 : 0) && dropped == (i == 1) && pending == accepted);
        CHECK(limit == (i == 1 ? 2 : 128));
        gossip_listener_free(open[i]);
    }
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_listeners_at(listeners, 3, &name, NULL, NULL, NULL, NULL));
    EXPECT(GOSSIP_OK, gossip_listeners_at(listeners, 1, NULL, NULL, NULL, NULL, NULL));
    gossip_listeners_free(listeners);
    EXPECT(GOSSIP_OK, gossip_listeners(node, &listeners));
    CHECK(gossip_listeners_len(listeners) == 0);
    gossip_listeners_free(listeners);
    for (int i = 0; i < 3; i++)
        close(there[i]);
}

static void impossible_backlogs_are_refused(gossip_t *node)
{
    gossip_listener_t *listener;
    gossip_error_t *err;

    OK(gossip_listen(node, 1, &listener, &err));
    EXPECT(GOSSIP_ERR_CONFIG, gossip_listener_set_backlog(listener, 0, &err));
    CHECK(strcmp(gossip_error_message(err), "backlog is 0, must be from 1 to 65536") == 0);
    CHECK(strcmp(gossip_error_field(err), "backlog") == 0);
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_CONFIG, gossip_listener_set_backlog(listener, UINT32_MAX, NULL));
    gossip_listener_free(listener);
}

static void everyone_knows_the_addresses_of_the_port(void)
{
    gossip_config_t *config;
    gossip_t *node;
    gossip_listener_t *listener;
    gossip_packets_t *packets;
    gossip_addr_t addrs[3][2], first;
    size_t count[3] = {0};

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_config_set(config, "bind_addr", "127.0.0.1,127.0.0.2", &err));
    OK(gossip_config_set(config, "bind_port", "0", &err));
    OK(gossip_new(config, &node, &err));
    gossip_config_free(config);
    OK(gossip_listen_tcp(node, &listener, &err));
    OK(gossip_packets(node, &packets, &err));
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_local_addrs(node, addrs[0], 1, &count[0]));
    CHECK(count[0] == 2);
    EXPECT(GOSSIP_OK, gossip_local_addrs(node, addrs[0], 2, &count[0]));
    EXPECT(GOSSIP_OK, gossip_listener_local_addrs(listener, addrs[1], 2, &count[1]));
    EXPECT(GOSSIP_OK, gossip_packets_local_addrs(packets, addrs[2], 2, &count[2]));
    EXPECT(GOSSIP_OK, gossip_local_addr(node, &first));
    CHECK(memcmp(&addrs[0][0], &first, sizeof first) == 0);
    CHECK(addrs[0][0].ip[3] == 1 && addrs[0][1].ip[3] == 2 && addrs[0][1].port == first.port);
    for (int i = 1; i < 3; i++)
        CHECK(count[i] == 2 && memcmp(addrs[i], addrs[0], sizeof addrs[0]) == 0);
    gossip_free(node);
    gossip_packets_free(packets);
    gossip_listener_free(listener);
}

static void the_receive_buffer_is_what_the_system_granted(gossip_t *node)
{
    size_t bytes = 0;

    EXPECT(GOSSIP_OK, gossip_udp_recv_buffer(node, &bytes));
    CHECK(bytes >= 2048);
}

static int is_readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void descriptors_tell_an_event_loop_when_to_take(gossip_t *node)
{
    gossip_listener_t *listener;
    gossip_packets_t *packets;
    gossip_fd_t accepting = -1, again = -1, receiving = -1, here, there[2];
    gossip_addr_t to;
    char data[16];
    size_t len;

    OK(gossip_listen(node, 7, &listener, &err));
    OK(gossip_packets(node, &packets, &err));
    EXPECT(GOSSIP_OK, gossip_listener_fd(listener, &accepting));
    EXPECT(GOSSIP_OK, gossip_listener_fd(listener, &again));
    EXPECT(GOSSIP_OK, gossip_packets_fd(packets, &receiving));
    CHECK(accepting == again && (fcntl(accepting, F_GETFD) & FD_CLOEXEC));
    CHECK(!is_readable(accepting, 0) && !is_readable(receiving, 0));

    for (int i = 0; i < 2; i++)
        OK(gossip_dial(addr_of(node), 7, PATIENCE_MS, 0, &there[i], &err));
    for (int i = 0; i < 2; i++) {
        CHECK(is_readable(accepting, PATIENCE_MS));
        EXPECT(GOSSIP_OK, gossip_listener_accept(listener, 0, GOSSIP_FD_NONBLOCK, &here, NULL));
        close(here);
        close(there[i]);
    }
    CHECK(!is_readable(accepting, 0));
    EXPECT(GOSSIP_ERR_AGAIN, gossip_listener_accept(listener, 0, 0, &here, NULL));

    EXPECT(GOSSIP_OK, gossip_local_addr(node, &to));
    OK(gossip_packets_send(packets, &to, "to myself", 9, &err));
    CHECK(is_readable(receiving, PATIENCE_MS));
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_packets_recv(packets, data, 8, &len, NULL, 0));
    CHECK(is_readable(receiving, 0)); /* it is still there */
    EXPECT(GOSSIP_OK, gossip_packets_recv(packets, data, sizeof data, &len, NULL, 0));
    CHECK(!is_readable(receiving, 0));

    EXPECT(GOSSIP_OK, gossip_listener_close(listener));
    EXPECT(GOSSIP_OK, gossip_packets_close(packets));
    CHECK(is_readable(accepting, 0) && is_readable(receiving, 0)); /* like the end of a file */
    EXPECT(GOSSIP_ERR_CLOSED, gossip_listener_accept(listener, 0, 0, &here, NULL));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_packets_recv(packets, data, sizeof data, &len, NULL, 0));
    gossip_listener_free(listener);
    gossip_packets_free(packets);
}

static void a_receiver_counts(gossip_t *node)
{
    gossip_packets_t *packets;
    gossip_addr_t to;
    uint64_t accepted, dropped, pending, limit;

    OK(gossip_packets(node, &packets, &err));
    EXPECT(GOSSIP_OK, gossip_local_addr(node, &to));
    OK(gossip_packets_send(packets, &to, "one", 3, &err));
    EVENTUALLY(gossip_packets_stats(packets, &accepted, &dropped, &pending, &limit) == GOSSIP_OK
               && accepted != 0);
    CHECK(accepted == 1 && dropped == 0 && pending == 1 && limit == 4096);
    EXPECT(GOSSIP_OK, gossip_packets_close(packets));
    EXPECT(GOSSIP_OK, gossip_packets_stats(packets, NULL, &dropped, &pending, NULL));
    CHECK(dropped == 1 && pending == 0); /* it was never taken */
    gossip_packets_free(packets);
}

struct waiting {
    gossip_listener_t *listener;
    _Atomic long thread;
};

static void *accept_until_closed(void *argument)
{
    struct waiting *waiting = argument;
    gossip_fd_t fd;

    waiting->thread = thread_id();
    EXPECT(GOSSIP_ERR_CLOSED, gossip_listener_accept(waiting->listener, -1, GOSSIP_FD_BLOCKING, &fd, NULL));
    return NULL;
}

/* How the end comes to a thread that is blocked in accept. */
enum ending { BY_CLOSE, BY_FREE, BY_SHUTDOWN };

static void the_end_wakes_those_who_wait(enum ending ending)
{
    gossip_t *node = open_node("waiting");
    struct waiting waiting = {NULL, 0};
    gossip_listener_t *listener;
    pthread_t thread;

    OK(gossip_start(node, &err));
    OK(gossip_listen(node, 5, &listener, &err));
    waiting.listener = listener;
    CHECK(pthread_create(&thread, NULL, accept_until_closed, &waiting) == 0);
    EVENTUALLY(waiting.thread != 0 && is_asleep(waiting.thread));
    if (ending == BY_CLOSE)
        EXPECT(GOSSIP_OK, gossip_listener_close(listener));
    else if (ending == BY_FREE)
        gossip_listener_free(listener);
    else
        OK(gossip_shutdown(node, PATIENCE_MS, &err));
    CHECK(pthread_join(thread, NULL) == 0);
    if (ending != BY_FREE)
        gossip_listener_free(listener);
    gossip_free(node);
}

static void impossible_ids_are_refused(gossip_t *node)
{
    gossip_listener_t *listener;
    gossip_error_t *err;
    gossip_fd_t fd;

    EXPECT(GOSSIP_ERR_RESERVED, gossip_listen(node, 0xfe07, &listener, &err));
    CHECK(strstr(gossip_error_message(err), "0xfe07") != NULL);
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_listen(node, 0x10000, &listener, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_listen(node, -1, &listener, NULL));
    EXPECT(GOSSIP_ERR_RESERVED, gossip_dial(addr_of(node), 0xfeff, 0, 0, &fd, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_dial(addr_of(node), -2, 0, 0, &fd, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_dial(addr_of(node), 1, 0, 2, &fd, NULL));
}

static void a_dial_that_fails_says_why(void)
{
    gossip_t *gone = open_node("gone");
    const char *addr = addr_of(gone);
    gossip_error_t *err;
    gossip_fd_t fd;

    gossip_free(gone);
    EXPECT(GOSSIP_ERR_CONNECT, gossip_dial(addr, 1, PATIENCE_MS, 0, &fd, &err));
    CHECK(strstr(gossip_error_message(err), addr) != NULL && gossip_error_os_errno(err) != 0);
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_ADDR_INVALID, gossip_dial("127.0.0.1:port", 1, PATIENCE_MS, 0, &fd, NULL));
}

int main(void)
{
    gossip_t *node;

    start_watchdog();
    node = open_node("port");
    OK(gossip_start(node, &err));
    impossible_ids_are_refused(node);
    a_dialed_connection_reaches_its_listener(node);
    everything_else_is_native_and_untouched(node);
    datagrams_go_both_ways_from_the_shared_port(node);
    prefixes_share_the_port(node);
    a_port_tells_of_its_listeners(node);
    impossible_backlogs_are_refused(node);
    everyone_knows_the_addresses_of_the_port();
    the_receive_buffer_is_what_the_system_granted(node);
    descriptors_tell_an_event_loop_when_to_take(node);
    a_receiver_counts(node);
    gossip_free(node);
    a_dial_that_fails_says_why();
    the_end_wakes_those_who_wait(BY_CLOSE);
    the_end_wakes_those_who_wait(BY_FREE);
    the_end_wakes_those_who_wait(BY_SHUTDOWN);
    return 0;
}
