// Two nodes by Node and koffi: join, a message, one muxed connection, the end. Argument: the library.
//
// What waits is called with `.async`, on a thread of koffi's: the library's callbacks run on Node's main thread, which
// must not be blocked meanwhile.
'use strict'
const net = require('node:net')
const { once } = require('node:events')
const { promisify } = require('node:util')
const koffi = require('koffi')

const lib = koffi.load(process.argv[2])
const [LOCAL, NONBLOCK, PATIENCE_MS] = [3, 1, 10000]
for (const name of ['gossip_t', 'gossip_config_t', 'gossip_pool_config_t', 'gossip_pool_t', 'gossip_members_t',
  'gossip_member_t', 'gossip_listener_t', 'gossip_message_t']) koffi.opaque(name)
koffi.struct('gossip_addr_t', { family: 'uint16_t', port: 'uint16_t', scope_id: 'uint32_t', ip: koffi.array('uint8_t', 16), reserved: koffi.array('uint8_t', 8) })
const Message = koffi.proto('void notify_msg(void *user, const uint8_t *data, size_t len, const gossip_message_t *message)')
const unused = (...names) => Object.fromEntries(names.map(name => [name, 'void *']))
koffi.struct('gossip_delegate_t', {
  struct_size: 'size_t', user_data: 'void *', ...unused('destroy', 'join', 'leave', 'update', 'conflict'),
  notify_msg: koffi.pointer(Message), ...unused('merge_remote', 'ping', 'local_state', 'merge', 'alive', 'allow_tcp_ping')
})

const statusName = lib.func('const char *gossip_status_name(int32_t status)')
const ok = status => { if (status !== 0) throw new Error(statusName(status)) }
const checked = declaration => {
  const call = lib.func(declaration)
  const async = promisify(call.async)
  return Object.assign((...given) => ok(call(...given)), { async: async (...given) => ok(await async(...given)) })
}
const configNew = checked('int32_t gossip_config_new(_Out_ gossip_config_t **config)')
const configSet = checked('int32_t gossip_config_set(gossip_config_t *config, const char *key, const char *value, void *err)')
const poolConfigNew = checked('int32_t gossip_pool_config_new(int32_t id, int32_t preset, _Out_ gossip_pool_config_t **config, void *err)')
const create = checked('int32_t gossip_new(gossip_config_t *config, _Out_ gossip_t **node, void *err)')
const registerPool = checked('int32_t gossip_register_pool(gossip_t *node, gossip_pool_config_t *config, gossip_delegate_t *delegate, _Out_ gossip_pool_t **pool, void *err)')
const start = checked('int32_t gossip_start(gossip_t *node, void *err)')
const localAddr = checked('int32_t gossip_local_addr(gossip_t *node, _Out_ gossip_addr_t *addr)')
const join = checked('int32_t gossip_pool_join(gossip_pool_t *pool, const char **seeds, size_t count, int32_t timeout_ms, void *joined, void *err)')
const numMembers = checked('int32_t gossip_pool_num_members(gossip_pool_t *pool, _Out_ size_t *count)')
const membersOf = checked('int32_t gossip_pool_members(gossip_pool_t *pool, _Out_ gossip_members_t **members)')
const find = lib.func('const gossip_member_t *gossip_members_find(gossip_members_t *members, const char *name, size_t len)')
const sendReliable = checked('int32_t gossip_pool_send_reliable(gossip_pool_t *pool, const gossip_member_t *to, const char *data, size_t len, int32_t timeout_ms, void *delivery, void *err)')
const listen = checked('int32_t gossip_listen(gossip_t *node, int32_t id, _Out_ gossip_listener_t **listener, void *err)')
const dial = checked('int32_t gossip_dial(const char *addr, int32_t id, int32_t timeout_ms, uint32_t flags, _Out_ int *fd, void *err)')
const accept = checked('int32_t gossip_listener_accept(gossip_listener_t *listener, int32_t timeout_ms, uint32_t flags, _Out_ int *fd, void *peer)')
const shutdown = checked('int32_t gossip_shutdown(gossip_t *node, int32_t timeout_ms, void *err)')
const free = Object.fromEntries(['', 'config_', 'pool_config_', 'pool_', 'members_', 'listener_'].map(name =>
  [name, lib.func(`void gossip_${name}free(gossip_${name}t *handle)`)]))

function node (name, delegate) {
  const [config, lan, gossip, pool, addr] = [[null], [null], [null], [null], {}]
  configNew(config)
  for (const [key, value] of [['name', name], ['bind_addr', '127.0.0.1'], ['bind_port', '0']]) configSet(config[0], key, value, null)
  create(config[0], gossip, null)
  poolConfigNew(1, LOCAL, lan, null)
  registerPool(gossip[0], lan[0], delegate, pool, null)
  start(gossip[0], null)
  free.pool_config_(lan[0])
  free.config_(config[0])
  localAddr(gossip[0], addr)
  return { gossip: gossip[0], pool: pool[0], addr: `127.0.0.1:${addr.port}` }
}

async function main () {
  let arrived
  const heard = new Promise(resolve => { arrived = resolve })
  const onMessage = koffi.register((_user, data, len) => arrived(Buffer.from(koffi.decode(data, 'uint8_t', Number(len))).toString()), koffi.pointer(Message))
  const ada = node('ada', null)
  const bob = node('bob', { struct_size: koffi.sizeof('gossip_delegate_t'), notify_msg: onMessage })

  await join.async(ada.pool, [bob.addr], 1, PATIENCE_MS, null, null)
  const [count, deadline] = [[0], Date.now() + PATIENCE_MS]
  while (count[0] !== 2) {
    numMembers(ada.pool, count)
    if (Date.now() > deadline) throw new Error(`${count[0]} members`)
  }

  const members = [null]
  membersOf(ada.pool, members)
  await sendReliable.async(ada.pool, find(members[0], 'bob', 3), 'hello', 5, PATIENCE_MS, null, null)
  free.members_(members[0])
  const text = await heard
  if (text !== 'hello') throw new Error(text)

  const [listener, out, taken] = [[null], [0], [0]]
  listen(bob.gossip, 7, listener, null)
  await dial.async(bob.addr, 7, PATIENCE_MS, NONBLOCK, out, null)
  await accept.async(listener[0], PATIENCE_MS, NONBLOCK, taken, null)
  const [left, right] = [new net.Socket({ fd: out[0] }), new net.Socket({ fd: taken[0] })]
  left.write('ping')
  const [bytes] = await once(right, 'data')
  if (bytes.toString() !== 'ping') throw new Error(bytes)
  left.destroy()
  right.destroy()

  for (const { gossip, pool } of [ada, bob]) {
    await shutdown.async(gossip, PATIENCE_MS, null)
    free[''](gossip)
    free.pool_(pool)
  }
  free.listener_(listener[0])
  koffi.unregister(onMessage)
  console.log('koffi works')
}

// Also keeps Node alive while it waits for a callback, which koffi does not.
const watchdog = setTimeout(() => { throw new Error('out of time') }, 6 * PATIENCE_MS)
main().then(() => clearTimeout(watchdog))
