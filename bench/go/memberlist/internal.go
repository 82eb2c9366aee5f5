package main

import (
	"bytes"
	"reflect"
	"unsafe" // also for go:linkname

	"github.com/hashicorp/memberlist"
)

// memberlist's own functions, which it keeps to itself.

//go:linkname encode github.com/hashicorp/memberlist.encode
func encode(kind uint8, in any, newTimeFormat bool) (*bytes.Buffer, error)

//go:linkname decode github.com/hashicorp/memberlist.decode
func decode(buf []byte, out any) error

//go:linkname makeCompoundMessage github.com/hashicorp/memberlist.makeCompoundMessage
func makeCompoundMessage(msgs [][]byte) *bytes.Buffer

//go:linkname decodeCompoundMessage github.com/hashicorp/memberlist.decodeCompoundMessage
func decodeCompoundMessage(buf []byte) (trunc int, parts [][]byte, err error)

//go:linkname compressPayload github.com/hashicorp/memberlist.compressPayload
func compressPayload(inp []byte, newTimeFormat bool) (*bytes.Buffer, error)

//go:linkname decompressPayload github.com/hashicorp/memberlist.decompressPayload
func decompressPayload(msg []byte) ([]byte, error)

//go:linkname encryptPayload github.com/hashicorp/memberlist.encryptPayload
func encryptPayload(version uint8, key, msg, data []byte, dst *bytes.Buffer) error

//go:linkname decryptPayload github.com/hashicorp/memberlist.decryptPayload
func decryptPayload(keys [][]byte, msg, data []byte) ([]byte, error)

// The types of its messages, field by field.
const aliveMsg = 4

type alive struct {
	Incarnation uint32
	Node        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Vsn         []uint8
}

// broadcastsOf is the queue of a node's own news.
func broadcastsOf(list *memberlist.Memberlist) *memberlist.TransmitLimitedQueue {
	field := reflect.ValueOf(list).Elem().FieldByName("broadcasts")
	return *(**memberlist.TransmitLimitedQueue)(unsafe.Pointer(field.UnsafeAddr()))
}
