// Command memberlist does with hashicorp/memberlist what gossip-bench does with
// this library: `memberlist CASE`. It prints a line of JSON for each figure.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	cases := map[string]func([]string){
		"broadcast": single,
		"codec":     func([]string) { codec() },
		"detect":    detect,
		"idle":      idle,
		"join":      join,
		"quiet":     quiet,
		"steady":    steady,
		"sustained": sustained,
	}
	if len(os.Args) > 1 {
		if run, ok := cases[os.Args[1]]; ok {
			run(os.Args[2:])
			return
		}
	}
	log.Fatalf("usage: memberlist CASE [ARGUMENT...]")
}

type fields map[string]float64

func tell(figure string, values fields) {
	line := map[string]any{"figure": figure}
	for name, value := range values {
		line[name] = value
	}
	fmt.Println(string(must(json.Marshal(line))))
}
