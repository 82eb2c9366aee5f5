//! A node's log: whom its sink hears, what a sink may do, what it cannot break, and what is
//! worth a warning.

mod sinks;
mod support;
mod warnings;
