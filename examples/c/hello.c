/*
 * Joins a pool and prints who is there.
 *
 *     ./hello blue 7946                       in one terminal
 *     ./hello green 7947 127.0.0.1:7946       in another
 */
#include <gossip/gossip.h>
#include <stdio.h>
#include <stdlib.h>

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

int main(int argc, char **argv)
{
    gossip_error_t *err = NULL;
    gossip_config_t *config;
    gossip_pool_config_t *lan;
    gossip_t *node;
    gossip_pool_t *pool;
    gossip_members_t *members;

    if (argc < 3) {
        fprintf(stderr, "usage: hello NAME PORT [SEED...]\n");
        return 2;
    }
    TRY(gossip_config_new(&config));
    TRY(gossip_config_set(config, "name", argv[1], &err));
    TRY(gossip_config_set(config, "bind_addr", "127.0.0.1", &err)); /* default: every interface */
    TRY(gossip_config_set(config, "bind_port", argv[2], &err));
    TRY(gossip_new(config, &node, &err));
    TRY(gossip_pool_config_new(1, GOSSIP_PRESET_LAN, &lan, &err));
    TRY(gossip_register_pool(node, lan, NULL, &pool, &err));
    TRY(gossip_start(node, &err));
    if (argc > 3)
        TRY(gossip_pool_join(pool, (const char *const *)argv + 3, (size_t)argc - 3, 5000, NULL, &err));
    TRY(gossip_pool_members(pool, &members));
    for (size_t i = 0; i < gossip_members_len(members); i++) {
        const gossip_member_t *member = gossip_members_get(members, i);
        printf("%s at %s\n", gossip_member_name(member, NULL), gossip_member_addr_text(member));
    }
    printf("press enter to leave\n");
    getchar();
    TRY(gossip_leave(node, 5000, &err));

    gossip_members_free(members);
    gossip_pool_free(pool);
    gossip_free(node);
    gossip_pool_config_free(lan);
    gossip_config_free(config);
    return 0;
}
