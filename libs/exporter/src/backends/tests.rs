use std::{io, net::Ipv4Addr};

use futures_util::future::BoxFuture;

use super::*;
use crate::{
    contract::{Accepted, Exporter},
    grpc::GrpcSettings,
    options::Compression,
    otlp_grpc::OtlpGrpc,
    proxy::Proxies,
    testing::{Backend, batch, grpc_reply},
    transport::{Transport, TransportSettings},
};

/// A name whose addresses change.
#[derive(Default)]
struct Changing(Mutex<Vec<IpAddr>>);

impl Changing {
    fn set(&self, hosts: &[u8]) {
        let address = |host: &u8| IpAddr::V4(Ipv4Addr::new(127, 0, 0, *host));
        *self.0.lock().unwrap() = hosts.iter().map(address).collect();
    }
}

impl Names for Changing {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        assert_eq!(host, "backends.test");
        let found = self.0.lock().unwrap().clone();
        Box::pin(
            async move { if found.is_empty() { Err(io::Error::other("away")) } else { Ok(found) } },
        )
    }
}

async fn backend(host: u8, port: u16) -> io::Result<Backend> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), port)).await?;
    Ok(Backend::start_with(listener, None, |_| {
        Box::pin(std::future::ready(grpc_reply(b"", &[("grpc-status", "0")])))
    }))
}

/// Backends on the same port of 127.0.0.1, 127.0.0.2 and 127.0.0.3.
async fn three() -> [Backend; 3] {
    loop {
        let first = backend(1, 0).await.unwrap();
        let port = first.address.port();
        if let (Ok(second), Ok(third)) = (backend(2, port).await, backend(3, port).await) {
            return [first, second, third];
        }
    }
}

fn exporter(names: &Arc<Changing>, port: u16) -> OtlpGrpc {
    let transport = Transport::new(TransportSettings {
        tls: None,
        proxies: Proxies::of_environment(|_| None, true),
        balance: Balance::RoundRobin(Arc::clone(names) as Arc<dyn Names>),
        http2_only: true,
        connect_timeout: Duration::from_secs(10),
        keepalive: None,
    });
    let settings = GrpcSettings {
        name: "otlp".to_owned(),
        endpoint: format!("http://backends.test:{port}").parse().unwrap(),
        headers: http::HeaderMap::new(),
        compression: Compression::None,
        timeout: Duration::from_secs(60),
    };
    OtlpGrpc::new(settings, transport).unwrap()
}

#[tokio::test]
async fn requests_go_to_all_addresses_in_turn_and_around_one_that_is_away() {
    let [first, second, third] = three().await;
    let (names, port) = (Arc::new(Changing::default()), first.address.port());
    let exporter = exporter(&names, port);
    let send = async |count: usize| {
        for _ in 0..count {
            assert_eq!(exporter.export(batch()).await, Ok(Accepted::default()));
        }
    };
    assert!(exporter.export(batch()).await.is_err());
    names.set(&[1, 2]);
    send(10).await;
    assert_eq!((first.seen().len(), second.seen().len(), third.seen().len()), (5, 5, 0));
    assert_eq!((first.connections(), second.connections()), (1, 1));

    // A backend that dies with its connection may fail the request that is on its way there; what
    // comes after goes around it.
    drop(second);
    names.set(&[1, 2, 3]);
    while exporter.export(batch()).await.is_err() {}
    let before = first.seen().len();
    send(4).await;
    assert_eq!(first.seen().len() + third.seen().len(), before + 4);
}

/// What was added gets its share, what was taken away gets nothing more.
#[tokio::test(start_paused = true)]
async fn the_name_is_resolved_again() {
    let names = Arc::new(Changing::default());
    let connector = Connector::new(
        hyper_util::client::legacy::connect::HttpConnector::new(),
        Arc::new(Proxies::of_environment(|_| None, true)),
        None,
    );
    let builder = Client::builder(hyper_util::rt::TokioExecutor::new());
    let balance = Balance::RoundRobin(Arc::clone(&names) as Arc<dyn Names>);
    let backends = Backends::new(builder, connector, balance);
    let uri = "http://backends.test:1".parse().unwrap();
    let hosts = async || {
        let choices = backends.choices(&uri).await.unwrap();
        let mut hosts: Vec<_> =
            choices.iter().filter_map(|choice| Some(choice.address?.to_string())).collect();
        hosts.sort();
        hosts.join(" ")
    };
    names.set(&[1, 2]);
    assert_eq!(hosts().await, "127.0.0.1 127.0.0.2");
    names.set(&[2, 3]);
    assert_eq!(hosts().await, "127.0.0.1 127.0.0.2");
    tokio::time::advance(RESOLVE_EVERY).await;
    assert_eq!(hosts().await, "127.0.0.2 127.0.0.3");
    // A name server that is away takes nobody away.
    names.set(&[]);
    tokio::time::advance(RESOLVE_EVERY).await;
    assert_eq!(hosts().await, "127.0.0.2 127.0.0.3");
    // One that fails comes last, and the name is looked up again soon.
    names.set(&[2, 3, 4]);
    {
        let mut choices = backends.choices(&uri).await.unwrap();
        choices[0].answered(false);
    }
    for _ in 0..3 {
        let choices = backends.choices(&uri).await.unwrap();
        assert_eq!(choices.len(), 2);
    }
    tokio::time::advance(RESOLVE_AGAIN).await;
    assert_eq!(hosts().await, "127.0.0.2 127.0.0.3 127.0.0.4");
}
