// Command memberlist is an unmodified memberlist node, built with one of
// several releases: `go build -modfile=v0.1.5.mod` and so on; go.mod is the
// newest. See package peer for how it is driven. A new import needs `go mod
// tidy -modfile=...` for each of them.
package main

import (
	"flag"

	"github.com/hashicorp/memberlist"

	"gossip.test/peer"
)

func main() {
	settings := peer.SettingsFromFlags()
	bind := flag.String("bind", "127.0.0.1", "address to bind to and to advertise")
	port := flag.Int("port", 0, "TCP and UDP port; 0 takes a free one")
	flag.Parse()

	config, err := settings.Config()
	if err != nil {
		peer.Fail(err)
	}
	config.BindAddr = *bind
	config.BindPort = *port
	config.AdvertiseAddr = *bind
	config.AdvertisePort = *port

	node := peer.NewNode(settings, config, nil)
	list, err := memberlist.Create(config)
	if err != nil {
		peer.Fail(err)
	}
	node.Attach(list)

	peer.Emit("ready", peer.Fields{
		"name":    settings.Name,
		"addr":    node.Address(),
		"version": peer.Version("github.com/hashicorp/memberlist"),
	})
	peer.Serve(node.Commands())
}
