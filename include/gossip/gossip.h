/*
 * libgossip: gossip pools and application protocols on one port.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * This file is the manual of the C interface. It is made from the sources of gossip-ffi;
 * change it there, then: UPDATE_HEADER=1 cargo test -p gossip-ffi --test header
 *
 *
 * In short
 * --------
 * gossip_new binds one port, TCP and UDP. gossip_register_pool adds a gossip pool, as many
 * as 256 for a port; gossip_start serves; gossip_pool_join meets the others. Pools speak
 * the protocol of hashicorp/memberlist. The program's own protocols share the port:
 * gossip_listen gives the connections that gossip_dial made for an id, gossip_listen_prefix
 * those of a protocol known by its first bytes, gossip_listen_tcp all others, gossip_packets
 * the datagrams, as ordinary sockets and bytes. examples/c shows whole programs.
 *
 *
 * Conventions
 * -----------
 * Status    A function that can fail returns gossip_status_t: 0 is success. Comments name
 *           codes without GOSSIP_ERR_; every function may also return PANIC and FATAL.
 *           Out-parameters are written on success only, and
 *           none may overlap another: pass NULL for what you do not want.
 * Defects   of the library do not end the program. A call that panics returns PANIC, or
 *           something neutral, and what it said is on standard error. As it may have left
 *           something half done, its node is FATAL from then on, or its queue: every call
 *           with a handle of that node, its pools, listeners and packets returns FATAL, but
 *           leave, shutdown, close and free, which end it as ever; make a new one. Until
 *           then it goes on gossiping, so that the others do not take it for dead, and
 *           calls that wait already go on waiting. A panic within a pool ends that pool:
 *           its functions return FATAL, until it is shut down and registered anew.
 * err       A function that has something to explain takes `gossip_error_t **err` last. It
 *           may be NULL. If not, *err is written by every call: NULL on success, else an
 *           object to read and to free with gossip_error_free. Where several things are
 *           wrong at once, gossip_error_problem_at has each.
 * Texts     in are UTF-8 and end with a NUL.
 * Bytes     in are a pointer and a length; NULL with length 0 is empty.
 * Buffers   are `buf` with room for `cap` bytes, or NULL with `cap` 0, for text out. It ends
 *           with a NUL, and is cut if it does not fit. `len`, which may be NULL, receives
 *           its length without the NUL, also with BUFFER_TOO_SMALL: `len` + 1 bytes fit.
 * Timeouts  are milliseconds: negative waits for ever, 0 does not wait. A call that runs out
 *           of time returns TIMEOUT, one that was not to wait AGAIN.
 * NULL      for a handle or an out-parameter that is needed returns NULL_ARG, freeing it
 *           does nothing, and a function that returns no status returns something neutral.
 *
 *
 * Who owns what
 * -------------
 * handle from an out-parameter   you; free it once with the _free of its type
 * handle given to a function     you; it is borrowed for the call, configurations copied
 * text, bytes given              you; copied, or borrowed for the call
 * text, bytes, member returned   the handle it came from, until that is freed
 * what a callback receives       the library, until the callback returns
 * descriptor                     you; close(2) it
 * descriptor from a _fd          the library, until the handle it came from is freed: only
 *                                watch it
 * descriptor given               the library on success, you on failure
 * user_data                      you, until `destroy` gives it back
 *
 * Handles may be freed in any order. A handle outlives what it stands for: after
 * gossip_shutdown the handles of pools and listeners answer CLOSED.
 *
 *
 * Which threads
 * -------------
 * const handle                   any number of threads at once
 * other handle                   one thread at a time: configurations, and every _free
 * callbacks: notify_*, merge_*   one library thread for a pool, in order
 * callbacks: questions           another one, with a deadline
 * callbacks: log                 one for a node, one record at a time
 * in a callback                  every function may be called; a shutdown that would wait
 *                                for that callback returns DEADLOCK
 * after fork, in the child       handles of nodes, pools, listeners, packets, queues answer
 *                                FORKED, and freeing them frees memory only
 * signals                        the library's threads block all, so handlers run on yours;
 *                                a helper that lives for one shutdown has its caller's mask.
 *                                Dispositions are never touched. No function may be called
 *                                from a signal handler.
 *
 * `destroy` is called exactly once, after the last callback has returned, never concurrently
 * with one, also when the registering call fails (unless it can't trust `struct_size`).
 *
 *
 * Callbacks or a queue
 * --------------------
 * What a pool tells and asks goes to a delegate, a struct of callbacks, or into a queue that
 * the program polls: for programs with a loop of their own, and for languages in which a
 * foreign thread must not call. The same things come either way, in the same order.
 *
 *                        delegate                       queue
 * given                  to gossip_register_pool        gossip_pool_config_set_queue
 * serves                 one pool; several may share    any number of pools and nodes
 *                        a struct
 * runs in                two threads of the library     any threads of yours, one or many
 * waits in a loop        no                             gossip_queue_fd in poll(2), epoll,
 *                                                       kqueue; gossip_queue_set_wake_fd
 * tells pools apart by   `user_data`                    tag and pool id of the event
 * what it gives          is borrowed until the          lives until gossip_event_free
 *                        callback returns
 * questions              those that are not NULL        those that `asks` names
 * answer                 what the callback returns      gossip_event_reply_verdict, _bytes,
 *                                                       later, from any thread
 * no answer in time      after query_timeout_ms the     the same; freeing the event gives
 *                        default                        the default at once
 * keeps up badly         up to message_queue_depth      up to the queue's limits, then the
 *                        wait, then notify_overflow     event OVERFLOW
 * is never lost          joins, leaves, updates, isolated, healed, migrated: they collapse into the latest
 * the pool's end         notify_shutdown, destroy       the event SHUTDOWN
 * its own end            after the pool's               gossip_queue_close, _free: any time
 *
 * One thread can serve everything: gossip_queue_fd, gossip_listener_fd and gossip_packets_fd
 * in one loop, each call with timeout 0 until it says AGAIN. examples/c/event_loop.c does.
 * A thread that is blocked in a join or a leave answers no questions meanwhile: if the queue
 * has any, do that in another thread.
 */


#ifndef GOSSIP_H
#define GOSSIP_H

#include <stddef.h>
#include <stdint.h>

#define GOSSIP_VERSION_MAJOR 0
#define GOSSIP_VERSION_MINOR 1
#define GOSSIP_VERSION_PATCH 0

/* A result that it is a mistake to ignore. */
#if defined(__GNUC__)
#define GOSSIP_NODISCARD __attribute__((warn_unused_result))
#else
#define GOSSIP_NODISCARD
#endif

/* What comes out of a shared library. Programs that link libgossip.a define GOSSIP_STATIC. */
#if defined(_WIN32) && !defined(GOSSIP_STATIC)
#define GOSSIP_API __declspec(dllimport)
#elif defined(__GNUC__) && !defined(GOSSIP_STATIC)
#define GOSSIP_API __attribute__((visibility("default")))
#else
#define GOSSIP_API
#endif


/// The status codes. Numbers never change and are never used again.
typedef enum {
    /// Done.
    GOSSIP_OK = 0,
    /// An argument has no meaning here; the message says which and why.
    GOSSIP_ERR_INVALID_ARG = -1,
    /// A pointer that must not be NULL is.
    GOSSIP_ERR_NULL_ARG = -2,
    /// A text is not UTF-8.
    GOSSIP_ERR_INVALID_UTF8 = -3,
    /// Not possible now: not started yet, or the pool has left.
    GOSSIP_ERR_INVALID_STATE = -4,
    /// The node, pool, listener, packet receiver or queue has been shut down.
    GOSSIP_ERR_CLOSED = -5,
    /// Nothing there, or no room, and the call was told not to wait.
    GOSSIP_ERR_AGAIN = -6,
    /// The time given ran out.
    GOSSIP_ERR_TIMEOUT = -7,
    /// The buffer is too small; `len` says what is needed.
    GOSSIP_ERR_BUFFER_TOO_SMALL = -8,
    /// The bytes do not fit where they must; the message names the limit.
    GOSSIP_ERR_TOO_LARGE = -9,
    /// There is no such thing.
    GOSSIP_ERR_NOT_FOUND = -10,
    /// There is one already.
    GOSSIP_ERR_EXISTS = -11,
    /// The listener id lies in 0xFE00..0xFEFF, which belongs to pools.
    GOSSIP_ERR_RESERVED = -12,
    /// In use: the primary key can't be removed.
    GOSSIP_ERR_IN_USE = -13,
    /// Called from a callback that the call would wait for; nothing has happened.
    GOSSIP_ERR_DEADLOCK = -14,
    /// Refused by a delegate or by the list of allowed networks.
    GOSSIP_ERR_REJECTED = -15,
    /// Not on this system or in this build.
    GOSSIP_ERR_UNSUPPORTED = -16,
    /// The program was compiled for a library that this one is not.
    GOSSIP_ERR_ABI_MISMATCH = -17,
    /// No memory.
    GOSSIP_ERR_OUT_OF_MEMORY = -18,
    /// A limit of the system was hit: descriptors, threads.
    GOSSIP_ERR_RESOURCE_LIMIT = -19,
    /// The system refused; `gossip_error_os_errno` says how.
    GOSSIP_ERR_IO = -20,
    /// Someone has the port.
    GOSSIP_ERR_ADDR_IN_USE = -21,
    /// No such address, or none of this host.
    GOSSIP_ERR_ADDR_INVALID = -22,
    /// A host name has no address.
    GOSSIP_ERR_RESOLVE = -23,
    /// A connection was refused or broke.
    GOSSIP_ERR_CONNECT = -24,
    /// No answer to a ping.
    GOSSIP_ERR_NO_RESPONSE = -25,
    /// No seed could be reached; `gossip_error_problem_at` has the reason for each.
    GOSSIP_ERR_JOIN_FAILED = -26,
    /// A peer said something that the protocol does not allow: it is no pool, or of another kind.
    GOSSIP_ERR_PROTOCOL = -27,
    /// A peer has other encryption keys, or has some where this side has none, or the reverse.
    GOSSIP_ERR_CRYPTO = -28,
    /// Configuration values cannot work; `gossip_error_problem_at` has each with its rule.
    GOSSIP_ERR_CONFIG = -29,
    /// A leave or shutdown overtook the call.
    GOSSIP_ERR_CANCELLED = -30,
    /// The handle was made before a fork, and this is the child.
    GOSSIP_ERR_FORKED = -31,
    /// The node, queue or pool can't go on: an earlier call, or a task of the pool, panicked.
    GOSSIP_ERR_FATAL = -32,
    /// A defect of the library: it panicked in this call. Please report it.
    GOSSIP_ERR_PANIC = -33,
    /// A defect of the library. Please report it.
    GOSSIP_ERR_INTERNAL = -34,
    /// The receiver got the message, and its program did not take it; the message says why.
    GOSSIP_ERR_NOT_TAKEN = -35,
    /// Not every member has taken the step of a migration; `gossip_error_problem_at` names each.
    GOSSIP_ERR_NOT_MIGRATED = -36,
} gossip_status_code_t;

/// The binary interface that this header describes. It is raised when programs must be
/// compiled again; functions and status codes that are added do not raise it.
typedef enum {
    /// The number for `gossip_abi_check`.
    GOSSIP_ABI_VERSION = 1,
} gossip_abi_t;

/// Sizes that programs need for their arrays.
typedef enum {
    /// Room for the text of every address, its NUL included.
    GOSSIP_ADDR_TEXT_SIZE = 64,
    /// Bytes of metadata that a node may announce.
    GOSSIP_META_MAX = 512,
    /// Bytes of the longest encryption key.
    GOSSIP_KEY_MAX = 32,
    /// Bytes of the longest label.
    GOSSIP_LABEL_MAX = 255,
} gossip_size_t;

/// What kind of value a key takes, as told by `gossip_config_key_at`.
typedef enum {
    /// `true` or `false`.
    GOSSIP_KEY_FLAG = 0,
    /// A whole number.
    GOSSIP_KEY_COUNT = 1,
    /// A whole number of milliseconds; the name ends in `_ms`.
    GOSSIP_KEY_DURATION = 2,
    /// Text as it stands.
    GOSSIP_KEY_TEXT = 3,
    /// Several values separated by commas.
    GOSSIP_KEY_LIST = 4,
} gossip_key_kind_t;

/// memberlist's presets.
typedef enum {
    /// The same as LAN.
    GOSSIP_PRESET_DEFAULT = 0,
    /// A local network.
    GOSSIP_PRESET_LAN = 1,
    /// Wide-area networks: slower, more patient.
    GOSSIP_PRESET_WAN = 2,
    /// One machine: fast.
    GOSSIP_PRESET_LOCAL = 3,
} gossip_preset_t;

/// The states of a member, as in memberlist.
typedef enum {
    /// Answers its pings, as far as is known.
    GOSSIP_STATE_ALIVE = 0,
    /// Did not answer someone's pings; dead unless it refutes in time.
    GOSSIP_STATE_SUSPECT = 1,
    /// Gone without a word.
    GOSSIP_STATE_DEAD = 2,
    /// Said goodbye.
    GOSSIP_STATE_LEFT = 3,
} gossip_state_t;

/// The way between this node and a member, as its probes show it.
typedef enum {
    /// It has not been probed yet.
    GOSSIP_PATH_UNKNOWN = 0,
    /// Datagrams go both ways.
    GOSSIP_PATH_DIRECT = 1,
    /// They do, but the answer comes later than `probe_timeout_ms`.
    GOSSIP_PATH_SLOW = 2,
    /// Its datagrams arrive here, ours get no answer.
    GOSSIP_PATH_ONE_WAY = 3,
    /// Others reach it, this node does not.
    GOSSIP_PATH_RELAYED = 4,
    /// TCP gets through, datagrams do not.
    GOSSIP_PATH_STREAM_ONLY = 5,
    /// Nothing has got through.
    GOSSIP_PATH_CUT = 6,
} gossip_path_t;

