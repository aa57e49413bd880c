//! One direction of one channel: read, tap, write; counts its backlog.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client, server};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::echo::Typed;
use super::held::DROPPED;
use super::sftp::Following;
use super::{count, upstream};
use crate::domain::session::{Exit, Stream};
use crate::session::budget::Share;
use crate::session::tap::{DownTap, Masked, UpTap};

/// How long the target's end of output is held back for its exit status: OpenSSH closes its side on it,
/// and a status that comes later goes nowhere.
const STATUS_WITHIN: Duration = Duration::from_secs(2);

/// What can still become a secret is let go when its stream has been quiet for so long.
const QUIET: Duration = Duration::from_millis(20);

/// In a terminal any word may become an address. What a program prints at once comes sooner than this; nobody notices it.
const QUIET_BEHIND_A_WORD: Duration = Duration::from_millis(2);

/// What was held at the end gets so long to be stored and written.
const REST_WITHIN: Duration = Duration::from_secs(1);

/// How long an upload may stand still after its client has gone.
const DRAIN_LOOK: Duration = Duration::from_secs(2);

/// Input that waited goes out in pieces of this size.
const PIECE_BYTES: usize = 32 * 1024;

/// How a pump came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client closed the channel, or its connection broke.
    ByClient,
    /// The target closed the channel.
    ByTarget,
    /// The recording failed.
    Recording,
    /// It was to be SFTP and cannot be followed; why.
    NotSftp(&'static str),
    /// Somebody cancelled.
    Cut,
}

/// Bytes that came from one side and were not yet written to the other.
///
/// The library queues a packet before it says that it came, so a fast pump may take off what was not
/// added yet: the count is signed, and less than nothing is nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    bytes: AtomicI64,
    /// Whose channel holds them: one after the other on a connection to a target that is used again.
    share: RwLock<Option<Share>>,
}

impl Waiting {
    /// A packet of this length has come.
    pub(crate) fn add(&self, len: usize) {
        self.0.change(cost(len));
    }

    /// A packet of this length has left.
    pub(crate) fn taken(&self, len: usize) {
        self.0.change(-cost(len));
    }

    /// Done once the client is gone and what it had sent is either delivered or stands still.
    pub(super) async fn drained(&self, gone: &CancellationToken) {
        gone.cancelled().await;
        loop {
            let before = self.bytes();
            sleep(DRAIN_LOOK).await;
            let after = self.bytes();
            if after == 0 || after >= before {
                return;
            }
        }
    }

    /// How much waits.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.0.bytes.load(Ordering::SeqCst)).unwrap_or(0)
    }

    /// What waits from now on counts in this share.
    pub(crate) fn charge(&self, share: &Share) {
        *self.0.share.write().unwrap_or_else(PoisonError::into_inner) = Some(share.clone());
    }

    /// Nothing waits, and no channel is charged any more; or whether something waits still.
    pub(crate) fn is_clear(&self) -> bool {
        let clear = self.0.bytes.load(Ordering::SeqCst) == 0;
        if clear {
            *self.0.share.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        clear
    }
}

impl Count {
    fn change(&self, bytes: i64) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
        if let Some(share) = self.share.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            share.change(bytes);
        }
    }
}

/// What was never passed on is held no more.
impl Drop for Count {
    fn drop(&mut self) {
        let share = self.share.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(share) = share {
            share.change(-*self.bytes.get_mut());
        }
    }
}

fn cost(len: usize) -> i64 {
    i64::try_from(count(len)).unwrap_or(i64::MAX)
}

/// Client → target.
pub(crate) struct Up {
    pub(crate) client: ChannelReadHalf,
    pub(crate) target: Arc<ChannelWriteHalf<client::Msg>>,
    pub(crate) tap: UpTap,
    pub(crate) backlog: Waiting,
    pub(crate) first: Option<First>,
    /// Of an SFTP conversation.
    pub(crate) files: Option<Arc<Following>>,
    /// Of a terminal.
    pub(super) typed: Option<Typed>,
}

/// Input that does not come from the client's channel any more.
pub(crate) struct First {
    pub(crate) bytes: Bytes,
    /// It is all that there may be.
    pub(crate) is_all: bool,
    /// Who hears that more goes nowhere: people agreed to this input, and to no other.
    pub(crate) bound: Option<Arc<ChannelWriteHalf<server::Msg>>>,
}

impl Up {
    /// Runs until the client has no more, or `cut`. Gives the client's side back: on its channel more may follow.
    pub(crate) async fn run(mut self, cut: CancellationToken) -> (Ended, ChannelReadHalf) {
        // A future that is handed over is kept twice by what takes it.
        let ended = cut.run_until_cancelled(pin!(self.pump())).await.unwrap_or(Ended::Cut);
        // What was held when it ended is recorded all the same; nobody hears of it if that fails.
        let _ = timeout(REST_WITHIN, self.tap.finish()).await;
        (ended, self.client)
    }

