//! What a program hands in from outside: configuration texts, addresses, sizes of structs. Any of
//! them is taken or refused, with a reason and without a change.
//!
//! `make fuzz` runs this with many more cases: PROPTEST_CASES=1000000.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use gossip::addr::{gossip_addr_format, gossip_addr_parse, gossip_addr_t};
use gossip::config::*;
use gossip::delegate::{gossip_delegate_init, gossip_delegate_t};
use gossip::error::{gossip_error_code, gossip_error_free, gossip_error_message, gossip_error_t};
use gossip::node::gossip_register_pool;
use gossip::pool_config::*;
use gossip::status::gossip_status_code_t::{self, *};
use proptest::prelude::*;

/// A call that explains itself: its status, and why.
fn explained(call: impl FnOnce(Option<&mut MaybeUninit<*mut gossip_error_t>>) -> i32) -> (i32, String) {
    let mut err = MaybeUninit::uninit();
    let status = call(Some(&mut err));
    // SAFETY: every call writes `err`: NULL, or a new object.
    let error = unsafe { err.assume_init().as_mut().map(|error| Box::from_raw(error)) };
    assert_eq!(gossip_error_code(error.as_deref()), status);
    // SAFETY: the message is a C string that lives as long as the error.
    let why =
        unsafe { CStr::from_ptr(gossip_error_message(error.as_deref())) }.to_string_lossy().into_owned();
    gossip_error_free(error);
    (status, why)
}

fn is(status: i32, allowed: &[gossip_status_code_t]) -> bool {
    allowed.iter().any(|code| *code as i32 == status)
}

/// The functions of one kind of configuration.
struct Kind<C> {
    set: unsafe extern "C" fn(
        Option<&mut C>,
        *const c_char,
        *const c_char,
        Option<&mut MaybeUninit<*mut gossip_error_t>>,
    ) -> i32,
    get: unsafe extern "C" fn(
        Option<&C>,
        *const c_char,
        *mut c_char,
        usize,
        Option<&mut MaybeUninit<usize>>,
    ) -> i32,
    keys: Vec<CString>,
}

type KeyAt = extern "C" fn(
    usize,
    Option<&mut MaybeUninit<*const c_char>>,
    Option<&mut MaybeUninit<i32>>,
    Option<&mut MaybeUninit<*const c_char>>,
    Option<&mut MaybeUninit<*const c_char>>,
) -> i32;

fn keys(count: usize, key_at: KeyAt) -> Vec<CString> {
    let name = |index| {
        let mut name = MaybeUninit::uninit();
        assert_eq!(key_at(index, Some(&mut name), None, None, None), 0);
        // SAFETY: written on success; the names are static C strings.
        unsafe { CStr::from_ptr(name.assume_init()) }.to_owned()
    };
    (0..count).map(name).collect()
}

impl<C> Kind<C> {
    fn get(&self, config: &C, key: &CStr) -> CString {
        let mut buf = vec![0_u8; 64 * 1024];
        // SAFETY: the buffer has the room that is claimed.
        let status =
            unsafe { (self.get)(Some(config), key.as_ptr(), buf.as_mut_ptr().cast(), buf.len(), None) };
        assert_eq!(status, 0, "{key:?}");
        CStr::from_bytes_until_nul(&buf).expect("it ends").to_owned()
    }

    fn all(&self, config: &C) -> Vec<CString> {
        self.keys.iter().map(|key| self.get(config, key)).collect()
    }

