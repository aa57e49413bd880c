//! What is left of sessions: the entries of the log, and recordings played back.

use bytes::Bytes;
use sallyport::domain::event::Extent;
use sallyport::domain::session::{RecordingId, SessionId, Stream, TerminalSize};
use sallyport::ledger::Ledger;
use sallyport::ledger::entry::{self, Entry};
use sallyport::recording::{Event, Preamble, Reader};

/// The whole log, read.
pub struct Log(pub Vec<Entry>);

impl Log {
    pub async fn read(ledger: &Ledger) -> Self {
        let mut entries = Vec::new();
        while (entries.len() as u64) < ledger.size() {
            let page = ledger.entries(entries.len() as u64, 1000).await.unwrap();
            entries.extend(page.iter().map(|bytes| entry::decode(bytes).unwrap()));
        }
        Self(entries)
    }

    pub fn of<'a>(&'a self, kind: &str) -> Vec<&'a Entry> {
        self.0.iter().filter(|entry| entry.kind() == kind).collect()
    }

    /// Kinds of a session's entries, in order.
    pub fn kinds(&self, session: SessionId) -> Vec<&str> {
        self.0.iter().filter(|entry| entry.session() == Some(session)).map(Entry::kind).collect()
    }

    /// The session's entry of that kind.
    pub fn one(&self, session: SessionId, kind: &str) -> &Entry {
        let found: Vec<_> = self.of(kind).into_iter().filter(|entry| entry.session() == Some(session)).collect();
        assert_eq!(found.len(), 1, "{kind} of {session}");
        found[0]
    }

    /// Reasons of failed sign-ins over SSH, and how many there were of each.
    pub fn failures(&self) -> std::collections::BTreeMap<String, u64> {
        let mut all = std::collections::BTreeMap::new();
        for entry in self.of("authn.ssh_failures") {
            for (reason, count) in entry.body().part("counts").unwrap().map() {
                *all.entry(reason.clone()).or_default() += count.as_u64().unwrap();
            }
        }
        all
    }

    /// The sessions that began, in order.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.of("session.start").iter().map(|entry| entry.session().unwrap()).collect()
    }
}

/// How much of a recording an entry says is stored.
pub fn extent(entry: &Entry) -> Extent {
    let body = entry.body();
    Extent {
        frames: body.number("frames").unwrap(),
        plain_bytes: body.number("plain_bytes").unwrap(),
        stored_bytes: body.number("stored_bytes").unwrap(),
        root: body.digest("root").unwrap(),
    }
}

/// A recording, played back without its times.
pub struct Replay {
    pub preamble: Preamble,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub input: Vec<u8>,
    pub markers: Vec<String>,
    pub sizes: Vec<TerminalSize>,
}

impl Replay {
    pub async fn of(reader: Reader) -> Self {
        reader.check().await.unwrap();
        let mut events = reader.events();
        let (mut out, mut err, mut input): (Vec<Bytes>, Vec<Bytes>, Vec<Bytes>) = Default::default();
        let (mut markers, mut sizes) = (Vec::new(), Vec::new());
        while let Some(timed) = events.next().await.unwrap() {
            match timed.event {
                Event::Output(Stream::Stdout, bytes) => out.push(bytes),
                Event::Output(Stream::Stderr, bytes) => err.push(bytes),
                Event::Input(bytes) => input.push(bytes),
                Event::Resize(size) => sizes.push(size),
                Event::Marker(text) => markers.push(text),
            }
        }
        let preamble = reader.preamble().await.unwrap();
        Self { preamble, out: out.concat(), err: err.concat(), input: input.concat(), markers, sizes }
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// Which recording an entry is about.
pub fn recording(entry: &Entry) -> RecordingId {
    RecordingId::parse(entry.body().text("recording").unwrap()).unwrap()
}