    async fn pump(&mut self) -> Ended {
        let mut ended = false;
        let mut told = None;
        if let Some(First { bytes, is_all, bound }) = self.first.take() {
            for piece in bytes.chunks(PIECE_BYTES) {
                let piece = bytes.slice_ref(piece);
                if self.tap.input(&piece).await.is_err() {
                    return Ended::Recording;
                }
                if let Err(ended) = self.pass(piece).await {
                    return ended;
                }
            }
            if is_all {
                if self.tap.finish().await.is_err() {
                    return Ended::Recording;
                }
                let _ = self.target.eof().await;
            }
            (ended, told) = (is_all, bound);
        }
        loop {
            match self.client.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    let len = data.len();
                    // After its end of input a client sends nothing; what comes all the same goes nowhere.
                    if !ended {
                        if self.tap.input(&data).await.is_err() {
                            return Ended::Recording;
                        }
                        if let Some(typed) = &self.typed {
                            typed.sent(&data);
                        }
                        if let Err(ended) = self.pass(data).await {
                            return ended;
                        }
                    }
                    self.backlog.taken(len);
                    if let Some(client) = told.take() {
                        say(&client, false, DROPPED).await;
                    }
                }
                // No client sends extended data; it counted, so it is taken off.
                Some(ChannelMsg::ExtendedData { data, .. }) => self.backlog.taken(data.len()),
                Some(ChannelMsg::Eof) => {
                    ended = true;
                    if self.tap.finish().await.is_err() {
                        return Ended::Recording;
                    }
                    let _ = self.target.eof().await;
                }
                Some(ChannelMsg::Close) | None => return Ended::ByClient,
                // Requests are served by the connection's callbacks; the library queues a copy here.
                Some(_) => {}
            }
        }
    }
}

impl Up {
    async fn pass(&self, data: Bytes) -> Result<(), Ended> {
        let Some(files) = &self.files else {
            return self.target.data_bytes(data).await.map_err(|_| Ended::ByTarget);
        };
        for piece in files.requests(&data).await? {
            self.target.data_bytes(piece).await.map_err(|_| Ended::ByTarget)?;
        }
        Ok(())
    }
}

/// Target → client.
pub(crate) struct Down {
    pub(crate) target: ChannelReadHalf,
    pub(crate) client: Arc<ChannelWriteHalf<server::Msg>>,
    pub(crate) handle: server::Handle,
    pub(crate) tap: DownTap,
    pub(crate) backlog: upstream::Backlog,
    /// Of a terminal.
    pub(super) typed: Option<Typed>,
    pub(crate) quiet: Quiet,
    /// What the target said of the exit, as soon as it has.
    pub(crate) exit: Arc<OnceLock<Exit>>,
    /// The client's channel outlasts this: it hears of no end.
    pub(crate) lasting: bool,
    /// No exit status is to come.
    pub(crate) forwarded: bool,
    /// Of an SFTP conversation, and what the bastion answers in it.
    pub(crate) files: Option<(Arc<Following>, mpsc::Receiver<Bytes>)>,
}

impl Down {
    /// Runs until the target closes, or `cut`.
    pub(crate) async fn run(mut self, cut: CancellationToken) -> Ended {
        let ended = cut.run_until_cancelled(pin!(self.pump())).await.unwrap_or(Ended::Cut);
        // What was held when it ended is recorded, and shown where somebody still looks.
        let _ = timeout(REST_WITHIN, self.rest()).await;
        ended
    }

    async fn pump(&mut self) -> Ended {
        let mut held = None;
        loop {
            let message = tokio::select! {
                message = self.target.wait() => message,
                () = wait(&mut held) => {
                    held = None;
                    self.eof().await;
                    continue;
                }
                reply = reply(&mut self.files) => {
                    if self.client.data_bytes(reply).await.is_err() {
                        return Ended::ByClient;
                    }
                    continue;
                }
                stream = self.quiet.over() => {
                    if let Err(ended) = self.release(stream).await {
                        return ended;
                    }
                    continue;
                }
            };
            match message {
                Some(ChannelMsg::Data { data }) => {
                    if let Err(ended) = self.pass(Stream::Stdout, data).await {
                        return ended;
                    }
                }
                Some(ChannelMsg::ExtendedData { data, ext }) => {
                    // RFC 4254 §5.2 knows one kind of extended data, standard error.
                    let stream = if ext == 1 { Stream::Stderr } else { Stream::Stdout };
                    if let Err(ended) = self.pass(stream, data).await {
                        return ended;
                    }
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    let _ = self.exit.set(Exit::Status(exit_status));
                    if !self.lasting {
                        let _ = self.client.exit_status(exit_status).await;
                    }
                    if held.take().is_some() {
                        self.eof().await;
                    }
                }
                Some(ChannelMsg::ExitSignal { signal_name, core_dumped, error_message, lang_tag }) => {
                    let _ = self.exit.set(Exit::Signal(signal_text(&signal_name)));
                    let id = self.client.id();
                    if !self.lasting {
                        let signal = (signal_name, core_dumped, error_message, lang_tag);
                        let _ = self.handle.exit_signal_request(id, signal.0, signal.1, signal.2, signal.3).await;
                    }
                    if held.take().is_some() {
                        self.eof().await;
                    }
                }
                Some(ChannelMsg::Eof) => {
                    if let Err(ended) = self.rest().await {
                        return ended;
                    }
                    match self.exit.get() {
                        None if self.forwarded => self.eof().await,
                        Some(_) => self.eof().await,
                        None => held = Some(Box::pin(sleep(STATUS_WITHIN))),
                    }
                }
                Some(ChannelMsg::Close) | None => {
                    if let Err(ended) = self.rest().await {
                        return ended;
                    }
                    if held.is_some() {
                        self.eof().await;
                    }
                    return Ended::ByTarget;
                }
                Some(_) => {}
            }
        }
    }

