//! What an operator is warned of when the owners of a port register.

mod mux_support;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use mux_support::Host;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Writes down warnings with their fields.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_listener_id_that_begins_like_a_native_protocol_is_warned_of_and_others_are_not() {
    let (host, warnings) = (Host::start(), Warnings::default());

    tracing::subscriber::with_default(warnings.clone(), || {
        for id in [0x4745, 0x1603, 0x0102, 0xBEEF] {
            host.listen(id);
        }
    });

    let told = warnings.0.lock().unwrap().clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("0x4745") && told[1].contains("0x1603"), "{told:?}");
}
