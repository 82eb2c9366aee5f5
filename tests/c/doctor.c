/* Why a member is suspected, and what is wrong with the way to a peer. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct scene {
    gossip_t *here, *there;
    gossip_pool_t *pool, *other;
};

/* A pool that suspects nobody because the machine is busy. */
static gossip_pool_t *patient_pool(gossip_t *node)
{
    gossip_pool_config_t *config = fast_pool(7);
    gossip_pool_t *pool;

    OK(gossip_pool_config_set(config, "probe_interval_ms", "2000", &err));
    OK(gossip_pool_config_set(config, "probe_timeout_ms", "1800", &err));
    OK(gossip_register_pool(node, config, NULL, &pool, &err));
    gossip_pool_config_free(config);
    return pool;
}

static void open_scene(struct scene *scene)
{
    scene->here = open_node("here");
    scene->there = open_node("there");
    scene->pool = patient_pool(scene->here);
    scene->other = patient_pool(scene->there);
    OK(gossip_start(scene->here, &err));
    OK(gossip_start(scene->there, &err));
    join_two(scene->other, scene->pool, scene->here);
}

/* The way to `name` as the pool explains it. */
static int path_to(gossip_pool_t *pool, const char *name)
{
    gossip_explanation_t *why;

    OK(gossip_pool_explain(pool, name, strlen(name), &why, &err));
    int path = gossip_explanation_path(why);
    gossip_explanation_free(why);
    return path;
}

static void a_member_that_answers_is_explained(struct scene *scene)
{
    gossip_explanation_t *why;
    int64_t since_ns, heard_ns, acked_ns, rtt_ns, dead_in_ns;
    const char *name;

    EVENTUALLY(path_to(scene->pool, "there") == GOSSIP_PATH_DIRECT);
    OK(gossip_pool_explain(scene->pool, "there", 5, &why, &err));
    CHECK(strcmp(gossip_member_name(gossip_explanation_member(why), NULL), "there") == 0);
    CHECK(gossip_member_state(gossip_explanation_member(why)) == GOSSIP_STATE_ALIVE);
    EXPECT(GOSSIP_OK, gossip_explanation_times(why, &since_ns, &heard_ns, &acked_ns, &rtt_ns, &dead_in_ns));
    CHECK(since_ns >= 0 && heard_ns >= 0 && acked_ns >= heard_ns && rtt_ns > 0 && dead_in_ns == -1);
    EXPECT(GOSSIP_OK, gossip_explanation_times(why, NULL, NULL, NULL, NULL, NULL));
    CHECK(gossip_explanation_accuser_count(why) == 0);
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_explanation_accuser_at(why, 0, &name));
    CHECK(strstr(gossip_explanation_text(why), "conclusion: ") != NULL);
    gossip_explanation_free(why);

    gossip_error_t *err;
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_pool_explain(scene->pool, "nobody", 6, &why, &err));
    CHECK(strstr(gossip_error_message(err), "nobody") != NULL);
    gossip_error_free(err);
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_explain(scene->pool, NULL, 1, &why, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_explain(scene->pool, "there", 5, NULL, NULL));
}

