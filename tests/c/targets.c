/* Whom messages and pings are for: a member, an address, a text. And what a join reached. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

/* All messages that a pool has received: "R text;" for a reliable one, "D text;" for others. */
struct mail {
    pthread_mutex_t lock;
    char text[65536];
    size_t len;
};

static void on_message(void *user_data, const uint8_t *data, size_t len, const gossip_message_t *message)
{
    struct mail *mail = user_data;

    CHECK(mail->len + len + 4 < sizeof mail->text);
    pthread_mutex_lock(&mail->lock);
    mail->len += (size_t)sprintf(mail->text + mail->len, "%c %.*s;", gossip_message_is_reliable(message) ? 'R' : 'D',
                                 (int)len, (const char *)data);
    pthread_mutex_unlock(&mail->lock);
}

static int has_come(struct mail *mail, const char *kind, const char *text)
{
    char wanted[64];

    snprintf(wanted, sizeof wanted, "%s %s;", kind, text);
    pthread_mutex_lock(&mail->lock);
    int come = strstr(mail->text, wanted) != NULL;
    pthread_mutex_unlock(&mail->lock);
    return come;
}

/* "blue" writes to "green", in pool 7. */
struct scene {
    gossip_t *blue, *green;
    gossip_pool_t *from, *to;
    struct mail mail;
    char address[GOSSIP_ADDR_TEXT_SIZE], named[100], stranger[100], by_host[100];
};

static void open_scene(struct scene *scene)
{
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate, .user_data = &scene->mail, .notify_msg = on_message};
    gossip_addr_t addr;

    pthread_mutex_init(&scene->mail.lock, NULL);
    scene->blue = open_node("blue");
    scene->green = open_node("green");
    scene->from = open_pool(scene->blue, 7, NULL);
    scene->to = open_pool(scene->green, 7, &delegate);
    OK(gossip_start(scene->blue, &err));
    OK(gossip_start(scene->green, &err));
    join_two(scene->from, scene->to, scene->green);
    EXPECT(GOSSIP_OK, gossip_local_addr(scene->green, &addr));
    snprintf(scene->address, sizeof scene->address, "%s", addr_of(scene->green));
    snprintf(scene->named, sizeof scene->named, "green/%s", scene->address);
    snprintf(scene->stranger, sizeof scene->stranger, "red/%s", scene->address);
    snprintf(scene->by_host, sizeof scene->by_host, "green/localhost:%u", addr.port);
}

static void messages_go_to_whom_a_text_names(struct scene *scene)
{
    const char *const targets[] = {scene->address, scene->named, scene->by_host};
    char text[32];

    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "reliable %d", i);
        OK(gossip_pool_send_reliable_to(scene->from, targets[i], text, strlen(text), PATIENCE_MS, NULL, &err));
        EVENTUALLY(has_come(&scene->mail, "R", text));
        snprintf(text, sizeof text, "quick %d", i);
        int64_t deadline = now_ms() + PATIENCE_MS;
        do { /* a datagram may be lost */
            CHECK(now_ms() < deadline);
            OK(gossip_pool_send_best_effort_to(scene->from, targets[i], text, strlen(text), PATIENCE_MS, &err));
            pause_ms(5);
        } while (!has_come(&scene->mail, "D", text));
    }
    /* An address needs no time. */
    OK(gossip_pool_send_best_effort_to(scene->from, scene->named, "x", 1, 0, &err));
}

static void pings_go_to_whom_a_text_names(struct scene *scene)
{
    const char *const targets[] = {scene->address, scene->named, scene->by_host};
    int64_t rtt_ns;

    for (int i = 0; i < 3; i++) {
        rtt_ns = 0;
        OK(gossip_pool_ping_to(scene->from, targets[i], PATIENCE_MS, &rtt_ns, &err));
        CHECK(rtt_ns > 0);
    }
    rtt_ns = -1;
    EXPECT(GOSSIP_ERR_NO_RESPONSE, gossip_pool_ping_to(scene->from, scene->stranger, 50, &rtt_ns, NULL));
    CHECK(rtt_ns == -1);
}

