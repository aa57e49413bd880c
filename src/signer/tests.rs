//! What the signer refuses, and that its files are its owner's alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const NOW: u64 = 1_795_467_889;

fn user(change: impl FnOnce(&mut UserDraft)) -> Result<Certificate, Error> {
    let mut draft = UserDraft {
        public_key: new_key("").unwrap().public_key().clone(),
        serial: 7,
        key_id: "sp1:01JDD5Z2:alice%40example.com".into(),
        principal: "corp/YWxpY2U".into(),
        valid_after: NOW - 60,
        valid_before: NOW + 3600,
        extensions: BTreeMap::from([("permit-pty".into(), String::new())]),
    };
    change(&mut draft);
    Signer::in_memory().unwrap().sign_user(draft)
}

fn target(change: impl FnOnce(&mut TargetDraft)) -> Result<Certificate, Error> {
    let mut draft = TargetDraft {
        public_key: new_key("").unwrap().public_key().clone(),
        serial: 8,
        key_id: "sp1:01JDD5Z2:alice%40example.com".into(),
        login: "deploy".into(),
        valid_after: NOW - 60,
        valid_before: NOW + 120,
        source: "10.0.0.1".parse().unwrap(),
        force_command: None,
        pty: false,
        forward: false,
        agent: false,
        display: false,
    };
    change(&mut draft);
    Signer::in_memory().unwrap().sign_target(draft)
}

fn host(change: impl FnOnce(&mut HostDraft)) -> Result<Certificate, Error> {
    let mut draft = HostDraft {
        public_key: new_key("").unwrap().public_key().clone(),
        serial: 9,
        key_id: "sp1:01JDD5Z2:db1".into(),
        names: vec!["db1".into(), "db1.internal".into()],
        valid_after: NOW - 60,
        valid_before: NOW + 24 * 3600,
        host: Host::Target,
    };
    change(&mut draft);
    Signer::in_memory().unwrap().sign_host(draft)
}

#[track_caller]
fn refused(result: Result<Certificate, Error>, part: &str) {
    let text = result.expect_err("refused").to_string();
    assert!(text.contains(part), "{text:?} should name {part:?}");
}

#[test]
fn a_draft_within_the_rules_is_signed_by_its_own_authority() {
    let signer = Signer::in_memory().unwrap();
    let key = new_key("").unwrap();
    let draft = TargetDraft {
        public_key: key.public_key().clone(),
        serial: 8,
        key_id: "k".into(),
        login: "deploy".into(),
        valid_after: NOW - 60,
        valid_before: NOW + 120,
        source: "::1".parse().unwrap(),
        force_command: Some("systemctl restart api".into()),
        pty: true,
        forward: false,
        agent: false,
        display: false,
    };
    let certificate = signer.sign_target(draft).unwrap();
    assert_eq!(certificate.signature_key(), signer.target_ca().key_data());
    certificate.verify_signature().unwrap();
    assert_eq!(certificate.valid_principals(), ["deploy"]);
    let options: Vec<_> = certificate.critical_options().iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(options, ["force-command=systemctl restart api", "source-address=::1"]);
    assert!(user(|_| ()).is_ok() && host(|_| ()).is_ok());
}

#[test]
fn a_user_certificate_outside_the_rules_is_refused() {
    refused(user(|d| d.serial = 0), "without a serial");
    refused(user(|d| d.valid_before = NOW + 8 * 3600 + 1), "life");
    refused(user(|d| d.valid_before = d.valid_after), "life");
    refused(user(|d| d.valid_before = u64::MAX), "wraps");
    refused(user(|d| d.principal = String::new()), "principal");
    refused(user(|d| d.principal = "a,b".into()), "principal");
    refused(user(|d| d.principal = "a\nb".into()), "principal");
    refused(user(|d| d.key_id = "a\nb".into()), "key id");
    refused(user(|d| d.key_id = "\u{1b}[31m".into()), "key id");
    refused(user(|d| drop(d.extensions.insert("permit-agent-forwarding".into(), String::new()))), "extension");
    refused(user(|d| drop(d.extensions.insert(IDENTITY_EXTENSION.into(), "x".repeat(9000)))), "8 KiB");
}

