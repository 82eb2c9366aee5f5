// Package log stands in for github.com/hexablock/log, which the module proxy
// does not serve. It has the part that euforia/gossip calls, on the standard
// logger; nothing of it is seen on the wire.
package log

import (
	"io"
	"log"
	"os"
)

// Logger prints to stderr once debugging is enabled.
type Logger struct {
	*log.Logger
}

// NewDefaultLogger returns a silent logger.
func NewDefaultLogger() *Logger {
	return &Logger{log.New(io.Discard, "", log.LstdFlags|log.Lmicroseconds)}
}

// EnableDebug switches between stderr and silence.
func (l *Logger) EnableDebug(enable bool) {
	if enable {
		l.SetOutput(os.Stderr)
	} else {
		l.SetOutput(io.Discard)
	}
}

// Infof prints a message.
func (l *Logger) Infof(format string, arguments ...any) {
	l.Printf("[INFO] "+format, arguments...)
}