static void texts_that_name_nobody_say_why(struct scene *scene)
{
    static const char *const wrong[] = {"", "/127.0.0.1:1", "green/", "127.0.0.1:port", "127.0.0.1:65536"};
    gossip_error_t *err;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(GOSSIP_ERR_ADDR_INVALID, gossip_pool_ping_to(scene->from, wrong[i], 0, NULL, &err));
        CHECK(strstr(gossip_error_message(err), wrong[i]) != NULL);
        gossip_error_free(err);
    }
    EXPECT(GOSSIP_ERR_RESOLVE,
           gossip_pool_send_best_effort_to(scene->from, "no.such.host.invalid:1", "x", 1, PATIENCE_MS, &err));
    CHECK(strstr(gossip_error_message(err), "no.such.host.invalid") != NULL);
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_CONNECT, gossip_pool_send_reliable_to(scene->from, "127.0.0.1:1", "x", 1, PATIENCE_MS, NULL, NULL));
    EXPECT(GOSSIP_ERR_INVALID_UTF8, gossip_pool_ping_to(scene->from, "\xff:1", 0, NULL, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_send_reliable_to(scene->from, NULL, "x", 1, 0, NULL, NULL));
}

static void a_pool_that_requires_names_wants_them_in_texts_too(struct scene *scene)
{
    gossip_t *node = open_node("strict");
    gossip_pool_config_t *config = fast_pool(7);
    gossip_pool_t *pool;

    OK(gossip_pool_config_set(config, "require_node_names", "true", &err));
    OK(gossip_register_pool(node, config, NULL, &pool, &err));
    OK(gossip_start(node, &err));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_ping_to(pool, scene->address, 0, NULL, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_send_best_effort_to(pool, scene->address, "x", 1, 0, NULL));
    OK(gossip_pool_ping_to(pool, scene->named, PATIENCE_MS, NULL, &err));
    gossip_free(node);
    gossip_pool_free(pool);
    gossip_pool_config_free(config);
}

static void a_join_tells_what_became_of_each_address(struct scene *scene)
{
    const char *seeds[] = {"127.0.0.1:1", scene->named, "no/such/seed:1"};
    gossip_joined_t *joined;
    const char *addr, *reason;

    OK(gossip_pool_join(scene->from, seeds, 3, PATIENCE_MS, &joined, &err));
    CHECK(gossip_joined_len(joined) == 3 && gossip_joined_reached(joined) == 1);
    CHECK(gossip_joined_untried(joined) == 0);
    EXPECT(GOSSIP_OK, gossip_joined_at(joined, 0, &addr, &reason));
    CHECK(strcmp(addr, scene->address) == 0 && reason == NULL);
    for (size_t i = 1; i < 3; i++) {
        EXPECT(GOSSIP_OK, gossip_joined_at(joined, i, &addr, &reason));
        CHECK(strcmp(addr, seeds[0]) == 0 || strcmp(addr, seeds[2]) == 0);
        CHECK(reason != NULL && *reason != '\0');
    }
    EXPECT(GOSSIP_OK, gossip_joined_at(joined, 0, NULL, NULL));
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_joined_at(joined, 3, &addr, &reason));
    gossip_joined_free(joined);

    OK(gossip_pool_join(scene->from, NULL, 0, PATIENCE_MS, &joined, &err)); /* nothing to do */
    CHECK(gossip_joined_len(joined) == 0);
    gossip_joined_free(joined);
}

