//! Certificates as nobody's rules would have them, by whatever key.

use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::{Certificate, PrivateKey};

pub struct Forge {
    pub serial: u64,
    pub kind: CertType,
    pub principals: Vec<String>,
    pub after: u64,
    pub before: u64,
    pub options: Vec<(&'static str, &'static str)>,
    pub extensions: Vec<(&'static str, &'static str)>,
    pub key_id: String,
}

impl Forge {
    /// Like the one that was issued.
    pub fn like(certificate: &Certificate) -> Self {
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

    pub fn sign(self, key: &PrivateKey, authority: &PrivateKey) -> Certificate {
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
