//! The error object: what a status cannot say. And how the core's errors become statuses.

use std::borrow::Cow;
use std::ffi::{CString, c_char};
use std::io;
use std::mem::MaybeUninit;

use gossip_core::base::config_error::{ConfigError, Problem};
use gossip_core::mux::routes::RouteError;
use gossip_core::net::error::{NetError, WaitError};
use gossip_core::pool::error::CommandError;
use gossip_core::pool::exchange::ExchangeError;
use gossip_core::pool::migration::Missing;
use gossip_core::runtime::error::{Error, SeedError};
use gossip_core::wire::keyring::KeyringError;

use crate::border::{offer, quick, some, value};
use crate::status::Status::{self, *};
use crate::status::gossip_status_t;

/// Why a call failed: the status, a sentence for people, and what else is known. Made
/// by functions with an `err` parameter; free it with `gossip_error_free`. It never
/// changes, so its texts live as long as it does.
pub struct gossip_error_t {
    status: Status,
    message: CString,
    os_errno: i32,
    field: CString,
    problems: Vec<ProblemText>,
}

/// One of several things that are wrong at once.
struct ProblemText {
    field: CString,
    value: CString,
    rule: CString,
}

/// The status that the failed call returned; OK for NULL.
///
/// Memory: borrows `error`. Threads: any. Blocks: no.
/// Status: that of the call.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_error_code(error: Option<&gossip_error_t>) -> gossip_status_t {
    value(GOSSIP_OK as i32, || error.map_or(GOSSIP_OK, |error| error.status) as i32)
}

/// What went wrong, in a sentence with value and limit, UTF-8; empty for NULL.
///
/// Memory: the text lives as long as `error`. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_error_message(error: Option<&gossip_error_t>) -> *const c_char {
    value(c"", || error.map_or(c"", |error| &error.message)).as_ptr()
}

/// The `errno` of the system call behind the failure; 0 if there was none.
///
/// Memory: borrows `error`. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_error_os_errno(error: Option<&gossip_error_t>) -> i32 {
    value(0, || error.map_or(0, |error| error.os_errno))
}

/// The configuration key or argument at fault; empty if there is none.
///
/// Memory: the text lives as long as `error`. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_error_field(error: Option<&gossip_error_t>) -> *const c_char {
    value(c"", || error.map_or(c"", |error| &error.field)).as_ptr()
}

/// How many problems an error lists: with CONFIG one for each configuration value that
/// cannot work, so that all can be mended at once; of a join one for each seed or
/// address that was not reached, of a migration one for each member that has not taken the
/// step; otherwise 0, and 0 for NULL.
///
/// Memory: borrows `error`. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_error_problem_count(error: Option<&gossip_error_t>) -> usize {
    value(0, || error.map_or(0, |error| error.problems.len()))
}

/// The problem at `index`, in three texts: the configuration key (a duration's without its
/// `_ms`), its value (that of a secret is never told), and the rule that it breaks, with the
/// limit. Of a join: `seeds`, the seed or address, and why it was not reached. Of a migration:
/// `members`, the name of one that has not taken the step, and why not. Each out-parameter
/// may be NULL.
///
/// Memory: the texts live as long as `error`. Threads: any. Blocks: no.
/// Status: NULL_ARG; NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_error_problem_at(
    error: Option<&gossip_error_t>,
    index: usize,
    field: Option<&mut MaybeUninit<*const c_char>>,
    value: Option<&mut MaybeUninit<*const c_char>>,
    rule: Option<&mut MaybeUninit<*const c_char>>,
) -> gossip_status_t {
    quick(|| {
        let problems = &some(error, "error")?.problems;
        let problem = problems.get(index).ok_or_else(|| Failure::beyond(index, problems.len()))?;
        offer(field, problem.field.as_ptr());
        offer(value, problem.value.as_ptr());
        offer(rule, problem.rule.as_ptr());
        Ok(())
    })
}

/// Frees an error; NULL is fine.
///
/// Memory: ends `error` and its texts. Threads: any. Blocks: no.
#[unsafe(no_mangle)]
pub extern "C" fn gossip_error_free(error: Option<Box<gossip_error_t>>) {
    value((), || drop(error));
}

/// Why a call fails, on its way out to C.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// Most are made and not looked at, those of an empty queue all the time: they cost nothing.
    message: Cow<'static, str>,
    os_errno: i32,
    field: &'static str,
    problems: Vec<Problem>,
}

impl Failure {
    pub(crate) fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), os_errno: 0, field: "", problems: Vec::new() }
    }

    /// The argument `field` breaks a rule.
    pub(crate) fn argument(status: Status, field: &'static str, rule: impl std::fmt::Display) -> Self {
        Self { field, ..Self::new(status, format!("{field} {rule}")) }
    }

    /// The argument `field` is NULL.
    pub(crate) fn null(field: &'static str) -> Self {
        Self::argument(GOSSIP_ERR_NULL_ARG, field, "is NULL")
    }

    /// There are only `len` of what was asked for by `index`.
    pub(crate) fn beyond(index: usize, len: usize) -> Self {
        Self::argument(GOSSIP_ERR_NOT_FOUND, "index", format!("is {index}, must be below {len}"))
    }

    /// The object that the caller receives.
    pub(crate) fn into_object(self) -> gossip_error_t {
        let text = |problem: Problem| ProblemText {
            field: c_text(problem.field),
            value: c_text(problem.value),
            rule: c_text(problem.rule),
        };
        gossip_error_t {
            status: self.status,
            message: c_text(self.message.into_owned()),
            os_errno: self.os_errno,
            field: c_text(self.field),
            problems: self.problems.into_iter().map(text).collect(),
        }
    }
}

