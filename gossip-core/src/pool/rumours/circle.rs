//! The live members in the order of a hash of their names, and how an arc of them is cut.
//!
//! A picture of the member table, made anew when that has changed and somebody looks.

use std::net::SocketAddr;
use std::sync::Arc as Shared;

use crate::base::name::NodeName;
use crate::base::rng::Rng;
use crate::pool::rumours::envelope::Arc;
use crate::swim::node::Node;
use crate::swim::swim::Swim;

/// Parts that an arc is cut into: with eight, four hops reach 4680 members.
pub const FANOUT: usize = 8;

/// The other live members.
#[derive(Debug, Default)]
pub struct Circle {
    version: Option<u64>,
    /// Those that understand relayed broadcasts, by place.
    places: Vec<(u32, Shared<Node>)>,
    /// All, by address, and whether they understand.
    addrs: Vec<(Shared<Node>, bool)>,
    /// One that does not.
    deaf: Option<NodeName>,
}

/// Who gets a rumour, and the arc that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The member.
    pub to: Shared<Node>,
    /// Whom it looks after.
    pub arc: Arc,
}

impl Circle {
    /// Follows the member table.
    pub fn refresh(&mut self, swim: &Swim) {
        if self.version == Some(swim.version) {
            return;
        }
        self.version = Some(swim.version);
        self.places.clear();
        self.addrs.clear();
        self.deaf = None;
        self.addrs.reserve_exact(swim.roster.len());
        let others =
            swim.roster.iter().filter(|record| record.state.is_live() && record.node.name != swim.name);
        for record in others {
            let (node, understands) = (&record.node, record.relay > 0);
            self.addrs.push((Shared::clone(node), understands));
            if understands {
                self.places.push((place(node.name.as_bytes()), Shared::clone(node)));
            } else if self.deaf.as_ref().is_none_or(|deaf| node.name < *deaf) {
                self.deaf = Some(node.name.clone());
            }
        }
        self.places.sort_unstable_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
        self.addrs.sort_unstable_by_key(|(node, _)| (node.addr.socket_addr(), node.name.clone()));
    }

    /// A live member that does not understand relayed broadcasts.
    pub fn deaf(&self) -> Option<&NodeName> {
        self.deaf.as_ref()
    }

    /// The live member at an address, and whether it understands relayed broadcasts.
    pub fn at(&self, addr: SocketAddr) -> Option<(&Shared<Node>, bool)> {
        let found = self.addrs.binary_search_by_key(&addr, |(node, _)| node.addr.socket_addr()).ok()?;
        self.addrs.get(found).map(|(node, understands)| (node, *understands))
    }

    /// Shares the whole circle out, for whoever begins a rumour. Where it is cut is random, so
    /// that in the long run all members pass on equally much.
    pub fn share_all(&self, rng: &mut Rng) -> Vec<Share> {
        let (before, after) = self.places.split_at(rng.below(self.places.len()));
        let members: Vec<_> = after.iter().chain(before).collect();
        let end = members.first().map_or(0, |(place, _)| *place);
        share(&members, end)
    }

    /// Shares out an arc of a rumour that began at `origin`, which needs no copy.
    pub fn share_arc(&self, arc: Arc, origin: &[u8]) -> Vec<Share> {
        if arc.is_empty() {
            return Vec::new();
        }
        let at = |place: u32| self.places.partition_point(|(other, _)| *other < place);
        let (from, to) = (at(arc.from), at(arc.to));
        let part = |from, to| self.places.get(from..to).unwrap_or_default();
        let runs = if arc.from < arc.to {
            [part(from, to), &[]]
        } else {
            [part(from, self.places.len()), part(0, to)]
        };
        let members: Vec<_> =
            runs.into_iter().flatten().filter(|(_, node)| node.name.as_bytes() != origin).collect();
        share(&members, arc.to)
    }
}

/// Cuts members, who stand in this order before `end`, into parts of nearly equal size. The
/// first of each part gets the rumour and the arc of the others, in which nobody stands who
/// has it already.
fn share(members: &[&(u32, Shared<Node>)], end: u32) -> Vec<Share> {
    let (count, parts) = (members.len(), FANOUT.min(members.len()));
    let place = |index: usize| members.get(index).map_or(end, |(place, _)| *place);
    let share = |part: usize| {
        let (first, next) = (part * count / parts, (part + 1) * count / parts);
        let (_, to) = members.get(first)?;
        let alone = first + 1 == next;
        let arc = if alone { Arc::NONE } else { Arc { from: place(first + 1), to: place(next) } };
        Some(Share { to: Shared::clone(to), arc })
    };
    (0..parts).filter_map(share).collect()
}

/// Where a name stands: FNV-1a, 32 bits.
pub fn place(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::NodeAddr;
    use crate::swim::node::{Meta, Versions};

    fn circle(count: usize) -> Circle {
        let node = |number: usize| {
            let addr = NodeAddr::from(SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 7946)));
            let name = NodeName::from(format!("n{number}").as_str());
            let place = place(name.as_bytes());
            (place, Shared::new(Node { name, addr, meta: Meta::default(), versions: Versions::default() }))
        };
        let mut places: Vec<_> = (0..count).map(node).collect();
        places.sort_by_key(|(place, _)| *place);
        Circle { places, ..Circle::default() }
    }

    /// How often each member gets a rumour of `origin`, and after how many hops the last has it.
    fn spread(circle: &Circle, origin: usize, seed: u64) -> (Vec<usize>, usize) {
        let (name, mut copies) = (format!("n{origin}"), vec![0; circle.places.len()]);
        let own = Circle {
            places: circle.places.iter().filter(|(_, node)| node.name != *name.as_str()).cloned().collect(),
            ..Circle::default()
        };
        let mut shares = own.share_all(&mut Rng::from_seed(seed));
        let mut hops = 0;
        while !shares.is_empty() {
            hops += 1;
            let mut next = Vec::new();
            for Share { to, arc } in shares {
                copies[to.name.to_string()[1..].parse::<usize>().unwrap()] += 1;
                next.extend(circle.share_arc(arc, name.as_bytes()));
            }
            shares = next;
        }
        (copies, hops)
    }

    #[test]
    fn every_member_but_the_origin_gets_one_copy_after_few_hops() {
        for (count, most) in [(1, 0), (2, 1), (3, 1), (9, 1), (10, 2), (73, 2), (74, 3), (585, 3), (3000, 4)]
        {
            let circle = circle(count);
            for seed in 0..5 {
                let origin = seed as usize % count;
                let (copies, hops) = spread(&circle, origin, seed);

                let expected: Vec<_> = (0..count).map(|member| usize::from(member != origin)).collect();
                assert_eq!((copies, hops), (expected, most), "{count} members, seed {seed}");
            }
        }
    }

    #[test]
    fn the_empty_arc_is_nobodys_and_an_arc_may_go_over_the_top() {
        let circle = circle(100);
        let [first, .., last] = [0, 1, 99].map(|index| circle.places[index].0);

        assert!(circle.share_arc(Arc::NONE, b"").is_empty());
        let shares = circle.share_arc(Arc { from: last, to: first + 1 }, b"");
        assert_eq!(
            shares.iter().map(|share| place(share.to.name.as_bytes())).collect::<Vec<_>>(),
            [last, first]
        );
    }

    #[test]
    fn places_are_those_of_fnv_1a() {
        assert_eq!([place(b""), place(b"a"), place(b"foobar")], [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
    }
}
