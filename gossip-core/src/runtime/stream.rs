//! The tasks that own exchanges: one for each TCP conversation of a pool.
//!
//! A task connects or is given an accepted connection, moves bytes between it and its
//! `Exchange`, and sends the exchange's news to the driver. The driver holds the sending
//! end of a channel of words for it: dropping it ends the task, and so the connection.

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{block_in_place, yield_now};
use tokio::time::sleep;

use crate::base::ids::ExchangeId;
use crate::base::time::Time;
use crate::net::bind::{set_reset_on_close, set_stream_options};
use crate::pool::exchange::{Broken, Exchange, ExchangeError, ExchangeNews, Verdict};
use crate::pool::own_state::OwnState;
use crate::pool::traffic::Traffic;
use crate::runtime::clock::Clock;
use crate::runtime::driver::LONG_TURN;
use crate::runtime::input::Input;
use crate::wire::message::Ticket;

/// Connections opened by others that a pool serves at one time.
pub(crate) const INBOUND_MAX: usize = 256;

/// Bytes read at once, and of a peer that has much to say.
const CHUNK: usize = 16 * 1024;
const CHUNK_MAX: usize = 64 * 1024;

/// Work on so many bytes in one go keeps other tasks waiting.
const HEAVY: usize = 64 * 1024;

/// How long a reset may come behind the end of a peer that has not had our bytes: by the way there
/// and back twice, but within these bounds.
const RESET_WITHIN: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];

/// The conversations of a pool, as its driver holds them.
#[derive(Debug)]
pub(crate) struct Streams {
    open: BTreeMap<ExchangeId, Held>,
    inbound: usize,
    clock: Clock,
    inputs: UnboundedSender<Input>,
    heavy: Arc<Semaphore>,
}

#[derive(Debug)]
struct Held {
    words: UnboundedSender<Word>,
    inbound: bool,
}

/// What the driver has for an exchange.
#[derive(Debug)]
pub(crate) enum Word {
    /// The answer that it waits for.
    State(OwnState),
    /// What became of the message that it told of, and whether it then waits for the next one.
    Verdict { verdict: Verdict, rests: bool },
    /// Nothing: it may end.
    Finish,
    /// The answer to the step that it told of.
    Reply(Bytes),
    /// One more message for the peer.
    Message { payload: Bytes, ticket: Ticket, deadline: Time },
}

impl Streams {
    /// None yet; `heavy` admits long steps, to those of all pools of the node.
    pub(crate) fn new(clock: Clock, inputs: UnboundedSender<Input>, heavy: Arc<Semaphore>) -> Self {
        Self { open: BTreeMap::new(), inbound: 0, clock, inputs, heavy }
    }

    /// Whether one more inbound connection may be served.
    pub(crate) fn has_room(&self) -> bool {
        self.inbound < INBOUND_MAX
    }

    /// How many are under way: those that others opened, and all of them.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.inbound, self.open.len())
    }

    /// Connects to `to` and runs `exchange` there.
    pub(crate) fn connect(&mut self, id: ExchangeId, exchange: Exchange, to: SocketAddr) {
        let conversation = self.hold(id, exchange, false);
        tokio::spawn(conversation.connect(to));
    }

    /// Runs `exchange` on an accepted connection.
    pub(crate) fn serve(&mut self, id: ExchangeId, exchange: Exchange, stream: TcpStream) {
        let conversation = self.hold(id, exchange, true);
        tokio::spawn(conversation.converse(stream, Duration::ZERO));
    }

    /// Gives an exchange what it waits for.
    pub(crate) fn give(&self, id: ExchangeId, word: Word) {
        if let Some(held) = self.open.get(&id) {
            let _ = held.words.send(word);
        }
    }

    /// Whether the exchange is under way.
    pub(crate) fn contains(&self, id: ExchangeId) -> bool {
        self.open.contains_key(&id)
    }

    /// Lets an exchange go; its connection is closed.
    pub(crate) fn close(&mut self, id: ExchangeId) {
        if self.open.remove(&id).is_some_and(|held| held.inbound) {
            self.inbound -= 1;
        }
    }

    fn hold(&mut self, id: ExchangeId, exchange: Exchange, inbound: bool) -> Conversation {
        let (words, heard) = unbounded_channel();
        self.inbound += usize::from(inbound);
        self.open.insert(id, Held { words, inbound });
        let reporter = Reporter { id, inputs: self.inputs.clone(), ended: false };
        let heavy = Arc::clone(&self.heavy);
        Conversation { exchange, clock: self.clock, words: heard, reporter, heavy }
    }
}

