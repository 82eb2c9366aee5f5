package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/euforia/gossip"
	"github.com/euforia/gossip/transport"
	"github.com/hashicorp/memberlist"

	"gossip.test/peer"
)

const (
	loopback = "127.0.0.1"
	patience = 5 * time.Second
	attempts = 10
)

// open binds a node and says where. The package advertises port 0 if it is
// given that, so a free port is looked for first; it may be lost to somebody
// else meanwhile, therefore more than one attempt.
func open(name string, port int) (node *gossip.Gossip, address string, err error) {
	for attempt := 0; attempt < attempts; attempt++ {
		config := gossip.DefaultConfig()
		config.Name = name
		config.Debug = true
		config.BindAddr, config.AdvertiseAddr = loopback, loopback
		config.BindPort = port
		if port == 0 {
			if config.BindPort, err = freePort(); err != nil {
				continue
			}
		}
		config.AdvertisePort = config.BindPort
		if node, err = gossip.New(config); err == nil {
			return node, net.JoinHostPort(loopback, strconv.Itoa(config.BindPort)), nil
		}
	}
	return nil, "", err
}

// freePort finds a number that is free for TCP and for UDP.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
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

// serveEcho answers each line with the node's name before it.
func serveEcho(listener net.Listener, name string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			lines := bufio.NewReader(conn)
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				fmt.Fprintf(conn, "%s: %s", name, line)
			}
		}()
	}
}

func serveHTTP(listener net.Listener, name string) {
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "hello from %s", name)
	}))
}

func reportPackets(packets <-chan *memberlist.Packet) {
	for packet := range packets {
		peer.Emit("packet", peer.Fields{"from": packet.From.String(), "data": string(packet.Buf)})
	}
}

// dial sends a line to a muxed listener and reports the line that comes back:
// `dial ADDRESS ID TEXT`.
func dial(arguments string) error {
	words := strings.SplitN(arguments, " ", 3)
	if len(words) < 3 {
		return fmt.Errorf("dial takes an address, an id and a text")
	}
	id, err := strconv.ParseUint(words[1], 0, 16)
	if err != nil {
		return err
	}
	conn, err := transport.DialTimeout(words[0], uint16(id), patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(conn, words[2]); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	peer.Emit("answer", peer.Fields{"data": strings.TrimSuffix(line, "\n")})
	return nil
}

// get reports the body of `GET /` at an address. A connection for each request,
// and none opened ahead: one that stays silent stops a port of this package.
func get(address string) error {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address + "/")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	peer.Emit("answer", peer.Fields{"data": string(body)})
	return nil
}
