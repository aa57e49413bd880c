//! The wrapped stream of a connection: it can be paused, paced and killed from outside.
//!
//! The SSH library grants window on receipt and has no abort handle, so what it cannot do is done
//! below it: a paused read side stops the peer by TCP, a paced one slows a trickle of tiny packets,
//! and a kill makes reads and writes fail wherever the library waits.

use std::future::Future;
use std::io;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

/// Reads of the larger size keep the number of system calls low without holding more than one socket buffer's worth. Where
/// less comes at once, as with keys, less is held: most connections are idle.
const READ_BYTES: RangeInclusive<usize> = 4 * 1024..=64 * 1024;

/// RFC 4253 §4.2: with its end.
const VERSION_BYTES: usize = 255;

/// Steers one wrapped stream. Cheap to clone; clones steer the same stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control(Arc<State>);

#[derive(Debug, Default)]
struct State {
    killed: AtomicBool,
    paused: AtomicBool,
    /// Milliseconds to wait before the next read of the socket; 0 means none.
    pace_ms: AtomicU64,
    /// Milliseconds until a kill that was announced; 0 means none was.
    last_words_ms: AtomicU64,
    /// What the peer sent first: its version line (RFC 4253 §4.2), as far as it came at once.
    version: OnceLock<Vec<u8>>,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Control {
    /// Every read and write fails from now on, also one that waits.
    pub(crate) fn kill(&self) {
        self.0.killed.store(true, Ordering::SeqCst);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    /// Kills the stream after `grace`, unless its owner has dropped it by then. Returns at once: the wait is the
    /// stream's own, so that nobody has to.
    pub(crate) fn kill_soon(&self, grace: Duration) {
        self.0.last_words_ms.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        self.0.reader.wake();
    }

    /// Whether it was killed.
    pub(crate) fn is_killed(&self) -> bool {
        self.0.killed.load(Ordering::SeqCst)
    }

    /// What the peer calls itself, before the library says so; empty as long as it has said nothing.
    pub(crate) fn version(&self) -> String {
        let line = self.0.version.get().map(Vec::as_slice).unwrap_or_default();
        crate::domain::printable(String::from_utf8_lossy(line).trim_end(), VERSION_BYTES)
    }

    /// Stops or resumes reading; writing goes on.
    pub(crate) fn pause(&self, paused: bool) {
        if self.0.paused.swap(paused, Ordering::SeqCst) && !paused {
            self.0.reader.wake();
        }
    }

    /// Whether reading is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::SeqCst)
    }

    /// Waits this long before each read of the socket, once everything that had arrived was read.
    pub(crate) fn pace(&self, wait: Duration) {
        self.0.pace_ms.store(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

/// A stream under a [`Control`].
pub(crate) struct Steered<S> {
    inner: S,
    buffer: Buffer,
    control: Control,
    pacing: Option<Pin<Box<Sleep>>>,
    ending: Option<Pin<Box<Sleep>>>,
    /// What was said already and the library will say again.
    said: &'static [u8],
}

impl<S: AsyncRead + AsyncWrite + Unpin> Steered<S> {
    /// Wraps `stream`.
    pub(crate) fn new(stream: S, control: Control) -> Self {
        Self { inner: stream, buffer: Buffer::default(), control, pacing: None, ending: None, said: b"" }
    }

    /// Says the version line that the library begins with, and listens to what the peer says to it until enough was heard,
    /// or for so long. The library hears it all again, and its own line goes nowhere.
    pub(super) async fn hear<T>(
        &mut self,
        line: &'static [u8],
        enough: impl Fn(&[u8]) -> Option<T>,
        within: Duration,
    ) -> io::Result<Option<T>> {
        self.write_all(line).await?;
        self.said = line;
        let mut heard = Vec::with_capacity(*READ_BYTES.start());
        let hearing = async {
            loop {
                let told = enough(&heard);
                if told.is_some() || self.read_buf(&mut heard).await? == 0 {
                    return Ok(told);
                }
            }
        };
        let told = timeout(within, hearing).await.unwrap_or(Ok(None));
        heard.extend_from_slice(self.buffer.waiting());
        let end = heard.len();
        heard.resize(end.max(*READ_BYTES.start()), 0);
        self.buffer = Buffer { bytes: heard, begin: 0, end };
        told
    }
}

/// What was read of the socket and not yet by the library. It grows when it is filled at once.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// Which of them are not taken.
    begin: usize,
    end: usize,
}

impl Buffer {
    fn waiting(&self) -> &[u8] {
        self.bytes.get(self.begin..self.end).unwrap_or_default()
    }

    fn poll_fill<S: AsyncRead + Unpin>(&mut self, from: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.begin < self.end {
            return Poll::Ready(Ok(()));
        }
        if self.end == self.bytes.len() {
            let larger = (4 * self.bytes.len()).clamp(*READ_BYTES.start(), *READ_BYTES.end());
            if larger > self.bytes.len() {
                self.bytes = vec![0; larger];
            }
        }
        let mut read = ReadBuf::new(&mut self.bytes);
        match Pin::new(from).poll_read(cx, &mut read) {
            Poll::Ready(Ok(())) => {
                (self.begin, self.end) = (0, read.filled().len());
                Poll::Ready(Ok(()))
            }
            // What was filled before is not filled again until something comes.
            other => other,
        }
    }
}

fn killed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the bastion")
}

impl<S: AsyncRead + Unpin> AsyncRead for Steered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // The waker first, then the flags: the other order could miss a change between the two.
        self.control.0.reader.register(cx.waker());
        if self.control.is_killed() {
            return Poll::Ready(Err(killed()));
        }
        let last_words = self.control.0.last_words_ms.load(Ordering::SeqCst);
        if last_words > 0 {
            let ending = self.ending.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(last_words))));
            if ending.as_mut().poll(cx).is_ready() {
                self.control.kill();
                return Poll::Ready(Err(killed()));
            }
        }
        if self.control.is_paused() {
            return Poll::Pending;
        }
        if self.buffer.waiting().is_empty() {
            let pace = self.control.0.pace_ms.load(Ordering::SeqCst);
            if pace > 0 {
                let pacing = self.pacing.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(pace))));
                if pacing.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            self.pacing = None;
        }
        let this = &mut *self;
        match this.buffer.poll_fill(&mut this.inner, cx) {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        let filled = this.buffer.waiting();
        if this.control.0.version.get().is_none() && !filled.is_empty() {
            let line = filled.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let _ = this.control.0.version.set(line.iter().take(VERSION_BYTES).copied().collect());
        }
        let take = filled.len().min(out.remaining());
        out.put_slice(filled.get(..take).unwrap_or_default());
        this.buffer.begin += take;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Steered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.control.0.writer.register(cx.waker());
        if self.control.is_killed() {
            return Poll::Ready(Err(killed()));
        }
        if !self.said.is_empty() {
            let same = self.said.iter().zip(bytes).take_while(|(said, byte)| said == byte).count();
            self.said = self.said.get(same..).unwrap_or_default();
            return Poll::Ready(if same > 0 { Ok(same) } else { Err(io::ErrorKind::InvalidData.into()) });
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.control.0.writer.register(cx.waker());
        if self.control.is_killed() {
            return Poll::Ready(Err(killed()));
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.control.0.writer.register(cx.waker());
        if self.control.is_killed() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn a_killed_stream_fails_a_read_that_waits() {
        let (near, _far) = duplex(64);
        let control = Control::default();
        let mut steered = Steered::new(near, control.clone());
        let mut byte = [0];
        let (read, ()) = tokio::join!(steered.read(&mut byte), async { control.kill() });
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(steered.write(b"x").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_announced_kill_leaves_time_for_last_words() {
        let (near, mut far) = duplex(64);
        let control = Control::default();
        let mut steered = Steered::new(near, control.clone());
        control.kill_soon(Duration::from_secs(1));
        steered.write_all(b"bye").await.unwrap();
        let mut byte = [0; 3];
        far.read_exact(&mut byte).await.unwrap();
        assert!(steered.read(&mut byte).await.is_err());
        assert!(control.is_killed());
    }

    #[tokio::test]
    async fn a_paused_stream_writes_and_reads_again_once_resumed() {
        let (near, mut far) = duplex(64);
        let control = Control::default();
        let mut steered = Steered::new(near, control.clone());
        control.pause(true);
        far.write_all(b"late").await.unwrap();
        steered.write_all(b"out").await.unwrap();
        let mut out = [0; 3];
        far.read_exact(&mut out).await.unwrap();
        let mut late = [0; 4];
        let (read, ()) = tokio::join!(steered.read_exact(&mut late), async {
            tokio::task::yield_now().await;
            control.pause(false);
        });
        read.unwrap();
        assert_eq!((&out, &late), (b"out", b"late"));
    }

    #[tokio::test]
    async fn a_read_takes_more_at_once_where_more_comes_and_every_byte_arrives() {
        let (near, mut far) = duplex(1 << 20);
        let mut steered = Steered::new(near, Control::default());
        let sent: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        far.write_all(&sent[..100]).await.unwrap();
        let mut got = vec![0; 100];
        steered.read_exact(&mut got).await.unwrap();
        assert_eq!(steered.buffer.bytes.len(), *READ_BYTES.start());
        far.write_all(&sent[100..]).await.unwrap();
        drop(far);
        steered.read_to_end(&mut got).await.unwrap();
        assert_eq!(steered.buffer.bytes.len(), *READ_BYTES.end());
        assert!(got == sent);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_stream_first_reads_what_had_arrived() {
        let (near, mut far) = duplex(64);
        let control = Control::default();
        let mut steered = Steered::new(near, control.clone());
        far.write_all(b"ab").await.unwrap();
        let mut byte = [0];
        steered.read_exact(&mut byte).await.unwrap();
        control.pace(Duration::from_secs(3600));
        // `b` lies in the buffer already: no wait. What comes later waits.
        steered.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"b");
        far.write_all(b"c").await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(60), steered.read_exact(&mut byte)).await;
        assert!(waited.is_err());
    }

    #[tokio::test]
    async fn what_was_heard_first_is_heard_again_and_what_was_said_is_said_once() {
        let (near, mut far) = duplex(64);
        let mut steered = Steered::new(near, Control::default());
        far.write_all(b"hello, and more").await.unwrap();
        let enough = |heard: &[u8]| (heard.len() >= 5).then_some("enough");
        let heard = steered.hear(b"here\r\n", enough, Duration::from_secs(60)).await;
        assert_eq!(heard.unwrap(), Some("enough"));
        far.write_all(b"!").await.unwrap();
        steered.write_all(b"here\r\nthere").await.unwrap();
        let (mut heard, mut said) = ([0; 16], [0; 11]);
        steered.read_exact(&mut heard).await.unwrap();
        far.read_exact(&mut said).await.unwrap();
        assert_eq!((&heard, &said), (b"hello, and more!", b"here\r\nthere"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_too_little_is_not_waited_for() {
        let (near, mut far) = duplex(64);
        let mut steered = Steered::new(near, Control::default());
        far.write_all(b"hel").await.unwrap();
        let heard = steered.hear(b"x", |heard| (heard.len() >= 5).then_some(()), Duration::from_secs(60)).await;
        assert_eq!(heard.unwrap(), None);
        far.write_all(b"lo").await.unwrap();
        let mut heard = [0; 5];
        steered.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
    }

    #[tokio::test]
    async fn who_says_something_else_than_was_said_is_stopped() {
        let (near, _far) = duplex(64);
        let mut steered = Steered::new(near, Control::default());
        steered.hear(b"x", |_| Some(()), Duration::from_secs(60)).await.unwrap();
        assert_eq!(steered.write_all(b"y").await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
