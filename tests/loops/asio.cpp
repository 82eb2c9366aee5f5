// The recipe of docs/cpp.md: the events of a queue and the connections of a listener in asio's loop.
#include <asio.hpp>
#include <gossip/gossip.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

#include <unistd.h>

using namespace std::chrono_literals;
using asio::ip::tcp;

namespace {

class program {
public:
    program()
        : queue(100, 1 << 20), node(gossip::config().set("name", "ada").set("bind_addr", "127.0.0.1").set("bind_port", 0)),
          pool(node.register_pool(gossip::pool_config(1).set_queue(queue))), listener(node.listen(7)),
          ready(io, queue.watch_fd().release()), callers(io, listener.watch_fd().release()), deadline(io, 20s)
    {
        node.start();
        deadline.async_wait([](std::error_code ec) {
            if (!ec)
                std::abort();
        });
        wait_for_events();
        wait_for_callers();
        io.run();
        std::cout << "asio works" << std::endl;
    }

private:
    void wait_for_events()
    {
        ready.async_wait(ready.wait_read, [this](std::error_code ec) {
            for (const gossip::event &event : queue.events(0ms))
                handle(event);
            if (!ec)
                wait_for_events();
        });
    }

    void handle(const gossip::event &event)
    {
        // Its own: it is there, and may be called.
        if (event.type() == gossip::event_type::join)
            caller = gossip::dial(node.local_addr().str(), 7, 10s);
        if (caller && ::write(caller.get(), "hello", 5) != 5)
            std::abort();
    }

    void wait_for_callers()
    {
        callers.async_wait(callers.wait_read, [this](std::error_code) {
            gossip::connection got = listener.accept(0ms);
            if (!got)
                return wait_for_callers();
            tcp::socket socket(io, tcp::v4(), got.fd.release());
            char said[5];
            asio::read(socket, asio::buffer(said));
            if (std::string(said, sizeof said) != "hello")
                std::abort();
            io.stop();
        });
    }

    asio::io_context io;
    gossip::queue queue;
    gossip::node node;
    gossip::pool pool;
    gossip::listener listener;
    asio::posix::stream_descriptor ready, callers;
    asio::steady_timer deadline;
    gossip::unique_fd caller;
};

} // namespace

int main()
{
    program();
}
