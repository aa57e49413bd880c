//! Who the caller is, where they may go, and what a target needs.

use serde_json::{Value, json};

use super::line::Form;
use super::table::{Cell, Table, fields, moment};
use super::{Error, Visit};
use crate::domain::Timestamp;
use crate::domain::identity::Kind;
use crate::domain::session::Command;
use crate::domain::target::{Login, Target};
use crate::policy::{Asked, Outcome};

impl Visit<'_> {
    pub(super) async fn whoami(&self, form: Form) -> Result<(), Error> {
        let now = self.room.clock.now();
        let caller = self.caller;
        let (identity, sign_in) = (&caller.identity, &caller.sign_in);
        let kind = kind(identity.kind);
        let groups: Vec<&str> = identity.groups.iter().map(|group| group.as_str()).collect();
        // As a member of a `[[group]]` is written in the config.
        let member = format!("{}:{}", identity.issuer, identity.subject);
        let how = match sign_in.amr.as_slice() {
            [] => sign_in.flow.as_str().to_owned(),
            amr => format!("{}, by {}", sign_in.flow.as_str(), amr.join(" ")),
        };
        let text = fields(
            &[
                ("name", Cell::new(&identity.name)),
                ("identity", Cell::new(identity.principal().as_str())),
                ("issuer", Cell::new(format!("{} ({})", identity.issuer, identity.issuer_url))),
                ("subject", Cell::new(&identity.subject)),
                ("in config", Cell::new(format!("members = [\"{member}\"]"))),
                ("kind", Cell::new(kind)),
                ("groups", Cell::new(groups.join(", "))),
                ("signed in", Cell::new(format!("{}, flow {how}", moment(sign_in.at, now)))),
                ("proved", Cell::new(sign_in.auth_time.map_or_else(String::new, |time| moment(time, now)))),
                ("until", ends(sign_in.until, now)),
                ("certificate", Cell::new(format!("serial {}", caller.certificate.serial))),
                ("  until", ends(caller.certificate.valid_before, now)),
                ("from", Cell::new(caller.source.to_string())),
                ("client", Cell::new(&caller.client)),
                ("record", Cell::new(sign_in.record.to_string())),
            ],
            self.say.look(),
        );
        let value = json!({
            "name": identity.name,
            "principal": identity.principal().as_str(),
            "issuer": identity.issuer.as_str(),
            "issuer_url": identity.issuer_url,
            "subject": identity.subject,
            "member": member,
            "kind": kind,
            "groups": groups,
            "claims": identity.claims,
            "sign_in": self.sign_in(),
            "certificate": self.certificate_facts(),
            "source": caller.source.to_string(),
            "client": caller.client,
        });
        self.answer(form, &text, &value).await
    }

    pub(super) async fn certificate(&self, form: Form) -> Result<(), Error> {
        let now = self.room.clock.now();
        let (identity, sign_in, shown) = (&self.caller.identity, &self.caller.sign_in, &self.caller.certificate);
        let text = fields(
            &[
                ("key id", Cell::new(&shown.key_id)),
                ("serial", Cell::new(shown.serial.to_string())),
                ("principal", Cell::new(identity.principal().as_str())),
                ("until", ends(shown.valid_before, now)),
                ("sign-in", Cell::new(format!("{}, record {}", moment(sign_in.at, now), sign_in.record))),
                ("  until", ends(sign_in.until, now)),
                ("flow", Cell::new(sign_in.flow.as_str())),
                ("authority", Cell::new(&self.room.settings.user_ca)),
            ],
            self.say.look(),
        );
        let mut value = self.certificate_facts();
        if let Value::Object(map) = &mut value {
            map.insert("principal".to_owned(), identity.principal().as_str().into());
            map.insert("sign_in".to_owned(), self.sign_in());
            map.insert("authority".to_owned(), self.room.settings.user_ca.as_str().into());
        }
        self.answer(form, &text, &value).await
    }

    fn sign_in(&self) -> Value {
        let sign_in = &self.caller.sign_in;
        json!({
            "record": sign_in.record.to_string(),
            "at": sign_in.at.to_string(),
            "auth_time": sign_in.auth_time.map(|time| time.to_string()),
            "until": sign_in.until.to_string(),
            "flow": sign_in.flow.as_str(),
            "amr": sign_in.amr,
        })
    }

    fn certificate_facts(&self) -> Value {
        let shown = &self.caller.certificate;
        json!({
            // A number of 64 bits, which not every reader of JSON keeps.
            "serial": shown.serial.to_string(),
            "key_id": shown.key_id,
            "valid_before": shown.valid_before.to_string(),
        })
    }

    pub(super) async fn targets(&self, form: Form) -> Result<(), Error> {
        let targets = self.room.sessions.targets();
        let open: Vec<_> = targets.iter().map(|target| (target, self.logins(target))).collect();
        let open: Vec<_> = open.into_iter().filter(|(_, logins)| !logins.is_empty()).collect();
        if open.is_empty() && !form.json {
            return self.say.err("sallyport: no target for you; 'whoami' says what a policy can know you by\n").await;
        }
        let weak = open.iter().any(|(target, _)| target.key_file.is_some());
        let head: &[&str] = if weak {
            &["TARGET", "ENV", "LOGINS", "CONNECT", "NOTE"]
        } else {
            &["TARGET", "ENV", "LOGINS", "CONNECT"]
        };
        let mut table = Table::new(head, &[2]);
        let mut listed = Vec::new();
        for (target, logins) in &open {
            let words: Vec<String> = logins.iter().map(|(login, may)| format!("{login}{}", may.note())).collect();
            let first = logins.first().map(|(login, _)| self.ssh(login, target)).unwrap_or_default();
            let mut row = vec![
                Cell::new(target.name.as_str()),
                Cell::new(target.environment().unwrap_or_default()),
                Cell::new(words.join(", ")),
                Cell::new(first),
            ];
            if weak {
                row.push(Cell::new(target.key_file.as_ref().map_or("", |_| WEAK)));
            }
            table.push(row);
            listed.push(json!({
                "name": target.name.as_str(),
                "aliases": target.aliases.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
                "labels": target.labels,
                "durable": target.durable(),
                "certificates": target.key_file.is_none(),
                "logins": logins.iter().map(|(login, may)| json!({
                    "login": login.as_str(),
                    "shell": may.shell.as_str(),
                    "exec": may.exec.as_str(),
                    "ssh": self.ssh(login, target),
                })).collect::<Vec<_>>(),
            }));
        }
        self.answer(form, &table.render(self.say.look()), &json!({ "targets": listed })).await
    }

    /// The logins that are open to the caller in any way, the default one first.
    pub(super) fn logins<'t>(&self, target: &'t Target) -> Vec<(&'t Login, May)> {
        let judge = |login: &'t Login| Some((login, self.may(target, login)?));
        let mut logins: Vec<_> = target.logins.iter().filter_map(judge).collect();
        logins.sort_by_key(|(login, _)| target.default_login.as_ref() != Some(login));
        logins
    }

    fn may(&self, target: &Target, login: &Login) -> Option<May> {
        // As harmless as a command can be: who may not run this one may run none, unless a rule names others.
        let probe = Command::parse("true").ok()?;
        let ask = |asked| match self.room.sessions.judge(self.caller, asked, Some((target, login)), None).outcome {
            Outcome::Allow(_) => Answer::Yes,
            Outcome::Hold(_) => Answer::WithApproval,
            Outcome::Deny => Answer::No,
        };
        let may = May { shell: ask(Asked::Shell), exec: ask(Asked::Exec(&probe)) };
        (may != May { shell: Answer::No, exec: Answer::No }).then_some(may)
    }

    fn ssh(&self, login: &Login, target: &Target) -> String {
        let settings = &self.room.settings;
        format!("ssh -p {} {login}+{}@{}", settings.port, target.name, settings.host)
    }
}

const WEAK: &str = "no certificates: a lasting key";

/// What policy says of one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct May {
    pub(super) shell: Answer,
    pub(super) exec: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    WithApproval,
    No,
}

impl May {
    fn note(self) -> &'static str {
        match (self.shell, self.exec) {
            (Answer::Yes, Answer::Yes) => "",
            (Answer::Yes, Answer::WithApproval) => " (commands with approval)",
            (Answer::Yes, Answer::No) => " (shell only)",
            (Answer::WithApproval, Answer::Yes) => " (shell with approval)",
            (Answer::WithApproval, Answer::No) => " (shell only, with approval)",
            (Answer::No, Answer::Yes) => " (commands only)",
            (Answer::No, Answer::WithApproval) => " (commands only, with approval)",
            (Answer::WithApproval, Answer::WithApproval) => " (with approval)",
            (Answer::No, Answer::No) => " (closed)",
        }
    }
}

impl Answer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "allow",
            Self::WithApproval => "hold",
            Self::No => "deny",
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Person => "person",
        Kind::Pipeline => "pipeline",
    }
}

fn ends(time: Timestamp, now: Timestamp) -> Cell {
    let cell = Cell::new(moment(time, now));
    if time <= now { cell.bad() } else { cell }
}
