/*
 * One node of `make demo`: two pools, and three services of its own beside them, all on
 * one port.
 *
 *     demo_node NAME
 *
 * Commands come from standard input, one in a line:
 *
 *     join ADDR              join both pools
 *     members                who is there, pool by pool
 *     broadcast POOL TEXT    a message to every member of a pool
 *     mux ADDR TEXT          a line to the echo service of the node at ADDR
 *     http ADDR              a request to its web service
 *     datagram ADDR TEXT     a datagram to it, from the shared port
 *     quit                   say goodbye and end; at the end of input: end without a word
 *
 * What happens goes to standard output, one JSON object in a line.
 */
#define _POSIX_C_SOURCE 200809L

#include <gossip/gossip.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    POOLS = 2,
    ECHO_ID = 0x0101,    /* the first two bytes of a connection to the echo service */
    WAIT_MS = 5000,      /* how long anything may take */
    LINE = 1024,         /* the longest line of a service */
    DATAGRAM_MAX = 65507 /* fits every datagram */
};

static const char *const pool_names[POOLS] = {"blue", "green"};

static const char *name; /* ours */
static gossip_t *node;
static gossip_pool_t *pools[POOLS];
static gossip_listener_t *echo_listener;
static gossip_listener_t *http_listener;
static gossip_packets_t *packets;

/* ---- events ---------------------------------------------------------------------- */

/* Writes a JSON string. Names and messages come from the network, so they can be any
 * bytes: control characters are escaped, and what is not UTF-8 stays as it is. */
static void put_string(const char *text, size_t len)
{
    putchar('"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

/* Each event is written under the lock of stdout, so that lines of threads do not mix. */
static void begin_event(const char *event)
{
    flockfile(stdout);
    printf("{\"event\":\"%s\"", event);
}

static void put_field(const char *key, const char *text, size_t len)
{
    printf(",\"%s\":", key);
    put_string(text, len);
}

static void put_text(const char *key, const char *text)
{
    put_field(key, text, strlen(text));
}

static void end_event(void)
{
    printf("}\n");
    fflush(stdout);
    funlockfile(stdout);
}

/* Frees `err` after telling what it says. */
static void report(const char *what, gossip_error_t *err)
{
    begin_event("error");
    put_text("command", what);
    put_text("message", gossip_error_message(err));
    end_event();
    gossip_error_free(err);
}

static void die(const char *what, const gossip_error_t *err)
{
    fprintf(stderr, "demo_node: %s: %s\n", what, gossip_error_message(err));
    exit(1);
}

/* ---- what the pools tell us ------------------------------------------------------- */

/* The user_data of a pool's callbacks is its id. */
static int pool_id(void *user_data)
{
    return *(const int *)user_data;
}

static void on_join(void *user_data, const gossip_member_t *member)
{
    size_t len;
    const char *who = gossip_member_name(member, &len);

    begin_event("join");
    printf(",\"pool\":%d", pool_id(user_data));
    put_field("member", who, len);
    end_event();
}

static void on_leave(void *user_data, const gossip_member_t *member)
{
    size_t len;
    const char *who = gossip_member_name(member, &len);

    begin_event("leave");
    printf(",\"pool\":%d", pool_id(user_data));
    put_field("member", who, len);
    put_text("state", gossip_state_name(gossip_member_state(member)));
    end_event();
}

static void on_message(void *user_data, const uint8_t *data, size_t len, const gossip_message_t *message)
{
    (void)message;
    begin_event("message");
    printf(",\"pool\":%d", pool_id(user_data));
    put_field("text", (const char *)data, len);
    end_event();
}

/* ---- services --------------------------------------------------------------------- */

/* Sends everything, unless the peer is gone or too slow. */
static int send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        data += sent;
        len -= (size_t)sent;
    }
    return 1;
}

/* Reads a line without its end, CR LF or LF; 0 if the connection ends, or says nothing
 * for too long, before there is one. Byte by byte, so that nothing behind it is taken. */
