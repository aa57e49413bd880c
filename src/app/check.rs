//! Everything that `serve` would need, looked at in one go: each fault with its key path and its mend.
//!
//! Opens no store and takes no lock: it may run beside a bastion that serves. Says what it did not look at.

use std::path::Path;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::config::{Config, Faults};
use super::rules;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::domain::target::HostTrust;
use crate::gateway::ssh::probe;
use crate::identity::provider::inspect::inspect;
use crate::policy::{self, Policy};

mod local;
mod tls;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not work, or not safely.
    Fault,
    /// It works, and will not for long, or is weaker than it could be.
    Warning,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Key path, file, or place in a policy.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

/// All that was found, and what was looked at.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Faults before warnings, each in the order of the config.
    pub findings: Vec<Finding>,
    /// What was looked at, for people: `3 targets`.
    pub looked: Vec<String>,
    /// What was not, and why.
    pub skipped: Vec<String>,
}

impl Report {
    /// Whether there is no fault; warnings may be.
    pub fn is_good(&self) -> bool {
        self.count(Severity::Fault) == 0
    }

    /// How many there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    fn add(&mut self, severity: Severity, at: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding { severity, at: at.into(), what: what.into(), mend: mend.into() });
    }

    fn fault(&mut self, at: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) {
        self.add(Severity::Fault, at, what, mend);
    }

    fn warn(&mut self, at: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) {
        self.add(Severity::Warning, at, what, mend);
    }

    fn all(&mut self, faults: Faults) {
        for fault in faults.0 {
            self.fault(fault.path, fault.what, fault.mend);
        }
    }

    fn look(&mut self, count: usize, one: &str) {
        self.looked.push(counted(count, one));
    }
}

/// `1 target`, `2 targets`, `2 policies`.
pub fn counted(count: usize, one: &str) -> String {
    match (count, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {one}s"),
    }
}

/// Hosts and issuers that are asked at a time.
const AT_ONCE: usize = 16;
/// Clocks that differ by more make tokens and target certificates useless.
const SKEW_S: i64 = 60;

/// Looks at everything that the config at `path` names. `offline`: nothing is asked over the network.
pub async fn run(path: &Path, clock: &Clock, offline: bool) -> Report {
    let mut report = Report::default();
    let (config, faults) = Config::load_what_is_there(path);
    let whole = faults.0.is_empty();
    report.all(faults);
    let Some(config) = config else {
        report.policy_faults(Policy::faults(&Config::policy_files_of_faulty(path)));
        report.skipped.push("keys, clock, free space, targets and issuers: the config does not say enough".to_owned());
        return report.sorted();
    };
    report.policies(&config, path, whole, clock.now());
    report.state(&config, clock.now());
    report.tls(&config, clock.now());
    report.twins(&config);
    if offline {
        let what = format!(
            "{} and {} were not asked (--offline)",
            counted(config.targets.len(), "target"),
            counted(config.issuers.len(), "issuer")
        );
        report.skipped.push(what);
    } else {
        report.targets(&config, clock).await;
        report.issuers(&config, clock).await;
        report.own_listener(&config, clock.now()).await;
    }
    report.sorted()
}

impl Report {
    fn sorted(mut self) -> Self {
        self.findings.sort_by_key(|finding| finding.severity);
        self
    }

    fn policy_faults(&mut self, faults: policy::Faults) {
        for fault in faults.0 {
            let at = format!("{}:{}:{}", fault.file, fault.line, fault.column);
            self.fault(at, fault.what, fault.mend);
        }
    }

