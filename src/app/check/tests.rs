//! A machine with many faults: each is named, in one go.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::app::init;

fn made(dir: &Path) -> std::path::PathBuf {
    let ask = init::Ask {
        dir: dir.to_owned(),
        name: "bastion.example.com".to_owned(),
        issuer_name: "corp".to_owned(),
        profile: "generic".to_owned(),
        // Nobody listens there.
        issuer_url: "http://127.0.0.1:1".to_owned(),
        client_ids: vec!["sallyport".to_owned()],
        require: Vec::new(),
        single_tenant: true,
        internal: true,
        ssh_listen: "127.0.0.1:1".parse().unwrap(),
        http_listen: None,
        admins: Vec::new(),
    };
    init::init(&ask).unwrap().config
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn has(report: &Report, severity: Severity, at: &str, what: &str) {
    let found = |finding: &&Finding| {
        finding.severity == severity
            && finding.at.contains(at)
            && finding.what.contains(what)
            && !finding.mend.is_empty()
    };
    assert!(report.findings.iter().any(|finding| found(&finding)), "no {at}: {what} in {:#?}", report.findings);
}

#[tokio::test]
async fn what_init_makes_has_no_fault_and_offline_says_what_it_left_out() {
    let dir = folder();
    let report = run(&made(dir.path()), &Clock::system(), true).await;
    let faults: Vec<_> =
        report.findings.iter().filter(|one| one.severity == Severity::Fault && !one.what.contains("reserve")).collect();
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(report.skipped, ["0 targets and 1 issuer were not asked (--offline)"]);
}

#[tokio::test]
async fn every_fault_is_named_in_one_go() {
    let dir = folder();
    let config = made(dir.path());
    let keys = dir.path().join("state/keys");
    let key = fs::read_to_string(keys.join("user_ca.pub")).unwrap();
    let line = key.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut text = fs::read_to_string(&config).unwrap();
    let block = |name: &str, address: &str| {
        format!(
            "\n[[target]]\nname = \"{name}\"\naddress = \"{address}\"\nlogins = [\"deploy\"]\nhost_key = \"{line}\"\nallow_loopback = true\n"
        )
    };
    // Nobody listens at the first two; the third is no name of a host at all.
    text += &[block("db1", "127.0.0.1:1"), block("db2", "127.0.0.1:1"), block("db3", "nowhere.invalid:22")].concat();
    fs::write(&config, text).unwrap();
    // Of the keys: one gone, one open to others, one with another public half.
    fs::remove_file(keys.join("log")).unwrap();
    mode(&keys.join("target_ca"), 0o644);
    fs::copy(keys.join("user_ca.pub"), keys.join("host_ca.pub")).unwrap();
    fs::remove_file(dir.path().join("state/origin")).unwrap();
    mode(&dir.path().join("state"), 0o755);
    fs::write(dir.path().join("policies/99.cedar"), "permit(principal, action, resource)").unwrap();

    let report = run(&config, &Clock::system(), false).await;
    has(&report, Severity::Fault, "keys", "log");
    has(&report, Severity::Fault, "keys", "target_ca has mode 0644");
    has(&report, Severity::Fault, "keys", "host_ca.pub is not the public half");
    has(&report, Severity::Fault, "state", "has no origin of the log");
    has(&report, Severity::Warning, "state", "may be entered by others");
    has(&report, Severity::Fault, "99.cedar:1:36", "");
    has(&report, Severity::Fault, "target[db1].address", "127.0.0.1:1 cannot be reached");
    has(&report, Severity::Fault, "target[db2].address", "127.0.0.1:1 cannot be reached");
    has(&report, Severity::Warning, "target[db2].address", "the address of db1 too");
    has(&report, Severity::Warning, "target[db3].host_key", "is the host key of db1 too");
    has(&report, Severity::Fault, "target[db3].address", "is not resolved");
    has(&report, Severity::Fault, "issuer[corp].url", "openid-configuration");
    assert!(!report.is_good());

    // A config with a fault of its own does not hide the rest.
    let text = fs::read_to_string(&config).unwrap().replace("name = \"db2\"", "name = \"DB2\"");
    fs::write(&config, text).unwrap();
    let report = run(&config, &Clock::system(), false).await;
    has(&report, Severity::Fault, "target[2].name", "character");
    has(&report, Severity::Fault, "target[db1].address", "cannot be reached");
    has(&report, Severity::Fault, "99.cedar:1:36", "");
}

#[tokio::test]
async fn old_keys_and_a_clock_that_went_back_are_seen() {
    let dir = folder();
    let config = made(dir.path());
    let written = fs::metadata(dir.path().join("state/keys/log")).unwrap();
    let now = Timestamp::from_secs(std::os::unix::fs::MetadataExt::mtime(&written));
    let later = Clock::manual(now.plus(std::time::Duration::from_secs(3 * 365 * 86_400)));
    let report = run(&config, &later, true).await;
    has(&report, Severity::Warning, "keys", "user_ca is 1095 days old");
    fs::create_dir_all(dir.path().join("state/log")).unwrap();
    fs::write(dir.path().join("state/log/checkpoint"), "x").unwrap();
    let before = Clock::manual(now.minus(std::time::Duration::from_secs(3600)));
    let report = run(&config, &before, true).await;
    has(&report, Severity::Fault, "clock", "s behind");
}
