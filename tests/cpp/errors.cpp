// Errors both ways: thrown, and as codes; small values: bytes, texts, addresses, configurations.
#include "check.hpp"

#include <vector>

namespace {

void a_code_and_an_exception_say_the_same()
{
    gossip::config config;
    std::error_code ec;
    gossip::failure why;

    config.set("bind_port", "many", {ec, why});
    CHECK(ec == gossip::errc::config && ec.category() == gossip::category() && why.code() == ec);
    CHECK(std::string_view(ec.category().name()) == "gossip" && !ec.message().empty());
    CHECK(why && std::string_view(why.field()) == "bind_port" && why.os_errno() == 0);
    try {
        config.set("bind_port", "many");
        CHECK(false);
    } catch (const std::system_error &error) {
        CHECK(error.code() == ec && std::string_view(error.what()) == why.message());
    }
    try {
        config.set("bind_port", "many");
        CHECK(false);
    } catch (const gossip::error &error) {
        const gossip::error copy = error;
        CHECK(std::string_view(copy.why().field()) == "bind_port" && copy.what() == std::string_view(error.what()));
    }
    config.set("bind_port", 7946, {ec, why});
    CHECK(!ec && !why && why.message()[0] == '\0' && config.get("bind_port") == "7946");
}

void codes_compare_with_those_of_the_standard()
{
    using gossip::errc;
    CHECK(make_error_code(errc::timeout) == std::errc::timed_out);
    CHECK(make_error_code(errc::again) == std::errc::resource_unavailable_try_again);
    CHECK(make_error_code(errc::addr_in_use) == std::errc::address_in_use);
    CHECK(std::error_code(errc::closed) == errc::closed && std::error_code(errc::closed) != errc::timeout);
    CHECK(std::error_code() != errc::closed);
    for (std::size_t i = 1; i < gossip_status_count(); i++) {
        gossip_status_t status = 0;
        CHECK(gossip_status_at(i, &status) == GOSSIP_OK);
        CHECK(gossip::category().message(status) == gossip_status_message(status));
    }
}

void a_port_that_is_taken_is_told_with_the_errno_of_the_system()
{
    const gossip::node first = open_node("first");
    std::error_code ec;
    gossip::failure why;

    const gossip::node second(loopback("second").set("bind_port", first.local_addr().port()), {ec, why});
    CHECK(!second && ec == std::errc::address_in_use && why.os_errno() == EADDRINUSE);
    THROWS(gossip::errc::addr_in_use, gossip::node(loopback("third").set("bind_port", first.local_addr().port())));
}

void every_problem_is_listed()
{
    const gossip::node node = open_node("problems");
    std::error_code ec;
    gossip::failure why;

    gossip::pool_config impossible(1);
    impossible.set("probe_timeout_ms", 2s).set("next_label", "label:blue").set("framing", "label:green").set("label", "red");
    node.register_pool(impossible, {ec, why});
    CHECK(ec == gossip::errc::config && why.problems().size() >= 2);
    for (const gossip::problem &problem : why.problems())
        CHECK(!problem.field.empty() && !problem.value.empty() && !problem.rule.empty());
    CHECK(why.problems()[0].field == why.field());

    const gossip::pool pool = node.register_pool(gossip::pool_config(1));
    node.start();
    const std::string gone = open_node("gone").local_addr().str();
    CHECK(!pool.join({gone}, patience, {ec, why}));
    CHECK(ec == gossip::errc::join_failed && why.problems().size() == 1 && why.problems()[0].value == gone);
    CHECK(!why.problems()[0].rule.empty() && why.os_errno() >= 0);
}

void nothing_in_time_is_no_exception()
{
    const gossip::node node = open_node("patient");
    const gossip::listener listener = node.listen_tcp();
    const gossip::packets packets = node.packets();
    const gossip::queue queue(1, 1);
    std::error_code ec;

    CHECK(!listener.accept(0ms) && !packets.recv(1ms) && !queue.poll(0ms));
    CHECK(!listener.accept(0ms, gossip::blocking, ec) && ec == gossip::errc::again);
    CHECK(!listener.accept(1ms, gossip::blocking, ec) && ec == std::errc::timed_out);
    CHECK(!packets.recv(0ms, ec) && ec == gossip::errc::again);
    CHECK(queue.poll_batch(3, 0ms, ec).empty() && ec == gossip::errc::again);
    listener.close();
    packets.close();
    queue.close();
    CHECK(!listener.accept() && !packets.recv() && !queue.poll());
    CHECK(!listener.accept(gossip::forever, gossip::blocking, ec) && ec == gossip::errc::closed);
    CHECK(!queue.poll(gossip::forever, ec) && ec == gossip::errc::closed);
    THROWS(gossip::errc::invalid_arg, (void)queue.poll_batch(0));
}

void texts_with_a_nul_are_refused()
{
    using namespace std::string_view_literals;
    gossip::config config;
    const gossip::node node = open_node("nul");
    const gossip::pool pool = node.register_pool(fast_pool(1));

    THROWS(gossip::errc::config, config.set("na\0me"sv, "x"));
    THROWS(gossip::errc::config, config.set("name", "x\0y"sv));
    THROWS(gossip::errc::config, (void)config.get("na\0me"sv));
    THROWS(gossip::errc::addr_invalid, (void)gossip::dial("127.0.0.1:1\0"sv, 1, 0ms));
    THROWS(gossip::errc::addr_invalid, (void)gossip::address::parse("127.0.0.1:1\0"sv));
    THROWS(gossip::errc::invalid_arg, (void)pool.join(std::string_view("127.0.0.1:1\0"sv), 0ms));
    THROWS(gossip::errc::invalid_utf8, config.set("name", "\xff"));
}

void configurations_take_and_tell_values_of_every_kind()
{
    gossip::pool_config config(7, gossip::preset::wan);
    config.set("probe_interval_ms", 2s).set("gossip_nodes", 5u).set("disable_tcp_pings", true).set("label", "blue");
    CHECK(config.get("probe_interval_ms") == "2000" && config.get("gossip_nodes") == "5");
    CHECK(config.get("disable_tcp_pings") == "true" && config.get("label") == "blue");
    const std::string long_text(500, 'x');
    CHECK(config.set("meta", long_text).get("meta") == long_text);

    bool found = false;
    for (const gossip::config_key &key : gossip::pool_config::keys())
        found = found || (key.name == "probe_interval_ms" && key.kind == GOSSIP_KEY_DURATION && !key.about.empty());
    CHECK(found && gossip::config::keys().size() == gossip_config_key_count());
    THROWS(gossip::errc::invalid_arg, (void)gossip::pool_config(256));
    THROWS(gossip::errc::invalid_arg, config.add_key("short"));
}

void bytes_come_from_everything_that_holds_some()
{
    const std::string text = "abc";
    const std::vector<std::uint8_t> vector = {'a', 'b', 'c'};
    const std::array<std::byte, 3> array = {std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
    const std::uint8_t plain[] = {'a', 'b', 'c'};
    CHECK(gossip::bytes(text) == "abc" && gossip::bytes(vector) == text && gossip::bytes(array) == vector);
    CHECK(gossip::bytes(plain) == text && gossip::bytes(text.data(), 2) == "ab" && gossip::bytes(plain) != "abd");
    CHECK(gossip::bytes().empty() && gossip::bytes().text().empty() && gossip::bytes("") == gossip::bytes());
    CHECK(gossip::bytes("abc")[1] == 'b' && gossip::bytes(text).str() == text);
    static_assert(!std::is_constructible_v<gossip::bytes, std::vector<int>>);
}

void addresses_are_values()
{
    const auto four = gossip::address::parse("192.0.2.7:7946"), six = gossip::address::parse("[2001:db8::1]:80");
    CHECK(four.is_v4() && four.port() == 7946 && four.v4()[3] == 7 && four.str() == "192.0.2.7:7946");
    CHECK(six.is_v6() && six.v6()[0] == 0x20 && six.v6()[15] == 1 && six.str() == "[2001:db8::1]:80");
    CHECK(four != six && four < six && four == gossip::address(*four.c_handle()));
    CHECK(!gossip::address() && gossip::address().str().empty());
    THROWS(gossip::errc::addr_invalid, (void)gossip::address::parse("localhost"));
}

void times_are_rounded_to_what_fits()
{
    using gossip::detail::c_timeout;
    CHECK(c_timeout(gossip::forever) == -1 && c_timeout(-5h) == -1 && c_timeout(0ms) == 0 && c_timeout(5s) == 5000);
    CHECK(c_timeout(std::chrono::hours(24 * 365)) == std::numeric_limits<std::int32_t>::max());
}

} // namespace

int main()
{
    start_watchdog();
    a_code_and_an_exception_say_the_same();
    codes_compare_with_those_of_the_standard();
    a_port_that_is_taken_is_told_with_the_errno_of_the_system();
    every_problem_is_listed();
    nothing_in_time_is_no_exception();
    texts_with_a_nul_are_refused();
    configurations_take_and_tell_values_of_every_kind();
    bytes_come_from_everything_that_holds_some();
    addresses_are_values();
    times_are_rounded_to_what_fits();
}
