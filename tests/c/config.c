/* Configuration: keys by name, presets, and errors that say what is wrong. */
#include "check.h"

static int contains(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void a_refused_value_names_field_value_and_limit(void)
{
    gossip_config_t *config;
    gossip_error_t *err;

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    EXPECT(GOSSIP_ERR_CONFIG, gossip_config_set(config, "threads", "99", &err));
    CHECK(gossip_error_code(err) == GOSSIP_ERR_CONFIG);
    CHECK(strcmp(gossip_error_field(err), "threads") == 0);
    CHECK(contains(gossip_error_message(err), "threads"));
    CHECK(contains(gossip_error_message(err), "99"));
    CHECK(contains(gossip_error_message(err), "64"));
    gossip_error_free(err);
    gossip_config_free(config);
}

static void an_unknown_key_is_named(void)
{
    gossip_config_t *config;
    gossip_error_t *err;

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    EXPECT(GOSSIP_ERR_CONFIG, gossip_config_set(config, "bind_prot", "1", &err));
    CHECK(contains(gossip_error_message(err), "bind_prot"));
    gossip_error_free(err);
    gossip_config_free(config);
}

static void values_that_do_not_fit_together_are_refused_at_registration(void)
{
    gossip_t *node = open_node("alone");
    gossip_pool_config_t *config;
    gossip_pool_t *pool = NULL;
    gossip_error_t *err;

    OK(gossip_pool_config_new(1, GOSSIP_PRESET_LAN, &config, &err));
    OK(gossip_pool_config_set(config, "probe_timeout_ms", "2000", &err));
    EXPECT(GOSSIP_ERR_CONFIG, gossip_register_pool(node, config, NULL, &pool, &err));
    CHECK(pool == NULL);
    CHECK(strcmp(gossip_error_field(err), "probe_timeout") == 0);
    CHECK(contains(gossip_error_message(err), "2s"));
    CHECK(contains(gossip_error_message(err), "1s"));
    gossip_error_free(err);
    gossip_pool_config_free(config);
    gossip_free(node);
}

static void presets_and_ids_are_checked(void)
{
    gossip_pool_config_t *config;
    gossip_error_t *err;

    for (int i = 0; i < 2; i++) {
        EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_config_new(i ? 256 : -1, GOSSIP_PRESET_LAN, &config, &err));
        CHECK(contains(gossip_error_message(err), i ? "256" : "-1"));
        CHECK(contains(gossip_error_message(err), "255"));
        CHECK(strcmp(gossip_error_field(err), "id") == 0);
        gossip_error_free(err);
    }
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_config_new(1, 4, &config, NULL));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_config_new(1, -1, &config, NULL));
}

static void every_key_can_be_listed_read_and_written_back(void)
{
    gossip_config_t *config;
    gossip_pool_config_t *pool;
    char value[256];

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_pool_config_new(1, GOSSIP_PRESET_WAN, &pool, &err));
    CHECK(gossip_config_key_count() > 0 && gossip_pool_config_key_count() > 0);
    for (size_t i = 0; i < gossip_config_key_count(); i++) {
        const char *name, *range, *about;
        int32_t kind;
        EXPECT(GOSSIP_OK, gossip_config_key_at(i, &name, &kind, &range, &about));
        CHECK(*name != '\0' && *range != '\0' && *about != '\0');
        EXPECT(GOSSIP_OK, gossip_config_get(config, name, value, sizeof value, NULL));
        OK(gossip_config_set(config, name, value, &err));
    }
    for (size_t i = 0; i < gossip_pool_config_key_count(); i++) {
        const char *name;
        int32_t kind;
        EXPECT(GOSSIP_OK, gossip_pool_config_key_at(i, &name, &kind, NULL, NULL));
        EXPECT(GOSSIP_OK, gossip_pool_config_get(pool, name, value, sizeof value, NULL));
        OK(gossip_pool_config_set(pool, name, value, &err));
        CHECK((kind == GOSSIP_KEY_DURATION) == (strlen(name) > 3 && strcmp(name + strlen(name) - 3, "_ms") == 0));
    }
    EXPECT(GOSSIP_ERR_NOT_FOUND, gossip_config_key_at(gossip_config_key_count(), NULL, NULL, NULL, NULL));
    gossip_pool_config_free(pool);
    gossip_config_free(config);
}

