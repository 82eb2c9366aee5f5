package peer

import (
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// Node is one memberlist instance that reports all it hears and does what
// commands say. It is the delegate of that instance, too.
type Node struct {
	// Tag is added to every event; it tells the nodes of one program apart.
	Tag Fields

	list  atomic.Pointer[memberlist.Memberlist]
	queue memberlist.TransmitLimitedQueue
	keys  *memberlist.Keyring
	ack   string

	lock  sync.Mutex
	meta  string
	state string
}

// NewNode makes the node and sets it as the delegate in the configuration.
func NewNode(settings *Settings, config *memberlist.Config, tag Fields) *Node {
	n := &Node{Tag: tag, keys: config.Keyring, ack: settings.Ack, meta: settings.Meta, state: settings.State}
	n.queue.NumNodes = n.numNodes
	n.queue.RetransmitMult = config.RetransmitMult
	config.Delegate = n
	config.Events = n
	config.Ping = n
	return n
}

// Attach hands over the running memberlist; callbacks arrive even before.
func (n *Node) Attach(list *memberlist.Memberlist) { n.list.Store(list) }

// Address is where this node tells others to reach it.
func (n *Node) Address() string { return address(n.list.Load().LocalNode()) }

// Commands are those that need nothing but memberlist.
func (n *Node) Commands() Commands {
	return Commands{
		"join":     n.join,
		"leave":    func(string) error { return n.list.Load().Leave(patience) },
		"members":  n.members,
		"meta":     n.setMeta,
		"state":    n.setState,
		"send":     n.send((*memberlist.Memberlist).SendBestEffort),
		"reliable": n.send((*memberlist.Memberlist).SendReliable),
		"queue":    n.enqueue,
		"ping":     n.ping,
		"key":      n.key,
		"health":   n.health,
	}
}

func (n *Node) join(address string) error {
	_, err := n.list.Load().Join([]string{address})
	return err
}

func (n *Node) members(string) error {
	members := []Fields{}
	for _, node := range n.list.Load().Members() {
		members = append(members, describe(node))
	}
	n.emit("members", Fields{"members": members})
	return nil
}

func (n *Node) setMeta(text string) error {
	n.lock.Lock()
	n.meta = text
	n.lock.Unlock()
	return n.list.Load().UpdateNode(patience)
}

func (n *Node) setState(text string) error {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.state = text
	return nil
}

func (n *Node) send(way func(*memberlist.Memberlist, *memberlist.Node, []byte) error) func(string) error {
	return func(arguments string) error {
		name, text, _ := strings.Cut(arguments, " ")
		node, err := n.find(name)
		if err != nil {
			return err
		}
		return way(n.list.Load(), node, []byte(text))
	}
}

func (n *Node) enqueue(text string) error {
	n.queue.QueueBroadcast(broadcast(text))
	return nil
}

func (n *Node) ping(name string) error {
	node, err := n.find(name)
	if err != nil {
		return err
	}
	_, err = n.list.Load().Ping(name, &net.UDPAddr{IP: node.Addr, Port: int(node.Port)})
	return err
}

func (n *Node) key(arguments string) error {
	if n.keys == nil {
		return fmt.Errorf("this node has no keyring")
	}
	action, text, _ := strings.Cut(arguments, " ")
	key, err := hex.DecodeString(text)
	if err != nil {
		return err
	}
	switch action {
	case "add":
		return n.keys.AddKey(key)
	case "use":
		return n.keys.UseKey(key)
	case "remove":
		return n.keys.RemoveKey(key)
	}
	return fmt.Errorf("key action %q is none of add, use, remove", action)
}

func (n *Node) health(string) error {
	n.emit("health", Fields{"score": n.list.Load().GetHealthScore()})
	return nil
}

func (n *Node) find(name string) (*memberlist.Node, error) {
	for _, node := range n.list.Load().Members() {
		if node.Name == name {
			return node, nil
		}
	}
	return nil, fmt.Errorf("no member %q", name)
}

func (n *Node) numNodes() int {
	if list := n.list.Load(); list != nil {
		return list.NumMembers()
	}
	return 1
}

func (n *Node) emit(event string, fields Fields) {
	for key, value := range n.Tag {
		fields[key] = value
	}
	Emit(event, fields)
}

// NodeMeta, NotifyMsg, GetBroadcasts, LocalState and MergeRemoteState are
// memberlist's Delegate.
func (n *Node) NodeMeta(limit int) []byte {
	n.lock.Lock()
	defer n.lock.Unlock()
	return []byte(n.meta)
}

func (n *Node) NotifyMsg(message []byte) { n.emit("msg", Fields{"data": string(message)}) }

func (n *Node) GetBroadcasts(overhead, limit int) [][]byte {
	return n.queue.GetBroadcasts(overhead, limit)
}

func (n *Node) LocalState(join bool) []byte {
	n.lock.Lock()
	defer n.lock.Unlock()
	return []byte(n.state)
}

func (n *Node) MergeRemoteState(state []byte, join bool) {
	n.emit("state", Fields{"data": string(state), "join": join})
}

// NotifyJoin, NotifyLeave and NotifyUpdate are memberlist's EventDelegate.
func (n *Node) NotifyJoin(node *memberlist.Node)   { n.emit("join", describe(node)) }
func (n *Node) NotifyLeave(node *memberlist.Node)  { n.emit("leave", describe(node)) }
func (n *Node) NotifyUpdate(node *memberlist.Node) { n.emit("update", describe(node)) }

// AckPayload and NotifyPingComplete are memberlist's PingDelegate. Probes are
// frequent, so only acks that carry a payload are reported.
func (n *Node) AckPayload() []byte { return []byte(n.ack) }

func (n *Node) NotifyPingComplete(node *memberlist.Node, rtt time.Duration, payload []byte) {
	if len(payload) > 0 {
		n.emit("ack", Fields{"name": node.Name, "data": string(payload)})
	}
}

// A node's state is left out: memberlist keeps it to itself and lists no dead.
func describe(node *memberlist.Node) Fields {
	return Fields{
		"name": node.Name,
		"addr": address(node),
		"meta": string(node.Meta),
		"vsn":  []int{int(node.PMin), int(node.PMax), int(node.PCur), int(node.DMin), int(node.DMax), int(node.DCur)},
	}
}

func address(node *memberlist.Node) string {
	return net.JoinHostPort(node.Addr.String(), strconv.Itoa(int(node.Port)))
}

type broadcast string

func (b broadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (b broadcast) Message() []byte                       { return []byte(b) }
func (b broadcast) Finished()                             {}

// For commands that wait until the cluster has been told.
const patience = 5 * time.Second
