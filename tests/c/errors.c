/* Every status that C can provoke, and errors that list all that is wrong. */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* A started node with pool 1, encrypted, and a node that has not been started. */
struct world {
    gossip_t *node, *idle;
    gossip_pool_t *pool, *idle_pool;
};

static const char key[16] = "sixteen bytes...";

/* ---- how each status is provoked; those without an error object leave it NULL --------- */

typedef gossip_status_t provoke(struct world *world, gossip_error_t **err);

static gossip_status_t ok(struct world *world, gossip_error_t **err)
{
    return gossip_pool_set_local_state(world->pool, "x", 1, err);
}

static gossip_status_t invalid_arg(struct world *world, gossip_error_t **err)
{
    gossip_addr_t nowhere = {.family = 5};
    return gossip_pool_send_to_address(world->pool, &nowhere, "x", 1, err);
}

static gossip_status_t null_arg(struct world *world, gossip_error_t **err)
{
    return gossip_pool_broadcast(world->pool, NULL, 1, 0, err);
}

static gossip_status_t invalid_utf8(struct world *world, gossip_error_t **err)
{
    return gossip_pool_ping_to(world->pool, "\xff", 0, NULL, err);
}

static gossip_status_t invalid_state(struct world *world, gossip_error_t **err)
{
    return gossip_pool_broadcast(world->idle_pool, "x", 1, 0, err);
}

static gossip_status_t closed(struct world *world, gossip_error_t **err)
{
    gossip_t *node = open_node("closed");
    gossip_status_t status;

    (void)world;
    EXPECT(GOSSIP_OK, gossip_shutdown(node, PATIENCE_MS, NULL));
    status = gossip_start(node, err);
    gossip_free(node);
    return status;
}

static gossip_status_t wait_for_nobody(struct world *world, int32_t timeout_ms)
{
    gossip_listener_t *listener;
    gossip_fd_t fd;
    gossip_status_t status;

    OK(gossip_listen_tcp(world->node, &listener, &err));
    status = gossip_listener_accept(listener, timeout_ms, 0, &fd, NULL);
    gossip_listener_free(listener);
    return status;
}

static gossip_status_t again(struct world *world, gossip_error_t **err)
{
    (void)err;
    return wait_for_nobody(world, 0);
}

static gossip_status_t timeout(struct world *world, gossip_error_t **err)
{
    (void)err;
    return wait_for_nobody(world, 1);
}

static gossip_status_t buffer_too_small(struct world *world, gossip_error_t **err)
{
    char name[2];
    (void)err;
    return gossip_node_name(world->node, name, sizeof name, NULL);
}

static gossip_status_t too_large(struct world *world, gossip_error_t **err)
{
    char meta[GOSSIP_META_MAX + 1] = {0};
    return gossip_pool_update_node(world->pool, meta, sizeof meta, 0, err);
}

static gossip_status_t not_found(struct world *world, gossip_error_t **err)
{
    return gossip_pool_keyring_use(world->pool, "another sixteen.", 16, err);
}

static gossip_status_t exists(struct world *world, gossip_error_t **err)
{
    gossip_pool_config_t *config = fast_pool(1);
    gossip_status_t status = gossip_register_pool(world->node, config, NULL, NULL, err);
    gossip_pool_config_free(config);
    return status;
}

static gossip_status_t reserved(struct world *world, gossip_error_t **err)
{
    gossip_listener_t *listener;
    return gossip_listen(world->node, 0xFE01, &listener, err);
}

static gossip_status_t in_use(struct world *world, gossip_error_t **err)
{
    return gossip_pool_keyring_remove(world->pool, key, sizeof key, err);
}

struct inside {
    gossip_t *node;
    gossip_error_t **err;
    atomic_int status, asked;
};

static void shut_down(void *user_data, const gossip_record_t *record)
{
    struct inside *inside = user_data;

    (void)record;
    if (!inside->asked) {
        inside->asked = 1;
        inside->status = gossip_shutdown(inside->node, -1, inside->err);
    }
}

static gossip_status_t deadlock(struct world *world, gossip_error_t **err)
{
    struct inside inside = {.node = open_node("inside"), .err = err, .status = 1};

    (void)world;
    EXPECT(GOSSIP_OK, gossip_set_log(inside.node, GOSSIP_LOG_TRACE, shut_down, &inside, NULL, NULL));
    EXPECT(GOSSIP_OK, gossip_start(inside.node, NULL));
    EVENTUALLY(inside.status != 1);
    gossip_free(inside.node);
    return inside.status;
}

