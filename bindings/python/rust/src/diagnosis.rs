//! Explanations and diagnoses: the fields of `gossip.Explanation` and `gossip.Diagnosis`.

use std::time::Duration;

use gossip_core::base::name::NodeName;
use gossip_core::pool::diagnosis::{Check, CheckKind, CheckResult, Diagnosis, Finding};
use gossip_core::swim::evidence::{ProbeEnd, StreamPing};
use gossip_core::swim::explanation::{Explanation, PathState, UnansweredProbe};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::convert;
use crate::errors;

/// Names of paths, of kinds and results of checks, and each finding with what it means.
type Words = (Vec<&'static str>, Vec<&'static str>, Vec<&'static str>, Vec<(&'static str, String)>);

/// A check's kind, result, seconds, the system's error number, and what happened.
type CheckRow = (&'static str, &'static str, Option<f64>, Option<i32>, String);

/// The words in which explanations and diagnoses are told.
#[pyfunction]
pub(crate) fn words() -> Words {
    (
        PathState::ALL.iter().map(|path| path.name()).collect(),
        CheckKind::ALL.iter().map(|kind| kind.name()).collect(),
        CheckResult::ALL.iter().map(|result| result.name()).collect(),
        Finding::ALL.iter().map(|finding| (finding.name(), finding.to_string())).collect(),
    )
}

pub(crate) fn explanation<'py>(py: Python<'py>, of: &Explanation) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("member", convert::member(py, &of.member)?)?;
    fields.set_item("is_self", of.is_self)?;
    fields.set_item("since", of.since.as_secs_f64())?;
    fields.set_item("heard", seconds(of.heard))?;
    fields.set_item("acked", seconds(of.acked.map(|acked| acked.ago)))?;
    fields.set_item("rtt", seconds(of.acked.map(|acked| acked.rtt)))?;
    let silence = of.silence.as_ref().map(|silence| unanswered(py, silence)).transpose()?;
    fields.set_item("silence", silence)?;
    fields.set_item("accusers", names(py, &of.accusers))?;
    fields.set_item("dead_in", seconds(of.dead_in))?;
    fields.set_item("more_accusers", of.more_accusers)?;
    fields.set_item("buried_by", of.buried_by.as_ref().map(|by| convert::name(py, by)))?;
    fields.set_item("refutations", of.refutations.count)?;
    fields.set_item("refuted", seconds(of.refutations.ago))?;
    fields.set_item("path", of.path.name())?;
    fields.set_item("health_score", of.health)?;
    fields.set_item("is_isolated", of.is_isolated)?;
    fields.set_item("observer", convert::name(py, &of.observer))?;
    fields.set_item("text", of.to_string())?;
    Ok(fields)
}

fn unanswered<'py>(py: Python<'py>, of: &UnansweredProbe) -> PyResult<Bound<'py, PyDict>> {
    let (tcp, tcp_error) = match &of.stream {
        StreamPing::NotTried => ("not_tried", None),
        StreamPing::Unanswered => ("unanswered", None),
        StreamPing::Answered => ("answered", None),
        StreamPing::Failed(why) => ("failed", Some(why)),
    };
    let (end, late, relayed_by) = match &of.end {
        ProbeEnd::Running => ("running", None, None),
        ProbeEnd::Late(after) => ("late", Some(*after), None),
        ProbeEnd::Relayed(by) => ("relayed", None, Some(convert::name(py, by))),
        ProbeEnd::Stream => ("tcp", None, None),
        ProbeEnd::Silent => ("silent", None, None),
        _ => return Err(errors::internal("a probe ended in an unknown way")),
    };
    let fields = PyDict::new(py);
    fields.set_item("ago", of.ago.as_secs_f64())?;
    fields.set_item("patience", of.patience.as_secs_f64())?;
    fields.set_item("asked", names(py, &of.asked))?;
    fields.set_item("nacked", names(py, &of.nacked))?;
    fields.set_item("tcp", tcp)?;
    fields.set_item("tcp_error", tcp_error)?;
    fields.set_item("end", end)?;
    fields.set_item("late", seconds(late))?;
    fields.set_item("relayed_by", relayed_by)?;
    Ok(fields)
}

pub(crate) fn diagnosis<'py>(py: Python<'py>, of: &Diagnosis) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("name", of.target.name.as_ref().map(|of| convert::name(py, of)))?;
    fields.set_item("address", convert::address(py, of.target.addr)?)?;
    let member = of.member.as_ref().map(|member| convert::member(py, member)).transpose()?;
    fields.set_item("member", member)?;
    fields.set_item("took", of.took.as_secs_f64())?;
    fields.set_item("checks", of.checks.iter().map(check).collect::<Vec<_>>())?;
    fields.set_item("findings", of.findings.iter().map(|finding| finding.name()).collect::<Vec<_>>())?;
    fields.set_item("text", of.to_string())?;
    Ok(fields)
}

fn check(of: &Check) -> CheckRow {
    (of.kind.name(), of.result.name(), seconds(of.took), of.os_errno, of.detail.clone())
}

fn seconds(of: Option<Duration>) -> Option<f64> {
    of.map(|duration| duration.as_secs_f64())
}

fn names<'py>(py: Python<'py>, of: &[NodeName]) -> Vec<Bound<'py, PyString>> {
    of.iter().map(|of| convert::name(py, of)).collect()
}
