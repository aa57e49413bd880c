//! Commands that move files. Masking would change what they carry, so a permit of its own, `transfer`, lets them pass as
//! they are; their recording has a digest in place of the bytes.
//!
//! Only for commands whose words are all literal, that are run by the clients of these programs, without a terminal. What
//! is not permitted is masked like anything else.

use super::judged::Judged;
use super::profile::served_unmasked;
use super::{Ask, Refused, Sessions};
use crate::domain::Timestamp;
use crate::domain::session::Action;
use crate::domain::target::{Login, Target};
use crate::policy::{self, Reading};

impl Sessions {
    /// The decision that lets what `ask` moves pass as it is; none if it is to be masked.
    pub(super) fn transfer(
        &self,
        ask: &Ask<'_>,
        reading: Option<&Reading>,
        (target, login): (&Target, &Login),
        now: Timestamp,
    ) -> Option<Judged> {
        let Action::Exec(command) = &ask.action else { return None };
        if target.masks_always() {
            return None;
        }
        if ask.terminal.is_some() || !reading.is_some_and(moves_files) {
            return None;
        }
        let judged = self.decide_as(ask, policy::Asked::Transfer(command), target, login, now, None);
        let is_permitted = match &judged.decision.outcome {
            policy::Outcome::Allow(limits) => limits.unserved(served_unmasked()).is_none(),
            // Nobody is asked twice for one command: what is held for this is masked.
            policy::Outcome::Hold(_) | policy::Outcome::Deny => false,
        };
        is_permitted.then_some(judged)
    }
}

/// Whether what is asked for may be at all, whatever a rule says: files by SFTP pass as they are, which a target where
/// masking is mandatory does not have; and a target listens for a client where nobody but itself can connect.
pub(super) fn may_pass(action: &Action, target: &Target) -> Result<(), Refused> {
    match action {
        Action::Sftp if target.masks_always() => Err(Refused::Unmasked),
        Action::Listen(listen) if !listen.is_local() => Err(Refused::Rejected(ELSEWHERE.to_owned())),
        Action::Shell | Action::Exec(_) | Action::Sftp | Action::Forward(_) | Action::Listen(_) => Ok(()),
    }
}

const ELSEWHERE: &str = "a target listens on its loopback only: give no address to listen on, or localhost";

/// Whether it is the far end of scp, rsync or git, called as their clients call it.
pub(super) fn moves_files(reading: &Reading) -> bool {
    if !reading.is_simple() || reading.elevated {
        return false;
    }
    let mut words = reading.argv.iter().map(String::as_str);
    let program = words.next().unwrap_or_default();
    let name = FOLDERS.iter().find_map(|folder| program.strip_prefix(folder)).unwrap_or(program);
    let rest: Vec<&str> = words.collect();
    match name {
        "scp" => rest.iter().take_while(|word| **word != "--").any(|word| matches!(*word, "-t" | "-f")),
        "rsync" => rest.first() == Some(&"--server"),
        "git-upload-pack" | "git-receive-pack" | "git-upload-archive" => true,
        _ => false,
    }
}

/// Where a system keeps its programs.
const FOLDERS: [&str; 2] = ["/usr/bin/", "/bin/"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::listen::Listen;
    use crate::domain::target::{Address, HostTrust, TargetName};
    use crate::policy::Form;

    fn moves(argv: &[&str]) -> bool {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        moves_files(&Reading { form: Form::Simple, argv, ..Reading::default() })
    }

    fn target(labels: &[(&str, &str)]) -> Target {
        Target {
            name: TargetName::parse("db1").unwrap(),
            aliases: Vec::new(),
            address: Address::parse("10.0.3.4").unwrap(),
            logins: vec![Login::parse("deploy").unwrap()],
            default_login: None,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            posix_shell: true,
            host_trust: HostTrust::Pinned(Vec::new()),
            key_file: None,
            seen_as: None,
            env: Vec::new(),
            allow_loopback: false,
        }
    }

    #[test]
    fn where_masking_is_mandatory_no_file_passes_by_sftp() {
        let masked = target(&[("mask", "mandatory")]);
        assert_eq!(may_pass(&Action::Sftp, &masked), Err(Refused::Unmasked));
        assert_eq!(may_pass(&Action::Shell, &masked), Ok(()));
        assert_eq!(may_pass(&Action::Sftp, &target(&[("mask", "no")])), Ok(()));
    }

    #[test]
    fn a_target_listens_on_its_loopback_only() {
        let target = target(&[]);
        let may = |address| may_pass(&Action::Listen(Listen::parse(address, 80).unwrap()), &target);
        assert_eq!((may("localhost"), may("127.0.0.1"), may("::1")), (Ok(()), Ok(()), Ok(())));
        for wide in ["", "*", "0.0.0.0", "::", "10.0.3.4", "db1"] {
            assert_eq!(may(wide), Err(Refused::Rejected(ELSEWHERE.to_owned())), "{wide:?}");
        }
    }

    #[test]
    fn the_far_ends_of_scp_rsync_and_git_move_files_and_nothing_else_does() {
        assert!(moves(&["scp", "-p", "-t", "--", "dir"]) && moves(&["/usr/bin/scp", "-f", "file"]));
        assert!(moves(&["rsync", "--server", "--sender", "-vlogDtpre.iLsfxCIvu", ".", "copy/"]));
        assert!(moves(&["git-upload-pack", "/srv/a.git"]) && moves(&["git-receive-pack", "a.git"]));
        assert!(!moves(&["scp", "--", "-f"]) && !moves(&["rsync", "a", "b"]) && !moves(&["./rsync", "--server"]));
        assert!(!moves(&["cat", "/etc/passwd"]) && !moves(&[]) && !moves(&["git", "log"]));
        let argv = vec!["rsync".to_owned(), "--server".to_owned()];
        assert!(!moves_files(&Reading { form: Form::Compound, argv: argv.clone(), ..Reading::default() }));
        assert!(!moves_files(&Reading { form: Form::Simple, argv, elevated: true, ..Reading::default() }));
    }
}
