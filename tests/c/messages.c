/* Where messages come from, how and when, as a queue tells it; and how certain it is that a
 * reliable one arrived. */
#include "queue.h"

#include <signal.h>
#include <sys/wait.h>

enum { KEY_BYTES = 16 };

struct pair {
    gossip_t *blue, *green;
    gossip_pool_t *from, *to;
    gossip_queue_t *queue;
};

static void open_pair(struct pair *pair, int32_t id, const char *key)
{
    gossip_pool_config_t *configs[2] = {fast_pool(id), fast_pool(id)};

    for (int i = 0; key && i < 2; i++)
        OK(gossip_pool_config_add_key(configs[i], key, KEY_BYTES, &err));
    pair->blue = open_node("blue");
    pair->green = open_node("green");
    pair->queue = open_queue(ROOMY);
    OK(gossip_register_pool(pair->blue, configs[0], NULL, &pair->from, &err));
    gossip_pool_config_free(configs[0]);
    pair->to = queue_pool(pair->green, configs[1], pair->queue, 7, 0);
    OK(gossip_start(pair->blue, &err));
    OK(gossip_start(pair->green, &err));
    join_two(pair->from, pair->to, pair->green);
}

static void close_pair(struct pair *pair)
{
    gossip_free(pair->blue);
    gossip_free(pair->green);
    gossip_pool_free(pair->from);
    gossip_pool_free(pair->to);
    gossip_queue_free(pair->queue);
}

static void is_from_blue(const struct pair *pair, const gossip_event_t *event, int32_t id, int reliable, int encrypted)
{
    const gossip_message_t *message = gossip_event_message(event);
    gossip_addr_t addr;
    size_t len = 0;
    int64_t unix_ns = 0;

    CHECK(message != NULL);
    CHECK(strcmp(gossip_message_sender_name(message, &len), "blue") == 0 && len == 4);
    CHECK(gossip_message_pool_id(message) == id);
    CHECK(gossip_message_is_reliable(message) == reliable);
    CHECK(gossip_event_is_reliable(event) == gossip_message_is_reliable(message));
    CHECK(gossip_message_is_encrypted(message) == encrypted);
    EXPECT(GOSSIP_OK, gossip_message_from(message, &addr));
    CHECK(gossip_message_received_ns(message) > 0);
    EXPECT(GOSSIP_OK, gossip_pool_wall_clock(pair->to, gossip_message_received_ns(message), &unix_ns));
    /* It came within the last minutes. */
    const int64_t since = (int64_t)time(NULL) - unix_ns / 1000000000;
    CHECK(since >= -5 && since <= LIFETIME_S);
}

static void messages_say_where_they_come_from(int32_t id, const char *key)
{
    struct pair pair;
    gossip_members_t *members;
    gossip_event_t *event;
    int32_t delivery = 0;
    uint64_t instance = 0, sequence = 0;
    size_t len = 1;

    open_pair(&pair, id, key);
    EXPECT(GOSSIP_OK, gossip_pool_members(pair.from, &members));
    const gossip_member_t *green = gossip_members_find(members, "green", 5);

    OK(gossip_pool_send_reliable(pair.from, green, "a letter", 8, PATIENCE_MS, &delivery, &err));
    CHECK(delivery == GOSSIP_DELIVERY_ACKNOWLEDGED);
    event = await(pair.queue, GOSSIP_EVENT_MESSAGE);
    CHECK(is_text(event, "a letter"));
    is_from_blue(&pair, event, id, 1, key != NULL);
    CHECK(strcmp(gossip_message_origin_name(gossip_event_message(event), &len), "") == 0 && len == 0);
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_message_origin(gossip_event_message(event), &instance, &sequence));
    gossip_event_free(event);

    OK(gossip_pool_broadcast(pair.from, "to all", 6, 0, &err));
    event = await(pair.queue, GOSSIP_EVENT_MESSAGE);
    CHECK(is_text(event, "to all"));
    is_from_blue(&pair, event, id, 0, key != NULL);
    CHECK(strcmp(gossip_message_origin_name(gossip_event_message(event), &len), "blue") == 0 && len == 4);
    EXPECT(GOSSIP_OK, gossip_message_origin(gossip_event_message(event), &instance, &sequence));
    CHECK(sequence == 1);
    CHECK(strcmp(gossip_message_broadcast_name(gossip_event_message(event), &len), "") == 0 && len == 0);
    gossip_event_free(event);

    OK(gossip_pool_broadcast_named(pair.from, "setting", 7, "on", 2, 0, &err));
    event = await(pair.queue, GOSSIP_EVENT_MESSAGE);
    CHECK(is_text(event, "on"));
    CHECK(strcmp(gossip_message_broadcast_name(gossip_event_message(event), &len), "setting") == 0 && len == 7);
    gossip_event_free(event);

    /* Nobody takes messages at blue. */
    OK(gossip_pool_send_reliable_to(pair.from, addr_of(pair.green), "again", 5, PATIENCE_MS, NULL, &err));
    delivery = 0;
    EXPECT(GOSSIP_ERR_NOT_TAKEN, gossip_pool_send_reliable_to(pair.to, addr_of(pair.blue), "back", 4, PATIENCE_MS, &delivery, NULL));
    CHECK(delivery == 0);
    gossip_members_free(members);
    close_pair(&pair);
}

/* A child of the process holds every connection; that one of them ends is seen all the same. */
static void a_child_that_lives_on_holds_up_no_message(void)
{
    struct pair pair;
    int result;

    open_pair(&pair, 1, NULL);
    OK(gossip_pool_send_reliable_to(pair.from, addr_of(pair.green), "one", 3, PATIENCE_MS, NULL, &err));
    CHECK(counted(pair.from, "streams_resting") == 1);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        start_watchdog();
        pause();
        _exit(0);
    }

    /* Closes what rests. */
    OK(gossip_pool_accept_label(pair.to, "next", 4, &err));
    OK(gossip_pool_send_reliable_to(pair.from, addr_of(pair.green), "two", 3, PATIENCE_MS, NULL, &err));
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &result, 0) == child);
    close_pair(&pair);
}

int main(void)
{
    start_watchdog();
    CHECK(gossip_event_message(NULL) == NULL && gossip_message_pool_id(NULL) == -1);
    CHECK(strcmp(gossip_message_sender_name(NULL, NULL), "") == 0);
    CHECK(gossip_message_received_ns(NULL) == 0 && gossip_message_is_encrypted(NULL) == 0);
    messages_say_where_they_come_from(1, NULL);
    messages_say_where_they_come_from(2, "sixteen bytes of");
    a_child_that_lives_on_holds_up_no_message();
    return 0;
}
