//! A replay: what to print when.
//!
//! Pure: the caller brings events, the time and keys, and prints what it is given. Whatever comes out
//! went through [`Drawing`], so it can only draw. Knows no terminal, no file and no clock, and decides
//! nothing about who may watch.

use std::time::Duration;

use super::asciicast::{Event, Preamble, Timed};
use super::drawing::{CLEAR, Drawing};
use crate::domain::session::{Stream, TerminalSize};

/// How a replay is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Times as fast. Kept between 1/16 and 64.
    pub speed: f64,
    /// No pause is longer than this, at speed 1.
    pub idle_limit: Option<Duration>,
    /// Print what was typed or piped in too.
    pub input: bool,
    /// Print to a terminal: standard error is dimmed, input underlined, the screen is cleared for a new begin.
    pub styled: bool,
    /// The recording had no terminal of its own, so its new lines need a carriage return on one.
    pub returns: bool,
}

impl Options {
    /// For this recording, on a terminal or not.
    pub fn of(preamble: Option<&Preamble>, terminal: bool) -> Self {
        let about = preamble.and_then(|preamble| preamble.about.as_ref());
        Self {
            speed: 1.0,
            idle_limit: preamble.and_then(|preamble| preamble.idle_limit),
            input: false,
            styled: terminal,
            returns: terminal && about.is_some_and(|about| !about.pty),
        }
    }
}

/// What the caller does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Give the next event to [`Player::event`], or say [`Player::end`].
    Feed,
    /// Print these bytes.
    Print(Vec<u8>),
    /// Ask again at this time, or when a key comes. `None`: only when a key comes.
    Wait(Option<Duration>),
    /// Begin again: the next event to be given is the first.
    Rewind,
    /// Stop.
    Quit,
}

/// What somebody who watches asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Pause, or go on.
    Pause,
    /// While paused, one event more.
    Step,
    /// Twice as fast.
    Faster,
    /// Half as fast.
    Slower,
    /// Limit pauses to two seconds, or do not.
    Idle,
    /// To this time.
    Seek(Duration),
    /// So much on.
    Forward(Duration),
    /// So much back.
    Back(Duration),
    /// To the next marker.
    NextMarker,
    /// To the marker before.
    LastMarker,
    /// To where this text is printed next.
    Find(Vec<u8>),
    /// Show what was typed or piped in, or do not.
    Input,
    /// Stop.
    Quit,
}

impl Command {
    /// The command of a key. Searching needs text, so the caller reads that itself after `/`.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        match key {
            b" " | b"p" => Some(Self::Pause),
            b"." => Some(Self::Step),
            b"+" | b"=" | b"\x1b[A" | b"\x1bOA" => Some(Self::Faster),
            b"-" | b"\x1b[B" | b"\x1bOB" => Some(Self::Slower),
            b"\x1b[C" | b"\x1bOC" | b"l" => Some(Self::Forward(Duration::from_secs(5))),
            b"\x1b[D" | b"\x1bOD" | b"h" => Some(Self::Back(Duration::from_secs(5))),
            b"0" | b"g" => Some(Self::Seek(Duration::ZERO)),
            b"]" | b"m" => Some(Self::NextMarker),
            b"[" | b"M" => Some(Self::LastMarker),
            b"i" => Some(Self::Idle),
            b"I" => Some(Self::Input),
            b"q" | b"\x03" | b"\x04" => Some(Self::Quit),
            _ => None,
        }
    }
}

/// A replay under way.
#[derive(Debug)]
pub struct Player {
    options: Options,
    screens: Screens,
    /// The event whose time has not come yet.
    next: Option<Timed>,
    ended: bool,
    /// Seconds of the recording until `next` is shown. Less than zero: so much too late already.
    left: f64,
    /// The caller's time when it was last told.
    told: Duration,
    /// Time of the recording that is on the screen.
    position: Duration,
    paused: bool,
    jump: Option<Jump>,
    markers: Vec<(Duration, String)>,
    size: Option<TerminalSize>,
    printed: Vec<u8>,
    rewind: bool,
    quit: bool,
}

