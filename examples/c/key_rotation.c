/*
 * Changes the encryption key of a cluster, and then its label, while messages go to and fro:
 * none is lost. Three nodes in one process stand for three machines.
 *
 *     ./key_rotation
 *
 * Both changes take three steps, each of which is taken by every node before the next begins:
 * first everybody understands the new, then everybody speaks it, then nobody understands the
 * old any more. One node sees to it.
 */
#define _POSIX_C_SOURCE 200809L

#include <gossip/gossip.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 3, WAIT_MS = 10000, KEY_SIZE = 32 };

struct node {
    const char *name;
    gossip_t *gossip;
    gossip_pool_t *pool;
    char addr[GOSSIP_ADDR_TEXT_SIZE];
};

static struct node nodes[NODES] = {{.name = "red"}, {.name = "green"}, {.name = "blue"}};
static const char label[] = "blue-sky";

/* What the nodes have sent to each other, and what has come. */
static struct {
    pthread_mutex_t lock;
    unsigned long sent, received, saved;
    int stopped;
} traffic = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define TRY(call) \
    do { \
        gossip_error_t *err = NULL; \
        if ((call) != GOSSIP_OK) \
            fail(#call, err); \
    } while (0)

static void fail(const char *call, const gossip_error_t *err)
{
    fprintf(stderr, "%s: %s\n", call, gossip_error_message(err));
    exit(1);
}

static void pause_ms(long ms)
{
    struct timespec span = {0, ms * 1000000};
    nanosleep(&span, NULL);
}

/* ---- traffic ------------------------------------------------------------------------ */

static void on_message(void *user_data, const uint8_t *data, size_t len, const gossip_message_t *message)
{
    (void)user_data;
    (void)data;
    (void)len;
    (void)message;
    pthread_mutex_lock(&traffic.lock);
    traffic.received++;
    pthread_mutex_unlock(&traffic.lock);
}

/* Every node writes to every other one, again and again. */
static void *run_traffic(void *unused)
{
    (void)unused;
    for (unsigned turn = 0;; turn++) {
        const struct node *from = &nodes[turn % NODES], *to = &nodes[(turn + 1 + turn / NODES % 2) % NODES];

        pthread_mutex_lock(&traffic.lock);
        int stopped = traffic.stopped;
        traffic.sent += !stopped;
        pthread_mutex_unlock(&traffic.lock);
        if (stopped)
            return NULL;
        TRY(gossip_pool_send_reliable_to(from->pool, to->addr, "hello", 5, WAIT_MS, NULL, &err));
        pause_ms(1);
    }
}

static unsigned long count(const unsigned long *counter)
{
    pthread_mutex_lock(&traffic.lock);
    unsigned long value = *counter;
    pthread_mutex_unlock(&traffic.lock);
    return value;
}

static void await(const unsigned long *counter, unsigned long value)
{
    for (int waited = 0; count(counter) < value; waited++) {
        if (waited > WAIT_MS) {
            fprintf(stderr, "%lu messages sent, %lu received\n", count(&traffic.sent), count(&traffic.received));
            exit(1);
        }
        pause_ms(1);
    }
}

static void on_migrated(void *user_data, int32_t kind, int32_t step, const char *by);

/* ---- nodes -------------------------------------------------------------------------- */

static void open_node(struct node *node, const void *key, const char *under)
{
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate, .notify_msg = on_message, .notify_migrated = on_migrated};
    gossip_config_t *config;
    gossip_pool_config_t *local;
    gossip_addr_t addr;

    TRY(gossip_config_new(&config));
    TRY(gossip_config_set(config, "name", node->name, &err));
    TRY(gossip_config_set(config, "bind_addr", "127.0.0.1", &err));
    TRY(gossip_config_set(config, "bind_port", "0", &err));
    TRY(gossip_new(config, &node->gossip, &err));
    TRY(gossip_pool_config_new(1, GOSSIP_PRESET_LOCAL, &local, &err));
    TRY(gossip_pool_config_add_key(local, key, KEY_SIZE, &err));
    TRY(gossip_pool_config_set(local, "label", under, &err));
    TRY(gossip_register_pool(node->gossip, local, &delegate, &node->pool, &err));
    TRY(gossip_start(node->gossip, &err));
    TRY(gossip_local_addr(node->gossip, &addr));
    TRY(gossip_addr_format(&addr, node->addr, sizeof node->addr, NULL));
    gossip_pool_config_free(local);
    gossip_config_free(config);
}

static void close_node(struct node *node)
{
    TRY(gossip_shutdown(node->gossip, WAIT_MS, &err));
    gossip_pool_free(node->pool);
    gossip_free(node->gossip);
}

