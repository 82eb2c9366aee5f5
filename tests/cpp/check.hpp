// What the C++ test programs share: checks that say where they failed, waiting for conditions
// with a deadline, and nodes on loopback. A program that hangs is killed.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <gossip/gossip.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace std::chrono_literals;

inline constexpr auto patience = 20s;

#define CHECK(condition) \
    do \
        if (!(condition)) \
            check_failed(__FILE__, __LINE__, #condition); \
    while (0)

// Waits until a condition holds.
#define EVENTUALLY(condition) \
    do { \
        const auto deadline = std::chrono::steady_clock::now() + patience; \
        while (!(condition)) { \
            if (std::chrono::steady_clock::now() > deadline) \
                check_failed(__FILE__, __LINE__, #condition); \
            std::this_thread::sleep_for(5ms); \
        } \
    } while (0)

// That `call` throws a gossip::error with this code.
#define THROWS(expected, call) \
    do { \
        bool thrown = false; \
        try { \
            call; \
        } catch (const gossip::error &error) { \
            thrown = true; \
            CHECK(error.code() == (expected)); \
        } \
        if (!thrown) \
            check_failed(__FILE__, __LINE__, #call " throws"); \
    } while (0)

[[noreturn]] inline void check_failed(const char *file, int line, const char *what)
{
    std::fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    std::_Exit(1);
}

// Called first: nothing here may hang the build.
inline void start_watchdog()
{
    ::alarm(300);
}

#if GOSSIP_HPP_EXCEPTIONS

inline gossip::config loopback(const char *name)
{
    gossip::config config;
    config.set("name", name).set("bind_addr", "127.0.0.1").set("bind_port", 0);
    return config;
}

inline gossip::node open_node(const char *name)
{
    return gossip::node(loopback(name));
}

// A configuration that is fast enough for tests.
inline gossip::pool_config fast_pool(std::int32_t id)
{
    gossip::pool_config config(id, gossip::preset::local);
    config.set("probe_interval_ms", 200ms).set("probe_timeout_ms", 100ms).set("gossip_interval_ms", 20ms);
    config.set("tcp_timeout_ms", 20s); // on a busy machine an exchange may take long
    return config;
}

// Joins, and waits until both sides know both.
inline void join_two(const gossip::pool &pool, const gossip::pool &other, const gossip::node &other_node)
{
    CHECK(pool.join(other_node.local_addr().str(), patience).reached() == 1);
    EVENTUALLY(pool.num_members() == 2 && other.num_members() == 2);
}

#endif

// Sends a text over a socket.
inline void say(const gossip::unique_fd &fd, std::string_view text)
{
    CHECK(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

// Receives so many bytes from a socket.
inline std::string hear(const gossip::unique_fd &fd, std::size_t size)
{
    std::string text(size, '\0');
    CHECK(::recv(fd.get(), text.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
    return text;
}

// Whether a descriptor is readable, now or soon.
inline bool readable(int fd, std::chrono::milliseconds wait)
{
    pollfd waits = {fd, POLLIN, 0};
    return ::poll(&waits, 1, static_cast<int>(wait.count())) == 1;
}

#endif
