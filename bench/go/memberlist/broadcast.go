package main

import (
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	size           = 100
	many           = 100_000
	singlePatience = 5.0
)

// heard is who has heard what: for each message how many, and when the last did.
type heard struct {
	begun since
	count [many]atomic.Int64
	last  [many]atomic.Int64
}

// gossiper hands each message on, once: memberlist's queue passes on nothing by itself.
type gossiper struct {
	heard *heard
	queue *memberlist.TransmitLimitedQueue
	lock  sync.Mutex
	seen  map[uint64]bool
}

func (g *gossiper) send(message []byte) bool {
	number := binary.BigEndian.Uint64(message)
	g.lock.Lock()
	known := g.seen[number]
	g.seen[number] = true
	g.lock.Unlock()
	if !known {
		g.queue.QueueBroadcast(broadcast(message))
	}
	return !known
}

func (g *gossiper) NotifyMsg(message []byte) {
	if !g.send(append([]byte(nil), message...)) {
		return
	}
	number := binary.BigEndian.Uint64(message)
	at := int64(g.heard.begun.wall() * 1e6)
	for last := &g.heard.last[number]; ; {
		known := last.Load()
		if known >= at || last.CompareAndSwap(known, at) {
			break
		}
	}
	g.heard.count[number].Add(1)
}

func (g *gossiper) NodeMeta(int) []byte           { return nil }
func (g *gossiper) LocalState(bool) []byte        { return nil }
func (g *gossiper) MergeRemoteState([]byte, bool) {}
func (g *gossiper) GetBroadcasts(overhead, limit int) [][]byte {
	return g.queue.GetBroadcasts(overhead, limit)
}

type broadcast []byte

func (b broadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (b broadcast) Message() []byte                       { return b }
func (b broadcast) Finished()                             {}

func listening(count int) (*cluster, []*gossiper, *heard) {
	heard := &heard{begun: now()}
	gossipers := make([]*gossiper, count)
	c := settled(count, io.Discard, func(number int, config *memberlist.Config) {
		gossipers[number] = &gossiper{
			heard: heard,
			queue: &memberlist.TransmitLimitedQueue{
				NumNodes:       func() int { return count },
				RetransmitMult: config.RetransmitMult,
			},
			seen: map[uint64]bool{},
		}
		config.Delegate = gossipers[number]
	})
	return c, gossipers, heard
}

func message(number int) []byte {
	message := make([]byte, size)
	binary.BigEndian.PutUint64(message, uint64(number))
	return message
}

// single makes one broadcast after the other, and waits until all have it.
func single(arguments []string) {
	count, times := number(arguments[0]), number(arguments[1])
	c, gossipers, heard := listening(count)
	for number := range times {
		at := heard.begun.wall()
		gossipers[(number*37)%count].send(message(number))
		others := int64(count - 1)
		for heard.count[number].Load() < others && heard.begun.wall() < at+singlePatience {
			time.Sleep(look)
		}
		seconds, complete := singlePatience, 0.0
		if heard.count[number].Load() >= others {
			seconds, complete = float64(heard.last[number].Load())/1e6-at, 1
		}
		tell("broadcast", fields{"seconds": seconds, "complete": complete})
	}
	c.end()
}

// sustained makes broadcasts at a rate, each of another node than the last.
func sustained(arguments []string) {
	count, rate, span := number(arguments[0]), float64(number(arguments[1])), seconds(arguments[2])
	c, gossipers, heard := listening(count)
	begun := now()
	sent := 0
	for begun.wall() < span.Seconds() && sent < many {
		if float64(sent) < begun.wall()*rate {
			gossipers[(sent*37)%count].send(message(sent))
			sent++
		} else {
			time.Sleep(time.Millisecond)
		}
	}
	ended, cpu := begun.wall(), begun.cpu()/begun.wall()
	// What waits to be sent, in the longest of the queues.
	queued := 0
	for _, gossiper := range gossipers {
		queued = max(queued, gossiper.queue.NumQueued())
	}
	wanted := float64(sent * (count - 1))
	delivered := func() (sum float64) {
		for number := range sent {
			sum += float64(heard.count[number].Load())
		}
		return sum
	}
	for delivered() < wanted && begun.wall() < ended+20 {
		time.Sleep(look)
	}
	tell("sustained", fields{
		"rate": float64(sent) / ended, "queued": float64(queued), "delivered": delivered() / wanted,
		"behind": begun.wall() - ended, "cpu": cpu,
	})
	c.end()
}