    /// Sets any key to any text, and looks at what came of it.
    fn try_it(&self, config: &mut C, key: &CStr, value: &CStr) {
        let before = self.all(config);
        // SAFETY: both are C strings.
        let (status, why) =
            explained(|err| unsafe { (self.set)(Some(config), key.as_ptr(), value.as_ptr(), err) });
        if status != 0 {
            assert!(
                is(status, &[GOSSIP_ERR_CONFIG, GOSSIP_ERR_INVALID_UTF8]),
                "{key:?} {value:?}: {status} {why}"
            );
            assert!(!why.is_empty(), "{key:?} {value:?}");
            assert_eq!(self.all(config), before, "{key:?} {value:?}: refused, and changed");
            return;
        }
        assert!(self.keys.iter().any(|known| known.as_c_str() == key), "{key:?} is no key");
        // What a key reads as, it takes, and reads as again.
        let read = self.get(config, key);
        // SAFETY: both are C strings.
        let (status, why) =
            explained(|err| unsafe { (self.set)(Some(config), key.as_ptr(), read.as_ptr(), err) });
        assert_eq!(status, 0, "{key:?} {read:?}: {why}");
        assert_eq!(self.get(config, key), read, "{key:?} {value:?}");
    }
}

/// Text that is nearly right more often than chance would have it.
fn value() -> impl Strategy<Value = CString> {
    let near = r"(-?[0-9]{1,22}|true|false|[0-9.:/,\[\]%a-f]{0,40}|(label:|prefix|bare|label)[ -~]{0,300}|[ -~]{0,40}|\PC{0,60})";
    let any = proptest::collection::vec(1..=255_u8, 0..300);
    prop_oneof![near.prop_map(String::into_bytes), any].prop_map(|mut bytes| {
        bytes.retain(|byte| *byte != 0);
        CString::new(bytes).expect("it has no NUL")
    })
}

