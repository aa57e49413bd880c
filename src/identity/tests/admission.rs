//! Certificates that are shown: ours, other people's, and ones that only look like ours.

use std::os::unix::fs::PermissionsExt as _;

use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::certificate::{Builder, CertType};

use super::*;
use crate::domain::loan::Loans;

/// Certificates as nobody's rules would have them, by whatever key.
struct Forge {
    serial: u64,
    kind: CertType,
    key_id: String,
    principals: Vec<String>,
    after: u64,
    before: u64,
    options: Vec<(&'static str, &'static str)>,
    extensions: Vec<(&'static str, &'static str)>,
}

impl Forge {
    /// Like the one that was issued.
    fn like(issued: &Issued) -> Self {
        let certificate = &issued.certificate;
        Self {
            serial: certificate.serial(),
            kind: CertType::User,
            key_id: certificate.key_id().to_owned(),
            principals: certificate.valid_principals().to_vec(),
            after: certificate.valid_after(),
            before: certificate.valid_before(),
            options: Vec::new(),
            extensions: vec![("permit-pty", "")],
        }
    }

    fn sign(self, key: &PrivateKey, authority: &PrivateKey) -> Certificate {
        let key = key.public_key().key_data().clone();
        let mut builder = Builder::new([0; 16], key, self.after, self.before).unwrap();
        builder.serial(self.serial).unwrap().cert_type(self.kind).unwrap().key_id(self.key_id).unwrap();
        if self.principals.is_empty() {
            builder.all_principals_valid().unwrap();
        }
        for principal in self.principals {
            builder.valid_principal(principal).unwrap();
        }
        for (name, value) in self.options {
            builder.critical_option(name, value).unwrap();
        }
        for (name, value) in self.extensions {
            builder.extension(name, value).unwrap();
        }
        builder.sign(authority).unwrap()
    }
}

/// What is said of a certificate by our own authority that differs in one thing from a good one.
async fn said(change: impl FnOnce(&mut Forge)) -> Result<Caller, Refusal> {
    let house = House::new("generic").await;
    let key = key();
    let mut forge = Forge::like(&house.login(&key).await);
    change(&mut forge);
    house.identities.admit(&forge.sign(&key, &house.user_ca), source()).await
}

#[tokio::test]
async fn a_certificate_that_differs_in_one_thing_has_its_own_reason() {
    assert!(said(|_| ()).await.is_ok());
    let refusal = async |change: fn(&mut Forge)| said(change).await.unwrap_err();
    assert_eq!(refusal(|c| c.kind = CertType::Host).await, Refusal::Kind);
    assert_eq!(refusal(|c| c.before = NOW.secs().cast_unsigned()).await, Refusal::Validity);
    assert_eq!(refusal(|c| c.after = NOW.secs().cast_unsigned() + 1).await, Refusal::Validity);
    assert_eq!(refusal(|c| c.before = u64::MAX).await, Refusal::Validity);
    assert_eq!(refusal(|c| c.principals.clear()).await, Refusal::NoPrincipals);
    assert_eq!(refusal(|c| c.principals = vec!["corp/cm9vdA".into()]).await, Refusal::Principal);
    assert_eq!(refusal(|c| c.principals.push("corp/cm9vdA".into())).await, Refusal::Principal);
    assert_eq!(refusal(|c| c.options.push(("verify-required", ""))).await, Refusal::Option);
    assert_eq!(refusal(|c| c.options.push(("force-command", "id"))).await, Refusal::ForceCommand);
    assert_eq!(refusal(|c| c.options.push(("source-address", "10.0.0.0/8"))).await, Refusal::Source);
    assert!(said(|c| c.options.push(("source-address", "203.0.113.0/24"))).await.is_ok());
    assert_eq!(refusal(|c| c.extensions.push(("permit-agent-forwarding", ""))).await, Refusal::Extension);
    assert_eq!(refusal(|c| c.serial = 2).await, Refusal::UnknownSerial);
    assert_eq!(refusal(|c| c.key_id.push('x')).await, Refusal::Mismatch);
    assert_eq!(refusal(|c| c.before += 1).await, Refusal::Mismatch);
}

#[tokio::test]
async fn a_certificate_by_another_authority_is_refused() {
    let house = House::new("generic").await;
    let key = key();
    let issued = house.login(&key).await;
    let own = Forge::like(&issued).sign(&key, &super::key());
    assert_eq!(house.identities.admit(&own, source()).await, Err(Refusal::Authority));
    let other_key = Forge::like(&issued).sign(&super::key(), &house.user_ca);
    assert_eq!(house.identities.admit(&other_key, source()).await, Err(Refusal::Mismatch));
}

