/* Labels and keys that change while a pool runs, and labels that are no text. */
#include "check.h"

static const char one[] = {'\xff', '\0', 'A'}, two[] = {'\0', '\x01'};

/* A started node with a pool under a label of any bytes; `key` is as in
 * gossip_pool_config_set_label, or NULL for none. */
struct peer {
    gossip_t *node;
    gossip_pool_t *pool;
};

static struct peer open_peer(const char *name, const char *key, const char *label, size_t len)
{
    gossip_pool_config_t *config = fast_pool(1);
    struct peer peer = {.node = open_node(name)};

    if (key != NULL)
        OK(gossip_pool_config_set_label(config, key, label, len, &err));
    OK(gossip_register_pool(peer.node, config, NULL, &peer.pool, &err));
    OK(gossip_start(peer.node, &err));
    gossip_pool_config_free(config);
    return peer;
}

static void close_peer(struct peer *peer)
{
    gossip_free(peer->node);
    gossip_pool_free(peer->pool);
}

static void they_understand_each_other(struct peer *here, struct peer *there)
{
    char target[100];

    snprintf(target, sizeof target, "%s", addr_of(there->node));
    OK(gossip_pool_ping_to(here->pool, target, PATIENCE_MS, NULL, &err));
    snprintf(target, sizeof target, "%s", addr_of(here->node));
    OK(gossip_pool_ping_to(there->pool, target, PATIENCE_MS, NULL, &err));
}

static void they_do_not(struct peer *here, struct peer *there)
{
    const char *seed = addr_of(there->node);
    gossip_status_t status = gossip_pool_join(here->pool, &seed, 1, 2000, NULL, NULL);
    CHECK(status == GOSSIP_ERR_JOIN_FAILED || status == GOSSIP_ERR_CRYPTO);
    EXPECT(GOSSIP_ERR_NO_RESPONSE, gossip_pool_ping_to(here->pool, seed, 50, NULL, NULL));
}

static void labels_are_any_bytes(const char *key)
{
    struct peer here = open_peer("here", key, one, sizeof one), there = open_peer("there", key, one, sizeof one);
    struct peer other = open_peer("other", key, one, sizeof one - 1);

    join_two(here.pool, there.pool, there.node);
    they_understand_each_other(&here, &there);
    they_do_not(&other, &there);
    close_peer(&here);
    close_peer(&there);
    close_peer(&other);
}

static void wrong_labels_are_refused_where_they_are_set(void)
{
    gossip_pool_config_t *config = fast_pool(1);
    char label[GOSSIP_LABEL_MAX + 1] = {0}, value[16];
    gossip_error_t *err;
    static const char *const keys[] = {"label", "framing", "next_label", "former_label"};

    for (int i = 0; i < 4; i++) {
        EXPECT(GOSSIP_ERR_CONFIG, gossip_pool_config_set_label(config, keys[i], label, sizeof label, &err));
        CHECK(strcmp(gossip_error_field(err), keys[i]) == 0);
        CHECK(strstr(gossip_error_message(err), "255") != NULL);
        gossip_error_free(err);
        EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_config_set_label(config, keys[i], NULL, 1, NULL));
        EXPECT(i == 1 ? GOSSIP_ERR_CONFIG : GOSSIP_OK, gossip_pool_config_set_label(config, keys[i], NULL, 0, NULL));
    }
    EXPECT(GOSSIP_ERR_CONFIG, gossip_pool_config_set_label(config, "meta", "x", 1, &err));
    CHECK(strstr(gossip_error_message(err), "meta") != NULL);
    gossip_error_free(err);
    EXPECT(GOSSIP_OK, gossip_pool_config_get(config, "framing", value, sizeof value, NULL));
    CHECK(strcmp(value, "prefix") == 0);
    OK(gossip_pool_config_set_label(config, "framing", "blue", 4, &err));
    EXPECT(GOSSIP_OK, gossip_pool_config_get(config, "framing", value, sizeof value, NULL));
    CHECK(strcmp(value, "label:blue") == 0);
    gossip_pool_config_free(config);
}

