//! Names of hosts, and what they stand for.

use std::{io, net::IpAddr};

use futures_util::future::BoxFuture;

/// Resolves names.
pub(crate) trait Names: Send + Sync {
    /// All addresses of `host`.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The names that this system knows, by its name servers and files.
pub(crate) struct SystemNames;

impl Names for SystemNames {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
