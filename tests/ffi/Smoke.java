// Two nodes by JNA: join, a message, one muxed connection, the end. Argument: the library.

import com.sun.jna.Callback;
import com.sun.jna.IntegerType;
import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

public final class Smoke {
    static final int PATIENCE_MS = 10_000;
    static final int PRESET_LOCAL = 3;
    static final int ADDR_SIZE = 32;
    static final int ADDR_TEXT_SIZE = 64;

    /** C's size_t. */
    public static final class Size extends IntegerType {
        private static final long serialVersionUID = 1;

        public Size() {
            this(0);
        }

        public Size(long value) {
            super(Native.SIZE_T_SIZE, value, true);
        }
    }

    /** Called on a thread of the library, which JNA attaches. */
    public interface OnMessage extends Callback {
        void invoke(Pointer userData, Pointer data, Size len, Pointer message);
    }

    /** gossip_delegate_t, with one callback spelled out. */
    @Structure.FieldOrder({"structSize", "userData", "destroy", "notifyJoin", "notifyLeave", "notifyUpdate",
        "notifyConflict", "notifyMsg", "mergeRemoteState", "notifyPingComplete", "notifyOverflow", "notifyShutdown",
        "localState", "notifyMerge", "notifyAlive", "allowTcpPing"})
    public static final class Delegate extends Structure {
        public Size structSize = new Size();
        public Pointer userData, destroy, notifyJoin, notifyLeave, notifyUpdate, notifyConflict;
        public OnMessage notifyMsg;
        public Pointer mergeRemoteState, notifyPingComplete, notifyOverflow, notifyShutdown;
        public Pointer localState, notifyMerge, notifyAlive, allowTcpPing;
    }

    /** What of gossip.h is used here. */
    public interface Gossip extends Library {
        String gossip_status_name(int status);

        int gossip_config_new(PointerByReference config);

        int gossip_config_set(Pointer config, String key, String value, Pointer err);

        void gossip_config_free(Pointer config);

        int gossip_new(Pointer config, PointerByReference node, Pointer err);

        int gossip_pool_config_new(int id, int preset, PointerByReference config, Pointer err);

        void gossip_pool_config_free(Pointer config);

        int gossip_register_pool(Pointer node, Pointer config, Delegate delegate, PointerByReference pool, Pointer err);

        int gossip_start(Pointer node, Pointer err);

        int gossip_local_addr(Pointer node, Pointer addr);

        int gossip_addr_format(Pointer addr, byte[] buf, Size cap, Pointer len);

        int gossip_pool_join(Pointer pool, String[] seeds, Size count, int timeoutMs, Pointer joined, Pointer err);

        int gossip_pool_members(Pointer pool, PointerByReference members);

        Size gossip_members_len(Pointer members);

        Pointer gossip_members_find(Pointer members, byte[] name, Size len);

        void gossip_members_free(Pointer members);

        int gossip_pool_send_reliable(Pointer pool, Pointer member, byte[] data, Size len, int timeoutMs, Pointer delivery, Pointer err);

        int gossip_listen(Pointer node, int id, PointerByReference listener, Pointer err);

        int gossip_dial(String addr, int id, int timeoutMs, int flags, IntByReference fd, Pointer err);

        int gossip_listener_accept(Pointer listener, int timeoutMs, int flags, IntByReference fd, Pointer peer);

        void gossip_listener_free(Pointer listener);

        int gossip_shutdown(Pointer node, int timeoutMs, Pointer err);

        void gossip_pool_free(Pointer pool);

        void gossip_free(Pointer node);
    }

    /** Java cannot adopt a descriptor, so it is used as C would. */
    public interface C extends Library {
        Size write(int fd, byte[] data, Size len);

        Size read(int fd, byte[] data, Size len);

        int close(int fd);
    }

    private static Gossip gossip;

    private Smoke() {}

    private static void ok(int status) {
        if (status != 0) {
            throw new IllegalStateException(gossip.gossip_status_name(status));
        }
    }

