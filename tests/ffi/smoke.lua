-- Two nodes by LuaJIT's ffi: join, a message, one muxed connection, the end.
-- Arguments: the library, its declarations.
--
-- LuaJIT can't be called back from another thread, so it uses no delegate: that the message came is read from the
-- receiver's counters.
local ffi = require("ffi")

ffi.cdef(assert(io.open(arg[2])):read("*a"))
ffi.cdef([[
ssize_t send(int fd, const void *data, size_t len, int flags);
ssize_t recv(int fd, void *data, size_t len, int flags);
int close(int fd);
]])
local lib = ffi.load(arg[1]) -- referenced to the end: what is collected would be unloaded
local MSG_WAITALL, MSG_NOSIGNAL, PATIENCE_MS = 0x100, 0x4000, 10000

local function ok(status)
    if status ~= lib.GOSSIP_OK then
        error(ffi.string(lib.gossip_status_name(status)), 2)
    end
end

local function node(name)
    local config, lan = ffi.new("gossip_config_t *[1]"), ffi.new("gossip_pool_config_t *[1]")
    local gossip, pool = ffi.new("gossip_t *[1]"), ffi.new("gossip_pool_t *[1]")
    ok(lib.gossip_config_new(config))
    for key, value in pairs({ name = name, bind_addr = "127.0.0.1", bind_port = "0" }) do
        ok(lib.gossip_config_set(config[0], key, value, nil))
    end
    ok(lib.gossip_new(config[0], gossip, nil))
    ok(lib.gossip_pool_config_new(1, lib.GOSSIP_PRESET_LOCAL, lan, nil))
    ok(lib.gossip_register_pool(gossip[0], lan[0], nil, pool, nil))
    ok(lib.gossip_start(gossip[0], nil))
    lib.gossip_pool_config_free(lan[0])
    lib.gossip_config_free(config[0])
    local addr, text = ffi.new("gossip_addr_t"), ffi.new("char[?]", lib.GOSSIP_ADDR_TEXT_SIZE)
    ok(lib.gossip_local_addr(gossip[0], addr))
    ok(lib.gossip_addr_format(addr, text, lib.GOSSIP_ADDR_TEXT_SIZE, nil))
    return gossip[0], pool[0], ffi.string(text)
end

local function eventually(what, condition)
    local deadline = os.time() + PATIENCE_MS / 1000
    while not condition() do
        assert(os.time() < deadline, what)
    end
end

local function messages_received(pool)
    local stats, value = ffi.new("gossip_stats_t *[1]"), ffi.new("uint64_t[1]")
    ok(lib.gossip_pool_stats(pool, stats))
    ok(lib.gossip_stats_find(stats[0], "messages_received", value))
    lib.gossip_stats_free(stats[0])
    return tonumber(value[0])
end

local ada, ada_pool = node("ada")
local bob, bob_pool, bob_addr = node("bob")
local seeds = ffi.new("const char *[1]", { bob_addr })
ok(lib.gossip_pool_join(ada_pool, seeds, 1, PATIENCE_MS, nil, nil))
local count = ffi.new("size_t[1]")
eventually("two members", function()
    ok(lib.gossip_pool_num_members(ada_pool, count))
    return count[0] == 2
end)

local members = ffi.new("gossip_members_t *[1]")
ok(lib.gossip_pool_members(ada_pool, members))
-- Nobody at bob takes messages, which the sender hears.
local to_bob = lib.gossip_members_find(members[0], "bob", 3)
assert(lib.gossip_pool_send_reliable(ada_pool, to_bob, "hello", 5, PATIENCE_MS, nil, nil) == lib.GOSSIP_ERR_NOT_TAKEN)
lib.gossip_members_free(members[0])
eventually("a message", function()
    return messages_received(bob_pool) == 1
end)

local listener, out, taken = ffi.new("gossip_listener_t *[1]"), ffi.new("int[1]"), ffi.new("int[1]")
ok(lib.gossip_listen(bob, 7, listener, nil))
ok(lib.gossip_dial(bob_addr, 7, PATIENCE_MS, lib.GOSSIP_FD_BLOCKING, out, nil))
ok(lib.gossip_listener_accept(listener[0], PATIENCE_MS, lib.GOSSIP_FD_BLOCKING, taken, nil))
local bytes = ffi.new("char[4]")
assert(ffi.C.send(out[0], "ping", 4, MSG_NOSIGNAL) == 4)
assert(ffi.C.recv(taken[0], bytes, 4, MSG_WAITALL) == 4 and ffi.string(bytes, 4) == "ping")
ffi.C.close(out[0])
ffi.C.close(taken[0])

for _, gossip in ipairs({ ada, bob }) do
    ok(lib.gossip_shutdown(gossip, PATIENCE_MS, nil))
    lib.gossip_free(gossip)
end
lib.gossip_listener_free(listener[0])
lib.gossip_pool_free(ada_pool)
lib.gossip_pool_free(bob_pool)
print("LuaJIT works")
