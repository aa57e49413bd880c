//! From ID token to certificate.
//!
//! Pure parts first; the exchange itself is `login`.

pub mod certificate;
#[cfg(test)]
pub(crate) mod fixture;
pub mod profile;
pub mod proof;
pub mod provider;
pub mod reason;
pub mod token;
