/* What a program does first with an installed libgossip: checks that header and library belong
 * together, and is alone in a pool. C99 to C17; consumer.cpp is the same in C++. */
#include <gossip/gossip.h>
#include <stdio.h>
#include <string.h>

static gossip_status_t be_alone(gossip_t **node, gossip_error_t **err)
{
    gossip_config_t *config = NULL;
    gossip_pool_config_t *lan = NULL;
    gossip_pool_t *pool = NULL;
    size_t members = 0;
    gossip_status_t status;

    if ((status = gossip_config_new(&config)) == GOSSIP_OK &&
        (status = gossip_config_set(config, "bind_addr", "127.0.0.1", err)) == GOSSIP_OK &&
        (status = gossip_config_set(config, "bind_port", "0", err)) == GOSSIP_OK &&
        (status = gossip_new(config, node, err)) == GOSSIP_OK &&
        (status = gossip_pool_config_new(1, GOSSIP_PRESET_LOCAL, &lan, err)) == GOSSIP_OK &&
        (status = gossip_register_pool(*node, lan, NULL, &pool, err)) == GOSSIP_OK &&
        (status = gossip_start(*node, err)) == GOSSIP_OK &&
        (status = gossip_pool_num_members(pool, &members)) == GOSSIP_OK && members != 1)
        status = GOSSIP_ERR_INTERNAL;
    gossip_pool_free(pool);
    gossip_pool_config_free(lan);
    gossip_config_free(config);
    return status;
}

int main(void)
{
    const uint32_t header = GOSSIP_VERSION_MAJOR * 1000000 + GOSSIP_VERSION_MINOR * 1000 + GOSSIP_VERSION_PATCH;
    gossip_t *node = NULL;
    gossip_error_t *err = NULL;
    gossip_status_t status = gossip_abi_check(GOSSIP_ABI_VERSION);

    if (status == GOSSIP_OK && gossip_version_number() != header)
        status = GOSSIP_ERR_ABI_MISMATCH;
    if (status == GOSSIP_OK)
        status = be_alone(&node, &err);
    if (status == GOSSIP_OK)
        status = gossip_shutdown(node, 5000, &err);
    if (status != GOSSIP_OK)
        fprintf(stderr, "%s: %s\n", gossip_status_name(status), gossip_error_message(err));
    else
        printf("libgossip %s works\n", gossip_version_string());
    gossip_error_free(err);
    gossip_free(node);
    return status != GOSSIP_OK;
}