    async fn eof(&self) {
        if !self.lasting {
            let _ = self.client.eof().await;
        }
    }

    async fn pass(&mut self, stream: Stream, data: Bytes) -> Result<(), Ended> {
        let len = data.len();
        let data = match (&self.files, stream) {
            (Some((files, _)), Stream::Stdout) => files.answers(data).await?,
            _ => data,
        };
        let is_echo = stream == Stream::Stdout && self.typed.as_ref().is_some_and(|typed| typed.echoed(&data));
        let masked = self.tap.output(stream, data).await.map_err(|_| Ended::Recording)?;
        let holds = self.tap.holds(stream);
        let is_word = holds && self.typed.is_some() && self.tap.holds_a_word(stream);
        let quiet = if is_word { QUIET_BEHIND_A_WORD } else { QUIET };
        self.quiet.set(stream, (holds && !is_echo).then_some(quiet));
        self.send(stream, masked).await?;
        if holds && is_echo {
            self.release(stream).await?;
        }
        self.backlog.written(len);
        Ok(())
    }

    /// Nothing has come for a while: a prompt must not wait for what follows it.
    async fn release(&mut self, stream: Stream) -> Result<(), Ended> {
        let masked = self.tap.release(stream).await.map_err(|_| Ended::Recording)?;
        self.quiet.set(stream, None);
        self.send(stream, masked).await
    }

    /// Nothing will come any more.
    async fn rest(&mut self) -> Result<(), Ended> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let masked = self.tap.finish(stream).await.map_err(|_| Ended::Recording)?;
            self.quiet.set(stream, None);
            self.send(stream, masked).await?;
        }
        Ok(())
    }

    async fn send(&self, stream: Stream, masked: Masked) -> Result<(), Ended> {
        if masked.is_empty() {
            return Ok(());
        }
        let sent = match stream {
            Stream::Stdout => self.client.data_bytes(masked.into_bytes()).await,
            Stream::Stderr => self.client.extended_data_bytes(1, masked.into_bytes()).await,
        };
        sent.map_err(|_| Ended::ByClient)
    }
}

/// What the bastion answers itself, once it may be said.
async fn reply(files: &mut Option<(Arc<Following>, mpsc::Receiver<Bytes>)>) -> Bytes {
    if let Some((files, replies)) = files
        && files.is_between()
        && let Some(reply) = replies.recv().await
    {
        return reply;
    }
    std::future::pending().await
}

/// When what is held of each stream is to be let go.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    out: Option<Pin<Box<Sleep>>>,
    err: Option<Pin<Box<Sleep>>>,
}

impl Quiet {
    /// Something has come; from now on its stream is quiet.
    fn set(&mut self, stream: Stream, quiet: Option<Duration>) {
        let due = quiet.map(|quiet| Box::pin(sleep(quiet)));
        match stream {
            Stream::Stdout => self.out = due,
            Stream::Stderr => self.err = due,
        }
    }

    /// Waits until a stream has been quiet for so long; for ever if nothing is held.
    async fn over(&mut self) -> Stream {
        tokio::select! {
            () = wait(&mut self.out) => Stream::Stdout,
            () = wait(&mut self.err) => Stream::Stderr,
        }
    }
}

/// Waits for what is there; for ever if nothing is.
async fn wait(patience: &mut Option<Pin<Box<Sleep>>>) {
    match patience {
        Some(patience) => patience.await,
        None => std::future::pending().await,
    }
}

/// The name of a signal as RFC 4254 §6.10 writes it; at most 32 bytes of what is allowed in a name.
fn signal_text(signal: &russh::Sig) -> String {
    let text = match signal {
        russh::Sig::Custom(name) => name.as_str(),
        known => return format!("{known:?}"),
    };
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "@.-_".contains(*c)).take(32).collect()
}

/// Writes a line of the bastion's own; a client that does not read gets 5 s.
pub(crate) async fn say(client: &ChannelWriteHalf<server::Msg>, terminal: bool, line: &str) {
    // A terminal shows standard error and output alike, and its line discipline is not there any more.
    let text = if terminal { format!("\r\nsallyport: {line}\r\n") } else { format!("sallyport: {line}\n") };
    let _ = timeout(Duration::from_secs(5), client.extended_data_bytes(1, text)).await;
}
