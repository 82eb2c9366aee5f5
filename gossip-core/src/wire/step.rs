//! The steps of a migration, as one node asks another to take them and is answered.
//!
//! A request stands in the header of a user message on a stream that has no payload: who does
//! not know it, such as memberlist, tells its application nothing and closes the connection.
//! The answer is the payload of an acknowledgement.
//!
//! ```text
//!  request  kind:1  step:1  token: length:1, bytes  body
//!  answer   version:1 (1)  token:12  reached:1  result:1  crowd:8
//! ```
//!
//! The *token* is what the receiver gave in its latest answer, good for one step: nobody who
//! recorded a request can use it a second time. Where the migration is to a key it travels
//! sealed under that key, and so shows, revealing nothing, that the sender holds it and which of
//! its own keys the receiver is to look at. The *body* is a label, or the key to be installed.
//! The *crowd* stands for the live members that the answerer knows: while it is another than
//! that of the node which asks, somebody may be overlooked.

use zeroize::Zeroizing;

use super::keyring::{Key, Keyring};
use super::nonce::NONCE_LEN;
use super::seal::{self, Sealing};

/// Good for one step.
pub type Token = [u8; NONCE_LEN];

/// In what a migration changes what surrounds a pool's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MigrationKind {
    /// From one key to another.
    Key = 1,
    /// From clear text to encryption.
    Encryption = 2,
    /// From one label to another, or none.
    Label = 3,
}

impl MigrationKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Key, Self::Encryption, Self::Label];

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Encryption => "encryption",
            Self::Label => "label",
        }
    }
}

/// The steps of a migration, in their order; each is taken by every member before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Step {
    /// The new is understood beside the old.
    Accept = 1,
    /// The new is spoken, the old still understood.
    Speak = 2,
    /// The old is understood no longer.
    Require = 3,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Accept, Self::Speak, Self::Require];

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Speak => "speak",
            Self::Require => "require",
        }
    }

    /// The step that comes after `reached`.
    pub fn after(reached: Option<Self>) -> Option<Self> {
        match reached {
            None => Some(Self::Accept),
            Some(Self::Accept) => Some(Self::Speak),
            Some(Self::Speak) => Some(Self::Require),
            Some(Self::Require) => None,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u8 == byte)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One node asks another to take a step.
#[derive(Clone)]
pub struct StepRequest {
    /// Of which kind of migration.
    pub kind: MigrationKind,
    /// Which step.
    pub step: Step,
    /// The receiver's token, sealed under the key if the migration is to one.
    pub token: Vec<u8>,
    /// The label, or the key to be installed; otherwise empty.
    pub body: Zeroizing<Vec<u8>>,
}

impl StepRequest {
    /// As it stands in the header.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let len = u8::try_from(self.token.len()).unwrap_or(u8::MAX);
        let head = [self.kind as u8, self.step as u8, len];
        Zeroizing::new([&head, &*self.token, &self.body].concat())
    }

    /// Reads one; nothing if it makes no sense.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[kind, step, len], rest) = bytes.split_first_chunk()?;
        let (token, body) = rest.split_at_checked(len.into())?;
        let kind = MigrationKind::ALL.into_iter().find(|known| *known as u8 == kind)?;
        let body = Zeroizing::new(body.to_vec());
        Some(Self { kind, step: Step::from_byte(step)?, token: token.to_vec(), body })
    }

    /// The token in clear, and which key of `keys` it was sealed under.
    pub fn open<'k>(&self, keys: &'k [Key]) -> Option<(Token, &'k Key)> {
        keys.iter().find_map(|key| {
            let mut sealed = self.token.clone();
            let ring = Keyring::new([], Some(key.clone())).ok()?;
            let range =
                seal::open(&ring, &context(self.kind, self.step), &mut sealed, &mut Vec::new()).ok()?;
            Some((sealed.get(range)?.try_into().ok()?, key))
        })
    }
}

/// Shows whether there is a body, and nothing of it: it may be a key.
impl std::fmt::Debug for StepRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, step, body, .. } = self;
        write!(f, "StepRequest({kind:?}, {step:?}, {} bytes)", body.len())
    }
}

/// The token of a request, sealed under `key`.
pub fn seal_token(
    key: &Key,
    nonce: [u8; NONCE_LEN],
    kind: MigrationKind,
    step: Step,
    token: Token,
) -> Vec<u8> {
    let mut sealed = Vec::new();
    let sealing = Sealing::begin(key, 1, nonce, &mut sealed);
    sealed.extend_from_slice(&token);
    sealing.finish(&context(kind, step), &mut sealed);
    sealed
}

/// What is authenticated with a token, so that it is good for one step and for nothing else.
fn context(kind: MigrationKind, step: Step) -> Vec<u8> {
    [CONTEXT, &[kind as u8, step as u8]].concat()
}

const CONTEXT: &[u8] = b"gossip migration";

/// What a node says of a step that it was asked to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepAnswer {
    /// For the next request.
    pub token: Token,
    /// The latest step that the node has taken.
    pub reached: Option<Step>,
    /// What became of the request.
    pub result: Result<Took, StepRefusal>,
    /// The [`crowd`] of the live members that the node knows, itself included.
    pub crowd: u64,
}

/// A number that stands for a set of names, in whatever order: the sum of their FNV-1a hashes.
pub fn crowd<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let hash = |name: &[u8]| {
        name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    names.map(hash).fold(0, u64::wrapping_add)
}

/// What became of a request that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// The step is taken.
    Done,
    /// The step is taken, and what the node began before it is still under way.
    Draining,
    /// Nothing: the request had no valid token.
    Told,
}