/// One exchange and its surroundings.
struct Conversation {
    exchange: Exchange,
    clock: Clock,
    /// Ends when the driver lets the exchange go.
    words: UnboundedReceiver<Word>,
    reporter: Reporter,
    /// Admits a long step.
    heavy: Arc<Semaphore>,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let traffic = self.exchange.traffic();
        if traffic != Traffic::default() {
            let _ = self.reporter.inputs.send(Input::Traffic(traffic));
        }
    }
}

/// What happened to a conversation.
enum Event {
    Told(Word),
    LetGo,
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Late,
}

impl Conversation {
    async fn connect(mut self, to: SocketAddr) {
        let begun = self.clock.now();
        let event = {
            let connecting = TcpStream::connect(to);
            tokio::pin!(connecting);
            loop {
                tokio::select! {
                    connected = &mut connecting => break Some(connected),
                    () = wait(self.clock, self.exchange.poll_timeout()) => {
                        self.exchange.handle_timeout(self.clock.now());
                        if self.exchange.is_over() { break None }
                    }
                    // Nothing is answered before the connection stands.
                    _ = self.words.recv() => return,
                }
            }
        };
        match event {
            Some(Ok(stream)) => {
                // Without them it is slower or its end is seen later; the exchange has its deadline.
                let _ = set_stream_options(&stream);
                let now = self.clock.now();
                aside(&self.heavy, self.exchange.weight(), || self.exchange.handle_connected(now)).await;
                self.converse(stream, now.since(begun)).await;
            }
            Some(Err(error)) => {
                self.exchange.handle_failure(self.clock.now(), ExchangeError::Connect(said(&error)));
                self.reporter.report(&mut self.exchange);
            }
            None => self.reporter.report(&mut self.exchange),
        }
    }

    /// Over `stream`, which took `rtt` to stand.
    async fn converse(mut self, mut stream: TcpStream, rtt: Duration) {
        let (mut reader, mut writer) = stream.split();
        let mut chunk = vec![0; CHUNK];
        let mut unwritten = Bytes::new();
        let (mut remote_speaks, mut resets) = (true, false);
        // On what was read, since others had a turn.
        let mut worked = Duration::ZERO;
        loop {
            // A good end would tell the peer that the application has its message.
            if resets != self.exchange.owes_verdict() {
                resets = !resets;
                let _ = set_reset_on_close(reader.as_ref(), resets);
            }
            self.reporter.report(&mut self.exchange);
            if self.exchange.is_over() {
                return hang_up(reader.as_ref());
            }
            if unwritten.is_empty() {
                unwritten = self.exchange.poll_write().unwrap_or_default();
            }
            let event = tokio::select! {
                word = self.words.recv() => word.map_or(Event::LetGo, Event::Told),
                written = writer.write(&unwritten), if !unwritten.is_empty() => Event::Written(written),
                read = reader.read(&mut chunk), if remote_speaks => Event::Read(read),
                () = wait(self.clock, self.exchange.poll_timeout()) => Event::Late,
            };
            let now = self.clock.now();
            match event {
                Event::Told(Word::State(state)) => {
                    aside(&self.heavy, state.weight(), || self.exchange.handle_answer(now, state)).await;
                }
                Event::Told(Word::Verdict { verdict, rests }) => {
                    self.exchange.handle_verdict(now, verdict, rests);
                }
                Event::Told(Word::Finish) => self.exchange.handle_finish(now),
                Event::Told(Word::Reply(answer)) => self.exchange.handle_reply(now, &answer),
                Event::Told(Word::Message { payload, ticket, deadline }) => {
                    aside(&self.heavy, payload.len(), || {
                        self.exchange.handle_message(now, &payload, &ticket, deadline)
                    })
                    .await;
                }
                Event::LetGo => {
                    if !resets {
                        hang_up(reader.as_ref());
                    }
                    return self.reporter.close();
                }
                Event::Written(Ok(count)) => {
                    unwritten.advance(count);
                    if unwritten.is_empty() {
                        unwritten = self.written(now);
                    }
                }
                Event::Read(Ok(0)) => {
                    remote_speaks = false;
                    // A peer that closed before our bytes reached it answers them by a reset: its
                    // end comes first, and is none in good order.
                    if self.exchange.ends_well_by_eof() {
                        sleep((2 * rtt).clamp(RESET_WITHIN[0], RESET_WITHIN[1])).await;
                    }
                    match reader.as_ref().take_error() {
                        Ok(None) => self.exchange.handle_eof(now),
                        Ok(Some(error)) | Err(error) => {
                            self.exchange.handle_failure(now, ExchangeError::Reset(said(&error)));
                        }
                    }
                }
                Event::Read(Ok(count)) => {
                    let bytes = chunk.get(..count).unwrap_or_default();
                    aside(&self.heavy, self.exchange.unwraps(bytes), || {
                        self.exchange.handle_bytes(now, bytes)
                    })
                    .await;
                    if count == chunk.len() && count < CHUNK_MAX {
                        chunk = vec![0; CHUNK_MAX];
                    }
                    worked += self.clock.now().since(now);
                    if worked >= LONG_TURN {
                        // Others wait: a task that was woken on this thread stays on it.
                        worked = Duration::ZERO;
                        yield_now().await;
                    }
                }
                Event::Written(Err(error)) | Event::Read(Err(error)) => {
                    self.exchange.handle_failure(now, ExchangeError::Reset(said(&error)));
                }
                Event::Late => self.exchange.handle_timeout(now),
            }
        }
    }

