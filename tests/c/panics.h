/* What the program of gossip-ffi/tests/panics.rs does with each function: it lets the call
 * panic, and looks at what is left. */
#ifndef PANICS_H
#define PANICS_H

#include "check.h"

/* A running node with one of everything. */
struct world {
    gossip_t *node;
    gossip_pool_t *pool;
    gossip_listener_t *listener;
    gossip_packets_t *packets;
    gossip_queue_t *queue;
};

static inline struct world open_world(void)
{
    struct world world = {.node = open_node("panics")};

    world.pool = open_pool(world.node, 1, NULL);
    OK(gossip_listen_tcp(world.node, &world.listener, &err));
    OK(gossip_packets(world.node, &world.packets, &err));
    EXPECT(GOSSIP_OK, gossip_queue_new(10, 1000, &world.queue));
    OK(gossip_start(world.node, &err));
    return world;
}

/* From here to calm() the library panics in every call; what it says of that comes behind. */
static inline void panic_in(const char *function)
{
    fprintf(stderr, "call %s\n", function);
    CHECK(setenv("GOSSIP_PANIC", "1", 1) == 0);
}

static inline void calm(void)
{
    CHECK(unsetenv("GOSSIP_PANIC") == 0);
}

/* Nothing of the node works any more but its end. */
static inline void expect_fatal_node(const struct world *world)
{
    gossip_status_t status;
    int32_t id;

    CHECK(gossip_is_running(world->node) == 0);
    EXPECT(GOSSIP_ERR_FATAL, gossip_node_name(world->node, NULL, 0, NULL));
    EXPECT(GOSSIP_ERR_FATAL, gossip_pool_id(world->pool, &id));
    EXPECT(GOSSIP_ERR_FATAL, gossip_pool_broadcast(world->pool, "x", 1, 0, NULL));
    EXPECT(GOSSIP_ERR_FATAL, gossip_listener_stats(world->listener, NULL, NULL, NULL, NULL));
    EXPECT(GOSSIP_ERR_FATAL, gossip_packets_stats(world->packets, NULL, NULL, NULL, NULL));
    EXPECT(GOSSIP_OK, gossip_listener_close(world->listener));
    EXPECT(GOSSIP_OK, gossip_packets_close(world->packets));
    status = gossip_leave(world->node, PATIENCE_MS, NULL);
    CHECK(status == GOSSIP_OK || status == GOSSIP_ERR_CLOSED);
    EXPECT(GOSSIP_OK, gossip_pool_shutdown(world->pool, PATIENCE_MS, NULL));
    EXPECT(GOSSIP_OK, gossip_shutdown(world->node, PATIENCE_MS, NULL));
}

static inline void expect_fatal_queue(const struct world *world)
{
    EXPECT(GOSSIP_ERR_FATAL, gossip_queue_stats(world->queue, NULL, NULL, NULL, NULL));
    EXPECT(GOSSIP_OK, gossip_queue_close(world->queue));
}

/* A node that nobody's panic concerned. */
static inline void expect_unharmed(const struct world *world)
{
    CHECK(gossip_is_running(world->node) == 1);
    CHECK(num_members(world->pool) == 1);
    OK(gossip_pool_broadcast(world->pool, "x", 1, PATIENCE_MS, &err));
    EXPECT(GOSSIP_ERR_AGAIN, gossip_queue_poll(world->queue, 0, &(gossip_event_t *){NULL}));
}

static inline void close_world(struct world *world)
{
    gossip_listener_free(world->listener);
    gossip_packets_free(world->packets);
    gossip_pool_free(world->pool);
    gossip_free(world->node);
    gossip_queue_free(world->queue);
}

#endif