static void a_cluster_moves_to_another_label_in_three_steps(void)
{
    struct peer here = open_peer("here", "label", one, sizeof one), there = open_peer("there", "label", one, sizeof one);
    typedef gossip_status_t step(const gossip_pool_t *, const void *, size_t, gossip_error_t **);
    static step *const steps[] = {gossip_pool_accept_label, gossip_pool_speak_label, gossip_pool_require_label};
    char label[GOSSIP_LABEL_MAX + 1] = {0};

    join_two(here.pool, there.pool, there.node);
    for (int i = 0; i < 3; i++) {
        OK(steps[i](here.pool, two, sizeof two, &err));
        they_understand_each_other(&here, &there); /* one step apart */
        OK(steps[i](there.pool, two, sizeof two, &err));
        they_understand_each_other(&here, &there);
        EXPECT(GOSSIP_ERR_CONFIG, steps[i](here.pool, label, sizeof label, NULL));
        EXPECT(GOSSIP_ERR_NULL_ARG, steps[i](NULL, label, 1, NULL));
        EXPECT(GOSSIP_ERR_NULL_ARG, steps[i](here.pool, NULL, 1, NULL));
    }
    struct peer late = open_peer("late", "label", one, sizeof one), new = open_peer("new", "label", two, sizeof two);
    they_do_not(&late, &here);
    they_understand_each_other(&new, &here);
    gossip_free(here.node);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_pool_require_label(here.pool, one, sizeof one, NULL));
    gossip_pool_free(here.pool);
    close_peer(&there);
    close_peer(&late);
    close_peer(&new);
}

static void the_label_of_another_pool_is_taken(void)
{
    struct peer peer = open_peer("here", "framing", one, sizeof one);
    gossip_pool_config_t *config = fast_pool(2);
    gossip_pool_t *other;

    OK(gossip_pool_config_set_label(config, "framing", two, sizeof two, &err));
    OK(gossip_register_pool(peer.node, config, NULL, &other, &err));
    EXPECT(GOSSIP_ERR_EXISTS, gossip_pool_accept_label(other, one, sizeof one, NULL));
    gossip_pool_free(other);
    gossip_pool_config_free(config);
    close_peer(&peer);
}

/* ---- keys --------------------------------------------------------------------------- */

static const char aes128[16] = "sixteen bytes...", aes256[32] = "a key of thirty-two bytes.......";

static void the_keys_come_in_the_callers_memory(void)
{
    struct peer peer = open_peer("here", NULL, NULL, 0);
    uint8_t keys[2][GOSSIP_KEY_MAX];
    size_t lens[2] = {99, 99}, count = 99;

    EXPECT(GOSSIP_OK, gossip_pool_keyring_list(peer.pool, NULL, NULL, 0, &count));
    CHECK(count == 0);
    OK(gossip_pool_keyring_add(peer.pool, aes128, sizeof aes128, &err));
    OK(gossip_pool_keyring_add(peer.pool, aes256, sizeof aes256, &err));
    OK(gossip_pool_keyring_use(peer.pool, aes256, sizeof aes256, &err));

    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_pool_keyring_list(peer.pool, keys[0], lens, 1, &count));
    CHECK(count == 2 && lens[0] == 99);
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_keyring_list(peer.pool, NULL, lens, 2, &count));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_keyring_list(peer.pool, keys[0], NULL, 2, &count));
    EXPECT(GOSSIP_OK, gossip_pool_keyring_list(peer.pool, keys[0], lens, 2, &count));
    CHECK(count == 2 && lens[0] == 32 && lens[1] == 16);
    CHECK(memcmp(keys[0], aes256, 32) == 0 && memcmp(keys[1], aes128, 16) == 0);

    OK(gossip_pool_keyring_remove(peer.pool, aes128, sizeof aes128, &err));
    EXPECT(GOSSIP_OK, gossip_pool_keyring_list(peer.pool, keys[0], lens, 2, NULL));
    CHECK(memcmp(keys[0], aes256, 32) == 0);
    gossip_free(peer.node);
    EXPECT(GOSSIP_ERR_CLOSED, gossip_pool_keyring_list(peer.pool, keys[0], lens, 2, NULL));
    gossip_pool_free(peer.pool);
}

static void a_cluster_becomes_encrypted_without_a_gap(void)
{
    struct peer peers[2] = {open_peer("here", NULL, NULL, 0), open_peer("there", NULL, NULL, 0)};
    struct peer plain = open_peer("plain", NULL, NULL, 0);

    join_two(peers[0].pool, peers[1].pool, peers[1].node);
    for (int step = 0; step < 3; step++)
        for (int i = 0; i < 2; i++) {
            OK(gossip_pool_set_gossip_verify(peers[i].pool, step > 1, step > 0, &err));
            if (step == 0)
                OK(gossip_pool_keyring_add(peers[i].pool, aes128, sizeof aes128, &err));
            they_understand_each_other(&peers[0], &peers[1]);
        }
    they_do_not(&plain, &peers[0]);
    close_peer(&peers[0]);
    close_peer(&peers[1]);
    close_peer(&plain);
}

int main(void)
{
    start_watchdog();
    labels_are_any_bytes("label");
    labels_are_any_bytes("framing");
    wrong_labels_are_refused_where_they_are_set();
    a_cluster_moves_to_another_label_in_three_steps();
    the_label_of_another_pool_is_taken();
    the_keys_come_in_the_callers_memory();
    a_cluster_becomes_encrypted_without_a_gap();
    return 0;
}