/// Whether a check worked.
typedef enum {
    /// It worked.
    GOSSIP_CHECK_OK = 0,
    /// It did not.
    GOSSIP_CHECK_FAILED = 1,
    /// It cannot be told.
    GOSSIP_CHECK_UNKNOWN = 2,
} gossip_check_t;

/// What a diagnosis concludes. Numbers never change; later versions may add some.
typedef enum {
    /// Everything that could be tried works.
    GOSSIP_FINDING_HEALTHY = 0,
    /// The system of this node refuses to send datagrams there.
    GOSSIP_FINDING_CANNOT_SEND = 1,
    /// Neither this node nor anybody asked gets an answer from it.
    GOSSIP_FINDING_UNREACHABLE = 2,
    /// Nobody who was asked answers this node either.
    GOSSIP_FINDING_CUT_OFF = 3,
    /// The host answers, but nothing listens on that port.
    GOSSIP_FINDING_NOT_LISTENING = 4,
    /// No TCP connection from here to there, while datagrams go.
    GOSSIP_FINDING_TCP_OUT_BLOCKED = 5,
    /// A connection stands, and nothing is ever said on it.
    GOSSIP_FINDING_TCP_SILENT = 6,
    /// Datagrams from here to there are lost: those from there arrive.
    GOSSIP_FINDING_UDP_OUT_BLOCKED = 7,
    /// Datagrams are lost in one direction or both; which cannot be told.
    GOSSIP_FINDING_UDP_BLOCKED = 8,
    /// Nobody who was asked by datagram answers this node: its own UDP is blocked.
    GOSSIP_FINDING_UDP_BLOCKED_HERE = 9,
    /// Some small datagrams are lost, some not.
    GOSSIP_FINDING_UDP_LOSSY = 10,
    /// Small datagrams arrive, those of the full size do not: the path's MTU is smaller.
    GOSSIP_FINDING_LARGE_DATAGRAMS_LOST = 11,
    /// It speaks without the label that this pool has.
    GOSSIP_FINDING_LABEL_MISMATCH = 12,
    /// It closes the connection without a word: another label, another pool id or framing.
    GOSSIP_FINDING_OTHER_POOL = 13,
    /// It encrypts with a key that this pool does not have, or the other way round.
    GOSSIP_FINDING_KEY_MISMATCH = 14,
    /// It encrypts, this pool has no keys or does not use them.
    GOSSIP_FINDING_KEYS_MISSING_HERE = 15,
    /// This pool encrypts, it has no keys or does not use them.
    GOSSIP_FINDING_KEYS_MISSING_THERE = 16,
    /// Something answers that does not speak memberlist's protocol.
    GOSSIP_FINDING_NOT_MEMBERLIST = 17,
    /// A node of another name has that address.
    GOSSIP_FINDING_OTHER_NAME = 18,
    /// It and this node understand no common protocol version.
    GOSSIP_FINDING_VERSION_MISMATCH = 19,
    /// Datagrams from it arrive, and cannot be read.
    GOSSIP_FINDING_DATAGRAMS_REFUSED = 20,
    /// Its address lies in no network that this pool allows.
    GOSSIP_FINDING_NOT_ALLOWED = 21,
} gossip_finding_t;

/// What `local_state` returns.
typedef enum {
    /// The callback failed.
    GOSSIP_CB_FAILED = 0,
    /// The buffer holds the answer, which may be empty.
    GOSSIP_CB_DONE = 1,
} gossip_cb_t;

/// What the other questions return; 0 is a callback that failed.
typedef enum {
    /// Yes.
    GOSSIP_VERDICT_ACCEPT = 1,
    /// No.
    GOSSIP_VERDICT_REJECT = 2,
} gossip_verdict_t;

/// How certain it is that a reliable message arrived.
typedef enum {
    /// The receiver has acknowledged it: its callback has returned, or its queue holds it.
    GOSSIP_DELIVERY_ACKNOWLEDGED = 1,
    /// The receiver, which does not acknowledge, has closed the connection in good order after
    /// the message. A node of memberlist does so when its delegate has returned.
    GOSSIP_DELIVERY_CLOSED = 2,
} gossip_delivery_t;

/// Where a pool moves.
typedef enum {
    /// An encrypted pool to another key of 16, 24 or 32 bytes. It is sent, encrypted, to the
    /// members that do not hold it.
    GOSSIP_MIGRATION_KEY = 1,
    /// From clear text to encryption with a key that every member holds already, and neither
    /// uses nor requires (`gossip_verify_incoming`, `gossip_verify_outgoing`).
    GOSSIP_MIGRATION_ENCRYPTION = 2,
    /// To another label of at most 255 bytes, or none.
    GOSSIP_MIGRATION_LABEL = 3,
} gossip_migration_kind_t;

/// The steps of a migration; each is taken by every member before the next.
typedef enum {
    /// The new is understood beside the old.
    GOSSIP_STEP_ACCEPT = 1,
    /// The new is spoken, the old still understood.
    GOSSIP_STEP_SPEAK = 2,
    /// The old is understood no longer.
    GOSSIP_STEP_REQUIRE = 3,
} gossip_step_t;

/// What a migration passes over; they may be added.
typedef enum {
    /// Members that take no such requests, such as those of memberlist: somebody does the steps
    /// there by hand.
    GOSSIP_MIGRATION_BY_HAND = 1,
    /// Members that died without a goodbye, and may come back with what they knew.
    GOSSIP_MIGRATION_WITHOUT_LOST = 2,
} gossip_migration_flag_t;

/// Which members of a report.
typedef enum {
    /// Those that have taken the last step, this node included.
    GOSSIP_MIGRATION_MEMBERS = 1,
    /// Those that were passed over because they take no such requests.
    GOSSIP_MIGRATION_MANUAL = 2,
    /// Those that were passed over because they are dead; if they come back as they were, they
    /// do not get in.
    GOSSIP_MIGRATION_LOST = 3,
} gossip_migration_part_t;

/// How a descriptor is handed over.
typedef enum {
    /// Blocking, as after `accept(2)`.
    GOSSIP_FD_BLOCKING = 0,
    /// Non-blocking, for event loops.
    GOSSIP_FD_NONBLOCK = 1,
} gossip_fd_flag_t;

/// Which connections a listener takes.
typedef enum {
    /// All that belong to nobody else: `gossip_listen_tcp`.
    GOSSIP_LISTENER_NATIVE = 0,
    /// Those of a two-byte id: `gossip_listen`.
    GOSSIP_LISTENER_ID = 1,
    /// Those that begin with certain bytes: `gossip_listen_prefix`.
    GOSSIP_LISTENER_PREFIX = 2,
} gossip_listener_kind_t;

/// Ids of `gossip_dial` that are none.
typedef enum {
    /// Write no id: for the native listener, and for every other server.
    GOSSIP_DIAL_NATIVE = -1,
} gossip_dial_t;

/// How much is logged; each level includes those before it.
typedef enum {
    /// Nothing.
    GOSSIP_LOG_OFF = 0,
    /// A pool or the node cannot go on.
    GOSSIP_LOG_ERROR = 1,
    /// An operator should act; the field `hint` says how. Each at most once a minute.
    GOSSIP_LOG_WARN = 2,
    /// The life of the node and its pools.
    GOSSIP_LOG_INFO = 3,
    /// Each event: a member joined, a message was refused.
    GOSSIP_LOG_DEBUG = 4,
    /// Each packet.
    GOSSIP_LOG_TRACE = 5,
} gossip_log_level_t;

/// Questions that a pool puts into its queue; add up those that you answer.
typedef enum {
    /// None: the published state is taken, everybody admitted.
    GOSSIP_ASK_NOTHING = 0,
    /// The state for each push/pull, instead of the published one.
    GOSSIP_ASK_LOCAL_STATE = 1,
    /// Whether the state received in a join may be merged.
    GOSSIP_ASK_MERGE = 2,
    /// Whether a node may be a member, for each new or changed one.
    GOSSIP_ASK_ALIVE = 4,
    /// Whether a silent node may be pinged over TCP.
    GOSSIP_ASK_TCP_PING = 8,
} gossip_ask_t;

/// What kind of event it is, and which accessors it fills. Numbers never change their
/// meaning; ignore those that you do not know.
typedef enum {
    /// No event: that of NULL.
    GOSSIP_EVENT_NONE = 0,
    /// A node joined or came back, also this node itself at the start: `member`.
    GOSSIP_EVENT_JOIN = 1,
    /// A node is gone: `member`, whose state says whether it died or left.
    GOSSIP_EVENT_LEAVE = 2,
    /// A node changed its metadata: `member`.
    GOSSIP_EVENT_UPDATE = 3,
    /// The node `other_member` claims the name of `member`, and was refused.
    GOSSIP_EVENT_CONFLICT = 4,
    /// A message arrived: `data`, `from`, `is_reliable`, and `message`, which knows more.
    GOSSIP_EVENT_MESSAGE = 5,
    /// Another node's published state arrived: `data`, `is_join`.
    GOSSIP_EVENT_REMOTE_STATE = 6,
    /// A probe was answered directly: `member`, `rtt_ns`, and its ack payload as `data`.
    GOSSIP_EVENT_PING_COMPLETE = 7,
    /// Events were dropped since this was last told, because the queue was full: `dropped`.
    /// It belongs to no pool. Changes of membership are never dropped.
    GOSSIP_EVENT_OVERFLOW = 8,
    /// The pool has ended: its last event.
    GOSSIP_EVENT_SHUTDOWN = 9,
    /// The state for a push/pull? `is_join`. Answer with `gossip_event_reply_bytes`; default:
    /// that of `gossip_pool_set_local_state`.
    GOSSIP_EVENT_ASK_LOCAL_STATE = 10,
    /// May the state received in a join, with these `members`, be merged? Answer with
    /// `gossip_event_reply_verdict`; default: no.
    GOSSIP_EVENT_ASK_MERGE = 11,
    /// May `member` be one? Answer with `gossip_event_reply_verdict`; default: no.
    GOSSIP_EVENT_ASK_ALIVE = 12,
    /// May the silent node whose name is `data` be pinged over TCP? Answer with
    /// `gossip_event_reply_verdict`; default: yes.
    GOSSIP_EVENT_ASK_TCP_PING = 13,
    /// This node reaches no other member any more, or has tried all its seeds in vain. It goes
    /// on trying. Never dropped: together with the next one it collapses into that.
    GOSSIP_EVENT_ISOLATED = 14,
    /// This node has company again, or lost members are back: `returned`, `missing`. Never
    /// dropped, as above.
    GOSSIP_EVENT_HEALED = 15,
    /// This node has taken a step of a migration: its keys, its encryption or its label have
    /// changed (`migration_kind`, `step`), as the member asked whose name is `data`. Write
    /// them to where the configuration comes from. Never dropped, as above.
    GOSSIP_EVENT_MIGRATED = 16,
} gossip_event_type_t;

/// Where a callback writes its answer, until it returns.
typedef struct gossip_buffer_t gossip_buffer_t;

/// What can be chosen about a node: name, address, port, limits. A new one holds the
/// defaults; keys are set by name. It belongs to one thread at a time and is copied by
/// `gossip_new`.
typedef struct gossip_config_t gossip_config_t;

/// What the doctor has found about the way to a peer. It never changes.
typedef struct gossip_diagnosis_t gossip_diagnosis_t;

/// Why a call failed: the status, a sentence for people, and what else is known. Made
/// by functions with an `err` parameter; free it with `gossip_error_free`. It never
/// changes, so its texts live as long as it does.
typedef struct gossip_error_t gossip_error_t;

/// Something that a pool told or asked. It never changes, so many threads may read it, and
/// everything it hands out lives until it is freed.
typedef struct gossip_event_t gossip_event_t;

/// Why this node believes of a member what it believes, at one moment. It never changes.
typedef struct gossip_explanation_t gossip_explanation_t;

/// What a join reached, and what not. It never changes.
typedef struct gossip_joined_t gossip_joined_t;

/// Receives the connections of one listener id or prefix, or all that belong to nobody else.
typedef struct gossip_listener_t gossip_listener_t;

/// The listeners of a node at one moment, with what each had counted. It never changes.
typedef struct gossip_listeners_t gossip_listeners_t;

/// One member: in a snapshot until that is freed, in a callback until that returns.
typedef struct gossip_member_t gossip_member_t;

/// The members of a pool at one moment. It never changes, so many threads may read it,
/// and everything it hands out lives until it is freed.
typedef struct gossip_members_t gossip_members_t;

/// Where a message came from, how and when. That of a callback lives until the callback
/// returns, that of an event as long as the event.
typedef struct gossip_message_t gossip_message_t;

/// How a migration went that came where it should. It never changes.
typedef struct gossip_migration_t gossip_migration_t;

/// Receives the datagrams that are no gossip, and sends from the shared port.
typedef struct gossip_packets_t gossip_packets_t;

/// What can be chosen about a pool. A new one holds a preset; keys are set by name. It
/// belongs to one thread at a time and is copied by `gossip_register_pool`.
typedef struct gossip_pool_config_t gossip_pool_config_t;

/// A pool of a node. Several handles can stand for the same pool; freeing one does not
/// end the pool, `gossip_pool_shutdown` or the node's end does.
typedef struct gossip_pool_t gossip_pool_t;

/// A bounded queue of what any number of pools, on any number of nodes, tell and ask. Pools
/// put into it if their configuration says so: `gossip_pool_config_set_queue`.
///
/// When it is full, messages, states, conflicts, pings and questions are dropped, counted
/// and told by one event. Changes of membership are never lost: beyond the limit those of
/// one member in one pool collapse into the latest.
typedef struct gossip_queue_t gossip_queue_t;