/* Somebody who comes later; tells whether the cluster takes it. */
static int latecomer(const char *what, const void *key, const char *under)
{
    struct node late = {.name = "late"};
    const char *seed = nodes[0].addr, *addr, *reason;
    gossip_error_t *err;

    open_node(&late, key, under);
    gossip_status_t status = gossip_pool_join(late.pool, &seed, 1, WAIT_MS, NULL, &err);
    printf("%-36s %s\n", what, status == GOSSIP_OK ? "joined" : gossip_status_message(status));
    for (size_t i = 0; i < gossip_error_problem_count(err); i++)
        if (gossip_error_problem_at(err, i, NULL, &addr, &reason) == GOSSIP_OK)
            printf("%-36s   %s: %s\n", "", addr, reason);
    gossip_error_free(err);
    if (status == GOSSIP_OK)
        TRY(gossip_pool_leave(late.pool, WAIT_MS, &err));
    close_node(&late);
    return status == GOSSIP_OK;
}

/* ---- the change --------------------------------------------------------------------- */

/* One of the nodes sees to it that all take each step, and hears of each that has. */
static void on_progress(void *user_data, int32_t step, const char *member, const char *trouble, size_t done, size_t total)
{
    static const char *const steps[] = {"", "accept", "speak", "require"};

    (void)user_data;
    printf("  %-8s %-6s %zu of %zu%s%s\n", steps[step], member, done, total, trouble == NULL ? "" : ": ",
           trouble == NULL ? "" : trouble);
}

static void everywhere(const char *what, gossip_migration_kind_t kind, const void *bytes, size_t len)
{
    gossip_error_t *err;

    printf("%s\n", what);
    if (gossip_pool_migrate(nodes[1].pool, (int32_t)kind, bytes, len, GOSSIP_STEP_REQUIRE, 0, WAIT_MS, on_progress, NULL,
                            NULL, &err) != GOSSIP_OK)
        fail("gossip_pool_migrate", err); /* it names who is in the way; call it again, on any node */
    await(&traffic.sent, count(&traffic.sent) + 20);
    unsigned long sent = count(&traffic.sent);
    await(&traffic.received, sent);
    printf("  %lu messages sent, none lost\n", sent);
}

/* A step has been taken here: what is to be there after a restart must be written down now. */
static void on_migrated(void *user_data, int32_t kind, int32_t step, const char *by)
{
    (void)user_data;
    (void)by;
    if (kind == GOSSIP_MIGRATION_KEY && step == GOSSIP_STEP_SPEAK) {
        pthread_mutex_lock(&traffic.lock);
        traffic.saved++; /* gossip_pool_keyring_list has the keys, the primary one first */
        pthread_mutex_unlock(&traffic.lock);
    }
}

static void make_key(uint8_t *key)
{
    FILE *random = fopen("/dev/urandom", "rb");

    if (random == NULL || fread(key, 1, KEY_SIZE, random) != KEY_SIZE) {
        perror("/dev/urandom");
        exit(1);
    }
    fclose(random);
}

static void list_keys(const struct node *node)
{
    uint8_t keys[4][GOSSIP_KEY_MAX];
    size_t lens[4], len = 0;

    TRY(gossip_pool_keyring_list(node->pool, keys[0], lens, 4, &len));
    printf("%s has %zu key%s:", node->name, len, len == 1 ? "" : "s");
    for (size_t i = 0; i < len; i++)
        printf(" %zu bits%s", lens[i] * 8, i == 0 ? " (encrypts)" : "");
    printf("\n");
    memset(keys, 0, sizeof keys);
}

int main(void)
{
    uint8_t old_key[KEY_SIZE], new_key[KEY_SIZE];
    pthread_t thread;

    setvbuf(stdout, NULL, _IOLBF, 0);
    make_key(old_key);
    make_key(new_key);
    for (int i = 0; i < NODES; i++) {
        const char *seed = nodes[0].addr;
        open_node(&nodes[i], old_key, "");
        if (i > 0)
            TRY(gossip_pool_join(nodes[i].pool, &seed, 1, WAIT_MS, NULL, &err));
    }
    list_keys(&nodes[0]);
    if (pthread_create(&thread, NULL, run_traffic, NULL) != 0)
        return 1;

    everywhere("another key", GOSSIP_MIGRATION_KEY, new_key, KEY_SIZE);
    await(&traffic.saved, NODES);
    list_keys(&nodes[0]);
    everywhere("a label", GOSSIP_MIGRATION_LABEL, label, strlen(label));

    int taken = latecomer("somebody with the new key and label:", new_key, label);
    int refused = !latecomer("somebody with the old key:", old_key, label) &&
                  !latecomer("somebody without the label:", new_key, "");

    pthread_mutex_lock(&traffic.lock);
    traffic.stopped = 1;
    pthread_mutex_unlock(&traffic.lock);
    pthread_join(thread, NULL);
    await(&traffic.received, count(&traffic.sent));
    printf("%lu messages sent, %lu received\n", traffic.sent, traffic.received);
    for (int i = 0; i < NODES; i++)
        close_node(&nodes[i]);
    return taken && refused ? 0 : 1;
}
