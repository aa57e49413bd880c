//! Reads the config again and puts it into force: all of it, or nothing and every fault.
//!
//! Each part is read and checked first. Then the ledger has what differs, then it takes effect, and then the open
//! sessions are judged again. A further part that reloads is one more line in [`Reloader::parts`].

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::watch;

use super::config::{Config, Faults, Groups, Transport};
use super::rules;
use crate::domain::event::change::Change;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::target::Target;
use crate::domain::{Digest, RecordId};
use crate::ledger;
use crate::mask::profile::Profiles;
use crate::policy::{self, Policy};
use crate::session::Sessions;
use crate::{clock::Clock, http};

/// What is in force, and where a new one is sent.
pub(super) struct Reloader {
    pub(super) sessions: Sessions,
    pub(super) clock: Clock,
    /// As the process was started: what cannot change without a restart is compared with it.
    pub(super) started: Config,
    /// As read last.
    pub(super) read: Config,
    pub(super) policy: watch::Sender<Arc<Policy>>,
    pub(super) groups: watch::Sender<Groups>,
    pub(super) mask: watch::Sender<Arc<Profiles>>,
    pub(super) tls: Option<Tls>,
}

/// The certificate of the HTTPS listener.
pub(super) struct Tls {
    /// Digest of the chain's file.
    pub(super) chain: Digest,
    /// Digest of chain and key: a new key for the same chain is another one too.
    pub(super) both: Digest,
    pub(super) sender: watch::Sender<Arc<rustls::ServerConfig>>,
}

impl Tls {
    /// From the two files' bytes.
    pub(super) fn new(
        chain: &[u8],
        key: &[u8],
    ) -> Result<(Self, watch::Receiver<Arc<rustls::ServerConfig>>), http::Error> {
        let (sender, now) = watch::channel(http::tls(chain, key)?);
        Ok((Self { chain: Digest::of(chain), both: both(chain, key), sender }, now))
    }
}

fn both(chain: &[u8], key: &[u8]) -> Digest {
    let (chain, key) = (Digest::of(chain), Digest::of(key));
    Digest::of(&[chain.0, key.0].concat())
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Parts that differ now.
    pub changed: Vec<&'static str>,
    /// Sessions that were told to end.
    pub ended: usize,
    /// Keys that were changed and take effect at the next start only.
    pub restart: Vec<String>,
}

/// A part that was read, is good, and differs from what is in force.
struct Part {
    name: &'static str,
    event: Option<Event>,
    /// A text that the event names by its digest.
    keep: Option<String>,
    apply: Box<dyn FnOnce(&mut Reloader) + Send>,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").field("read", &self.read.digest).finish_non_exhaustive()
    }
}