static gossip_status_t rejected(struct world *world, gossip_error_t **err)
{
    gossip_pool_config_t *config = fast_pool(2);
    gossip_status_t status;

    OK(gossip_pool_config_set(config, "cidrs_allowed", "10.0.0.0/8", &err));
    status = gossip_register_pool(world->node, config, NULL, NULL, err);
    gossip_pool_config_free(config);
    return status;
}

static gossip_status_t abi_mismatch(struct world *world, gossip_error_t **err)
{
    (void)world;
    (void)err;
    return gossip_abi_check(GOSSIP_ABI_VERSION + 1);
}

static gossip_status_t resource_limit(struct world *world, gossip_error_t **err)
{
    gossip_config_t *config;
    gossip_t *node;
    struct rlimit limit, none;
    int lowest = dup(0);

    (void)world;
    CHECK(lowest >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    close(lowest);
    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_config_set(config, "bind_addr", "127.0.0.1", &err));
    OK(gossip_config_set(config, "bind_port", "0", &err));
    none = limit;
    none.rlim_cur = (rlim_t)lowest;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    gossip_status_t status = gossip_new(config, &node, err);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    gossip_config_free(config);
    CHECK(err == NULL || gossip_error_os_errno(*err) != 0);
    return status;
}

/* The system does not let this socket send to everybody. */
static gossip_status_t io(struct world *world, gossip_error_t **err)
{
    gossip_addr_t everybody = {.family = 4, .port = 1, .ip = {255, 255, 255, 255}};
    gossip_packets_t *packets;
    gossip_status_t status;

    OK(gossip_packets(world->node, &packets, &err));
    status = gossip_packets_send(packets, &everybody, "x", 1, err);
    gossip_packets_free(packets);
    CHECK(gossip_error_os_errno(*err) != 0);
    return status;
}

static gossip_status_t addr_in_use(struct world *world, gossip_error_t **err)
{
    gossip_config_t *config;
    gossip_addr_t addr;
    gossip_t *node;
    char port[8];

    EXPECT(GOSSIP_OK, gossip_local_addr(world->node, &addr));
    snprintf(port, sizeof port, "%u", addr.port);
    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_config_set(config, "bind_addr", "127.0.0.1", &err));
    OK(gossip_config_set(config, "bind_port", port, &err));
    gossip_status_t status = gossip_new(config, &node, err);
    gossip_config_free(config);
    CHECK(gossip_error_os_errno(*err) != 0);
    return status;
}

static gossip_status_t addr_invalid(struct world *world, gossip_error_t **err)
{
    gossip_addr_t addr;
    (void)world;
    return gossip_addr_parse("nowhere", &addr, err);
}

static gossip_status_t resolve(struct world *world, gossip_error_t **err)
{
    return gossip_pool_ping_to(world->pool, "no.such.host.invalid", PATIENCE_MS, NULL, err);
}

static gossip_status_t connect_to_nobody(struct world *world, gossip_error_t **err)
{
    gossip_status_t status = gossip_pool_send_reliable_to(world->pool, "127.0.0.1:1", "x", 1, PATIENCE_MS, NULL, err);
    CHECK(gossip_error_os_errno(*err) == ECONNREFUSED);
    return status;
}

/* A node that has neither callbacks nor queue writes to itself. */
static gossip_status_t not_taken(struct world *world, gossip_error_t **err)
{
    gossip_t *node = open_node("mute");
    gossip_pool_t *pool = open_pool(node, 9, NULL);
    gossip_status_t status;

    (void)world;
    EXPECT(GOSSIP_OK, gossip_start(node, NULL));
    status = gossip_pool_send_reliable_to(pool, addr_of(node), "x", 1, PATIENCE_MS, NULL, err);
    gossip_pool_free(pool);
    gossip_free(node);
    return status;
}

static gossip_status_t no_response(struct world *world, gossip_error_t **err)
{
    return gossip_pool_ping_to(world->pool, "127.0.0.1:1", 20, NULL, err);
}

