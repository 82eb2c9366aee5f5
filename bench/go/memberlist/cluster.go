package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

// As in gossip-bench.
const (
	patience = 20 * time.Second
	look     = 5 * time.Millisecond
	settle   = 2 * time.Second
	again    = 100 * time.Millisecond
)

type cluster struct{ lists []*memberlist.Memberlist }

// start makes so many nodes that know nothing of each other yet.
func start(count int, logs io.Writer, adapt func(number int, config *memberlist.Config)) *cluster {
	c := &cluster{}
	for number := range count {
		config := memberlist.DefaultLANConfig()
		config.Name = name(number)
		config.BindAddr, config.AdvertiseAddr = "127.0.0.1", "127.0.0.1"
		config.BindPort, config.AdvertisePort = 0, 0
		config.Logger = log.New(logs, config.Name+" ", 0)
		if adapt != nil {
			adapt(number, config)
		}
		c.lists = append(c.lists, must(memberlist.Create(config)))
	}
	return c
}

// join lets all join through the first at once, and says in how many seconds all saw all,
// if they did, and how much processor time that took.
func (c *cluster) join() (converged float64, agreed bool, cpu float64) {
	begun := now()
	seed := c.seed()
	var joining sync.WaitGroup
	for _, list := range c.lists[1:] {
		joining.Add(1)
		go func() {
			defer joining.Done()
			// The seed serves so many at once and no more: who is refused asks again.
			for {
				if _, err := list.Join([]string{seed}); err == nil || begun.wall() > patience.Seconds() {
					return
				}
				time.Sleep(again)
			}
		}()
	}
	joining.Wait()
	agreed = c.converged(begun)
	return begun.wall(), agreed, begun.cpu()
}

func (c *cluster) seed() string { return c.lists[0].LocalNode().FullAddress().Addr }

func (c *cluster) converged(begun since) bool {
	for _, list := range c.lists {
		for list.NumMembers() != len(c.lists) {
			if begun.wall() > patience.Seconds() {
				return false
			}
			time.Sleep(look)
		}
	}
	return true
}

// settled is a cluster that agrees and has nothing to tell any more.
func settled(count int, logs io.Writer, adapt func(int, *memberlist.Config)) *cluster {
	c := start(count, logs, adapt)
	begun := now()
	// One after the other, and again whom that left without the others: what is measured is what comes after.
	agreed := false
	for !agreed && begun.wall() < 4*patience.Seconds() {
		for _, list := range c.lists[1:] {
			if list.NumMembers() != count {
				_, _ = list.Join([]string{c.seed()})
			}
		}
		agreed = c.converged(now())
	}
	if !agreed {
		log.Fatal("the cluster does not agree")
	}
	for c.telling() && begun.wall() < 5*patience.Seconds() {
		time.Sleep(settle / 10)
	}
	time.Sleep(settle)
	return c
}

func (c *cluster) telling() bool {
	for _, list := range c.lists {
		if broadcastsOf(list).NumQueued() > 0 {
			return true
		}
	}
	return false
}

func (c *cluster) end() {
	for _, list := range c.lists {
		_ = list.Shutdown()
	}
}

func join(arguments []string) {
	c := start(number(arguments[0]), io.Discard, nil)
	seconds, agreed, cpu := c.join()
	late := 0.0
	if !agreed {
		seconds, late = patience.Seconds(), 1
	}
	tell("join", fields{"seconds": seconds, "cpu": cpu, "late": late})
}

func steady(arguments []string) {
	count, span := number(arguments[0]), seconds(arguments[1])
	before := resident()
	c := settled(count, io.Discard, nil)
	begun := now()
	time.Sleep(span)
	wall, cpu := begun.wall(), begun.cpu()
	each := func(total float64) float64 { return total / float64(count) }
	tell("steady", fields{
		"cpu_ms": each(cpu / wall * 1e3),
		"memory": each(resident() - before),
	})
	c.end()
}

func name(number int) string { return fmt.Sprintf("node-%04d", number) }

type since struct {
	at   time.Time
	used float64
}

func now() since { return since{time.Now(), used()} }

func (s since) wall() float64 { return time.Since(s.at).Seconds() }
func (s since) cpu() float64  { return used() - s.used }

// used is the processor time of all threads so far.
func used() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// resident is how many bytes of memory this process has.
func resident() float64 {
	for _, line := range strings.Split(string(must(os.ReadFile("/proc/self/status"))), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return must(strconv.ParseFloat(strings.Fields(rest)[0], 64)) * 1024
		}
	}
	return 0
}

func number(text string) int { return must(strconv.Atoi(text)) }

func seconds(text string) time.Duration {
	return time.Duration(must(strconv.ParseFloat(text, 64)) * float64(time.Second))
}
