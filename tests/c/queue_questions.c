/* Questions that come by the event queue: their answers, and what happens without. */
#include "queue.h"

#include <pthread.h>

static const char *const TEN_SECONDS = "10000";

struct joining {
    gossip_pool_t *pool;
    const char *seed;
};

static void *join_it(void *argument)
{
    struct joining *joining = argument;
    gossip_status_t status = gossip_pool_join(joining->pool, &joining->seed, 1, PATIENCE_MS, NULL, NULL);
    /* CLOSED: its node was freed first. */
    CHECK(status == GOSSIP_OK || status == GOSSIP_ERR_JOIN_FAILED || status == GOSSIP_ERR_CLOSED);
    return NULL;
}

/* "asked" is asked everything, by way of a queue; "asking" joins it. */
struct scene {
    gossip_queue_t *questions, *told;
    gossip_t *asked, *asking;
    gossip_pool_t *asked_pool, *asking_pool;
    struct joining joining;
    pthread_t thread;
};

static void open_scene(struct scene *scene, uint32_t asks, const char *query_timeout_ms)
{
    gossip_pool_config_t *config = fast_pool(BLUE);

    OK(gossip_pool_config_set(config, "query_timeout_ms", query_timeout_ms, &err));
    scene->questions = open_queue(ROOMY);
    scene->told = open_queue(ROOMY);
    scene->asked = open_node("asked");
    scene->asking = open_node("asking");
    scene->asked_pool = queue_pool(scene->asked, config, scene->questions, 0, asks);
    scene->asking_pool = queue_pool(scene->asking, fast_pool(BLUE), scene->told, 0, 0);
    OK(gossip_pool_set_local_state(scene->asked_pool, "published", 9, &err));
    OK(gossip_start(scene->asked, &err));
    OK(gossip_start(scene->asking, &err));
    scene->joining = (struct joining){scene->asking_pool, addr_of(scene->asked)};
    CHECK(pthread_create(&scene->thread, NULL, join_it, &scene->joining) == 0);
}

static void close_scene(struct scene *scene)
{
    gossip_free(scene->asking); /* ends the join */
    CHECK(pthread_join(scene->thread, NULL) == 0);
    gossip_free(scene->asked);
    gossip_pool_free(scene->asking_pool);
    gossip_pool_free(scene->asked_pool);
    gossip_queue_free(scene->questions);
    gossip_queue_free(scene->told);
}

static void accept_all_alive(struct scene *scene)
{
    gossip_event_t *event;

    while (gossip_queue_poll(scene->questions, 0, &event) == GOSSIP_OK) {
        if (gossip_event_type(event) == GOSSIP_EVENT_ASK_ALIVE) {
            CHECK(gossip_event_member(event) != NULL);
            EXPECT(GOSSIP_OK, gossip_event_reply_verdict(event, GOSSIP_VERDICT_ACCEPT, NULL));
        }
        gossip_event_free(event);
    }
}

static void questions_are_answered_from_the_queue(void)
{
    struct scene scene;
    gossip_event_t *event;

    open_scene(&scene, GOSSIP_ASK_LOCAL_STATE | GOSSIP_ASK_MERGE | GOSSIP_ASK_ALIVE | GOSSIP_ASK_TCP_PING,
               TEN_SECONDS);
    event = await(scene.questions, GOSSIP_EVENT_ASK_LOCAL_STATE);
    CHECK(gossip_event_is_join(event) == 1);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_event_reply_verdict(event, GOSSIP_VERDICT_ACCEPT, NULL));
    EXPECT(GOSSIP_ERR_TOO_LARGE, gossip_event_reply_bytes(event, "x", SIZE_MAX));
    EXPECT(GOSSIP_OK, gossip_event_reply_bytes(event, "made on demand", 14));
    EXPECT(GOSSIP_ERR_INVALID_STATE, gossip_event_reply_bytes(event, "again", 5));
    gossip_event_free(event);

    event = await(scene.questions, GOSSIP_EVENT_ASK_MERGE);
    CHECK(gossip_event_deadline_ms(event) > 0 && gossip_event_deadline_ms(event) <= 10000);
    CHECK(gossip_members_find(gossip_event_members(event), "asking", 6) != NULL);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_event_reply_bytes(event, "x", 1));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_event_reply_verdict(event, 0, NULL));
    EXPECT(GOSSIP_ERR_INVALID_UTF8, gossip_event_reply_verdict(event, GOSSIP_VERDICT_REJECT, "\xff"));
    EXPECT(GOSSIP_OK, gossip_event_reply_verdict(event, GOSSIP_VERDICT_ACCEPT, NULL));
    EXPECT(GOSSIP_ERR_INVALID_STATE, gossip_event_reply_verdict(event, GOSSIP_VERDICT_REJECT, "too late"));
    CHECK(gossip_event_deadline_ms(event) == -1);
    gossip_event_free(event);

    event = await(scene.told, GOSSIP_EVENT_REMOTE_STATE);
    CHECK(is_text(event, "made on demand") && gossip_event_is_join(event) == 1);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_event_reply_bytes(event, "no question", 11));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_event_reply_verdict(event, GOSSIP_VERDICT_ACCEPT, NULL));
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_event_from(event, &(gossip_addr_t){0}));
    CHECK(gossip_event_deadline_ms(event) == -1);
    gossip_event_free(event);
    EVENTUALLY((accept_all_alive(&scene), num_members(scene.asked_pool) == 2));
    close_scene(&scene);
}

