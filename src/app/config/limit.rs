//! `[sign_in]` and `[limits]`: how long and how much.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Reader;
use crate::app::file;
use crate::domain::parse_span;
use crate::session::{budget, limits, space};

/// How long things last that follow from a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Everything that follows from it.
    pub max_age: Duration,
    /// A person's certificate.
    pub certificate: Duration,
    /// A proved key.
    pub remember: Duration,
}

/// Limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From connection to sign-in.
    pub login_grace: Duration,
    /// Between two signs of life of a client.
    pub keepalive: Duration,
    /// Connections at a time.
    pub connections: u32,
    /// Connections that have not signed in yet.
    pub unauthenticated: u32,
    /// Connections of one person at a time.
    pub connections_per_person: u32,
    /// Channels of one connection at a time.
    pub channels_per_connection: u32,
    /// Memory for all relays together.
    pub memory_bytes: u64,
    /// Memory for the relay of one channel.
    pub memory_per_channel_bytes: u64,
    /// No session begins under so much free disk.
    pub disk_reserve_bytes: Option<u64>,
    /// Running ones are cut under so much.
    pub disk_last_bytes: Option<u64>,
    /// Recordings of one person in a day.
    pub recorded_per_person_bytes: Option<u64>,
    /// To end open sessions when the bastion stops.
    pub drain: Duration,
}

impl Limits {
    /// Those that hold in the room of sessions.
    pub fn shared(&self) -> limits::Settings {
        limits::Settings {
            memory: budget::Settings { all_bytes: self.memory_bytes, channel_bytes: self.memory_per_channel_bytes },
            disk: space::Settings {
                reserve_bytes: self.disk_reserve_bytes,
                last_bytes: self.disk_last_bytes,
                per_person_bytes: self.recorded_per_person_bytes,
            },
            connections_per_person: Some(self.connections_per_person as usize),
        }
    }
}

impl Reader<'_> {
    pub(super) fn sign_in(&mut self, sign_in: Option<&file::SignIn>) -> Option<SignIn> {
        let hours = |count: u64| Duration::from_secs(count * 3600);
        let written = |key: fn(&file::SignIn) -> &Option<String>| sign_in.and_then(|table| key(table).as_deref());
        let max_age = self.span("sign_in.max_age", written(|t| &t.max_age), hours(8), SECOND * 60..=hours(24))?;
        // Nothing that follows from a sign-in outlives it.
        let most = max_age.min(hours(8));
        let certificate = self.span("sign_in.certificate", written(|t| &t.certificate), most, SECOND * 60..=most);
        let remember = self.span("sign_in.remember", written(|t| &t.remember), most, Duration::ZERO..=max_age);
        Some(SignIn { max_age, certificate: certificate?, remember: remember? })
    }

    pub(super) fn limits(&mut self, limits: Option<&file::Limits>) -> Option<Limits> {
        let text = |key: fn(&file::Limits) -> &Option<String>| limits.and_then(|table| key(table).as_deref());
        let login_grace = self.span("limits.login_grace", text(|t| &t.login_grace), SECOND * 30, SECOND..=SECOND * 120);
        let keepalive = self.span("limits.keepalive", text(|t| &t.keepalive), SECOND * 30, SECOND..=SECOND * 600);
        let drain = self.span("limits.drain", text(|t| &t.drain), SECOND * 30, Duration::ZERO..=SECOND * 3600);
        let memory_bytes = self.bytes("limits.memory", text(|t| &t.memory), 512 * MIB, MIB..=1024 * GIB);
        let memory_per_channel_bytes =
            self.bytes("limits.memory_per_channel", text(|t| &t.memory_per_channel), 64 * MIB, MIB..=GIB);
        let mut maybe = |key: &str, written: Option<&str>| {
            // What is not written follows from the size of the disk.
            match written {
                None => Some(None),
                Some(_) => self.bytes(key, written, 0, MIB..=1024 * GIB).map(Some),
            }
        };
        let disk_reserve_bytes = maybe("limits.disk_reserve", text(|t| &t.disk_reserve));
        let disk_last_bytes = maybe("limits.disk_last", text(|t| &t.disk_last));
        let recorded_per_person_bytes = maybe("limits.recorded_per_person", text(|t| &t.recorded_per_person));
        if let (Some(reserve), Some(Some(last))) = (disk_reserve_bytes, disk_last_bytes)
            && reserve.is_none_or(|reserve| last >= reserve)
        {
            let mend =
                "write limits.disk_reserve too, the larger of the two: what runs goes on while nothing new begins";
            self.faults.add("limits.disk_last", "is not less than limits.disk_reserve", mend);
        }
        let mut count = |key: &str, written: Option<u32>, default: u32, most: u32| {
            let value = written.unwrap_or(default);
            let checked = if (1..=most).contains(&value) { Ok(value) } else { Err(format!("cannot be {value}")) };
            self.faults.check(&format!("limits.{key}"), checked, &format!("write 1 to {most}"))
        };
        let connections = count("connections", limits.and_then(|t| t.connections), 4096, 1_000_000);
        let unauthenticated = count("unauthenticated", limits.and_then(|t| t.unauthenticated), 256, 100_000);
        let per_person = count("connections_per_person", limits.and_then(|t| t.connections_per_person), 100, 100_000);
        let channels = count("channels_per_connection", limits.and_then(|t| t.channels_per_connection), 64, 1024);
        Some(Limits {
            login_grace: login_grace?,
            keepalive: keepalive?,
            connections: connections?,
            unauthenticated: unauthenticated?,
            connections_per_person: per_person?,
            channels_per_connection: channels?,
            memory_bytes: memory_bytes?,
            memory_per_channel_bytes: memory_per_channel_bytes?,
            disk_reserve_bytes: disk_reserve_bytes?,
            disk_last_bytes: disk_last_bytes?,
            recorded_per_person_bytes: recorded_per_person_bytes?,
            drain: drain?,
        })
    }

    pub(super) fn span(
        &mut self,
        key: &str,
        text: Option<&str>,
        default: Duration,
        within: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let Some(text) = text else { return Some(default) };
        let span = parse_span(text).filter(|span| within.contains(span)).ok_or_else(|| format!("cannot be {text:?}"));
        let mend = format!(
            "write {}s to {}s, such as \"30s\", \"15m\" or \"8h\"",
            within.start().as_secs(),
            within.end().as_secs()
        );
        self.faults.check(key, span, &mend)
    }

    pub(super) fn bytes(
        &mut self,
        key: &str,
        text: Option<&str>,
        default: u64,
        within: RangeInclusive<u64>,
    ) -> Option<u64> {
        let Some(text) = text else { return Some(default) };
        let units = [("KiB", 1024), ("MiB", MIB), ("GiB", GIB)];
        let bytes = units.iter().find_map(|(unit, size)| {
            let count: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            count.checked_mul(*size).filter(|bytes| within.contains(bytes))
        });
        let mend = format!(
            "write {} MiB to {} MiB, such as \"512 MiB\" or \"2 GiB\"",
            within.start() / MIB,
            within.end() / MIB
        );
        self.faults.check(key, bytes.ok_or_else(|| format!("cannot be {text:?}")), &mend)
    }
}

const SECOND: Duration = Duration::from_secs(1);
pub(super) const MIB: u64 = 1024 * 1024;
pub(super) const GIB: u64 = 1024 * MIB;
