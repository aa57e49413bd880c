//! A channel as a stream: what comes in it is read, what is written goes out in it.
//!
//! The server inside a jump reads and writes it itself. With tasks between, which copy, a key wakes more tasks in a row than the
//! runtime runs on one thread, and waits for a second thread to wake, twice on its way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use russh::server::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::ReusableBoxFuture;

use super::pump::Waiting;

/// At most so much is written at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Both halves of a channel.
pub(super) struct Piped {
    next: ReusableBoxFuture<'static, (ChannelReadHalf, Option<ChannelMsg>)>,
    /// Of the last packet, what was not read yet.
    rest: Bytes,
    /// How long that packet was, until all of it is read.
    taking: Option<usize>,
    is_over: bool,
    backlog: Waiting,
    channel: Arc<ChannelWriteHalf<Msg>>,
    sending: ReusableBoxFuture<'static, Result<(), russh::Error>>,
    is_sending: bool,
}

impl Piped {
    /// What is read of it is taken off the backlog. It never closes the channel.
    pub(super) fn new(from: ChannelReadHalf, to: Arc<ChannelWriteHalf<Msg>>, backlog: Waiting) -> Self {
        Self {
            next: ReusableBoxFuture::new(next(from)),
            rest: Bytes::new(),
            taking: None,
            is_over: false,
            backlog,
            sending: ReusableBoxFuture::new(send(to.clone(), Bytes::new())),
            is_sending: false,
            channel: to,
        }
    }

    /// What was written before is with the channel.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_sending {
            let sent = ready!(self.sending.poll(cx));
            self.is_sending = false;
            sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Poll::Ready(Ok(()))
    }
}

async fn next(mut from: ChannelReadHalf) -> (ChannelReadHalf, Option<ChannelMsg>) {
    let message = from.wait().await;
    (from, message)
}

async fn send(to: Arc<ChannelWriteHalf<Msg>>, bytes: Bytes) -> Result<(), russh::Error> {
    to.data_bytes(bytes).await
}

impl AsyncRead for Piped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (this, before) = (&mut *self, out.filled().len());
        loop {
            if !this.rest.is_empty() {
                let length = this.rest.len().min(out.remaining());
                out.put_slice(this.rest.get(..length).unwrap_or_default());
                this.rest.advance(length);
            }
            if this.rest.is_empty() {
                this.taking.take().into_iter().for_each(|length| this.backlog.taken(length));
            }
            if this.is_over || out.remaining() == 0 || out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            let (from, message) = ready!(this.next.poll(cx));
            match message {
                Some(ChannelMsg::Data { data }) => (this.taking, this.rest) = (Some(data.len()), data),
                // It was counted, and goes nowhere.
                Some(ChannelMsg::ExtendedData { data, .. }) => this.backlog.taken(data.len()),
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => this.is_over = true,
                Some(_) => {}
            }
            this.next.set(next(from));
        }
    }
}

impl AsyncWrite for Piped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
        let to = self.channel.clone();
        self.sending.set(send(to, Bytes::copy_from_slice(piece)));
        self.is_sending = true;
        match self.poll_sent(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What waits for window is taken all the same: the next write waits for it, and so does a flush.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(piece.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }
}
