//! Tries a target for the console: a governed session of the caller's, like any other, with one harmless command.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use russh::ChannelMsg;
use tokio::time::timeout;

use super::breaker::Breaker;
use super::probe::{self, Trouble};
use super::request::Environment;
use super::upstream::{self, Error, Upstream};
use crate::clock::Clock;
use crate::console::{Grade, Reach, Trial};
use crate::domain::identity::Caller;
use crate::domain::loan::Loans;
use crate::domain::printable;
use crate::domain::session::{Action, Command, End, Exit, Stream, TerminalSize};
use crate::domain::target::{Login, Target};
use crate::drain::Drain;
use crate::identity::{Identities, TargetAsk};
use crate::session::tap::DownTap;
use crate::session::{Ask, Governed, Opened, Sessions};

/// The gateway's hand for the console.
#[derive(Clone, Debug)]
pub struct Hand {
    /// Governed sessions.
    pub sessions: Sessions,
    /// Certificates for targets.
    pub identities: Identities,
    /// The time.
    pub clock: Clock,
    /// Tasks.
    pub drain: Drain,
    /// Hears what a try came to. Whoever checks is not kept from it.
    pub breaker: Breaker,
}

/// How long the command may take, and how much of what it says is read.
const COMMAND: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 * 1024;

impl Reach for Hand {
    fn source(&self, target: &Target) -> Option<IpAddr> {
        target.seen_as.or_else(|| {
            let ip: IpAddr = target.address.host.parse().ok()?;
            // Sends nothing: it asks the system which address it would send from.
            let any: IpAddr = if ip.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
            let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
            socket.connect(SocketAddr::new(ip, target.address.port)).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
    }

    fn look(&self, target: Arc<Target>) -> BoxFuture<'static, Trial> {
        let now = self.clock.now();
        async move {
            match probe::look(&target, now).await {
                Ok(_) => Trial::good("the host is the right one"),
                Err(trouble) => bad(trouble),
            }
        }
        .boxed()
    }

    fn sign_in(
        &self,
        caller: Arc<Caller>,
        target: Arc<Target>,
        login: Login,
        command: bool,
    ) -> BoxFuture<'static, Trial> {
        let hand = self.clone();
        async move { hand.try_it(caller, &target, &login, command).await }.boxed()
    }
}

impl Hand {
    async fn try_it(&self, caller: Arc<Caller>, target: &Target, login: &Login, command: bool) -> Trial {
        // Our own address, and names that mean nothing, are found without a sign-in.
        if let Err(trouble) = probe::resolve(target).await {
            return bad(trouble);
        }
        let id = super::connection_id();
        let word = format!("sallyport-check-{id}");
        let action = match Command::parse(format!("echo {word}")) {
            Ok(line) if command => Action::Exec(line),
            Ok(_) | Err(_) => Action::Shell,
        };
        let Some(share) = self.sessions.limits().budget.open() else {
            return Trial::of(Grade::Bad, "not tried: the bastion is short of memory", "try again later");
        };
        let ask = Ask {
            login: Some(login.as_str()),
            terminal: (!command).then_some(("dumb", TerminalSize { cols: 80, rows: 24 })),
            reason: Some("targets check"),
            ..Ask::plain(&caller, share.clone(), &id, target.name.as_str(), action)
        };
        let Opened { governed, permit, files: _, lending: _, up: _up, mut down, keeper } =
            match self.sessions.open(ask).await {
                Ok(opened) => opened,
                Err(refused) => return Trial::of(Grade::Bad, refused.to_string(), "ask those who keep the policy"),
            };
        self.drain.spawn(keeper.run());
        let (trial, end) = match self.signed_in(&caller, &governed).await {
            Err((error, hint)) => (told(target, login, &error, &hint), End::Unreachable(error.step())),
            Ok((upstream, _)) if !command => {
                upstream.end().await;
                (Trial::good("signed in; no command was tried, only a shell is open to you"), End::ByClient)
            }
            Ok((mut upstream, _)) => {
                upstream.backlog().charge(&share);
                match upstream.start(None, &Environment::default(), permit).await {
                    Ok(()) => {
                        let (said, exit) = read(&mut upstream, &mut down).await;
                        upstream.end().await;
                        (
                            judged(login, &word, &said),
                            exit.map_or(End::ByTarget, |code| End::Finished(Exit::Status(code))),
                        )
                    }
                    Err(error) => {
                        upstream.end().await;
                        let mend =
                            "it permits no command: look for ForceCommand internal-sftp, or a shell like nologin";
                        (Trial::of(Grade::Odd, format!("signed in, and {error}"), mend), End::Unreachable(error.step()))
                    }
                }
            }
        };
        governed.close(end).await;
        trial
    }