/// `text` for C; a NUL inside, which only a peer can have sent, becomes a question mark.
pub(crate) fn c_text(text: impl Into<Vec<u8>>) -> CString {
    let mut bytes = text.into();
    bytes.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'?');
    CString::new(bytes).unwrap_or_default()
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self {
            field: error.first().field,
            problems: error.problems().cloned().collect(),
            ..Self::new(GOSSIP_ERR_CONFIG, error.to_string())
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Config(error) => return error.clone().into(),
            Error::Net(error) => net_status(error),
            Error::Command(error) => command_status(error),
            Error::PoolExists(_) => GOSSIP_ERR_EXISTS,
            Error::NotStarted => GOSSIP_ERR_INVALID_STATE,
            Error::Closed => GOSSIP_ERR_CLOSED,
            Error::Timeout(_) => GOSSIP_ERR_TIMEOUT,
            Error::Join(seeds) => join_status(seeds),
            Error::Send { error, .. } => exchange_status(error),
            Error::Migration(_) => GOSSIP_ERR_NOT_MIGRATED,
            Error::NoResponse(_) => GOSSIP_ERR_NO_RESPONSE,
            Error::Deadlock => GOSSIP_ERR_DEADLOCK,
            Error::Cancelled => GOSSIP_ERR_CANCELLED,
            // A thread that the system does not give is EAGAIN, and waiting does not help.
            Error::System(error) if error.kind() == io::ErrorKind::WouldBlock => GOSSIP_ERR_RESOURCE_LIMIT,
            Error::System(error) => io_status(error),
            Error::Fatal(_) => GOSSIP_ERR_FATAL,
            _ => GOSSIP_ERR_INTERNAL,
        };
        let (os_errno, message) = (os_errno(&error), error.to_string());
        let problems = match error {
            Error::Join(seeds) => seeds.into_iter().map(unreached).collect(),
            Error::Migration(report) => report.missing.into_iter().map(in_the_way).collect(),
            _ => Vec::new(),
        };
        Self { os_errno, problems, ..Self::new(status, message) }
    }
}

/// A seed that could not be joined, as one problem of several.
fn unreached(seed: SeedError) -> Problem {
    Problem { field: "seeds", value: seed.seed, rule: seed.reason }
}

/// A member that has not taken a step of a migration.
fn in_the_way(missing: Missing) -> Problem {
    Problem { field: "members", value: missing.member.to_string(), rule: missing.trouble.to_string() }
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Self {
        Error::from(error).into()
    }
}

impl From<KeyringError> for Failure {
    fn from(error: KeyringError) -> Self {
        Error::from(CommandError::from(error)).into()
    }
}

impl From<WaitError> for Failure {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Timeout => Self::new(GOSSIP_ERR_TIMEOUT, "nothing came in time"),
            WaitError::Closed => Self::new(GOSSIP_ERR_CLOSED, "closed"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            os_errno: error.raw_os_error().unwrap_or(0),
            ..Self::new(io_status(&error), error.to_string())
        }
    }
}

/// How one conversation with a peer ended.
fn exchange_status(error: &ExchangeError) -> Status {
    match error {
        ExchangeError::Timeout | ExchangeError::ConnectTimeout => GOSSIP_ERR_TIMEOUT,
        ExchangeError::NotTaken(_) => GOSSIP_ERR_NOT_TAKEN,
        ExchangeError::Dropped => GOSSIP_ERR_CANCELLED,
        ExchangeError::RemoteError(_) => GOSSIP_ERR_REJECTED,
        ExchangeError::Refused(why) if why.is_of_encryption() => GOSSIP_ERR_CRYPTO,
        ExchangeError::Refused(_) | ExchangeError::UnexpectedType { .. } | ExchangeError::WrongSeq { .. } => {
            GOSSIP_ERR_PROTOCOL
        }
        _ => GOSSIP_ERR_CONNECT,
    }
}

/// What all seeds agree in, if that is something that no later join will mend.
fn join_status(seeds: &[SeedError]) -> Status {
    let mut statuses = seeds.iter().map(|seed| seed.exchange.as_ref().map(exchange_status));
    match statuses.next().flatten() {
        Some(status @ (GOSSIP_ERR_CRYPTO | GOSSIP_ERR_PROTOCOL)) if statuses.all(|it| it == Some(status)) => {
            status
        }
        _ => GOSSIP_ERR_JOIN_FAILED,
    }
}

