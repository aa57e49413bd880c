//! A channel without a target: carries bytes between the client and the bastion's own commands.

use russh::{ChannelMsg, ChannelReadHalf};
use tokio::sync::mpsc;

use super::channel::{Channel, Live, Start, What};
use super::lines::{self, REVOKED};
use super::pump::{Waiting, say};
use crate::console::{Input, Io};
use crate::domain::session::{Exit, Stream};

/// Output pieces that may wait for the client.
const QUEUE: usize = 16;

/// Serves one console channel to its end.
pub(crate) async fn run(mut channel: Channel, start: Start) {
    let line = match start.what {
        What::Shell => None,
        What::Subsystem(name) => return channel.no_subsystem(start.terminal.is_some(), &name).await,
        What::Exec(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
    };
    let (out, mut said) = mpsc::channel(QUEUE);
    let (typed, input) = mpsc::channel(QUEUE);
    let terminal = start.terminal.map(|terminal| terminal.size);
    // A terminal has one stream: on two, a client may show a prompt before what was said ahead of it.
    let shown_on = |stream| if terminal.is_some() { Stream::Stdout } else { stream };
    let Some(read) = channel.read.take() else { return };
    // Ends with the client's channel, or once the console does not listen any more.
    channel.rooms.drain.spawn(hear(read, typed.clone(), channel.backlog.clone()));
    let console = channel.rooms.console.clone();
    let caller = channel.caller.clone();
    let mut io = Io { out, input, terminal };
    let command = async move { console.run(&caller, line.as_deref(), &mut io).await };
    let (identities, caller) = (channel.rooms.identities.clone(), channel.caller.clone());
    let mut revoked = std::pin::pin!(identities.until_revoked(&caller));
    let cutting = channel.rooms.drain.cutting().clone();
    let mut command = std::pin::pin!(cutting.run_until_cancelled(command));
    let stopping = channel.rooms.drain.stopping().clone();
    let mut told = false;
    let code = loop {
        tokio::select! {
            code = &mut command => break code,
            Some((stream, bytes)) = said.recv() => write(&channel, shown_on(stream), bytes).await,
            Some(live) = channel.live.recv() => if let Live::Resize(size, _) = live {
                let _ = typed.try_send(Input::Resize(size));
            },
            () = stopping.cancelled(), if !told => {
                told = true;
                if let Some(line) = lines::stopping(channel.rooms.settings.grace) {
                    say(&channel.write, terminal.is_some(), &line).await;
                }
            }
            () = channel.gone.cancelled() => return,
            () = &mut revoked => {
                say(&channel.write, terminal.is_some(), REVOKED).await;
                return channel.hang_up().await;
            }
        }
    };
    while let Ok((stream, bytes)) = said.try_recv() {
        write(&channel, shown_on(stream), bytes).await;
    }
    if let Some(code) = code {
        channel.finish(Exit::Status(u32::from(code))).await;
    }
}

async fn write(channel: &Channel, stream: Stream, bytes: bytes::Bytes) {
    // A client that does not read stops its own command only: this waits for its window.
    let sending = async {
        match stream {
            Stream::Stdout => channel.write.data_bytes(bytes).await,
            Stream::Stderr => channel.write.extended_data_bytes(1, bytes).await,
        }
    };
    let _ = channel.gone.run_until_cancelled(sending).await;
}

async fn hear(mut read: ChannelReadHalf, typed: mpsc::Sender<Input>, backlog: Waiting) {
    loop {
        match read.wait().await {
            Some(ChannelMsg::Data { data }) => {
                let len = data.len();
                if typed.send(Input::Bytes(data)).await.is_err() {
                    // The console has ended; what else comes is counted off so that the connection goes on.
                    backlog.taken(len);
                    continue;
                }
                backlog.taken(len);
            }
            Some(ChannelMsg::Eof) => {
                let _ = typed.send(Input::End).await;
            }
            Some(ChannelMsg::Close) | None => return,
            Some(_) => {}
        }
    }
}
