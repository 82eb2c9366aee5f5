//! Migrations: the fields of `gossip.MigrationReport` and `gossip.MigrationProgress`.

use bytes::Bytes;
use gossip_core::base::name::NodeName;
use gossip_core::pool::migration::{Migration, MigrationKind, MigrationOptions, MigrationProgress};
use gossip_core::pool::migration::{MigrationReport, Missing, Step, Trouble};
use gossip_core::runtime::call::Response;
use gossip_core::runtime::error::Error;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::convert::{self, Payload};
use crate::tables::aes_key;

/// A migration as Python asks for it: kind and what it leads to, the last step, and whether members that
/// take no requests, and lost ones, are passed over.
#[derive(FromPyObject)]
pub(crate) struct Wanted(String, Payload, String, bool, bool);

impl Wanted {
    /// The same as the core takes it.
    pub(crate) fn read(self) -> PyResult<(Migration, MigrationOptions)> {
        let Self(kind, to, until, by_hand, without_lost) = self;
        let to = match MigrationKind::ALL.into_iter().find(|known| known.name() == kind) {
            Some(MigrationKind::Key) => Migration::Key(aes_key(&to)?),
            Some(MigrationKind::Encryption) => Migration::Encryption(aes_key(&to)?),
            Some(MigrationKind::Label) => Migration::Label(Bytes::from(to.0)),
            None => return Err(PyValueError::new_err(format!("{kind:?} is no kind of migration"))),
        };
        let until = Step::ALL.into_iter().find(|step| step.name() == until);
        let until = until.ok_or_else(|| PyValueError::new_err("until is no step of a migration"))?;
        Ok((to, MigrationOptions { until, by_hand, without_lost }))
    }
}

/// The names of kinds and steps.
#[pyfunction]
pub(crate) fn migration_words() -> (Vec<&'static str>, Vec<&'static str>) {
    (
        MigrationKind::ALL.iter().map(|kind| kind.name()).collect(),
        Step::ALL.iter().map(|step| step.name()).collect(),
    )
}

/// The answer to a call: the report of a migration that did not come where it should is one, too. From
/// that Python makes the exception.
pub(crate) fn answer(answer: Result<Response, Error>) -> Result<Response, Error> {
    match answer {
        Err(Error::Migration(report)) => Ok(Response::Migrated(*report)),
        other => other,
    }
}

pub(crate) fn report<'py>(py: Python<'py>, of: &MigrationReport) -> PyResult<Bound<'py, PyDict>> {
    let names = |of: &[NodeName]| of.iter().map(|of| convert::name(py, of)).collect::<Vec<_>>();
    let missing = |of: &Missing| (convert::name(py, &of.member), of.trouble.name(), of.trouble.to_string());
    let fields = PyDict::new(py);
    fields.set_item("kind", of.kind.name())?;
    fields.set_item("reached", of.reached.map(Step::name))?;
    fields.set_item("until", of.until.name())?;
    fields.set_item("members", names(&of.members))?;
    fields.set_item("by_hand", names(&of.by_hand))?;
    fields.set_item("lost", names(&of.lost))?;
    fields.set_item("missing", of.missing.iter().map(missing).collect::<Vec<_>>())?;
    fields.set_item("text", of.to_string())?;
    Ok(fields)
}

pub(crate) fn progress<'py>(py: Python<'py>, of: &MigrationProgress) -> PyResult<Bound<'py, PyTuple>> {
    let (trouble, reason) =
        (of.trouble.as_ref().map(Trouble::name), of.trouble.as_ref().map(ToString::to_string));
    (of.step.name(), convert::name(py, &of.member), trouble, reason, of.done, of.total).into_pyobject(py)
}
