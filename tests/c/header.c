/* The header alone, twice, in every dialect; what is frozen is what it was. */
#include <gossip/gossip.h>
#include <gossip/gossip.h>

/* A negative size if not: works in every dialect. */
#define FROZEN(name, condition) typedef char frozen_##name[(condition) ? 1 : -1]

FROZEN(addr, sizeof(gossip_addr_t) == 32);
FROZEN(addr_ip, offsetof(gossip_addr_t, ip) == 8);
FROZEN(status, sizeof(gossip_status_t) == 4);
FROZEN(size_first, offsetof(gossip_delegate_t, struct_size) == 0);
FROZEN(destroy_third, offsetof(gossip_delegate_t, destroy) == sizeof(size_t) + sizeof(void *));
FROZEN(join_fourth, offsetof(gossip_delegate_t, notify_join) == sizeof(size_t) + 2 * sizeof(void *));
FROZEN(timeout, GOSSIP_ERR_TIMEOUT == -7);
FROZEN(internal, GOSSIP_ERR_INTERNAL == -34);
FROZEN(not_taken, GOSSIP_ERR_NOT_TAKEN == -35);
FROZEN(not_migrated, GOSSIP_ERR_NOT_MIGRATED == -36);
FROZEN(accept, GOSSIP_VERDICT_ACCEPT == 1);
FROZEN(reject, GOSSIP_VERDICT_REJECT == 2);

int main(void);

int main(void)
{
    return GOSSIP_OK;
}