/// One line of the log, until the callback returns.
typedef struct gossip_record_t gossip_record_t;

/// Counters at one moment, each with a name. It never changes.
typedef struct gossip_stats_t gossip_stats_t;

/// A node: one TCP and UDP port, up to 256 pools that gossip on it, and the program's
/// own listeners beside them. `gossip_new` binds, `gossip_start` serves,
/// `gossip_shutdown` ends, `gossip_free` frees.
typedef struct gossip_t gossip_t;

/// How a call went: 0 is success, everything else one of `gossip_status_code_t`. Treat a
/// code you do not know as a failure: later versions may add some.
typedef int32_t gossip_status_t;

/// An IP address and a port. This layout is frozen: 32 bytes, no more fields ever.
typedef struct {
    /// 4 or 6, as in IPv4 and IPv6.
    uint16_t family;
    /// The port, in the byte order of this machine.
    uint16_t port;
    /// The interface of a link-local IPv6 address; otherwise 0.
    uint32_t scope_id;
    /// The address, most significant byte first; IPv4 takes the first four.
    uint8_t ip[16];
    /// Zero.
    uint8_t reserved[8];
} gossip_addr_t;

/// The callbacks of a pool, given to `gossip_register_pool`, which copies the struct.
/// Every pointer may be NULL; the first two fields are needed. Later versions append
/// fields and nothing else, so `struct_size` tells the library which you know.
///
/// Callbacks run on threads of the library, with no lock held, and may call every
/// function of this library; only a shutdown that would wait for its own callback is
/// refused, with DEADLOCK. A slow callback delays the pool's later callbacks and nothing
/// else. What a callback receives is borrowed until it returns. Callbacks must not unwind:
/// in C++ catch everything.
///
/// `notify_*` and `merge_remote_state` run one at a time, in the order in which things
/// happened. The four questions run on another thread and have `query_timeout_ms` to
/// answer. 0 is "the callback failed", so that the zero which many languages return when
/// a callback throws is never a yes.
typedef struct {
    /// `sizeof(gossip_delegate_t)`.
    size_t struct_size;
    /// The first argument of every callback; the library does not look at it.
    void *user_data;
    /// Called exactly once, after the last callback has returned, never concurrently with
    /// one, also when the registering call fails; not if that refuses `struct_size`.
    void (*destroy)(void *user_data);
    /// A node joined or came back; also this node itself at the start.
    void (*notify_join)(void *user_data, const gossip_member_t *member);
    /// A node is gone; its state says whether it died or left.
    void (*notify_leave)(void *user_data, const gossip_member_t *member);
    /// A node changed its metadata.
    void (*notify_update)(void *user_data, const gossip_member_t *member);
    /// The node `other` claims the name of `existing`, and was refused.
    void (*notify_conflict)(void *user_data,
                            const gossip_member_t *existing,
                            const gossip_member_t *other);
    /// A message arrived: a broadcast or one for this node. `message` knows more about it.
    void (*notify_msg)(void *user_data,
                       const uint8_t *data,
                       size_t len,
                       const gossip_message_t *message);
    /// Another node's published state arrived; `join` is 1 if in a join.
    void (*merge_remote_state)(void *user_data, const uint8_t *data, size_t len, int32_t join);
    /// A probe of `member` was answered directly, with its ack payload.
    void (*notify_ping_complete)(void *user_data,
                                 const gossip_member_t *member,
                                 int64_t rtt_ns,
                                 const uint8_t *payload,
                                 size_t len);
    /// So many messages, states, conflicts and pings were dropped, because the callbacks above
    /// did not keep up (`message_queue_depth`); changes of membership never are.
    void (*notify_overflow)(void *user_data, uint64_t dropped);
    /// The pool has ended; after this comes `destroy` and nothing else.
    void (*notify_shutdown)(void *user_data);
    /// Appends the state for a push/pull to `out` and returns `GOSSIP_CB_DONE`. Anything
    /// else, or too late: the state of `gossip_pool_set_local_state` is taken.
    int32_t (*local_state)(void *user_data, int32_t join, gossip_buffer_t *out);
    /// Whether the state received in a join with these nodes may be merged: a
    /// `GOSSIP_VERDICT_*`, with a text in `reason` for the log. Anything else, or too late: no.
    int32_t (*notify_merge)(void *user_data,
                            const gossip_members_t *members,
                            gossip_buffer_t *reason);
    /// Whether a node may be a member, asked for each new or changed one: a
    /// `GOSSIP_VERDICT_*`, with a text in `reason` for the log. Anything else, or too late: no.
    int32_t (*notify_alive)(void *user_data, const gossip_member_t *member, gossip_buffer_t *reason);
    /// Whether a silent node may be pinged over TCP: a `GOSSIP_VERDICT_*`. Anything else,
    /// or too late: yes.
    int32_t (*allow_tcp_ping)(void *user_data, const char *name, size_t len);
    /// This node reaches no other member any more, or has tried all its seeds in vain. It goes
    /// on trying.
    void (*notify_isolated)(void *user_data);
    /// This node has company again, or `returned` members that it had lost are back, while
    /// `missing` are still looked for.
    void (*notify_healed)(void *user_data, size_t returned, size_t missing);
    /// This node has taken a step of a migration (`kind` of `gossip_migration_kind_t`, `step` of
    /// `gossip_step_t`), as the member `by` asked: its keys, its encryption or its label have
    /// changed. Write them to where the configuration comes from, or it does not get in when
    /// it is started again.
    void (*notify_migrated)(void *user_data, int32_t kind, int32_t step, const char *by);
} gossip_delegate_t;

/// A descriptor of the operating system.
typedef int gossip_fd_t;

/// Called for each member that has taken a step (of `gossip_step_t`), `trouble` being NULL, or is
/// in the way of one. `done` of `total` members have taken it.
typedef void (*gossip_progress_cb_t)(void *user_data,
                                     int32_t step,
                                     const char *member,
                                     const char *trouble,
                                     size_t done,
                                     size_t total);

/// Receives the log of a node, one record at a time.
typedef void (*gossip_log_cb_t)(void *user_data, const gossip_record_t *record);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// The name of a code as it stands in this header, such as `GOSSIP_ERR_TIMEOUT`; for an
/// unknown one `GOSSIP_ERR_UNKNOWN`.
///
/// Memory: the text is static. Threads: any. Blocks: no.
GOSSIP_API const char *gossip_status_name(gossip_status_t status);

/// A code in a few English words. The error object of a call says more.
///
/// Memory: the text is static. Threads: any. Blocks: no.
GOSSIP_API const char *gossip_status_message(gossip_status_t status);

/// 1 if the same call may succeed later, such as after a timeout; 0 otherwise.
///
/// Memory: none. Threads: any. Blocks: no.
GOSSIP_API int32_t gossip_status_is_retriable(gossip_status_t status);

/// How many codes this library knows, for generators of bindings.
///
/// Memory: none. Threads: any. Blocks: no.
GOSSIP_API size_t gossip_status_count(void);

/// The code at `index`, 0 to `gossip_status_count()` - 1.
///
/// Memory: `status` is written on success. Threads: any. Blocks: no.
/// Status: NOT_FOUND behind the last.
GOSSIP_API gossip_status_t gossip_status_at(size_t index, gossip_status_t *status);

/// The status that the failed call returned; OK for NULL.
///
/// Memory: borrows `error`. Threads: any. Blocks: no.
/// Status: that of the call.
GOSSIP_API gossip_status_t gossip_error_code(const gossip_error_t *error);

/// What went wrong, in a sentence with value and limit, UTF-8; empty for NULL.
///
/// Memory: the text lives as long as `error`. Threads: any. Blocks: no.
GOSSIP_API const char *gossip_error_message(const gossip_error_t *error);

/// The `errno` of the system call behind the failure; 0 if there was none.
///
/// Memory: borrows `error`. Threads: any. Blocks: no.
GOSSIP_API int32_t gossip_error_os_errno(const gossip_error_t *error);

/// The configuration key or argument at fault; empty if there is none.
///
/// Memory: the text lives as long as `error`. Threads: any. Blocks: no.
GOSSIP_API const char *gossip_error_field(const gossip_error_t *error);

/// How many problems an error lists: with CONFIG one for each configuration value that
/// cannot work, so that all can be mended at once; of a join one for each seed or
/// address that was not reached, of a migration one for each member that has not taken the
/// step; otherwise 0, and 0 for NULL.
///
/// Memory: borrows `error`. Threads: any. Blocks: no.
GOSSIP_API size_t gossip_error_problem_count(const gossip_error_t *error);

/// The problem at `index`, in three texts: the configuration key (a duration's without its
/// `_ms`), its value (that of a secret is never told), and the rule that it breaks, with the
/// limit. Of a join: `seeds`, the seed or address, and why it was not reached. Of a migration:
/// `members`, the name of one that has not taken the step, and why not. Each out-parameter
/// may be NULL.
///
/// Memory: the texts live as long as `error`. Threads: any. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_error_problem_at(const gossip_error_t *error,
                                        size_t index,
                                        const char **field,
                                        const char **value,
                                        const char **rule);

/// Frees an error; NULL is fine.
///
/// Memory: ends `error` and its texts. Threads: any. Blocks: no.
GOSSIP_API void gossip_error_free(gossip_error_t *error);

/// The version of the library that was loaded, such as `0.1.0`.
///
/// Memory: the text is static. Threads: any. Blocks: no.
GOSSIP_API const char *gossip_version_string(void);

/// The same as a number: major * 1000000 + minor * 1000 + patch.
///
/// Memory: none. Threads: any. Blocks: no.
GOSSIP_API uint32_t gossip_version_number(void);

/// The binary interface of the library that was loaded.
///
/// Memory: none. Threads: any. Blocks: no.
GOSSIP_API uint32_t gossip_abi_version(void);

/// Whether a program compiled with this header can use the library that was loaded:
/// call it with `GOSSIP_ABI_VERSION`.
///
/// Memory: none. Threads: any. Blocks: no.
/// Status: ABI_MISMATCH if not.
GOSSIP_API gossip_status_t gossip_abi_check(uint32_t header_abi);

/// Reads an address such as `192.0.2.1:7946` or `[2001:db8::1]:7946`. Host names are not
/// looked up.
///
/// Memory: `addr` is written on success. Threads: any. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; ADDR_INVALID if the text is no address with a port.
GOSSIP_API
gossip_status_t gossip_addr_parse(const char *addr_text,
                                  gossip_addr_t *addr,
                                  gossip_error_t **err);

/// Writes an address in the form that `gossip_addr_parse` reads. `GOSSIP_ADDR_TEXT_SIZE`
/// bytes are enough for every one.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any. Blocks: no.
/// Status: NULL_ARG, BUFFER_TOO_SMALL; INVALID_ARG if the family is neither 4 nor 6.
GOSSIP_API
gossip_status_t gossip_addr_format(const gossip_addr_t *addr,
                                   char *buf,
                                   size_t cap,
                                   size_t *len);

/// Makes a configuration with the defaults.
///
/// Memory: `config` is yours: gossip_config_free. Threads: any. Blocks: no.
/// Status: NULL_ARG.
GOSSIP_API gossip_status_t gossip_config_new(gossip_config_t **config);

/// Sets a key from text: `gossip_config_set(config, "bind_port", "7946", &err)`. The keys
/// stand in the manual and in `gossip_config_key_at`. On failure nothing has changed.
///
/// Memory: copies both texts. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; CONFIG for an unknown key or an impossible value.
GOSSIP_API
gossip_status_t gossip_config_set(gossip_config_t *config,
                                  const char *key,
                                  const char *value,
                                  gossip_error_t **err);

/// Reads a key as text, in the form that `gossip_config_set` takes.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8, BUFFER_TOO_SMALL; CONFIG for an unknown key.
GOSSIP_API
gossip_status_t gossip_config_get(const gossip_config_t *config,
                                  const char *key,
                                  char *buf,
                                  size_t cap,
                                  size_t *len);

/// Frees a configuration; NULL is fine. Nodes made from it keep their copy.
///
/// Memory: ends `config`. Threads: one at a time. Blocks: no.
GOSSIP_API void gossip_config_free(gossip_config_t *config);

/// How many keys a node's configuration has.
///
/// Memory: none. Threads: any. Blocks: no.
GOSSIP_API size_t gossip_config_key_count(void);

/// The key at `index`: its name, its kind (`gossip_key_kind_t`), its range and its
/// meaning in words. Each out-parameter may be NULL.
///
/// Memory: the texts are static. Threads: any. Blocks: no.
/// Status: NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_config_key_at(size_t index,
                                     const char **name,
                                     int32_t *kind,
                                     const char **range,
                                     const char **about);

/// Makes a pool's configuration from its `id`, 0 to 255, and a `preset` of
/// `gossip_preset_t`.
///
/// Memory: `config` is yours: gossip_pool_config_free. Threads: any. Blocks: no.
/// Status: NULL_ARG; INVALID_ARG for an id or preset that does not exist.
GOSSIP_API
gossip_status_t gossip_pool_config_new(int32_t id,
                                       int32_t preset,
                                       gossip_pool_config_t **config,
                                       gossip_error_t **err);

/// Sets a key from text: `gossip_pool_config_set(config, "probe_interval_ms", "500",
/// &err)`. The keys stand in the manual and in `gossip_pool_config_key_at`. On failure
/// nothing has changed.
///
/// Memory: copies both texts. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; CONFIG for an unknown key or an impossible value.
GOSSIP_API
gossip_status_t gossip_pool_config_set(gossip_pool_config_t *config,
                                       const char *key,
                                       const char *value,
                                       gossip_error_t **err);