/* Freed, a question has its default long before. */
static void a_question_that_is_freed_has_its_default_at_once(void)
{
    struct scene scene;
    int64_t start = now_ms();

    open_scene(&scene, GOSSIP_ASK_LOCAL_STATE | GOSSIP_ASK_MERGE, TEN_SECONDS);
    gossip_event_t *merge = await(scene.questions, GOSSIP_EVENT_ASK_MERGE);
    uint64_t defaulted = counted(scene.asked_pool, "questions_defaulted");
    gossip_event_free(merge);
    EVENTUALLY(counted(scene.asked_pool, "merges_refused") == 1);
    CHECK(counted(scene.asked_pool, "questions_defaulted") == defaulted + 1);
    CHECK(now_ms() - start < 10000);
    close_scene(&scene);
}

/* So has one that nobody took, when its queue goes. */
static void a_question_in_a_freed_queue_has_its_default_at_once(void)
{
    struct scene scene;
    int64_t start = now_ms();
    uint64_t pending = 0;

    open_scene(&scene, GOSSIP_ASK_MERGE, TEN_SECONDS);
    gossip_event_free(await(scene.questions, GOSSIP_EVENT_JOIN)); /* its own */
    EVENTUALLY((EXPECT(GOSSIP_OK, gossip_queue_stats(scene.questions, NULL, NULL, &pending, NULL)), pending > 0));
    gossip_queue_free(scene.questions);
    scene.questions = NULL;
    EVENTUALLY(counted(scene.asked_pool, "merges_refused") == 1);
    CHECK(now_ms() - start < 10000);
    close_scene(&scene);
}

static void an_answer_can_be_too_late(void)
{
    struct scene scene;

    /* Long enough to be told of on a busy machine: a question that is over is not told. */
    open_scene(&scene, GOSSIP_ASK_MERGE, "1000");
    gossip_event_t *merge = await(scene.questions, GOSSIP_EVENT_ASK_MERGE);
    EVENTUALLY(gossip_event_deadline_ms(merge) == 0);
    EXPECT(GOSSIP_ERR_TIMEOUT, gossip_event_reply_verdict(merge, GOSSIP_VERDICT_ACCEPT, NULL));
    EXPECT(GOSSIP_ERR_INVALID_STATE, gossip_event_reply_verdict(merge, GOSSIP_VERDICT_ACCEPT, NULL));
    gossip_event_free(merge);
    EVENTUALLY(counted(scene.asked_pool, "merges_refused") == 1);
    close_scene(&scene);
}

/* A member that does not answer datagrams may be pinged over TCP, if the program says so. */
static void a_silent_member_is_pinged_over_tcp_only_with_leave(void)
{
    gossip_queue_t *questions = open_queue(ROOMY);
    gossip_t *asked = open_node("asked"), *silent = open_node("silent");
    gossip_pool_config_t *config = fast_pool(BLUE);
    gossip_pool_t *asked_pool, *silent_pool = open_pool(silent, BLUE, NULL);
    gossip_event_t *event;

    /* The end of the probe is the question's, too; a busy machine under valgrind needs seconds. */
    OK(gossip_pool_config_set(config, "probe_interval_ms", "4000", &err));
    OK(gossip_pool_config_set(config, "query_timeout_ms", TEN_SECONDS, &err));
    OK(gossip_pool_config_set(config, "suspicion_mult", "1", &err));
    asked_pool = queue_pool(asked, config, questions, 7, GOSSIP_ASK_TCP_PING);
    OK(gossip_start(asked, &err));
    OK(gossip_start(silent, &err));
    join_two(asked_pool, silent_pool, silent);
    gossip_free(silent); /* without a word */
    event = await(questions, GOSSIP_EVENT_ASK_TCP_PING);
    CHECK(is_text(event, "silent") && gossip_event_tag(event) == 7 && gossip_event_pool_id(event) == BLUE);
    CHECK(gossip_event_member(event) == NULL && gossip_event_deadline_ms(event) > 0);
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_event_reply_bytes(event, "x", 1));
    EXPECT(GOSSIP_OK, gossip_event_reply_verdict(event, GOSSIP_VERDICT_REJECT, "not this one"));
    EXPECT(GOSSIP_ERR_INVALID_STATE, gossip_event_reply_verdict(event, GOSSIP_VERDICT_ACCEPT, NULL));
    gossip_event_free(event);
    event = await(questions, GOSSIP_EVENT_LEAVE);
    CHECK(is_member(gossip_event_member(event), "silent"));
    gossip_event_free(event);
    gossip_free(asked);
    gossip_pool_free(asked_pool);
    gossip_pool_free(silent_pool);
    gossip_queue_free(questions);
}

int main(void)
{
    start_watchdog();
    a_silent_member_is_pinged_over_tcp_only_with_leave();
    questions_are_answered_from_the_queue();
    a_question_that_is_freed_has_its_default_at_once();
    a_question_in_a_freed_queue_has_its_default_at_once();
    an_answer_can_be_too_late();
    return 0;
}
