//! Which bytes belong to whom.

pub mod framing;

/// Signatures.
pub mod routes {
    use crate::base::ids::ListenerId;
    /// Signature.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    pub enum RouteError {
        /// Signature.
        #[error("reserved {0}")]
        ReservedId(u16),
    }
    /// Signature.
    pub fn listener_id(id: u16) -> Result<ListenerId, RouteError> {
        ListenerId::new(id).ok_or(RouteError::ReservedId(id))
    }
}