/// Reads a key as text, in the form that `gossip_pool_config_set` takes. Encryption keys
/// have no text form.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8, BUFFER_TOO_SMALL; CONFIG for an unknown key.
GOSSIP_API
gossip_status_t gossip_pool_config_get(const gossip_pool_config_t *config,
                                       const char *key,
                                       char *buf,
                                       size_t cap,
                                       size_t *len);

/// Adds an AES key of 16, 24 or 32 bytes. The first one encrypts, all decrypt; without
/// any the pool is not encrypted. On failure nothing has changed.
///
/// Memory: copies the key, and wipes the copy in the end. Threads: one at a time.
/// Blocks: no.
/// Status: NULL_ARG; INVALID_ARG for other lengths.
GOSSIP_API
gossip_status_t gossip_pool_config_add_key(gossip_pool_config_t *config,
                                           const void *key,
                                           size_t len,
                                           gossip_error_t **err);

/// Lets the pools made from this configuration put what happens into `queue`, instead of
/// calling a delegate; NULL ends that. `tag`, any number, comes back with each event.
/// `asks` is the sum of the `gossip_ask_t` that you answer; the others have their default.
///
/// Memory: borrows `queue` for the call; after gossip_queue_free pools cannot be made with
/// it. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, FORKED; INVALID_ARG for unknown `asks`.
GOSSIP_API
gossip_status_t gossip_pool_config_set_queue(gossip_pool_config_t *config,
                                             const gossip_queue_t *queue,
                                             uint64_t tag,
                                             uint32_t asks,
                                             gossip_error_t **err);

/// Sets the metadata that the node announces at its start, at most `GOSSIP_META_MAX`
/// bytes. `(NULL, 0)` is none. The key `meta` does the same for text.
///
/// Memory: copies the bytes. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG; a length that cannot work is refused by gossip_register_pool.
GOSSIP_API
gossip_status_t gossip_pool_config_set_meta(gossip_pool_config_t *config,
                                            const void *meta,
                                            size_t len,
                                            gossip_error_t **err);

/// Sets a label of any bytes, 255 at most; the keys of the same names take text only. `key`
/// is `label` for that of a prefix pool, `framing` to make it a label pool of that label,
/// `next_label` or `former_label` for the other one while a cluster moves, where no bytes at
/// all are the move to or from no label. On failure nothing has changed.
///
/// Memory: copies both. Threads: one at a time. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; CONFIG for another key or an impossible length.
GOSSIP_API
gossip_status_t gossip_pool_config_set_label(gossip_pool_config_t *config,
                                             const char *key,
                                             const void *label,
                                             size_t len,
                                             gossip_error_t **err);

/// Frees a pool's configuration; NULL is fine. Pools made from it keep their copy.
///
/// Memory: ends `config`. Threads: one at a time. Blocks: no.
GOSSIP_API void gossip_pool_config_free(gossip_pool_config_t *config);

/// How many keys a pool's configuration has.
///
/// Memory: none. Threads: any. Blocks: no.
GOSSIP_API size_t gossip_pool_config_key_count(void);

/// The key at `index`: its name, its kind (`gossip_key_kind_t`), its range and its
/// meaning in words. Each out-parameter may be NULL.
///
/// Memory: the texts are static. Threads: any. Blocks: no.
/// Status: NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_pool_config_key_at(size_t index,
                                          const char **name,
                                          int32_t *kind,
                                          const char **range,
                                          const char **about);

/// Checks the configuration and binds the port, TCP and UDP. Nothing is served before
/// `gossip_start`. A NULL `config` means the defaults.
///
/// Memory: `node` is yours: gossip_free; copies `config`. Threads: any. Blocks: no.
/// Status: NULL_ARG; CONFIG, with field, value and rule; ADDR_IN_USE, ADDR_INVALID,
/// RESOURCE_LIMIT, IO if the port can't be had.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_new(const gossip_config_t *config,
                           gossip_t **node,
                           gossip_error_t **err);

/// Serves the port and starts every registered pool: all or nothing. A second call does
/// nothing.
///
/// Memory: borrows `node`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; RESOURCE_LIMIT, IO, REJECTED if it could not start.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_start(const gossip_t *node,
                             gossip_error_t **err);

/// Leaves every pool, so that the others see this node as left and not as dead. The
/// pools stay usable: join again, or shut down.
///
/// Memory: borrows `node`. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, CLOSED, FORKED, INVALID_STATE before the start; AGAIN, TIMEOUT if the
/// goodbye could not be sent as often as it should.
GOSSIP_API
gossip_status_t gossip_leave(const gossip_t *node,
                             int32_t timeout_ms,
                             gossip_error_t **err);

/// Ends the node: wakes every blocked call with CLOSED, waits for running callbacks, runs
/// the delegates' `destroy`, frees port, threads and descriptors. It does not leave: call
/// `gossip_leave` first, or the others think that the node died. After OK nothing of the
/// library runs any more. It may be called again, and after TIMEOUT should be.
///
/// Memory: `node` and all handles stay valid, and answer CLOSED. Threads: any; from a
/// callback of this node it returns DEADLOCK and does nothing. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, FORKED, DEADLOCK; AGAIN, TIMEOUT if a callback still runs.
GOSSIP_API
gossip_status_t gossip_shutdown(const gossip_t *node,
                                int32_t timeout_ms,
                                gossip_error_t **err);

/// Frees a node; NULL is fine. A node that has not been shut down is, without leaving.
/// Handles of its pools, listeners and packet receiver may be freed before or after it.
///
/// Memory: ends `node`. Threads: any; from a callback of this node it returns at once and
/// the work is done later. Blocks: while callbacks run.
GOSSIP_API void gossip_free(gossip_t *node);

/// 1 from a successful start to the shutdown, 0 otherwise, for NULL, and once the node is FATAL.
///
/// Memory: borrows `node`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_is_running(const gossip_t *node);

/// The node's name, as configured or taken from the host.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_node_name(const gossip_t *node,
                                 char *buf,
                                 size_t cap,
                                 size_t *len);

/// The first bound address, with the real port where 0 was asked for.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_local_addr(const gossip_t *node, gossip_addr_t *addr);

/// All bound addresses, with the real port. `count` receives how many there are, also if
/// the array is too small, which then stays as it was.
///
/// Memory: `addrs` has room for `cap` addresses and may be NULL with `cap` 0. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_local_addrs(const gossip_t *node,
                                   gossip_addr_t *addrs,
                                   size_t cap,
                                   size_t *count);

/// The address that this node tells others.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_advertise_addr(const gossip_t *node, gossip_addr_t *addr);

/// The receive buffer that the system granted the port's UDP sockets, in bytes; the smallest
/// of them. If it is less than the key `udp_recv_buffer`, a limit of the system is lower: on
/// Linux `net.core.rmem_max`.
///
/// Memory: `bytes` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_udp_recv_buffer(const gossip_t *node, size_t *bytes);

/// Adds a pool; on a running node it starts at once. `delegate` may be NULL; if not, its
/// `destroy` is called exactly once, also when this call fails, except with INVALID_ARG for
/// its `struct_size`: then nothing else of it was read.
///
/// Memory: `pool`, which may be NULL, is yours: gossip_pool_free; copies `config` and
/// `delegate`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, CLOSED (the node, or the configuration's queue), FORKED; CONFIG, with
/// field, value and rule; EXISTS for an id, label or bare pool that is taken; INVALID_ARG,
/// ABI_MISMATCH for a delegate's `struct_size`; INVALID_ARG for a delegate beside a queue;
/// REJECTED if a rule of the pool forbids this node itself.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_register_pool(const gossip_t *node,
                                     const gossip_pool_config_t *config,
                                     const gossip_delegate_t *delegate,
                                     gossip_pool_t **pool,
                                     gossip_error_t **err);

/// The pool with this id.
///
/// Memory: `pool` is yours, a handle of its own: gossip_pool_free. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG, FORKED, NOT_FOUND; INVALID_ARG for an id outside 0 to 255.
GOSSIP_API gossip_status_t gossip_get_pool(const gossip_t *node, int32_t id, gossip_pool_t **pool);

/// The ids of all pools, ascending; there are at most 256. `count` receives how many
/// there are, also if the array is too small, which then stays as it was.
///
/// Memory: `ids` has room for `cap` numbers and may be NULL with `cap` 0. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_list_pools(const gossip_t *node,
                                  int32_t *ids,
                                  size_t cap,
                                  size_t *count);

/// What `gossip_new` does, over sockets that are bound already, so that a service manager
/// can hold the port while the program restarts. Each address needs a TCP socket, which may
/// listen, and a UDP socket, in any order, all with one port number. The keys `bind_addr` and
/// `bind_port` count for nothing. Connections that wait in the sockets are kept.
///
/// Memory: `node` is yours: gossip_free; copies `config`, which may be NULL. On success the
/// descriptors are the library's: they are closed, those of the node are others. On failure
/// they are yours, as they were. Threads: any. Blocks: no.
/// Status: NULL_ARG; INVALID_ARG for descriptors that make no port, with what is wrong;
/// CONFIG, with field, value and rule; ADDR_INVALID, RESOURCE_LIMIT, IO.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_new_with_sockets(const gossip_config_t *config,
                                        const gossip_fd_t *fds,
                                        size_t len,
                                        gossip_t **node,
                                        gossip_error_t **err);

/// The sockets that systemd passed, as in `sd_listen_fds(3)`: reads `LISTEN_PID` and
/// `LISTEN_FDS`, and makes the descriptors close-on-exec. `unset` 1 removes both variables and
/// `LISTEN_FDNAMES`, so that children do not take them for theirs. `count` receives how many
/// there are, also if the array is too small. On failure nothing has changed.
///
/// Memory: `fds` has room for `cap` descriptors and may be NULL with `cap` 0; they are yours.
/// Threads: before there are others, for it uses the environment. Blocks: no.
/// Status: NULL_ARG, BUFFER_TOO_SMALL; NOT_FOUND if nothing was passed to this process, with
/// the reason; CONFIG if a variable makes no sense, which `gossip_error_field` names.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_sockets_from_systemd(int32_t unset,
                                            gossip_fd_t *fds,
                                            size_t cap,
                                            size_t *count,
                                            gossip_error_t **err);

/// The pool's id.
///
/// Memory: `id` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_pool_id(const gossip_pool_t *pool, int32_t *id);

/// What was chosen about the pool when it was registered: for keys to be read by name, or
/// for another pool of the kind.
///
/// Memory: `config` is yours, a copy: gossip_pool_config_free. Threads: any, callbacks too.
/// Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_get_config(const gossip_pool_t *pool,
                                       gossip_pool_config_t **config);

/// The memberlist protocol version that this node speaks in the pool.
///
/// Memory: `version` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_protocol_version(const gossip_pool_t *pool,
                                             int32_t *version);

/// Leaves the pool, so that the others see this node as left and not as dead. Join again
/// to come back.
///
/// Memory: borrows `pool`. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; AGAIN, TIMEOUT if the
/// goodbye could not be sent as often as it should.
GOSSIP_API
gossip_status_t gossip_pool_leave(const gossip_pool_t *pool,
                                  int32_t timeout_ms,
                                  gossip_error_t **err);

/// The members, alive or suspect, this node included, sorted by name. A snapshot: it
/// never changes. Works in every state of the node.
///
/// Memory: `members` is yours: gossip_members_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_members(const gossip_pool_t *pool,
                                    gossip_members_t **members);

/// How many members there are, alive or suspect, this node included.
///
/// Memory: `count` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_pool_num_members(const gossip_pool_t *pool, size_t *count);

/// This node as a member of the pool: a snapshot of one.
///
/// Memory: `members` is yours: gossip_members_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_local_node(const gossip_pool_t *pool,
                                       gossip_members_t **members);

/// How much this node doubts itself; 0 is healthy.
///
/// Memory: `score` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_pool_health_score(const gossip_pool_t *pool, int32_t *score);

/// The time of day that belongs to `received_ns` of `gossip_message_received_ns`, in nanoseconds
/// since 1970, UTC. It counts on from the start of the node, whatever becomes of the system's
/// clock meanwhile.
///
/// Memory: `unix_ns` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_wall_clock(const gossip_pool_t *pool,
                                       uint64_t received_ns,
                                       int64_t *unix_ns);

/// Announces new metadata, at most `GOSSIP_META_MAX` bytes, and waits until it has been
/// gossiped. After a timeout it stays announced.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED; AGAIN,
/// TIMEOUT.
GOSSIP_API
gossip_status_t gossip_pool_update_node(const gossip_pool_t *pool,
                                        const void *meta,
                                        size_t len,
                                        int32_t timeout_ms,
                                        gossip_error_t **err);

/// Publishes the state that others receive in push/pulls, until the next call. The
/// delegate's `local_state` has precedence where it is set.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, TOO_LARGE, CLOSED, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_set_local_state(const gossip_pool_t *pool,
                                            const void *data,
                                            size_t len,
                                            gossip_error_t **err);

/// Publishes the bytes that ride on every ack, until the next call; others receive them
/// in `notify_ping_complete`.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, TOO_LARGE, CLOSED, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_set_ack_payload(const gossip_pool_t *pool,
                                            const void *data,
                                            size_t len,
                                            gossip_error_t **err);

/// Never pings these members over TCP when they are silent over UDP, in place of those named
/// before: for nodes to which TCP is blocked, or all too patient. Without any, all are pinged
/// so again. The key `disable_tcp_pings` is for all, the delegate's `allow_tcp_ping` decides
/// case by case. Names are any bytes: `lens` holds the length of each, or is NULL if each ends
/// with a NUL.
///
/// Memory: copies the names. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_ARG, CLOSED, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_disable_tcp_pings_for(const gossip_pool_t *pool,
                                                  const char *const *names,
                                                  const size_t *lens,
                                                  size_t count,
                                                  gossip_error_t **err);

