/* The program's own protocols on the shared port: listeners, dialing, datagrams. */
#include "check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
    EXPECT(GOSSIP_OK, gossip_listener_stats(listener, &accepted, &dropped, &pending));
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
    EXPECT(GOSSIP_OK, gossip_packets_dropped(here, &dropped));
    CHECK(dropped == 0);
    EXPECT(GOSSIP_OK, gossip_packets_close(here));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_packets_recv(here, data, sizeof data, &len, NULL, -1));
    EXPECT(GOSSIP_ERR_CLOSED, gossip_packets_send(here, &from, "late", 4, NULL));
    gossip_packets_free(here);
    gossip_free(other);
    gossip_packets_free(there);
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
    gossip_free(node);
    a_dial_that_fails_says_why();
    the_end_wakes_those_who_wait(BY_CLOSE);
    the_end_wakes_those_who_wait(BY_FREE);
    the_end_wakes_those_who_wait(BY_SHUTDOWN);
    return 0;
}
