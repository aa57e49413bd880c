//! A command that waits for people: collects what goes into it, tells whoever asked, and sees when they go.
//!
//! All of it in the channel's own task: nothing else of the connection waits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::channel::Channel;
use super::lines::REVOKED;
use crate::session::budget::Share;
use crate::session::{Ask, Hold, Opened, REMIND_EVERY, Refused, Waiting};

/// So much standard input can be shown to people, and no more.
const INPUT_BYTES: usize = 256 * 1024;
/// Input that pauses for so long is taken for all of it.
const QUIET: Duration = Duration::from_secs(2);
/// What Ctrl-C is without a terminal driver.
const CTRL_C: u8 = 3;

/// Why it did not begin.
pub(super) enum Not {
    /// The line says why.
    Refused(Refused),
    /// Whoever asked is gone, or is to hear no more.
    Gone,
}

/// Input that waits with its command, counted in the channel's share for as long as this lives.
pub(super) struct Kept {
    bytes: BytesMut,
    share: Share,
    /// It is no part of what was asked for, and goes to the target as it came.
    open: bool,
    ended: bool,
}

impl Kept {
    fn push(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        self.share.change(i64::try_from(data.len()).unwrap_or(i64::MAX));
    }

    /// What comes first into a command whose input is open, and whether that is all.
    pub(super) fn early(&self) -> Option<(Bytes, bool)> {
        self.open.then(|| (Bytes::copy_from_slice(&self.bytes), self.ended))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.share.change(-i64::try_from(self.bytes.len()).unwrap_or(i64::MAX));
    }
}

/// Waits for people. What is opened then may begin.
pub(super) async fn wait(
    channel: &Channel,
    read: &mut ChannelReadHalf,
    ask: Ask<'_>,
    hold: Box<Hold>,
) -> Result<(Opened, Kept), Not> {
    let terminal = ask.terminal.is_some();
    let open = hold.open_input(&ask);
    let mut kept = Kept { bytes: BytesMut::new(), share: channel.share.clone(), open, ended: false };
    if !terminal && !open {
        let collected = tokio::select! {
            collected = collect(channel, read, &mut kept) => collected,
            () = channel.gone.cancelled() => Err(Not::Gone),
            () = channel.rooms.drain.stopping().cancelled() => Err(Not::Refused(stopped())),
        };
        collected?;
    }
    let input = Bytes::copy_from_slice(&kept.bytes);
    let sessions = &channel.rooms.sessions;
    let mut waiting = sessions.hold(&ask, hold, input).await.map_err(Not::Refused)?;
    match attend(channel, read, &mut waiting, (terminal, &mut kept)).await {
        Ended::Answered(Ok(())) => {
            let opened = sessions.open_approved(ask, waiting).await.map_err(Not::Refused)?;
            Ok((opened, kept))
        }
        Ended::Answered(Err(refused)) => Err(Not::Refused(refused)),
        Ended::Left(reason) => {
            waiting.withdraw(reason).await;
            Err(Not::Gone)
        }
        Ended::Stopped => {
            waiting.withdraw("bastion stopped").await;
            Err(Not::Refused(stopped()))
        }
        Ended::Cut(reason, line) => {
            waiting.withdraw(reason).await;
            channel.say(terminal, line).await;
            Err(Not::Gone)
        }
    }
}

fn stopped() -> Refused {
    Refused::Lapsed("the bastion is stopping, so nothing was run; ask again in a minute".to_owned())
}

/// Reads standard input to its end, or until it pauses.
async fn collect(channel: &Channel, read: &mut ChannelReadHalf, kept: &mut Kept) -> Result<(), Not> {
    loop {
        let Ok(message) = timeout(QUIET, read.wait()).await else { return Ok(()) };
        match message {
            Some(ChannelMsg::Data { data }) => {
                channel.backlog.taken(data.len());
                if kept.bytes.len() + data.len() > INPUT_BYTES {
                    let line = "what is held is shown to people with its input, at most 256 KiB of it: \
                                copy the input to the target first, then run a command that reads the file";
                    return Err(Not::Refused(Refused::Rejected(line.to_owned())));
                }
                kept.push(&data);
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => channel.backlog.taken(data.len()),
            Some(ChannelMsg::Eof) => return Ok(()),
            Some(ChannelMsg::Close) | None => return Err(Not::Gone),
            Some(_) => {}
        }
    }
}

/// How waiting ended.
enum Ended {
    Answered(Result<(), Refused>),
    Left(&'static str),
    Stopped,
    Cut(&'static str, &'static str),
}

async fn attend(
    channel: &Channel,
    read: &mut ChannelReadHalf,
    waiting: &mut Waiting,
    (terminal, kept): (bool, &mut Kept),
) -> Ended {
    let (rooms, mut dropped) = (&channel.rooms, false);
    let approve = |id: &str| rooms.console.line_for(&format!("approve {id}"));
    let mut remind = interval(REMIND_EVERY);
    remind.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut revoked = std::pin::pin!(rooms.identities.until_revoked(&channel.caller));
    loop {
        tokio::select! {
            answer = waiting.ends() => return Ended::Answered(answer),
            _ = remind.tick() => {
                let line = waiting.line(rooms.clock.now(), approve);
                channel.say(terminal, &line).await;
            }
            // Open input beyond that stays with the client until the command takes it.
            message = read.wait(), if !kept.open || kept.bytes.len() < INPUT_BYTES => match message {
                Some(ChannelMsg::Data { data }) if kept.open => {
                    channel.backlog.taken(data.len());
                    kept.push(&data);
                }
                Some(ChannelMsg::Eof) if kept.open => kept.ended = true,
                Some(ChannelMsg::Data { data }) => {
                    channel.backlog.taken(data.len());
                    if terminal && data.contains(&CTRL_C) {
                        return Ended::Left("cancelled by the requester");
                    }
                    if !std::mem::replace(&mut dropped, true) {
                        channel.say(terminal, DROPPED).await;
                    }
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => channel.backlog.taken(data.len()),
                Some(ChannelMsg::Close) | None => return Ended::Left("client gone"),
                Some(_) => {}
            },
            () = channel.gone.cancelled() => return Ended::Left("client gone"),
            () = rooms.drain.stopping().cancelled() => return Ended::Stopped,
            () = &mut revoked => return Ended::Cut("requester revoked", REVOKED),
            _ = channel.share.cut().told() => {
                return Ended::Cut("limit", "the request was withdrawn: the bastion is short of memory; ask again");
            }
        }
    }
}

/// Said once, of input that comes too late.
pub(super) const DROPPED: &str = "what is sent now was not there when people were asked, so it goes nowhere";
