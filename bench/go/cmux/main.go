// Command cmux serves two kinds of connections on one port by soheilhy/cmux:
// those that begin with 01 01, and all others. It prints where, and answers each
// line of its input with what it has counted.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"sync/atomic"

	"github.com/soheilhy/cmux"
)

var count atomic.Int64

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	port := cmux.New(listener)
	go serve(port.Match(cmux.PrefixMatcher("\x01\x01")))
	go serve(port.Match(cmux.Any()))
	go port.Serve()
	fmt.Printf("{\"addr\": \"%s\"}\n", listener.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Printf("{\"count\": %d}\n", count.Load())
	}
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