/// Ends this pool alone, without leaving: its id is free again, its callbacks have ended,
/// its delegate's `destroy` has run.
///
/// Memory: `pool` stays valid, and answers CLOSED. Threads: any; from a callback of this
/// pool it returns DEADLOCK and does nothing. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, FORKED, DEADLOCK; AGAIN, TIMEOUT if a callback still runs.
GOSSIP_API
gossip_status_t gossip_pool_shutdown(const gossip_pool_t *pool,
                                     int32_t timeout_ms,
                                     gossip_error_t **err);

/// Frees a handle; NULL is fine. The pool lives on with its node.
///
/// Memory: ends `pool`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API void gossip_pool_free(gossip_pool_t *pool);

/// Joins the pool of the `count` seeds by exchanging state with each: `host`, `host:port`
/// or `name/host:port`; without a port this node's own is taken. All addresses of all seeds
/// are tried, and one that answers is enough. `joined`, which may be NULL, receives what
/// became of each address; if none answered, the error's problems tell that
/// (`gossip_error_problem_at`).
///
/// Memory: borrows the texts for the call; `joined` is yours: gossip_joined_free. Threads:
/// any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_ARG above 1048576 seeds, INVALID_STATE before the
/// start, CLOSED, FORKED, CANCELLED; AGAIN, TIMEOUT; JOIN_FAILED if no seed was reached, but
/// CRYPTO or PROTOCOL if that is why for each of them: trying again does not help then.
GOSSIP_API
gossip_status_t gossip_pool_join(const gossip_pool_t *pool,
                                 const char *const *seeds,
                                 size_t count,
                                 int32_t timeout_ms,
                                 gossip_joined_t **joined,
                                 gossip_error_t **err);

/// How many addresses a join tried, seeds without an address included; 0 for NULL.
///
/// Memory: borrows `joined`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_joined_len(const gossip_joined_t *joined);

/// How many of them were reached: state was exchanged with them; 0 for NULL.
///
/// Memory: borrows `joined`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_joined_reached(const gossip_joined_t *joined);

/// How many addresses were left out: of a host with more than 64 a random 64 are tried; 0
/// for NULL.
///
/// Memory: borrows `joined`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_joined_untried(const gossip_joined_t *joined);

/// The address at `index`, those that were reached first. `addr` is its text, or the seed
/// as given if that has no address; `reason` says why it was not reached, and is NULL if it
/// was. Each may be NULL.
///
/// Memory: the texts live as long as `joined`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_joined_at(const gossip_joined_t *joined,
                                 size_t index,
                                 const char **addr,
                                 const char **reason);

/// Frees what a join reached; NULL is fine.
///
/// Memory: ends `joined` and its texts. Threads: any, callbacks too. Blocks: no.
GOSSIP_API void gossip_joined_free(gossip_joined_t *joined);

/// Gives a message to every other member, each of which gets it once. With a member that does
/// not understand how, such as one of memberlist (`broadcast_mode`), nobody relays it: a pool of
/// a few nodes is then reached as a whole, perhaps more than once; in a large one some may miss
/// it. A pool of one has nobody to tell. At most `gossip_pool_max_broadcast_size` bytes fit.
/// `timeout_ms` is how long to wait for room in the queue, not for delivery.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start or after a leave, CLOSED,
/// FORKED; AGAIN, TIMEOUT if the queue is full.
GOSSIP_API
gossip_status_t gossip_pool_broadcast(const gossip_pool_t *pool,
                                      const void *data,
                                      size_t len,
                                      int32_t timeout_ms,
                                      gossip_error_t **err);

/// The same under a name of up to 255 bytes, which the largest message has the less: in place of
/// this node's older broadcasts of that name. One that still waits is not sent, and a member that
/// has the newer one is not told of an older one. What others broadcast under the name stays.
///
/// Memory: copies name and bytes. Threads: any, callbacks too. Blocks: up to `timeout_ms`.
/// Status: as gossip_pool_broadcast.
GOSSIP_API
gossip_status_t gossip_pool_broadcast_named(const gossip_pool_t *pool,
                                            const void *name,
                                            size_t name_len,
                                            const void *data,
                                            size_t len,
                                            int32_t timeout_ms,
                                            gossip_error_t **err);

/// How many bytes a broadcast may have.
///
/// Memory: `size` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_pool_max_broadcast_size(const gossip_pool_t *pool, size_t *size);

/// Sends a message to one member in a datagram, which may be lost.
///
/// Memory: copies the bytes; borrows `to`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_send_best_effort(const gossip_pool_t *pool,
                                             const gossip_member_t *to,
                                             const void *data,
                                             size_t len,
                                             gossip_error_t **err);

/// The same to an address, of which no member need be known.
///
/// Memory: copies the bytes and `to`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_send_to_address(const gossip_pool_t *pool,
                                            const gossip_addr_t *to,
                                            const void *data,
                                            size_t len,
                                            gossip_error_t **err);

/// The same to whom a text names: `host:port`, or `name/host:port` to a node of that name. An
/// IP address is read at once; `timeout_ms` is how long the name of a host may be looked up.
/// Without a port this node's own is taken.
///
/// Memory: copies the bytes; borrows `to`. Threads: any, callbacks too. Blocks: up to
/// `timeout_ms`.
/// Status: NULL_ARG, INVALID_UTF8, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED;
/// ADDR_INVALID, RESOLVE, INVALID_ARG without a name that the pool requires; AGAIN, TIMEOUT.
GOSSIP_API
gossip_status_t gossip_pool_send_best_effort_to(const gossip_pool_t *pool,
                                                const char *to,
                                                const void *data,
                                                size_t len,
                                                int32_t timeout_ms,
                                                gossip_error_t **err);

/// Sends a message to one member over TCP and waits until it has arrived. `delivery`, which may
/// be NULL, says how certain that is, by a number of `gossip_delivery_t`. With CONNECT and
/// TIMEOUT the message says how far it came; with NOT_TAKEN the receiver's program has not got
/// it and will not: its queue is full, it has neither callbacks nor queue, or it failed. It is
/// delivered once, whatever happens to connections, which are kept and used again.
///
/// Memory: copies the bytes; borrows `to`; `delivery` is written on success. Threads: any,
/// callbacks too. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED, CANCELLED;
/// CONNECT, NOT_TAKEN; REJECTED, PROTOCOL or CRYPTO from a peer of another kind; AGAIN, TIMEOUT.
GOSSIP_API
gossip_status_t gossip_pool_send_reliable(const gossip_pool_t *pool,
                                          const gossip_member_t *to,
                                          const void *data,
                                          size_t len,
                                          int32_t timeout_ms,
                                          int32_t *delivery,
                                          gossip_error_t **err);

/// The same to whom a text names: `host:port`, or `name/host:port` to a node of that name, as
/// in gossip_pool_send_best_effort_to.
///
/// Memory: copies the bytes; borrows `to`; `delivery` is written on success. Threads: any,
/// callbacks too. Blocks: up to `timeout_ms`, in which the name of a host is looked up too.
/// Status: NULL_ARG, INVALID_UTF8, TOO_LARGE, INVALID_STATE before the start, CLOSED, FORKED,
/// CANCELLED; ADDR_INVALID, RESOLVE, INVALID_ARG without a name that the pool requires;
/// CONNECT, NOT_TAKEN; REJECTED, PROTOCOL or CRYPTO from a peer of another kind; AGAIN, TIMEOUT.
GOSSIP_API
gossip_status_t gossip_pool_send_reliable_to(const gossip_pool_t *pool,
                                             const char *to,
                                             const void *data,
                                             size_t len,
                                             int32_t timeout_ms,
                                             int32_t *delivery,
                                             gossip_error_t **err);

/// Pings a member and measures the round trip. `rtt_ns` may be NULL.
///
/// Memory: borrows `to`; `rtt_ns` is written on success. Threads: any, callbacks too.
/// Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; NO_RESPONSE; AGAIN,
/// TIMEOUT.
GOSSIP_API
gossip_status_t gossip_pool_ping(const gossip_pool_t *pool,
                                 const gossip_member_t *to,
                                 int32_t timeout_ms,
                                 int64_t *rtt_ns,
                                 gossip_error_t **err);

/// The same to whom a text names: `host:port`, or `name/host:port` to a node of that name, as
/// in gossip_pool_send_best_effort_to. A node answers to its own name only, or to none.
///
/// Memory: borrows `to`; `rtt_ns` is written on success. Threads: any, callbacks too.
/// Blocks: up to `timeout_ms`, in which the name of a host is looked up too.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_STATE before the start, CLOSED, FORKED;
/// ADDR_INVALID, RESOLVE, INVALID_ARG without a name that the pool requires; NO_RESPONSE;
/// AGAIN, TIMEOUT.
GOSSIP_API
gossip_status_t gossip_pool_ping_to(const gossip_pool_t *pool,
                                    const char *to,
                                    int32_t timeout_ms,
                                    int64_t *rtt_ns,
                                    gossip_error_t **err);

/// Adds a key of 16, 24 or 32 bytes to the pool's keyring, for decryption. To rotate: add
/// the new key everywhere, then use it everywhere, then remove the old one everywhere. In a
/// pool without keys the first one encrypts at once, and clear text is refused from then on:
/// gossip_pool_set_gossip_verify tells how to get there without a gap.
///
/// Memory: copies the key. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; INVALID_ARG for other
/// lengths.
GOSSIP_API
gossip_status_t gossip_pool_keyring_add(const gossip_pool_t *pool,
                                        const void *key,
                                        size_t len,
                                        gossip_error_t **err);

/// Makes a key of the keyring the primary one, which encrypts.
///
/// Memory: borrows the key. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, INVALID_ARG; NOT_FOUND if it is not in the keyring.
GOSSIP_API
gossip_status_t gossip_pool_keyring_use(const gossip_pool_t *pool,
                                        const void *key,
                                        size_t len,
                                        gossip_error_t **err);

/// Removes a key from the keyring.
///
/// Memory: borrows the key. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, INVALID_ARG; IN_USE for the primary key.
GOSSIP_API
gossip_status_t gossip_pool_keyring_remove(const gossip_pool_t *pool,
                                           const void *key,
                                           size_t len,
                                           gossip_error_t **err);

/// The keys of the keyring, the primary one first, in your memory: the key at `i` is the
/// first `lens[i]` bytes at `keys + i * GOSSIP_KEY_MAX`. `count` receives how many there are,
/// also if there is room for fewer; both arrays then stay as they were. Wipe them after use.
///
/// Memory: `keys` has room for `cap` times `GOSSIP_KEY_MAX` bytes, `lens` for `cap` numbers;
/// they may be NULL with `cap` 0. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_pool_keyring_list(const gossip_pool_t *pool,
                                         uint8_t *keys,
                                         size_t *lens,
                                         size_t cap,
                                         size_t *count);

/// Of a pool with keys: whether clear text is refused (`incoming`), and whether what goes out
/// is encrypted (`outgoing`); 0 is no. A cluster moves from plain to encrypted without a gap
/// in three steps, each on every node before the next: first neither and
/// gossip_pool_keyring_add, then `outgoing`, then `incoming` too.
///
/// Memory: none. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_set_gossip_verify(const gossip_pool_t *pool,
                                              int32_t incoming,
                                              int32_t outgoing,
                                              gossip_error_t **err);

/// Accepts a label, too, and speaks it to those who speak it: the first of three steps in
/// which a cluster moves to another label without a gap, each on every node before the next.
/// Any bytes, at most 255; none at all is the move to no label. A bare pool has none, and
/// becomes a label pool so, and back. On a failure nothing has changed.
///
/// Nodes that know one label at a time, such as stock memberlist, are restarted with the new
/// one after this step, one by one: the nodes that accept both keep them together.
///
/// Memory: copies the label. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; CONFIG above 255 bytes or
/// where the pool can have none; EXISTS if it is another pool's; TOO_LARGE if it leaves no
/// room for this node's announcement.
GOSSIP_API
gossip_status_t gossip_pool_accept_label(const gossip_pool_t *pool,
                                         const void *label,
                                         size_t len,
                                         gossip_error_t **err);

/// Speaks under the label from now on, and still accepts the former one: the second step,
/// after gossip_pool_accept_label. The same call with the former label goes back.
///
/// Memory: copies the label. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; CONFIG above 255 bytes or
/// where the pool can have none; EXISTS if it is another pool's; TOO_LARGE if it leaves no
/// room for this node's announcement.
GOSSIP_API
gossip_status_t gossip_pool_speak_label(const gossip_pool_t *pool,
                                        const void *label,
                                        size_t len,
                                        gossip_error_t **err);

/// Speaks under the label and accepts no other: the last step.
///
/// Memory: copies the label. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED; CONFIG above 255 bytes or
/// where the pool can have none; EXISTS if it is another pool's; TOO_LARGE if it leaves no
/// room for this node's announcement.
GOSSIP_API
gossip_status_t gossip_pool_require_label(const gossip_pool_t *pool,
                                          const void *label,
                                          size_t len,
                                          gossip_error_t **err);

/// Replaces the key of the whole pool: every member installs it, then every member encrypts
/// with it, then every member removes all others. Nothing is lost or refused meanwhile.
/// gossip_pool_migrate with GOSSIP_MIGRATION_KEY, all steps and nothing passed over.
///
/// Memory: copies the key. Threads: any, callbacks too. Blocks: up to `timeout_ms`, which should
/// be a minute or more in a pool of hundreds.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, CANCELLED; INVALID_ARG for
/// other lengths, and in a pool that is not encrypted; NOT_MIGRATED; AGAIN while another
/// migration is under way.
GOSSIP_API
gossip_status_t gossip_pool_rotate_key(const gossip_pool_t *pool,
                                       const void *key,
                                       size_t len,
                                       int32_t timeout_ms,
                                       gossip_error_t **err);

