/* Wrong arguments to living handles: each gets its status, and nothing breaks. Calls with
 * nothing but NULL are made from the header by the runner. */
#include "check.h"

static void texts_must_be_utf8(void)
{
    gossip_config_t *config;
    gossip_error_t *err;

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    EXPECT(GOSSIP_ERR_INVALID_UTF8, gossip_config_set(config, "name", "n\xff", &err));
    CHECK(strstr(gossip_error_message(err), "value") != NULL);
    CHECK(strcmp(gossip_error_field(err), "value") == 0);
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_INVALID_UTF8, gossip_config_set(config, "\xc3(", "x", NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_config_set(config, NULL, "x", NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_config_set(config, "name", NULL, NULL));
    gossip_config_free(config);
}

static void lengths_must_be_possible(gossip_pool_t *pool)
{
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_broadcast(pool, NULL, 1, 0, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_broadcast(pool, NULL, SIZE_MAX, 0, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_broadcast(pool, "x", SIZE_MAX, 0, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_join(pool, NULL, 1, 0, NULL, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_join(pool, &(const char *){"x"}, SIZE_MAX, 0, NULL, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_join(pool, &(const char *){NULL}, 1, 0, NULL, NULL));
}

static void targets_must_be_given(gossip_pool_t *pool)
{
    gossip_addr_t nowhere = {0};

    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_send_best_effort(pool, NULL, "x", 1, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_send_reliable(pool, NULL, "x", 1, 0, NULL, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_ping(pool, NULL, 0, NULL, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_send_to_address(pool, NULL, "x", 1, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_send_to_address(pool, &nowhere, "x", 1, NULL));
}

static void results_must_have_a_place(gossip_t *node, gossip_pool_t *pool)
{
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_members(pool, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_num_members(pool, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_id(pool, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_local_addr(node, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_listen(node, 1, NULL, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_listen_prefix(node, "SSH-", 4, NULL, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_listeners(node, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_udp_recv_buffer(node, NULL));
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_local_addrs(node, NULL, 0, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_local_addrs(node, NULL, 9, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_get_pool(node, 1, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_get_pool(node, 300, &(gossip_pool_t *){NULL}));
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_node_name(node, NULL, 0, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_node_name(node, NULL, 10, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_list_pools(node, NULL, 10, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_get_config(pool, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_protocol_version(pool, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_metrics_text(node, NULL, 1 << 20, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_metrics_text(pool, NULL, 1 << 20, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_log_stats(node, NULL));
}

static void addresses_must_be_addresses(void)
{
    static const char *const wrong[] = {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "host:1", "[::1]", ":1"};
    static const char *const right[] = {"127.0.0.1:0", "[::1]:7946", "[fe80::1%2]:1", "255.255.255.255:65535"};
    char text[GOSSIP_ADDR_TEXT_SIZE];
    gossip_addr_t addr;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        EXPECT(GOSSIP_ERR_ADDR_INVALID, gossip_addr_parse(wrong[i], &addr, NULL));
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        OK(gossip_addr_parse(right[i], &addr, &err));
        EXPECT(GOSSIP_OK, gossip_addr_format(&addr, text, sizeof text, NULL));
        CHECK(strcmp(text, right[i]) == 0);
    }
    addr.family = 5;
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_addr_format(&addr, text, sizeof text, NULL));
}

static void statuses_explain_themselves(void)
{
    gossip_status_t status = 1;

    for (size_t i = 0; i < gossip_status_count(); i++) {
        EXPECT(GOSSIP_OK, gossip_status_at(i, &status));
        CHECK(status == -(gossip_status_t)i);
        CHECK(strncmp(gossip_status_name(status), "GOSSIP_", 7) == 0);
        CHECK(gossip_status_message(status)[0] != '\0');
    }
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_status_at(SIZE_MAX, &status));
    CHECK(strcmp(gossip_status_name(12345), "GOSSIP_ERR_UNKNOWN") == 0);
    CHECK(gossip_status_is_retriable(GOSSIP_ERR_TIMEOUT) && !gossip_status_is_retriable(GOSSIP_ERR_CLOSED));
    CHECK(strcmp(gossip_state_name(3), "left") == 0 && strcmp(gossip_state_name(-7), "unknown") == 0);
}

static void an_initialised_delegate_is_empty(void)
{
    gossip_delegate_t delegate;

    memset(&delegate, 0xff, sizeof delegate);
    EXPECT(GOSSIP_OK, gossip_delegate_init(&delegate, sizeof delegate));
    CHECK(delegate.struct_size == sizeof delegate);
    CHECK(delegate.destroy == NULL && delegate.allow_tcp_ping == NULL && delegate.user_data == NULL);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_delegate_init(&delegate, 8));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_delegate_init(&delegate, SIZE_MAX));
}

int main(void)
{
    gossip_t *node;
    gossip_pool_t *pool;

    start_watchdog();
    statuses_explain_themselves();
    texts_must_be_utf8();
    addresses_must_be_addresses();
    an_initialised_delegate_is_empty();
    node = open_node("node");
    pool = open_pool(node, 1, NULL);
    OK(gossip_start(node, &err));
    lengths_must_be_possible(pool);
    targets_must_be_given(pool);
    results_must_have_a_place(node, pool);
    gossip_free(node);
    gossip_pool_free(pool);
    return 0;
}
