//! Members: immutable snapshots, and the views of one member that callbacks receive.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gossip_core::runtime::view::View;
use gossip_core::swim::node::{Member, Node, State};

use crate::addr::gossip_addr_t;
use crate::border::{bytes, copy_out, give, offer, quick, some, value, write};
use crate::status::gossip_status_t;

/// The members of a pool at one moment. It never changes, so many threads may read it,
/// and everything it hands out lives until it is freed.
pub struct gossip_members_t {
    list: Arc<List>,
}

/// What the snapshots of a pool share while nothing changes.
struct List {
    members: Box<[gossip_member_t]>,
    version: u64,
}

/// The last list that was made of a pool: whoever looks often at what seldom changes gets
/// the same one again.
#[derive(Default)]
pub(crate) struct Last(Mutex<Option<(Arc<View>, Arc<List>)>>);

/// One member: in a snapshot until that is freed, in a callback until that returns.
pub struct gossip_member_t {
    member: Member,
    /// Made when first asked for: most snapshots are only counted or searched.
    texts: OnceLock<Texts>,
}

/// What C reads of a member, each with a NUL behind its end.
struct Texts {
    name: Box<[u8]>,
    meta: Box<[u8]>,
    addr: Box<[u8]>,
}

/// The states of a member, as in memberlist.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum gossip_state_t {
    /// Answers its pings, as far as is known.
    GOSSIP_STATE_ALIVE = 0,
    /// Did not answer someone's pings; dead unless it refutes in time.
    GOSSIP_STATE_SUSPECT = 1,
    /// Gone without a word.
    GOSSIP_STATE_DEAD = 2,
    /// Said goodbye.
    GOSSIP_STATE_LEFT = 3,
}

impl gossip_member_t {
    pub(crate) fn new(member: Member) -> Self {
        Self { member, texts: OnceLock::new() }
    }

    /// A node that claims a name and was refused: alive by its own account.
    pub(crate) fn claimant(node: Node) -> Self {
        Self::new(Member { node: Arc::new(node), state: State::Alive, incarnation: 0 })
    }

    pub(crate) fn member(&self) -> &Member {
        &self.member
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| Texts {
            name: terminated(self.member.name().as_bytes()),
            meta: terminated(self.member.meta()),
            addr: terminated(self.member.addr().to_string().as_bytes()),
        })
    }
}

impl gossip_members_t {
    pub(crate) fn new(members: &[Member], version: u64) -> Self {
        let mut members: Box<[_]> = members.iter().cloned().map(gossip_member_t::new).collect();
        // A pool's members are sorted already; those of a merge are as they arrived.
        members.sort_by(|a, b| a.member.name().cmp(b.member.name()));
        Self { list: Arc::new(List { members, version }) }
    }
}

impl Last {
    /// A snapshot of `view`.
    pub(crate) fn snapshot(&self, view: Arc<View>) -> gossip_members_t {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, list)) = &*last
            && Arc::ptr_eq(of, &view)
        {
            return gossip_members_t { list: Arc::clone(list) };
        }
        let made = gossip_members_t::new(view.members(), view.version());
        let before = last.replace((view, Arc::clone(&made.list)));
        // A large list takes long to free, and others wait for the lock.
        drop(last);
        drop(before);
        made
    }
}

fn terminated(bytes: &[u8]) -> Box<[u8]> {
    bytes.iter().copied().chain([0]).collect()
}

/// Hands out terminated bytes and their length without the NUL.
fn lend<'a>(
    member: Option<&'a gossip_member_t>,
    part: impl FnOnce(&'a Texts) -> &'a [u8],
    len: Option<&mut MaybeUninit<usize>>,
) -> *const u8 {
    let bytes = value(&[0][..], || member.map_or(&[0][..], |member| part(member.texts())));
    offer(len, bytes.len() - 1);
    bytes.as_ptr()
}

/// How many members the snapshot has; 0 for NULL.
///
/// Memory: borrows `members`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_members_len(members: Option<&gossip_members_t>) -> usize {
    value(0, || members.map_or(0, |members| members.list.members.len()))
}

/// Raised with every change of the pool: two snapshots of one pool with the same version are equal.
/// 0 for NULL and for snapshots of one.
///
/// Memory: borrows `members`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_members_version(members: Option<&gossip_members_t>) -> u64 {
    value(0, || members.map_or(0, |members| members.list.version))
}

/// The member at `index`, in the order of names; NULL behind the last.
///
/// Memory: the member lives as long as `members`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_members_get(
    members: Option<&gossip_members_t>,
    index: usize,
) -> Option<&gossip_member_t> {
    value(None, || members?.list.members.get(index))
}