#[tokio::test]
async fn a_changed_byte_or_a_reserved_field_is_refused() {
    let house = House::new("generic").await;
    let key = key();
    let issued = house.login(&key).await;
    let bytes = issued.certificate.to_bytes().unwrap();
    // The serial lies behind the algorithm, the nonce and the key.
    let at = 4 + 32 + 4 + 32 + 4 + 32 + 7;
    let mut changed = bytes.clone();
    assert_eq!(changed[at], 1);
    changed[at] = 9;
    let changed = Certificate::from_bytes(&changed).unwrap();
    assert_eq!(house.identities.admit(&changed, source()).await, Err(Refusal::Signature));

    // `reserved` with a byte in it, signed by our own authority.
    let authority = issued.certificate.signature_key().encoded_len().unwrap();
    let last = 4 + issued.certificate.signature().encoded_len().unwrap();
    let tail = 4 + authority + last;
    let mut body = bytes[..bytes.len() - tail - 4].to_vec();
    body.extend_from_slice(&[0, 0, 0, 1, b'x']);
    body.extend_from_slice(&bytes[bytes.len() - tail..bytes.len() - last]);
    let signature = russh::keys::signature::Signer::try_sign(&house.user_ca, &body).unwrap();
    let signature: Vec<u8> = signature.encode_vec().unwrap();
    body.extend_from_slice(&u32::try_from(signature.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&signature);
    let reserved = Certificate::from_bytes(&body).unwrap();
    reserved.verify_signature().unwrap();
    assert_eq!(house.identities.admit(&reserved, source()).await, Err(Refusal::Reserved));
}

#[tokio::test]
async fn a_connection_opens_no_channel_after_its_certificates_end() {
    let house = House::new("generic").await;
    let issued = house.login(&key()).await;
    let caller = house.identities.admit(&issued.certificate, source()).await.unwrap();
    house.clock.set(issued.valid_before.minus(Duration::from_secs(1)));
    assert_eq!(house.identities.still_good(&caller).await, Ok(()));
    house.clock.set(issued.valid_before);
    assert_eq!(house.identities.still_good(&caller).await, Err(Refusal::Ended));
    assert_eq!(house.identities.admit(&issued.certificate, source()).await, Err(Refusal::Validity));
}

#[tokio::test]
async fn what_signs_in_at_a_target_is_in_the_ledger_before_it_exists() {
    let house = House::new("generic").await;
    let issued = house.login(&key()).await;
    let caller = house.identities.admit(&issued.certificate, source()).await.unwrap();
    let login = Login::parse("deploy").unwrap();
    let session = SessionId::from_parts(NOW, 1);
    let place = TargetRef {
        name: "db1".into(),
        host: "10.0.3.4:22".into(),
        login: "deploy".into(),
        host_key: Some("SHA256:x".into()),
        labels: BTreeMap::new(),
    };
    let ask = TargetAsk {
        caller: &caller,
        session,
        channel: 0,
        place,
        login: &login,
        source: "10.0.0.1".parse().unwrap(),
        pty: true,
        forward: false,
        lent: Loans::default(),
        key_file: None,
        force_command: None,
    };
    let credential = house.identities.target_credential(ask.clone()).await.unwrap();
    let Credential::Certificate(key, certificate) = credential else { panic!("a certificate") };
    assert_eq!(certificate.public_key(), key.public_key().key_data());
    assert_eq!((certificate.serial(), certificate.valid_principals()), (2, ["deploy".to_owned()].as_slice()));
    assert_eq!(certificate.key_id(), format!("sp1:{session}:alice%40example.com"));
    let entries = house.entries().await;
    let [.., issued, opens] = entries.as_slice() else { panic!("two records") };
    assert_eq!((issued.kind(), opens.kind()), ("cert.issued", "upstream.open"));
    assert_eq!((issued.session(), opens.session()), (Some(session), Some(session)));
    assert_eq!((issued.body().number("serial"), opens.body().number("serial")), (Some(2), Some(2)));
    // A target certificate does not open the bastion.
    assert_eq!(house.identities.admit(&certificate, source()).await, Err(Refusal::Authority));

    // A target without certificates: its own key, the record before it, and no serial spent.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let lasting = signer::new_key("").unwrap();
    std::fs::write(&path, lasting.to_openssh(LineEnding::LF).unwrap()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let with_key = TargetAsk { key_file: Some(&path), ..ask.clone() };
    let credential = house.identities.target_credential(with_key.clone()).await.unwrap();
    assert_eq!(credential.serial(), None);
    assert!(matches!(&credential, Credential::Key(key) if key.public_key() == lasting.public_key()));
    let entries = house.entries().await;
    let last = entries.last().unwrap();
    assert_eq!((last.kind(), last.session(), last.body().number("serial")), ("upstream.open", Some(session), None));
    assert_eq!(last.body().flag("key_file"), Some(true));
    let next = house.identities.target_credential(ask).await.unwrap();
    assert_eq!(next.serial(), Some(3));

    // One that others could read signs nobody in, and nothing says that it did.
    let before = house.entries().await.len();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(house.identities.target_credential(with_key).await, Err(Error::Signer(_))));
    assert_eq!(house.entries().await.len(), before);
}

#[tokio::test]
async fn the_bastions_host_certificate_names_exactly_it() {
    let house = House::new("generic").await;
    let life = Duration::from_secs(90 * 24 * 3600);
    let certificate = house.identities.bastion_certificate(vec![BASTION.into()], life).await.unwrap();
    assert_eq!(certificate.cert_type(), russh::keys::ssh_key::certificate::CertType::Host);
    assert_eq!(certificate.valid_principals(), [BASTION]);
    assert_eq!(house.kinds().await, ["cert.issued success"]);
    assert!(house.identities.bastion_certificate(Vec::new(), life).await.is_err(), "never for any host");
}
