// Nodes that find each other by themselves, whoever starts first, and again after a crash or a cut;
// and that say why, when one fails.
//
//     ./standing_seeds ada 7946 127.0.0.1:7946,127.0.0.1:7947        in one terminal
//     ./standing_seeds ben 7947 127.0.0.1:7946,127.0.0.1:7947        in another
//
// All have the same seeds; that one of them is the own address does no harm. The end of input leaves.
#include <gossip/gossip.hpp>

#include <iostream>
#include <limits>
#include <thread>

using namespace std::chrono_literals;

namespace {

void tell(const gossip::pool &pool, const gossip::event &event)
{
    const gossip::member who = event.member();

    switch (event.type()) {
    case gossip::event_type::join:
        std::cout << "+ " << who.name() << std::endl;
        break;
    case gossip::event_type::leave:
        std::cout << "- " << who.name() << " " << to_string(who.state()) << std::endl;
        if (who.state() == gossip::state::dead) {
            // What this node knows of it, and what is wrong with the way to it.
            std::error_code ended; // the node leaves meanwhile: what it says is empty then
            std::cout << pool.explain(who.name(), ended).text() << "\n"
                      << pool.doctor(who.name(), 5s, ended).text() << std::endl;
        }
        break;
    case gossip::event_type::isolated:
        std::cout << "! alone; still trying" << std::endl;
        break;
    case gossip::event_type::healed:
        std::cout << "* in company again: " << event.returned() << " are back, " << event.missing()
                  << " are missing" << std::endl;
        break;
    default:
        break;
    }
}

void run(const std::string &name, const std::string &port, const std::string &seeds)
{
    gossip::config config;
    config.set("name", name).set("bind_addr", "127.0.0.1").set("bind_port", port); // default: every interface, 7946
    const gossip::node node(config);

    const gossip::queue queue(10000, 64 << 20);
    gossip::pool_config local(1, gossip::preset::local);
    local.set("seeds", seeds).set("reconnect_interval_ms", 5000).set_queue(queue);
    const gossip::pool pool = node.register_pool(local);

    node.start(); // does not wait for the seeds
    std::thread telling([&] {
        for (const gossip::event &event : queue.events())
            tell(pool, event);
    });
    std::cin.ignore(std::numeric_limits<std::streamsize>::max());
    queue.close();
    telling.join();
    node.leave(5s);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: standing_seeds NAME PORT SEED,SEED...\n";
        return 2;
    }
    try {
        run(argv[1], argv[2], argv[3]);
    } catch (const gossip::error &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