proptest! {
    #[test]
    fn any_text_for_a_node_is_taken_or_refused(steps in proptest::collection::vec((any::<prop::sample::Index>(), value(), value()), 1..12)) {
        let kind = Kind {
            set: gossip_config_set,
            get: gossip_config_get,
            keys: keys(gossip_config_key_count(), gossip_config_key_at),
        };
        let mut made = MaybeUninit::uninit();
        prop_assert_eq!(gossip_config_new(Some(&mut made)), 0);
        // SAFETY: a new object, which is freed below.
        let mut config = unsafe { Box::from_raw(made.assume_init()) };
        for (index, other, value) in steps {
            let key = index.get(&kind.keys).clone();
            kind.try_it(&mut config, &key, &value);
            kind.try_it(&mut config, &other, &value);
        }
        gossip_config_free(Some(config));
    }

    #[test]
    fn any_text_for_a_pool_is_taken_or_refused(preset in 0..4, steps in proptest::collection::vec((any::<prop::sample::Index>(), value(), value()), 1..12)) {
        let kind = Kind {
            set: gossip_pool_config_set,
            get: gossip_pool_config_get,
            keys: keys(gossip_pool_config_key_count(), gossip_pool_config_key_at),
        };
        let mut made = MaybeUninit::uninit();
        prop_assert_eq!(gossip_pool_config_new(1, preset, Some(&mut made), None), 0);
        // SAFETY: a new object, which is freed below.
        let mut config = unsafe { Box::from_raw(made.assume_init()) };
        for (index, other, value) in steps {
            let key = index.get(&kind.keys).clone();
            kind.try_it(&mut config, &key, &value);
            kind.try_it(&mut config, &other, &value);
        }
        gossip_pool_config_free(Some(config));
    }

    #[test]
    fn an_address_is_refused_or_reads_as_it_is_written(text in value()) {
        let mut addr = MaybeUninit::<gossip_addr_t>::uninit();
        // SAFETY: a C string.
        let (status, why) = explained(|err| unsafe { gossip_addr_parse(text.as_ptr(), Some(&mut addr), err) });
        if status != 0 {
            prop_assert!(is(status, &[GOSSIP_ERR_ADDR_INVALID, GOSSIP_ERR_INVALID_UTF8]), "{:?}: {} {}", text, status, why);
            return Ok(());
        }
        // SAFETY: written on success.
        let addr = unsafe { addr.assume_init() };
        let mut written = [0_u8; 64];
        // SAFETY: the buffer has the room that is claimed.
        let status = unsafe { gossip_addr_format(Some(&addr), written.as_mut_ptr().cast(), written.len(), None) };
        prop_assert_eq!(status, 0, "{:?}", text);
        let mut again = MaybeUninit::<gossip_addr_t>::uninit();
        // SAFETY: a C string.
        let status = unsafe { gossip_addr_parse(written.as_ptr().cast(), Some(&mut again), None) };
        prop_assert_eq!(status, 0, "{:?}", text);
        // SAFETY: written on success.
        let again = unsafe { again.assume_init() };
        prop_assert_eq!((addr.family, addr.port, addr.ip), (again.family, again.port, again.ip));
    }

    #[test]
    fn any_size_of_a_delegate_is_taken_or_refused_and_nothing_behind_it_is_read(
        room in 0..9000_usize, claims_more in any::<bool>(), tail in proptest::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        static DESTROYED: AtomicUsize = AtomicUsize::new(0);
        unsafe extern "C" fn count(_: *mut c_void) {
            DESTROYED.fetch_add(1, Ordering::Relaxed);
        }
        let known = size_of::<gossip_delegate_t>();
        let fence = Fence::new();
        // It ends where memory does: to look behind it is a crash. It begins with its size.
        let room = room.max(size_of::<usize>()).next_multiple_of(align_of::<gossip_delegate_t>());
        let size = if claims_more { usize::MAX - room } else { room };
        // SAFETY: `room` is not more than the fence has.
        let delegate: *mut gossip_delegate_t = unsafe { fence.end().sub(room) }.cast();
        // SAFETY: all of it lies in front of the fence.
        unsafe { (&raw mut (*delegate).struct_size).write(size) };
        let has_destroy = room >= std::mem::offset_of!(gossip_delegate_t, destroy) + size_of::<usize>();
        if has_destroy {
            // SAFETY: as has just been asked.
            unsafe { (&raw mut (*delegate).destroy).write(Some(count)) };
        }
        let is_newer = match tail {
            Some(index) if room > known => {
                // SAFETY: behind what is known, in front of the fence.
                unsafe { delegate.cast::<u8>().add(known + index.index(room - known)).write(1) };
                true
            }
            _ => false,
        };
        let before = DESTROYED.load(Ordering::Relaxed);

        // SAFETY: it has the room that it claims, or an impossible size.
        let status = unsafe { gossip_register_pool(None, None, delegate, None, None) };

        let destroyed = DESTROYED.load(Ordering::Relaxed) - before;
        // SAFETY: the same room; an impossible size is refused first.
        let initialised = unsafe { gossip_delegate_init(delegate, size) };
        if initialised == 0 {
            let expected = if is_newer { GOSSIP_ERR_ABI_MISMATCH } else { GOSSIP_ERR_NULL_ARG };
            prop_assert_eq!(status, expected as i32);
            prop_assert_eq!(destroyed, usize::from(has_destroy));
        } else {
            prop_assert!(is(initialised, &[GOSSIP_ERR_INVALID_ARG]) && is(status, &[GOSSIP_ERR_INVALID_ARG]));
            prop_assert_eq!(destroyed, 0);
        }
        prop_assert_eq!(initialised == 0, size >= 3 * size_of::<usize>() && size <= 4096, "{}", size);
    }
}

/// Memory behind which there is none.
struct Fence(*mut u8);

impl Fence {
    const ROOM: usize = 64 * 1024;

    fn new() -> Self {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new memory, wherever it fits.
        let start = unsafe { libc::mmap(ptr::null_mut(), 2 * Self::ROOM, access, kind, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: the second half of it.
        assert_eq!(unsafe { libc::mprotect(start.byte_add(Self::ROOM), Self::ROOM, libc::PROT_NONE) }, 0);
        Self(start.cast())
    }

    fn end(&self) -> *mut u8 {
        // SAFETY: the middle of it.
        unsafe { self.0.add(Self::ROOM) }
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        // SAFETY: made in `new`; nothing of it is used any more.
        unsafe { libc::munmap(self.0.cast(), 2 * Self::ROOM) };
    }
}