/// What is passed over without waiting.
#[derive(Debug)]
enum Jump {
    Step,
    To(Duration),
    Marker,
    Find { text: Vec<u8>, seen: Vec<u8> },
}

/// One filter for each stream: a sequence in one does not continue in another.
#[derive(Debug, Default)]
struct Screens {
    stdout: Drawing,
    stderr: Drawing,
    input: Drawing,
}

/// So much is printed at once while something is passed over.
const PRINT_BYTES: usize = 64 * 1024;
/// A program that was stopped for a while does not hurry to make up for more than this.
const LATE_SECONDS: f64 = 1.0;
/// What limiting pauses by key limits them to.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

impl Player {
    /// At the begin of a recording, at this moment of the caller's time.
    pub fn new(options: Options, now: Duration) -> Self {
        Self {
            options,
            screens: Screens::default(),
            next: None,
            ended: false,
            left: 0.0,
            told: now,
            position: Duration::ZERO,
            paused: false,
            jump: None,
            markers: Vec::new(),
            size: None,
            printed: Vec::new(),
            rewind: false,
            quit: false,
        }
    }

    /// The next event of the recording.
    pub fn event(&mut self, event: Timed) {
        let pause = event.at.saturating_sub(self.position);
        self.left += pause.min(self.options.idle_limit.unwrap_or(pause)).as_secs_f64();
        self.next = Some(event);
    }

    /// There is no further event.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Time of the recording that is on the screen.
    pub fn position(&self) -> Duration {
        self.position
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Times as fast.
    pub fn speed(&self) -> f64 {
        self.options.speed
    }

    /// The last marker that was passed.
    pub fn marker(&self) -> Option<&str> {
        let passed = self.markers.iter().rev().find(|(at, _)| *at <= self.position)?;
        Some(&passed.1)
    }

    /// The size that the recorded terminal changed to last. The reviewer's is never resized; a caller
    /// whose terminal is smaller says so.
    pub fn size(&self) -> Option<TerminalSize> {
        self.size
    }

    /// What to do now.
    pub fn act(&mut self, now: Duration) -> Act {
        self.tell(now);
        loop {
            let enough = if self.jump.is_some() { PRINT_BYTES } else { 1 };
            if self.quit {
                return Act::Quit;
            }
            if std::mem::take(&mut self.rewind) {
                return Act::Rewind;
            }
            if self.printed.len() >= enough {
                return Act::Print(std::mem::take(&mut self.printed));
            }
            let Some(event) = self.next.take() else {
                if !self.ended {
                    return Act::Feed;
                }
                if self.jump.take().is_some() {
                    continue;
                }
                // Whoever paused wants to look; whoever did not is done.
                return if self.paused { Act::Wait(None) } else { Act::Quit };
            };
            match self.jump.take() {
                Some(jump) => self.pass(jump, event),
                None if self.paused => {
                    self.next = Some(event);
                    return Act::Wait(None);
                }
                None if self.left > 0.0 => {
                    self.next = Some(event);
                    // A microsecond more, so that rounding does not make it too early.
                    let wait = Duration::try_from_secs_f64(self.left / self.options.speed).unwrap_or(Duration::MAX);
                    return Act::Wait(Some(now.saturating_add(wait).saturating_add(Duration::from_micros(1))));
                }
                None => self.show(&event),
            }
        }
    }

    /// Does what somebody asked for.
    pub fn command(&mut self, command: Command, now: Duration) {
        self.tell(now);
        match command {
            Command::Pause => self.paused = !self.paused,
            Command::Step => self.jump = self.paused.then_some(Jump::Step),
            Command::Faster => self.options.speed = (self.options.speed * 2.0).min(64.0),
            Command::Slower => self.options.speed = (self.options.speed / 2.0).max(1.0 / 16.0),
            Command::Idle => {
                self.options.idle_limit = if self.options.idle_limit.is_some() { None } else { Some(IDLE_LIMIT) };
                self.left = self.left.min(self.options.idle_limit.map_or(f64::MAX, |limit| limit.as_secs_f64()));
            }
            Command::Seek(at) => self.seek(at),
            Command::Forward(span) => self.seek(self.position.saturating_add(span)),
            Command::Back(span) => self.seek(self.position.saturating_sub(span)),
            Command::NextMarker => self.jump = Some(Jump::Marker),
            Command::LastMarker => {
                // Not the one just passed: pressed twice, it goes back by two.
                let before = self.position.saturating_sub(Duration::from_secs(1));
                let marker = self.markers.iter().rev().find(|(at, _)| *at < before);
                self.seek(marker.map_or(Duration::ZERO, |(at, _)| *at));
            }
            Command::Find(text) => {
                self.jump = (!text.is_empty()).then(|| Jump::Find { text, seen: Vec::new() });
            }
            Command::Input => self.options.input = !self.options.input,
            Command::Quit => self.quit = true,
        }
    }

    fn tell(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.told);
        self.told = now;
        if !self.paused {
            self.left = (self.left - passed.as_secs_f64() * self.options.speed).max(-LATE_SECONDS);
        }
    }

