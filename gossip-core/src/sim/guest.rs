//! Applications from outside the world: of another language, or of a test that acts on
//! what it is told at the time it is told.
//!
//! A host with a guest ([`Script::guest`]) is run as any other, but what happens to its
//! application waits in the world, and time stands still ([`World::run_some`]) until all
//! of it has been taken ([`World::hear`]). A guest may then give any command. What fails
//! in a [`quiet`](World::quiet) world is a value ([`Failure`]), not a report.

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use crate::base::addr::Target;
use crate::base::ids::{AskId, TaskId};
use crate::base::name::NodeName;
use crate::base::time::Time;
use crate::pool::action::{Asks, Notice, Question, Reply};
use crate::pool::config::CheckedPool;
use crate::pool::error::CommandError;
use crate::pool::machine::Machine;
use crate::sim::app::Script;
use crate::sim::host::HostId;
use crate::sim::queue::Input;
use crate::sim::world::World;

/// Something that a guest has to deal with before time goes on.
#[derive(Debug)]
pub enum Heard {
    /// The application of `host` is told.
    Told {
        /// Whose application.
        host: HostId,
        /// In which of its lives.
        life: u32,
        /// What it is told.
        notice: Notice,
    },
    /// The application of `host` is asked; answer with [`World::reply`].
    Asked {
        /// Whose application.
        host: HostId,
        /// In which of its lives.
        life: u32,
        /// Names the question.
        ask: AskId,
        /// What is asked.
        question: Question,
    },
    /// An [`alarm`](World::alarm) has gone off.
    Alarm(u64),
}

/// What made a scenario fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed of the world.
    pub seed: u64,
    /// When it was found.
    pub at: Time,
    /// What it is, in words.
    pub what: String,
}

impl World {
    /// Starts a host with a guest who wants to be asked `asks`.
    pub fn spawn_guest(&mut self, name: NodeName, pool: CheckedPool, asks: Asks) -> HostId {
        self.spawn_checked(name, pool, Script { guest: Some(asks), ..Script::default() })
    }

    /// From its next life on, the guest of `host` wants to be asked `asks`.
    pub fn set_asks(&mut self, host: HostId, asks: Asks) {
        self.hosts[host.index()].script.guest = Some(asks);
    }

    /// Lets time pass until `end`, but stops when a guest has heard something, and after
    /// so many events. Returns whether `end` was reached.
    pub fn run_some(&mut self, end: Time, events: usize) -> bool {
        for _ in 0..events {
            if !self.heard.is_empty() {
                return false;
            }
            if !self.step(end) {
                self.fabric.now = end.max(self.fabric.now);
                self.check_endings();
                return true;
            }
        }
        false
    }

    /// The next thing that a guest has heard, in the order in which things happened.
    pub fn hear(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// Answers a question at once. An answer that comes too late, or from an earlier life,
    /// is as good as none.
    pub fn reply(&mut self, host: HostId, life: u32, ask: AskId, reply: Reply) {
        self.fabric.schedule_at(self.fabric.now, host, Input::Reply { life, ask, reply });
    }

    /// Lets [`Heard::Alarm`] with this number be heard after `delay`.
    pub fn alarm(&mut self, delay: Duration, number: u64) {
        self.after(delay, move |world| world.heard.push_back(Heard::Alarm(number)));
    }

    /// Runs a command that completes later, or says why it was refused.
    pub fn begin(
        &mut self,
        host: HostId,
        run: impl FnOnce(&mut Machine, Time) -> Result<TaskId, CommandError>,
    ) -> Result<TaskId, CommandError> {
        let result = self.hosts[host.index()].begin(&mut self.fabric, run);
        self.inspect(host);
        result
    }

    /// Sends a message in a datagram to wherever.
    pub fn send_to(&mut self, from: HostId, to: &Target, message: &[u8]) -> Result<(), CommandError> {
        let longest = &mut self.hosts[from.index()].longest_sent;
        *longest = message.len().max(*longest);
        self.command(from, |machine, _| machine.send(to, message))
    }

    /// The same world, whose failures are for [`Failure::catch`] and are not reported.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }
}

impl Failure {
    /// Runs a part of a scenario in a [`quiet`](World::quiet) world. A panic remains one.
    pub fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Self> {
        // A world that has failed is only looked at.
        panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| match payload.downcast::<Self>() {
            Ok(failure) => *failure,
            Err(payload) => panic::resume_unwind(payload),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::config::PoolConfig;
    use crate::swim::node::State;

    fn guests(seed: u64, asks: Asks) -> (World, [HostId; 2]) {
        let mut world = World::new(seed);
        let pool = PoolConfig::local(1).check().unwrap();
        let hosts = ["a", "b"].map(|name| world.spawn_guest(name.into(), pool.clone(), asks));
        (world, hosts)
    }

    #[test]
    fn time_stands_still_until_the_guest_has_heard_all() {
        let (mut world, [a, b]) = guests(1, Asks::default());
        world.join(a, b);
        let end = Time::ZERO + Duration::from_secs(2);
        let mut joined = 0;

        while !world.run_some(end, 1000) {
            let before = world.now();
            assert!(!world.run_some(end, 1000) || world.heard.is_empty());
            while let Some(heard) = world.hear() {
                assert_eq!(world.now(), before);
                joined += usize::from(matches!(heard, Heard::Told { notice: Notice::Joined(_), .. }));
            }
        }

        assert_eq!((joined, world.now()), (4, end));
        assert!(world.agreed());
    }

    #[test]
    fn a_guest_is_asked_and_its_answer_counts() {
        for (reply, state) in [(Reply::Admit, Some(State::Alive)), (Reply::Refuse, None)] {
            let (mut world, [a, b]) = guests(2, Asks { admit_merge: true, ..Asks::default() });
            world.join(a, b);
            let mut asked = 0;

            while !world.run_some(Time::ZERO + Duration::from_secs(1), 1000) {
                if let Some(Heard::Asked { host, life, ask, .. }) = world.hear() {
                    asked += 1;
                    world.reply(host, life, ask, reply.clone());
                }
            }

            assert!(asked > 0);
            assert_eq!(world.state(b, a), state);
        }
    }

    #[test]
    fn alarms_go_off_in_order_and_on_time() {
        let (mut world, _) = guests(3, Asks::default());
        for (millis, number) in [(20, 1), (10, 2), (20, 3)] {
            world.alarm(Duration::from_millis(millis), number);
        }
        let mut rung = Vec::new();

        while !world.run_some(Time::ZERO + Duration::from_millis(30), 1000) {
            if let Some(Heard::Alarm(number)) = world.hear() {
                rung.push((world.now().as_nanos() / 1_000_000, number));
            }
        }

        assert_eq!(rung, [(10, 2), (20, 1), (20, 3)]);
    }

    #[test]
    fn a_failure_is_a_value_and_says_seed_and_time() {
        let (world, [a, _]) = guests(4, Asks::default());
        let mut world = world.quiet();

        let failure = Failure::catch(|| {
            world.hosts[a.index()].break_promise("made up".to_owned());
            world.inspect(a);
        });

        let what = "a: made up".to_owned();
        assert_eq!(failure, Err(Failure { seed: 4, at: Time::ZERO, what }));
    }
}