    /// Connects and signs in with a certificate of this moment. What a target's log has of it, too.
    async fn signed_in(&self, caller: &Caller, governed: &Governed) -> Result<(Upstream, String), (Error, String)> {
        let (target, login) = (governed.target(), governed.login());
        let none = |error| (error, String::new());
        let connected = upstream::connect(target, self.clock.now()).await.map_err(none)?;
        governed.saw_host_key(&connected.host_key);
        let source = target.seen_as.unwrap_or(connected.local.ip());
        let ask = TargetAsk {
            caller,
            session: governed.id(),
            channel: 0,
            place: governed.place(),
            login,
            source,
            pty: false,
            forward: false,
            lent: Loans::default(),
            key_file: target.key_file.as_deref(),
            force_command: None,
        };
        let credential = match self.identities.target_credential(ask).await {
            Ok(issued) => issued,
            Err(error) => {
                connected.end().await;
                return Err(none(Error::Certificate(error)));
            }
        };
        let hint = match credential.serial() {
            None => format!(
                "its log says which: 1. the public half of key_file is not among the keys that {login} may use there. \
                 2. there is no account {login}, or it may not sign in. \
                 3. it takes no keys of that kind: make key_file of another with ssh-keygen"
            ),
            Some(serial) => format!(
                "its log says which (journalctl -u ssh -u sshd | grep 'serial {}'): \
             1. TrustedUserCAKeys is missing or another bastion's: 'trust {}' prints the block. \
             2. there is no account {login}, or it may not sign in. \
             3. its clock is off: it is {} here. \
             4. it does not see us as {source}, for which the certificate is: set seen_as in the config",
                serial,
                target.name,
                self.clock.now(),
            ),
        };
        match connected.sign_in(login, credential, None).await {
            Ok(upstream) => {
                self.breaker.took(target, login);
                Ok((upstream, hint))
            }
            Err(error) => Err((error, hint)),
        }
    }
}

/// Reads what the command says, and its exit status; the recording has it first, like any output.
async fn read(upstream: &mut Upstream, down: &mut DownTap) -> (Vec<u8>, Option<u32>) {
    let (mut said, mut exit) = (Vec::new(), None);
    let Some(mut channel) = upstream.take_read() else { return (said, exit) };
    let reading = async {
        while let Some(message) = channel.wait().await {
            let (stream, data) = match message {
                ChannelMsg::Data { data } => (Stream::Stdout, data),
                ChannelMsg::ExtendedData { data, .. } => (Stream::Stderr, data),
                ChannelMsg::ExitStatus { exit_status } => {
                    exit = Some(exit_status);
                    continue;
                }
                ChannelMsg::Close => return,
                _ => continue,
            };
            let len = data.len();
            said.extend_from_slice(&data);
            let kept = down.output(stream, data).await;
            upstream.backlog().written(len);
            if kept.is_err() || said.len() > READ_BYTES {
                return;
            }
        }
    };
    let _ = timeout(COMMAND, reading).await;
    for stream in [Stream::Stdout, Stream::Stderr] {
        let _ = down.finish(stream).await;
    }
    (said, exit)
}

/// What a command that prints one word tells of the account.
fn judged(login: &Login, word: &str, said: &[u8]) -> Trial {
    let text = String::from_utf8_lossy(said);
    let first =
        printable(text.lines().find(|line| !line.trim().is_empty() && !line.contains(word)).unwrap_or_default(), 80);
    if text.trim_end_matches(['\r', '\n']) == word {
        return Trial::good("signed in, and it runs what it is asked for");
    }
    if text.contains(word) {
        return Trial::of(
            Grade::Odd,
            format!("start-up files of {login} print text before a command runs: {first}"),
            "have them print for terminals only ('case $- in *i*)'): scp, rsync and git take it for data",
        );
    }
    let got = if first.is_empty() { "nothing".to_owned() } else { format!("'{first}'") };
    Trial::of(
        Grade::Odd,
        format!("another command runs than the one that is asked for: echo gave {got}"),
        "look for ForceCommand in sshd_config, command=\"...\" in authorized_keys, and the account's shell: \
         what the policy permits is not what runs there",
    )
}

fn told(target: &Target, login: &Login, error: &Error, hint: &str) -> Trial {
    match error {
        Error::Refused => Trial::of(Grade::Refused, format!("{login} is refused"), hint),
        error => bad(probe::said(target, error)),
    }
}

fn bad(trouble: Trouble) -> Trial {
    Trial::of(Grade::Bad, trouble.what, trouble.mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_prints_tells_a_forced_one_from_a_talkative_account() {
        let login = Login::parse("deploy").unwrap();
        let judge = |said: &str| judged(&login, "word-1", said.as_bytes());
        assert_eq!(judge("word-1\n").grade, Grade::Good);
        let talks = judge("Welcome!\nword-1\n");
        assert!(talks.grade == Grade::Odd && talks.what.ends_with("Welcome!"), "{talks:?}");
        let forced = judge("\nThis account is currently not available.\n");
        assert!(forced.what.contains("echo gave 'This account is currently not available.'"), "{forced:?}");
        assert!(judge("").what.ends_with("nothing"));
        assert!(!judge("\u{1b}[2J").what.contains('\u{1b}'));
    }
}
