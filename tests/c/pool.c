/* Two nodes in one process: membership, messages, published values, keys, callbacks. */
#include "check.h"

#include <pthread.h>

/* What a pool's callbacks have seen. */
struct seen {
    pthread_mutex_t lock;
    int joins, leaves, updates, messages, reliable, pings, states, destroyed;
    char message[64], meta[64], state[64], payload[64], left_as[16];
};

#define SEEN {.lock = PTHREAD_MUTEX_INITIALIZER}

static int read_count(struct seen *seen, const int *count)
{
    pthread_mutex_lock(&seen->lock);
    int value = *count;
    pthread_mutex_unlock(&seen->lock);
    return value;
}

/* Whether a text that the callbacks keep is what is expected. */
static int has_text(struct seen *seen, const char *text, const char *expected)
{
    pthread_mutex_lock(&seen->lock);
    int same = strcmp(text, expected) == 0;
    pthread_mutex_unlock(&seen->lock);
    return same;
}

static void keep(char *text, size_t cap, const void *data, size_t len)
{
    CHECK(len < cap);
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
}

static void on_join(void *user_data, const gossip_member_t *member)
{
    struct seen *seen = user_data;
    CHECK(gossip_member_state(member) == GOSSIP_STATE_ALIVE);
    pthread_mutex_lock(&seen->lock);
    seen->joins++;
    pthread_mutex_unlock(&seen->lock);
}

static void on_leave(void *user_data, const gossip_member_t *member)
{
    struct seen *seen = user_data;
    pthread_mutex_lock(&seen->lock);
    snprintf(seen->left_as, sizeof seen->left_as, "%s", gossip_state_name(gossip_member_state(member)));
    seen->leaves++;
    pthread_mutex_unlock(&seen->lock);
}

static void on_update(void *user_data, const gossip_member_t *member)
{
    struct seen *seen = user_data;
    size_t len;
    const uint8_t *meta = gossip_member_meta(member, &len);
    pthread_mutex_lock(&seen->lock);
    keep(seen->meta, sizeof seen->meta, meta, len);
    seen->updates++;
    pthread_mutex_unlock(&seen->lock);
}

static void on_message(void *user_data, const uint8_t *data, size_t len, const gossip_message_t *message)
{
    struct seen *seen = user_data;
    gossip_addr_t from;
    EXPECT(GOSSIP_OK, gossip_message_from(message, &from));
    CHECK(from.family == 4 && from.port != 0);
    pthread_mutex_lock(&seen->lock);
    keep(seen->message, sizeof seen->message, data, len);
    seen->reliable += gossip_message_is_reliable(message);
    seen->messages++;
    pthread_mutex_unlock(&seen->lock);
}

static void on_state(void *user_data, const uint8_t *data, size_t len, int32_t join)
{
    struct seen *seen = user_data;
    (void)join;
    pthread_mutex_lock(&seen->lock);
    if (len > 0) {
        keep(seen->state, sizeof seen->state, data, len);
        seen->states++;
    }
    pthread_mutex_unlock(&seen->lock);
}

static void on_ping(void *user_data, const gossip_member_t *member, int64_t rtt_ns, const uint8_t *payload, size_t len)
{
    struct seen *seen = user_data;
    CHECK(gossip_member_name(member, NULL)[0] != '\0' && rtt_ns > 0);
    pthread_mutex_lock(&seen->lock);
    if (len > 0) {
        keep(seen->payload, sizeof seen->payload, payload, len);
        seen->pings++;
    }
    pthread_mutex_unlock(&seen->lock);
}

static void on_destroy(void *user_data)
{
    struct seen *seen = user_data;
    pthread_mutex_lock(&seen->lock);
    seen->destroyed++;
    pthread_mutex_unlock(&seen->lock);
}

static gossip_delegate_t watch(struct seen *seen)
{
    gossip_delegate_t delegate = {
        .struct_size = sizeof delegate,
        .user_data = seen,
        .destroy = on_destroy,
        .notify_join = on_join,
        .notify_leave = on_leave,
        .notify_update = on_update,
        .notify_msg = on_message,
        .merge_remote_state = on_state,
        .notify_ping_complete = on_ping,
    };
    return delegate;
}

/* Two nodes, "blue" and "green", in pool 7. */
struct pair {
    gossip_t *blue, *green;
    gossip_pool_t *blue_pool, *green_pool;
    struct seen blue_seen, green_seen;
};

