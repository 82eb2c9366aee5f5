/*
 * Chat in a cluster of stock memberlist programs, by broadcasts that everybody passes on.
 *
 *     ./chat blue 7946                        in one terminal
 *     ./chat green 7947 127.0.0.1:7946        in another
 *
 * The pool is a bare one: what is on the wire is memberlist's own, so a program in Go that
 * was made with memberlist.DefaultLANConfig() may be a seed or join here.
 */
#include <gossip/gossip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRY(call) \
    do \
        if ((call) != GOSSIP_OK) \
            fail(#call, err); \
    while (0)

enum { HEAD = 80, REMEMBERED = 256, LINE = 512, WAIT_MS = 5000 };

/* A broadcast comes more than once. Each is "NAME NUMBER TEXT"; the part before the text,
 * which no other message has, says whether it is new. Only callbacks touch this, and those
 * of one pool come one after the other. */
struct chat {
    const char *name;
    gossip_pool_t *pool;
    char heard[REMEMBERED][HEAD];
    size_t next;
};

static void fail(const char *call, const gossip_error_t *err)
{
    fprintf(stderr, "%s: %s\n", call, gossip_error_message(err));
    exit(1);
}

/* The length of "NAME NUMBER", or 0 if this is no message of a chat. */
static size_t head_of(const uint8_t *data, size_t len)
{
    int blanks = 0;

    for (size_t i = 0; i < len && i < HEAD; i++)
        if (data[i] == ' ' && ++blanks == 2)
            return i;
    return 0;
}

static int is_new(struct chat *chat, const uint8_t *data, size_t head)
{
    for (size_t i = 0; i < REMEMBERED; i++)
        if (strlen(chat->heard[i]) == head && memcmp(chat->heard[i], data, head) == 0)
            return 0;
    memcpy(chat->heard[chat->next], data, head);
    chat->heard[chat->next][head] = '\0';
    chat->next = (chat->next + 1) % REMEMBERED;
    return 1;
}

static void on_message(void *user_data, const uint8_t *data, size_t len, const gossip_message_t *message)
{
    struct chat *chat = user_data;
    size_t head = head_of(data, len);
    size_t name = strlen(chat->name);

    (void)message;
    if (head == 0 || (head > name && memcmp(data, chat->name, name) == 0 && data[name] == ' '))
        return;
    if (!is_new(chat, data, head))
        return;
    printf("%.*s\n", (int)len, (const char *)data);
    fflush(stdout);
    /* Passed on without waiting: if the queue is full, others do it. */
    if (gossip_pool_broadcast(chat->pool, data, len, 0, NULL) != GOSSIP_OK)
        fprintf(stderr, "not passed on\n");
}

static void on_join(void *user_data, const gossip_member_t *member)
{
    (void)user_data;
    printf("* %s is here, at %s\n", gossip_member_name(member, NULL), gossip_member_addr_text(member));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct chat chat;
    gossip_error_t *err = NULL;
    gossip_config_t *config;
    gossip_pool_config_t *lan;
    gossip_delegate_t delegate;
    gossip_t *node;
    char line[LINE];
    char text[LINE + HEAD];
    unsigned long number = (unsigned long)time(NULL); /* also after a restart one of its own */

    if (argc < 3 || strchr(argv[1], ' ') != NULL || strlen(argv[1]) > HEAD / 2) {
        fprintf(stderr, "usage: chat NAME PORT [SEED...], a name of up to %d bytes without blanks\n", HEAD / 2);
        return 2;
    }
    chat.name = argv[1];
    TRY(gossip_config_new(&config));
    TRY(gossip_config_set(config, "name", argv[1], &err));
    TRY(gossip_config_set(config, "bind_addr", "127.0.0.1", &err)); /* default: every interface */
    TRY(gossip_config_set(config, "bind_port", argv[2], &err));
    TRY(gossip_new(config, &node, &err));
    TRY(gossip_pool_config_new(1, GOSSIP_PRESET_LAN, &lan, &err));
    TRY(gossip_pool_config_set(lan, "framing", "bare", &err)); /* or label:TEXT */
    TRY(gossip_delegate_init(&delegate, sizeof delegate));
    delegate.user_data = &chat;
    delegate.notify_msg = on_message;
    delegate.notify_join = on_join;
    TRY(gossip_register_pool(node, lan, &delegate, &chat.pool, &err));
    TRY(gossip_start(node, &err));
    if (argc > 3)
        TRY(gossip_pool_join(chat.pool, (const char *const *)argv + 3, (size_t)argc - 3, WAIT_MS, NULL, &err));
    while (fgets(line, sizeof line, stdin) != NULL) {
        int len = snprintf(text, sizeof text, "%s %lu %.*s", argv[1], number++, (int)strcspn(line, "\n"), line);
        TRY(gossip_pool_broadcast(chat.pool, text, (size_t)len, WAIT_MS, &err));
    }
    TRY(gossip_leave(node, WAIT_MS, &err));
    TRY(gossip_shutdown(node, WAIT_MS, &err));

    gossip_pool_free(chat.pool);
    gossip_free(node);
    gossip_pool_config_free(lan);
    gossip_config_free(config);
    return 0;
}
