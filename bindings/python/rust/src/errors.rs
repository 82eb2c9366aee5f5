//! The core's errors as Python exceptions: this file is the whole table.

use std::io;

use gossip_core::base::config_error::{ConfigError as CoreConfigError, Problem};
use gossip_core::net::error::NetError;
use gossip_core::pool::error::CommandError;
use gossip_core::pool::exchange::{ExchangeError, Refusal};
use gossip_core::runtime::error::{Error, SeedError};
use pyo3::exceptions::{PyConnectionError, PyConnectionResetError, PyOSError, PyRuntimeError};
use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::prelude::*;

mod python {
    use pyo3::import_exception;

    import_exception!(gossip.errors, BusyError);
    import_exception!(gossip.errors, ClosedError);
    import_exception!(gossip.errors, ConfigError);
    import_exception!(gossip.errors, ForkedError);
    import_exception!(gossip.errors, InternalError);
    import_exception!(gossip.errors, JoinError);
    import_exception!(gossip.errors, KeyringError);
    import_exception!(gossip.errors, MessageTooLargeError);
    import_exception!(gossip.errors, NotJoinedError);
    import_exception!(gossip.errors, NotStartedError);
    import_exception!(gossip.errors, NotTakenError);
    import_exception!(gossip.errors, QueueFullError);
    import_exception!(gossip.errors, RegistrationError);
    import_exception!(gossip.errors, UnknownMemberError);
}

/// What Python raises for an error of the core.
pub(crate) fn to_python(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Config(error) => config(error),
        Error::Net(error) => net(error, text),
        Error::Command(error) => command(error, text),
        Error::PoolExists(_) => python::RegistrationError::new_err(text),
        Error::NotStarted => python::NotStartedError::new_err(text),
        Error::System(reason) => os(&reason, text),
        Error::Closed | Error::Cancelled => python::ClosedError::new_err(text),
        Error::Timeout(_) | Error::NoResponse(_) => PyTimeoutError::new_err(text),
        Error::Join(seeds) => join(seeds, text),
        Error::Send { error, .. } => send(&error, text),
        Error::Deadlock => PyRuntimeError::new_err(text),
        Error::Fatal(reason) | Error::Internal(reason) => internal(&reason),
        _ => internal(&text),
    }
}

/// A configuration value that cannot work.
pub(crate) fn config(error: CoreConfigError) -> PyErr {
    let row = |problem: &Problem| (problem.field, problem.value.clone(), problem.rule.clone());
    let (field, value, rule) = row(error.first());
    let more: Vec<_> = error.problems().skip(1).map(row).collect();
    python::ConfigError::new_err((field, value, rule, more))
}

/// The object belongs to the process that forked this one.
pub(crate) fn forked() -> PyErr {
    python::ForkedError::new_err(
        "this object belongs to the parent process, and its threads did not survive the fork; \
         make the Gossip in the child",
    )
}

/// A defect of the library.
pub(crate) fn internal(reason: &str) -> PyErr {
    python::InternalError::new_err(format!("{reason} (this is a defect of the library; please report it)"))
}

/// A key that is no key, or cannot be removed.
pub(crate) fn keyring(reason: &impl ToString) -> PyErr {
    python::KeyringError::new_err(reason.to_string())
}

/// What Python's sockets raise once they are closed.
pub(crate) fn bad_descriptor(text: &str) -> PyErr {
    PyOSError::new_err((EBADF, text.to_owned()))
}

fn net(error: NetError, text: String) -> PyErr {
    match error {
        NetError::Bind { reason, .. }
        | NetError::Adopt { reason, .. }
        | NetError::Register(reason)
        | NetError::Resolve { reason, .. }
        | NetError::Dial { reason, .. }
        | NetError::Send { reason, .. } => os(&reason, text),
        NetError::Started | NetError::Closed => python::ClosedError::new_err(text),
        NetError::Route(_) => python::RegistrationError::new_err(text),
        NetError::TooLarge { len, limit } => python::MessageTooLargeError::new_err(("datagram", len, limit)),
        NetError::ReservedByte | NetError::Address { .. } => PyValueError::new_err(text),
        NetError::BindNothing | NetError::BindPorts(..) => rule("bind_addr", text),
        NetError::Inherited { .. } | NetError::InheritedLacks { .. } | NetError::InheritedNothing => {
            rule("sockets", text)
        }
        NetError::NoAdvertiseAddr { .. } | NetError::AdvertiseWildcard(_) => rule("advertise_addr", text),
        _ => PyOSError::new_err(text),
    }
}

/// A configuration value that only the attempt shows to be wrong.
fn rule(field: &'static str, text: String) -> PyErr {
    python::ConfigError::new_err((field, "unusable", text))
}

fn command(error: CommandError, text: String) -> PyErr {
    match error {
        CommandError::TooLarge { what, size, limit } => {
            python::MessageTooLargeError::new_err((what, size, limit))
        }
        CommandError::QueueFull { .. } => python::QueueFullError::new_err(text),
        CommandError::DoctorBusy | CommandError::MigrationBusy => python::BusyError::new_err(text),
        CommandError::HasLeft => python::NotJoinedError::new_err(text),
        CommandError::UnknownMember(_) => python::UnknownMemberError::new_err(text),
        CommandError::ReservedMark => PyValueError::new_err(text),
        CommandError::NameRequired | CommandError::OwnAddressNotAllowed(_) => {
            python::ConfigError::new_err((None::<&str>, None::<&str>, text))
        }
        CommandError::Keyring(error) => keyring(&error),
        CommandError::NotEncrypted | CommandError::AlreadyEncrypted => keyring(&text),
        _ => internal(&text),
    }
}

fn join(seeds: Vec<SeedError>, text: String) -> PyErr {
    let failed: Vec<_> = seeds.into_iter().map(|SeedError { seed, reason, .. }| (seed, reason)).collect();
    python::JoinError::new_err((text, failed))
}

/// Why a reliable message did not arrive, or is not known to have.
pub(crate) fn send(error: &ExchangeError, text: String) -> PyErr {
    match error {
        ExchangeError::NotTaken(refusal) => python::NotTakenError::new_err((text, reason(*refusal))),
        ExchangeError::Timeout | ExchangeError::ConnectTimeout => PyTimeoutError::new_err(text),
        _ => match error.os_error() {
            // From its number Python chooses the subclass.
            Some(number) => PyOSError::new_err((number, text)),
            None if matches!(error, ExchangeError::Closed | ExchangeError::Reset(_)) => {
                PyConnectionResetError::new_err(text)
            }
            None => PyConnectionError::new_err(text),
        },
    }
}

/// The value of `gossip.Refusal` for it.
fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::QueueFull => "queue_full",
        Refusal::Unheard => "unheard",
        Refusal::Failed => "failed",
        _ => "other",
    }
}

/// An `OSError` with its number, from which Python chooses the subclass.
fn os(reason: &io::Error, text: String) -> PyErr {
    match (reason.raw_os_error(), reason.kind()) {
        (Some(number), _) => PyOSError::new_err((number, text)),
        (None, io::ErrorKind::TimedOut) => PyTimeoutError::new_err(text),
        (None, _) => PyOSError::new_err(text),
    }
}

/// `EBADF`, the same number on every Unix.
const EBADF: i32 = 9;
