/* Nodes as a company: a broadcast reaches everyone, halves find each other again after a cut, and a
 * name moves with its node. */
#include "queue.h"

enum { MOST = 8, KEY_SIZE = 16, VALUES = 10 };

/* Nodes `a`, `b` and so on, whose pools tell one queue, each under its number. */
struct company {
    size_t size;
    gossip_t *nodes[MOST];
    gossip_pool_t *pools[MOST];
    gossip_queue_t *queue;
};

static void set(gossip_pool_config_t *config, const char *key, const char *value)
{
    OK(gossip_pool_config_set(config, key, value, &err));
}

static int all_see(const struct company *company, size_t count)
{
    for (size_t i = 0; i < company->size; i++)
        if (num_members(company->pools[i]) != count)
            return 0;
    return 1;
}

static void open_company(struct company *company, size_t size, void configure(gossip_pool_config_t *))
{
    company->size = size;
    company->queue = open_queue(ROOMY);
    for (size_t i = 0; i < size; i++) {
        const char name[2] = {(char)('a' + i), '\0'}, *seed;
        gossip_pool_config_t *config = fast_pool(BLUE);

        configure(config);
        company->nodes[i] = open_node(name);
        company->pools[i] = queue_pool(company->nodes[i], config, company->queue, i, 0);
        OK(gossip_start(company->nodes[i], &err));
        seed = addr_of(company->nodes[0]);
        if (i > 0)
            OK(gossip_pool_join(company->pools[i], &seed, 1, PATIENCE_MS, NULL, &err));
    }
    EVENTUALLY(all_see(company, size));
}

static void close_company(struct company *company)
{
    for (size_t i = 0; i < company->size; i++) {
        gossip_free(company->nodes[i]);
        gossip_pool_free(company->pools[i]);
    }
    gossip_queue_free(company->queue);
}

/* ---- broadcasts ------------------------------------------------------------------------ */

/* Suspects nobody because the machine is busy. */
static void patient(gossip_pool_config_t *config)
{
    set(config, "probe_interval_ms", "2000");
    set(config, "probe_timeout_ms", "1800");
    set(config, "retransmit_mult", "6");
    set(config, "push_pull_interval_ms", "1000");
}

static void a_broadcast_reaches_everyone_once(struct company *company, size_t sender)
{
    int heard[MOST] = {0};

    OK(gossip_pool_broadcast(company->pools[sender], "to all", 6, PATIENCE_MS, &err));
    for (size_t count = 1; count < company->size; count++) {
        gossip_event_t *event = await(company->queue, GOSSIP_EVENT_MESSAGE);

        CHECK(is_text(event, "to all") && gossip_event_tag(event) != sender);
        CHECK(++heard[gossip_event_tag(event)] == 1);
        gossip_event_free(event);
    }
}

/* Whoever has the newest is told of no older one. */
static void the_newest_of_a_name_is_what_everyone_has_in_the_end(struct company *company, size_t sender)
{
    int newest[MOST] = {0};
    size_t done = 1;

    for (int value = 1; value <= VALUES; value++) {
        const char message = (char)value;
        OK(gossip_pool_broadcast_named(company->pools[sender], "colour", 6, &message, 1, PATIENCE_MS, &err));
    }
    while (done < company->size) {
        gossip_event_t *event = await(company->queue, GOSSIP_EVENT_MESSAGE);
        const uint64_t at = gossip_event_tag(event);
        size_t len;
        const uint8_t *message = gossip_event_data(event, &len);

        CHECK(len == 1 && message[0] > newest[at] && at != sender);
        newest[at] = message[0];
        done += newest[at] == VALUES;
        gossip_event_free(event);
    }
    /* If an older one were still under way, it would come before this one. */
    a_broadcast_reaches_everyone_once(company, sender);
}

/* ---- cuts ------------------------------------------------------------------------------ */

static const char ONE[KEY_SIZE] = "one key of two..", OTHER[KEY_SIZE] = "the other key...";

