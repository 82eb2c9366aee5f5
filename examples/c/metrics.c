/*
 * Serves the metrics of a node over HTTP on its own gossip port: whatever is no gossip goes
 * to the native listener.
 *
 *     ./metrics 7946
 *     curl http://127.0.0.1:7946/metrics
 *
 * Ends with a line, or the end, of standard input.
 */
#define _POSIX_C_SOURCE 200809L

#include <gossip/gossip.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

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

/* The metrics, to be freed with free; NULL if there are none to be had. */
static char *metrics_of(const gossip_t *node, size_t *len)
{
    char *text = NULL, *larger;
    size_t cap = 0;
    gossip_status_t status;

    /* They grow between two calls, if only by a digit: ask for some room more. */
    while ((status = gossip_metrics_text(node, text, cap, len)) == GOSSIP_ERR_BUFFER_TOO_SMALL) {
        cap = *len + 1024;
        larger = realloc(text, cap);
        if (larger == NULL)
            break;
        text = larger;
    }
    if (status == GOSSIP_OK)
        return text;
    free(text);
    return NULL;
}

static int send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        /* A peer that has gone must not end this program with SIGPIPE. */
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        data += sent;
        len -= (size_t)sent;
    }
    return 0;
}

static void answer(const gossip_t *node, int fd)
{
    struct timeval patience = {5, 0};
    char request[4096] = "", head[256];
    size_t got = 0, len = 0;
    char *metrics = NULL;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (strstr(request, "\r\n\r\n") == NULL) {
        ssize_t more = recv(fd, request + got, sizeof request - 1 - got, 0);
        if (more <= 0)
            return; /* gone, too slow, or too long */
        got += (size_t)more;
        request[got] = '\0';
    }
    if (strncmp(request, "GET /metrics ", 13) == 0)
        metrics = metrics_of(node, &len);
    snprintf(head, sizeof head,
             "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n",
             metrics != NULL ? "200 OK" : "404 Not Found", len);
    if (send_all(fd, head, strlen(head)) == 0)
        send_all(fd, metrics, len);
    free(metrics);
}

/* Ends the program's loop: whoever accepts gets CLOSED. */
static void *wait_for_input(void *listener)
{
    getchar();
    gossip_listener_close(listener);
    return NULL;
}

int main(int argc, char **argv)
{
    gossip_error_t *err = NULL;
    gossip_config_t *config;
    gossip_pool_config_t *lan;
    gossip_t *node;
    gossip_pool_t *pool;
    gossip_listener_t *listener;
    gossip_addr_t addr;
    gossip_fd_t fd;
    char text[GOSSIP_ADDR_TEXT_SIZE];
    pthread_t waiter;

    if (argc < 2) {
        fprintf(stderr, "usage: metrics PORT [SEED...]\n");
        return 2;
    }
    TRY(gossip_config_new(&config));
    TRY(gossip_config_set(config, "bind_addr", "127.0.0.1", &err)); /* default: every interface */
    TRY(gossip_config_set(config, "bind_port", argv[1], &err));
    TRY(gossip_new(config, &node, &err));
    TRY(gossip_pool_config_new(1, GOSSIP_PRESET_LAN, &lan, &err));
    TRY(gossip_pool_config_set(lan, "metric_labels", "cluster=example", &err));
    TRY(gossip_register_pool(node, lan, NULL, &pool, &err));
    TRY(gossip_listen_tcp(node, &listener, &err));
    TRY(gossip_start(node, &err));
    if (argc > 2)
        TRY(gossip_pool_join(pool, (const char *const *)argv + 2, (size_t)argc - 2, 5000, NULL, &err));
    TRY(gossip_local_addr(node, &addr));
    TRY(gossip_addr_format(&addr, text, sizeof text, NULL));
    printf("http://%s/metrics; press enter to end\n", text);
    fflush(stdout);

    if (pthread_create(&waiter, NULL, wait_for_input, listener) != 0)
        return 1;
    /* One at a time is enough for a collector that comes four times a minute. */
    while (gossip_listener_accept(listener, -1, GOSSIP_FD_BLOCKING, &fd, NULL) == GOSSIP_OK) {
        answer(node, fd);
        close(fd);
    }
    pthread_join(waiter, NULL);
    TRY(gossip_leave(node, 5000, &err));

    gossip_listener_free(listener);
    gossip_pool_free(pool);
    gossip_free(node);
    gossip_pool_config_free(lan);
    gossip_config_free(config);
    return 0;
}
