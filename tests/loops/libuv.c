/* The recipe of docs/c.md: the events of a queue and the connections of a listener in libuv's loop. */
#include "../c/check.h"

#include <uv.h>

struct program {
    gossip_t *node;
    gossip_queue_t *queue;
    gossip_listener_t *listener;
    uv_loop_t loop;
    uv_poll_t events, callers;
    uv_tcp_t caller;
    gossip_fd_t calling;
};

static void on_close(uv_handle_t *handle)
{
    (void)handle;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char room[64];
    (void)handle;
    (void)size;
    *buf = uv_buf_init(room, sizeof room);
}

/* All has been shown: the loop ends when nothing is open in it. */
static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct program *program = stream->data;

    CHECK(len == 5 && memcmp(buf->base, "hello", 5) == 0);
    uv_close((uv_handle_t *)stream, on_close);
    uv_close((uv_handle_t *)&program->events, on_close);
    uv_close((uv_handle_t *)&program->callers, on_close);
}

static void on_caller(uv_poll_t *handle, int status, int events)
{
    struct program *program = handle->data;
    gossip_fd_t fd;

    CHECK(status == 0 && events == UV_READABLE);
    while (gossip_listener_accept(program->listener, 0, GOSSIP_FD_NONBLOCK, &fd, NULL) == GOSSIP_OK) {
        CHECK(uv_tcp_init(&program->loop, &program->caller) == 0);
        CHECK(uv_tcp_open(&program->caller, fd) == 0);
        program->caller.data = program;
        CHECK(uv_read_start((uv_stream_t *)&program->caller, on_alloc, on_read) == 0);
    }
}

static void on_event(uv_poll_t *handle, int status, int events)
{
    struct program *program = handle->data;
    gossip_event_t *event;

    CHECK(status == 0 && events == UV_READABLE);
    while (gossip_queue_poll(program->queue, 0, &event) == GOSSIP_OK) {
        /* Its own: it is there, and may be called. */
        if (gossip_event_type(event) == GOSSIP_EVENT_JOIN) {
            OK(gossip_dial(addr_of(program->node), 7, PATIENCE_MS, GOSSIP_FD_BLOCKING, &program->calling, &err));
            CHECK(write(program->calling, "hello", 5) == 5);
        }
        gossip_event_free(event);
    }
}

static void watch(struct program *program, uv_poll_t *handle, gossip_fd_t fd, uv_poll_cb callback)
{
    CHECK(uv_poll_init(&program->loop, handle, fd) == 0);
    handle->data = program;
    CHECK(uv_poll_start(handle, UV_READABLE, callback) == 0);
}

int main(void)
{
    static struct program program;
    gossip_pool_config_t *config = fast_pool(1);
    gossip_fd_t fd;

    start_watchdog();
    program.node = open_node("ada");
    EXPECT(GOSSIP_OK, gossip_queue_new(100, 1 << 20, &program.queue));
    OK(gossip_pool_config_set_queue(config, program.queue, 0, GOSSIP_ASK_NOTHING, &err));
    OK(gossip_register_pool(program.node, config, NULL, NULL, &err));
    OK(gossip_listen(program.node, 7, &program.listener, &err));
    OK(gossip_start(program.node, &err));
    gossip_pool_config_free(config);

    CHECK(uv_loop_init(&program.loop) == 0);
    EXPECT(GOSSIP_OK, gossip_queue_fd(program.queue, &fd));
    watch(&program, &program.events, fd, on_event);
    EXPECT(GOSSIP_OK, gossip_listener_fd(program.listener, &fd));
    watch(&program, &program.callers, fd, on_caller);
    CHECK(uv_run(&program.loop, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&program.loop) == 0);

    close(program.calling);
    gossip_listener_free(program.listener);
    gossip_free(program.node);
    gossip_queue_free(program.queue);
    return 0;
}
