// Command seed is a node of euforia/gossip v0.6.0: gossip pools, a muxed echo
// listener and an HTTP server on one port. See package peer for how it is
// driven; here a pool's command follows its id, as in `1 join 127.0.0.1:7946`.
package main

import (
	"flag"
	"log"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"github.com/euforia/gossip"

	"gossip.test/peer"
)

func main() {
	settings := peer.SettingsFromFlags()
	port := flag.Int("port", 0, "TCP and UDP port; 0 takes a free one")
	pools := flag.String("pool", "1,2", "ids of the pools, commas between")
	mux := flag.Uint("mux", 0x4543, "id of the muxed echo listener")
	flag.Parse()

	node, address, err := open(settings.Name, *port)
	if err != nil {
		peer.Fail(err)
	}
	giveLogger(node)

	// Everything is registered before the start; later is a data race in this package.
	commands := peer.Commands{"dial": dial, "http": get}
	members := map[int32]*peer.Node{}
	for _, text := range strings.Split(*pools, ",") {
		id, err := strconv.ParseUint(text, 10, 8)
		if err != nil {
			peer.Fail(err)
		}
		member, err := register(node, int32(id), settings)
		if err != nil {
			peer.Fail(err)
		}
		members[int32(id)] = member
		commands[text] = poolCommands(node, int32(id), member).Run
	}
	echo, err := node.Listen(uint16(*mux))
	if err != nil {
		peer.Fail(err)
	}
	native := node.ListenTCP()
	packets := node.UDPPackets()

	if err := node.Start(); err != nil {
		peer.Fail(err)
	}
	for id, member := range members {
		member.Attach(node.GetPool(id).Memberlist)
	}

	// Whoever doesn't take what is his stops the whole port, so each is served.
	go serveEcho(echo, settings.Name)
	go serveHTTP(native, settings.Name)
	go reportPackets(packets)

	peer.Emit("ready", peer.Fields{
		"name":    settings.Name,
		"addr":    address,
		"version": peer.Version("github.com/euforia/gossip"),
	})
	peer.Serve(commands)
}

func register(node *gossip.Gossip, id int32, settings *peer.Settings) (*peer.Node, error) {
	config, err := settings.Config()
	if err != nil {
		return nil, err
	}
	// The default pool config has no memberlist config and no delegate, and
	// crashes without either.
	pool := gossip.DefaultPoolConfig(id)
	pool.Memberlist = config
	member := peer.NewNode(settings, config, peer.Fields{"pool": id})
	pool.Delegate = member
	node.RegisterPool(pool)
	return member, nil
}

func poolCommands(node *gossip.Gossip, id int32, member *peer.Node) peer.Commands {
	commands := member.Commands()
	// The package has a queue of its own in place of memberlist's.
	delete(commands, "queue")
	commands["broadcast"] = func(text string) error {
		node.GetPool(id).Broadcast([]byte(text))
		return nil
	}
	return commands
}

// The package logs every network error through a nil logger, so that a
// connection which ends before its first bytes kills the process. Nothing but
// this field is touched; what goes over the wire stays its own.
func giveLogger(node *gossip.Gossip) {
	transport := reflect.ValueOf(node).Elem().FieldByName("trans").Elem()
	field := transport.FieldByName("logger")
	*(**log.Logger)(unsafe.Pointer(field.UnsafeAddr())) = log.New(os.Stderr, "seed: ", log.LstdFlags)
}
