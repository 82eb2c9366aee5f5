/* What bears on a server: the same for all contenders.
 *
 *   load tcp  HOST PORT FIRST CLIENTS SECONDS     connect, say FIRST, await a byte, end; again and again
 *   load hold HOST PORT FIRST COUNT               so many connections that say FIRST and no more, until input ends
 *   load udp  HOST PORT FIRST SIZE RATE SECONDS   datagrams that begin with FIRST; a rate of 0 is as fast as it goes
 *
 * FIRST is in hexadecimal and may be empty (-). Each prints a line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { LATENCIES_MAX = 4 << 20, BATCH = 64, CLIENTS_MAX = 1024 };

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in server;
static unsigned char first[2048];
static size_t first_len;

static void target(const char *host, const char *port, const char *hex)
{
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, host, &server.sin_addr) != 1) {
        fprintf(stderr, "%s is no IPv4 address\n", host);
        exit(2);
    }
    if (strcmp(hex, "-") == 0)
        return;
    for (unsigned byte; first_len < sizeof first && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        first[first_len++] = (unsigned char)byte;
}

/* Sockets of a client */

struct client {
    int fd;
    int said;
    double begun;
};

static int polled;
static float *latencies;
static size_t answered;
static unsigned long failed;

static void begin(struct client *client)
{
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        die("socket");
    int yes = 1;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    /* Ended by a reset: no port waits for a minute. */
    struct linger linger = {1, 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    client->said = 0;
    client->begun = seconds_now();
    if (connect(client->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        die("connect");
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    if (epoll_ctl(polled, EPOLL_CTL_ADD, client->fd, &event) < 0)
        die("epoll_ctl");
}

static void end(struct client *client, int good)
{
    if (!good)
        failed++;
    else if (answered < LATENCIES_MAX)
        latencies[answered++] = (float)(seconds_now() - client->begun);
    close(client->fd);
    begin(client);
}

static void go_on(struct client *client, uint32_t events)
{
    if (!client->said) {
        if ((events & (EPOLLERR | EPOLLHUP)) || send(client->fd, first, first_len, MSG_NOSIGNAL) != (ssize_t)first_len) {
            end(client, 0);
            return;
        }
        client->said = 1;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        epoll_ctl(polled, EPOLL_CTL_MOD, client->fd, &event);
        return;
    }
    char answer;
    end(client, recv(client->fd, &answer, 1, 0) == 1);
}

static int by_size(const void *one, const void *other)
{
    float a = *(const float *)one, b = *(const float *)other;
    return (a > b) - (a < b);
}

static double share(double part)
{
    return answered ? latencies[(size_t)((double)(answered - 1) * part)] * 1e6 : 0;
}

static void tcp(int clients, double seconds)
{
    static struct client all[CLIENTS_MAX];
    latencies = malloc(LATENCIES_MAX * sizeof *latencies);
    polled = epoll_create1(EPOLL_CLOEXEC);
    if (polled < 0 || !latencies || clients < 1 || clients > CLIENTS_MAX)
        die("tcp");
    for (int i = 0; i < clients; i++)
        begin(&all[i]);
    double begun = seconds_now(), now = begun;
    while (now < begun + seconds) {
        struct epoll_event events[BATCH];
        int ready = epoll_wait(polled, events, BATCH, 100);
        for (int i = 0; i < ready; i++)
            go_on(events[i].data.ptr, events[i].events);
        now = seconds_now();
        /* One that is never answered is a failure, too. */
        for (int i = 0; i < clients; i++)
            if (now - all[i].begun > 1)
                end(&all[i], 0);
    }
    qsort(latencies, answered, sizeof *latencies, by_size);
    printf("{\"rate\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"failed\": %lu}\n",
           (double)answered / (now - begun), share(0.5), share(0.99), failed);
}

static void hold(int count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int held = 0;
    for (; held < count; held++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            break;
        /* From many addresses, as clients are: a server may bound how many of one address it listens to. */
        struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000100u + (unsigned)held / 50)};
        bind(fd, (struct sockaddr *)&source, sizeof source);
        if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
            break;
        if (first_len && send(fd, first, first_len, MSG_NOSIGNAL) < 0)
            break;
    }
    printf("{\"addr\": \"-:0\", \"count\": \"%d\"}\n", held);
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin))
        ;
}

/* As many datagrams as the system takes at once, cut from one buffer where it knows how. */
static long send_batch(int fd, unsigned char *buffer, size_t size, int segments, long count)
{
    if (segments > 1) {
        if (count > segments)
            count = segments;
        return send(fd, buffer, size * (size_t)count, 0) < 0 ? -1 : count;
    }
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    if (count > BATCH)
        count = BATCH;
    memset(messages, 0, sizeof messages);
    for (long i = 0; i < count; i++) {
        parts[i] = (struct iovec){buffer, size};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    return sendmmsg(fd, messages, (unsigned)count, 0);
}

static void udp(size_t size, double rate, double seconds)
{
    if (size < first_len || size > 60000)
        die("size");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
        die("udp");
    /* Slow senders gain nothing from it. */
    int segment = (int)size, segments = 1;
    if ((rate == 0 || rate > 10000) && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0)
        segments = 60000 / segment < BATCH ? 60000 / segment : BATCH;
    unsigned char *buffer = malloc(size * BATCH);
    if (!buffer)
        die("malloc");
    for (int i = 0; i < BATCH; i++) {
        memset(buffer + size * (size_t)i, 7, size);
        memcpy(buffer + size * (size_t)i, first, first_len);
    }
    double begun = seconds_now(), now = begun;
    long sent = 0;
    while (now < begun + seconds) {
        long due = rate == 0 ? BATCH : (long)((now - begun) * rate) - sent;
        if (due > 0) {
            long done = send_batch(fd, buffer, size, segments, due);
            if (done > 0)
                sent += done;
            else if (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
                die("send");
        } else {
            struct timespec pause = {0, rate > 10000 ? 100000 : 1000000};
            nanosleep(&pause, NULL);
        }
        now = seconds_now();
    }
    printf("{\"sent\": %ld, \"rate\": %.1f}\n", sent, (double)sent / (now - begun));
}

int main(int argc, char **argv)
{
    if (argc >= 5)
        target(argv[2], argv[3], argv[4]);
    if (argc == 7 && strcmp(argv[1], "tcp") == 0)
        tcp(atoi(argv[5]), atof(argv[6]));
    else if (argc == 6 && strcmp(argv[1], "hold") == 0)
        hold(atoi(argv[5]));
    else if (argc == 8 && strcmp(argv[1], "udp") == 0)
        udp((size_t)atol(argv[5]), atof(argv[6]), atof(argv[7]));
    else {
        fprintf(stderr, "usage: see the source\n");
        return 2;
    }
    return 0;
}
