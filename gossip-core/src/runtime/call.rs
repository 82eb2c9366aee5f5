//! What takes time, for programs that must not block: event loops, and languages in whose
//! threads nobody may wait. The answer comes to a function; who has no more use for it
//! drops the call.

use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot::{self, channel};
use tokio::task::AbortHandle;

use crate::base::addr::Target;
use crate::base::name::NodeName;
use crate::pool::action::{Delivery, JoinReport, Outcome};
use crate::pool::diagnosis::Diagnosis;
use crate::pool::error::CommandError;
use crate::pool::migration::{Migration, MigrationOptions, MigrationProgress, MigrationReport};
use crate::runtime::error::Error;
use crate::runtime::input::{Command, Input, Task};
use crate::runtime::join::{self, Joined, Resolved};
use crate::runtime::pool::{Pool, ended, migrated, pinged, sent, unfitting};
use crate::runtime::reply::Reply;

/// What a pool can be asked for that takes time; each is the function of [`Pool`] with
/// that name.
#[derive(Debug, Clone)]
pub enum Request {
    /// [`Pool::join`] of these seeds.
    Join(Vec<String>),
    /// [`Pool::leave`].
    Leave,
    /// [`Pool::update_node`] with this metadata.
    UpdateNode(Bytes),
    /// [`Pool::broadcast_named`]: a name, which may be empty, and a message.
    Broadcast(Bytes, Bytes),
    /// [`Pool::send_reliable`] of this message.
    SendReliable(Target, Bytes),
    /// [`Pool::ping`].
    Ping(Target),
    /// [`Pool::migrate`]; how far it has come is sent to the other end of the channel, if there is one.
    Migrate(Migration, MigrationOptions, Option<mpsc::Sender<MigrationProgress>>),
    /// [`Pool::look_up`] of this text.
    LookUp(String),
    /// [`Pool::doctor`] for whom this text names.
    Doctor(String),
}

/// How a [`Request`] was answered.
#[derive(Debug, Clone)]
pub enum Response {
    /// A join, and what it reached.
    Joined(Joined),
    /// A ping, and how long the answer took.
    Pinged(Duration),
    /// Whom a text names.
    Found(Target),
    /// What a doctor has found.
    Examined(Box<Diagnosis>),
    /// A reliable message arrived, as certainly as this says.
    Sent(Delivery),
    /// A migration has come where it should.
    Migrated(MigrationReport),
    /// Everything else.
    Done,
}

/// A request under way. Dropping it cancels: a join, an examination or a message that is being
/// sent is broken off, a broadcast that waits for room is never sent; only what others have been
/// told already stays told, such as that this node leaves.
#[derive(Debug)]
#[must_use = "dropping a call cancels it"]
pub struct Call(AbortHandle);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pool {
    /// Begins what `request` names, and returns at once. `done` is called exactly once, with
    /// what the blocking function would return or, after the call was dropped, with
    /// [`Error::Cancelled`]. It runs on a thread of the node's runtime, or on the thread that ends
    /// it, and must only hand on: not wait, and call nothing of this library. On an error of
    /// this function `done` is not called.
    pub fn call(
        &self,
        request: Request,
        timeout: Duration,
        done: impl FnOnce(Result<Response, Error>) + Send + 'static,
    ) -> Result<Call, Error> {
        let runtime = self.0.runtime()?;
        let mut done = Done { pool: self.clone(), tell: Some(done) };
        let call = runtime.spawn(async move {
            let pool = done.pool.clone();
            done.tell(pool.answer(request, timeout).await);
        });
        Ok(Call(call.abort_handle()))
    }

