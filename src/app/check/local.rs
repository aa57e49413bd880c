//! What lies on this machine: the state folder, the lasting keys, free space, and the time of the last checkpoint.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Report, SKEW_S};
use crate::app::config::Config;
use crate::app::{copies, init, rights};
use crate::domain::Timestamp;
use crate::signer::{self, Signer};

/// Certificates that end sooner are worth a warning.
pub(super) const SOON_S: i64 = 14 * DAY_S;
const DAY_S: i64 = 24 * 3600;
/// After this long a lasting key wants to be changed: see keys/README.md.
const OLD_S: i64 = 2 * 365 * DAY_S;
const GIB: u64 = 1024 * 1024 * 1024;

/// So long, as people say it.
pub(super) fn days(seconds: i64) -> String {
    match seconds / DAY_S {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

impl Report {
    pub(super) fn state(&mut self, config: &Config, now: Timestamp) {
        let state = &config.state;
        let at = format!("state ({})", state.display());
        match fs::symlink_metadata(state) {
            Err(error) => {
                let mend = "make it with `sallyport init`, or mount what holds it";
                return self.fault(at, format!("cannot be looked at: {error}"), mend);
            }
            Ok(_) => match rights::way(state) {
                Err((what, mend)) => self.fault(at.clone(), what, mend),
                Ok(real) => self.folder(&at, &real),
            },
        }
        self.keys(&state.join(init::KEYS), now);
        if let Err(error) = init::read_origin(state) {
            let mend = "bring back the whole folder from the backup: a log without its origin is another log";
            self.fault(at.clone(), format!("has no origin of the log: {error}"), mend);
        }
        self.space(&at, state);
        self.times(config, now);
        self.looked.extend(["rights", "keys", "free space", "clock"].map(str::to_owned));
    }

    fn folder(&mut self, at: &str, real: &Path) {
        let Ok(meta) = fs::metadata(real) else { return };
        let mode = meta.mode() & 0o7777;
        if !meta.is_dir() {
            return self.fault(at, "is not a folder", "name a folder");
        }
        if mode & 0o077 != 0 {
            let what = format!("may be entered by others (mode {mode:04o}): recordings and keys lie in it");
            self.warn(at, what, format!("chmod 700 {}", real.display()));
        }
        if !writable(real) {
            self.fault(
                at,
                "cannot be written by this user",
                "run this as the bastion's user, or chown the folder to it",
            );
        }
    }

    fn keys(&mut self, dir: &Path, now: Timestamp) {
        let (faults, ages) = Signer::look(dir);
        for fault in faults {
            let at = format!("state ({})", dir.display());
            let mend = match &fault {
                signer::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                    "bring it back from the backup: a new one means a visit to every target or client"
                }
                signer::Error::Rights { .. } | signer::Error::Owner { .. } => {
                    "chown and chmod it; then ask who could have read it"
                }
                _ => "keys/README.md says how keys are made, kept and changed",
            };
            self.fault(at, with_causes(&fault), mend);
        }
        for (name, written) in ages {
            let age = now.secs().saturating_sub(written);
            if age > OLD_S {
                let what = format!("{name} is {} old", days(age));
                self.warn(format!("state ({})", dir.display()), what, "change it, by the steps of keys/README.md");
            }
        }
    }

    fn space(&mut self, at: &str, state: &Path) {
        let Ok(disk) = rustix::fs::statvfs(state) else { return };
        let (free, all) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
        let reserve = GIB.max(all / 20);
        let shown = |bytes: u64| format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB);
        if free < reserve {
            let what = format!("has {} free of {}: under the reserve of {}", shown(free), shown(all), shown(reserve));
            self.fault(at, what, "make room or mount a larger disk: new sessions are refused");
        } else if free < 2 * reserve {
            let what = format!("has {} free of {}: the reserve is {}", shown(free), shown(all), shown(reserve));
            self.warn(at, what, "make room soon");
        }
        let (inodes, free_inodes) = (disk.f_files, disk.f_favail);
        if inodes > 0 && free_inodes < inodes / 100 {
            self.warn(
                at,
                format!("has {free_inodes} of {inodes} inodes left"),
                "remove small files, or make a new file system",
            );
        }
    }

    /// The clock against what this bastion has written before.
    fn times(&mut self, config: &Config, now: Timestamp) {
        let log = config.state.join("log");
        let mut last: Option<(i64, String)> = None;
        for path in [Some(log.join("checkpoint")), config.last_checkpoint_file.clone()].into_iter().flatten() {
            if let Ok(meta) = fs::metadata(&path)
                && last.as_ref().is_none_or(|(time, _)| meta.mtime() > *time)
            {
                last = Some((meta.mtime(), path.display().to_string()));
            }
        }
        if let Some((time, path)) = last
            && time > now.secs().saturating_add(SKEW_S)
        {
            let behind = time.saturating_sub(now.secs());
            let what = format!("this machine's clock is {behind} s behind {path}, which this bastion wrote");
            self.fault("clock", what, "run an NTP client here (timedatectl): tokens and certificates go by the minute");
        }
        if let Some(file) = &config.last_checkpoint_file {
            let at = format!("ledger.last_checkpoint_file ({})", file.display());
            match file.parent() {
                Some(folder) if folder.is_dir() => {
                    if let Err((what, mend)) = rights::way(folder) {
                        self.fault(at, what, mend);
                    }
                }
                _ => self.fault(at, "its folder is not there", "make it, owned by the bastion's user, on another disk"),
            }
        }
        for place in &config.copies {
            let copies::Place::Folder(folder) = place else { continue };
            let at = format!("ledger.copy_dir ({})", folder.display());
            let mend = "mount its disk, or make it, owned by the bastion's user: the copy waits until it is there";
            if !folder.is_dir() {
                self.warn(at, "is not there", mend);
            } else if !writable(folder) {
                self.warn(at, "cannot be written by this user", "chown it to the bastion's user");
            }
        }
    }
}

fn writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

/// An error with its causes, each once.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = inner.source();
    }
    said
}
