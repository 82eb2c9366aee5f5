"""Every function of the C interface has its like in Python, or a reason why it has none.

C is the most complete of the interfaces, so its header is the list of what there is.
"""

import re
from pathlib import Path

import gossip

HEADER = Path(__file__).parents[3] / "include" / "gossip" / "gossip.h"

HANDLES = "objects of Python free themselves"
VALUES = "values of Python are told directly"
ERRORS = "errors are exceptions"

LEDGER = {
    # Configuration.
    "config_new": "Config",
    "config_set": "Config.__init__",
    "config_get": "Config.bind_port",
    "config_free": HANDLES,
    "config_key_count": "_config.CONFIG_KEYS",
    "config_key_at": "_config.CONFIG_KEYS",
    "pool_config_new": "PoolConfig.lan",
    "pool_config_set": "PoolConfig.__init__",
    "pool_config_get": "PoolConfig.id",
    "pool_config_set_meta": "PoolConfig.meta",
    "pool_config_set_label": "PoolConfig.label",
    "pool_config_add_key": "PoolConfig.keys",
    "pool_config_set_queue": "Pool.events",
    "pool_config_free": HANDLES,
    "pool_config_key_count": "_config.POOL_KEYS",
    "pool_config_key_at": "_config.POOL_KEYS",
    # Nodes.
    "new": "Gossip",
    "new_with_sockets": "Gossip.__init__",
    "sockets_from_systemd": "sockets_from_systemd",
    "start": "Gossip.start",
    "leave": "Gossip.leave",
    "shutdown": "Gossip.shutdown",
    "free": HANDLES,
    "is_running": "Gossip.state",
    "node_name": "Gossip.node_name",
    "local_addr": "Gossip.address",
    "local_addrs": "Gossip.addresses",
    "advertise_addr": "Gossip.advertise_address",
    "udp_recv_buffer": "Gossip.udp_recv_buffer",
    "register_pool": "Gossip.register_pool",
    "get_pool": "Gossip.pool",
    "list_pools": "Gossip.pools",
    # Pools.
    "pool_id": "Pool.id",
    "pool_get_config": "Pool.config",
    "pool_free": HANDLES,
    "pool_join": "Pool.join",
    "pool_leave": "Pool.leave",
    "pool_shutdown": "Pool.shutdown",
    "pool_members": "Pool.members",
    "pool_num_members": "Pool.__len__",
    "pool_local_node": "Pool.local_node",
    "pool_update_node": "Pool.update_node",
    "pool_broadcast": "Pool.broadcast",
    "pool_broadcast_named": "Pool.broadcast",
    "pool_max_broadcast_size": "Pool.max_broadcast_size",
    "pool_send_best_effort": "Pool.send",
    "pool_send_best_effort_to": "Pool.send",
    "pool_send_reliable": "Pool.send_reliable",
    "pool_send_reliable_to": "Pool.send_reliable",
    "pool_wall_clock": "Pool.wall_clock",
    "pool_send_to_address": "Pool.send",
    "pool_ping": "Pool.ping",
    "pool_ping_to": "Pool.ping",
    "pool_health_score": "Pool.health_score",
    "pool_protocol_version": "Pool.protocol_version",
    "pool_set_local_state": "Pool.set_local_state",
    "pool_set_ack_payload": "Pool.set_ack_payload",
    "pool_disable_tcp_pings_for": "Pool.disable_tcp_pings_for",
    "pool_accept_label": "Pool.accept_label",
    "pool_speak_label": "Pool.speak_label",
    "pool_require_label": "Pool.require_label",
    "pool_set_gossip_verify": "Pool.set_gossip_verify",
    "pool_keyring_list": "Keyring.keys",
    "pool_keyring_add": "Keyring.add",
    "pool_keyring_use": "Keyring.use",
    "pool_keyring_remove": "Keyring.remove",
    # What a join reached.
    "joined_len": "JoinResult.failed",
    "joined_at": "JoinResult.failed",
    "joined_reached": "JoinResult.joined",
    "joined_untried": "JoinResult.untried",
    "joined_free": HANDLES,
    # Members.
    "members_len": "Pool.members",
    "members_get": "Pool.members",
    "members_find": "Pool.find",
    "members_version": "Pool.members() compares versions itself, and builds anew what has changed",
    "members_free": HANDLES,
    "member_name": "Member.name",
    "member_addr": "Member.address",
    "member_addr_text": "Member.endpoint",
    "member_state": "Member.state",
    "member_meta": "Member.meta",
    "member_incarnation": "Member.incarnation",
    "member_versions": "Member.protocol",
    "member_clone": VALUES,
    "state_name": "MemberState.__str__",
    # Why, and what is wrong.
    "pool_explain": "Pool.explain",
    "explanation_text": "Explanation.text",
    "explanation_member": "Explanation.member",
    "explanation_path": "Explanation.path",
    "explanation_times": "Explanation.acked",
    "explanation_accuser_count": "Explanation.accusers",
    "explanation_accuser_at": "Explanation.accusers",
    "explanation_free": HANDLES,
    "pool_doctor": "Pool.doctor",
    "diagnosis_text": "Diagnosis.text",
    "diagnosis_is_healthy": "Diagnosis.is_healthy",
    "diagnosis_finding_count": "Diagnosis.findings",
    "diagnosis_finding_at": "Finding.meaning",
    "diagnosis_check_count": "Diagnosis.checks",
    "diagnosis_check_at": "Diagnosis.check",
    "diagnosis_free": HANDLES,
    # The delegate.
    "delegate_init": VALUES,
    "message_from": "Message.source",
    "message_sender_name": "Message.sender",
    "message_pool_id": "Message.pool_id",
    "message_is_reliable": "Message.reliable",
    "message_is_encrypted": "Message.encrypted",
    "message_received_ns": "Message.received",
    "message_origin_name": "Message.origin",
    "message_origin": "Origin.sequence",
    "message_broadcast_name": "Origin.name",
    "buffer_append": "Delegate.local_state",
    "buffer_clear": VALUES,
    "buffer_len": VALUES,
    "buffer_limit": VALUES,
    # Events.
    "queue_new": "Pool.events",
    "queue_poll": "Subscription.get",
    "queue_poll_batch": "Subscription.drain",
    "queue_fd": "Subscription.fileno",
    "queue_set_wake_fd": "every event loop of Python can watch Subscription.fileno()",
    "queue_stats": "Subscription.stats",
    "queue_close": "Subscription.close",
    "queue_free": HANDLES,
    "event_type": "Event",
    "event_type_name": "events are classes, which have names",
    "event_tag": "a subscription belongs to one node",
    "event_pool_id": "MemberJoined.pool_id",
    "event_member": "MemberJoined.member",
    "event_other_member": "MemberConflict.other",
    "event_members": "Delegate.notify_merge",
    "event_data": "Message.data",
    "event_from": "Message.source",
    "event_is_reliable": "Message.reliable",
    "event_message": "Message",
    "event_returned": "Healed.returned",
    "event_missing": "Healed.missing",
    "pool_rotate_key": "Pool.rotate_key",
    "pool_migrate": "Pool.migrate",
    "migration_text": "MigrationReport.text",
    "migration_count": "MigrationReport.members",
    "migration_at": "MigrationReport.members",
    "migration_free": HANDLES,
    "event_migration_kind": "Migrated.kind",
    "event_step": "Migrated.step",
    "event_is_join": "RemoteState.join",
    "event_rtt_ns": "PingCompleted.rtt",
    "event_dropped": "Overflow.dropped",
    "event_deadline_ms": "PoolConfig.query_timeout",
    "event_reply_bytes": "Delegate.local_state",
    "event_reply_verdict": "Delegate.notify_alive",
    "event_free": HANDLES,
    # The port.
    "listen": "Gossip.listen",
    "listen_prefix": "Gossip.listen_prefix",
    "listen_tcp": "Gossip.listen_tcp",
    "listener_accept": "Listener.accept",
    "listener_fd": "Listener.fileno",
    "listener_kind": "Listener.id",
    "listener_name": "Listener.name",
    "listener_local_addrs": "Gossip.addresses",
    "listener_set_backlog": "Listener.set_backlog",
    "listener_stats": "Listener.stats",
    "listener_close": "Listener.close",
    "listener_free": HANDLES,
    "listeners": "Gossip.listener_stats",
    "listeners_len": "Gossip.listener_stats",
    "listeners_at": "Gossip.listener_stats",
    "listeners_free": HANDLES,
    "dial": "dial",
    "packets": "Gossip.packets",
    "packets_recv": "Packets.recvfrom",
    "packets_send": "Packets.sendto",
    "packets_fd": "Packets.fileno",
    "packets_local_addrs": "Gossip.addresses",
    "packets_stats": "Packets.stats",
    "packets_close": "Packets.close",
    "packets_free": HANDLES,
    # Counters and logs.
    "stats": "Gossip.stats",
    "pool_stats": "Pool.stats",
    "stats_len": "PoolStats.counters",
    "stats_at": "PoolStats.counters",
    "stats_find": "PoolStats.counters",
    "stats_free": HANDLES,
    "metrics_text": "Gossip.metrics",
    "pool_metrics_text": "Pool.metrics",
    "set_log": "_logging.follow",
    "log_stats": "Gossip.log_stats",
    "log_level_name": "levels are those of logging",
    "record_level": "records are those of logging",
    "record_target": "records are those of logging",
    "record_message": "records are those of logging",
    "record_fields": "records are those of logging",
    "record_pool": "records are those of logging",
    "record_time_ns": "records are those of logging",
    # Errors, addresses, versions.
    "status_name": ERRORS,
    "status_message": ERRORS,
    "status_is_retriable": ERRORS,
    "status_count": ERRORS,
    "status_at": ERRORS,
    "error_code": ERRORS,
    "error_message": ERRORS,
    "error_os_errno": ERRORS,
    "error_field": "ConfigError.field",
    "error_problem_count": "ConfigError.problems",
    "error_problem_at": "JoinError.failed",
    "error_free": HANDLES,
    "addr_parse": "addresses are those of Python's sockets",
    "addr_format": "Member.endpoint",
    "version_string": "__version__",
    "version_number": VALUES,
    "abi_version": "the extension and the package are one distribution, and compared at import",
    "abi_check": "the extension and the package are one distribution, and compared at import",
}


def functions() -> set[str]:
    """The functions of the header."""
    code = "\n".join(line.split("//")[0] for line in HEADER.read_text().splitlines())
    code = re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL)
    return {name.removeprefix("gossip_") for name in re.findall(r"\b(gossip_\w+)\(", code)}


def resolves(path: str) -> bool:
    """Whether a dotted name leads somewhere in the package, fields of dataclasses included."""
    found: object = gossip
    for part in path.split("."):
        # Instances have what is only announced in the class.
        announced = part in getattr(found, "__annotations__", {})
        if not hasattr(found, part) and not announced:
            return False
        found = getattr(found, part, None)
    return True


def test_every_function_of_the_header_is_accounted_for() -> None:
    assert len(functions()) > 150
    assert functions() == set(LEDGER)


def test_every_name_in_the_ledger_is_there() -> None:
    names = {value for value in LEDGER.values() if " " not in value}

    assert len(names) > 80
    assert not [name for name in names if not resolves(name)]
