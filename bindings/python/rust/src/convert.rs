//! Values across the border: plain tuples, `str`, `bytes` and numbers, from which the
//! Python half builds its dataclasses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gossip_core::base::addr::Target;
use gossip_core::base::name::NodeName;
use gossip_core::swim::node::{Member, Node, State, Versions};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

/// The longest wait that is told apart from waiting without limit.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A duration of `seconds`, which Python has checked; `None` and longer waits are a day.
pub(crate) fn limit(seconds: Option<f64>) -> Duration {
    seconds.map_or(DAY, |seconds| Duration::try_from_secs_f64(seconds).map_or(DAY, |wait| wait.min(DAY)))
}

/// Bytes from any object with a contiguous buffer: `bytes`, `bytearray`, `memoryview`.
pub(crate) struct Payload(pub(crate) Vec<u8>);

impl<'a, 'py> FromPyObject<'a, 'py> for Payload {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        PyBuffer::<u8>::get(&object)?.to_vec(object.py()).map(Self)
    }
}

/// An address as two values, an IP address in text form and a port.
pub(crate) struct Address(pub(crate) SocketAddr);

impl<'a, 'py> FromPyObject<'a, 'py> for Address {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let (host, port): (String, u16) = object.extract()?;
        let ip: IpAddr =
            host.parse().map_err(|_| PyValueError::new_err(format!("{host:?} is no IP address")))?;
        Ok(Self(SocketAddr::new(ip, port)))
    }
}

/// A member to talk to: its name, which may be empty, and its address.
#[derive(FromPyObject)]
pub(crate) struct Peer(Payload, Address);

impl From<Peer> for Target {
    fn from(Peer(Payload(name), Address(addr)): Peer) -> Self {
        Self { name: (!name.is_empty()).then(|| NodeName::from(name.as_slice())), addr }
    }
}

/// The fields of `gossip.Member`, in its order.
pub(crate) fn member<'py>(py: Python<'py>, member: &Member) -> PyResult<Bound<'py, PyTuple>> {
    let versions = versions(py, member.node.versions)?;
    PyTuple::new(py, facts(py, &member.node, member.state, member.incarnation, &versions)?)
}

/// The same of several, one behind the other: a tuple for each would cost the collector of garbage as
/// much as its fields. Most have the same versions, which are made once for those in a row.
pub(crate) fn members<'py, 'a>(
    py: Python<'py>,
    members: impl Iterator<Item = &'a Member>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let (mut of, mut made) = (Versions::default(), versions(py, Versions::default())?);
    let mut row = Vec::new();
    for Member { node, state, incarnation } in members {
        if node.versions != of {
            (of, made) = (node.versions, versions(py, node.versions)?);
        }
        row.extend(facts(py, node, *state, *incarnation, &made)?);
    }
    Ok(row)
}

/// The same of a node that is no member.
pub(crate) fn node<'py>(py: Python<'py>, node: &Node) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, facts(py, node, State::Alive, 0, &versions(py, node.versions)?)?)
}

/// Those of the protocol, and of the application's.
type Both<'py> = (Bound<'py, PyTuple>, Bound<'py, PyTuple>);

fn versions(py: Python<'_>, of: Versions) -> PyResult<Both<'_>> {
    let Versions { pmin, pmax, pcur, dmin, dmax, dcur } = of;
    Ok(((pmin, pmax, pcur).into_pyobject(py)?, (dmin, dmax, dcur).into_pyobject(py)?))
}

fn facts<'py>(
    py: Python<'py>,
    node: &Node,
    state: State,
    incarnation: u32,
    (protocol, delegate_protocol): &Both<'py>,
) -> PyResult<[Bound<'py, PyAny>; 8]> {
    let addr = node.addr.socket_addr();
    Ok([
        name(py, &node.name).into_any(),
        addr.ip().to_string().into_pyobject(py)?.into_any(),
        addr.port().into_pyobject(py)?.into_any(),
        (state as u8).into_pyobject(py)?.into_any(),
        PyBytes::new(py, node.meta.as_bytes()).into_any(),
        incarnation.into_pyobject(py)?.into_any(),
        protocol.clone().into_any(),
        delegate_protocol.clone().into_any(),
    ])
}

/// A name. What is no text in it becomes surrogate escapes, from which Python can get the bytes again.
pub(crate) fn name<'py>(py: Python<'py>, name: &NodeName) -> Bound<'py, PyString> {
    let escaped = |_| {
        let bytes = PyBytes::new(py, name.as_bytes());
        PyString::from_encoded_object(&bytes, Some(c"utf-8"), Some(c"surrogateescape"))
            .unwrap_or_else(|_| PyString::new(py, &String::from_utf8_lossy(name.as_bytes())))
    };
    std::str::from_utf8(name.as_bytes()).map_or_else(escaped, |text| PyString::new(py, text))
}

/// A socket address as Python's `socket` module writes it.
pub(crate) fn address<'py>(py: Python<'py>, addr: SocketAddr) -> PyResult<Bound<'py, PyTuple>> {
    let host = addr.ip().to_string();
    match addr {
        SocketAddr::V4(_) => (host, addr.port()).into_pyobject(py),
        SocketAddr::V6(v6) => (host, addr.port(), v6.flowinfo(), v6.scope_id()).into_pyobject(py),
    }
}