fn command_status(error: &CommandError) -> Status {
    match error {
        CommandError::TooLarge { .. } => GOSSIP_ERR_TOO_LARGE,
        CommandError::QueueFull { .. } => GOSSIP_ERR_AGAIN,
        CommandError::DoctorBusy | CommandError::MigrationBusy => GOSSIP_ERR_AGAIN,
        CommandError::HasLeft => GOSSIP_ERR_INVALID_STATE,
        CommandError::UnknownMember(_) => GOSSIP_ERR_NOT_FOUND,
        CommandError::OwnAddressNotAllowed(_) => GOSSIP_ERR_REJECTED,
        CommandError::Keyring(KeyringError::NotInstalled(_)) => GOSSIP_ERR_NOT_FOUND,
        CommandError::Keyring(KeyringError::RemovesPrimary) => GOSSIP_ERR_IN_USE,
        _ => GOSSIP_ERR_INVALID_ARG,
    }
}

fn net_status(error: &NetError) -> Status {
    match error {
        NetError::Closed => GOSSIP_ERR_CLOSED,
        NetError::Started => GOSSIP_ERR_INVALID_STATE,
        NetError::Route(error) => route_status(error),
        NetError::Address { .. } => GOSSIP_ERR_ADDR_INVALID,
        NetError::NoAdvertiseAddr { .. } | NetError::AdvertiseWildcard(_) => GOSSIP_ERR_ADDR_INVALID,
        NetError::NoSocket(_) => GOSSIP_ERR_ADDR_INVALID,
        NetError::BindNothing => GOSSIP_ERR_CONFIG,
        // Bind addresses share the key of their port, so only sockets can disagree.
        NetError::BindPorts(..) | NetError::InheritedNothing => GOSSIP_ERR_INVALID_ARG,
        NetError::Inherited { .. } | NetError::InheritedLacks { .. } => GOSSIP_ERR_INVALID_ARG,
        NetError::Adopt { reason, .. } if reason.kind() == io::ErrorKind::InvalidInput => {
            GOSSIP_ERR_INVALID_ARG
        }
        NetError::TooLarge { .. } => GOSSIP_ERR_TOO_LARGE,
        NetError::ReservedByte => GOSSIP_ERR_RESERVED,
        NetError::Resolve { reason, .. } if reason.kind() != io::ErrorKind::TimedOut => GOSSIP_ERR_RESOLVE,
        other => other.io_error().map_or(GOSSIP_ERR_IO, io_status),
    }
}

fn route_status(error: &RouteError) -> Status {
    match error {
        RouteError::ReservedId(_) | RouteError::ReservedPrefix(_) => GOSSIP_ERR_RESERVED,
        RouteError::PrefixLength(_) => GOSSIP_ERR_INVALID_ARG,
        RouteError::LabelLength(_) => GOSSIP_ERR_CONFIG,
        _ => GOSSIP_ERR_EXISTS,
    }
}

fn io_status(error: &io::Error) -> Status {
    if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS)) {
        return GOSSIP_ERR_RESOURCE_LIMIT;
    }
    match error.kind() {
        io::ErrorKind::AddrInUse => GOSSIP_ERR_ADDR_IN_USE,
        io::ErrorKind::AddrNotAvailable => GOSSIP_ERR_ADDR_INVALID,
        io::ErrorKind::TimedOut => GOSSIP_ERR_TIMEOUT,
        io::ErrorKind::WouldBlock => GOSSIP_ERR_AGAIN,
        io::ErrorKind::OutOfMemory => GOSSIP_ERR_OUT_OF_MEMORY,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => GOSSIP_ERR_CONNECT,
        _ => GOSSIP_ERR_IO,
    }
}

/// The system's number for what went wrong, if the system said something.
fn os_errno(error: &Error) -> i32 {
    let said = match error {
        Error::Net(error) => error.io_error().and_then(io::Error::raw_os_error),
        Error::System(error) => error.raw_os_error(),
        Error::Send { error, .. } => error.os_error(),
        // With one seed it is clear whose it is.
        Error::Join(seeds) => match &seeds[..] {
            [seed] => seed.exchange.as_ref().and_then(ExchangeError::os_error),
            _ => None,
        },
        _ => None,
    };
    said.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_keeps_its_errno_through_the_layers() {
        let reason = io::Error::from_raw_os_error(libc::EADDRINUSE);
        let addr = ([127, 0, 0, 1], 7946).into();
        let error = Error::from(NetError::Bind { protocol: "tcp", addr, reason });

        let failure = Failure::from(error);

        assert_eq!(failure.status, GOSSIP_ERR_ADDR_IN_USE);
        assert_eq!(failure.os_errno, libc::EADDRINUSE);
        assert!(failure.message.contains("127.0.0.1:7946"), "{}", failure.message);
    }

    #[test]
    fn a_refused_value_names_its_field() {
        let error = ConfigError::new("threads", 99, "must be from 1 to 64");

        let object = Failure::from(error).into_object();

        assert_eq!(object.field.as_c_str(), c"threads");
        assert_eq!(object.message.as_c_str(), c"threads is 99, must be from 1 to 64");
    }

    #[test]
    fn a_nul_from_the_network_does_not_cut_the_message() {
        assert_eq!(c_text("a\0b").as_c_str(), c"a?b");
    }
}
