/* The questions of a delegate: state on demand, and who may be a member. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the questions answer, and what came of it. */
struct script {
    atomic_int alive_verdict, merge_verdict, state_answer;
    atomic_int asked_alive, asked_merge, asked_state, joins;
    _Atomic size_t received;
    char first_byte;
};

static int32_t on_alive(void *user_data, const gossip_member_t *member, gossip_buffer_t *reason)
{
    struct script *script = user_data;
    CHECK(gossip_member_name(member, NULL)[0] != '\0');
    CHECK(gossip_buffer_limit(reason) >= 100 && gossip_buffer_len(reason) == 0);
    EXPECT(GOSSIP_OK, gossip_buffer_append(reason, "not ", 4));
    EXPECT(GOSSIP_OK, gossip_buffer_append(reason, "today", 5));
    CHECK(gossip_buffer_len(reason) == 9);
    script->asked_alive++;
    return script->alive_verdict;
}

static int32_t on_merge(void *user_data, const gossip_members_t *members, gossip_buffer_t *reason)
{
    struct script *script = user_data;
    (void)reason;
    CHECK(gossip_members_len(members) >= 1);
    CHECK(gossip_members_find(members, "asking", 6) != NULL);
    script->asked_merge++;
    return script->merge_verdict;
}

static int32_t on_local_state(void *user_data, int32_t join, gossip_buffer_t *out)
{
    struct script *script = user_data;
    static char block[100000];

    (void)join;
    memset(block, 's', sizeof block);
    for (int i = 0; i < 10; i++)
        EXPECT(GOSSIP_OK, gossip_buffer_append(out, block, sizeof block));
    size_t room = gossip_buffer_limit(out) - gossip_buffer_len(out);
    char *much = calloc(1, room + 1);
    CHECK(much != NULL);
    EXPECT(GOSSIP_ERR_TOO_LARGE, gossip_buffer_append(out, much, room + 1));
    free(much);
    CHECK(gossip_buffer_len(out) == 10 * sizeof block);
    script->asked_state++;
    return script->state_answer;
}

static void on_state(void *user_data, const uint8_t *data, size_t len, int32_t join)
{
    struct script *script = user_data;
    (void)join;
    if (len == 0)
        return;
    script->first_byte = (char)data[0];
    script->received = len;
}

static void on_join(void *user_data, const gossip_member_t *member)
{
    (void)member;
    ((struct script *)user_data)->joins++;
}

/* "asked" has a delegate with questions, "asking" wants to join it. */
struct scene {
    gossip_t *asked, *asking;
    gossip_pool_t *asked_pool, *asking_pool;
};

static struct scene open_scene(struct script *asked, struct script *asking)
{
    gossip_delegate_t questions = {
        .struct_size = sizeof questions,
        .user_data = asked,
        .notify_join = on_join,
        .local_state = asked->state_answer >= 0 ? on_local_state : NULL,
        .notify_alive = asked->alive_verdict >= 0 ? on_alive : NULL,
        .notify_merge = asked->merge_verdict >= 0 ? on_merge : NULL,
    };
    gossip_delegate_t listening = {
        .struct_size = sizeof listening, .user_data = asking, .merge_remote_state = on_state};
    struct scene scene = {.asked = open_node("asked"), .asking = open_node("asking")};

    scene.asked_pool = open_pool(scene.asked, 3, &questions);
    scene.asking_pool = open_pool(scene.asking, 3, &listening);
    OK(gossip_pool_set_local_state(scene.asked_pool, "published", 9, &err));
    OK(gossip_start(scene.asked, &err));
    OK(gossip_start(scene.asking, &err));
    return scene;
}

static void close_scene(struct scene *scene)
{
    gossip_free(scene->asking);
    gossip_free(scene->asked);
    gossip_pool_free(scene->asking_pool);
    gossip_pool_free(scene->asked_pool);
}

