//! Whose log a task writes to: the program's own subscriber, or the node's sink.
//!
//! Everything that logs does so through `tracing`. A scope puts what runs in it into the
//! span of its node or pool, and, while the node has a sink, makes that sink the
//! subscriber of the thread. Without a subscriber and without a sink it costs one load.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tracing::{Dispatch, Span, dispatcher, error_span};

use crate::base::ids::PoolId;
use crate::base::name::NodeName;

thread_local! {
    /// The pool of the scope that this thread is in.
    static POOL: Cell<Option<PoolId>> = const { Cell::new(None) };
}

/// The pool of the scope that the calling thread is in; known only while the node has a sink.
pub fn current_pool() -> Option<PoolId> {
    POOL.get()
}

/// The log of a node, or of one of its pools. Clones are the same.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The node's sink as a subscriber; shared by all scopes of the node.
    sink: Arc<ArcSwapOption<Dispatch>>,
    span: Span,
    pool: Option<PoolId>,
}

impl Scope {
    /// The scope of a node. Spans are of the highest level, so that whoever listens to
    /// anything learns of which node it is.
    pub fn of_node(name: &NodeName) -> Self {
        Self { sink: Arc::default(), span: error_span!(parent: None, "node", node = %name), pool: None }
    }

    /// The scope of one pool of the same node.
    pub fn of_pool(&self, name: &NodeName, id: PoolId) -> Self {
        let span = error_span!(parent: None, "pool", node = %name, pool = id.0);
        Self { sink: Arc::clone(&self.sink), span, pool: Some(id) }
    }

    /// From now on `sink` hears what happens in all scopes of the node; `None` gives it back
    /// to the program's subscriber. What is in a scope at this moment ends with the old one.
    pub fn set_sink(&self, sink: Option<Dispatch>) {
        self.sink.store(sink.map(Arc::new));
    }

    /// Runs `action`, which calls no code of the application: that has a log of its own.
    pub fn enter<T>(&self, action: impl FnOnce() -> T) -> T {
        let _span = self.span.enter();
        let Some(sink) = self.sink.load_full() else { return action() };
        let _outer = Outer(POOL.replace(self.pool));
        dispatcher::with_default(&sink, action)
    }

    /// Runs a task.
    pub async fn run<F: Future>(self, task: F) -> F::Output {
        let mut task = pin!(task);
        poll_fn(|context| self.enter(|| task.as_mut().poll(context))).await
    }
}

/// A scope that belongs to no node: the program's subscriber hears everything.
impl Default for Scope {
    fn default() -> Self {
        Self { sink: Arc::default(), span: Span::none(), pool: None }
    }
}

/// Restores the pool around a scope, also after a panic.
struct Outer(Option<PoolId>);

impl Drop for Outer {
    fn drop(&mut self) {
        POOL.set(self.0);
    }
}
