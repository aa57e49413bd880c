//! A replay for whoever may look: with keys in a terminal, else its text.
//!
//! Decides only what is printed where and how long to wait; `recording::player` says what, and nothing of a recording
//! is printed that did not go through `recording::drawing`.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::io::{Ears, Heard};
use super::line::Play;
use super::table::stamp;
use super::{Error, Visit};
use crate::domain::printable;
use crate::domain::session::Stream;
use crate::recording::drawing::{Drawing, RESET};
use crate::recording::index::Summary;
use crate::recording::keys::{Keys, Pressed};
use crate::recording::player::{Act, Options, Player};
use crate::recording::{self, Event, Preamble, Reader};

impl Visit<'_> {
    pub(super) async fn play(&self, play: &Play, ears: &mut Ears<'_>) -> Result<(), Error> {
        let summary = self.look(play.id, "play").await?;
        let reader = self.reader(&summary).await?;
        if self.say.terminal().is_none() {
            return self.print(play, &reader).await;
        }
        let preamble = reader.preamble().await.map_err(|error| match error {
            recording::Error::Missing { .. } if summary.ended.is_none() => Error::NotYet(play.id),
            error => error.into(),
        })?;
        self.introduce(&summary, &preamble, ears).await?;
        let options = Options {
            speed: play.speed.unwrap_or(1.0),
            input: play.input,
            idle_limit: play.idle_limit.or(preamble.idle_limit),
            ..Options::of(Some(&preamble), true)
        };
        let replayed = self.replay(options, &reader, ears).await;
        // Whatever the recording left switched on must not stay so, also when it cannot be read to its end.
        self.say.bytes(Stream::Stdout, Bytes::from_static(RESET)).await?;
        let last = match (&replayed, &summary.ended) {
            (Err(_), _) => "\n",
            (Ok(Played::Quit), _) => "\nsallyport: replay left\n",
            (Ok(Played::Whole), Some(_)) => "\nsallyport: end of the recording\n",
            (Ok(Played::Whole), None) => "\nsallyport: so far; the session goes on\n",
        };
        self.say.err(last).await?;
        replayed.map(drop)
    }

    async fn introduce(&self, summary: &Summary, preamble: &Preamble, ears: &Ears<'_>) -> Result<(), Error> {
        let what = preamble.about.as_ref().and_then(|about| about.command.as_deref()).unwrap_or(&summary.action);
        let mut text = format!(
            "sallyport: {} as {}@{}, {}: {}\nsallyport: {KEYS}\n",
            printable(&summary.name, 64),
            summary.login,
            summary.target,
            stamp(summary.started),
            printable(what, 200),
        );
        if let Some(here) = ears.terminal()
            && (here.cols < preamble.size.cols || here.rows < preamble.size.rows)
            && summary.pty
        {
            let then = preamble.size;
            text.push_str(&format!(
                "sallyport: recorded in a larger terminal, {}x{}; this one has {}x{}, so lines may not be where they were\n",
                then.cols, then.rows, here.cols, here.rows
            ));
        }
        self.say.err(&text).await
    }

    /// With keys.
    async fn replay(&self, options: Options, reader: &Reader, ears: &mut Ears<'_>) -> Result<Played, Error> {
        let clock = &self.room.clock;
        let mut player = Player::new(options, clock.elapsed());
        let (mut keys, mut events, mut quit) = (Keys::default(), reader.events(), false);
        loop {
            // A key counts at once, also while something is passed over.
            while let Some(heard) = ears.heard() {
                quit |= self.press(heard, &mut keys, &mut player).await?;
            }
            match player.act(clock.elapsed()) {
                Act::Feed => match events.next().await? {
                    Some(event) => player.event(event),
                    None => player.end(),
                },
                Act::Print(bytes) => self.say.bytes(Stream::Stdout, bytes.into()).await?,
                Act::Rewind => events = reader.events(),
                Act::Quit if quit => return Ok(Played::Quit),
                Act::Quit => return Ok(Played::Whole),
                Act::Wait(until) => {
                    let due = async {
                        match until {
                            Some(until) => sleep(until.saturating_sub(clock.elapsed())).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        heard = ears.next(), if !ears.ended() => quit |= self.press(heard, &mut keys, &mut player).await?,
                        () = due, if until.is_some() => {}
                        // Paused, and nobody can press a key any more.
                        else => return Ok(Played::Quit),
                    }
                }
            }
        }
    }

    /// Whether it was the key to quit.
    async fn press(&self, heard: Heard, keys: &mut Keys, player: &mut Player) -> Result<bool, Error> {
        let Heard::Byte(byte) = heard else { return Ok(false) };
        let (print, command) = match keys.feed(byte) {
            Pressed::Nothing => return Ok(false),
            Pressed::Do(command) => (Vec::new(), Some(command)),
            Pressed::Show(bytes) => (bytes, None),
            Pressed::Find(bytes, command) => (bytes, command),
        };
        self.say.bytes(Stream::Stdout, print.into()).await?;
        let quit = command == Some(crate::recording::player::Command::Quit);
        if let Some(command) = command {
            player.command(command, self.room.clock.elapsed());
        }
        Ok(quit)
    }

    /// Without keys: at once, or as fast as was asked for. Input goes beside standard error, so that standard output
    /// is what the target's was.
    async fn print(&self, play: &Play, reader: &Reader) -> Result<(), Error> {
        let (mut stdout, mut stderr, mut input) = (Drawing::new(), Drawing::new(), Drawing::new());
        let mut position = Duration::ZERO;
        let mut events = reader.events();
        while let Some(event) = events.next().await? {
            if let Some(speed) = play.speed {
                let pause = event.at.saturating_sub(position);
                sleep(pause.min(play.idle_limit.unwrap_or(pause)).div_f64(speed)).await;
                position = event.at;
            }
            let (drawing, stream, bytes) = match event.event {
                Event::Output(Stream::Stdout, bytes) => (&mut stdout, Stream::Stdout, bytes),
                Event::Output(Stream::Stderr, bytes) => (&mut stderr, Stream::Stderr, bytes),
                Event::Input(bytes) if play.input => (&mut input, Stream::Stderr, bytes),
                Event::Input(_) | Event::Resize(_) | Event::Marker(_) => continue,
            };
            let mut safe = Vec::with_capacity(bytes.len());
            drawing.feed(&bytes, &mut safe);
            self.say.bytes(stream, safe.into()).await?;
        }
        Ok(())
    }
}

/// How a replay came to its end.
enum Played {
    Whole,
    Quit,
}

const KEYS: &str = "space pauses, left and right seek, up and down change speed, ] next marker, / finds, q quits";
