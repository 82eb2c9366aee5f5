// The program's own protocols: HTTP beside gossip, listeners by id and prefix, datagrams, descriptors.
#include "check.hpp"

#include <algorithm>

#include <fcntl.h>
#include <netinet/in.h>

namespace {

void http_is_served_beside_gossip()
{
    const gossip::node node = open_node("web");
    const gossip::pool pool = node.register_pool(fast_pool(1));
    const gossip::listener http = node.listen_tcp();
    node.start();
    std::thread server([&] {
        while (const gossip::connection got = http.accept()) {
            CHECK(got.peer.is_v4() && (::fcntl(got.fd.get(), F_GETFL) & O_NONBLOCK) == 0);
            CHECK(hear(got.fd, 18) == "GET / HTTP/1.1\r\n\r\n");
            say(got.fd, "HTTP/1.1 200 OK\r\n\r\n" + std::to_string(pool.num_members()));
        }
    });

    for (int i = 0; i < 3; i++) {
        const gossip::unique_fd client = gossip::dial(node.local_addr().str(), gossip::native, patience);
        say(client, "GET / HTTP/1.1\r\n\r\n");
        CHECK(hear(client, 20) == "HTTP/1.1 200 OK\r\n\r\n1");
    }

    EVENTUALLY(http.stats().accepted == 3 && http.stats().pending == 0);
    CHECK(http.name() == "native");
    http.close();
    server.join();
}

void listeners_are_told_apart_by_id_and_prefix()
{
    const gossip::node node = open_node("ids");
    const gossip::listener rpc = node.listen(0x0101), ssh = node.listen_prefix("SSH-");
    node.start();
    const std::string addr = node.local_addr().str();

    const gossip::unique_fd to_rpc = gossip::dial(addr, 0x0101, patience, gossip::nonblocking);
    CHECK((::fcntl(to_rpc.get(), F_GETFL) & O_NONBLOCK) != 0);
    say(to_rpc, "ping");
    const gossip::unique_fd to_ssh = gossip::dial(addr, gossip::native, patience);
    say(to_ssh, "SSH-2.0-x");
    CHECK(hear(rpc.accept(patience).fd, 4) == "ping");
    CHECK(hear(ssh.accept(patience).fd, 9) == "SSH-2.0-x");

    CHECK(rpc.kind() == gossip::listener_kind::id && gossip::listener().kind() == gossip::listener_kind::none);
    CHECK(rpc.name() == "id 0x0101" && ssh.name() == "prefix SSH-" && rpc.local_addrs()[0] == node.local_addr());
    const gossip::listeners all = node.listeners();
    CHECK(all.size() == 2 && all[0].name == "id 0x0101" && all[1].name == "prefix SSH-" && all[2].name.empty());
    CHECK(std::all_of(all.begin(), all.end(), [](const gossip::listener_stats &one) { return one.stats.limit > 0; }));
    rpc.set_backlog(5);
    CHECK(rpc.stats().limit == 5);
    THROWS(gossip::errc::config, rpc.set_backlog(0));
    THROWS(gossip::errc::reserved, (void)node.listen(0xfe07));
    THROWS(gossip::errc::exists, (void)node.listen(0x0101));
    THROWS(gossip::errc::invalid_arg, (void)node.listen_prefix(""));
    const std::string gone = gossip::node(loopback("gone")).local_addr().str();
    THROWS(gossip::errc::connect, (void)gossip::dial(gone, 1, patience));
}

void datagrams_go_both_ways_from_the_shared_port()
{
    const gossip::node node = open_node("here"), other = open_node("there");
    const gossip::packets here = node.packets(), there = other.packets();
    node.start();
    other.start();

    there.send(node.local_addr(), "question");
    gossip::packet got = here.recv(patience);
    CHECK(got && gossip::bytes(got.data) == "question" && got.from == other.local_addr());
    here.send(got.from, std::string(9000, 'a'));
    got = there.recv(patience);
    CHECK(got.data.size() == 9000 && got.from == here.local_addrs()[0]);

    there.send(node.local_addr(), "second");
    char small[3], large[10];
    gossip::address from;
    CHECK(readable(here.fd(), patience));
    THROWS(gossip::errc::buffer_too_small, (void)here.recv_into(small, sizeof small, from, patience));
    CHECK(here.recv_into(large, sizeof large, from, patience) == 6 && from == other.local_addr());
    CHECK(here.recv_into(large, sizeof large, from, 0ms) == 0 && !readable(here.watch_fd().get(), 0ms));
    there.send(node.local_addr(), "");
    CHECK(here.recv(patience).from == other.local_addr());
    EVENTUALLY(here.stats().accepted == 3);
    CHECK(here.stats().dropped == 0);
    THROWS(gossip::errc::reserved, here.send(from, "\xfe\x01"));
}

void one_thread_can_wait_for_everything()
{
    const gossip::node node = open_node("loop");
    const gossip::listener listener = node.listen(3);
    const gossip::packets packets = node.packets();
    const gossip::unique_fd mine = listener.watch_fd();
    node.start();
    CHECK(!readable(listener.fd(), 0ms) && !readable(packets.fd(), 0ms) && mine.get() != listener.fd());

    const gossip::unique_fd client = gossip::dial(node.local_addr().str(), 3, patience);
    CHECK(readable(listener.fd(), patience) && readable(mine.get(), patience) && listener.accept(0ms));
    CHECK(!readable(listener.fd(), 0ms));
    listener.close();
    CHECK(readable(listener.fd(), patience));
}

// A TCP and a UDP socket on one port of loopback.
std::vector<gossip::unique_fd> bound_sockets()
{
    for (int attempt = 0; attempt < 100; attempt++) {
        gossip::unique_fd tcp(::socket(AF_INET, SOCK_STREAM, 0)), udp(::socket(AF_INET, SOCK_DGRAM, 0));
        sockaddr_in addr = {};
        socklen_t size = sizeof addr;
        addr.sin_family = AF_INET;
        addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CHECK(::bind(tcp.get(), reinterpret_cast<sockaddr *>(&addr), size) == 0);
        CHECK(::getsockname(tcp.get(), reinterpret_cast<sockaddr *>(&addr), &size) == 0);
        if (::bind(udp.get(), reinterpret_cast<sockaddr *>(&addr), size) == 0) {
            std::vector<gossip::unique_fd> both;
            both.push_back(std::move(tcp));
            both.push_back(std::move(udp));
            return both;
        }
    }
    check_failed(__FILE__, __LINE__, "a free port");
}

void a_port_can_be_inherited()
{
    std::vector<gossip::unique_fd> sockets = bound_sockets(), half = bound_sockets();
    half.pop_back();
    THROWS(gossip::errc::invalid_arg, gossip::node(loopback("half"), half));
    CHECK(half.size() == 1 && ::fcntl(half[0].get(), F_GETFD) >= 0);

    const gossip::node node(loopback("heir"), sockets);
    CHECK(node && sockets.empty() && node.local_addr().port() != 0 && node.udp_recv_buffer() > 0);
    const gossip::listener listener = node.listen(9);
    node.start();
    const gossip::unique_fd client = gossip::dial(node.local_addr().str(), 9, patience);
    CHECK(listener.accept(patience));
    THROWS(gossip::errc::not_found, (void)gossip::sockets_from_systemd(false));
}

} // namespace

int main()
{
    start_watchdog();
    ::unsetenv("LISTEN_PID");
    http_is_served_beside_gossip();
    listeners_are_told_apart_by_id_and_prefix();
    datagrams_go_both_ways_from_the_shared_port();
    one_thread_can_wait_for_everything();
    a_port_can_be_inherited();
}
