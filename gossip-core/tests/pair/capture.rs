//! What the machines of the calling thread log, one line for each event.

use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// From now on this thread's lines are kept.
pub(crate) fn begin() {
    static INSTALLED: Once = Once::new();
    // One for the whole process: tests run on threads of their own.
    INSTALLED.call_once(|| tracing::subscriber::set_global_default(Capture).unwrap());
    LINES.set(Some(Vec::new()));
}

/// The lines that begin with `level`, of all lines since the last call.
pub(crate) fn take(level: &str) -> Vec<String> {
    let lines = LINES.take().expect("begin was called");
    LINES.set(Some(Vec::new()));
    lines.into_iter().filter(|line| line.starts_with(level)).collect()
}

struct Capture;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span()
    }

    fn event(&self, event: &Event<'_>) {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                let mut line = Line(event.metadata().level().to_string());
                event.record(&mut line);
                lines.push(line.0);
            }
        });
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
