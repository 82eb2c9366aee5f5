// Package peer is what the Go programs of the interop tests have in common.
//
// A program is driven by lines on stdin, `COMMAND [ARGUMENTS]`, one at a time,
// and reports on stdout, one JSON object a line; the key "event" says what it
// is. Every command ends with {"event":"ok"} or {"event":"error"}, after any
// answer of its own. Logs go to stderr. The program ends when stdin does, so
// that none outlives the test that started it.
package peer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
)

// Fields are the keys of one event beside "event".
type Fields map[string]any

// Commands maps each command to what it does with the rest of its line.
type Commands map[string]func(arguments string) error

var stdout sync.Mutex

// Emit reports an event.
func Emit(event string, fields Fields) {
	line := Fields{"event": event}
	for key, value := range fields {
		line[key] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		Fail(err)
	}

	stdout.Lock()
	defer stdout.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

// Fail ends the program with a message.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Version is the release of a module that this program was built with.
func Version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == module {
				return dependency.Version
			}
		}
	}
	return "unknown"
}

// Serve runs commands until `quit` or the end of stdin.
//
// Lines have no length limit: a test may send messages of megabytes.
func Serve(commands Commands) {
	stdin := bufio.NewReader(os.Stdin)
	for {
		line, err := stdin.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "quit" {
			return
		}
		name, _, _ := strings.Cut(line, " ")
		if err := commands.Run(line); err != nil {
			Emit("error", Fields{"cmd": name, "error": err.Error()})
		} else {
			Emit("ok", Fields{"cmd": name})
		}
	}
}

// Run does the command that a line begins with. It is of the shape of a command
// itself, so that one command can lead to a set of others.
func (c Commands) Run(line string) error {
	name, arguments, _ := strings.Cut(line, " ")
	command, ok := c[name]
	if !ok {
		return fmt.Errorf("no command %q", name)
	}
	return command(arguments)
}
