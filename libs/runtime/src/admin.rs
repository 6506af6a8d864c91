//! Health and metrics for operators.

mod config;
mod health;
mod server;

pub use config::AdminConfig;
pub use health::{Check, Health};
pub use server::Admin;
