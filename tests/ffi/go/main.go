// Two nodes by cgo: join, a message, one muxed connection, the end.
package main

/*
#cgo pkg-config: gossip
#include <gossip/gossip.h>
#include <stdlib.h>

extern void onMessage(void *user, uint8_t *data, size_t len, gossip_message_t *message);

static gossip_delegate_t delegate_for(uintptr_t user)
{
    gossip_delegate_t delegate = {.struct_size = sizeof delegate, .user_data = (void *)user};
    delegate.notify_msg = (void (*)(void *, const uint8_t *, size_t, const gossip_message_t *))onMessage;
    return delegate;
}
*/
import "C"

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime/cgo"
	"time"
	"unsafe"
)

const patience = 10 * time.Second

var patienceMs = C.int32_t(patience / time.Millisecond)

func ok(status C.gossip_status_t, err *C.gossip_error_t) {
	if status != C.GOSSIP_OK {
		panic(C.GoString(C.gossip_status_name(status)) + ": " + C.GoString(C.gossip_error_message(err)))
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

//export onMessage
func onMessage(user unsafe.Pointer, data *C.uint8_t, length C.size_t, _ *C.gossip_message_t) {
	heard := cgo.Handle(uintptr(user)).Value().(chan string)
	heard <- string(C.GoBytes(unsafe.Pointer(data), C.int(length)))
}

// node starts a node with a pool and gives both, and its address.
func node(name string, delegate *C.gossip_delegate_t) (*C.gossip_t, *C.gossip_pool_t, string) {
	var (
		config *C.gossip_config_t
		lan    *C.gossip_pool_config_t
		gossip *C.gossip_t
		pool   *C.gossip_pool_t
		err    *C.gossip_error_t
		addr   C.gossip_addr_t
		text   [C.GOSSIP_ADDR_TEXT_SIZE]C.char
	)
	ok(C.gossip_config_new(&config), nil)
	for key, value := range map[string]string{"name": name, "bind_addr": "127.0.0.1", "bind_port": "0"} {
		k, v := C.CString(key), C.CString(value)
		ok(C.gossip_config_set(config, k, v, &err), err)
		C.free(unsafe.Pointer(k))
		C.free(unsafe.Pointer(v))
	}
	ok(C.gossip_new(config, &gossip, &err), err)
	ok(C.gossip_pool_config_new(1, C.GOSSIP_PRESET_LOCAL, &lan, &err), err)
	ok(C.gossip_register_pool(gossip, lan, delegate, &pool, &err), err)
	ok(C.gossip_start(gossip, &err), err)
	C.gossip_pool_config_free(lan)
	C.gossip_config_free(config)
	ok(C.gossip_local_addr(gossip, &addr), nil)
	ok(C.gossip_addr_format(&addr, &text[0], C.size_t(len(text)), nil), nil)
	return gossip, pool, C.GoString(&text[0])
}

// connection takes a descriptor of the library; net.FileConn makes a copy of its own.
func connection(fd C.gossip_fd_t) net.Conn {
	file := os.NewFile(uintptr(fd), "gossip")
	defer file.Close()
	return must(net.FileConn(file))
}

func main() {
	heard := make(chan string, 1)
	handle := cgo.NewHandle(heard)
	delegate := C.delegate_for(C.uintptr_t(handle))
	ada, adaPool, _ := node("ada", nil)
	bob, bobPool, bobAddr := node("bob", &delegate)

	var err *C.gossip_error_t
	seed := C.CString(bobAddr)
	defer C.free(unsafe.Pointer(seed))
	ok(C.gossip_pool_join(adaPool, &seed, 1, patienceMs, nil, &err), err)
	var count C.size_t
	for deadline := time.Now().Add(patience); count != 2; {
		ok(C.gossip_pool_num_members(adaPool, &count), nil)
		if time.Now().After(deadline) {
			panic(fmt.Sprintf("%d members", count))
		}
	}

	var members *C.gossip_members_t
	ok(C.gossip_pool_members(adaPool, &members), nil)
	name, hello := C.CString("bob"), C.CString("hello")
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(hello))
	member := C.gossip_members_find(members, name, 3)
	ok(C.gossip_pool_send_reliable(adaPool, member, unsafe.Pointer(hello), 5, patienceMs, nil, &err), err)
	C.gossip_members_free(members)
	select {
	case text := <-heard:
		if text != "hello" {
			panic(text)
		}
	case <-time.After(patience):
		panic("no message")
	}

	var listener *C.gossip_listener_t
	var out, taken C.gossip_fd_t
	ok(C.gossip_listen(bob, 7, &listener, &err), err)
	ok(C.gossip_dial(seed, 7, patienceMs, C.GOSSIP_FD_NONBLOCK, &out, &err), err)
	ok(C.gossip_listener_accept(listener, patienceMs, C.GOSSIP_FD_NONBLOCK, &taken, nil), nil)
	left, right := connection(out), connection(taken)
	must(left.Write([]byte("ping")))
	bytes := make([]byte, 4)
	must(io.ReadFull(right, bytes))
	if string(bytes) != "ping" {
		panic(string(bytes))
	}
	left.Close()
	right.Close()

	for _, gossip := range []*C.gossip_t{ada, bob} {
		ok(C.gossip_shutdown(gossip, patienceMs, &err), err)
		C.gossip_free(gossip)
	}
	C.gossip_listener_free(listener)
	C.gossip_pool_free(adaPool)
	C.gossip_pool_free(bobPool)
	handle.Delete()
	fmt.Println("cgo works")
}