    fn policies(&mut self, config: &Config, path: &Path, whole: bool, now: Timestamp) {
        if !whole {
            // What ids mean is judged once the config has no fault: a target that was not understood would count twice.
            self.policy_faults(Policy::faults(&Config::policy_files_of_faulty(path)));
            self.skipped.push("names in the policies: they are looked up once the config has no fault".to_owned());
            return;
        }
        let files = match rules::files(config) {
            Ok(files) => files,
            Err(faults) => return self.all(faults),
        };
        let commands = config.commands().map_err(|faults| self.all(faults)).ok();
        match Policy::load(&files, &config.catalogue()) {
            Ok(policy) => {
                self.look(policy.rules().count(), "rule");
                let held = commands.map(|commands| rules::check_cases(config, &policy.with_commands(commands), now));
                if let Some(Err(faults)) = held {
                    self.all(faults);
                }
            }
            Err(faults) => self.policy_faults(faults),
        }
    }

    /// Two names for one host: whoever may go to one of them is at the other.
    fn twins(&mut self, config: &Config) {
        let targets = &config.targets;
        for (at, target) in targets.iter().enumerate() {
            for other in targets.iter().take(at) {
                if other.address == target.address {
                    let what = format!("is {}, the address of {} too", target.address, other.name);
                    let mend = "give one target an alias instead: rules of both apply to the same host";
                    self.warn(format!("target[{}].address", target.name), what, mend);
                } else if let (HostTrust::Pinned(ours), HostTrust::Pinned(theirs)) =
                    (&target.host_trust, &other.host_trust)
                    && ours.iter().any(|key| theirs.contains(key))
                {
                    let what = format!("is the host key of {} too: each can stand in for the other", other.name);
                    let mend = "make new host keys on the copied machine: rm /etc/ssh/ssh_host_*; ssh-keygen -A";
                    self.warn(format!("target[{}].host_key", target.name), what, mend);
                }
            }
            if target.key_file.is_some() {
                let what = "is a lasting key: whoever reads it is in, until the host forgets it";
                let mend = "use certificates where the host can (ssh BASTION trust); this is for those that cannot";
                self.warn(format!("target[{}].key_file", target.name), what, mend);
            }
        }
    }

    async fn targets(&mut self, config: &Config, clock: &Clock) {
        let now = clock.now();
        let asked = config.targets.iter().map(|target| async move { (target, probe::look(target, now).await) });
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        for (target, answer) in answers {
            if let Err(trouble) = answer {
                self.fault(format!("target[{}].{}", target.name, trouble.key), trouble.what, trouble.mend);
            }
        }
        self.look(config.targets.len(), "target");
    }

    async fn issuers(&mut self, config: &Config, clock: &Clock) {
        let asked = config.issuers.iter().map(|issuer| async move { (issuer, inspect(issuer, clock).await) });
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        for (issuer, answer) in &answers {
            for fault in &answer.faults {
                self.fault(format!("issuer[{}].{}", issuer.name, fault.key), &fault.what, &fault.mend);
            }
            if let Some((theirs, ours)) = answer.time {
                self.skew(&format!("issuer[{}]", issuer.name), theirs, ours);
            }
        }
        self.look(config.issuers.len(), "issuer");
    }

    fn skew(&mut self, who: &str, theirs: Timestamp, ours: Timestamp) {
        let ahead = ours.secs().saturating_sub(theirs.secs());
        if ahead.abs() > SKEW_S {
            let word = if ahead > 0 { "ahead of" } else { "behind" };
            let what = format!("this machine's clock is {} s {word} that of {who}", ahead.abs());
            self.fault("clock", what, "run an NTP client here (timedatectl): tokens and certificates go by the minute");
        }
    }

    /// The host certificate that a bastion serves now, if one does.
    async fn own_listener(&mut self, config: &Config, now: Timestamp) {
        let mut address = config.ssh.listen;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        let Some(end) = probe::host_certificate_end(address).await else { return };
        let left_s = end.secs().saturating_sub(now.secs());
        if left_s < local::SOON_S {
            let what = match left_s {
                ..=0 => "the host certificate that the bastion shows has ended".to_owned(),
                left => format!("the host certificate that the bastion shows ends in {}", local::days(left)),
            };
            self.warn("ssh.listen", what, "restart it: each start makes a new one");
        }
        self.looked.push("the bastion's own host certificate".to_owned());
    }
}

#[cfg(test)]
mod tests;