    /// What is to be written next; if that is nothing, the exchange hears that everything is.
    fn written(&mut self, now: Time) -> Bytes {
        let next = self.exchange.poll_write();
        if next.is_none() {
            self.exchange.handle_written(now);
        }
        next.unwrap_or_default()
    }
}

/// Does a step over `bytes` bytes. A long one leaves the other tasks of this thread to another
/// thread: acks are waited for meanwhile. Of these there are no more at a time than `heavy` admits:
/// each may unpack forty megabytes.
async fn aside(heavy: &Semaphore, bytes: usize, step: impl FnOnce()) {
    if bytes < HEAVY {
        return step();
    }
    // An error would say that it is closed, which it never is.
    let _turn = heavy.acquire().await;
    block_in_place(step);
}

/// Sends the news of an exchange, and sees to it that they have an end.
struct Reporter {
    id: ExchangeId,
    inputs: UnboundedSender<Input>,
    ended: bool,
}

impl Reporter {
    fn report(&mut self, exchange: &mut Exchange) {
        while let Some(news) = exchange.poll_news() {
            self.ended |= matches!(news, ExchangeNews::Finished | ExchangeNews::Failed(_));
            self.send(news);
        }
    }

    /// Nobody waits for news any more.
    fn close(&mut self) {
        self.ended = true;
    }

    fn send(&self, news: ExchangeNews) {
        let _ = self.inputs.send(Input::News(self.id, news));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if !self.ended {
            self.send(ExchangeNews::Failed(ExchangeError::Dropped));
        }
    }
}

/// Tells the peer of the end at once: a child of this process may hold the connection for long.
fn hang_up(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(Shutdown::Both);
}

fn said(error: &io::Error) -> Broken {
    Broken { text: error.to_string(), os_error: error.raw_os_error() }
}

/// Waits for `time`, for ever if there is none.
async fn wait(clock: Clock, time: Option<Time>) {
    match time {
        Some(time) => tokio::time::sleep_until(clock.moment(time)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread::yield_now;

    use super::*;

    /// How many of eight steps over so many bytes, begun together, are under way at a time at the most;
    /// each goes on until it was `wanted`, and a little longer.
    fn at_a_time(bytes: usize, admitted: usize, wanted: usize) -> usize {
        const STEPS: usize = 8;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(STEPS).build().unwrap();
        let (heavy, clock) = (Arc::new(Semaphore::new(admitted)), Clock::start());
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..STEPS)
            .map(|_| {
                let (heavy, running, most) = (Arc::clone(&heavy), Arc::clone(&running), Arc::clone(&most));
                runtime.spawn(async move {
                    aside(&heavy, bytes, || {
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        let deadline = clock.now() + Duration::from_secs(10);
                        while most.load(SeqCst) < wanted && clock.now() < deadline {
                            yield_now();
                        }
                        (0..1000).for_each(|_| yield_now());
                        running.fetch_sub(1, SeqCst);
                    })
                    .await;
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
        most.load(SeqCst)
    }

    #[test]
    fn of_long_steps_no_more_run_at_a_time_than_are_admitted() {
        assert!(at_a_time(HEAVY - 1, 2, 3) > 2, "short steps need no admission");
        for admitted in [1, 2, 3] {
            assert_eq!(at_a_time(HEAVY, admitted, admitted), admitted);
        }
    }
}
