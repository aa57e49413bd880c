//! The header line: what a recording is of.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::session::{RecordingId, SessionId, TerminalSize};
use crate::domain::{Digest, Timestamp};

/// What a recording of ours begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Size of the client's terminal. Where there is none (zero), the line says 80x24, because
    /// readers of asciicast need something to draw on.
    pub size: TerminalSize,
    /// Wall time of the begin; the line has it in whole seconds.
    pub time: Timestamp,
    /// A line for people.
    pub title: Option<String>,
    /// `TERM` of the client's terminal.
    pub term: Option<String>,
    /// Ours.
    pub about: About,
}

/// What only our recordings say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Which recording.
    pub recording: RecordingId,
    /// Of which session.
    pub session: SessionId,
    /// Whose, as policy and certificates name them.
    pub principal: String,
    /// Whose, for people.
    pub name: String,
    /// Canonical name of the target.
    pub target: String,
    /// Account on the target.
    pub login: String,
    /// `shell` or `exec`.
    pub action: String,
    /// The command line, with replacement characters where it is not UTF-8.
    pub command: Option<String>,
    /// Whether there was a terminal: then what was output is one stream that moves a cursor.
    pub pty: bool,
    /// Name of the bastion.
    pub bastion: String,
    /// Name of the mask profile.
    pub mask: String,
    /// `digest`: it has the length and the digest of what passed only. Else all of it.
    pub kept: Option<String>,
    /// The policy set that allowed it.
    pub policy: Option<Digest>,
}

/// What a file says of itself in its first line, ours or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Preamble {
    /// Size of the terminal.
    pub size: TerminalSize,
    /// When it began.
    pub time: Option<Timestamp>,
    /// A line for people.
    pub title: Option<String>,
    /// `TERM` of the terminal.
    pub term: Option<String>,
    /// How long a pause may be in a replay.
    pub idle_limit: Option<Duration>,
    /// Absent from files that are not ours.
    pub about: Option<About>,
}

impl Header {
    /// The line, with its newline. Its digest is over exactly these bytes.
    pub fn line(&self) -> Result<Vec<u8>, HeaderError> {
        let about = &self.about;
        let (cols, rows) = match (self.size.cols, self.size.rows) {
            (0, _) | (_, 0) => (80, 24),
            (cols, rows) => (cols.into(), rows.into()),
        };
        let line = AsWritten {
            version: 2,
            width: cols,
            height: rows,
            timestamp: Some(self.time.secs().into()),
            title: self.title.as_deref().map(Cow::Borrowed),
            env: self.term.as_ref().map(|term| BTreeMap::from([("TERM".to_owned(), term.clone())])),
            idle_time_limit: None,
            sallyport: Some(Ours {
                format: 1,
                recording: about.recording.to_string().into(),
                session: about.session.to_string().into(),
                identity: Whose { principal: (&about.principal).into(), name: (&about.name).into() },
                target: (&about.target).into(),
                login: (&about.login).into(),
                action: (&about.action).into(),
                command: about.command.as_deref().map(Cow::Borrowed),
                pty: about.pty,
                bastion: (&about.bastion).into(),
                mask: (&about.mask).into(),
                kept: about.kept.as_deref().map(Cow::Borrowed),
                policy: about.policy.map(|digest| digest.to_string().into()),
            }),
        };
        let json = serde_json::to_string(&line)?;
        // Controls that JSON lets stand can only be inside strings. Escaped, the line is safe in a terminal.
        let mut out = Vec::with_capacity(json.len() + 1);
        for char in json.chars() {
            match char {
                '\u{7f}'..='\u{9f}' => out.extend_from_slice(format!("\\u{:04x}", u32::from(char)).as_bytes()),
                char => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.push(b'\n');
        Ok(out)
    }
}

impl Preamble {
    /// Reads the first line of a file, with or without its newline.
    pub fn parse(line: &[u8]) -> Result<Self, HeaderError> {
        let line: AsWritten<'_> = serde_json::from_slice(line)?;
        if line.version != 2 {
            return Err(HeaderError::Version(line.version));
        }
        let seconds = |value: f64| Duration::try_from_secs_f64(value).ok();
        let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        Ok(Self {
            size: TerminalSize { cols: cells(line.width), rows: cells(line.height) },
            // Other programs write fractions of a second here.
            time: line.timestamp.and_then(|time| match time.as_i64() {
                Some(secs) => Some(Timestamp::from_secs(secs)),
                None => time.as_f64().and_then(seconds).map(|since| Timestamp::from_secs(0).plus(since)),
            }),
            title: line.title.map(Cow::into_owned),
            term: line.env.and_then(|mut env| env.remove("TERM")),
            idle_limit: line.idle_time_limit.and_then(seconds),
            about: line.sallyport.map(Ours::about).transpose()?,
        })
    }
}

/// The line as written. The order of the fields is the order in the line.
#[derive(Serialize, Deserialize)]
struct AsWritten<'a> {
    version: u32,
    width: u32,
    height: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle_time_limit: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sallyport: Option<Ours<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Ours<'a> {
    format: u32,
    recording: Cow<'a, str>,
    session: Cow<'a, str>,
    identity: Whose<'a>,
    target: Cow<'a, str>,
    login: Cow<'a, str>,
    action: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Cow<'a, str>>,
    pty: bool,
    bastion: Cow<'a, str>,
    mask: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct Whose<'a> {
    principal: Cow<'a, str>,
    name: Cow<'a, str>,
}

impl Ours<'_> {
    fn about(self) -> Result<About, HeaderError> {
        if self.format != 1 {
            return Err(HeaderError::Format(self.format));
        }
        let policy = match self.policy {
            Some(text) => Some(Digest::parse(&text).ok_or(HeaderError::Field("policy"))?),
            None => None,
        };
        Ok(About {
            recording: RecordingId::parse(&self.recording).ok_or(HeaderError::Field("recording"))?,
            session: SessionId::parse(&self.session).ok_or(HeaderError::Field("session"))?,
            principal: self.identity.principal.into_owned(),
            name: self.identity.name.into_owned(),
            target: self.target.into_owned(),
            login: self.login.into_owned(),
            action: self.action.into_owned(),
            command: self.command.map(Cow::into_owned),
            pty: self.pty,
            bastion: self.bastion.into_owned(),
            mask: self.mask.into_owned(),
            kept: self.kept.map(Cow::into_owned),
            policy,
        })
    }
}

/// Why a header is none.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// Not JSON, or not the JSON of a header.
    #[error("the first line is no asciicast header")]
    Json(#[from] serde_json::Error),
    /// Another version of asciicast.
    #[error("asciicast version {0}; this program reads version 2")]
    Version(u32),
    /// A later format of ours.
    #[error("a recording of format {0}; this program reads format 1")]
    Format(u32),
    /// A field of ours that cannot be.
    #[error("the header's {0} is malformed")]
    Field(&'static str),
}
