//! How the bastion is, in numbers: gathered from every room when somebody asks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::probe::Probe;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::http::exposition::Family;
use crate::http::ops::Source;
use crate::identity::Identities;
use crate::session::Sessions;
use crate::session::limits::Limit;
use crate::session::space::Room;

/// Everything that is asked. Cheap to clone.
#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) sessions: Sessions,
    pub(super) identities: Identities,
    pub(super) probe: Probe,
    pub(super) clock: Clock,
    pub(super) started: Timestamp,
    pub(super) reloads: Arc<Reloads>,
    pub(super) siem: super::siem::Progress,
    pub(super) copies: super::copies::Progress,
    pub(super) memory_limit_bytes: u64,
}

/// How reloads went.
#[derive(Debug, Default)]
pub(super) struct Reloads(Mutex<Tally>);

#[derive(Clone, Debug, Default)]
struct Tally {
    done: u64,
    refused: u64,
    last: Option<(Timestamp, bool)>,
}

impl Reloads {
    /// One more.
    pub(super) fn note(&self, done: bool, now: Timestamp) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if done {
            tally.done += 1;
        } else {
            tally.refused += 1;
        }
        tally.last = Some((now, done));
    }

    fn read(&self) -> Tally {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Source for Metrics {
    async fn metrics(&self) -> Vec<Family> {
        let parts = [self.people(), self.evidence(), self.siem(), self.copies(), self.bounds(), self.process()];
        parts.into_iter().flatten().collect()
    }

    async fn silent(&self) -> Option<&'static str> {
        self.probe.silent().await
    }

    async fn unready(&self) -> Option<&'static str> {
        if self.probe.is_stopping() {
            return Some("stopping");
        }
        match self.sessions.limits().space.now().room {
            Room::Ample => self.probe.silent().await,
            Room::Low | Room::Last | Room::Gone => Some("the disk is below its reserve: no session begins"),
        }
    }
}

impl Metrics {
    /// Who comes, and what is decided.
    fn people(&self) -> Vec<Family> {
        let counts = self.sessions.ledger().counters();
        let facts = counts.facts();
        let of = |kind: &'static str| facts.iter().filter(move |((name, _), _)| *name == kind);
        let by_outcome = |mut family: Family, kind| {
            for ((_, outcome), count) in of(kind) {
                family = family.with(&[("outcome", outcome)], *count as f64);
            }
            family
        };
        let mut sign_ins = Family::counter("sallyport_authentications_total", "Sign-ins over SSH; ok, or why not.");
        let good: u64 = of("authn.ssh").map(|(_, count)| count).sum();
        sign_ins = sign_ins.with(&[("result", "ok")], good as f64);
        for (reason, count) in self.sessions.failures().total() {
            sign_ins = sign_ins.with(&[("result", reason)], count as f64);
        }
        let mut open = Family::gauge("sallyport_sessions_open", "Sessions that are open.");
        for (kind, count) in self.sessions.open_by_kind() {
            open = open.with(&[("kind", kind)], count as f64);
        }
        let connections = counts.connections.load(Ordering::Relaxed);
        vec![
            Family::counter("sallyport_connections_total", "SSH connections accepted.").is(connections as f64),
            sign_ins,
            by_outcome(Family::counter("sallyport_id_tokens_total", "ID tokens judged."), "authn.oidc"),
            by_outcome(Family::counter("sallyport_decisions_total", "Answers of the policy."), "authz.decision"),
            open,
            by_outcome(Family::counter("sallyport_sessions_total", "Sessions begun."), "session.start"),
            Family::counter("sallyport_certificates_issued_total", "Certificates issued, of all authorities.")
                .is(counts.certificates.load(Ordering::Relaxed) as f64),
            Family::gauge("sallyport_certificates_live", "User certificates that are valid now.")
                .is(self.identities.live() as f64),
            Family::gauge("sallyport_targets", "Targets in force.").is(self.sessions.targets().len() as f64),
        ]
    }

    /// The log and the recordings.
    fn evidence(&self) -> Vec<Family> {
        let ledger = self.sessions.ledger();
        let counts = ledger.counters();
        let (syncs, seconds) = counts.syncs.count_and_sum();
        let (waiting, room) = ledger.queue_depth();
        let since = counts.last_checkpoint().unwrap_or(self.started);
        let age = self.clock.now().since(since);
        let failed: u64 =
            counts.facts().iter().filter(|((kind, _), _)| *kind == "recording.failed").map(|(_, count)| count).sum();
        vec![
            Family::gauge("sallyport_ledger_entries", "Entries of the log, since ever.").is(ledger.size() as f64),
            Family::gauge("sallyport_ledger_checkpoint_entries", "Entries that the last checkpoint signs.")
                .is(ledger.checkpoint_size() as f64),
            Family::gauge("sallyport_ledger_checkpoint_age_seconds", "Since the last checkpoint, or the start.")
                .is(age.as_secs_f64()),
            Family::histogram(
                "sallyport_ledger_sync_seconds",
                "How long each batch took to be durable.",
                &counts.syncs.buckets(),
                seconds,
                syncs,
            ),
            Family::gauge("sallyport_ledger_queue", "Appends that wait for the sequencer.").is(waiting as f64),
            Family::gauge("sallyport_ledger_queue_limit", "Appends that may wait.").is(room as f64),
            Family::counter("sallyport_recording_stored_bytes_total", "Bytes of recordings stored.")
                .is(counts.recorded.load(Ordering::Relaxed) as f64),
            Family::counter("sallyport_recordings_failed_total", "Recordings that could not go on.").is(failed as f64),
        ]
    }