/// Moves the whole pool to another key, to encryption or to another label (`kind`, of
/// `gossip_migration_kind_t`): to the `len` bytes at `to`. Members are asked for each step up to
/// `until` (of `gossip_step_t`), and for none before every member has taken the one before;
/// members that join meanwhile are brought along. `flags`, of `gossip_migration_flag_t`, say
/// what is passed over.
///
/// `progress`, which may be NULL, is called in the calling thread for each member that has taken
/// a step or is in the way of one: `trouble` is NULL or says why; `done` of `total` members
/// have taken the step. What it receives is borrowed until it returns; it must not unwind.
///
/// NOT_MIGRATED if a member is in the way, or the time was up: gossip_error_problem_at names
/// each, with the reason. Everybody understands everybody then, until the next call, on any
/// node, goes on from there. Members obey as their `remote_migration` says. They tell their
/// program by `notify_migrated` or GOSSIP_EVENT_MIGRATED: it must see to it that its next start
/// begins with the new key or label.
///
/// Memory: copies the bytes; `report`, which may be NULL, is written on success and then yours: gossip_migration_free.
/// Threads: any, callbacks too. Blocks: up to `timeout_ms`, which should be a minute or more in
/// a pool of hundreds.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED, CANCELLED; INVALID_ARG for
/// other numbers and lengths, and where the pool cannot move so; TOO_LARGE for a label;
/// NOT_MIGRATED; AGAIN while another migration is under way.
GOSSIP_API
gossip_status_t gossip_pool_migrate(const gossip_pool_t *pool,
                                    int32_t kind,
                                    const void *to,
                                    size_t len,
                                    int32_t until,
                                    uint32_t flags,
                                    int32_t timeout_ms,
                                    gossip_progress_cb_t progress,
                                    void *user_data,
                                    gossip_migration_t **report,
                                    gossip_error_t **err);

/// How it went, in a sentence for people, UTF-8; empty for NULL.
///
/// Memory: the text lives as long as `report`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const char *gossip_migration_text(const gossip_migration_t *report);

/// How many members there are in a part of the report, of `gossip_migration_part_t`; 0 for
/// others, and for NULL.
///
/// Memory: borrows `report`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_migration_count(const gossip_migration_t *report, int32_t part);

/// The name of the member at `index` in a part of the report, of `gossip_migration_part_t`.
///
/// Memory: the name lives as long as `report`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_migration_at(const gossip_migration_t *report,
                                    int32_t part,
                                    size_t index,
                                    const char **name);

/// Frees a report; NULL is fine.
///
/// Memory: ends `report` and its texts. Threads: any. Blocks: no.
GOSSIP_API void gossip_migration_free(gossip_migration_t *report);

/// How many members the snapshot has; 0 for NULL.
///
/// Memory: borrows `members`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_members_len(const gossip_members_t *members);

/// Raised with every change of the pool: two snapshots of one pool with the same version are equal.
/// 0 for NULL and for snapshots of one.
///
/// Memory: borrows `members`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API uint64_t gossip_members_version(const gossip_members_t *members);

/// The member at `index`, in the order of names; NULL behind the last.
///
/// Memory: the member lives as long as `members`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const gossip_member_t *gossip_members_get(const gossip_members_t *members, size_t index);

/// The member of that name, `len` bytes; NULL if there is none.
///
/// Memory: the member lives as long as `members`; borrows `name` for the call. Threads:
/// any, callbacks too. Blocks: no.
GOSSIP_API
const gossip_member_t *gossip_members_find(const gossip_members_t *members,
                                           const char *name,
                                           size_t len);

/// Frees a snapshot; NULL is fine.
///
/// Memory: ends `members` and everything it handed out. Threads: any, callbacks too.
/// Blocks: no.
GOSSIP_API void gossip_members_free(gossip_members_t *members);

/// Keeps a member beyond its callback or snapshot: makes a snapshot of one.
///
/// Memory: `members` is yours: gossip_members_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG.
GOSSIP_API
gossip_status_t gossip_member_clone(const gossip_member_t *member,
                                    gossip_members_t **members);

/// The member's name. Names come from the network: any bytes, most often UTF-8; a NUL
/// follows the last. `len` may be NULL. Empty for a NULL member.
///
/// Memory: lives as long as `member`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const char *gossip_member_name(const gossip_member_t *member, size_t *len);

/// The member's metadata, any bytes; a NUL follows the last. `len` may be NULL. Empty for
/// a NULL member.
///
/// Memory: lives as long as `member`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const uint8_t *gossip_member_meta(const gossip_member_t *member, size_t *len);

/// The member's address as text, such as `192.0.2.1:7946`. Empty for NULL.
///
/// Memory: lives as long as `member`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const char *gossip_member_addr_text(const gossip_member_t *member);

/// The member's address: its gossip port, and that of its listeners.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG.
GOSSIP_API gossip_status_t gossip_member_addr(const gossip_member_t *member, gossip_addr_t *addr);

/// The member's state, of `gossip_state_t`; -1 for NULL.
///
/// Memory: borrows `member`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_member_state(const gossip_member_t *member);

/// The incarnation to which state and metadata belong; 0 for NULL.
///
/// Memory: borrows `member`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API uint32_t gossip_member_incarnation(const gossip_member_t *member);

/// What the member understands and speaks, six numbers: memberlist's protocol lowest,
/// highest, spoken; the application's protocol lowest, highest, spoken.
///
/// Memory: `versions` has room for 6 bytes, written on success. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG.
///
GOSSIP_API
gossip_status_t gossip_member_versions(const gossip_member_t *member,
                                       uint8_t versions[6]);

/// The name of a state: `alive`, `suspect`, `dead`, `left`; `unknown` for other numbers.
///
/// Memory: the text is static. Threads: any. Blocks: no.
GOSSIP_API const char *gossip_state_name(int32_t state);

/// The address that a message came from: for a datagram the sender's gossip port, for a
/// reliable one another port of its host. A relayed broadcast comes from who passed it on.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG.
GOSSIP_API
gossip_status_t gossip_message_from(const gossip_message_t *message,
                                    gossip_addr_t *addr);

/// The name of the member that sent a message, or passed a relayed broadcast on: any bytes, most
/// often UTF-8; a NUL follows the last. `len` may be NULL. Empty if no member is known there: for
/// a datagram the member at its address counts, for a reliable message the one that the sender
/// says it is, which nodes of memberlist do not say.
///
/// Memory: lives as long as `message`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const char *gossip_message_sender_name(const gossip_message_t *message, size_t *len);

/// The id of the pool in which a message arrived; -1 for NULL.
///
/// Memory: borrows `message`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_message_pool_id(const gossip_message_t *message);

/// 1 if a message was sent reliably, to this node alone and over TCP; 0 for datagrams and for
/// broadcasts, also for those that a push/pull brought.
///
/// Memory: borrows `message`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_message_is_reliable(const gossip_message_t *message);

/// 1 if a message came encrypted, 0 if in the clear.
///
/// Memory: borrows `message`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_message_is_encrypted(const gossip_message_t *message);

/// When a message arrived, in nanoseconds since the start of the node: a clock that never
/// jumps. `gossip_pool_wall_clock` gives the time of day. 0 for NULL.
///
/// Memory: borrows `message`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API uint64_t gossip_message_received_ns(const gossip_message_t *message);

/// The name of the member whose relayed broadcast a message is, as in
/// `gossip_message_sender_name`. Empty for a message that is none: what was sent to this node
/// alone, and plain broadcasts, which look alike.
///
/// Memory: lives as long as `message`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const char *gossip_message_origin_name(const gossip_message_t *message, size_t *len);

/// The name under which a relayed broadcast replaces older ones of its origin, as it was given to
/// `gossip_pool_broadcast_named`: any bytes; a NUL follows the last. `len` may be NULL. Empty for a
/// broadcast without a name, and for other messages.
///
/// Memory: lives as long as `message`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const char *gossip_message_broadcast_name(const gossip_message_t *message, size_t *len);

/// What names a relayed broadcast in the whole pool: `instance`, a random number that its origin
/// took at its start, and `sequence`, which counts the broadcasts of the origin since then, from
/// 1. Broadcasts arrive in any order. Both may be NULL.
///
/// Memory: both are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND for other messages.
GOSSIP_API
gossip_status_t gossip_message_origin(const gossip_message_t *message,
                                      uint64_t *instance,
                                      uint64_t *sequence);

/// Why the member of that name is suspected or dead, or not: what probes have shown, who
/// accused it, what that says of the way to it. Also of the dead that are still remembered, and
/// of this node itself. Names are any bytes.
///
/// Memory: copies the name; `explanation` is yours: gossip_explanation_free. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, NOT_FOUND if no member has that name, INVALID_STATE before the start,
/// CLOSED, FORKED.
GOSSIP_API
gossip_status_t gossip_pool_explain(const gossip_pool_t *pool,
                                    const void *name,
                                    size_t len,
                                    gossip_explanation_t **explanation,
                                    gossip_error_t **err);

/// A few lines for people, UTF-8, the last of them a conclusion; empty for NULL.
///
/// Memory: the text lives as long as `explanation`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const char *gossip_explanation_text(const gossip_explanation_t *explanation);

/// The member, with the state and the incarnation that are explained; NULL for NULL.
///
/// Memory: the member lives as long as `explanation`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API
const gossip_member_t *gossip_explanation_member(const gossip_explanation_t *explanation);

/// What its probes say of the way to it, of `gossip_path_t`; -1 for NULL.
///
/// Memory: borrows `explanation`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_explanation_path(const gossip_explanation_t *explanation);

/// Five spans in nanoseconds, -1 for what has not happened: since its state began; since the
/// last ping or ack of its own came; since it last acknowledged a probe of this node, and the
/// round trip of that; and, while it is suspect, until it is taken for dead. Each out-parameter
/// may be NULL.
///
/// Memory: the numbers are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG.
GOSSIP_API
gossip_status_t gossip_explanation_times(const gossip_explanation_t *explanation,
                                         int64_t *since_ns,
                                         int64_t *heard_ns,
                                         int64_t *acked_ns,
                                         int64_t *rtt_ns,
                                         int64_t *dead_in_ns);

/// How many share the running suspicion, or shared the last one; of this node itself, how many
/// have lately accused it. 0 for NULL.
///
/// Memory: borrows `explanation`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_explanation_accuser_count(const gossip_explanation_t *explanation);

/// The name of the accuser at `index`, UTF-8: whoever began the suspicion first. Of this node
/// itself the latest comes first.
///
/// Memory: the text lives as long as `explanation`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_explanation_accuser_at(const gossip_explanation_t *explanation,
                                              size_t index,
                                              const char **name);

/// Frees an explanation; NULL is fine.
///
/// Memory: ends `explanation`, its texts and its member. Threads: any, callbacks too. Blocks: no.
GOSSIP_API void gossip_explanation_free(gossip_explanation_t *explanation);

/// Finds out which direction of which protocol to a peer does not work, or what else keeps it
/// away: UDP and TCP from here to there, datagrams of the full size, label, keys, name, version;
/// and of the ways back what can be told. `target` is the name of a member, or `host:port` as in
/// gossip_pool_ping_to. It takes a moment if all is well. The peer may be any memberlist; it sees
/// a few pings, and nothing comes of them: nobody is suspected, nothing changes.
///
/// Memory: borrows `target`; `diagnosis` is yours: gossip_diagnosis_free. Threads: any,
/// callbacks too. Blocks: up to `timeout_ms`, which should be a few seconds.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_STATE before the start, CLOSED, FORKED; ADDR_INVALID,
/// RESOLVE, INVALID_ARG without a name that the pool requires; AGAIN while another doctor is at
/// work in this pool; TIMEOUT.
GOSSIP_API
gossip_status_t gossip_pool_doctor(const gossip_pool_t *pool,
                                   const char *target,
                                   int32_t timeout_ms,
                                   gossip_diagnosis_t **diagnosis,
                                   gossip_error_t **err);

/// A line for each check, then the conclusions, for people, UTF-8; empty for NULL.
///
/// Memory: the text lives as long as `diagnosis`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const char *gossip_diagnosis_text(const gossip_diagnosis_t *diagnosis);

/// 1 if nothing is wrong; 0 otherwise, and for NULL.
///
/// Memory: borrows `diagnosis`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_diagnosis_is_healthy(const gossip_diagnosis_t *diagnosis);

/// How many conclusions there are, at least one; 0 for NULL.
///
/// Memory: borrows `diagnosis`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_diagnosis_finding_count(const gossip_diagnosis_t *diagnosis);

/// The conclusion at `index`, the most important first: its number, of `gossip_finding_t`, its
/// short name, such as `udp_blocked`, and a sentence that says what to look at. Each
/// out-parameter may be NULL.
///
/// Memory: the texts live as long as `diagnosis`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_diagnosis_finding_at(const gossip_diagnosis_t *diagnosis,
                                            size_t index,
                                            int32_t *finding,
                                            const char **name,
                                            const char **sentence);

/// How many checks were made; 0 for NULL.
///
/// Memory: borrows `diagnosis`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_diagnosis_check_count(const gossip_diagnosis_t *diagnosis);

/// The check at `index`: its name (`lookup`, `send`, `tcp_out`, `talk`, `tcp_in`, `udp`,
/// `udp_full`, `udp_in`, `helpers`, `version`), its result, of `gossip_check_t`, how long it
/// took, -1 if that means nothing, and what happened, in words. Each out-parameter may be NULL.
///
/// Memory: the texts live as long as `diagnosis`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_diagnosis_check_at(const gossip_diagnosis_t *diagnosis,
                                          size_t index,
                                          const char **name,
                                          int32_t *result,
                                          int64_t *took_ns,
                                          const char **detail);

