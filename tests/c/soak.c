/* A node is made, used and freed many times over; memory, threads and descriptors stay as
 * they were. GOSSIP_SOAK_CYCLES is how often, 200 unless set: make soak takes 10000. */
#include "check.h"

#include <malloc.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { DEFAULT_CYCLES = 200, WARM_UP = 20, CYCLES_PER_S = 10 };

/* What one cycle may leave behind, in bytes: less than anything that it makes. */
enum { LEFT_PER_CYCLE = 16, SLACK = 64 * 1024 };

static void count(void *user_data)
{
    ++*(atomic_int *)user_data;
}

/* Everything that has a handle, or a descriptor, or a thread. */
static void cycle(void)
{
    atomic_int destroyed = 0;
    gossip_delegate_t delegate = {.struct_size = sizeof delegate, .user_data = &destroyed, .destroy = count};
    gossip_t *node = open_node("node");
    gossip_pool_t *pool = open_pool(node, 1, &delegate);
    gossip_listener_t *muxed, *ssh, *native, *none;
    gossip_listeners_t *listeners;
    gossip_packets_t *packets;
    gossip_members_t *members;
    gossip_stats_t *stats;
    gossip_error_t *err;
    gossip_fd_t fd, here, there, waiting;
    gossip_addr_t to;
    char data[16];
    size_t len;

    OK(gossip_listen(node, 1, &muxed, &err));
    OK(gossip_listen_prefix(node, "SSH-", 4, &ssh, &err));
    OK(gossip_listen_tcp(node, &native, &err));
    OK(gossip_packets(node, &packets, &err));
    EXPECT(GOSSIP_ERR_EXISTS, gossip_listen(node, 1, &none, &err));
    gossip_error_free(err);
    OK(gossip_start(node, &err));
    EXPECT(GOSSIP_OK, gossip_listener_fd(muxed, &fd));
    EXPECT(GOSSIP_OK, gossip_packets_fd(packets, &fd));
    OK(gossip_dial(addr_of(node), 1, PATIENCE_MS, 0, &there, &err));
    EXPECT(GOSSIP_OK, gossip_listener_accept(muxed, PATIENCE_MS, 0, &here, NULL));
    OK(gossip_dial(addr_of(node), 1, PATIENCE_MS, 0, &waiting, &err)); /* nobody accepts it */
    EXPECT(GOSSIP_OK, gossip_local_addr(node, &to));
    OK(gossip_packets_send(packets, &to, "to myself", 9, &err));
    EXPECT(GOSSIP_OK, gossip_packets_recv(packets, data, sizeof data, &len, NULL, PATIENCE_MS));
    EXPECT(GOSSIP_OK, gossip_pool_members(pool, &members));
    EXPECT(GOSSIP_OK, gossip_stats(node, &stats));
    EXPECT(GOSSIP_OK, gossip_listeners(node, &listeners));
    OK(gossip_pool_broadcast(pool, "hello", 5, 0, &err));
    OK(gossip_shutdown(node, PATIENCE_MS, &err));
    CHECK(destroyed == 1);
    gossip_listeners_free(listeners);
    gossip_stats_free(stats);
    gossip_members_free(members);
    gossip_packets_free(packets);
    gossip_listener_free(native);
    gossip_listener_free(ssh);
    gossip_listener_free(muxed);
    gossip_pool_free(pool);
    gossip_free(node);
    close(waiting);
    close(here);
    close(there);
}

/* Two that meet, now and then: it takes longer. */
static void meet(void)
{
    gossip_t *node = open_node("node"), *other = open_node("other");
    gossip_pool_t *pool = open_pool(node, 1, NULL), *other_pool = open_pool(other, 1, NULL);

    OK(gossip_start(node, &err));
    OK(gossip_start(other, &err));
    join_two(pool, other_pool, other);
    OK(gossip_leave(node, PATIENCE_MS, &err));
    gossip_free(node);
    gossip_free(other);
    gossip_pool_free(pool);
    gossip_pool_free(other_pool);
}

static void cycles(long count_of_cycles)
{
    for (long i = 0; i < count_of_cycles; i++) {
        cycle();
        if (i % 20 == 0)
            meet();
    }
}

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL && fscanf(file, "%ld %ld", &pages, &resident) == 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(void)
{
    const char *text = getenv("GOSSIP_SOAK_CYCLES");
    long total = text == NULL ? DEFAULT_CYCLES : strtol(text, NULL, 10);
    long resident;
    size_t bytes, bytes_after;
    int fds, threads;

    CHECK(total > 0);
    alarm((unsigned)(LIFETIME_S + total / CYCLES_PER_S));
    cycles(WARM_UP + total / 10); /* whatever is made once is made now */
    EVENTUALLY(count_entries("/proc/self/task") <= 3); /* ".", "..", this one */
    threads = count_entries("/proc/self/task");
    fds = count_entries("/proc/self/fd");
    bytes = bytes_in_use();
    resident = resident_kib();

    cycles(total);

    EVENTUALLY(count_entries("/proc/self/task") == threads);
    EVENTUALLY(count_entries("/proc/self/fd") == fds);
    bytes_after = bytes_in_use();
    printf("%ld cycles: %d descriptors, %d threads, %zu then %zu bytes in use, %ld then %ld KiB resident\n",
           total, fds - 3, threads - 2, bytes, bytes_after, resident, resident_kib());
    CHECK(bytes_after <= bytes + SLACK + (size_t)total * LEFT_PER_CYCLE);
    CHECK(resident_kib() <= resident + 8 * 1024);
    return 0;
}
