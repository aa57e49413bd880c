//! From ID token to certificate.
//!
//! Pure parts first; the exchange itself is `login`.

pub mod certificate;
pub mod profile;
pub mod proof;
pub mod reason;
pub mod token;
