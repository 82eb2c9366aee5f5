// Who lives how long: moves, any order of destruction, delegates, what delegates throw.
#include "check.hpp"

#include <stdexcept>

namespace {

template <class Handle> void can_be_moved_and_not_copied(Handle made)
{
    static_assert(!std::is_copy_constructible_v<Handle> && !std::is_copy_assignable_v<Handle>);
    static_assert(std::is_nothrow_move_constructible_v<Handle> && std::is_nothrow_move_assignable_v<Handle>);
    CHECK(made);
    const auto *before = made.c_handle();
    Handle moved = std::move(made);
    CHECK(!made && moved.c_handle() == before);
    Handle &same = moved;
    moved = std::move(same);
    CHECK(moved.c_handle() == before);
    made = std::move(moved);
    CHECK(made.c_handle() == before && !moved);
    Handle taken(made.release());
    CHECK(!made && taken.c_handle() == before);
    taken.reset();
    CHECK(!taken);
}

void every_handle_can_be_moved()
{
    const gossip::node node = open_node("moves");
    const gossip::pool pool = node.register_pool(fast_pool(1));
    node.start();
    can_be_moved_and_not_copied(gossip::config());
    can_be_moved_and_not_copied(gossip::pool_config(3));
    can_be_moved_and_not_copied(open_node("moved"));
    can_be_moved_and_not_copied(node.get_pool(1));
    can_be_moved_and_not_copied(pool.members());
    can_be_moved_and_not_copied(node.listen(7));
    can_be_moved_and_not_copied(node.packets());
    can_be_moved_and_not_copied(node.stats());
    can_be_moved_and_not_copied(gossip::queue(10, 1000));
}

void a_kept_member_can_be_moved()
{
    const gossip::node node = open_node("kept");
    const gossip::pool pool = node.register_pool(fast_pool(1));
    node.start();

    gossip::kept_member kept = pool.local_node();
    gossip::kept_member moved = std::move(kept);
    CHECK(!kept && kept.name().empty() && moved.name() == "kept");
    gossip::kept_member &same = moved;
    moved = std::move(same);
    CHECK(moved.name() == "kept");
    kept = moved.keep();
    moved = gossip::kept_member();
    CHECK(kept.name() == "kept");
}

void a_descriptor_is_closed_once()
{
    int ends[2];
    CHECK(::pipe(ends) == 0);
    gossip::unique_fd read(ends[0]), write(ends[1]);
    gossip::unique_fd &same = write;
    write = std::move(same);
    CHECK(write.get() == ends[1]);
    const int raw = write.release();
    CHECK(!write && ::write(raw, "x", 1) == 1 && ::close(raw) == 0);
    read.reset();
    CHECK(::close(ends[0]) == -1);
}

void what_is_empty_fails_and_does_not_crash()
{
    const gossip::node node;
    const gossip::pool pool;
    const gossip::listener listener;
    const gossip::packets packets;
    const gossip::queue queue;

    THROWS(gossip::errc::null_arg, node.start());
    THROWS(gossip::errc::null_arg, gossip::node(gossip::config(static_cast<gossip_config_t *>(nullptr))));
    THROWS(gossip::errc::null_arg, (void)node.name());
    THROWS(gossip::errc::null_arg, (void)pool.members());
    THROWS(gossip::errc::null_arg, (void)listener.accept(0ms));
    THROWS(gossip::errc::null_arg, (void)packets.recv(0ms));
    THROWS(gossip::errc::null_arg, (void)queue.poll(0ms));
    THROWS(gossip::errc::null_arg, (void)gossip::member().keep());
    CHECK(!node.is_running() && gossip::members().empty() && gossip::member().name().empty());
    CHECK(!gossip::members().c_handle() && !gossip::stats().find("x"));
    for (const gossip::event &event : queue.events(0ms))
        CHECK(!event);
}

// Counts how many of it there are.
struct counted {
    std::shared_ptr<std::atomic<int>> alive;
    explicit counted(std::shared_ptr<std::atomic<int>> counter) : alive(std::move(counter)) { ++*alive; }
    counted(const counted &other) : alive(other.alive) { ++*alive; }
    counted &operator=(const counted &) = delete;
    ~counted() { --*alive; }
};

struct watched final : gossip::delegate {
    explicit watched(const std::shared_ptr<std::atomic<int>> &counter) : count(counter) {}
    counted count;
};

void a_delegate_is_let_go_when_its_pool_has_ended_or_never_began()
{
    const auto alive = std::make_shared<std::atomic<int>>(0);
    gossip::callbacks calls;
    calls.notify_join = [count = counted(alive)](gossip::member) { CHECK(*count.alive > 0); };
    const int mine = *alive;

    gossip::node node = open_node("owner");
    node.register_pool(fast_pool(1), calls);
    node.register_pool(fast_pool(2), std::make_unique<watched>(alive));
    const auto shared = std::make_shared<watched>(alive);
    node.register_pool(fast_pool(3), shared);
    node.register_pool(fast_pool(4), shared);
    CHECK(*alive == mine + 3);
    THROWS(gossip::errc::exists, node.register_pool(fast_pool(1), calls));
    THROWS(gossip::errc::exists, node.register_pool(fast_pool(1), std::make_unique<watched>(alive)));
    THROWS(gossip::errc::null_arg, gossip::node().register_pool(fast_pool(9), calls));
    THROWS(gossip::errc::null_arg, node.register_pool(gossip::pool_config(), calls));
    CHECK(*alive == mine + 3);

    node.start();
    node.get_pool(2).shutdown(patience);
    CHECK(*alive == mine + 2);
    node = gossip::node();
    CHECK(*alive == mine + 1 && shared.use_count() == 1);
}

void a_log_function_is_let_go_when_it_is_replaced_or_refused()
{
    const auto alive = std::make_shared<std::atomic<int>>(0);
    gossip::node node = open_node("log");
    const auto sink = [&] { return [count = counted(alive)](gossip::record) { throw std::runtime_error("no"); }; };

    node.set_log(gossip::log_level::info, sink());
    CHECK(*alive == 1);
    THROWS(gossip::errc::null_arg, gossip::node().set_log(gossip::log_level::info, sink()));
    THROWS(gossip::errc::invalid_arg, node.set_log(static_cast<gossip::log_level>(77), sink()));
    node.set_log(gossip::log_level::info, sink());
    EVENTUALLY(*alive == 1);
    node.start();
    node.set_log(gossip::log_level::off, nullptr);
    EVENTUALLY(*alive == 0);
    node.set_log(gossip::log_level::trace, sink());
    node = gossip::node();
    CHECK(*alive == 0);
}

void handles_may_end_in_any_order()
{
    gossip::node node = open_node("order");
    gossip::queue queue(100, 1000);
    gossip::pool pool = node.register_pool(fast_pool(1).set_queue(queue));
    gossip::listener listener = node.listen(5);
    gossip::packets packets = node.packets();
    node.start();
    const gossip::members members = pool.members();
    gossip::event joined = queue.poll(patience);

    node = gossip::node();
    CHECK(!node);
    THROWS(gossip::errc::closed, pool.broadcast("late"));
    CHECK(!listener.accept() && !packets.recv());
    queue = gossip::queue();
    CHECK(joined.type() == gossip::event_type::join && joined.member().name() == "order");
    CHECK(members[0].name() == "order" && members.find("order"));
}

// Throws whenever it is called.
struct thrower final : gossip::delegate {
    std::atomic<int> thrown{0}, destroyed{0};
    std::mutex lock;
    std::string last;

