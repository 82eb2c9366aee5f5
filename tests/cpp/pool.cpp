// Nodes that gossip: members, messages, delegates of both kinds, questions, queue, keys, labels, log.
#include "check.hpp"

#include <algorithm>
#include <set>

namespace {

// What a pool told, as texts.
class heard {
public:
    void tell(std::string text)
    {
        const std::lock_guard<std::mutex> guard(lock_);
        all_.insert(std::move(text));
    }
    bool has(const std::string &text) const
    {
        const std::lock_guard<std::mutex> guard(lock_);
        return all_.count(text) > 0;
    }

private:
    mutable std::mutex lock_;
    std::set<std::string> all_;
};

std::string words(std::string_view first, gossip::bytes second)
{
    return std::string(first) + " " + second.str();
}

// A delegate as a class.
class listening final : public gossip::delegate {
public:
    heard told;

    void notify_join(gossip::member who) override { told.tell(words("join", who.name())); }
    void notify_leave(gossip::member who) override
    {
        told.tell(words(to_string(who.state()), who.name()));
    }
    void notify_update(gossip::member who) override { told.tell(words("update", who.meta())); }
    void notify_msg(gossip::bytes data, gossip::message about) override
    {
        CHECK(about.from().is_v4() && about.from().port() != 0);
        CHECK(about.pool_id() >= 0 && about.received() > 0ns);
        told.tell(words(about.is_reliable() ? "reliable" : "datagram", data));
    }
    void merge_remote_state(gossip::bytes state, bool) override { told.tell(words("state", state)); }
    void notify_ping_complete(gossip::member, std::chrono::nanoseconds rtt, gossip::bytes payload) override
    {
        CHECK(rtt > 0ns);
        told.tell(words("ack", payload));
    }
    void notify_shutdown() override { told.tell("shutdown"); }