/// The member of that name, `len` bytes; NULL if there is none.
///
/// Memory: the member lives as long as `members`; borrows `name` for the call. Threads:
/// any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_members_find(
    members: Option<&gossip_members_t>,
    name: *const c_char,
    len: usize,
) -> Option<&gossip_member_t> {
    value(None, || {
        // SAFETY: the header's rule for bytes.
        let name = unsafe { bytes(name.cast::<c_void>(), len, "name") }.ok()?;
        let members = &members?.list.members;
        let found = members.binary_search_by(|member| member.member.name().as_bytes().cmp(name));
        members.get(found.ok()?)
    })
}

/// Frees a snapshot; NULL is fine.
///
/// Memory: ends `members` and everything it handed out. Threads: any, callbacks too.
/// Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_members_free(members: Option<Box<gossip_members_t>>) {
    value((), || drop(members));
}

/// Keeps a member beyond its callback or snapshot: makes a snapshot of one.
///
/// Memory: `members` is yours: gossip_members_free. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_member_clone(
    member: Option<&gossip_member_t>,
    members: Option<&mut MaybeUninit<*mut gossip_members_t>>,
) -> gossip_status_t {
    quick(|| {
        let member = some(member, "member")?.member.clone();
        give(members, "members", || Ok(gossip_members_t::new(&[member], 0)))
    })
}

/// The member's name. Names come from the network: any bytes, most often UTF-8; a NUL
/// follows the last. `len` may be NULL. Empty for a NULL member.
///
/// Memory: lives as long as `member`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_member_name(
    member: Option<&gossip_member_t>,
    len: Option<&mut MaybeUninit<usize>>,
) -> *const c_char {
    lend(member, |texts| &texts.name, len).cast()
}

/// The member's metadata, any bytes; a NUL follows the last. `len` may be NULL. Empty for
/// a NULL member.
///
/// Memory: lives as long as `member`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_member_meta(
    member: Option<&gossip_member_t>,
    len: Option<&mut MaybeUninit<usize>>,
) -> *const u8 {
    lend(member, |texts| &texts.meta, len)
}

/// The member's address as text, such as `192.0.2.1:7946`. Empty for NULL.
///
/// Memory: lives as long as `member`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_member_addr_text(member: Option<&gossip_member_t>) -> *const c_char {
    lend(member, |texts| &texts.addr, None).cast()
}

/// The member's address: its gossip port, and that of its listeners.
///
/// Memory: `addr` is written on success. Threads: any, callbacks too. Blocks: no.
/// Status: NULL_ARG.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_member_addr(
    member: Option<&gossip_member_t>,
    addr: Option<&mut MaybeUninit<gossip_addr_t>>,
) -> gossip_status_t {
    quick(|| write(addr, "addr", some(member, "member")?.member.addr().into()))
}

/// The member's state, of `gossip_state_t`; -1 for NULL.
///
/// Memory: borrows `member`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_member_state(member: Option<&gossip_member_t>) -> i32 {
    value(-1, || member.map_or(-1, |member| member.member.state as i32))
}

/// The incarnation to which state and metadata belong; 0 for NULL.
///
/// Memory: borrows `member`. Threads: any, callbacks too. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_member_incarnation(member: Option<&gossip_member_t>) -> u32 {
    value(0, || member.map_or(0, |member| member.member.incarnation))
}

/// What the member understands and speaks, six numbers: memberlist's protocol lowest,
/// highest, spoken; the application's protocol lowest, highest, spoken.
///
/// Memory: `versions` has room for 6 bytes, written on success. Threads: any, callbacks
/// too. Blocks: no.
/// Status: NULL_ARG.
///
/// cbindgen:ptrs-as-arrays=[[versions; 6]]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gossip_member_versions(
    member: Option<&gossip_member_t>,
    versions: *mut u8,
) -> gossip_status_t {
    quick(|| {
        let announced = some(member, "member")?.member.node.versions.to_bytes();
        // SAFETY: the caller gives room for six bytes, as the header says.
        unsafe { copy_out(&announced, versions, "versions") }
    })
}

/// The name of a state: `alive`, `suspect`, `dead`, `left`; `unknown` for other numbers.
///
/// Memory: the text is static. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_state_name(state: i32) -> *const c_char {
    let name = || match State::from_wire(state.into()) {
        Some(State::Alive) => c"alive",
        Some(State::Suspect) => c"suspect",
        Some(State::Dead) => c"dead",
        Some(State::Left) => c"left",
        None => c"unknown",
    };
    value(c"unknown", name).as_ptr()
}
