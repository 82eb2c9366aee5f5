//! How many connections may be looked at at once, in all and from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Admits connections to the sniffing stage.
#[derive(Debug)]
pub(super) struct Gate {
    limit: usize,
    limit_per_source: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    by_source: BTreeMap<IpAddr, usize>,
}

/// Why a connection isn't let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Full {
    Everyone,
    Source,
}

/// A place inside, given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    source: IpAddr,
}

impl Gate {
    pub(super) fn new(limit: usize, limit_per_source: usize) -> Arc<Self> {
        Arc::new(Self { limit, limit_per_source, inside: Mutex::default() })
    }

    /// How many are inside.
    pub(super) fn inside(&self) -> usize {
        self.inside.lock().total
    }

    /// A place for a connection from `source`.
    pub(super) fn enter(self: &Arc<Self>, source: IpAddr) -> Result<Pass, Full> {
        let source = source.to_canonical();
        let mut inside = self.inside.lock();
        if inside.total >= self.limit {
            return Err(Full::Everyone);
        }
        let from_source = inside.by_source.get(&source).copied().unwrap_or(0);
        if from_source >= self.limit_per_source {
            return Err(Full::Source);
        }
        inside.by_source.insert(source, from_source + 1);
        inside.total += 1;
        Ok(Pass { gate: Arc::clone(self), source })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.inside.lock();
        inside.total -= 1;
        if let Some(count) = inside.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                inside.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_by_source_and_come_back() {
        let gate = Gate::new(3, 2);
        let [a, b, mapped_a] = ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1"].map(|ip| ip.parse().unwrap());

        let first = gate.enter(a).unwrap();
        let _second = gate.enter(mapped_a).unwrap();
        assert_eq!(gate.enter(a).unwrap_err(), Full::Source);
        let _third = gate.enter(b).unwrap();
        assert_eq!(gate.enter(b).unwrap_err(), Full::Everyone);

        drop(first);
        assert!(gate.enter(b).is_ok());
        assert_eq!(gate.inside.lock().by_source.len(), 2, "sources that left are forgotten");
    }
}