    /// How far systems elsewhere have come; no line for a bastion that has none.
    fn siem(&self) -> Vec<Family> {
        let sinks = self.siem.read();
        if sinks.is_empty() {
            return Vec::new();
        }
        let mut next = Family::gauge("sallyport_siem_entries", "Entries that each receiver has confirmed, since ever.");
        let mut failed = Family::counter("sallyport_siem_failures_total", "Attempts to send that failed.");
        let mut refused = Family::counter("sallyport_siem_refused_total", "Entries that a receiver refused for ever.");
        for (name, came) in &sinks {
            next = next.with(&[("sink", name)], came.next as f64);
            failed = failed.with(&[("sink", name)], came.failures as f64);
            refused = refused.with(&[("sink", name)], came.refused as f64);
        }
        vec![next, failed, refused]
    }

    /// How far copies of the log have come; no line for a bastion that has none.
    fn copies(&self) -> Vec<Family> {
        let copies = self.copies.read();
        if copies.is_empty() {
            return Vec::new();
        }
        let mut entries = Family::gauge("sallyport_log_copy_entries", "Entries that each copy of the log has.");
        let mut failed = Family::counter("sallyport_log_copy_failures_total", "Attempts to copy that failed.");
        for (place, came) in &copies {
            entries = entries.with(&[("place", place)], came.entries as f64);
            failed = failed.with(&[("place", place)], came.failures as f64);
        }
        vec![entries, failed]
    }

    /// What is bounded, and how often a bound was met.
    fn bounds(&self) -> Vec<Family> {
        let limits = self.sessions.limits();
        let mut refused = Family::counter("sallyport_limit_refused_total", "Refused because of a limit.");
        let mut cut = Family::counter("sallyport_limit_cut_total", "Cut because of a limit.");
        for limit in Limit::ALL {
            let (refusals, cuts) = limits.met.count(limit);
            refused = refused.with(&[("limit", limit.as_str())], refusals as f64);
            cut = cut.with(&[("limit", limit.as_str())], cuts as f64);
        }
        let space = limits.space.now();
        let low = u8::from(space.room < Room::Ample);
        vec![
            refused,
            cut,
            Family::gauge("sallyport_memory_used_bytes", "Memory that relays and recorders hold.")
                .is(limits.budget.used_bytes() as f64),
            Family::gauge("sallyport_memory_limit_bytes", "What they may hold together.")
                .is(self.memory_limit_bytes as f64),
            Family::gauge("sallyport_disk_free_bytes", "Free space under the state folder.").is(space.free as f64),
            Family::gauge("sallyport_disk_size_bytes", "Size of that disk.").is(space.total as f64),
            Family::gauge("sallyport_disk_low", "1 while less is free than the reserve: no session begins.")
                .is(f64::from(low)),
        ]
    }

    /// The process itself.
    fn process(&self) -> Vec<Family> {
        let reloads = self.reloads.read();
        let tasks = tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
        let mut last = Family::gauge("sallyport_reload_last_timestamp_seconds", "When the last reload was tried.");
        let mut good = Family::gauge("sallyport_reload_last_success", "1 if the last reload took effect.");
        if let Some((time, done)) = reloads.last {
            last = last.is(time.secs() as f64);
            good = good.is(f64::from(u8::from(done)));
        }
        vec![
            Family::counter("sallyport_reloads_total", "Reloads tried.")
                .with(&[("result", "done")], reloads.done as f64)
                .with(&[("result", "refused")], reloads.refused as f64),
            last,
            good,
            // What a connection leaves behind shows here first.
            Family::gauge("sallyport_tasks", "Tasks that run inside the process.").is(tasks as f64),
            Family::gauge("sallyport_stopping", "1 while the bastion stops.")
                .is(f64::from(u8::from(self.probe.is_stopping()))),
            Family::gauge("sallyport_start_timestamp_seconds", "When the bastion was started.")
                .is(self.started.secs() as f64),
            Family::gauge("sallyport_build_info", "Always 1; the version is a label.")
                .with(&[("version", env!("CARGO_PKG_VERSION"))], 1.0),
        ]
    }
}