    fn seek(&mut self, at: Duration) {
        if at < self.position {
            self.rewind = true;
            self.ended = false;
            self.next = None;
            self.position = Duration::ZERO;
            self.size = None;
            self.screens = Screens::default();
            self.printed = if self.options.styled { CLEAR.to_vec() } else { Vec::new() };
        }
        self.jump = Some(Jump::To(at));
    }

    /// Shows an event at once, or finds that the jump ends before it.
    fn pass(&mut self, jump: Jump, event: Timed) {
        self.left = 0.0;
        match jump {
            Jump::To(at) if event.at > at => {
                self.position = self.position.max(at);
                self.event(event);
                return;
            }
            Jump::To(at) => self.jump = Some(Jump::To(at)),
            Jump::Step => {}
            Jump::Marker => self.jump = (!matches!(event.event, Event::Marker(_))).then_some(Jump::Marker),
            Jump::Find { text, mut seen } => {
                if let Event::Output(_, bytes) = &event.event {
                    seen.extend_from_slice(bytes);
                }
                let found = seen.windows(text.len()).any(|window| window == text);
                // The text may go on in the next event.
                seen.drain(..seen.len().saturating_sub(text.len()));
                self.jump = (!found).then_some(Jump::Find { text, seen });
            }
        }
        self.show(&event);
    }

    fn show(&mut self, event: &Timed) {
        self.position = self.position.max(event.at);
        let styled = self.options.styled;
        let (screen, bytes, style) = match &event.event {
            Event::Output(Stream::Stdout, bytes) => (&mut self.screens.stdout, bytes.clone(), None),
            Event::Output(Stream::Stderr, bytes) => (&mut self.screens.stderr, bytes.clone(), Some("2")),
            Event::Input(bytes) if self.options.input => (&mut self.screens.input, visible(bytes).into(), Some("4")),
            Event::Input(_) => return,
            Event::Resize(size) => {
                self.size = Some(*size);
                return;
            }
            Event::Marker(text) => {
                // Passed again after going back, it is known already.
                if self.markers.last().is_none_or(|(at, _)| *at < event.at) {
                    self.markers.push((event.at, text.clone()));
                }
                return;
            }
        };
        let mut safe = Vec::with_capacity(bytes.len());
        screen.feed(&bytes, &mut safe);
        if safe.is_empty() {
            return;
        }
        let style = style.filter(|_| styled);
        if let Some(on) = style {
            self.printed.extend_from_slice(format!("\x1b[{on}m").as_bytes());
        }
        if self.options.returns {
            for line in safe.split_inclusive(|b| *b == b'\n') {
                match line.strip_suffix(b"\n") {
                    Some(text) => {
                        self.printed.extend_from_slice(text);
                        self.printed.extend_from_slice(b"\r\n");
                    }
                    None => self.printed.extend_from_slice(line),
                }
            }
        } else {
            self.printed.extend_from_slice(&safe);
        }
        if let Some(on) = style {
            // 22 ends 2, 24 ends 4.
            self.printed.extend_from_slice(format!("\x1b[2{on}m").as_bytes());
        }
    }
}

/// Input as people read it: `^C`, and new lines as they are.
fn visible(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\n' => out.push(b'\n'),
            0..0x20 | 0x7f => out.extend_from_slice(&[b'^', byte ^ 0x40]),
            _ => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests;
