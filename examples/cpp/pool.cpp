// Joins a pool, tells who comes and goes, and sends each line that is typed to everybody.
//
//     ./pool blue 7946                      in one terminal
//     ./pool green 7947 127.0.0.1:7946      in another
//
// `/who` lists the members, `/quit` or the end of input leaves.
#include <gossip/gossip.hpp>

#include <iostream>
#include <sstream>

using namespace std::chrono_literals;

namespace {

// Callbacks run on threads of the library: a line is written in one piece.
void say(const std::ostringstream &line)
{
    std::cout << line.str() + "\n" << std::flush;
}

template <class... Parts> void say(const Parts &...parts)
{
    std::ostringstream line;
    (line << ... << parts);
    say(line);
}

void chat(const std::string &name, const std::string &port, const std::vector<std::string> &seeds)
{
    gossip::config config;
    config.set("name", name).set("bind_addr", "127.0.0.1").set("bind_port", port); // default: every interface, 7946
    const gossip::node node(config);

    gossip::callbacks hears;
    hears.notify_join = [](gossip::member who) { say("+ ", who.name(), " at ", who.addr_text()); };
    hears.notify_leave = [](gossip::member who) { say("- ", who.name(), " ", to_string(who.state())); };
    hears.notify_msg = [](gossip::bytes data, gossip::message) { say(data.text()); };
    const gossip::pool pool = node.register_pool(gossip::pool_config(1), hears);

    node.start();
    if (!seeds.empty())
        pool.join(seeds, 10s);
    for (std::string line; std::getline(std::cin, line) && line != "/quit";) {
        if (line == "/who")
            for (const gossip::member who : pool.members())
                say(who.name(), " at ", who.addr_text(), " is ", to_string(who.state()));
        else
            pool.broadcast(name + ": " + line);
    }
    node.leave(5s); // so that the others see "left" and not "dead"
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 3) {
        std::cerr << "usage: pool NAME PORT [SEED...]\n";
        return 2;
    }
    try {
        chat(argv[1], argv[2], {argv + 3, argv + argc});
    } catch (const gossip::error &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
