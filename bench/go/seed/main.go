// Command seed is a node of euforia/gossip whose application answers connections,
// takes datagrams and counts the messages of its pools. It prints where it serves,
// and answers each line of its input with what it has counted.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/euforia/gossip"
)

const (
	id    = 0x0101
	pools = 2
)

var (
	count    atomic.Int64
	messages [pools + 1]atomic.Int64
)

func main() {
	port, err := freePort()
	check(err)
	config := gossip.DefaultConfig()
	config.Name = "bench"
	config.BindAddr, config.AdvertiseAddr = "127.0.0.1", "127.0.0.1"
	config.BindPort, config.AdvertisePort = port, port
	node, err := gossip.New(config)
	check(err)
	giveLogger(node)
	for pool := int32(1); pool <= pools; pool++ {
		conf := gossip.DefaultLANPoolConfig(pool)
		conf.Delegate = &delegate{count: &messages[pool]}
		node.RegisterPool(conf)
	}
	muxed, err := node.Listen(id)
	check(err)
	native, packets := node.ListenTCP(), node.UDPPackets()
	check(node.Start())
	go serve(muxed)
	go serve(native)
	go func() {
		for range packets {
			count.Add(1)
		}
	}()

	fmt.Printf("{\"addr\": \"127.0.0.1:%d\"}\n", port)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Printf("{\"count\": %d, \"pool1\": %d, \"pool2\": %d}\n",
			count.Load(), messages[1].Load(), messages[2].Load())
	}
}

// freePort finds a number that is free for TCP and for UDP: the package can't.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	packets, err := net.ListenPacket("udp", listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer packets.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// The package logs every network error through a nil logger, so that a connection
// which ends before its first bytes kills the process. Nothing but this field is touched.
func giveLogger(node *gossip.Gossip) {
	transport := reflect.ValueOf(node).Elem().FieldByName("trans").Elem()
	field := transport.FieldByName("logger")
	*(**log.Logger)(unsafe.Pointer(field.UnsafeAddr())) = log.New(io.Discard, "", 0)
}

func serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	var buffer [64]byte
	if n, err := conn.Read(buffer[:]); n > 0 && err == nil {
		if _, err := conn.Write([]byte("k")); err == nil {
			count.Add(1)
		}
	}
}

// delegate counts messages and has nothing to say.
type delegate struct{ count *atomic.Int64 }

func (d *delegate) NotifyMsg([]byte)              { d.count.Add(1) }
func (d *delegate) NodeMeta(int) []byte           { return nil }
func (d *delegate) LocalState(bool) []byte        { return nil }
func (d *delegate) MergeRemoteState([]byte, bool) {}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
