/* What calls that a program makes often may allocate in its thread. */
#include "check.h"
#include "counting.h"
#include "queue.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { ID = 0x0101, CONNECTIONS = 50 };

static uint64_t unaccepted(const gossip_listener_t *listener)
{
    uint64_t pending = 0;
    EXPECT(GOSSIP_OK, gossip_listener_stats(listener, NULL, NULL, &pending, NULL));
    return pending;
}

static int connect_to(const gossip_t *node)
{
    const unsigned char id[2] = {ID >> 8, ID & 0xff};
    struct sockaddr_in to = {0};
    gossip_addr_t local;
    int client = socket(AF_INET, SOCK_STREAM, 0);

    EXPECT(GOSSIP_OK, gossip_local_addr(node, &local));
    to.sin_family = AF_INET;
    to.sin_port = htons(local.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(client, (const struct sockaddr *)&to, sizeof to) == 0);
    CHECK(write(client, id, sizeof id) == sizeof id);
    return client;
}

static void accepting_allocates_nothing(const gossip_t *node, const gossip_listener_t *listener)
{
    int clients[CONNECTIONS], accepted[CONNECTIONS];
    long before;

    for (int i = 0; i < CONNECTIONS; i++)
        clients[i] = connect_to(node);
    EVENTUALLY(unaccepted(listener) == CONNECTIONS);
    before = allocations;
    for (int i = 0; i < CONNECTIONS; i++) {
        gossip_addr_t peer;
        EXPECT(GOSSIP_OK, gossip_listener_accept(listener, 0, GOSSIP_FD_NONBLOCK, &accepted[i], &peer));
    }
    CHECK(allocations == before);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(clients[i]);
        close(accepted[i]);
    }
}

/* The list is made once for each change of the pool, and shared by all snapshots of it. */
static void a_snapshot_of_what_has_not_changed_is_one_handle(const gossip_pool_t *pool)
{
    gossip_members_t *members, *again;
    long before;

    EXPECT(GOSSIP_OK, gossip_pool_members(pool, &members));
    CHECK(strcmp(gossip_member_name(gossip_members_get(members, 0), NULL), "ada") == 0);
    before = allocations;
    EXPECT(GOSSIP_OK, gossip_pool_members(pool, &again));
    CHECK(gossip_member_name(gossip_members_get(again, 0), NULL) ==
          gossip_member_name(gossip_members_get(members, 0), NULL));
    CHECK(allocations - before == 1);
    gossip_members_free(members);
    CHECK(strcmp(gossip_member_name(gossip_members_get(again, 0), NULL), "ada") == 0);
    gossip_members_free(again);
}

static void looking_allocates_nothing(const gossip_t *node, const gossip_pool_t *pool,
                                              const gossip_queue_t *queue,
                                              const gossip_listener_t *listener)
{
    const long before = allocations;
    gossip_addr_t addr;
    gossip_fd_t fd;
    gossip_event_t *event;
    size_t size;
    int32_t id;

    EXPECT(GOSSIP_OK, gossip_local_addr(node, &addr));
    EXPECT(GOSSIP_OK, gossip_pool_id(pool, &id));
    EXPECT(GOSSIP_OK, gossip_pool_max_broadcast_size(pool, &size));
    CHECK(num_members(pool) == 1);
    EXPECT(GOSSIP_ERR_AGAIN, gossip_queue_poll(queue, 0, &event));
    EXPECT(GOSSIP_ERR_AGAIN, gossip_listener_accept(listener, 0, 0, &fd, NULL));
    CHECK(allocations == before);
}

int main(void)
{
    gossip_listener_t *listener;
    gossip_queue_t *queue;
    gossip_t *node;
    gossip_pool_t *pool;

    start_watchdog();
    /* The counter counts. */
    free(malloc(1));
    CHECK(allocations > 0);
    node = open_node("ada");
    queue = open_queue(ROOMY);
    pool = queue_pool(node, fast_pool(BLUE), queue, 1, GOSSIP_ASK_NOTHING);
    OK(gossip_listen(node, ID, &listener, &err));
    OK(gossip_start(node, &err));
    gossip_event_free(await(queue, GOSSIP_EVENT_JOIN));

    accepting_allocates_nothing(node, listener);
    a_snapshot_of_what_has_not_changed_is_one_handle(pool);
    looking_allocates_nothing(node, pool, queue, listener);

    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    gossip_listener_free(listener);
    gossip_pool_free(pool);
    gossip_free(node);
    gossip_queue_free(queue);
    return 0;
}