static void a_pool_tells_how_it_was_configured(struct scene *scene)
{
    gossip_pool_config_t *config;
    int32_t version = 0;
    char value[16];

    EXPECT(GOSSIP_OK, gossip_pool_get_config(scene->from, &config));
    EXPECT(GOSSIP_OK, gossip_pool_config_get(config, "probe_interval_ms", value, sizeof value, NULL));
    CHECK(strcmp(value, "200") == 0);
    EXPECT(GOSSIP_OK, gossip_pool_config_get(config, "protocol_version", value, sizeof value, NULL));
    EXPECT(GOSSIP_OK, gossip_pool_protocol_version(scene->from, &version));
    CHECK(version == atoi(value) && version > 0);
    OK(gossip_pool_config_set(config, "probe_interval_ms", "300", &err)); /* a copy */
    gossip_pool_config_free(config);
    EXPECT(GOSSIP_OK, gossip_pool_get_config(scene->from, &config));
    EXPECT(GOSSIP_OK, gossip_pool_config_get(config, "probe_interval_ms", value, sizeof value, NULL));
    CHECK(strcmp(value, "200") == 0);
    gossip_pool_config_free(config);
}

static int counter(gossip_pool_t *pool, const char *name)
{
    gossip_stats_t *stats;
    uint64_t value = 0;

    EXPECT(GOSSIP_OK, gossip_pool_stats(pool, &stats));
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, name, &value));
    gossip_stats_free(stats);
    return (int)value;
}

static void names_of_members_are_any_bytes(struct scene *scene)
{
    static const char bytes[] = {'g', 'r', '\0', '\xff'};
    const char *names[] = {"green", bytes};
    const size_t lens[] = {5, sizeof bytes};

    OK(gossip_pool_disable_tcp_pings_for(scene->from, names, lens, 2, &err));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_disable_tcp_pings_for(scene->from, NULL, NULL, 1, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_disable_tcp_pings_for(scene->from, &(const char *){NULL}, NULL, 1, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_disable_tcp_pings_for(scene->from, names, NULL, SIZE_MAX, NULL));
    OK(gossip_pool_disable_tcp_pings_for(scene->from, NULL, NULL, 0, &err));
}

/* Green ends, and somebody else listens on its port, TCP alone. Returns whether blue, whose
 * pings get no answer, has tried a connection when probes have failed. */
static int a_silent_member_is_pinged_over_tcp(int spared)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    gossip_t *blue = open_node("blue"), *green = open_node("green");
    gossip_pool_config_t *config = fast_pool(7);
    gossip_pool_t *from, *to = open_pool(green, 7, NULL);
    gossip_addr_t bound;

    OK(gossip_pool_config_set(config, "push_pull_interval_ms", "0", &err)); /* no other connections */
    OK(gossip_pool_config_set(config, "suspicion_mult", "100", &err));      /* probed for long */
    OK(gossip_register_pool(blue, config, NULL, &from, &err));
    OK(gossip_start(blue, &err));
    OK(gossip_start(green, &err));
    if (spared)
        OK(gossip_pool_disable_tcp_pings_for(from, &(const char *){"green"}, NULL, 1, &err));
    join_two(from, to, green);
    EXPECT(GOSSIP_OK, gossip_local_addr(green, &bound));
    addr.sin_port = htons(bound.port);
    gossip_free(green);
    gossip_pool_free(to);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, 4) == 0);

    /* The first may have begun before. */
    int before = counter(from, "probes_failed");
    EVENTUALLY(counter(from, "probes_failed") >= before + 2);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int tried = poll(&ready, 1, 0);
    close(fd);
    gossip_free(blue);
    gossip_pool_free(from);
    gossip_pool_config_free(config);
    return tried;
}

int main(void)
{
    static struct scene scene;

    start_watchdog();
    open_scene(&scene);
    messages_go_to_whom_a_text_names(&scene);
    pings_go_to_whom_a_text_names(&scene);
    texts_that_name_nobody_say_why(&scene);
    a_pool_that_requires_names_wants_them_in_texts_too(&scene);
    a_join_tells_what_became_of_each_address(&scene);
    a_pool_tells_how_it_was_configured(&scene);
    names_of_members_are_any_bytes(&scene);
    gossip_free(scene.blue);
    gossip_free(scene.green);
    gossip_pool_free(scene.from);
    gossip_pool_free(scene.to);
    CHECK(a_silent_member_is_pinged_over_tcp(0));
    CHECK(!a_silent_member_is_pinged_over_tcp(1));
    return 0;
}