/// Why a node does not take a step.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StepRefusal {
    /// Its configuration says so.
    #[error("its remote_migration does not allow it")]
    Forbidden,
    /// The request came in clear, which its configuration does not allow.
    #[error("it takes no such request in clear, see remote_migration")]
    Clear,
    /// It does not hold the key.
    #[error("it does not hold the key; add it there first")]
    NoKey,
    /// It is in the midst of another migration.
    #[error("another migration is under way there")]
    Busy,
    /// It has not taken the step before.
    #[error("it has not taken the step before")]
    Order,
    /// Its own announcement would not fit a datagram any more, or the label cannot be.
    #[error("the change is impossible there: metadata or label do not fit, or the label is another pool's")]
    Impossible,
    /// For a reason that this version does not know.
    #[error("reason {0}")]
    Other(u8),
}

impl StepRefusal {
    /// The stable word for its kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Clear => "clear",
            Self::NoKey => "no_key",
            Self::Busy => "busy",
            Self::Order => "order",
            Self::Impossible => "impossible",
            Self::Other(_) => "other",
        }
    }
}

impl StepAnswer {
    /// As it stands in an acknowledgement.
    pub fn encode(&self) -> Vec<u8> {
        let result = match self.result {
            Ok(Took::Done) => 0,
            Ok(Took::Draining) => 1,
            Ok(Took::Told) => 2,
            Err(StepRefusal::Forbidden) => 16,
            Err(StepRefusal::Clear) => 17,
            Err(StepRefusal::NoKey) => 18,
            Err(StepRefusal::Busy) => 19,
            Err(StepRefusal::Order) => 20,
            Err(StepRefusal::Impossible) => 21,
            Err(StepRefusal::Other(byte)) => byte,
        };
        let reached = self.reached.map_or(0, |step| step as u8);
        [&[ANSWER_VERSION], &self.token[..], &[reached, result], &self.crowd.to_be_bytes()].concat()
    }

    /// Reads one; nothing if it makes no sense. Later versions may be longer.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (token, rest) = rest.split_first_chunk()?;
        let (&[reached, result], rest) = rest.split_first_chunk()?;
        let crowd = u64::from_be_bytes(*rest.first_chunk()?);
        if *version != ANSWER_VERSION {
            return None;
        }
        let result = match result {
            0 => Ok(Took::Done),
            1 => Ok(Took::Draining),
            2 => Ok(Took::Told),
            16 => Err(StepRefusal::Forbidden),
            17 => Err(StepRefusal::Clear),
            18 => Err(StepRefusal::NoKey),
            19 => Err(StepRefusal::Busy),
            20 => Err(StepRefusal::Order),
            21 => Err(StepRefusal::Impossible),
            other => Err(StepRefusal::Other(other)),
        };
        Some(Self { token: *token, reached: Step::from_byte(reached), result, crowd })
    }
}

const ANSWER_VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::new(&[byte; 32]).unwrap()
    }

    fn request(step: Step, token: Vec<u8>) -> StepRequest {
        StepRequest { kind: MigrationKind::Key, step, token, body: Zeroizing::new(vec![7; 32]) }
    }

    #[test]
    fn a_token_shows_the_key_and_is_good_for_its_step_alone() {
        let sealed = seal_token(&key(2), [9; 12], MigrationKind::Key, Step::Speak, [5; 12]);
        let ring = [key(1), key(2)];

        let request = StepRequest::decode(&request(Step::Speak, sealed.clone()).encode()).unwrap();

        assert_eq!(request.open(&ring), Some(([5; 12], &ring[1])));
        assert_eq!(request.open(&ring[..1]), None);
        assert_eq!(self::request(Step::Require, sealed).open(&ring), None);
    }

    #[test]
    fn a_request_shows_nothing_of_its_body() {
        assert_eq!(format!("{:?}", request(Step::Accept, vec![])), "StepRequest(Key, Accept, 32 bytes)");
    }

    #[test]
    fn answers_come_back_as_they_were() {
        let results = [Ok(Took::Done), Ok(Took::Draining), Ok(Took::Told), Err(StepRefusal::Other(99))];
        let refusals = [
            StepRefusal::Forbidden,
            StepRefusal::Clear,
            StepRefusal::NoKey,
            StepRefusal::Busy,
            StepRefusal::Order,
            StepRefusal::Impossible,
        ];
        for result in results.into_iter().chain(refusals.map(Err)) {
            for reached in [None, Some(Step::Accept), Some(Step::Require)] {
                let answer = StepAnswer { token: [3; 12], reached, result, crowd: u64::MAX - 1 };
                assert_eq!(StepAnswer::decode(&answer.encode()), Some(answer));
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_no_step() {
        let whole = request(Step::Accept, vec![1; 12]).encode();
        for len in 0..15 {
            assert!(StepRequest::decode(&whole[..len]).is_none(), "{len} bytes");
        }
        assert!(StepRequest::decode(&[4, 1, 0]).is_none() && StepRequest::decode(&[1, 4, 0]).is_none());
        assert_eq!(StepAnswer::decode(&[]), None);
        assert_eq!(StepAnswer::decode(&[2; 23]), None, "another version");
        assert_eq!(StepAnswer::decode(&[1; 22]), None);
    }

    #[test]
    fn a_crowd_has_no_order_and_counts_everyone() {
        let number = |names: &[&'static str]| crowd(names.iter().map(|name| name.as_bytes()));

        assert_eq!(number(&["a"]), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(number(&["a", "b"]), number(&["b", "a"]));
        assert_ne!(number(&["a", "b"]), number(&["ab"]));
    }
}
