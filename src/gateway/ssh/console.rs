//! A channel without a target: carries bytes between the client and the bastion's own commands.

use russh::{ChannelMsg, ChannelReadHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::asked::{Live, Start, What};
use super::channel::Channel;
use super::lines::{self, REVOKED};
use super::pump::{Waiting, say};
use super::request::{Environment, Terminal, Wishes};
use super::way::Way;
use crate::console::{Done, Input, Io};
use crate::domain::session::{Action, Exit, Stream};
use crate::session::Glass;

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
    let terminal = start.terminal.as_ref().map(|terminal| terminal.size);
    // A terminal has one stream: on two, a client may show a prompt before what was said ahead of it.
    let shown_on = |stream| if terminal.is_some() { Stream::Stdout } else { stream };
    let Some(read) = channel.read.take() else { return };
    // Ends with the client's channel, or when somebody else is to read on.
    let back = CancellationToken::new();
    let heard = hear(read, typed.clone(), channel.backlog.clone(), back.clone());
    let heard = channel.rooms.drain.spawn(heard);
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
    let done = loop {
        tokio::select! {
            done = &mut command => break done,
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
    match done {
        None => {}
        Some(Done::Code(code)) => channel.finish(Exit::Status(u32::from(code))).await,
        Some(Done::Glass(glass)) => {
            back.cancel();
            channel.read = heard.await.ok().flatten();
            visit(channel, &glass, (&start.environment, start.terminal)).await;
        }
    }
}

/// What was typed for the console does not reach the target's shell.
async fn visit(mut channel: Channel, glass: &Glass, (environment, terminal): (&Environment, Option<Terminal>)) {
    let wishes = Wishes { reason: Some(glass.reason.clone()), ..Wishes::default() };
    let (login, target) = (Some(glass.login.as_str()), glass.target.as_str());
    let way = Way { login, target, environment, wishes: &wishes, profiles: &[], glass: Some(glass) };
    if channel.relay(&way, Action::Shell, &terminal).await.is_err() {
        channel.refuse(terminal.is_some(), "past approval there is no guarded prompt").await;
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

async fn hear(
    mut read: ChannelReadHalf,
    typed: mpsc::Sender<Input>,
    backlog: Waiting,
    back: CancellationToken,
) -> Option<ChannelReadHalf> {
    loop {
        let Some(message) = back.run_until_cancelled(read.wait()).await else { return Some(read) };
        match message {
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
            Some(ChannelMsg::Close) | None => return None,
            Some(_) => {}
        }
    }
}