static void open_pair(struct pair *pair)
{
    static const struct seen nothing = SEEN;
    pair->blue_seen = pair->green_seen = nothing;
    gossip_delegate_t blue = watch(&pair->blue_seen), green = watch(&pair->green_seen);

    pair->blue = open_node("blue");
    pair->green = open_node("green");
    pair->blue_pool = open_pool(pair->blue, 7, &blue);
    pair->green_pool = open_pool(pair->green, 7, &green);
    OK(gossip_pool_set_local_state(pair->blue_pool, "state of blue", 13, &err));
    OK(gossip_pool_set_ack_payload(pair->blue_pool, "load 3", 6, &err));
    OK(gossip_start(pair->blue, &err));
    OK(gossip_start(pair->green, &err));
    CHECK(gossip_is_running(pair->blue));
    join_two(pair->green_pool, pair->blue_pool, pair->blue);
}

static void close_pair(struct pair *pair)
{
    OK(gossip_shutdown(pair->blue, PATIENCE_MS, &err));
    OK(gossip_shutdown(pair->green, PATIENCE_MS, &err));
    CHECK(!gossip_is_running(pair->blue));
    CHECK(read_count(&pair->blue_seen, &pair->blue_seen.destroyed) == 1 &&
          read_count(&pair->green_seen, &pair->green_seen.destroyed) == 1);
    gossip_pool_free(pair->blue_pool);
    gossip_pool_free(pair->green_pool);
    gossip_free(pair->blue);
    gossip_free(pair->green);
    CHECK(read_count(&pair->blue_seen, &pair->blue_seen.destroyed) == 1 &&
          read_count(&pair->green_seen, &pair->green_seen.destroyed) == 1);
}

/* On a busy machine a member may be suspect for a moment. */
static int is_alive(gossip_pool_t *pool, const char *name)
{
    gossip_members_t *members;
    EXPECT(GOSSIP_OK, gossip_pool_members(pool, &members));
    const gossip_member_t *member = gossip_members_find(members, name, strlen(name));
    int alive = gossip_member_state(member) == GOSSIP_STATE_ALIVE;
    gossip_members_free(members);
    return alive;
}

static void both_see_both(struct pair *pair)
{
    gossip_members_t *members, *kept;
    size_t len = 0;

    EVENTUALLY(read_count(&pair->blue_seen, &pair->blue_seen.joins) == 2);
    EXPECT(GOSSIP_OK, gossip_pool_members(pair->blue_pool, &members));
    CHECK(gossip_members_len(members) == 2);
    CHECK(strcmp(gossip_member_name(gossip_members_get(members, 0), NULL), "blue") == 0);
    CHECK(strcmp(gossip_member_name(gossip_members_get(members, 1), &len), "green") == 0 && len == 5);
    CHECK(gossip_members_get(members, 2) == NULL);
    CHECK(gossip_members_find(members, "gre", 3) == NULL);

    const gossip_member_t *green = gossip_members_find(members, "green", 5);
    CHECK(green == gossip_members_get(members, 1));
    EVENTUALLY(is_alive(pair->blue_pool, "green"));
    CHECK(strcmp(gossip_member_addr_text(green), addr_of(pair->green)) == 0);
    gossip_addr_t addr, bound;
    EXPECT(GOSSIP_OK, gossip_member_addr(green, &addr));
    EXPECT(GOSSIP_OK, gossip_local_addr(pair->green, &bound));
    CHECK(memcmp(&addr, &bound, sizeof addr) == 0);
    uint8_t versions[6];
    EXPECT(GOSSIP_OK, gossip_member_versions(green, versions));
    CHECK(versions[0] == 1 && versions[1] == 5 && versions[2] == 2);

    EXPECT(GOSSIP_OK, gossip_member_clone(green, &kept));
    gossip_members_free(members);
    CHECK(strcmp(gossip_member_name(gossip_members_get(kept, 0), NULL), "green") == 0);
    gossip_members_free(kept);
}

static void state_travels_with_the_join(struct pair *pair)
{
    EVENTUALLY(read_count(&pair->green_seen, &pair->green_seen.states) > 0);
    CHECK(has_text(&pair->green_seen, pair->green_seen.state, "state of blue"));
}

static void a_broadcast_reaches_the_other(struct pair *pair)
{
    size_t limit = 0;
    gossip_error_t *err;
    char *large;

    OK(gossip_pool_broadcast(pair->blue_pool, "to all", 6, 0, &err));
    EVENTUALLY(read_count(&pair->green_seen, &pair->green_seen.messages) == 1);
    CHECK(has_text(&pair->green_seen, pair->green_seen.message, "to all"));
    CHECK(read_count(&pair->green_seen, &pair->green_seen.reliable) == 0);

    OK(gossip_pool_broadcast_named(pair->blue_pool, "colour", 6, "to all, too", 11, PATIENCE_MS, &err));
    EVENTUALLY(read_count(&pair->green_seen, &pair->green_seen.messages) == 2);
    CHECK(has_text(&pair->green_seen, pair->green_seen.message, "to all, too"));

    EXPECT(GOSSIP_OK, gossip_pool_max_broadcast_size(pair->blue_pool, &limit));
    CHECK(limit > 512);
    large = calloc(limit + 1, 1);
    CHECK(large != NULL);
    EXPECT(GOSSIP_ERR_TOO_LARGE, gossip_pool_broadcast(pair->blue_pool, large, limit + 1, 0, &err));
    char number[32];
    snprintf(number, sizeof number, "%zu", limit);
    CHECK(strstr(gossip_error_message(err), number) != NULL);
    gossip_error_free(err);
    free(large);
}

