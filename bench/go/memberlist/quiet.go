package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"time"

	"github.com/hashicorp/memberlist"
)

// quiet is a node that may come to know thousands. Of its own accord it does nothing, or
// gossips only. It prints where it serves, and answers each line of its input.
func quiet(arguments []string) {
	config := memberlist.DefaultLANConfig()
	config.Name = "bench"
	config.BindAddr, config.AdvertiseAddr = "127.0.0.1", "127.0.0.1"
	config.BindPort, config.AdvertisePort = 0, 0
	config.ProbeInterval, config.PushPullInterval = 0, 0
	config.GossipInterval, config.GossipNodes = seconds(arguments[0]), 20
	config.Logger = log.New(io.Discard, "", 0)
	list := must(memberlist.Create(config))
	fmt.Printf("{\"addr\": \"%s\"}\n", list.LocalNode().FullAddress().Addr)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		fmt.Printf("{\"members\": %d, \"queued\": %d, \"held\": %d}\n",
			list.NumMembers(), broadcastsOf(list).NumQueued(), memory.HeapAlloc)
	}
}

// idle is what so many nodes cost that have nothing to do.
func idle(arguments []string) {
	count, span := number(arguments[0]), seconds(arguments[1])
	before := resident()
	c := start(count, io.Discard, nil)
	// The first ticks come together.
	time.Sleep(2 * time.Second)
	begun := now()
	time.Sleep(span)
	tell("idle", fields{
		"cpu_ms": begun.cpu() / begun.wall() * 1e3, "memory": (resident() - before) / float64(count),
	})
	c.end()
}