static void a_buffer_that_is_too_small_says_what_is_needed(void)
{
    gossip_config_t *config;
    char text[8] = "xxxxxxx";
    size_t len = 0;

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_config_set(config, "name", "node-a", &err));
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_config_get(config, "name", NULL, 0, &len));
    CHECK(len == 6);
    EXPECT(GOSSIP_ERR_BUFFER_TOO_SMALL, gossip_config_get(config, "name", text, 6, &len));
    CHECK(len == 6 && strcmp(text, "node-") == 0);
    EXPECT(GOSSIP_OK, gossip_config_get(config, "name", text, 7, &len));
    CHECK(len == 6 && strcmp(text, "node-a") == 0);
    gossip_config_free(config);
}

static void keys_of_other_lengths_are_refused(void)
{
    gossip_pool_config_t *config;
    gossip_error_t *err;

    OK(gossip_pool_config_new(1, GOSSIP_PRESET_LAN, &config, &err));
    EXPECT(GOSSIP_ERR_INVALID_ARG, gossip_pool_config_add_key(config, "fifteen bytes..", 15, &err));
    CHECK(contains(gossip_error_message(err), "15"));
    CHECK(!contains(gossip_error_message(err), "fifteen"));
    gossip_error_free(err);
    OK(gossip_pool_config_add_key(config, "sixteen bytes...", 16, &err));
    gossip_pool_config_free(config);
}

static void a_configuration_stays_the_callers(void)
{
    gossip_t *first, *second;
    gossip_config_t *config;

    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_config_set(config, "bind_addr", "127.0.0.1", &err));
    OK(gossip_config_set(config, "bind_port", "0", &err));
    OK(gossip_config_set(config, "name", "first", &err));
    OK(gossip_new(config, &first, &err));
    OK(gossip_config_set(config, "name", "second", &err));
    OK(gossip_new(config, &second, &err));
    gossip_config_free(config);

    char name[16];
    EXPECT(GOSSIP_OK, gossip_node_name(first, name, sizeof name, NULL));
    CHECK(strcmp(name, "first") == 0);
    gossip_free(first);
    gossip_free(second);
}

static void a_busy_port_is_told_with_its_errno(void)
{
    gossip_t *node = open_node("first"), *other = NULL;
    gossip_config_t *config;
    gossip_error_t *err;
    gossip_addr_t addr;
    char port[8];

    EXPECT(GOSSIP_OK, gossip_local_addr(node, &addr));
    snprintf(port, sizeof port, "%u", addr.port);
    EXPECT(GOSSIP_OK, gossip_config_new(&config));
    OK(gossip_config_set(config, "bind_addr", "127.0.0.1", &err));
    OK(gossip_config_set(config, "bind_port", port, &err));
    EXPECT(GOSSIP_ERR_ADDR_IN_USE, gossip_new(config, &other, &err));
    CHECK(other == NULL && gossip_error_os_errno(err) != 0);
    CHECK(contains(gossip_error_message(err), port));
    gossip_error_free(err);
    gossip_config_free(config);
    gossip_free(node);
}

static void versions_agree(void)
{
    char text[32];

    snprintf(text, sizeof text, "%d.%d.%d", GOSSIP_VERSION_MAJOR, GOSSIP_VERSION_MINOR, GOSSIP_VERSION_PATCH);
    CHECK(strcmp(text, gossip_version_string()) == 0);
    CHECK(gossip_version_number() ==
          GOSSIP_VERSION_MAJOR * 1000000 + GOSSIP_VERSION_MINOR * 1000 + GOSSIP_VERSION_PATCH);
    EXPECT(GOSSIP_OK, gossip_abi_check(GOSSIP_ABI_VERSION));
    EXPECT(GOSSIP_ERR_ABI_MISMATCH, gossip_abi_check(GOSSIP_ABI_VERSION + 1));
}

int main(void)
{
    start_watchdog();
    versions_agree();
    a_refused_value_names_field_value_and_limit();
    an_unknown_key_is_named();
    presets_and_ids_are_checked();
    every_key_can_be_listed_read_and_written_back();
    a_buffer_that_is_too_small_says_what_is_needed();
    keys_of_other_lengths_are_refused();
    values_that_do_not_fit_together_are_refused_at_registration();
    a_configuration_stays_the_callers();
    a_busy_port_is_told_with_its_errno();
    return 0;
}
