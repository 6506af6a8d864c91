//! Certificates and keys, configured with the Collector's keys (`configtls`).

mod client;
mod error;
mod expiry;
mod files;
mod marks;
mod pinned;
mod reload;
mod server;

pub use client::ClientTlsConfig;
pub use error::TlsError;
pub use expiry::tell_expiration;
pub use marks::FileMarks;
pub use reload::Reloading;
pub use server::ServerTlsConfig;

#[cfg(test)]
mod tests;
