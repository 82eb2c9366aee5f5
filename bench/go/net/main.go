// Command net serves connections on Go's own sockets. It prints where, and
// answers each line of its input with what it has counted.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"os"
	"sync/atomic"
)

var count atomic.Int64

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	fmt.Printf("{\"addr\": \"%s\"}\n", listener.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Printf("{\"count\": %d}\n", count.Load())
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
