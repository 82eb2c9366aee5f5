/* A server on bare sockets: what the system gives when nothing is between.
 *
 *   bare tcp     accepts, reads, answers a byte, closes; epoll, one thread
 *   bare udp     receives datagrams and counts them
 *
 * Prints where it serves; answers each line of its input with what it has counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int fd;
static atomic_long count;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *tcp(void *unused)
{
    (void)unused;
    int polled = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd}, events[64];
    epoll_ctl(polled, EPOLL_CTL_ADD, fd, &event);
    for (;;) {
        int ready = epoll_wait(polled, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            int from = events[i].data.fd;
            if (from == fd) {
                int client;
                while ((client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                    event = (struct epoll_event){.events = EPOLLIN, .data.fd = client};
                    epoll_ctl(polled, EPOLL_CTL_ADD, client, &event);
                }
                continue;
            }
            char buffer[64];
            if (recv(from, buffer, sizeof buffer, 0) > 0) {
                send(from, "k", 1, MSG_NOSIGNAL);
                atomic_fetch_add(&count, 1);
            }
            close(from);
        }
    }
    return NULL;
}

static void *udp(void *unused)
{
    (void)unused;
    char buffer[65536];
    struct sockaddr_in from;
    for (;;) {
        socklen_t len = sizeof from;
        if (recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &len) >= 0)
            atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int stream = argc == 2 && strcmp(argv[1], "tcp") == 0;
    if (argc != 2 || (!stream && strcmp(argv[1], "udp") != 0)) {
        fprintf(stderr, "usage: bare tcp|udp\n");
        return 2;
    }
    fd = socket(AF_INET, (stream ? SOCK_STREAM | SOCK_NONBLOCK : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int buffer = 2 << 20;
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 || (stream && listen(fd, 1024) < 0))
        die("bind");
    if (!stream)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    getsockname(fd, (struct sockaddr *)&addr, &len);
    pthread_t thread;
    if (pthread_create(&thread, NULL, stream ? tcp : udp, NULL) != 0)
        die("pthread_create");
    printf("{\"addr\": \"127.0.0.1:%d\"}\n", ntohs(addr.sin_port));
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        printf("{\"count\": %ld}\n", atomic_load(&count));
        fflush(stdout);
    }
    return 0;
}
