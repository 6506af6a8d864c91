//! HTTP/1.1 and HTTP/2, with and without TLS: the same for every receiver that listens.

pub(crate) mod activity;
pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod cors;
pub(crate) mod grpc;
pub(crate) mod health;
pub(crate) mod media;
pub(crate) mod open_files;
pub(crate) mod route;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod stack;
