/* What the programs that test the event queue share. */
#ifndef QUEUE_H
#define QUEUE_H

#include "check.h"

enum { BLUE = 1, GREEN = 2, ROOMY = 1000, BYTES = 1 << 20 };

static inline gossip_queue_t *open_queue(size_t max_events)
{
    gossip_queue_t *queue;
    EXPECT(GOSSIP_OK, gossip_queue_new(max_events, BYTES, &queue));
    return queue;
}

/* A pool that tells a queue; frees its configuration. */
static inline gossip_pool_t *queue_pool(gossip_t *node, gossip_pool_config_t *config, gossip_queue_t *queue,
                                        uint64_t tag, uint32_t asks)
{
    gossip_pool_t *pool;

    OK(gossip_pool_config_set_queue(config, queue, tag, asks, &err));
    OK(gossip_register_pool(node, config, NULL, &pool, &err));
    gossip_pool_config_free(config);
    return pool;
}

static inline int is_text(const gossip_event_t *event, const char *text)
{
    size_t len;
    const uint8_t *data = gossip_event_data(event, &len);
    return len == strlen(text) && memcmp(data, text, len) == 0;
}

static inline int is_member(const gossip_member_t *member, const char *name)
{
    return strcmp(gossip_member_name(member, NULL), name) == 0;
}

static inline uint64_t counted(const gossip_pool_t *pool, const char *name)
{
    gossip_stats_t *stats;
    uint64_t count = 0;

    EXPECT(GOSSIP_OK, gossip_pool_stats(pool, &stats));
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, name, &count));
    gossip_stats_free(stats);
    return count;
}

/* The next event of a type; others are freed. */
static inline gossip_event_t *await(gossip_queue_t *queue, int32_t type)
{
    for (int64_t deadline = now_ms() + PATIENCE_MS; now_ms() < deadline;) {
        gossip_event_t *event;
        EXPECT(GOSSIP_OK, gossip_queue_poll(queue, PATIENCE_MS, &event));
        if (gossip_event_type(event) == type)
            return event;
        gossip_event_free(event);
    }
    fprintf(stderr, "no event of type %d came in time\n", (int)type);
    _exit(1);
}

#endif