/// Frees a diagnosis; NULL is fine.
///
/// Memory: ends `diagnosis` and its texts. Threads: any, callbacks too. Blocks: no.
GOSSIP_API void gossip_diagnosis_free(gossip_diagnosis_t *diagnosis);

/// Zeroes a delegate of `size` bytes and sets its `struct_size`: for callers that can't
/// write an initialiser. `size` is `sizeof(gossip_delegate_t)`.
///
/// Memory: writes `size` bytes to `delegate`. Threads: any. Blocks: no.
/// Status: NULL_ARG; INVALID_ARG for a size that no version has.
GOSSIP_API gossip_status_t gossip_delegate_init(gossip_delegate_t *delegate, size_t size);

/// Appends to a callback's answer. On failure the buffer is as it was.
///
/// Memory: copies the bytes. Threads: that of the callback. Blocks: no.
/// Status: NULL_ARG; TOO_LARGE above `gossip_buffer_limit`.
GOSSIP_API
gossip_status_t gossip_buffer_append(gossip_buffer_t *buffer,
                                     const void *data,
                                     size_t len);

/// Empties a callback's answer.
///
/// Memory: borrows `buffer`. Threads: that of the callback. Blocks: no.
/// Status: NULL_ARG.
GOSSIP_API gossip_status_t gossip_buffer_clear(gossip_buffer_t *buffer);

/// How many bytes a callback's answer has; 0 for NULL.
///
/// Memory: borrows `buffer`. Threads: that of the callback. Blocks: no.
GOSSIP_API size_t gossip_buffer_len(const gossip_buffer_t *buffer);

/// How many bytes a callback's answer may have; 0 for NULL.
///
/// Memory: borrows `buffer`. Threads: that of the callback. Blocks: no.
GOSSIP_API size_t gossip_buffer_limit(const gossip_buffer_t *buffer);

/// Makes a queue in which at most `max_events` messages, states and questions wait, of at most
/// `max_bytes` bytes: 10000 and 64 MiB suit most programs. Changes of members are never dropped
/// and take no room from those: as many wait, and one more for each member. It belongs to no
/// node.
///
/// Memory: `queue` is yours: gossip_queue_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; INVALID_ARG if a limit is 0.
GOSSIP_API
gossip_status_t gossip_queue_new(size_t max_events,
                                 size_t max_bytes,
                                 gossip_queue_t **queue);

/// A descriptor for `poll`, `epoll` and every event loop: readable exactly while
/// `gossip_queue_poll` would not wait, also once the queue is closed. Only watch it: do not
/// read, write or close it. It stays the same; take it out of the loop before freeing the
/// queue. An event that a thread takes which blocks in a poll does not show.
///
/// Memory: `fd` is the library's, and valid until `queue` is freed. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG, FORKED; RESOURCE_LIMIT if it can't be made.
GOSSIP_API gossip_status_t gossip_queue_fd(const gossip_queue_t *queue, gossip_fd_t *fd);

/// For runtimes that can only wait for pipes and sockets of their own: writes one byte to
/// `wake_fd`, which must not block (`O_NONBLOCK`), when something is put into the queue and
/// when it is closed. After a byte there is none before the next poll: read what is there,
/// then poll until that says AGAIN. -1 ends it.
///
/// Memory: a duplicate of `wake_fd` is used until it is replaced or the queue freed; yours
/// stays yours, and may be closed. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, RESOURCE_LIMIT; INVALID_ARG if `wake_fd` is not open or blocks.
GOSSIP_API
gossip_status_t gossip_queue_set_wake_fd(const gossip_queue_t *queue,
                                         gossip_fd_t wake_fd,
                                         gossip_error_t **err);

/// Takes the next event, oldest first. It never runs code of yours.
///
/// Memory: `event` is yours: gossip_event_free. Threads: any, callbacks too; several may take
/// from one queue. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, FORKED; AGAIN, TIMEOUT if there is none; CLOSED once the queue is closed
/// and everything in it taken, also for those who wait.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_queue_poll(const gossip_queue_t *queue,
                                  int32_t timeout_ms,
                                  gossip_event_t **event);

/// Takes up to `cap` events that wait, oldest first, with one look at the queue; waits for the
/// first only.
///
/// Memory: `events` has room for `cap` pointers; the first `count`, at least one, are yours:
/// gossip_event_free. Threads: any, callbacks too; several may take from one queue. Blocks: up
/// to `timeout_ms`.
/// Status: NULL_ARG, FORKED; INVALID_ARG if `cap` is 0; AGAIN, TIMEOUT if there is none; CLOSED
/// once the queue is closed and everything in it taken, also for those who wait.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_queue_poll_batch(const gossip_queue_t *queue,
                                        int32_t timeout_ms,
                                        gossip_event_t **events,
                                        size_t cap,
                                        size_t *count);

/// What a queue counts: events put in, dropped because it was full or closed, waiting now,
/// and how many may wait. Each may be NULL.
///
/// Memory: all are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API
gossip_status_t gossip_queue_stats(const gossip_queue_t *queue,
                                   uint64_t *accepted,
                                   uint64_t *dropped,
                                   uint64_t *pending,
                                   uint64_t *limit);

/// Closes a queue: what waits can still be taken, then everyone gets CLOSED, also those who
/// wait. Pools go on; what they tell is dropped, what they ask has its default at once.
///
/// Memory: `queue` stays valid. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_queue_close(const gossip_queue_t *queue);

/// Closes and frees a queue; NULL is fine. What waits is dropped, questions with their
/// default. Threads that are blocked in a poll wake with CLOSED; no other call may be under
/// way. Pools that put into it may live on.
///
/// Memory: ends `queue` and its descriptor; events that were taken stay yours. Threads: any,
/// callbacks too. Blocks: no.
GOSSIP_API void gossip_queue_free(gossip_queue_t *queue);

/// The event's type, of `gossip_event_type_t`; GOSSIP_EVENT_NONE for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_event_type(const gossip_event_t *event);

/// The name of a type, such as `join` or `ask_merge`; `unknown` for other numbers.
///
/// Memory: the text is static. Threads: any. Blocks: no.
GOSSIP_API const char *gossip_event_type_name(int32_t event_type);

/// The id of the pool from which an event comes; -1 for one of no pool, and for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_event_pool_id(const gossip_event_t *event);

/// The `tag` that was given to `gossip_pool_config_set_queue`; 0 for an event of no pool, and
/// for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API uint64_t gossip_event_tag(const gossip_event_t *event);

/// The member that an event is about; NULL if it is about none.
///
/// Memory: the member lives as long as `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const gossip_member_t *gossip_event_member(const gossip_event_t *event);

/// The node that claims the name of the member, in a conflict; NULL otherwise.
///
/// Memory: the member lives as long as `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const gossip_member_t *gossip_event_other_member(const gossip_event_t *event);

/// The nodes of a merge that is asked for; NULL for other events.
///
/// Memory: the snapshot lives as long as `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const gossip_members_t *gossip_event_members(const gossip_event_t *event);

/// The kind of the migration of which a step was taken, of `gossip_migration_kind_t`; 0 for other
/// events, and for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_event_migration_kind(const gossip_event_t *event);

/// The step that was taken, of `gossip_step_t`; 0 for other events, and for NULL.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_event_step(const gossip_event_t *event);

/// The bytes of a message, a state, an ack payload or a name, as the type says; none for
/// other events. `len` may be NULL.
///
/// Memory: the bytes live as long as `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const uint8_t *gossip_event_data(const gossip_event_t *event, size_t *len);

/// The address that a message came from: for a datagram the sender's gossip port, for a
/// reliable one another port of its host. A relayed broadcast comes from who passed it on.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND for other events.
GOSSIP_API gossip_status_t gossip_event_from(const gossip_event_t *event, gossip_addr_t *addr);

/// 1 for a message that was sent reliably, to this node alone; 0 for datagrams and broadcasts, and
/// for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_event_is_reliable(const gossip_event_t *event);

/// More about a message: its sender, whether it was encrypted, when it arrived; NULL for other
/// events.
///
/// Memory: lives as long as `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API const gossip_message_t *gossip_event_message(const gossip_event_t *event);

/// 1 for a state that is exchanged in a join, 0 otherwise.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_event_is_join(const gossip_event_t *event);

/// How long a ping took, in nanoseconds; 0 for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int64_t gossip_event_rtt_ns(const gossip_event_t *event);

/// How many events were dropped, as an overflow tells; 0 for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API uint64_t gossip_event_dropped(const gossip_event_t *event);

/// How many lost members came back, as a healing tells; 0 for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_event_returned(const gossip_event_t *event);

/// How many lost members are still looked for after a healing; 0 for other events.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API size_t gossip_event_missing(const gossip_event_t *event);

/// Frees an event; NULL is fine. A question that was not answered has its default at once.
///
/// Memory: ends `event` and everything it handed out. Threads: any, callbacks too. Blocks: no.
GOSSIP_API void gossip_event_free(gossip_event_t *event);

/// How many milliseconds are left to answer a question; 0 when it is too late, -1 for an
/// event that waits for no answer.
///
/// Memory: borrows `event`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_event_deadline_ms(const gossip_event_t *event);

/// Answers the question for a merge, a member or a ping with a `GOSSIP_VERDICT_*`. `reason`,
/// which may be NULL, is for the log. A verdict that does not exist leaves it unanswered.
///
/// Memory: borrows `reason` for the call. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8, FORKED; INVALID_ARG for an event that has no such answer,
/// and for other verdicts; INVALID_STATE if it was answered already; TIMEOUT if the default
/// had been taken.
GOSSIP_API
gossip_status_t gossip_event_reply_verdict(const gossip_event_t *event,
                                           int32_t verdict,
                                           const char *reason);

/// Answers the question for the state of a push/pull. Bytes that do not fit leave it
/// unanswered.
///
/// Memory: copies the bytes. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED; TOO_LARGE above 20 MiB; INVALID_ARG for an event that has no such
/// answer; INVALID_STATE if it was answered already; TIMEOUT if the default had been taken.
GOSSIP_API
gossip_status_t gossip_event_reply_bytes(const gossip_event_t *event,
                                         const void *data,
                                         size_t len);

/// Listens for connections that begin with the two bytes of `id`, which `gossip_dial`
/// writes: 0 to 0xFFFF without 0xFE00..0xFEFF. Protocols that do not know the library
/// must not begin with the same bytes: `GE` (HTTP) is 0x4745, a TLS hello 0x1603.
///
/// Memory: `listener` is yours: gossip_listener_free. Threads: any, callbacks too.
/// Blocks: no.
/// Status: NULL_ARG, INVALID_ARG, CLOSED, FORKED; RESERVED; EXISTS if the id is taken.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_listen(const gossip_t *node,
                              int32_t id,
                              gossip_listener_t **listener,
                              gossip_error_t **err);

/// Listens for all connections that belong to no pool and no listener id, such as HTTP,
/// and for those that stay silent for `sniff_timeout_ms`, so that protocols in which the
/// server speaks first work. Their bytes are untouched.
///
/// Memory: `listener` is yours: gossip_listener_free. Threads: any, callbacks too.
/// Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; EXISTS if there is one.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_listen_tcp(const gossip_t *node,
                                  gossip_listener_t **listener,
                                  gossip_error_t **err);

/// Listens for connections that begin with these bytes, 1 to 64, all of which stay in them,
/// so that several native protocols share the port: `\x16\x03` is TLS, `SSH-` SSH. Of several
/// prefixes that fit the longest counts; bytes that may still become a longer one are awaited
/// for `sniff_timeout_ms`.
///
/// Memory: `listener` is yours: gossip_listener_free; copies `prefix`. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; INVALID_ARG for a length that is none of 1 to 64;
/// RESERVED for a first byte 0xFE; EXISTS if another owner may be meant by the same bytes: a
/// listener, a label pool, the bare pool.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_listen_prefix(const gossip_t *node,
                                     const void *prefix,
                                     size_t len,
                                     gossip_listener_t **listener,
                                     gossip_error_t **err);

/// Lets this many connections wait for an accept, 1 to 65536, instead of the key
/// `listener_backlog`; more are closed and counted. Those that wait already stay. They hold
/// descriptors of this process.
///
/// Memory: borrows `listener`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED; CONFIG for an impossible number.
GOSSIP_API
gossip_status_t gossip_listener_set_backlog(const gossip_listener_t *listener,
                                            uint32_t backlog,
                                            gossip_error_t **err);

/// Takes the next connection: a plain socket, close-on-exec, `TCP_NODELAY` and keep-alive,
/// blocking unless `flags` says GOSSIP_FD_NONBLOCK. It is yours alone; close it with
/// `close(2)`. What its peer has done meanwhile shows when it is used, be it a reset. Mind SIGPIPE: send with MSG_NOSIGNAL. `peer`, the other end's address, may be NULL.
///
/// Memory: `fd` is yours. Threads: any, callbacks too; several may accept at once. Blocks:
/// up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_ARG for unknown flags, FORKED; AGAIN, TIMEOUT; CLOSED after
/// gossip_listener_close or the node's end, also for those who wait.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_listener_accept(const gossip_listener_t *listener,
                                       int32_t timeout_ms,
                                       uint32_t flags,
                                       gossip_fd_t *fd,
                                       gossip_addr_t *peer);