static void messages_reach_one_member(struct pair *pair)
{
    gossip_members_t *members;
    gossip_addr_t addr;
    int32_t delivery = 0;

    EXPECT(GOSSIP_OK, gossip_pool_members(pair->blue_pool, &members));
    const gossip_member_t *green = gossip_members_find(members, "green", 5);

    OK(gossip_pool_send_reliable(pair->blue_pool, green, "reliable", 8, PATIENCE_MS, &delivery, &err));
    CHECK(delivery == GOSSIP_DELIVERY_ACKNOWLEDGED);
    CHECK(read_count(&pair->green_seen, &pair->green_seen.messages) == 3);
    CHECK(has_text(&pair->green_seen, pair->green_seen.message, "reliable") &&
          read_count(&pair->green_seen, &pair->green_seen.reliable) == 1);

    OK(gossip_pool_send_best_effort(pair->blue_pool, green, "quick", 5, &err));
    EVENTUALLY(read_count(&pair->green_seen, &pair->green_seen.messages) == 4);
    CHECK(has_text(&pair->green_seen, pair->green_seen.message, "quick") &&
          read_count(&pair->green_seen, &pair->green_seen.reliable) == 1);

    EXPECT(GOSSIP_OK, gossip_member_addr(green, &addr));
    OK(gossip_pool_send_to_address(pair->blue_pool, &addr, NULL, 0, &err));
    EVENTUALLY(read_count(&pair->green_seen, &pair->green_seen.messages) == 5);
    CHECK(has_text(&pair->green_seen, pair->green_seen.message, ""));
    gossip_members_free(members);
}

static void a_ping_measures_and_carries_the_payload(struct pair *pair)
{
    gossip_members_t *members;
    int64_t rtt_ns = 0;

    EXPECT(GOSSIP_OK, gossip_pool_members(pair->green_pool, &members));
    OK(gossip_pool_ping(pair->green_pool, gossip_members_find(members, "blue", 4), PATIENCE_MS, &rtt_ns, &err));
    CHECK(rtt_ns > 0);
    gossip_members_free(members);
    EVENTUALLY(read_count(&pair->green_seen, &pair->green_seen.pings) > 0);
    CHECK(has_text(&pair->green_seen, pair->green_seen.payload, "load 3"));
}

static void new_metadata_is_announced(struct pair *pair)
{
    gossip_members_t *self;
    size_t len = 0;
    char long_meta[GOSSIP_META_MAX + 1] = {0};

    OK(gossip_pool_update_node(pair->blue_pool, "role=db", 7, PATIENCE_MS, &err));
    EVENTUALLY(read_count(&pair->green_seen, &pair->green_seen.updates) == 1);
    CHECK(has_text(&pair->green_seen, pair->green_seen.meta, "role=db"));
    EXPECT(GOSSIP_OK, gossip_pool_local_node(pair->blue_pool, &self));
    CHECK(gossip_members_len(self) == 1);
    CHECK(memcmp(gossip_member_meta(gossip_members_get(self, 0), &len), "role=db", 8) == 0 && len == 7);
    gossip_members_free(self);
    EXPECT(GOSSIP_ERR_TOO_LARGE, gossip_pool_update_node(pair->blue_pool, long_meta, sizeof long_meta, 0, NULL));
}

static void counters_count(struct pair *pair)
{
    gossip_stats_t *stats;
    uint64_t value = 0;
    int32_t health = -1;

    EXPECT(GOSSIP_OK, gossip_pool_stats(pair->green_pool, &stats));
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, "members_alive", &value));
    CHECK(value == 2);
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, "messages_received", &value));
    CHECK(value >= 4);
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_stats_find(stats, "nonsense", &value));
    for (size_t i = 0; i < gossip_stats_len(stats); i++) {
        const char *name;
        uint64_t listed, found;
        EXPECT(GOSSIP_OK, gossip_stats_at(stats, i, &name, &listed));
        EXPECT(GOSSIP_OK, gossip_stats_find(stats, name, &found));
        CHECK(listed == found);
    }
    gossip_stats_free(stats);
    EXPECT(GOSSIP_OK, gossip_stats(pair->green, &stats));
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, "packets_received", &value));
    CHECK(value > 0);
    gossip_stats_free(stats);
    EXPECT(GOSSIP_OK, gossip_pool_health_score(pair->green_pool, &health));
    CHECK(health >= 0);
}