#[test]
fn a_target_certificate_outside_the_rules_is_refused() {
    refused(target(|d| d.valid_before = NOW + 121), "life");
    refused(target(|d| d.login = "root,deploy".into()), "principal");
    refused(target(|d| d.force_command = Some("a\0b".into())), "forced command");
    refused(target(|d| d.force_command = Some("x".repeat(FORCE_COMMAND_LIMIT_BYTES + 1))), "forced command");
    assert!(target(|d| d.force_command = Some("x".repeat(FORCE_COMMAND_LIMIT_BYTES))).is_ok());
}

#[test]
fn a_host_certificate_outside_the_rules_is_refused() {
    refused(host(|d| d.names.clear()), "without names");
    refused(host(|d| d.names.push("*.internal".into())), "wildcard");
    refused(host(|d| d.valid_before = NOW + 24 * 3600 + 1), "life");
    assert!(host(|d| (d.host, d.valid_before) = (Host::Bastion, NOW + 90 * 24 * 3600)).is_ok());
    refused(host(|d| (d.host, d.valid_before) = (Host::Bastion, NOW + 90 * 24 * 3600 + 1)), "life");
}

#[test]
fn keys_read_back_as_they_were_made_and_are_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    let made = Signer::create(&keys).unwrap();
    let read = Signer::open(&keys).unwrap();
    assert_eq!(made.user_ca(), read.user_ca());
    assert_eq!(made.log_key(), read.log_key());
    assert_eq!(made.sign_note(b"note\n"), read.sign_note(b"note\n"));
    let mode = |name: &str| fs::metadata(keys.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("user_ca"), mode("user_ca.pub")), (0o600, 0o644));
    assert!(matches!(Signer::create(&keys), Err(Error::Exists { .. })));
}

#[test]
fn authorities_are_made_on_p_256_and_ones_of_ed25519_are_read_too() {
    let of = |signer: &Signer| {
        let keys = [signer.user_ca(), signer.target_ca(), signer.host_ca()];
        keys.map(|key| key.algorithm().to_string())
    };
    assert_eq!(of(&Signer::in_memory().unwrap()), ["ecdsa-sha2-nistp256"; 3]);
    let dir = tempfile::tempdir().unwrap();
    let earlier = || new_key("").unwrap();
    let keys = files::Lasting {
        user_ca: earlier(),
        target_ca: earlier(),
        host_ca: earlier(),
        ..files::Lasting::new().unwrap()
    };
    files::write(dir.path(), &keys).unwrap();
    let signer = Signer::open(dir.path()).unwrap();
    assert_eq!(of(&signer), ["ssh-ed25519"; 3]);
    let log = new_authority("").unwrap().to_openssh(Default::default()).unwrap();
    fs::write(dir.path().join("log"), log.as_bytes()).unwrap();
    assert_eq!(Signer::open(dir.path()).unwrap_err().to_string(), "log must be an Ed25519 key");
}

#[test]
fn a_key_file_that_others_could_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    Signer::create(&keys).unwrap();
    fs::set_permissions(keys.join("target_ca"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = Signer::open(&keys).unwrap_err();
    assert!(matches!(&error, Error::Rights { mode: 0o640, .. }), "{error}");
    fs::remove_file(keys.join("target_ca")).unwrap();
    std::os::unix::fs::symlink(keys.join("user_ca"), keys.join("target_ca")).unwrap();
    assert!(matches!(Signer::open(&keys), Err(Error::Io { .. })), "a link is not followed");
}

#[test]
fn a_folder_that_others_could_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    Signer::create(&keys).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o770)).unwrap();
    assert!(matches!(Signer::open(&keys), Err(Error::Rights { .. })));
}

#[test]
fn a_signature_over_a_note_verifies_with_the_public_key() {
    let signer = Signer::in_memory().unwrap();
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, signer.log_key());
    key.verify(b"note\n", &signer.sign_note(b"note\n")).unwrap();
}
