//! Asks a running process at its admin listener.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use wholetrace_proto::id::TraceId;

/// How long the process may take: some questions may be before this one.
const WITHIN: Duration = Duration::from_secs(60);

/// Bytes of an answer that are read: many times as many as there can be.
const MOST: u64 = 16 << 20;

/// What the process with the admin listener `address` says of a trace.
///
/// # Errors
/// When it does not answer, or with something else.
pub(super) async fn decisions(address: &str, id: TraceId) -> anyhow::Result<Value> {
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let asked = timeout(WITHIN, get(address, &format!("/api/decisions/{id}"))).await;
    let answer = asked.with_context(|| format!("`{address}` did not answer in time"))??;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    let said = serde_json::from_str::<Value>(body).unwrap_or_default();
    if said.get("verdict").is_some() {
        return Ok(said);
    }
    match said.get("error").and_then(Value::as_str) {
        Some(reason) => bail!("`{address}` answered: {reason}"),
        None => bail!(
            "`{address}` answered with status `{status}`: it must be the `admin.endpoint` of a \
             process of this version"
        ),
    }
}

/// The answer as it comes: in HTTP/1.0 it ends with the connection.
async fn get(address: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let connected = TcpStream::connect(address).await;
    let mut stream = connected.with_context(|| {
        format!("nobody listens at `{address}`: name the `admin.endpoint` of a process that runs")
    })?;
    let request =
        format!("GET {path} HTTP/1.0\r\nhost: {address}\r\naccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answered(answer: &'static str) -> anyhow::Result<Value> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        };
        let (asked, answer) = tokio::join!(serve, decisions(&address, TraceId([1; 16])));
        assert!(
            asked.starts_with("GET /api/decisions/01010101010101010101010101010101 "),
            "{asked}"
        );
        answer
    }

    #[tokio::test]
    async fn a_process_is_asked() {
        let known = "HTTP/1.0 404 Not Found\r\n\r\n{\"verdict\":\"unknown\"}";
        assert_eq!(answered(known).await.unwrap()["verdict"], "unknown");
        let busy = "HTTP/1.0 503 Busy\r\n\r\n{\"error\":\"ask again\"}";
        assert!(answered(busy).await.unwrap_err().to_string().ends_with("answered: ask again"));
        let other = answered("HTTP/1.0 404 Not Found\r\n\r\nnothing").await.unwrap_err();
        assert!(other.to_string().contains("status `404`"), "{other}");
    }
}
