/* Counters as rows, and metrics as text. */
#include "check.h"

static char *text_of(const gossip_t *node, const gossip_pool_t *pool)
{
    size_t len = 0, cap;
    char *text, small[8];

    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, node != NULL ? gossip_metrics_text(node, NULL, 0, &len)
                                                     : gossip_pool_metrics_text(pool, NULL, 0, &len));
    CHECK(len > 1000);
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, node != NULL ? gossip_metrics_text(node, small, sizeof small, NULL)
                                                     : gossip_pool_metrics_text(pool, small, sizeof small, NULL));
    CHECK(strlen(small) == sizeof small - 1);
    cap = len + 4096;
    text = malloc(cap);
    CHECK(text != NULL);
    EXPECT(GOSSIP_OK, node != NULL ? gossip_metrics_text(node, text, cap, &len)
                                   : gossip_pool_metrics_text(pool, text, cap, &len));
    CHECK(strlen(text) == len && text[len - 1] == '\n');
    return text;
}

static void metrics_are_text_in_every_state(void)
{
    gossip_t *node = open_node("node"), *other = open_node("other");
    gossip_pool_t *pools[] = {open_pool(node, 7, NULL), open_pool(node, 8, NULL), open_pool(other, 7, NULL)};
    char *text = text_of(node, NULL);

    CHECK(strstr(text, "pool=\"7\"") != NULL && strstr(text, "pool=\"8\"") != NULL);
    free(text);
    OK(gossip_start(node, &err));
    OK(gossip_start(other, &err));
    join_two(pools[0], pools[2], other);
    text = text_of(NULL, pools[0]);
    CHECK(strstr(text, "memberlist_") != NULL && strstr(text, "gossip_") != NULL);
    CHECK(strstr(text, "pool=\"7\"") != NULL && strstr(text, "pool=\"8\"") == NULL);
    free(text);
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    free(text_of(NULL, pools[0]));
    gossip_free(node);
    gossip_free(other);
    for (int i = 0; i < 3; i++)
        gossip_pool_free(pools[i]);
}

static uint64_t row(const gossip_t *node, const char *name)
{
    gossip_stats_t *stats;
    uint64_t value = 0;

    EXPECT(GOSSIP_OK, gossip_stats(node, &stats));
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, name, &value));
    gossip_stats_free(stats);
    return value;
}

static void the_port_lists_its_listeners(void)
{
    gossip_t *node = open_node("node");
    gossip_listener_t *echo, *native;
    gossip_packets_t *packets;
    gossip_stats_t *stats;
    gossip_addr_t self;
    gossip_fd_t here, there;
    uint64_t value;

    OK(gossip_listen(node, 0x0101, &echo, &err));
    OK(gossip_start(node, &err));
    EXPECT(GOSSIP_OK, gossip_stats(node, &stats));
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_stats_find(stats, "native/accepted", &value));
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_stats_find(stats, "packets/accepted", &value));
    gossip_stats_free(stats);
    OK(gossip_listen_tcp(node, &native, &err));
    OK(gossip_packets(node, &packets, &err));

    OK(gossip_dial(addr_of(node), 0x0101, PATIENCE_MS, GOSSIP_FD_BLOCKING, &there, &err));
    EVENTUALLY(row(node, "id 0x0101/pending") == 1);
    EXPECT(GOSSIP_OK, gossip_listener_accept(echo, PATIENCE_MS, GOSSIP_FD_BLOCKING, &here, NULL));
    CHECK(row(node, "id 0x0101/accepted") == 1 && row(node, "id 0x0101/pending") == 0);
    CHECK(row(node, "id 0x0101/dropped") == 0 && row(node, "id 0x0101/limit") == 128);
    CHECK(row(node, "native/accepted") == 0 && row(node, "connections_accepted") == 1);
    close(here);
    close(there);

    EXPECT(GOSSIP_OK, gossip_local_addr(node, &self));
    OK(gossip_packets_send(packets, &self, "to myself", 9, &err));
    EVENTUALLY(row(node, "packets/pending") == 1);
    gossip_packets_free(packets);
    gossip_listener_free(echo);
    gossip_listener_free(native);
    gossip_free(node);
}

static void every_row_can_be_listed_and_found(void)
{
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, NULL);
    gossip_stats_t *stats[3];

    EXPECT(GOSSIP_ERR_INVALID_STATE, gossip_pool_stats(pool, &stats[0]));
    OK(gossip_start(node, &err));
    EXPECT(GOSSIP_OK, gossip_pool_stats(pool, &stats[0]));
    EXPECT(GOSSIP_OK, gossip_stats(node, &stats[1]));
    EXPECT(GOSSIP_OK, gossip_log_stats(node, &stats[2]));
    for (int i = 0; i < 3; i++) {
        size_t len = gossip_stats_len(stats[i]);
        CHECK(len >= 2);
        for (size_t j = 0; j < len; j++) {
            const char *name;
            uint64_t listed, found;
            EXPECT(GOSSIP_OK, gossip_stats_at(stats[i], j, &name, &listed));
            EXPECT(GOSSIP_OK, gossip_stats_find(stats[i], name, &found));
            CHECK(listed == found);
        }
        EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_stats_at(stats[i], len, NULL, NULL));
        gossip_stats_free(stats[i]);
    }
    gossip_pool_free(pool);
    gossip_free(node);
}

int main(void)
{
    start_watchdog();
    metrics_are_text_in_every_state();
    the_port_lists_its_listeners();
    every_row_can_be_listed_and_found();
    return 0;
}