/* Forgets the dead after a moment, and looks for those who are missing as often. */
static void forgetful(gossip_pool_config_t *config)
{
    set(config, "probe_interval_ms", "400");
    set(config, "probe_timeout_ms", "200");
    set(config, "gossip_to_the_dead_time_ms", "400");
    set(config, "reconnect_interval_ms", "200");
    set(config, "tcp_timeout_ms", "2000");
    set(config, "retransmit_mult", "4");
    set(config, "push_pull_interval_ms", "1000");
    OK(gossip_pool_config_add_key(config, ONE, KEY_SIZE, &err));
}

/* Halves that have no key in common hear nothing of each other, as if the network were cut. */
static void use_key(const struct company *company, size_t from, const char *old_key, const char *new_key)
{
    for (size_t i = from; i < company->size; i++) {
        OK(gossip_pool_keyring_add(company->pools[i], new_key, KEY_SIZE, &err));
        OK(gossip_pool_keyring_use(company->pools[i], new_key, KEY_SIZE, &err));
        OK(gossip_pool_keyring_remove(company->pools[i], old_key, KEY_SIZE, &err));
    }
}

static int all_have_forgotten(const struct company *company)
{
    for (size_t i = 0; i < company->size; i++)
        if (counted(company->pools[i], "members_dead") > 0)
            return 0;
    return 1;
}

static void halves_find_each_other_again(struct company *company)
{
    size_t back = 0;

    use_key(company, 2, ONE, OTHER);
    EVENTUALLY(all_see(company, 2) && all_have_forgotten(company));
    use_key(company, 2, OTHER, ONE);
    EVENTUALLY(all_see(company, 4));
    while (back < 2 * company->size) {
        gossip_event_t *event = await(company->queue, GOSSIP_EVENT_HEALED);
        back += gossip_event_returned(event);
        gossip_event_free(event);
    }
    for (size_t i = 0; i < company->size; i++)
        EVENTUALLY(counted(company->pools[i], "members_lost") == 0);
}

/* ---- a name that moves ----------------------------------------------------------------- */

static int is_at(const gossip_pool_t *pool, const char *name, const char *addr)
{
    gossip_members_t *members;

    EXPECT(GOSSIP_OK, gossip_pool_members(pool, &members));
    const gossip_member_t *member = gossip_members_find(members, name, strlen(name));
    int found = member != NULL && strcmp(gossip_member_addr_text(member), addr) == 0;
    gossip_members_free(members);
    return found;
}

static void a_node_that_restarts_elsewhere_takes_its_name_along(struct company *company)
{
    const size_t last = company->size - 1;
    const char name[2] = {(char)('a' + last), '\0'};
    char addr[GOSSIP_ADDR_TEXT_SIZE];
    gossip_pool_config_t *config = fast_pool(BLUE);

    gossip_free(company->nodes[last]);
    gossip_pool_free(company->pools[last]);
    forgetful(config);
    set(config, "seeds", addr_of(company->nodes[1]));
    company->nodes[last] = open_node(name);
    company->pools[last] = queue_pool(company->nodes[last], config, company->queue, last, 0);
    OK(gossip_start(company->nodes[last], &err));
    snprintf(addr, sizeof addr, "%s", addr_of(company->nodes[last]));
    for (size_t i = 0; i < company->size; i++)
        EVENTUALLY(is_at(company->pools[i], name, addr));
    EVENTUALLY(all_see(company, company->size));
}

int main(void)
{
    static struct company company;

    start_watchdog();
    open_company(&company, MOST, patient);
    a_broadcast_reaches_everyone_once(&company, 0);
    a_broadcast_reaches_everyone_once(&company, 5);
    the_newest_of_a_name_is_what_everyone_has_in_the_end(&company, 3);
    close_company(&company);

    open_company(&company, 4, forgetful);
    halves_find_each_other_again(&company);
    a_node_that_restarts_elsewhere_takes_its_name_along(&company);
    close_company(&company);
    return 0;
}
