//! Connections to the services of other nodes, for programs with or without a node.

use std::net::TcpStream;
use std::time::Duration;

use crate::mux::routes::listener_id;
use crate::net;
use crate::net::error::NetError;
use crate::runtime::clock::Clock;
use crate::runtime::error::Error;

/// Connects to `to` (`host:port`, `[v6]:port`), trying each of its addresses in turn, and
/// announces the muxed listener `id`, which may not lie in `0xFE00` to `0xFEFF`; without an
/// id nothing is announced, and the first bytes that are written decide: a listener with that
/// prefix, or the native one. All within `timeout`. The connection is an ordinary blocking
/// socket with `TCP_NODELAY` set.
pub fn dial(to: &str, id: Option<u16>, timeout: Duration) -> Result<TcpStream, Error> {
    let id = id.map(listener_id).transpose().map_err(NetError::from)?;
    let clock = Clock::start();
    let clock = net::clock::Clock::new(move || clock.now());
    Ok(net::dial::dial(to, id, timeout, &clock)?)
}