static int read_line(int fd, char *line, size_t cap)
{
    for (size_t len = 0; len + 1 < cap; len++) {
        struct pollfd ready = {fd, POLLIN, 0};
        if (poll(&ready, 1, WAIT_MS) != 1 || recv(fd, line + len, 1, 0) != 1)
            return 0;
        if (line[len] == '\n') {
            if (len > 0 && line[len - 1] == '\r')
                len--;
            line[len] = '\0';
            return 1;
        }
    }
    return 0;
}

/* Answers one line. */
static void serve_echo(int fd)
{
    char line[LINE], answer[LINE + 512];

    if (read_line(fd, line, sizeof line)) {
        snprintf(answer, sizeof answer, "%s echoes: %s\n", name, line);
        send_all(fd, answer, strlen(answer));
    }
}

/* Answers one request of HTTP; the connection ends the body. */
static void serve_http(int fd)
{
    char request[LINE], header[LINE], answer[LINE];
    int found;

    if (!read_line(fd, request, sizeof request))
        return;
    do {
        if (!read_line(fd, header, sizeof header))
            return;
    } while (header[0] != '\0');

    found = strncmp(request, "GET / ", 6) == 0;
    snprintf(answer, sizeof answer,
             "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n",
             found ? "200 OK" : "404 Not Found");
    if (found)
        snprintf(answer + strlen(answer), sizeof answer - strlen(answer), "hello from %s (C)\n", name);
    send_all(fd, answer, strlen(answer));
}

struct service {
    gossip_listener_t **listener;
    void (*serve)(int fd);
};

/* Serves one connection after the other until the listener is closed. */
static void *run_service(void *argument)
{
    const struct service *service = argument;
    gossip_fd_t fd;

    while (gossip_listener_accept(*service->listener, -1, GOSSIP_FD_BLOCKING, &fd, NULL) == GOSSIP_OK) {
        service->serve(fd);
        close(fd);
    }
    return NULL;
}

/* Tells of answers and answers everything else. Both arrive at the same port, so an answer
 * must look like one, or two nodes would answer each other for ever. */
static void *run_datagrams(void *unused)
{
    static char datagram[DATAGRAM_MAX + 1], answer[DATAGRAM_MAX];
    gossip_addr_t from;
    size_t len;

    (void)unused;
    while (gossip_packets_recv(packets, datagram, DATAGRAM_MAX, &len, &from, -1) == GOSSIP_OK) {
        datagram[len] = '\0';
        if (strstr(datagram, " got: ") != NULL) {
            char sender[GOSSIP_ADDR_TEXT_SIZE] = "";
            gossip_addr_format(&from, sender, sizeof sender, NULL);
            begin_event("datagram");
            put_text("from", sender);
            put_field("reply", datagram, len);
            end_event();
        } else {
            int size = snprintf(answer, sizeof answer, "%s got: %s", name, datagram);
            if (size > 0 && (size_t)size < sizeof answer)
                gossip_packets_send(packets, &from, answer, (size_t)size, NULL);
        }
    }
    return NULL;
}

/* ---- commands --------------------------------------------------------------------- */

static void join(const char *addr)
{
    for (int i = 0; i < POOLS; i++) {
        gossip_error_t *err;
        if (gossip_pool_join(pools[i], &addr, 1, WAIT_MS, NULL, &err) != GOSSIP_OK)
            report("join", err);
    }
}