    /** A running node: itself, its pool, its address. */
    private record Node(Pointer node, Pointer pool, String addr) {
        static Node start(String name, Delegate delegate) {
            var config = new PointerByReference();
            var lan = new PointerByReference();
            var node = new PointerByReference();
            var pool = new PointerByReference();
            ok(gossip.gossip_config_new(config));
            ok(gossip.gossip_config_set(config.getValue(), "name", name, null));
            ok(gossip.gossip_config_set(config.getValue(), "bind_addr", "127.0.0.1", null));
            ok(gossip.gossip_config_set(config.getValue(), "bind_port", "0", null));
            ok(gossip.gossip_new(config.getValue(), node, null));
            ok(gossip.gossip_pool_config_new(1, PRESET_LOCAL, lan, null));
            ok(gossip.gossip_register_pool(node.getValue(), lan.getValue(), delegate, pool, null));
            ok(gossip.gossip_start(node.getValue(), null));
            gossip.gossip_pool_config_free(lan.getValue());
            gossip.gossip_config_free(config.getValue());
            var addr = new Memory(ADDR_SIZE);
            var text = new byte[ADDR_TEXT_SIZE];
            ok(gossip.gossip_local_addr(node.getValue(), addr));
            ok(gossip.gossip_addr_format(addr, text, new Size(text.length), null));
            return new Node(node.getValue(), pool.getValue(), Native.toString(text));
        }

        int members() {
            var members = new PointerByReference();
            ok(gossip.gossip_pool_members(pool, members));
            int count = gossip.gossip_members_len(members.getValue()).intValue();
            gossip.gossip_members_free(members.getValue());
            return count;
        }
    }

    public static void main(String[] arguments) throws Exception {
        gossip = Native.load(arguments[0], Gossip.class);
        var heard = new CompletableFuture<String>();
        OnMessage onMessage = (userData, data, len, message) ->
            heard.complete(new String(data.getByteArray(0, len.intValue()), StandardCharsets.UTF_8));
        // Both are kept: the library calls back until the shutdown.
        var delegate = new Delegate();
        delegate.structSize = new Size(delegate.size());
        delegate.notifyMsg = onMessage;
        var ada = Node.start("ada", null);
        var bob = Node.start("bob", delegate);
        ok(gossip.gossip_pool_join(ada.pool, new String[] {bob.addr}, new Size(1), PATIENCE_MS, null, null));
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MS);
        while (ada.members() != 2) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("bob is no member");
            }
        }

        var members = new PointerByReference();
        ok(gossip.gossip_pool_members(ada.pool, members));
        var member = gossip.gossip_members_find(members.getValue(), "bob".getBytes(StandardCharsets.UTF_8), new Size(3));
        var hello = "hello".getBytes(StandardCharsets.UTF_8);
        ok(gossip.gossip_pool_send_reliable(ada.pool, member, hello, new Size(hello.length), PATIENCE_MS, null, null));
        gossip.gossip_members_free(members.getValue());
        if (!heard.get(PATIENCE_MS, TimeUnit.MILLISECONDS).equals("hello")) {
            throw new IllegalStateException(heard.get());
        }

        C c = Native.load("c", C.class);
        var listener = new PointerByReference();
        var out = new IntByReference();
        var taken = new IntByReference();
        ok(gossip.gossip_listen(bob.node, 7, listener, null));
        ok(gossip.gossip_dial(bob.addr, 7, PATIENCE_MS, 0, out, null));
        ok(gossip.gossip_listener_accept(listener.getValue(), PATIENCE_MS, 0, taken, null));
        var ping = "ping".getBytes(StandardCharsets.UTF_8);
        var came = new byte[ping.length];
        if (c.write(out.getValue(), ping, new Size(ping.length)).intValue() != ping.length
            || c.read(taken.getValue(), came, new Size(came.length)).intValue() != came.length
            || !"ping".equals(new String(came, StandardCharsets.UTF_8))) {
            throw new IllegalStateException("the connection brought something else");
        }
        c.close(out.getValue());
        c.close(taken.getValue());

        for (var node : new Node[] {ada, bob}) {
            ok(gossip.gossip_shutdown(node.node, PATIENCE_MS, null));
            gossip.gossip_free(node.node);
            gossip.gossip_pool_free(node.pool);
        }
        gossip.gossip_listener_free(listener.getValue());
        java.lang.ref.Reference.reachabilityFence(delegate);
        System.out.println("jna works");
    }
}
