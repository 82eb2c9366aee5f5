/* Nothing happens when the library is loaded: no thread, no descriptor, no signal, not a
 * word. This program is not linked to it; the runner gives its path. */
#include "check.h"

#include <dlfcn.h>
#include <signal.h>

struct state {
    int threads, fds;
    struct sigaction actions[32];
    stack_t stack;
};

static struct state look(void)
{
    struct state state;

    memset(&state, 0, sizeof state);
    state.threads = count_entries("/proc/self/task");
    state.fds = count_entries("/proc/self/fd");
    for (int signal = 1; signal < 32; signal++)
        CHECK(signal == SIGKILL || signal == SIGSTOP || sigaction(signal, NULL, &state.actions[signal]) == 0);
    CHECK(sigaltstack(NULL, &state.stack) == 0);
    return state;
}

static void is_as_before(const struct state *before)
{
    struct state now = look();

    CHECK(now.threads == before->threads && now.fds == before->fds);
    for (int signal = 1; signal < 32; signal++)
        CHECK(now.actions[signal].sa_handler == before->actions[signal].sa_handler);
    CHECK(now.stack.ss_sp == before->stack.ss_sp && now.stack.ss_flags == before->stack.ss_flags);
}

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    return found;
}

int main(int argc, char **argv)
{
    const char *(*version)(void);
    gossip_status_t (*new_config)(gossip_config_t **), (*set)(gossip_config_t *, const char *, const char *,
                                                              gossip_error_t **);
    gossip_status_t (*new_node)(const gossip_config_t *, gossip_t **, gossip_error_t **);
    gossip_status_t (*start)(const gossip_t *, gossip_error_t **);
    void (*free_config)(gossip_config_t *), (*free_node)(gossip_t *);
    gossip_config_t *config;
    gossip_t *node;
    struct state before;

    start_watchdog();
    CHECK(argc == 2);
    before = look();
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    is_as_before(&before);

    *(void **)&version = symbol(library, "gossip_version_string");
    *(void **)&new_config = symbol(library, "gossip_config_new");
    *(void **)&set = symbol(library, "gossip_config_set");
    *(void **)&free_config = symbol(library, "gossip_config_free");
    *(void **)&new_node = symbol(library, "gossip_new");
    *(void **)&start = symbol(library, "gossip_start");
    *(void **)&free_node = symbol(library, "gossip_free");
    CHECK(version()[0] != '\0');
    CHECK(new_config(&config) == GOSSIP_OK);
    CHECK(set(config, "bind_addr", "127.0.0.1", NULL) == GOSSIP_OK);
    CHECK(set(config, "bind_port", "0", NULL) == GOSSIP_OK);
    is_as_before(&before); /* a configuration is only memory */

    CHECK(new_node(config, &node, NULL) == GOSSIP_OK);
    CHECK(start(node, NULL) == GOSSIP_OK);
    CHECK(count_entries("/proc/self/task") > before.threads);
    free_node(node);
    free_config(config);
    EVENTUALLY(count_entries("/proc/self/task") == before.threads);
    is_as_before(&before); /* nor does anything stay */

    CHECK(dlclose(library) == 0);
    CHECK(new_config(&config) == GOSSIP_OK); /* it stays loaded: threads may have been in it */
    free_config(config);
    return 0;
}
