package main

import (
	"bytes"
	"fmt"
	"log"
	"time"
)

const (
	parts  = 20
	packet = 1400
	// How long a loop runs before its time is believed.
	enough = 150 * time.Millisecond
)

// codec does what gossip-bench's codec does, with memberlist's own functions.
func codec() {
	var messages [][]byte
	for number := range parts {
		buf := must(encode(aliveMsg, aliveOf(number), false))
		messages = append(messages, buf.Bytes())
	}
	message := aliveOf(7)
	size := len(messages[7])
	told("alive out", size, func() { must(encode(aliveMsg, message, false)) })
	told("alive in", size, func() {
		var in alive
		check(decode(messages[7][1:], &in))
	})

	compound := makeCompoundMessage(messages).Bytes()
	told("compound of 20 out", len(compound), func() { makeCompoundMessage(messages) })
	told("compound of 20 in", len(compound), func() {
		_, inside, err := decodeCompoundMessage(compound[1:])
		check(err)
		for _, message := range inside {
			var in alive
			check(decode(message[1:], &in))
		}
	})

	plain := bytes.Join(messages, nil)[:packet]
	compressed := must(compressPayload(plain, false)).Bytes()
	told("lzw 1400 out", len(plain), func() { must(compressPayload(plain, false)) })
	told("lzw 1400 in", len(plain), func() { must(decompressPayload(compressed[1:])) })

	key := bytes.Repeat([]byte{7}, 16)
	var sealed bytes.Buffer
	check(encryptPayload(1, key, plain, nil, &sealed))
	told("aes-gcm 1400 out", sealed.Len(), func() {
		var out bytes.Buffer
		check(encryptPayload(1, key, plain, nil, &out))
	})
	keys := [][]byte{key}
	told("aes-gcm 1400 in", sealed.Len(), func() { must(decryptPayload(keys, sealed.Bytes(), nil)) })
}

func aliveOf(number int) *alive {
	return &alive{
		Incarnation: 17,
		Node:        fmt.Sprintf("node-%04d.example.net", number),
		Addr:        []byte{10, 0, 0, 42},
		Port:        7946,
		Meta:        []byte("role=worker,zone=a"),
		Vsn:         []uint8{1, 5, 2, 0, 0, 0},
	}
}

// told measures a piece of work, garbage collection included, and prints it.
func told(figure string, size int, work func()) {
	for count := 1; ; {
		begun := time.Now()
		for range count {
			work()
		}
		took := time.Since(begun)
		if took >= enough {
			tell(figure, fields{"ns": float64(took.Nanoseconds()) / float64(count), "bytes": float64(size)})
			return
		}
		wanted := float64(count) * 1.2 * float64(enough) / float64(max(took, 1))
		count = int(min(wanted, float64(count)*100)) + 1
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