/* Joins with a pool of other ideas about encryption: each of both keys, and no key. */
static gossip_status_t crypto(struct world *world, gossip_error_t **err)
{
    const char *keys[][2] = {{"a key of sixteen", "another sixteen."}, {NULL, "another sixteen."}, {"a key of sixteen", NULL}};
    gossip_status_t status = GOSSIP_ERR_CRYPTO;

    (void)world;
    for (int i = 0; i < 3 && status == GOSSIP_ERR_CRYPTO; i++) {
        gossip_t *nodes[2];
        gossip_pool_t *pools[2];
        for (int side = 0; side < 2; side++) {
            gossip_pool_config_t *config = fast_pool(1);
            if (keys[i][side] != NULL)
                OK(gossip_pool_config_add_key(config, keys[i][side], 16, &err));
            nodes[side] = open_node(side == 0 ? "ada" : "bob");
            OK(gossip_register_pool(nodes[side], config, NULL, &pools[side], &err));
            OK(gossip_start(nodes[side], &err));
            gossip_pool_config_free(config);
        }
        const char *seed = addr_of(nodes[1]);
        gossip_error_free(*err);
        status = gossip_pool_join(pools[0], &seed, 1, PATIENCE_MS, NULL, err);
        for (int side = 0; side < 2; side++) {
            gossip_free(nodes[side]);
            gossip_pool_free(pools[side]);
        }
    }
    return status;
}

/* Joins somebody who speaks something else. */
static void *speak_http(void *argument)
{
    int peer = accept(*(int *)argument, NULL, NULL);
    const char *answer = "HTTP/1.1 400 Bad Request\r\n\r\n";

    CHECK(peer >= 0 && send(peer, answer, strlen(answer), MSG_NOSIGNAL) > 0);
    /* Until the other side has had enough. */
    for (char bytes[256]; read(peer, bytes, sizeof bytes) > 0;)
        ;
    close(peer);
    return NULL;
}

static gossip_status_t protocol(struct world *world, gossip_error_t **err)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int stranger = socket(AF_INET, SOCK_STREAM, 0);
    gossip_t *node = open_node("plain");
    gossip_pool_t *pool = open_pool(node, 1, NULL);
    char text[32];
    const char *seed = text;
    pthread_t thread;

    (void)world;
    CHECK(bind(stranger, (struct sockaddr *)&addr, len) == 0 && listen(stranger, 1) == 0);
    CHECK(getsockname(stranger, (struct sockaddr *)&addr, &len) == 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(addr.sin_port));
    OK(gossip_start(node, &err));
    CHECK(pthread_create(&thread, NULL, speak_http, &stranger) == 0);
    gossip_status_t status = gossip_pool_join(pool, &seed, 1, PATIENCE_MS, NULL, err);
    CHECK(pthread_join(thread, NULL) == 0);
    close(stranger);
    gossip_free(node);
    gossip_pool_free(pool);
    return status;
}

static gossip_status_t join_failed(struct world *world, gossip_error_t **err)
{
    gossip_status_t status = gossip_pool_join(world->pool, &(const char *){"127.0.0.1:1"}, 1, PATIENCE_MS, NULL, err);
    CHECK(gossip_error_os_errno(*err) == ECONNREFUSED);
    return status;
}

static gossip_status_t config(struct world *world, gossip_error_t **err)
{
    gossip_config_t *config;
    (void)world;
    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    gossip_status_t status = gossip_config_set(config, "threads", "0", err);
    gossip_config_free(config);
    return status;
}

/* Joins somebody who accepts and says nothing. */
struct joining {
    const gossip_pool_t *pool;
    char seed[32];
    gossip_error_t **err;
    gossip_status_t status;
};

static void *join_somebody(void *argument)
{
    struct joining *joining = argument;
    const char *seed = joining->seed;

    joining->status = gossip_pool_join(joining->pool, &seed, 1, PATIENCE_MS, NULL, joining->err);
    return NULL;
}

static gossip_status_t cancelled(struct world *world, gossip_error_t **err)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct joining joining = {.pool = world->pool, .err = err, .status = 1};
    socklen_t len = sizeof addr;
    int mute = socket(AF_INET, SOCK_STREAM, 0), peer;
    pthread_t thread;

    CHECK(bind(mute, (struct sockaddr *)&addr, len) == 0 && listen(mute, 1) == 0);
    CHECK(getsockname(mute, (struct sockaddr *)&addr, &len) == 0);
    snprintf(joining.seed, sizeof joining.seed, "127.0.0.1:%u", ntohs(addr.sin_port));
    CHECK(pthread_create(&thread, NULL, join_somebody, &joining) == 0);
    peer = accept(mute, NULL, NULL);
    CHECK(peer >= 0);
    EXPECT(GOSSIP_OK, gossip_pool_leave(world->pool, PATIENCE_MS, NULL));
    CHECK(pthread_join(thread, NULL) == 0);
    close(peer);
    close(mute);
    return joining.status;
}

