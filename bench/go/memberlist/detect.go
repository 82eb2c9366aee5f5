package main

import (
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// observer records when members were told to be gone, and what the logs say of suspicions.
type observer struct {
	sync.Mutex
	begun       since
	gone        map[string][]float64
	suspected   map[string]float64
	refutations int
}

func (o *observer) NotifyJoin(*memberlist.Node)   {}
func (o *observer) NotifyUpdate(*memberlist.Node) {}
func (o *observer) NotifyLeave(node *memberlist.Node) {
	o.Lock()
	defer o.Unlock()
	o.gone[node.Name] = append(o.gone[node.Name], o.begun.wall())
}

// Write takes what memberlist logs: it tells of suspicions nowhere else.
func (o *observer) Write(line []byte) (int, error) {
	text := string(line)
	o.Lock()
	defer o.Unlock()
	if _, rest, ok := strings.Cut(text, "memberlist: Suspect "); ok {
		name := strings.Fields(rest)[0]
		if _, known := o.suspected[name]; !known {
			o.suspected[name] = o.begun.wall()
		}
	} else if strings.Contains(text, "Refuting a suspect") || strings.Contains(text, "Refuting a dead") {
		o.refutations++
	}
	return len(line), nil
}

func (o *observer) reset() {
	o.Lock()
	defer o.Unlock()
	o.gone, o.suspected, o.refutations = map[string][]float64{}, map[string]float64{}, 0
}

func (o *observer) allGone(names []string, alive int) bool {
	o.Lock()
	defer o.Unlock()
	for _, name := range names {
		if len(o.gone[name]) < alive {
			return false
		}
	}
	return true
}

// detect kills some nodes, a second apart, so that each is a case of its own.
func detect(arguments []string) {
	count, victims := number(arguments[0]), number(arguments[1])
	o := &observer{begun: now()}
	o.reset()
	c := settled(count, o, func(_ int, config *memberlist.Config) { config.Events = o })
	o.reset()

	alive := count - victims
	killed := map[string]float64{}
	var names []string
	for victim := count - 1; victim >= alive; victim-- {
		names = append(names, name(victim))
		killed[name(victim)] = o.begun.wall()
		_ = c.lists[victim].Shutdown()
		time.Sleep(time.Second)
	}
	last := o.begun.wall() + 60
	for !o.allGone(names, alive) && o.begun.wall() < last {
		time.Sleep(10 * time.Millisecond)
	}
	o.Lock()
	defer o.Unlock()
	for _, name := range names {
		// Whom some still believe in at the end counts as found at that moment.
		all := last
		if len(o.gone[name]) >= alive {
			all = o.gone[name][alive-1]
		}
		first, known := o.suspected[name]
		if !known {
			first = all
		}
		tell("detect", fields{
			"suspected": first - killed[name], "dead": all - first, "whole": all - killed[name],
			"refutations": float64(o.refutations),
		})
	}
}
