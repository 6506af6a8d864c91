//! HTTP/1.1 and HTTP/2, with and without TLS: the same for every receiver that listens.

pub(crate) mod activity;
pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod cors;
pub(crate) mod open_files;
pub(crate) mod server;
