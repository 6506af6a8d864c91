//! Health and metrics for operators.

mod api;
mod config;
mod health;
mod log_level;
mod server;

pub use api::{Api, ApiAnswer};
pub use config::AdminConfig;
pub use health::{Check, Health};
pub use server::Admin;
