// Two pools, a service of its own and an HTTP server on one port, all of it in one thread that waits
// in poll(2).
//
//     ./one_port blue 7946
//     ./one_port green 7947 127.0.0.1:7946
//     curl http://127.0.0.1:7946/
//
// The pool "who" (1) says who is there; the pool "news" (2) carries what was asked of any node. The
// service (0x0101) answers with what it is sent: each node calls whom it sees for the first time.
#include <gossip/gossip.hpp>

#include <csignal>
#include <iostream>
#include <string>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

using namespace std::chrono_literals;

namespace {

constexpr std::int32_t who = 1, news = 2, echo = 0x0101;

volatile std::sig_atomic_t told_to_stop = 0;

void stop(int)
{
    told_to_stop = 1;
}

// Sends all of a text, or gives up.
void send_all(const gossip::unique_fd &fd, std::string_view text)
{
    while (!text.empty()) {
        const ssize_t sent = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

// What has arrived on a connection that may not block us for more than a second.
std::string receive_some(const gossip::unique_fd &fd)
{
    const timeval second = {1, 0};
    char text[1024];
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    const ssize_t size = ::recv(fd.get(), text, sizeof text, 0);
    return {text, size > 0 ? static_cast<std::size_t>(size) : 0};
}

class server {
public:
    server(const std::string &name, const std::string &port)
        : events_(10000, 64 << 20),
          node_(gossip::config().set("name", name).set("bind_addr", "127.0.0.1").set("bind_port", port)),
          who_(node_.register_pool(gossip::pool_config(who).set_queue(events_))),
          news_(node_.register_pool(gossip::pool_config(news).set_queue(events_))),
          echo_(node_.listen(echo)), http_(node_.listen_tcp())
    {
        node_.start();
        std::cout << "http://" << node_.local_addr().str() << "/" << std::endl;
    }

    void join(const std::vector<std::string> &seeds)
    {
        who_.join(seeds, 10s);
        news_.join(seeds, 10s);
    }

    void run()
    {
        pollfd waits[] = {{events_.fd(), POLLIN, 0}, {echo_.fd(), POLLIN, 0}, {http_.fd(), POLLIN, 0}};
        while (!told_to_stop) {
            if (::poll(waits, 3, 1000) <= 0)
                continue;
            for (const gossip::event &event : events_.events(0ms))
                hear(event);
            while (const gossip::connection caller = echo_.accept(0ms))
                send_all(caller.fd, receive_some(caller.fd));
            while (const gossip::connection caller = http_.accept(0ms))
                serve(caller);
        }
        node_.leave(5s);
    }

private:
    void hear(const gossip::event &event)
    {
        // A broadcast may come more than once.
        if (event.type() == gossip::event_type::message && event.data() != last_news_) {
            last_news_ = event.data().str();
            std::cout << "news: " << last_news_ << std::endl;
        }
        if (event.pool_id() != who)
            return;
        if (event.type() == gossip::event_type::leave)
            std::cout << "- " << event.member().name() << std::endl;
        if (event.type() == gossip::event_type::join) {
            std::cout << "+ " << event.member().name() << std::endl;
            if (event.member().name() != node_.name())
                call(event.member());
        }
    }

    // Both ends may call each other at once, so nobody waits for the answer here.
    void call(gossip::member peer)
    {
        std::error_code ec;
        gossip::failure why;
        const auto fd = gossip::dial(peer.addr_text(), echo, 1s, gossip::blocking, {ec, why});
        if (ec)
            std::cout << peer.name() << " does not answer: " << why.message() << std::endl;
        else
            send_all(fd, "hello");
    }

    void serve(const gossip::connection &caller)
    {
        receive_some(caller.fd);
        std::string page;
        for (const gossip::member member : who_.members())
            page += std::string(member.name()) + " at " + member.addr_text() + "\n";
        send_all(caller.fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
                                std::to_string(page.size()) + "\r\n\r\n" + page);
        std::error_code full; // Then these news are lost.
        news_.broadcast(node_.name() + " was asked by " + caller.peer.str(), 0ms, full);
    }

    gossip::queue events_;
    gossip::node node_;
    gossip::pool who_, news_;
    gossip::listener echo_, http_;
    std::string last_news_;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc < 3) {
        std::cerr << "usage: one_port NAME PORT [SEED...]\n";
        return 2;
    }
    std::signal(SIGINT, stop);
    std::signal(SIGTERM, stop);
    try {
        server served(argv[1], argv[2]);
        if (argc > 3)
            served.join({argv + 3, argv + argc});
        served.run();
    } catch (const gossip::error &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