    gossip::ask asks() const noexcept override { return gossip::ask::local_state | gossip::ask::alive | gossip::ask::merge; }
    bool local_state(bool, gossip::buffer out) override
    {
        out.append("first ");
        out.clear();
        out.append("of a class");
        CHECK(out.size() == 10 && out.limit() > 1000);
        return true;
    }
    gossip::verdict notify_alive(gossip::member who, gossip::buffer reason) override
    {
        reason.append("by name");
        return who.name() == "unwanted" ? gossip::verdict::reject : gossip::verdict::accept;
    }
    gossip::verdict notify_merge(gossip::member_list with, gossip::buffer) override
    {
        told.tell("merge of " + std::to_string(with.size()));
        return std::any_of(with.begin(), with.end(), [](gossip::member who) { return who.name() == "unwanted"; })
                   ? gossip::verdict::reject
                   : gossip::verdict::accept;
    }
};

// A delegate as functions.
gossip::callbacks functions(heard &told)
{
    gossip::callbacks calls;
    calls.notify_join = [&](gossip::member who) { told.tell(words("join", who.name())); };
    calls.notify_leave = [&](gossip::member who) { told.tell(words(to_string(who.state()), who.name())); };
    calls.notify_update = [&](gossip::member who) { told.tell(words("update", who.meta())); };
    calls.notify_msg = [&](gossip::bytes data, gossip::message about) {
        told.tell(words(about.is_reliable() ? "reliable" : "datagram", data));
    };
    calls.merge_remote_state = [&](gossip::bytes state, bool) { told.tell(words("state", state)); };
    calls.notify_ping_complete = [&](gossip::member, std::chrono::nanoseconds, gossip::bytes payload) {
        told.tell(words("ack", payload));
    };
    calls.notify_shutdown = [&] { told.tell("shutdown"); };
    calls.local_state = [](bool, gossip::buffer out) {
        out.append("of a function");
        return true;
    };
    return calls;
}

bool is_alive(const gossip::pool &pool, std::string_view name)
{
    const gossip::members now = pool.members();
    return now.find(name).state() == gossip::state::alive;
}

void two_nodes_gossip()
{
    const auto blue_told = std::make_shared<listening>();
    heard green_told;
    const gossip::node blue_node = open_node("blue"), green_node = open_node("green");
    const gossip::pool blue = blue_node.register_pool(fast_pool(7).set_meta("role=web"), blue_told);
    const gossip::pool green = green_node.register_pool(fast_pool(7), functions(green_told));
    blue.set_ack_payload("load 3");
    blue_node.start();
    green_node.start();
    CHECK(blue_node.is_running() && blue_node.name() == "blue" && blue.id() == 7);
    CHECK(blue_node.list_pools() == std::vector<std::int32_t>{7} && blue.config().get("meta") == "role=web");
    CHECK(blue_node.local_addrs().size() == 1 && blue_node.advertise_addr() == blue_node.local_addr());

    join_two(green, blue, blue_node);
    EVENTUALLY(blue_told->told.has("join green") && green_told.has("join blue") && blue_told->told.has("join blue"));
    EVENTUALLY(green_told.has("state of a class") && blue_told->told.has("state of a function"));
    EVENTUALLY(blue_told->told.has("merge of 1") && green_told.has("ack load 3"));

    const gossip::members members = green.members();
    std::string names;
    for (const gossip::member who : members)
        names += std::string(who.name()) + " ";
    CHECK(names == "blue green " && members.size() == 2 && !members[2] && !members.find("gre"));
    const gossip::member seen = members.find("blue");
    CHECK(seen.addr() == blue_node.local_addr() && seen.addr_text() == seen.addr().str());
    CHECK(seen.meta() == "role=web" && seen.versions()[2] == green.protocol_version());
    EVENTUALLY(is_alive(green, "blue") && is_alive(blue, "green"));

    green.broadcast("to all");
    green.broadcast_named("colour", "to all, too");
    CHECK(green.send_reliable(seen, std::vector<std::uint8_t>{'o', 'n', 'e'}, patience) == gossip::delivery::acknowledged);
    green.send_best_effort(seen, "two");
    green.send_to_address(seen.addr(), "three");
    green.send_best_effort_to("blue/" + seen.addr().str(), "four", patience);
    green.send_reliable_to(seen.addr().str(), "five", patience);
    for (const char *text : {"datagram to all", "datagram to all, too", "reliable one", "datagram two", "datagram three", "datagram four", "reliable five"})
        EVENTUALLY(blue_told->told.has(text));
    CHECK(green.ping(seen, patience) > 0ns && green.ping_to("blue/" + seen.addr().str(), patience) > 0ns);
    THROWS(gossip::errc::too_large, green.broadcast(std::string(green.max_broadcast_size() + 1, 'x')));
    THROWS(gossip::errc::null_arg, green.send_best_effort(gossip::member(), "nobody"));

    blue.update_node("role=db", patience);
    EVENTUALLY(green_told.has("update role=db"));
    CHECK(blue.local_node().meta() == "role=db" && blue.health_score() >= 0);
    CHECK(seen.meta() == "role=web"); // A snapshot.

    CHECK(blue.stats().size() > 5 && blue_node.stats().size() > 5 && !blue.stats().find("no such thing"));
    for (const gossip::counter count : blue.stats())
        CHECK(!count.name.empty() && blue.stats().find(count.name));
    CHECK(blue_node.metrics_text().find("# TYPE") != std::string::npos && !blue.metrics_text().empty());
    blue.disable_tcp_pings_for({"green"});

    green_node.leave(patience);
    EVENTUALLY(blue_told->told.has("left green"));
    green_node.shutdown(patience);
    blue_node.shutdown(patience);
    CHECK(green_told.has("shutdown") && blue_told->told.has("shutdown"));
    CHECK(!blue_node.is_running() && blue_told.use_count() == 1);
}

void a_delegate_refuses_whom_it_does_not_want()
{
    const auto told = std::make_shared<listening>();
    const gossip::node host = open_node("host"), guest = open_node("unwanted");
    const gossip::pool at_host = host.register_pool(fast_pool(1), told);
    const gossip::pool at_guest = guest.register_pool(fast_pool(1));
    host.start();
    guest.start();

    std::error_code ec;
    at_guest.join(host.local_addr().str(), patience, ec);
    EVENTUALLY(told->told.has("merge of 1"));
    CHECK(at_host.num_members() == 1 && !told->told.has("join unwanted"));
}

void a_queue_takes_what_pools_tell_and_ask()
{
    const gossip::queue queue(1000, 1 << 20);
    const gossip::node host = open_node("host"), guest = open_node("guest");
    using gossip::ask;
    const gossip::pool at_host =
        host.register_pool(fast_pool(1).set_queue(queue, 10, ask::alive | ask::local_state));
    const gossip::pool at_guest = guest.register_pool(fast_pool(1).set_queue(queue, 20));
    const gossip::unique_fd watch = queue.watch_fd();
    CHECK(watch.get() != queue.fd() && !readable(queue.fd(), 0ms));
    host.start();
    guest.start();
    CHECK(readable(queue.fd(), patience) && readable(watch.get(), patience));

    std::set<std::string> told;
    std::atomic<bool> done{false};
    std::thread taker([&] {
        for (gossip::event &event : queue.events()) {
            const std::string who = event.tag() == 10 ? "host" : "guest";
            switch (event.type()) {
            case gossip::event_type::ask_alive:
                CHECK(event.tag() == 10 && event.deadline() >= 0ms);
                event.reply(gossip::verdict::accept, "welcome");
                THROWS(gossip::errc::invalid_state, event.reply(gossip::verdict::accept));
                break;
            case gossip::event_type::ask_local_state: event.reply(gossip::bytes("asked")); break;
            case gossip::event_type::join:
                CHECK(event.deadline() < 0ms && event.pool_id() == 1);
                told.insert(who + " sees " + std::string(event.member().name()));
                break;
            case gossip::event_type::remote_state: told.insert(who + " gets " + event.data().str()); break;
            case gossip::event_type::message:
                CHECK(event.from() && !event.is_reliable());
                CHECK(event.about().origin() && event.about().origin()->sequence == 1);
                CHECK(event.about().sender_name() == event.about().origin_name() && !event.about().sender_name().empty());
                CHECK(!event.about().is_encrypted() && event.about().broadcast_name() == "greeting");
                CHECK(std::chrono::system_clock::now() - at_host.wall_clock(event.about().received()) < 10min);
                told.insert(who + " hears " + event.data().str());
                done = true;
                break;
            default: told.insert(to_string(event.type())); break;
            }
        }
    });
    join_two(at_guest, at_host, host);
    at_guest.broadcast_named("greeting", "hello");
    EVENTUALLY(done);
    queue.close();
    taker.join();

    for (const char *text : {"host sees host", "host sees guest", "guest sees host", "guest gets asked", "host hears hello"})
        CHECK(told.count(text) == 1);
    CHECK(!queue.poll() && queue.stats().pending == 0 && queue.stats().accepted >= 5 && queue.stats().limit == 1000);
    THROWS(gossip::errc::closed, host.register_pool(fast_pool(2).set_queue(queue)));
    THROWS(gossip::errc::null_arg, fast_pool(2).set_queue(gossip::queue()));
}

void keys_and_labels_change_while_a_pool_runs()
{
    const std::string old_key(16, 'o'), new_key(32, 'n');
    const gossip::node node = open_node("keys");
    const gossip::pool pool = node.register_pool(fast_pool(1).add_key(old_key).set_label("label", "blue"));
    node.start();

    pool.keyring().add(new_key);
    pool.keyring().use(new_key);
    THROWS(gossip::errc::in_use, pool.keyring().remove(new_key));
    CHECK(pool.keyring().list().size() == 2 && pool.keyring().list()[0].get() == new_key);
    pool.keyring().remove(old_key);
    CHECK(pool.keyring().list().size() == 1);
    THROWS(gossip::errc::not_found, pool.keyring().use(old_key));
    pool.set_gossip_verify(true, true);

    pool.accept_label("green");
    pool.speak_label("green");
    pool.require_label("green");
    THROWS(gossip::errc::config, pool.accept_label(std::string(256, 'x')));
}

void a_log_goes_to_a_function()
{
    heard told; // before the node, which tells until it has ended
    const gossip::node node = open_node("logs");
    node.set_log(gossip::log_level::debug, [&](gossip::record record) {
        CHECK(record.level() <= gossip::log_level::debug && record.target()[0] != '\0' && record.message()[0] != '\0');
        CHECK(std::chrono::system_clock::now() - record.time() < 10min);
        told.tell(record.pool() == 3 ? "pool" : to_string(record.level()));
    });
    node.register_pool(fast_pool(3));
    node.start();
    EVENTUALLY(told.has("pool") && told.has("info"));
    EVENTUALLY(node.log_stats().find("delivered").value_or(0) > 0);
}

void the_way_to_a_member_is_explained_and_examined()
{
    const gossip::node here = open_node("here"), there = open_node("there");
    const gossip::pool pool = here.register_pool(fast_pool(1)), other = there.register_pool(fast_pool(1));
    here.start();
    there.start();
    other.join({here.local_addr().str()}, patience);
    EVENTUALLY(pool.members().size() == 2);
    EVENTUALLY(pool.explain("there").path() == gossip::path::direct);

    const gossip::explanation why = pool.explain("there");
    CHECK(why.who().name() == "there" && why.size() == 0 && why[0].empty());
    CHECK(why.times().rtt.count() > 0 && why.times().dead_in.count() == -1);
    CHECK(std::string(why.text()).find("there (") == 0);
    THROWS(gossip::errc::not_found, pool.explain("nobody"));

    const gossip::diagnosis well = pool.doctor("there", patience);
    CHECK(well.is_healthy() && well.size() == 1 && well[0].name == "healthy" && well[1].code == -1);
    CHECK(well.check_count() > 5 && !well.check(0).name.empty() && well.check(99).result == -1);
    const gossip::diagnosis ill = pool.doctor("127.0.0.1:1", patience);
    CHECK(!ill.is_healthy() && ill[0].code == GOSSIP_FINDING_NOT_LISTENING);
}

void a_whole_pool_moves_in_one_call()
{
    const std::string old_key(16, 'o'), new_key(32, 'n');
    heard told;
    gossip::callbacks keeper;
    keeper.notify_migrated = [&](gossip::migration_kind kind, gossip::step taken, std::string_view by) {
        if (kind == gossip::migration_kind::key && taken == gossip::step::require)
            told.tell(std::string(by));
    };
    const gossip::node here = open_node("here"), there = open_node("there");
    const gossip::pool pool = here.register_pool(fast_pool(1).add_key(old_key));
    const gossip::pool other = there.register_pool(fast_pool(1).add_key(old_key), keeper);
    here.start();
    there.start();
    join_two(other, pool, here);

    pool.rotate_key(new_key, patience);
    CHECK(other.keyring().list().size() == 1 && other.keyring().list()[0].get() == new_key);
    EVENTUALLY(told.has("here"));

    std::size_t calls = 0;
    gossip::migration_options options;
    options.progress = [&](gossip::step, std::string_view member, std::string_view, std::size_t done, std::size_t total) {
        CHECK(!member.empty() && done <= total);
        calls++;
    };
    const gossip::migration report = other.migrate(gossip::migration_kind::label, "blue", patience, options);
    CHECK(calls >= 6 && report.members().size() == 2 && report.by_hand().empty() && report.lost().empty());
    CHECK(std::string(report.text()) == "label: all 2 members have taken require");
    THROWS(gossip::errc::invalid_arg, pool.rotate_key("short", patience));
}

} // namespace

int main()
{
    start_watchdog();
    two_nodes_gossip();
    a_delegate_refuses_whom_it_does_not_want();
    a_queue_takes_what_pools_tell_and_ask();
    keys_and_labels_change_while_a_pool_runs();
    a_log_goes_to_a_function();
    the_way_to_a_member_is_explained_and_examined();
    a_whole_pool_moves_in_one_call();
}
