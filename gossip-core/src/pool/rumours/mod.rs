//! Relayed broadcasts: how every live member gets each message, once.
//!
//! A broadcast on its way is a *rumour*. It travels down a tree that nobody keeps: all members
//! stand in a [`circle`], in the order of a hash of their names, and whoever holds a rumour is
//! given an arc of the circle to look after. It cuts the arc into a few parts of equal size,
//! picks a member in each, at random, and sends that one the rumour with the part as its arc.
//! Each member gets one copy so, after a few hops; and since the choice is made anew for each
//! rumour, no member carries more than others and no bad path is in the way of all of them.
//!
//! What gets lost on the way is repaired lazily. Members [keep](kept) rumours for a while and
//! tell each other in *digests* what they have: beside gossip as long as it is news, then on
//! pings, at last in push/pulls. Whoever finds something missing asks for it ([`wanted`]). What
//! has been [`heard`] is remembered for each origin, so that nothing is delivered twice.
//!
//! [`state`] joins these parts, and [`envelope`] is how all of it looks on the wire
//! (`docs/wire.md`): user messages that are sent only to members that understand them.

pub mod circle;
pub mod envelope;
pub mod heard;
pub mod kept;
pub mod outbox;
pub mod pace;
pub mod state;
pub mod wanted;
