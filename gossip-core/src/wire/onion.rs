//! The layers that a pool writes and accepts, as one value.

use bytes::Bytes;

use super::budget::Budget;
use super::keyring::{Key, Keyring};
use super::label::Under;
use super::seal;

/// The immutable onion of a pool at one moment. A change of keys makes a new one; exchanges under way keep
/// the one they began with.
#[derive(Debug, Clone)]
pub struct Wire {
    /// Written before each datagram and each connection we open; the host removes it from what comes in.
    pub prefix: Option<[u8; 2]>,
    /// The cluster label, empty for none; at most 255 bytes.
    pub label: Bytes,
    /// Another label that is accepted, empty for none, while the cluster moves from one to the other.
    pub other_label: Option<Bytes>,
    /// An outer layer removes and judges labels of what comes in; another one is refused.
    pub skip_inbound_label_check: bool,
    /// The keys; without any, nothing is encrypted.
    pub keyring: Keyring,
    /// Whether plain messages are refused while keys are installed.
    pub verify_incoming: bool,
    /// Whether messages are encrypted while keys are installed.
    pub verify_outgoing: bool,
    /// Whether messages are compressed: datagrams if that makes them shorter, streams always.
    pub compression: bool,
    /// The encryption version written, 0 or 1; both are read.
    pub encryption_version: u8,
    /// What the messages of streams may take of memory.
    pub budget: Budget,
}

impl Wire {
    /// No layer at all, and as strict as the defaults of memberlist.
    pub fn plain() -> Self {
        Self {
            prefix: None,
            label: Bytes::new(),
            other_label: None,
            skip_inbound_label_check: false,
            keyring: Keyring::default(),
            verify_incoming: true,
            verify_outgoing: true,
            compression: false,
            encryption_version: 1,
            budget: Budget::default(),
        }
    }

    /// The same onion with the two labels in each other's place: how to speak to those who
    /// know only the other one. `None` without another label.
    pub fn turned(&self) -> Option<Self> {
        let label = self.other_label.clone()?;
        Some(Self { label, other_label: Some(self.label.clone()), ..self.clone() })
    }

    /// The label to authenticate what came under one of the two.
    pub fn label_under(&self, under: Under) -> &[u8] {
        match under {
            Under::Own => &self.label,
            Under::Other => self.other_label.as_ref().unwrap_or(&self.label),
        }
    }

    /// Most bytes that prefix and label header add to a datagram.
    pub fn label_overhead(&self) -> usize {
        let header = |label: &Bytes| if label.is_empty() { 0 } else { 2 + label.len() };
        let label = header(&self.label).max(self.other_label.as_ref().map_or(0, header));
        self.prefix.map_or(0, |prefix| prefix.len()) + label
    }

    /// Most bytes that encryption adds to a datagram; 0 if nothing is encrypted.
    pub fn encrypt_overhead(&self) -> usize {
        if self.encrypts() { seal::overhead(self.encryption_version) } else { 0 }
    }

    /// Whether what goes out is encrypted.
    pub fn encrypts(&self) -> bool {
        self.sealing_key().is_some()
    }

    /// The key that encrypts what goes out.
    pub(super) fn sealing_key(&self) -> Option<&Key> {
        self.keyring.primary().filter(|_| self.verify_outgoing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overheads_count_what_is_configured() {
        let key = Key::new(&[1; 16]).unwrap();
        let mut wire = Wire::plain();
        assert_eq!((wire.label_overhead(), wire.encrypt_overhead()), (0, 0));

        wire.prefix = Some([0xFE, 7]);
        wire.label = Bytes::from_static(b"dc1");
        wire.keyring.add(key);
        assert_eq!((wire.label_overhead(), wire.encrypt_overhead()), (7, 29));

        wire.encryption_version = 0;
        assert_eq!(wire.encrypt_overhead(), 45);

        wire.verify_outgoing = false;
        assert_eq!((wire.encrypts(), wire.encrypt_overhead()), (false, 0));
    }
}