static gossip_status_t try_to_join(struct scene *scene)
{
    const char *seed = addr_of(scene->asked);
    return gossip_pool_join(scene->asking_pool, &seed, 1, PATIENCE_MS, NULL, NULL);
}

enum { NOT_SET = -1 };

static void state_is_made_on_demand(void)
{
    struct script asked = {.alive_verdict = NOT_SET, .merge_verdict = NOT_SET, .state_answer = GOSSIP_CB_DONE};
    struct script asking = {0};
    struct scene scene = open_scene(&asked, &asking);

    EXPECT(GOSSIP_OK, try_to_join(&scene));
    EVENTUALLY(asking.received == 1000000);
    /* By the join, and by push/pulls that follow it. */
    CHECK(asking.first_byte == 's' && asked.asked_state >= 1);
    close_scene(&scene);
}

static void a_failed_callback_leaves_the_published_state(void)
{
    struct script asked = {.alive_verdict = NOT_SET, .merge_verdict = NOT_SET, .state_answer = GOSSIP_CB_FAILED};
    struct script asking = {0};
    struct scene scene = open_scene(&asked, &asking);

    EXPECT(GOSSIP_OK, try_to_join(&scene));
    EVENTUALLY(asking.received == 9);
    CHECK(asking.first_byte == 'p' && asked.asked_state == 1);
    close_scene(&scene);
}

static void an_accepted_node_becomes_a_member(void)
{
    struct script asked = {.alive_verdict = GOSSIP_VERDICT_ACCEPT,
                           .merge_verdict = GOSSIP_VERDICT_ACCEPT,
                           .state_answer = NOT_SET};
    struct script asking = {0};
    struct scene scene = open_scene(&asked, &asking);

    EXPECT(GOSSIP_OK, try_to_join(&scene));
    EVENTUALLY(num_members(scene.asked_pool) == 2 && num_members(scene.asking_pool) == 2);
    CHECK(asked.asked_alive >= 1 && asked.asked_merge == 1);
    close_scene(&scene);
}

/* A clear no, and a callback that failed, keep the node out. */
static void only_a_clear_yes_admits(int verdict)
{
    struct script asked = {.alive_verdict = verdict, .merge_verdict = NOT_SET, .state_answer = NOT_SET};
    struct script asking = {0};
    struct scene scene = open_scene(&asked, &asking);

    EXPECT(GOSSIP_OK, try_to_join(&scene)); /* the exchange itself took place */
    EVENTUALLY(asked.asked_alive >= 2);     /* asked again with the next gossip */
    CHECK(num_members(scene.asked_pool) == 1);
    CHECK(asked.joins == 1); /* its own */
    close_scene(&scene);
}

static uint64_t merges_refused(const gossip_pool_t *pool)
{
    gossip_stats_t *stats;
    uint64_t count = 0;

    EXPECT(GOSSIP_OK, gossip_pool_stats(pool, &stats));
    EXPECT(GOSSIP_OK, gossip_stats_find(stats, "merges_refused", &count));
    gossip_stats_free(stats);
    return count;
}

/* Whether the node becomes a member later, by gossip, is for notify_alive to decide. */
static void only_a_clear_yes_merges(int verdict)
{
    struct script asked = {.alive_verdict = NOT_SET, .merge_verdict = verdict, .state_answer = NOT_SET};
    struct script asking = {0};
    struct scene scene = open_scene(&asked, &asking);

    try_to_join(&scene);
    EVENTUALLY(merges_refused(scene.asked_pool) == 1);
    CHECK(asked.asked_merge == 1);
    close_scene(&scene);
}

int main(void)
{
    start_watchdog();
    state_is_made_on_demand();
    a_failed_callback_leaves_the_published_state();
    an_accepted_node_becomes_a_member();
    only_a_clear_yes_admits(GOSSIP_VERDICT_REJECT);
    only_a_clear_yes_admits(GOSSIP_CB_FAILED);
    only_a_clear_yes_merges(GOSSIP_VERDICT_REJECT);
    only_a_clear_yes_merges(0);
    return 0;
}