/// A descriptor for `poll`, `epoll` and every event loop: readable exactly while an accept
/// would not wait, also once the listener is closed. Only watch it: do not read, write or
/// close it. It stays the same; take it out of the loop before freeing the listener. A
/// connection that a thread takes which blocks in an accept does not show.
///
/// Memory: `fd` is the library's, and valid until `listener` is freed. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED; RESOURCE_LIMIT if it can't be made.
GOSSIP_API gossip_status_t gossip_listener_fd(const gossip_listener_t *listener, gossip_fd_t *fd);

/// Which connections a listener takes, of `gossip_listener_kind_t`; -1 for NULL and in a
/// forked child.
///
/// Memory: borrows `listener`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API int32_t gossip_listener_kind(const gossip_listener_t *listener);

/// The name under which a listener stands in logs and metrics: `native`, `id 0x0102` or
/// `prefix SSH-`; what is no printable ASCII in a prefix is escaped: `prefix \x16\x03`.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_listener_name(const gossip_listener_t *listener,
                                     char *buf,
                                     size_t cap,
                                     size_t *len);

/// All addresses of a listener's port, with the real port number. `count` receives how many
/// there are, also if the array is too small, which then stays as it was.
///
/// Memory: `addrs` has room for `cap` addresses and may be NULL with `cap` 0. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_listener_local_addrs(const gossip_listener_t *listener,
                                            gossip_addr_t *addrs,
                                            size_t cap,
                                            size_t *count);

/// What a listener has counted: connections queued for accept, closed because the backlog
/// was full or the listener closed before they were taken, waiting now, and how many may
/// wait. Each may be NULL.
///
/// Memory: all are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API
gossip_status_t gossip_listener_stats(const gossip_listener_t *listener,
                                      uint64_t *accepted,
                                      uint64_t *dropped,
                                      uint64_t *pending,
                                      uint64_t *limit);

/// Stops listening, wakes everyone blocked in accept with CLOSED, and closes the
/// connections that wait. Its id or prefix is free again.
///
/// Memory: `listener` stays valid. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_listener_close(const gossip_listener_t *listener);

/// Closes and frees a listener; NULL is fine. Threads that are blocked in accept wake
/// with CLOSED; no other call may be under way.
///
/// Memory: ends `listener`; accepted descriptors stay yours. Threads: any, callbacks too.
/// Blocks: no.
GOSSIP_API void gossip_listener_free(gossip_listener_t *listener);

/// The listeners of a node, sorted: native, ids, prefixes.
///
/// Memory: `listeners` is yours: gossip_listeners_free. Threads: any, callbacks too.
/// Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_listeners(const gossip_t *node, gossip_listeners_t **listeners);

/// How many listeners there were; 0 for NULL.
///
/// Memory: borrows `listeners`. Threads: any. Blocks: no.
GOSSIP_API size_t gossip_listeners_len(const gossip_listeners_t *listeners);

/// The listener at `index`: its name, as from `gossip_listener_name`, and its numbers, as from
/// `gossip_listener_stats`. Each may be NULL.
///
/// Memory: `name` lives as long as `listeners`. Threads: any. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_listeners_at(const gossip_listeners_t *listeners,
                                    size_t index,
                                    const char **name,
                                    uint64_t *accepted,
                                    uint64_t *dropped,
                                    uint64_t *pending,
                                    uint64_t *limit);

/// Frees listeners and their names; NULL is fine. The listeners themselves go on.
///
/// Memory: ends `listeners` and the names. Threads: any. Blocks: no.
GOSSIP_API void gossip_listeners_free(gossip_listeners_t *listeners);

/// Connects to `addr`, such as `host:7946` or `[2001:db8::1]:7946`, and writes the two
/// bytes of the listener `id`, so that the peer's `gossip_listen(id)` gets the connection;
/// with GOSSIP_DIAL_NATIVE it writes nothing. The socket is as `gossip_listener_accept`
/// gives it. No node is needed.
///
/// Memory: `fd` is yours; borrows `addr` for the call. Threads: any, callbacks too. Blocks:
/// up to `timeout_ms`.
/// Status: NULL_ARG, INVALID_UTF8, INVALID_ARG for unknown flags or ids; RESERVED;
/// ADDR_INVALID, RESOLVE, CONNECT, RESOURCE_LIMIT, IO; AGAIN, TIMEOUT.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_dial(const char *addr,
                            int32_t id,
                            int32_t timeout_ms,
                            uint32_t flags,
                            gossip_fd_t *fd,
                            gossip_error_t **err);

/// Receives all datagrams that no pool claims. There is one receiver for a node.
///
/// Memory: `packets` is yours: gossip_packets_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, CLOSED, FORKED; EXISTS if there is one.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_packets(const gossip_t *node,
                               gossip_packets_t **packets,
                               gossip_error_t **err);

/// Takes the next datagram: its bytes, its length, its sender. One that does not fit stays
/// for the next call, `len` says how long it is; 65507 bytes fit every one. `from` may be
/// NULL.
///
/// Memory: `buf` has room for `cap` bytes. Threads: any, callbacks too; several may receive
/// at once. Blocks: up to `timeout_ms`.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL; AGAIN, TIMEOUT; CLOSED after
/// gossip_packets_close or the node's end, also for those who wait.
GOSSIP_API
GOSSIP_NODISCARD
gossip_status_t gossip_packets_recv(const gossip_packets_t *packets,
                                    void *buf,
                                    size_t cap,
                                    size_t *len,
                                    gossip_addr_t *from,
                                    int32_t timeout_ms);

/// Sends a datagram from the shared port. It must not look like gossip: the first byte is
/// not 0xFE.
///
/// Memory: borrows the bytes and `to`. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_ARG, CLOSED, FORKED; RESERVED for a first byte 0xFE, TOO_LARGE
/// above 65507 bytes; AGAIN if the socket has no room, IO.
GOSSIP_API
gossip_status_t gossip_packets_send(const gossip_packets_t *packets,
                                    const gossip_addr_t *to,
                                    const void *data,
                                    size_t len,
                                    gossip_error_t **err);

/// A descriptor for `poll`, `epoll` and every event loop: readable exactly while
/// `gossip_packets_recv` would not wait, also once the receiver is closed. Only watch it: do
/// not read, write or close it. It stays the same; take it out of the loop before freeing the
/// receiver. A datagram that a thread takes which blocks in a receive does not show.
///
/// Memory: `fd` is the library's, and valid until `packets` is freed. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED; RESOURCE_LIMIT if it can't be made.
GOSSIP_API gossip_status_t gossip_packets_fd(const gossip_packets_t *packets, gossip_fd_t *fd);

/// All addresses from which datagrams are sent, with the real port number: one leaves from
/// that which suits its destination best. `count` receives how many there are, also if the
/// array is too small, which then stays as it was.
///
/// Memory: `addrs` has room for `cap` addresses and may be NULL with `cap` 0. Threads: any,
/// callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_packets_local_addrs(const gossip_packets_t *packets,
                                           gossip_addr_t *addrs,
                                           size_t cap,
                                           size_t *count);

/// What a receiver has counted: datagrams queued for it, dropped because the queue was full
/// or the receiver closed before they were taken, waiting now, and how many may wait. Each
/// may be NULL.
///
/// Memory: all are written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API
gossip_status_t gossip_packets_stats(const gossip_packets_t *packets,
                                     uint64_t *accepted,
                                     uint64_t *dropped,
                                     uint64_t *pending,
                                     uint64_t *limit);

/// Stops receiving and wakes everyone blocked in `gossip_packets_recv` with CLOSED.
///
/// Memory: `packets` stays valid. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_packets_close(const gossip_packets_t *packets);

/// Closes and frees a receiver; NULL is fine. No call may be under way: close first, then
/// join the threads that receive.
///
/// Memory: ends `packets`. Threads: any, callbacks too. Blocks: no.
GOSSIP_API void gossip_packets_free(gossip_packets_t *packets);

/// The counters of the port: what came in, for whom, and what was dropped. Behind them stand,
/// for each listener that is open and for the packet receiver, how many were `accepted`,
/// `dropped`, are `pending` now, and the `limit` of those, as in `native/accepted`,
/// `id 0x0101/dropped`, `prefix SSH-/pending` and `packets/limit`.
///
/// Memory: `stats` is yours: gossip_stats_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_stats(const gossip_t *node, gossip_stats_t **stats);

/// The counters of a pool.
///
/// Memory: `stats` is yours: gossip_stats_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, INVALID_STATE before the start, CLOSED, FORKED.
GOSSIP_API gossip_status_t gossip_pool_stats(const gossip_pool_t *pool, gossip_stats_t **stats);

/// How many counters there are; 0 for NULL.
///
/// Memory: borrows `stats`. Threads: any. Blocks: no.
GOSSIP_API size_t gossip_stats_len(const gossip_stats_t *stats);

/// The counter at `index`: its name and its value. Each may be NULL.
///
/// Memory: `name` lives as long as `stats`. Threads: any. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
GOSSIP_API
gossip_status_t gossip_stats_at(const gossip_stats_t *stats,
                                size_t index,
                                const char **name,
                                uint64_t *value);

/// The counter of that name.
///
/// Memory: borrows `name`; `value` is written on success. Threads: any. Blocks: no.
/// Status: NULL_ARG, INVALID_UTF8; NOT_FOUND if there is none.
GOSSIP_API
gossip_status_t gossip_stats_find(const gossip_stats_t *stats,
                                  const char *name,
                                  uint64_t *value);

/// Frees counters; NULL is fine.
///
/// Memory: ends `stats` and the names. Threads: any. Blocks: no.
GOSSIP_API void gossip_stats_free(gossip_stats_t *stats);

/// The metrics of the port, its listeners and all pools as text for Prometheus (format
/// 0.0.4); the manual lists them. Serve it as `text/plain; version=0.0.4; charset=utf-8`. It
/// grows with its numbers: where it does not fit, give some room more than `len` says.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_metrics_text(const gossip_t *node,
                                    char *buf,
                                    size_t cap,
                                    size_t *len);

/// The metrics of one pool, in the same form. They can be had in every state of the pool:
/// before the start all are 0, after its end they are what they were.
///
/// Memory: `buf` and `len` as in *Buffers*. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED, BUFFER_TOO_SMALL.
GOSSIP_API
gossip_status_t gossip_pool_metrics_text(const gossip_pool_t *pool,
                                         char *buf,
                                         size_t cap,
                                         size_t *len);

/// Gives what the node logs, up to `level` of `gossip_log_level_t`, to `callback`, in place of
/// the one given before; with a NULL `callback` to nobody, as at first. May be called at any
/// time, also only to change the level.
///
/// The callback runs on one thread of the node, one record at a time, with no lock held. It
/// may call every function of this library, but a shutdown of its node, which returns
/// DEADLOCK; what it causes there itself is not logged to it. Nobody waits for it: if it is
/// slow, up to 1024 records wait and further ones are dropped, which the next record tells
/// (gossip_log_stats counts both). It must not unwind.
///
/// `destroy`, which may be NULL, is called with `user_data` exactly once, after the last
/// callback has returned, never concurrently with one, also when this call fails, and at once
/// if `callback` is NULL. A callback that is replaced may be in a last call when this returns.
/// At the end of the node what waits is told for a second at most; after gossip_shutdown
/// returned OK the callback has ended and `destroy` has run.
///
/// Memory: `user_data` is the library's until `destroy` gives it back. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG, INVALID_ARG for a level that does not exist, CLOSED, FORKED;
/// RESOURCE_LIMIT if there is no thread to be had.
GOSSIP_API
gossip_status_t gossip_set_log(const gossip_t *node,
                               int32_t level,
                               gossip_log_cb_t callback,
                               void *user_data,
                               void (*destroy)(void *user_data),
                               gossip_error_t **err);

/// What became of the records of a node while it had a callback: `delivered`, and `dropped`
/// because the callback was too slow, or was taken away, or its level lowered, while they
/// waited.
///
/// Memory: `stats` is yours: gossip_stats_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG, FORKED.
GOSSIP_API gossip_status_t gossip_log_stats(const gossip_t *node, gossip_stats_t **stats);

/// The name of a level: `off`, `error`, `warn`, `info`, `debug`, `trace`; `unknown` for other
/// numbers.
///
/// Memory: the text is static. Threads: any. Blocks: no.
GOSSIP_API const char *gossip_log_level_name(int32_t level);

/// How important a record is, of `gossip_log_level_t`; OFF for NULL.
///
/// Memory: borrows `record`. Threads: that of the callback. Blocks: no.
GOSSIP_API int32_t gossip_record_level(const gossip_record_t *record);

/// The part of the library that says it, such as `gossip_core::pool`. Empty for NULL.
///
/// Memory: lives until the callback returns. Threads: that of the callback. Blocks: no.
GOSSIP_API const char *gossip_record_target(const gossip_record_t *record);

/// What happened: a short text that is always the same for the same thing. Empty for NULL.
///
/// Memory: lives until the callback returns. Threads: that of the callback. Blocks: no.
GOSSIP_API const char *gossip_record_message(const gossip_record_t *record);

/// The particulars as `key=value`, separated by spaces. Values with spaces, quotes or control
/// characters stand in quotes, escaped, so that a record is one line whatever names others
/// give themselves. Empty for NULL.
///
/// Memory: lives until the callback returns. Threads: that of the callback. Blocks: no.
GOSSIP_API const char *gossip_record_fields(const gossip_record_t *record);

/// The id of the pool that a record concerns; -1 if it concerns none, and for NULL.
///
/// Memory: borrows `record`. Threads: that of the callback. Blocks: no.
GOSSIP_API int32_t gossip_record_pool(const gossip_record_t *record);

/// When it happened, in nanoseconds since 1970 (UTC); 0 for NULL.
///
/// Memory: borrows `record`. Threads: that of the callback. Blocks: no.
GOSSIP_API int64_t gossip_record_time_ns(const gossip_record_t *record);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GOSSIP_H */
