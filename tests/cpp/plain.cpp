// Without exceptions and without type information: two nodes, functions, a queue, a service, codes.
#include "check.hpp"

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error this is to be compiled with -fno-exceptions -fno-rtti
#endif

namespace {

gossip::node open(const char *name)
{
    std::error_code ec;
    gossip::config config;
    config.set("name", name, ec).set("bind_addr", "127.0.0.1", ec).set("bind_port", 0, ec);
    CHECK(!ec);
    gossip::node node(config, ec);
    CHECK(node && !ec);
    return node;
}

// Counts, and wants nobody called "unwanted".
struct counting final : gossip::delegate {
    std::atomic<int> joins{0}, messages{0};
    void notify_join(gossip::member) override { joins++; }
    void notify_msg(gossip::bytes data, gossip::message) override { messages += data == "hello"; }
    gossip::ask asks() const noexcept override { return gossip::ask::alive; }
    gossip::verdict notify_alive(gossip::member who, gossip::buffer) override
    {
        return who.name() == "unwanted" ? gossip::verdict::reject : gossip::verdict::accept;
    }
};

} // namespace

int main()
{
    start_watchdog();
    std::error_code ec;
    gossip::failure why;
    const gossip::node one = open("one"), two = open("two");
    const auto told = std::make_shared<counting>();
    const gossip::queue queue(100, 10000, ec);
    gossip::pool_config to_queue(1, gossip::preset::local, ec);
    to_queue.set_queue(queue, 5, gossip::ask::nothing, ec);
    const gossip::pool at_one = one.register_pool(gossip::pool_config(1, gossip::preset::local, ec), told, ec);
    const gossip::pool at_two = two.register_pool(to_queue, ec);
    std::atomic<int> logged{0};
    one.set_log(gossip::log_level::debug, [&](gossip::record) { logged++; }, ec);
    const gossip::listener service = one.listen(8, ec);
    CHECK(!ec);

    one.start(ec);
    two.start({ec, why});
    CHECK(!ec && !why && one.is_running());
    CHECK(at_two.join({one.local_addr(ec).str()}, patience, ec).reached() == 1);
    EVENTUALLY(at_one.num_members(ec) == 2 && told->joins == 2 && logged > 0);
    at_two.broadcast("hello", 0ms, ec);
    EVENTUALLY(told->messages > 0);
    int joins = 0;
    EVENTUALLY((joins += queue.poll(patience, ec).type() == gossip::event_type::join) == 2);
    for (gossip::member who : at_two.members(ec))
        CHECK(who.name() == "one" || who.name() == "two");

    const gossip::unique_fd client = gossip::dial(one.local_addr(ec).str(), 8, patience, gossip::blocking, ec);
    say(client, "ping");
    CHECK(hear(service.accept(patience, gossip::blocking, ec).fd, 4) == "ping" && !ec);
    (void)one.listen(8, {ec, why});
    CHECK(ec == gossip::errc::exists && why.message()[0] != '\0');
    (void)one.get_pool(77, ec);
    CHECK(ec == gossip::errc::not_found);

    one.leave(patience, ec);
    one.shutdown(patience, ec);
    CHECK(!ec && told.use_count() == 1);
    at_one.broadcast("late", 0ms, ec);
    CHECK(ec == gossip::errc::closed);
}