static void list_members(gossip_pool_t *pool, int id)
{
    gossip_members_t *members;

    if (gossip_pool_members(pool, &members) != GOSSIP_OK)
        return;
    begin_event("members");
    printf(",\"pool\":%d,\"members\":[", id);
    for (size_t i = 0; i < gossip_members_len(members); i++) {
        const gossip_member_t *member = gossip_members_get(members, i);
        size_t name_len, meta_len;
        const char *who = gossip_member_name(member, &name_len);
        const char *meta = (const char *)gossip_member_meta(member, &meta_len);

        printf(i == 0 ? "{\"name\":" : ",{\"name\":");
        put_string(who, name_len);
        put_text("addr", gossip_member_addr_text(member));
        put_text("state", gossip_state_name(gossip_member_state(member)));
        put_field("meta", meta, meta_len);
        putchar('}');
    }
    putchar(']');
    end_event();
    gossip_members_free(members);
}

static void broadcast(const char *pool, const char *text)
{
    gossip_error_t *err;
    int id = atoi(pool);

    if (id < 1 || id > POOLS)
        fprintf(stderr, "demo_node: no pool %s\n", pool);
    else if (gossip_pool_broadcast(pools[id - 1], text, strlen(text), WAIT_MS, &err) != GOSSIP_OK)
        report("broadcast", err);
}

static void ask_echo(const char *addr, const char *text)
{
    char line[LINE] = "";
    gossip_error_t *err;
    gossip_fd_t fd;

    if (gossip_dial(addr, ECHO_ID, WAIT_MS, GOSSIP_FD_BLOCKING, &fd, &err) != GOSSIP_OK) {
        report("mux", err);
        return;
    }
    if (send_all(fd, text, strlen(text)) && send_all(fd, "\n", 1))
        read_line(fd, line, sizeof line);
    close(fd);
    begin_event("mux");
    put_text("reply", line);
    end_event();
}

static void ask_http(const char *addr)
{
    char line[LINE] = "", request[LINE];
    gossip_error_t *err;
    gossip_fd_t fd;

    if (gossip_dial(addr, GOSSIP_DIAL_NATIVE, WAIT_MS, GOSSIP_FD_BLOCKING, &fd, &err) != GOSSIP_OK) {
        report("http", err);
        return;
    }
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", addr);
    if (send_all(fd, request, strlen(request))) {
        do {
            line[0] = '\0'; /* what a connection that ends early leaves */
        } while (read_line(fd, line, sizeof line) && line[0] != '\0');
        if (!read_line(fd, line, sizeof line))
            line[0] = '\0';
    }
    close(fd);
    begin_event("http");
    put_text("reply", line);
    end_event();
}

/* The answer comes to run_datagrams. */
static void ask_datagram(const char *addr, const char *text)
{
    gossip_error_t *err;
    gossip_addr_t to;

    if (gossip_addr_parse(addr, &to, &err) != GOSSIP_OK ||
        gossip_packets_send(packets, &to, text, strlen(text), &err) != GOSSIP_OK)
        report("datagram", err);
}

/* Does what a line says; 0 to quit. */
static int obey(char *line)
{
    char *rest = NULL;
    const char *command = strtok_r(line, " \r\n", &rest);
    const char *target = strtok_r(NULL, " \r\n", &rest);
    const char *text = strtok_r(NULL, "\r\n", &rest);

    if (command == NULL)
        return 1;
    if (strcmp(command, "quit") == 0)
        return 0;
    if (strcmp(command, "members") == 0) {
        for (int i = 0; i < POOLS; i++)
            list_members(pools[i], i + 1);
    } else if (strcmp(command, "join") == 0 && target != NULL)
        join(target);
    else if (strcmp(command, "http") == 0 && target != NULL)
        ask_http(target);
    else if (strcmp(command, "broadcast") == 0 && text != NULL)
        broadcast(target, text);
    else if (strcmp(command, "mux") == 0 && text != NULL)
        ask_echo(target, text);
    else if (strcmp(command, "datagram") == 0 && text != NULL)
        ask_datagram(target, text);
    else
        fprintf(stderr, "demo_node: unknown command: %s\n", command);
    return 1;
}

/* ---- from start to end ------------------------------------------------------------ */