static void a_peer_that_is_well_is_found_healthy(struct scene *scene)
{
    gossip_diagnosis_t *diagnosis;
    const char *name, *text;
    int32_t number;
    int64_t took_ns;

    OK(gossip_pool_doctor(scene->pool, "there", PATIENCE_MS, &diagnosis, &err));
    if (!gossip_diagnosis_is_healthy(diagnosis))
        fprintf(stderr, "%s\n", gossip_diagnosis_text(diagnosis));
    CHECK(gossip_diagnosis_is_healthy(diagnosis) && gossip_diagnosis_finding_count(diagnosis) == 1);
    EXPECT(GOSSIP_OK, gossip_diagnosis_finding_at(diagnosis, 0, &number, &name, &text));
    CHECK(number == GOSSIP_FINDING_HEALTHY && strcmp(name, "healthy") == 0 && *text != '\0');
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_diagnosis_finding_at(diagnosis, 1, NULL, NULL, NULL));
    int passed = 0;
    for (size_t i = 0; i < gossip_diagnosis_check_count(diagnosis); i++) {
        EXPECT(GOSSIP_OK, gossip_diagnosis_check_at(diagnosis, i, &name, &number, &took_ns, &text));
        CHECK(number >= GOSSIP_CHECK_OK && number <= GOSSIP_CHECK_UNKNOWN && took_ns >= -1 && *text != '\0');
        if (strcmp(name, "udp_full") == 0 || strcmp(name, "talk") == 0)
            passed += number == GOSSIP_CHECK_OK && took_ns > 0;
    }
    CHECK(passed == 2);
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_diagnosis_check_at(diagnosis, 99, NULL, NULL, NULL, NULL));
    gossip_diagnosis_free(diagnosis);

    EXPECT(GOSSIP_ERR_ADDR_INVALID, gossip_pool_doctor(scene->pool, "127.0.0.1:x", 0, &diagnosis, NULL));
    EXPECT(GOSSIP_ERR_NULL_ARG, gossip_pool_doctor(scene->pool, NULL, 0, &diagnosis, NULL));
    EXPECT(GOSSIP_ERR_INVALID_UTF8, gossip_pool_doctor(scene->pool, "\xff:1", 0, &diagnosis, NULL));
}

/* Connections stand, and nothing ever answers on them. */
static void a_port_that_says_nothing_is_found_silent(struct scene *scene)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    gossip_diagnosis_t *diagnosis;
    char target[32];
    int32_t number;

    CHECK(bind(fd, (struct sockaddr *)&addr, len) == 0 && listen(fd, 8) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
    snprintf(target, sizeof target, "127.0.0.1:%u", ntohs(addr.sin_port));
    OK(gossip_pool_doctor(scene->pool, target, 2000, &diagnosis, &err));
    EXPECT(GOSSIP_OK, gossip_diagnosis_finding_at(diagnosis, 0, &number, NULL, NULL));
    CHECK(number == GOSSIP_FINDING_TCP_SILENT && !gossip_diagnosis_is_healthy(diagnosis));
    gossip_diagnosis_free(diagnosis);
    close(fd);
}

static void a_member_that_is_gone_is_explained(struct scene *scene)
{
    gossip_explanation_t *why = NULL;
    gossip_diagnosis_t *diagnosis;
    const char *name = NULL;
    int32_t number;

    gossip_free(scene->there);
    EVENTUALLY(path_to(scene->pool, "there") == GOSSIP_PATH_CUT);
    OK(gossip_pool_explain(scene->pool, "there", 5, &why, &err));
    CHECK(strstr(gossip_explanation_text(why), "a ping over tcp failed") != NULL);
    CHECK(gossip_explanation_accuser_count(why) >= 1);
    EXPECT(GOSSIP_OK, gossip_explanation_accuser_at(why, 0, &name));
    CHECK(strcmp(name, "here") == 0);
    gossip_explanation_free(why);

    OK(gossip_pool_doctor(scene->pool, "there", 2000, &diagnosis, &err));
    EXPECT(GOSSIP_OK, gossip_diagnosis_finding_at(diagnosis, 0, &number, NULL, NULL));
    CHECK(number == GOSSIP_FINDING_NOT_LISTENING);
    gossip_diagnosis_free(diagnosis);
}

int main(void)
{
    static struct scene scene;

    start_watchdog();
    open_scene(&scene);
    a_member_that_answers_is_explained(&scene);
    a_peer_that_is_well_is_found_healthy(&scene);
    a_port_that_says_nothing_is_found_silent(&scene);
    a_member_that_is_gone_is_explained(&scene);
    gossip_free(scene.here);
    gossip_pool_free(scene.pool);
    gossip_pool_free(scene.other);
    return 0;
}
