//! The admin listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{
    admin::{
        api::{Api, ApiAnswer},
        config::AdminConfig,
        health::Health,
        log_level,
    },
    listen::{self, BindError},
    metrics::Recorder,
    shutdown::Shutdown,
};

/// Connections at a time; more wait in the system's queue.
const CONNECTIONS: usize = 64;

/// Time for a request's head: a client that says nothing does not keep its place.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a connection: scrapers come back.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);

/// What `GET /` says.
const INDEX: &str = "wholetrace\n\n\
    /metrics  metrics in the Prometheus text format\n\
    /livez    answers while the process lives\n\
    /readyz   200 when the process can do what others ask of it, else 503 and why not;\n    \
              ?verbose lists all checks, those that it can be ready without, too\n\
    /log_level  how much it says on standard error; POST log_level=debug changes it\n";

/// The admin listener, bound.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    api: Option<Arc<dyn Api>>,
}

#[derive(Clone)]
struct Sources {
    health: Health,
    recorder: Recorder,
    api: Option<Arc<dyn Api>>,
}

impl Admin {
    /// Listens where `config` says.
    ///
    /// # Errors
    /// When the endpoint is not to be had.
    pub async fn bind(config: &AdminConfig) -> Result<Self, BindError> {
        let listener = listen::bind("admin.endpoint", &config.endpoint).await?;
        let address = listener.local_addr().map_err(|error| BindError {
            setting: "admin.endpoint".to_owned(),
            endpoint: config.endpoint.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self { listener, address, api: None })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// The same, which answers what is asked for below `/api/` as well.
    #[must_use]
    pub fn with_api(self, api: Arc<dyn Api>) -> Self {
        Self { api: Some(api), ..self }
    }

    /// Answers until the shutdown is requested.
    pub async fn run(self, health: Health, recorder: Recorder, shutdown: Shutdown) {
        let service =
            TowerToHyperService::new(routes(Sources { health, recorder, api: self.api.clone() }));
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accept = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = shutdown.requested() => return,
                accepted = accept => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most often out of file descriptors: a loop would only burn time.
                    tracing::warn!(%error, "accept an admin connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let serving = http.serve_connection(TokioIo::new(stream), service.clone());
            let stop = shutdown.clone();
            tokio::spawn(async move {
                let _place = place;
                // What goes wrong on a connection is the client's affair.
                let bounded = tokio::time::timeout(CONNECTION_TIMEOUT, serving);
                tokio::select! {
                    () = stop.requested() => {}
                    _ = bounded => {}
                }
            });
        }
    }
}

fn routes(sources: Sources) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/api/{*path}", get(api))
        .merge(log_level::routes())
        .with_state(sources)
}

async fn index(State(sources): State<Sources>) -> String {
    format!("{INDEX}{}", sources.api.map_or("", |api| api.index()))
}

async fn api(State(sources): State<Sources>, uri: Uri) -> impl IntoResponse {
    let Some(api) = sources.api else { return StatusCode::NOT_FOUND.into_response() };
    let path = uri.path().trim_start_matches("/api/").to_owned();
    let query = uri.query().unwrap_or_default().to_owned();
    let ApiAnswer { status, body } = api.get(path, query).await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(sources): State<Sources>) -> impl IntoResponse {
    let format = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (format, sources.recorder.render())
}

async fn ready(State(sources): State<Sources>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let ready = sources.health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose = query.is_some_and(|query| {
        query.split('&').any(|pair| pair.split('=').next() == Some("verbose"))
    });
    // Probes that pass need no more.
    (status, if ready && !verbose { "ok\n".to_owned() } else { sources.health.report() })
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    struct Echo;

    impl Api for Echo {
        fn get(
            &self,
            path: String,
            query: String,
        ) -> futures_util::future::BoxFuture<'_, ApiAnswer> {
            Box::pin(async move { ApiAnswer { status: 404, body: format!("[{path}, {query}]") } })
        }

        fn index(&self) -> &'static str {
            "/api/echo  says what was asked\n"
        }
    }

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn operators_are_told_how_it_is() {
        let recorder = crate::metrics::install(&[crate::metrics::TABLE]).unwrap();
        let config = AdminConfig { endpoint: "127.0.0.1:0".to_owned() };
        let admin = Admin::bind(&config).await.unwrap().with_api(Arc::new(Echo));
        let address = admin.local_address();
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let (gateway, log) = (health.require("gateway"), health.observe("log"));
        let running = tokio::spawn(admin.run(health, recorder, shutdown.clone()));

        assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200"));
        let answer = ask(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("[-]gateway failed: starting"), "{answer}");
        gateway.pass();
        log.fail("no broker is connected");
        let answer = ask(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
        for verbose in ["/readyz?verbose", "/readyz?verbose=1", "/readyz?x&verbose"] {
            let answer = ask(address, verbose).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("[+]gateway ok\n"), "{answer}");
            assert!(answer.contains("[-]log failed: no broker is connected\n"), "{answer}");
        }
        crate::metrics::started("1.2.3");
        let answer = ask(address, "/metrics").await;
        assert!(answer.contains(r#"wholetrace_process_build_info{version="1.2.3"} 1"#), "{answer}");
        for (check, passes) in [("gateway", 1), ("log", 0)] {
            let line = format!(r#"wholetrace_process_check_passes{{check="{check}"}} {passes}"#);
            assert!(answer.contains(&line), "{line}: {answer}");
        }
        assert!(answer.contains("process_start_time_seconds 1"), "{answer}");
        let answer = ask(address, "/api/echo/1%2F?a=b&c").await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
        assert!(answer.ends_with("[echo/1%2F, a=b&c]"), "{answer}");
        let answer = ask(address, "/").await;
        assert!(answer.contains("/livez") && answer.contains("\n/api/echo  says"), "{answer}");
        assert!(ask(address, "/nothing").await.starts_with("HTTP/1.1 404"));

        shutdown.request();
        running.await.unwrap();
    }
}