static gossip_status_t forked(struct world *world, gossip_error_t **err)
{
    int result = 0;
    pid_t child = fork();

    (void)err;
    CHECK(child >= 0);
    if (child == 0)
        _exit(-gossip_pool_broadcast(world->pool, "x", 1, -1, NULL));
    CHECK(waitpid(child, &result, 0) == child && WIFEXITED(result));
    return -WEXITSTATUS(result);
}

/* ---- the table: every status, in the order of its number -------------------------------- */

static const struct {
    gossip_status_t status;
    provoke *how;        /* NULL if C can't */
    const char *why_not; /* then this says why */
} table[] = {
    {GOSSIP_OK, ok, NULL},
    {GOSSIP_ERR_INVALID_ARG, invalid_arg, NULL},
    {GOSSIP_ERR_NULL_ARG, null_arg, NULL},
    {GOSSIP_ERR_INVALID_UTF8, invalid_utf8, NULL},
    {GOSSIP_ERR_INVALID_STATE, invalid_state, NULL},
    {GOSSIP_ERR_CLOSED, closed, NULL},
    {GOSSIP_ERR_AGAIN, again, NULL},
    {GOSSIP_ERR_TIMEOUT, timeout, NULL},
    {GOSSIP_ERR_BUFFER_TOO_SMALL, buffer_too_small, NULL},
    {GOSSIP_ERR_TOO_LARGE, too_large, NULL},
    {GOSSIP_ERR_NOT_FOUND, not_found, NULL},
    {GOSSIP_ERR_EXISTS, exists, NULL},
    {GOSSIP_ERR_RESERVED, reserved, NULL},
    {GOSSIP_ERR_IN_USE, in_use, NULL},
    {GOSSIP_ERR_DEADLOCK, deadlock, NULL},
    {GOSSIP_ERR_REJECTED, rejected, NULL},
    {GOSSIP_ERR_UNSUPPORTED, NULL, "all that is here is supported on Linux"},
    {GOSSIP_ERR_ABI_MISMATCH, abi_mismatch, NULL},
    {GOSSIP_ERR_OUT_OF_MEMORY, NULL, "the system must run out of it"},
    {GOSSIP_ERR_RESOURCE_LIMIT, resource_limit, NULL},
    {GOSSIP_ERR_IO, io, NULL},
    {GOSSIP_ERR_ADDR_IN_USE, addr_in_use, NULL},
    {GOSSIP_ERR_ADDR_INVALID, addr_invalid, NULL},
    {GOSSIP_ERR_RESOLVE, resolve, NULL},
    {GOSSIP_ERR_CONNECT, connect_to_nobody, NULL},
    {GOSSIP_ERR_NO_RESPONSE, no_response, NULL},
    {GOSSIP_ERR_JOIN_FAILED, join_failed, NULL},
    {GOSSIP_ERR_PROTOCOL, protocol, NULL},
    {GOSSIP_ERR_CRYPTO, crypto, NULL},
    {GOSSIP_ERR_CONFIG, config, NULL},
    {GOSSIP_ERR_CANCELLED, cancelled, NULL},
    {GOSSIP_ERR_FORKED, forked, NULL},
    {GOSSIP_ERR_FATAL, NULL, "it comes after a panic; gossip-ffi/tests/panics.rs tests it"},
    {GOSSIP_ERR_PANIC, NULL, "a panic is a defect; gossip-ffi/tests/panics.rs tests it"},
    {GOSSIP_ERR_INTERNAL, NULL, "a defect"},
    {GOSSIP_ERR_NOT_TAKEN, not_taken, NULL},
    {GOSSIP_ERR_NOT_MIGRATED, NULL, "it takes a member that refuses; migration.c has one"},
};

static void every_status_that_can_be_provoked_is(void)
{
    struct world world = {.node = open_node("node"), .idle = open_node("idle")};
    gossip_pool_config_t *encrypted = fast_pool(1);

    OK(gossip_pool_config_add_key(encrypted, key, sizeof key, &err));
    OK(gossip_register_pool(world.node, encrypted, NULL, &world.pool, &err));
    gossip_pool_config_free(encrypted);
    world.idle_pool = open_pool(world.idle, 1, NULL);
    OK(gossip_start(world.node, &err));

    CHECK(sizeof table / sizeof table[0] == gossip_status_count());
    for (size_t i = 0; i < gossip_status_count(); i++) {
        CHECK(table[i].status == -(gossip_status_t)i);
        CHECK((table[i].how == NULL) == (table[i].why_not != NULL));
        if (table[i].how == NULL)
            continue;
        gossip_error_t *err = NULL;
        gossip_status_t status = table[i].how(&world, &err);
        if (status != table[i].status) {
            fprintf(stderr, "%s: %s %s\n", gossip_status_name(table[i].status), gossip_status_name(status),
                    gossip_error_message(err));
            _exit(1);
        }
        if (err != NULL) {
            CHECK(gossip_error_code(err) == status && gossip_error_message(err)[0] != '\0');
            CHECK(strcmp(gossip_error_message(err), gossip_status_message(status)) != 0);
        }
        CHECK(status != GOSSIP_OK || err == NULL);
        gossip_error_free(err);
    }
    gossip_free(world.node);
    gossip_free(world.idle);
    gossip_pool_free(world.pool);
    gossip_pool_free(world.idle_pool);
}