    async fn answer(&self, request: Request, timeout: Duration) -> Result<Response, Error> {
        let done = match request {
            Request::Join(seeds) => return Ok(Response::Joined(self.join_all(seeds, timeout).await?)),
            Request::Ping(to) => {
                let outcome = self.perform(Task::Ping(to.clone()), timeout).await;
                return Ok(Response::Pinged(pinged(to, outcome)?));
            }
            Request::LookUp(text) => {
                return Ok(Response::Found(join::find_here(&self.0, &text, timeout).await?));
            }
            Request::Broadcast(name, message) => {
                let broadcast = |reply| Command::Broadcast { name, message, timeout, reply };
                return Ok(self.ask(broadcast).await?.map(|()| Response::Done)?);
            }
            Request::SendReliable(to, message) => {
                let addr = to.addr;
                return Ok(Response::Sent(sent(
                    addr,
                    self.perform(Task::Send(to, message), timeout).await?,
                )?));
            }
            Request::Doctor(target) => {
                return Ok(Response::Examined(self.examine(&target, timeout).await?));
            }
            Request::Migrate(to, options, progress) => {
                let outcome = self.perform(Task::Migrate(to, options, progress), timeout).await?;
                return Ok(Response::Migrated(migrated(outcome)?));
            }
            Request::Leave => self.perform(Task::Leave, timeout).await?,
            Request::UpdateNode(meta) => self.perform(Task::Update(meta), timeout).await?,
        };
        match done {
            Outcome::Left | Outcome::Updated => Ok(Response::Done),
            other => Err(unfitting(&other)),
        }
    }

    async fn join_all(&self, seeds: Vec<String>, timeout: Duration) -> Result<Joined, Error> {
        let deadline = self.0.clock.now() + timeout;
        let resolved = Resolved::look_up_here(&self.0, seeds, timeout).await?;
        if resolved.targets.is_empty() {
            return resolved.outcome(JoinReport::default());
        }
        let left = self.0.clock.until(deadline);
        match self.perform(Task::Join(resolved.targets.clone()), left).await? {
            Outcome::Join(report) => resolved.outcome(report),
            other => Err(unfitting(&other)),
        }
    }

    /// Examines a member that is known, or else whom the text names.
    async fn examine(&self, text: &str, timeout: Duration) -> Result<Box<Diagnosis>, Error> {
        let begun = self.0.clock.now();
        let name = NodeName::from(text.as_bytes());
        let (target, looked_up) = match self.ask(|reply| Command::Explain(name, reply)).await? {
            Ok(known) => (Target::from(&known.member), None),
            Err(CommandError::UnknownMember(_)) => {
                let target = join::find_here(&self.0, text, timeout).await?;
                (target, Some(self.0.clock.now().since(begun)))
            }
            Err(error) => return Err(error.into()),
        };
        let left = self.0.clock.until(begun + timeout);
        match self.perform(Task::Doctor(target), left).await? {
            Outcome::Examined(mut diagnosis) => {
                if let Some(took) = looked_up {
                    diagnosis.looked_up(took);
                }
                Ok(diagnosis)
            }
            other => Err(unfitting(&other)),
        }
    }

    async fn perform(&self, task: Task, timeout: Duration) -> Result<Outcome, Error> {
        ended(self.ask(|reply| Command::Task { task, timeout, reply }).await?, timeout)
    }

    /// Sends a command and awaits its answer. Dropped before that, the command is abandoned.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = channel();
        self.0.send(Input::Command(command(Reply::Task(reply))))?;
        let mut asking = Asking { pool: self, answer };
        (&mut asking.answer).await.map_err(|_| self.0.closed())
    }
}

/// Tells the driver when the answer is wanted no more.
struct Asking<'a, T> {
    pool: &'a Pool,
    answer: oneshot::Receiver<T>,
}

impl<T> Drop for Asking<'_, T> {
    fn drop(&mut self) {
        if !self.answer.is_terminated() {
            self.answer.close();
            // A driver that has ended has nothing to abandon.
            let _ = self.pool.0.send(Input::Command(Command::Abandon));
        }
    }
}

/// Calls the function that waits for the answer, whatever becomes of the task.
struct Done<F: FnOnce(Result<Response, Error>)> {
    pool: Pool,
    tell: Option<F>,
}

impl<F: FnOnce(Result<Response, Error>)> Done<F> {
    fn tell(&mut self, result: Result<Response, Error>) {
        if let Some(tell) = self.tell.take() {
            tell(result);
        }
    }
}

impl<F: FnOnce(Result<Response, Error>)> Drop for Done<F> {
    fn drop(&mut self) {
        let why = self.pool.0.inputs().err().unwrap_or(Error::Cancelled);
        self.tell(Err(why));
    }
}
