//! The guarded prompt: in place of a shell, lines that are each a command of their own, decided, held and recorded as such.
//!
//! A boundary: no shell runs at the target between two lines, and nothing that is typed reaches one unless it belongs to
//! a command that was allowed.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use russh::ChannelMsg;
use tokio::time::timeout;

use super::asked::Live;
use super::channel::Channel;
use super::lines::{self, REVOKED};
use super::request::Terminal;
use super::way::Way;
use crate::console::{Editor, Step};
use crate::domain::printable;
use crate::domain::session::{Action, Command, End, Exit};
use crate::session::Allotted;

mod carried;

use carried::{Carried, Line};

/// Typed ahead of the prompt; more is forgotten.
const AHEAD_BYTES: usize = 4096;
/// A client that does not read its own echo is let go after so long.
const ECHO_WITHIN: Duration = Duration::from_secs(30);

/// A prompt, from its first line to its last.
struct Prompt<'a> {
    channel: &'a mut Channel,
    way: &'a Way<'a>,
    terminal: Option<Terminal>,
    carried: Carried,
    editor: Editor,
    ahead: VecDeque<u8>,
    /// How the last command ended.
    last: u32,
    /// What runs when this is over has the same limit of its own, counted from its own start.
    allotted: Allotted,
    /// What was left of it when that was last said.
    warned: Option<Duration>,
}

/// Why no line came.
enum Over {
    Left,
    Gone,
    Cut(String),
}

/// Serves a channel that asked for a shell and gets the prompt; for `max` at most.
pub(super) async fn run(channel: &mut Channel, way: &Way<'_>, terminal: Option<Terminal>, max: Option<Duration>) {
    if terminal.is_none() {
        let line = "a shell is the bastion's own prompt here: use a terminal (ssh -t), or give one command";
        return channel.refuse(false, line).await;
    }
    channel.lasting = true;
    let allotted = Allotted::new(max, channel.rooms.clock.clone());
    let mut prompt = Prompt {
        channel,
        way,
        terminal,
        carried: Carried::default(),
        editor: Editor::default(),
        ahead: VecDeque::new(),
        last: 0,
        allotted,
        warned: None,
    };
    let over = prompt.serve().await;
    let last = prompt.last;
    channel.lasting = false;
    match over {
        Over::Gone => channel.hang_up().await,
        Over::Left => channel.finish(Exit::Status(last)).await,
        Over::Cut(why) => {
            channel.say(true, &why).await;
            channel.hang_up().await;
        }
    }
}

impl Prompt<'_> {
    async fn serve(&mut self) -> Over {
        let hello = "a guarded prompt: each line is a command of its own, decided and recorded as such; exit leaves";
        self.channel.say(true, hello).await;
        loop {
            let shown = self.shown();
            self.editor.prompt(&shown);
            self.echo(&shown).await;
            let line = match self.read().await {
                Ok(line) => line,
                Err(over) => return over,
            };
            match self.carried.line(&line) {
                Line::Nothing | Line::Kept => {}
                Line::Leave(code) => {
                    self.last = code.unwrap_or(self.last);
                    return Over::Left;
                }
                Line::Refused(why) => {
                    self.channel.say(true, why).await;
                    self.last = 2;
                }
                Line::Command(command) => self.run(command).await,
            }
            if self.channel.gone.is_cancelled() || self.channel.read.is_none() {
                return Over::Gone;
            }
        }
    }

    fn shown(&self) -> String {
        let login = self.way.login.unwrap_or_default();
        let at = if login.is_empty() { "" } else { "@" };
        let dir = match self.carried.dir() {
            "" => String::new(),
            dir => format!(":{}", printable(dir, 60)),
        };
        let last = if self.last == 0 { String::new() } else { format!("[{}] ", self.last) };
        format!("{last}{}{at}{}{dir} (guarded)> ", printable(login, 64), printable(self.way.target, 64))
    }

    async fn run(&mut self, command: String) {
        let command = match Command::parse(command) {
            Ok(command) => command,
            Err(error) => {
                self.channel.say(true, &error.to_string()).await;
                self.last = 2;
                return;
            }
        };
        // A prompt within a prompt does not exist: only a shell is guarded.
        let exit = self.channel.relay(self.way, Action::Exec(command), &self.terminal).await;
        self.last = match exit {
            Ok(Some(Exit::Status(code))) => code,
            Ok(Some(Exit::Signal(_)) | None) | Err(_) => 255,
        };
    }

    /// The next line that is typed.
    async fn read(&mut self) -> Result<String, Over> {
        let rooms = self.channel.rooms.clone();
        let (caller, stopping) = (self.channel.caller.clone(), rooms.drain.stopping().clone());
        let mut revoked = std::pin::pin!(rooms.identities.until_revoked(&caller));
        let mut told = false;
        loop {
            while let Some(byte) = self.ahead.pop_front() {
                match self.editor.feed(byte) {
                    Step::Nothing => {}
                    Step::Echo(text) => self.echo(&text).await,
                    Step::Line(line) => {
                        self.echo("\n").await;
                        return Ok(line);
                    }
                    Step::Leave => {
                        self.echo("\n").await;
                        return Err(Over::Left);
                    }
                }
            }
            let Some(read) = self.channel.read.as_mut() else { return Err(Over::Gone) };
            tokio::select! {
                message = read.wait() => match message {
                    Some(ChannelMsg::Data { data }) => {
                        self.channel.backlog.taken(data.len());
                        let room = AHEAD_BYTES.saturating_sub(self.ahead.len());
                        self.ahead.extend(data.iter().take(room));
                    }
                    Some(ChannelMsg::ExtendedData { data, .. }) => self.channel.backlog.taken(data.len()),
                    Some(ChannelMsg::Eof) => return Err(Over::Left),
                    Some(ChannelMsg::Close) | None => return Err(Over::Gone),
                    Some(_) => {}
                },
                Some(live) = self.channel.live.recv() => if let (Live::Resize(size, pixels), Some(terminal)) = (live, &mut self.terminal) {
                    (terminal.size, terminal.pixels) = (size, pixels);
                },
                () = self.channel.gone.cancelled() => return Err(Over::Gone),
                () = &mut revoked => return Err(Over::Cut(REVOKED.to_owned())),
                () = rooms.drain.cutting().cancelled() => {
                    return Err(Over::Cut(lines::cut(&End::Drain).to_owned()));
                }
                () = stopping.cancelled(), if !told => {
                    told = true;
                    if let Some(line) = lines::stopping(rooms.settings.grace) {
                        self.tell(&line).await;
                    }
                }
                () = self.allotted.over() => return Err(Over::Cut(lines::cut(&End::Limit("max_session")).to_owned())),
                left = self.allotted.nearly_over(self.warned) => {
                    self.warned = Some(left);
                    self.tell(&lines::nearly_over(left)).await;
                }
            }
        }
    }

    /// Says something while a line is being typed, and shows that line again below.
    async fn tell(&mut self, line: &str) {
        self.echo("\n").await;
        self.channel.say(true, line).await;
        let line = self.editor.shown();
        self.echo(&line).await;
    }

    async fn echo(&self, text: &str) {
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        let _ = timeout(ECHO_WITHIN, self.channel.write.data_bytes(bytes)).await;
    }
}