/* ---- problems ---------------------------------------------------------------------------- */

static int lists(const gossip_error_t *err, const char *wanted, const char *of_value, const char *of_rule)
{
    for (size_t i = 0; i < gossip_error_problem_count(err); i++) {
        const char *field, *value, *rule;
        EXPECT(GOSSIP_OK, gossip_error_problem_at(err, i, &field, &value, &rule));
        CHECK(*value != '\0' && *rule != '\0');
        CHECK(strstr(gossip_error_message(err), rule) != NULL);
        if (strcmp(field, wanted) == 0 && strstr(value, of_value) != NULL && strstr(rule, of_rule) != NULL)
            return 1;
    }
    return 0;
}

static void a_refused_configuration_lists_everything_that_is_wrong(void)
{
    gossip_t *node = open_node("node");
    gossip_pool_config_t *config;
    gossip_error_t *err;

    OK(gossip_pool_config_new(1, GOSSIP_PRESET_LAN, &config, &err));
    OK(gossip_pool_config_set(config, "probe_timeout_ms", "2000", &err));
    OK(gossip_pool_config_set(config, "skip_inbound_label_check", "true", &err));
    OK(gossip_pool_config_set(config, "next_label", "label:blue", &err));
    OK(gossip_pool_config_set(config, "framing", "label:green", &err));
    OK(gossip_pool_config_set(config, "label", "red", &err));
    EXPECT(GOSSIP_ERR_CONFIG, gossip_register_pool(node, config, NULL, NULL, &err));
    CHECK(gossip_error_problem_count(err) >= 3);
    CHECK(lists(err, "probe_timeout", "2s", "1s"));
    CHECK(lists(err, "next_label", "", "skip_inbound_label_check"));
    CHECK(lists(err, "label", "", "framing"));
    const char *field;
    EXPECT(GOSSIP_OK, gossip_error_problem_at(err, 0, &field, NULL, NULL));
    CHECK(strcmp(field, gossip_error_field(err)) == 0);
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_error_problem_at(err, gossip_error_problem_count(err), NULL, NULL, NULL));
    gossip_error_free(err);
    gossip_pool_config_free(config);
    gossip_free(node);
}

static void one_refused_value_is_one_problem(void)
{
    gossip_config_t *config;
    gossip_error_t *err;

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    EXPECT(GOSSIP_ERR_CONFIG, gossip_config_set(config, "threads", "99", &err));
    CHECK(gossip_error_problem_count(err) == 1 && lists(err, "threads", "99", "64"));
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_config_set(config, NULL, "99", &err));
    CHECK(gossip_error_problem_count(err) == 0 && strcmp(gossip_error_field(err), "key") == 0);
    gossip_error_free(err);
    CHECK(gossip_error_problem_count(NULL) == 0);
    gossip_config_free(config);
}

static void a_failed_join_lists_its_seeds(void)
{
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, NULL);
    const char *seeds[] = {"127.0.0.1:1", "no/such/seed:1", "127.0.0.1:2"};
    gossip_error_t *err;

    OK(gossip_start(node, &err));
    EXPECT(GOSSIP_ERR_JOIN_FAILED, gossip_pool_join(pool, seeds, 3, PATIENCE_MS, NULL, &err));
    CHECK(gossip_error_problem_count(err) == 3);
    for (int i = 0; i < 3; i++)
        CHECK(lists(err, "seeds", seeds[i], ""));
    gossip_error_free(err);
    gossip_free(node);
    gossip_pool_free(pool);
}

int main(void)
{
    start_watchdog();
    every_status_that_can_be_provoked_is();
    a_refused_configuration_lists_everything_that_is_wrong();
    one_refused_value_is_one_problem();
    a_failed_join_lists_its_seeds();
    return 0;
}