static void pools_are_found_by_id(struct pair *pair)
{
    gossip_pool_t *again = NULL;
    int32_t ids[2] = {-1, -1}, id = -1;
    size_t count = 0;

    EXPECT(GOSSIP_OK, gossip_get_pool(pair->blue, 7, &again));
    EXPECT(GOSSIP_OK, gossip_pool_id(again, &id));
    CHECK(id == 7 && num_members(again) == 2);
    gossip_pool_free(again);
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_get_pool(pair->blue, 8, &again));
    EXPECT(GOSSIP_OK, gossip_list_pools(pair->blue, ids, 2, &count));
    CHECK(count == 1 && ids[0] == 7 && ids[1] == -1);
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_list_pools(pair->blue, NULL, 0, &count));
    CHECK(count == 1);
}

static void a_leave_is_no_death(struct pair *pair)
{
    OK(gossip_pool_leave(pair->green_pool, PATIENCE_MS, &err));
    EVENTUALLY(read_count(&pair->blue_seen, &pair->blue_seen.leaves) == 1);
    CHECK(has_text(&pair->blue_seen, pair->blue_seen.left_as, "left"));
    CHECK(num_members(pair->blue_pool) == 1);
    join_two(pair->green_pool, pair->blue_pool, pair->blue);
    EVENTUALLY(read_count(&pair->blue_seen, &pair->blue_seen.joins) == 3);
}

static void keys_rotate_while_running(void)
{
    static const char old_key[16] = "sixteen bytes...", new_key[16] = "another sixteen.";
    gossip_t *nodes[2];
    gossip_pool_t *pools[2];

    for (int i = 0; i < 2; i++) {
        gossip_pool_config_t *config = fast_pool(0);
        OK(gossip_pool_config_add_key(config, old_key, sizeof old_key, &err));
        nodes[i] = open_node(i ? "one" : "two");
        OK(gossip_register_pool(nodes[i], config, NULL, &pools[i], &err));
        OK(gossip_start(nodes[i], &err));
        gossip_pool_config_free(config);
    }
    join_two(pools[0], pools[1], nodes[1]);
    for (int i = 0; i < 2; i++)
        OK(gossip_pool_keyring_add(pools[i], new_key, sizeof new_key, &err));
    for (int i = 0; i < 2; i++)
        OK(gossip_pool_keyring_use(pools[i], new_key, sizeof new_key, &err));
    EXPECT(GOSSIP_ERR_IN_USE, gossip_pool_keyring_remove(pools[0], new_key, sizeof new_key, NULL));
    for (int i = 0; i < 2; i++)
        OK(gossip_pool_keyring_remove(pools[i], old_key, sizeof old_key, &err));
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_pool_keyring_use(pools[0], old_key, sizeof old_key, NULL));

    gossip_members_t *members;
    EXPECT(GOSSIP_OK, gossip_pool_members(pools[0], &members));
    OK(gossip_pool_ping(pools[0], gossip_members_find(members, "one", 3), PATIENCE_MS, NULL, &err));
    gossip_members_free(members);
    for (int i = 0; i < 2; i++) {
        gossip_free(nodes[i]);
        gossip_pool_free(pools[i]);
    }
}

static void a_join_that_reaches_nobody_says_why(struct pair *pair)
{
    /* Nobody listens on the port of a node that is gone. */
    gossip_t *gone = open_node("gone");
    const char *seed = addr_of(gone);
    gossip_error_t *err;

    gossip_free(gone);
    EXPECT(GOSSIP_ERR_JOIN_FAILED, gossip_pool_join(pair->blue_pool, &seed, 1, PATIENCE_MS, NULL, &err));
    CHECK(strstr(gossip_error_message(err), seed) != NULL);
    gossip_error_free(err);
}

int main(void)
{
    struct pair pair;

    start_watchdog();
    open_pair(&pair);
    both_see_both(&pair);
    state_travels_with_the_join(&pair);
    a_broadcast_reaches_the_other(&pair);
    messages_reach_one_member(&pair);
    a_ping_measures_and_carries_the_payload(&pair);
    new_metadata_is_announced(&pair);
    counters_count(&pair);
    pools_are_found_by_id(&pair);
    a_join_that_reaches_nobody_says_why(&pair);
    a_leave_is_no_death(&pair);
    close_pair(&pair);
    keys_rotate_while_running();
    return 0;
}
