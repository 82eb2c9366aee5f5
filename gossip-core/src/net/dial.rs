//! Opening connections to the ports of others.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::bind::set_stream_options;
use super::clock::Clock;
use super::error::{NetError, timed_out};
use crate::base::endpoint::Endpoint;
use crate::base::ids::ListenerId;
use crate::base::time::Time;

/// An address gets its share of the time that is left, but not less than this.
const LEAST_SHARE: Duration = Duration::from_secs(2);

/// Connects to `to`, `host:port`, trying each of its addresses in turn, and announces the
/// listener `id`, if one is given; all within `timeout`. The connection is blocking,
/// close-on-exec, with `TCP_NODELAY` and keep-alive set.
pub fn dial(
    to: &str,
    id: Option<ListenerId>,
    timeout: Duration,
    clock: &Clock,
) -> Result<TcpStream, NetError> {
    let deadline = clock.now() + timeout;
    let endpoint = Endpoint::parse(to, 0)?;
    if endpoint.port == 0 {
        return Err(NetError::Address { text: to.into(), flaw: "has no port to connect to" });
    }
    let addrs = endpoint.lookup_blocking(timeout)?;
    let mut failure = timed_out(timeout);
    let mut tried = endpoint.host.clone();
    for (position, &addr) in addrs.iter().enumerate() {
        let left = deadline.since(clock.now());
        if left.is_zero() {
            break;
        }
        let waiting = u32::try_from(addrs.len() - position).unwrap_or(u32::MAX);
        let share = (left / waiting).max(LEAST_SHARE).min(left);
        match dial_addr(addr, id, clock.now() + share, clock) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                failure = error;
                tried = addr.to_string();
            }
        }
    }
    let to = if tried == to { tried } else { format!("{to} ({tried})") };
    Err(NetError::Dial { to, reason: failure })
}

fn dial_addr(
    addr: SocketAddr,
    id: Option<ListenerId>,
    deadline: Time,
    clock: &Clock,
) -> io::Result<TcpStream> {
    let left = |allowed: Time| match allowed.since(clock.now()) {
        Duration::ZERO => Err(timed_out(Duration::ZERO)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&addr, left(deadline)?)?;
    set_stream_options(&stream)?;
    if let Some(id) = id {
        stream.set_write_timeout(Some(left(deadline)?))?;
        stream.write_all(&id.prefix())?;
        stream.set_write_timeout(None)?;
    }
    Ok(stream)
}