static void open_node(void)
{
    gossip_config_t *config;
    gossip_error_t *err = NULL;

    if (gossip_config_new(&config) != GOSSIP_OK ||
        gossip_config_set(config, "name", name, &err) != GOSSIP_OK ||
        gossip_config_set(config, "bind_addr", "127.0.0.1", &err) != GOSSIP_OK ||
        gossip_config_set(config, "bind_port", "0", &err) != GOSSIP_OK ||
        gossip_new(config, &node, &err) != GOSSIP_OK)
        die("node", err);
    gossip_config_free(config);
}

static void open_pool(int index)
{
    static const struct {
        const char *key, *value;
    } choices[] = {
        {"probe_interval_ms", "300"},
        {"probe_timeout_ms", "100"},
        {"gossip_interval_ms", "50"},
        {"suspicion_mult", "3"},
        {"meta", "lang=C"},
    };
    static int ids[POOLS];
    gossip_pool_config_t *config;
    gossip_error_t *err;
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate,
        .user_data = &ids[index],
        .notify_join = on_join,
        .notify_leave = on_leave,
        .notify_msg = on_message,
    };

    ids[index] = index + 1;
    if (gossip_pool_config_new(ids[index], GOSSIP_PRESET_LOCAL, &config, &err) != GOSSIP_OK)
        die(pool_names[index], err);
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        if (gossip_pool_config_set(config, choices[i].key, choices[i].value, &err) != GOSSIP_OK)
            die(pool_names[index], err);
    if (gossip_register_pool(node, config, &delegate, &pools[index], &err) != GOSSIP_OK)
        die(pool_names[index], err);
    gossip_pool_config_free(config);
}

static void open_services(void)
{
    gossip_error_t *err;

    if (gossip_listen(node, ECHO_ID, &echo_listener, &err) != GOSSIP_OK ||
        gossip_listen_tcp(node, &http_listener, &err) != GOSSIP_OK ||
        gossip_packets(node, &packets, &err) != GOSSIP_OK)
        die("services", err);
}

static void announce(void)
{
    char text[GOSSIP_ADDR_TEXT_SIZE] = "";
    gossip_addr_t addr;

    if (gossip_local_addr(node, &addr) == GOSSIP_OK)
        gossip_addr_format(&addr, text, sizeof text, NULL);
    begin_event("ready");
    put_text("name", name);
    put_text("addr", text);
    put_text("lang", "C");
    end_event();
}

int main(int argc, char **argv)
{
    static const struct service echo = {&echo_listener, serve_echo};
    static const struct service http = {&http_listener, serve_http};
    pthread_t threads[3];
    gossip_error_t *err;
    char *line = NULL;
    size_t cap = 0;
    int goodbye = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: demo_node NAME\n");
        return 2;
    }
    name = argv[1];
    open_node();
    for (int i = 0; i < POOLS; i++)
        open_pool(i);
    open_services();
    if (pthread_create(&threads[0], NULL, run_service, (void *)&echo) != 0 ||
        pthread_create(&threads[1], NULL, run_service, (void *)&http) != 0 ||
        pthread_create(&threads[2], NULL, run_datagrams, NULL) != 0)
        die("threads", NULL);
    if (gossip_start(node, &err) != GOSSIP_OK)
        die("start", err);
    announce();

    while (!goodbye && getline(&line, &cap, stdin) != -1)
        goodbye = !obey(line);
    free(line);

    if (goodbye && gossip_leave(node, WAIT_MS, &err) != GOSSIP_OK)
        report("quit", err);
    if (gossip_shutdown(node, WAIT_MS, &err) != GOSSIP_OK)
        report("quit", err);
    for (int i = 0; i < 3; i++) /* their calls have returned CLOSED */
        pthread_join(threads[i], NULL);
    gossip_packets_free(packets);
    gossip_listener_free(http_listener);
    gossip_listener_free(echo_listener);
    for (int i = 0; i < POOLS; i++)
        gossip_pool_free(pools[i]);
    gossip_free(node);
    return 0;
}