    void notify_join(gossip::member who) override { throw std::runtime_error(std::string(who.name())); }
    void notify_msg(gossip::bytes, gossip::message) override { throw 7; }
    gossip::ask asks() const noexcept override { return gossip::ask::alive | gossip::ask::local_state; }
    gossip::verdict notify_alive(gossip::member who, gossip::buffer) override
    {
        if (who.name() == "guest")
            throw std::runtime_error("whatever");
        return gossip::verdict::accept;
    }
    bool local_state(bool, gossip::buffer out) override
    {
        out.append("half");
        throw std::bad_alloc();
    }
    void on_exception(const char *callback, std::exception_ptr what) noexcept override
    {
        CHECK(what != nullptr);
        const std::lock_guard<std::mutex> guard(lock);
        last = callback;
        thrown++;
    }
};

void what_a_delegate_throws_is_caught_and_is_never_a_yes()
{
    const auto throws = std::make_shared<thrower>();
    const gossip::node host = open_node("host"), guest = open_node("guest");
    const gossip::pool at_host = host.register_pool(fast_pool(1), throws);
    gossip::callbacks calls;
    std::atomic<int> states{0}, told{0};
    calls.merge_remote_state = [&](gossip::bytes state, bool) { states += state == "published"; };
    calls.notify_join = [](gossip::member) { throw std::logic_error("also here"); };
    calls.on_exception = [&](const char *, std::exception_ptr) {
        told++;
        throw 1;
    };
    const gossip::pool at_guest = guest.register_pool(fast_pool(1), calls);
    at_host.set_local_state("published");
    host.start();
    guest.start();

    at_guest.join({host.local_addr().str()}, patience);
    EVENTUALLY(at_guest.num_members() == 2 && states > 0 && told > 0);
    at_guest.send_reliable_to(host.local_addr().str(), "x", patience);

    // Joined itself, refused the guest, had no state, did not like the message.
    EVENTUALLY(throws->thrown >= 4);
    CHECK(at_host.num_members() == 1);
}

void a_callback_may_use_the_library_and_cannot_end_it()
{
    gossip::node node = open_node("inside");
    std::atomic<bool> refused{false};
    gossip::callbacks calls;
    calls.notify_join = [&](gossip::member) {
        std::error_code ec;
        CHECK(node.get_pool(1).num_members() == 1);
        node.shutdown(gossip::forever, ec);
        refused = ec == gossip::errc::deadlock && ec == std::errc::resource_deadlock_would_occur;
    };
    node.register_pool(fast_pool(1), std::move(calls));
    node.start();
    EVENTUALLY(refused);
    node.shutdown(patience);
    node.shutdown(patience);
}

} // namespace

int main()
{
    start_watchdog();
    every_handle_can_be_moved();
    a_kept_member_can_be_moved();
    a_descriptor_is_closed_once();
    what_is_empty_fails_and_does_not_crash();
    a_delegate_is_let_go_when_its_pool_has_ended_or_never_began();
    a_log_function_is_let_go_when_it_is_replaced_or_refused();
    handles_may_end_in_any_order();
    what_a_delegate_throws_is_caught_and_is_never_a_yes();
    a_callback_may_use_the_library_and_cannot_end_it();
}