impl Reloader {
    /// Every part that can change while the bastion runs, in the order in which they take effect.
    fn parts(&self, next: &Config, faults: &mut ReloadFaults) -> Vec<Part> {
        let parts = [
            self.config(next),
            self.groups(next),
            self.mask(next),
            self.targets(next),
            self.policy(next, faults),
            self.tls(next, faults),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Puts `next` into force, if all of it is good.
    pub(super) async fn reload(&mut self, next: Config) -> Result<Reloaded, ReloadError> {
        let mut faults = ReloadFaults::default();
        let parts = self.parts(&next, &mut faults);
        if !faults.is_empty() {
            return Err(ReloadError::Faults(faults));
        }
        let restart = self.needs_restart(&next);
        let now = self.clock.now();
        let mut done = Reloaded { restart, ..Reloaded::default() };
        let (mut facts, mut applies) = (Vec::new(), Vec::new());
        for part in parts {
            done.changed.push(part.name);
            facts.extend(part.event.map(|event| Fact::new(RecordId::new(now), Outcome::Success, event)));
            applies.push(part.apply);
            if let Some(text) = part.keep {
                self.sessions.ledger().keep_policy(&text).await?;
            }
        }
        let because: Vec<RecordId> = facts.iter().map(|fact| fact.id).collect();
        if !facts.is_empty() {
            self.sessions.ledger().append(facts).await?;
        }
        for apply in applies {
            apply(self);
        }
        self.read = next;
        // Also where nothing differs: it is the time of now, and a rule may speak of hours.
        done.ended = self.sessions.judge_again(&because).await;
        Ok(done)
    }

    /// The file itself; what of it takes effect is said by name.
    fn config(&self, next: &Config) -> Option<Part> {
        let differ = [("group", self.read.groups != next.groups), ("mask", self.read.mask != next.mask)];
        let change = Change {
            old: Some(self.read.digest),
            new: Some(next.digest),
            changed: differ.iter().filter(|(_, differs)| *differs).map(|(key, _)| (*key).to_owned()).collect(),
            restart: self.needs_restart(next),
            ..Change::default()
        };
        // Files of mask rules and of values are read with it, and may change alone.
        (self.read.digest != next.digest || self.read.mask != next.mask).then(|| Part {
            name: "config",
            event: Some(Event::ConfigChanged(change)),
            keep: None,
            apply: Box::new(|_| {}),
        })
    }

    /// Its event is that of the config.
    fn groups(&self, next: &Config) -> Option<Part> {
        let groups = next.groups.clone();
        (self.read.groups != groups).then(|| Part {
            name: "groups",
            event: None,
            keep: None,
            apply: Box::new(move |now| drop(now.groups.send_replace(groups))),
        })
    }

    /// Its event is that of the config. Open sessions keep the rules that they began with.
    fn mask(&self, next: &Config) -> Option<Part> {
        let mask = next.mask.clone();
        (self.read.mask != mask).then(|| Part {
            name: "mask",
            event: None,
            keep: None,
            apply: Box::new(move |now| drop(now.mask.send_replace(mask.profiles()))),
        })
    }

    fn targets(&self, next: &Config) -> Option<Part> {
        let before = self.sessions.targets();
        let by_name = |targets: &[Target]| -> BTreeMap<String, Digest> {
            targets.iter().map(|target| (target.name.to_string(), digest_of(target))).collect()
        };
        let old: BTreeMap<String, Digest> =
            before.iter().map(|target| (target.name.to_string(), digest_of(target))).collect();
        let new = by_name(&next.targets);
        let differs = |name: &&String| old.get(*name).zip(new.get(*name)).is_some_and(|(old, new)| old != new);
        let change = Change {
            old: Some(digest_of(&old)),
            new: Some(digest_of(&new)),
            added: new.keys().filter(|name| !old.contains_key(*name)).cloned().collect(),
            changed: new.keys().filter(differs).cloned().collect(),
            removed: old.keys().filter(|name| !new.contains_key(*name)).cloned().collect(),
            restart: Vec::new(),
        };
        // A target that is the same stays the same one: what was begun for it can go on.
        let same =
            |target: &Target| before.iter().find(|old| old.name == target.name && digest_of(*old) == digest_of(target));
        let targets = next
            .targets
            .iter()
            .map(|target| same(target).cloned().unwrap_or_else(|| Arc::new(target.clone())))
            .collect();
        (change.old != change.new).then(|| Part {
            name: "targets",
            event: Some(Event::TargetChanged(change)),
            keep: None,
            apply: Box::new(move |now| now.sessions.retarget(targets)),
        })
    }

    fn policy(&self, next: &Config, faults: &mut ReloadFaults) -> Option<Part> {
        let commands = next.commands().map_err(|more| faults.config.0.extend(more.0)).ok();
        let files = next.policy_files().map_err(|more| faults.config.0.extend(more.0)).ok()?;
        let policy = Policy::load(&files, &next.catalogue()).map_err(|more| faults.policy.0.extend(more.0)).ok()?;
        let policy = policy.with_commands(commands?);
        // Only where nothing else is wrong: a case may name what was not understood.
        if faults.is_empty() {
            rules::check_cases(next, &policy, self.clock.now()).map_err(|more| faults.config.0.extend(more.0)).ok()?;
        }
        let old = self.policy.borrow().digest();
        let files = policy.files().to_vec();
        (old != policy.digest()).then(|| Part {
            name: "policy",
            event: Some(Event::PolicyChanged { old: Some(old), new: policy.digest(), files }),
            keep: Some(policy.text().to_owned()),
            apply: Box::new(move |now| drop(now.policy.send_replace(Arc::new(policy)))),
        })
    }

    fn tls(&self, next: &Config, faults: &mut ReloadFaults) -> Option<Part> {
        let now = self.tls.as_ref()?;
        let Some(Transport::Tls { cert_file, key_file }) = next.http.as_ref().map(|http| &http.transport) else {
            // Another protection of the listener is named as needing a restart.
            return None;
        };
        let read = |path: &std::path::Path| std::fs::read(path).ok();
        // What cannot be read is a fault of the config already.
        let (chain, key) = (read(cert_file)?, read(key_file)?);
        let (new, both) = (Digest::of(&chain), both(&chain, &key));
        if both == now.both {
            return None;
        }
        let tls = match http::tls(&chain, &key) {
            Ok(tls) => tls,
            Err(error) => {
                let file = if matches!(error, http::Error::Key) { key_file } else { cert_file };
                faults.config.add(file.display().to_string(), said(&error), "put a PEM chain and its own key there");
                return None;
            }
        };
        let change = Change { old: Some(now.chain), new: Some(new), ..Change::default() };
        Some(Part {
            name: "tls",
            event: Some(Event::TlsChanged(change)),
            keep: None,
            apply: Box::new(move |now| {
                if let Some(now) = now.tls.as_mut() {
                    (now.chain, now.both) = (new, both);
                    now.sender.send_replace(tls);
                }
            }),
        })
    }

    /// Keys that differ from those the process was started with, and that it cannot change while it runs.
    fn needs_restart(&self, next: &Config) -> Vec<String> {
        let old = &self.started;
        let issuers = |config: &Config| format!("{:?}", config.issuers);
        let http = |config: &Config| {
            config.http.as_ref().map(|http| (http.listen, http.url.clone(), kind(&http.transport), http.serve_log))
        };
        let differs = [
            ("name", old.name != next.name),
            ("state", old.state != next.state),
            ("ledger.last_checkpoint_file", old.last_checkpoint_file != next.last_checkpoint_file),
            ("ledger.witness_file", old.witnesses != next.witnesses),
            ("ledger.copy_dir, ledger.s3", old.copies != next.copies),
            ("ledger.timestamp", old.timestamps != next.timestamps),
            ("ssh.listen", old.ssh.listen != next.ssh.listen),
            ("ssh.address", old.ssh.address != next.ssh.address),
            ("http", http(old) != http(next)),
            ("issuer", issuers(old) != issuers(next)),
            ("recording.max_recording", old.max_recording_bytes != next.max_recording_bytes),
            ("sign_in", old.sign_in != next.sign_in),
            ("limits", old.limits != next.limits),
            ("ops", old.ops != next.ops),
            ("approval", old.approval != next.approval),
            ("notify", old.notify != next.notify),
            ("siem", old.siem != next.siem),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
    }
}

/// How a listener is protected, without the files that may change.
fn kind(transport: &Transport) -> Transport {
    match transport {
        Transport::Tls { .. } => Transport::Tls { cert_file: Default::default(), key_file: Default::default() },
        other => other.clone(),
    }
}

/// Tells two values of one program apart.
fn digest_of(value: &impl std::fmt::Debug) -> Digest {
    Digest::of(format!("{value:?}").as_bytes())
}

/// An error with its causes, in one line.
fn said(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

/// Everything that is wrong with what was read.
#[derive(Debug)]
pub struct ReloadFaults {
    /// Of the config and the files that it names.
    pub config: Faults,
    /// Of the policies.
    pub policy: policy::Faults,
}

impl Default for ReloadFaults {
    fn default() -> Self {
        Self { config: Faults::default(), policy: policy::Faults(Vec::new()) }
    }
}

impl ReloadFaults {
    /// Those of the file at `path` whose config is no good: of the policies, those that do not depend on it.
    pub(super) fn of_file(path: &std::path::Path, config: Faults) -> Self {
        Self { config, policy: Policy::faults(&Config::policy_files_of_faulty(path)) }
    }

    fn is_empty(&self) -> bool {
        self.config.0.is_empty() && self.policy.0.is_empty()
    }

    /// Each in a line of its own.
    pub fn lines(&self) -> Vec<String> {
        let config = self.config.0.iter().map(|fault| format!("{}: {}; {}", fault.path, fault.what, fault.mend));
        let policy = self
            .policy
            .0
            .iter()
            .map(|fault| format!("{}:{}:{}: {}; {}", fault.file, fault.line, fault.column, fault.what, fault.mend));
        config.chain(policy).collect()
    }
}

impl std::fmt::Display for ReloadFaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// What was read is not good.
    #[error("{0}")]
    Faults(ReloadFaults),
    /// The ledger does not take that it changes.
    #[error("the ledger does not take it")]
    Ledger(#[from] ledger::Error),
}
