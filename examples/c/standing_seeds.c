/*
 * Nodes that find each other by themselves, whoever starts first, and again after a crash or a cut;
 * and that say why, when one fails.
 *
 *     ./standing_seeds ada 7946 127.0.0.1:7946,127.0.0.1:7947        in one terminal
 *     ./standing_seeds ben 7947 127.0.0.1:7946,127.0.0.1:7947        in another
 *
 * All have the same seeds; that one of them is the own address does no harm. Enter, or the end of
 * input, leaves.
 */
#include <gossip/gossip.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY(call) \
    do \
        if ((call) != GOSSIP_OK) \
            fail(#call, err); \
    while (0)

static void fail(const char *call, const gossip_error_t *err)
{
    fprintf(stderr, "%s: %s\n", call, gossip_error_message(err));
    exit(1);
}

/* What this node knows of the member, and what is wrong with the way to it. */
static void say_why(const gossip_pool_t *pool, const char *name)
{
    gossip_explanation_t *why;
    gossip_diagnosis_t *diagnosis;

    if (gossip_pool_explain(pool, name, strlen(name), &why, NULL) == GOSSIP_OK) {
        printf("%s\n", gossip_explanation_text(why));
        gossip_explanation_free(why);
    }
    if (gossip_pool_doctor(pool, name, 5000, &diagnosis, NULL) == GOSSIP_OK) {
        printf("%s\n", gossip_diagnosis_text(diagnosis));
        gossip_diagnosis_free(diagnosis);
    }
}

static void tell(const gossip_pool_t *pool, const gossip_event_t *event)
{
    const gossip_member_t *member = gossip_event_member(event);

    switch (gossip_event_type(event)) {
    case GOSSIP_EVENT_JOIN:
        printf("+ %s\n", gossip_member_name(member, NULL));
        break;
    case GOSSIP_EVENT_LEAVE:
        printf("- %s %s\n", gossip_member_name(member, NULL), gossip_state_name(gossip_member_state(member)));
        if (gossip_member_state(member) == GOSSIP_STATE_DEAD)
            say_why(pool, gossip_member_name(member, NULL));
        break;
    case GOSSIP_EVENT_ISOLATED:
        printf("! alone; still trying\n");
        break;
    case GOSSIP_EVENT_HEALED:
        printf("* in company again: %zu are back, %zu are missing\n", gossip_event_returned(event),
               gossip_event_missing(event));
        break;
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    gossip_error_t *err = NULL;
    gossip_config_t *config;
    gossip_pool_config_t *lan;
    gossip_queue_t *queue;
    gossip_event_t *event;
    gossip_t *node;
    gossip_pool_t *pool;
    gossip_fd_t fd;

    if (argc != 4) {
        fprintf(stderr, "usage: standing_seeds NAME PORT SEED,SEED...\n");
        return 2;
    }
    TRY(gossip_config_new(&config));
    TRY(gossip_config_set(config, "name", argv[1], &err));
    TRY(gossip_config_set(config, "bind_addr", "127.0.0.1", &err)); /* default: every interface */
    TRY(gossip_config_set(config, "bind_port", argv[2], &err));
    TRY(gossip_new(config, &node, &err));
    TRY(gossip_pool_config_new(1, GOSSIP_PRESET_LOCAL, &lan, &err));
    TRY(gossip_pool_config_set(lan, "seeds", argv[3], &err));
    TRY(gossip_pool_config_set(lan, "reconnect_interval_ms", "5000", &err));
    TRY(gossip_queue_new(10000, 64 << 20, &queue));
    TRY(gossip_queue_fd(queue, &fd));
    TRY(gossip_pool_config_set_queue(lan, queue, 0, 0, &err));
    TRY(gossip_register_pool(node, lan, NULL, &pool, &err));
    TRY(gossip_start(node, &err)); /* does not wait for the seeds */

    struct pollfd waits[] = {{fd, POLLIN, 0}, {0, POLLIN, 0}};
    while (poll(waits, 2, -1) > 0 && waits[1].revents == 0)
        while (gossip_queue_poll(queue, 0, &event) == GOSSIP_OK) {
            tell(pool, event);
            gossip_event_free(event);
        }

    TRY(gossip_leave(node, 5000, &err));
    gossip_pool_free(pool);
    gossip_free(node);
    gossip_queue_free(queue);
    gossip_pool_config_free(lan);
    gossip_config_free(config);
    return 0;
}
