//! How long one decision takes with 200 policies loaded: `cargo bench --bench decisions`. Prints figures, judges none.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time and says so"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use sallyport::app::file::commands::commands;
use sallyport::domain::identity::{Flow, Group, Identity, IssuerName, Kind, SignIn};
use sallyport::domain::session::Command;
use sallyport::domain::target::{Address, HostTrust, Login, Target, TargetName};
use sallyport::domain::{RecordId, Timestamp};
use sallyport::policy::{Asked, Catalogue, Policy, Request, STARTER, decide};

const NOW: Timestamp = Timestamp::from_secs(1_795_467_889);
const ROUNDS: usize = 20_000;
/// Beside the starter policies: permits and holds of groups, of pipelines and of single targets.
const POLICIES: usize = 200;

fn main() {
    let (files, catalogue) = policies();
    let count = files.iter().map(|(_, text)| text.matches("@id(").count()).sum::<usize>();
    let policy = Policy::load(&files, &catalogue).unwrap().with_commands(commands(&[]).unwrap());
    let (identity, sign_in, target, login) = (identity(), sign_in(), target(), Login::parse("deploy").unwrap());
    println!("{count} policies, {ROUNDS} decisions each");
    let long = format!("/opt/app/deploy {}", "--option value ".repeat(100));
    for (name, text) in [
        ("harmless", "systemctl status nginx"),
        ("privileged, held", "sudo -n systemctl restart nginx"),
        ("opaque", "for x in a b; do rm -rf $x; done"),
        ("1.5 KB", long.as_str()),
    ] {
        let command = Command::parse(text.to_owned()).unwrap();
        let request = Request {
            identity: &identity,
            sign_in: &sign_in,
            action: Asked::Exec(&command),
            target: Some((&target, &login)),
            owner: None,
            now: NOW,
            source: [10, 1, 2, 3].into(),
            pty: false,
        };
        let word = decide(&policy, &request).outcome.as_str();
        let mut took: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                black_box(decide(&policy, black_box(&request)));
                began.elapsed()
            })
            .collect();
        took.sort();
        let at = |part: usize| took.get(took.len() * part / 1000).unwrap().as_nanos() as f64 / 1000.0;
        println!("{name:<18}{word:<6} median {:>6.1} us   99 of 100 {:>6.1} us", at(500), at(990));
    }
}

fn policies() -> (Vec<(String, String)>, Catalogue) {
    let mut files: Vec<(String, String)> =
        STARTER.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let mut text = String::new();
    let mut catalogue = Catalogue {
        groups: Catalogue::BUILT_IN_GROUPS.map(str::to_owned).into(),
        environments: ["production", "staging", "test", "development"].map(str::to_owned).into(),
        targets: ["db1".to_owned()].into(),
        issuers: ["corp".to_owned()].into(),
        ..Catalogue::default()
    };
    let starters = files.iter().map(|(_, text)| text.matches("\n@id(").count()).sum::<usize>();
    for n in 0..POLICIES - starters {
        catalogue.groups.insert(format!("team-{n}"));
        catalogue.targets.insert(format!("host-{n}"));
        text += &match n % 4 {
            0 => format!(
                "@id(\"team-{n}\") @max_session(\"2h\")\npermit (principal in Sallyport::Group::\"team-{n}\", action in \
                 [Sallyport::Action::\"shell\", Sallyport::Action::\"exec\"], resource in Sallyport::Env::\"production\")\n\
                 when {{ context.login != \"root\" }};\n"
            ),
            1 => format!(
                "@id(\"run-{n}\")\npermit (principal is Sallyport::Pipeline, action == Sallyport::Action::\"exec\", \
                 resource == Sallyport::Target::\"host-{n}\")\nwhen {{ principal.repository_id == \"{n}\" && \
                 context.command.simple && context.command.argv like \"/opt/app/deploy --release *\" }};\n"
            ),
            2 => format!(
                "@id(\"hold-{n}\") @require_approval(\"1\")\nforbid (principal in Sallyport::Group::\"team-{n}\", action == \
                 Sallyport::Action::\"exec\", resource in Sallyport::Env::\"production\")\n\
                 unless {{ context.command.harmless || context.approval.count >= 1 }};\n"
            ),
            _ => format!(
                "@id(\"never-{n}\")\nforbid (principal, action == Sallyport::Action::\"exec\", resource == \
                 Sallyport::Target::\"host-{n}\")\nwhen {{ context.command.classes.contains(\"destructive\") }};\n"
            ),
        };
    }
    files.push(("90-site.cedar".to_owned(), text));
    (files, catalogue)
}

fn identity() -> Identity {
    Identity {
        issuer: IssuerName::parse("corp").unwrap(),
        issuer_url: "https://login.example.com".to_owned(),
        subject: "00u1abcd".to_owned(),
        kind: Kind::Person,
        name: "alice@example.com".to_owned(),
        groups: ["admins", "users", "team-4", "team-8"].map(Group::configured).into(),
        claims: BTreeMap::new(),
    }
}

fn sign_in() -> SignIn {
    let at = NOW.minus(Duration::from_secs(720));
    let record = RecordId::from_parts(at, 7);
    SignIn {
        record,
        at,
        auth_time: Some(at),
        until: at.plus(Duration::from_secs(28_800)),
        flow: Flow::Local,
        amr: Vec::new(),
    }
}

fn target() -> Target {
    Target {
        name: TargetName::parse("db1").unwrap(),
        aliases: Vec::new(),
        address: Address::parse("10.0.3.4").unwrap(),
        logins: vec![Login::parse("deploy").unwrap()],
        default_login: None,
        labels: BTreeMap::from([("env".to_owned(), "production".to_owned())]),
        posix_shell: true,
        host_trust: HostTrust::Pinned(Vec::new()),
        key_file: None,
        seen_as: None,
        env: Vec::new(),
        allow_loopback: false,
    }
}
