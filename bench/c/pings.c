/* What the system takes for a quiet cluster's datagrams alone: sockets in one loop, each of which sends a ping to
 * another in every second, and answers those that come.
 *
 *   pings steady COUNT SECONDS     prints a line of JSON: milliseconds of processor for each of them in a second
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { COUNT_MAX = 1000, PING = 'p', ACK = 'a' };

/* What memberlist's are: a ping names its sender and whom it is for. */
enum { PING_SIZE = 64, ACK_SIZE = 24 };

static int fds[COUNT_MAX];
static struct sockaddr_in addrs[COUNT_MAX];
static double due[COUNT_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_now(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void open_all(int polled, int count)
{
    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        addrs[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof addrs[i];
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)i};
        if (fds[i] < 0 || bind(fds[i], (struct sockaddr *)&addrs[i], len) < 0 ||
            getsockname(fds[i], (struct sockaddr *)&addrs[i], &len) < 0 || epoll_ctl(polled, EPOLL_CTL_ADD, fds[i], &event) < 0)
            die("socket");
    }
}

static void answer(int fd)
{
    char buffer[1500];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    if (recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &len) > 0 && buffer[0] == PING) {
        buffer[0] = ACK;
        sendto(fd, buffer, ACK_SIZE, 0, (struct sockaddr *)&from, len);
    }
}

/* Sends the pings that are due; returns when the next one is. */
static double ping(double now, int count)
{
    double next = now + 1;
    for (int i = 0; i < count; i++) {
        if (due[i] <= now) {
            char buffer[PING_SIZE] = {PING};
            sendto(fds[i], buffer, sizeof buffer, 0, (struct sockaddr *)&addrs[rand() % count], sizeof addrs[0]);
            due[i] += 1;
        }
        if (due[i] < next)
            next = due[i];
    }
    return next;
}

int main(int argc, char **argv)
{
    int count = argc == 4 && strcmp(argv[1], "steady") == 0 ? atoi(argv[2]) : 0;
    double seconds = argc == 4 ? atof(argv[3]) : 0;
    if (count < 2 || count > COUNT_MAX || seconds <= 0) {
        fprintf(stderr, "usage: pings steady COUNT SECONDS, with 2 to %d sockets\n", COUNT_MAX);
        return 2;
    }
    int polled = epoll_create1(EPOLL_CLOEXEC);
    if (polled < 0)
        die("epoll_create1");
    open_all(polled, count);
    double begun = seconds_now(), now = begun, used = cpu_now();
    for (int i = 0; i < count; i++)
        due[i] = begun + (double)rand() / RAND_MAX;
    while (now < begun + seconds) {
        struct epoll_event events[64];
        int wait_ms = (int)((ping(now, count) - now) * 1000) + 1;
        int ready = epoll_wait(polled, events, 64, wait_ms);
        for (int i = 0; i < ready; i++)
            answer(fds[events[i].data.u32]);
        now = seconds_now();
    }
    printf("{\"figure\": \"steady\", \"cpu_ms\": %.6f}\n", (cpu_now() - used) / (now - begun) / count * 1000);
    return 0;
}
