//! Who may send: tokens and rates of tenants, before anything of a body is read.

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_types::StatusExt;
use wholetrace_proto::otlp::{EXPORT_PATH, any_value::Value};
use wholetrace_runtime::grpc::BytesCodec;

use crate::{
    grpc::channel,
    harness::{JSON, PROTOBUF, Running, post, request, span},
};

const REFUSED: &str = "wholetrace_gateway_requests_refused_total";

#[tokio::test]
async fn only_tenants_are_served_and_all_receivers_ask() {
    let gateway = Running::start_for(
        "tenants",
        r#"{"tenants": [{"name": "shop", "tokens": ["the-token-of-the-shop"]}]}"#,
    )
    .await;
    let body = request(vec![span(1, "http")]);
    for token in ["Bearer the-token-of-the-shed", "Basic the-token-of-the-shop"] {
        let headers = [PROTOBUF[0], ("authorization", token)];
        let answer = post(gateway.http(), "/v1/traces", &headers, &body).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("bearer")));
    }
    assert_eq!(post(gateway.http(), "/v1/traces", PROTOBUF, &body).await.status, 401);
    assert_eq!(post(gateway.zipkin(), "/api/v2/spans", JSON, b"[]").await.status, 401);
    let good = [PROTOBUF[0], ("authorization", "Bearer the-token-of-the-shop")];
    assert_eq!(post(gateway.http(), "/v1/traces", &good, &body).await.status, 200);

    let channel = channel(gateway.grpc()).await;
    for (token, code) in [
        (None, Code::Unauthenticated),
        (Some("Bearer nobody's"), Code::Unauthenticated),
        (Some("Bearer the-token-of-the-shop"), Code::Ok),
    ] {
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let mut export = Request::new(Bytes::from(request(vec![span(2, "grpc")])));
        if let Some(token) = token {
            export.metadata_mut().insert("authorization", token.parse().unwrap());
        }
        let answer = client.unary(export, PathAndQuery::from_static(EXPORT_PATH), BytesCodec).await;
        assert_eq!(answer.map_or_else(|status| status.code(), |_| Code::Ok), code, "{token:?}");
    }
    assert_eq!(gateway.names(), ["grpc", "http"]);
    assert_eq!(gateway.count(REFUSED, "unauthenticated"), 6);
    gateway.stop().await;
}

#[tokio::test]
async fn a_tenant_beyond_its_rate_is_told_to_retry() {
    let gateway = Running::start_for(
        "rates",
        r#"{"tenants": [
            {"name": "/rates/a", "tokens": ["the-token-of-the-one"], "bytes_per_second": 1},
            {"name": "/rates/b", "tokens": ["the-token-of-another"]}]}"#,
    )
    .await;
    let one = [PROTOBUF[0], ("authorization", "Bearer the-token-of-the-one")];
    let another = [PROTOBUF[0], ("authorization", "Bearer the-token-of-another")];
    let body = request(vec![span(1, &"x".repeat(100_000))]);
    assert_eq!(post(gateway.http(), "/v1/traces", &one, &body).await.status, 200);
    let answer = post(gateway.http(), "/v1/traces", &one, &body).await;
    assert_eq!(answer.advice(), (429, 1));
    assert_eq!(post(gateway.http(), "/v1/traces", &another, &body).await.status, 200);

    let mut client = tonic::client::Grpc::new(channel(gateway.grpc()).await);
    client.ready().await.unwrap();
    let mut export = Request::new(Bytes::from(body));
    export.metadata_mut().insert("authorization", one[1].1.parse().unwrap());
    let path = PathAndQuery::from_static(EXPORT_PATH);
    let refused = client.unary(export, path, BytesCodec).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.get_details_retry_info().is_some());
    assert_eq!(gateway.count(REFUSED, "tenant_rate"), 2);
    let of_tenant = |metric, tenant: &str| {
        gateway.count(&format!("wholetrace_gateway_tenant_{metric}_total"), tenant)
    };
    assert_eq!(of_tenant("spans", "/rates/a"), 1);
    assert_eq!(of_tenant("spans", "/rates/b"), 1);
    assert!(of_tenant("received_bytes", "/rates/b") > 100_000);
    assert_eq!(of_tenant("requests_refused", "/rates/a"), 2);
    assert_eq!(of_tenant("requests_refused", "/rates/b"), 0);
    gateway.stop().await;
}

/// By whichever receiver the spans come.
#[tokio::test]
async fn resources_tell_of_their_tenants() {
    let gateway = Running::start_for(
        "marks",
        r#"{"tenant_attribute": "tenant", "tenants": [
            {"name": "shop", "tokens": ["the-token-of-the-shop"]},
            {"name": "bank", "tokens": ["the-token-of-the-bank"]}]}"#,
    )
    .await;
    let shop = ("authorization", "Bearer the-token-of-the-shop");
    let body = request(vec![span(1, "http")]);
    let answer = post(gateway.http(), "/v1/traces", &[PROTOBUF[0], shop], &body).await;
    assert_eq!(answer.status, 200);
    let bank = ("authorization", "Bearer the-token-of-the-bank");
    let body = br#"[{"traceId": "01", "id": "02", "name": "zipkin", "timestamp": 1}]"#;
    let answer = post(gateway.zipkin(), "/api/v2/spans", &[JSON[0], bank], body).await;
    assert_eq!(answer.status, 202);
    let mut told: Vec<_> = gateway
        .resources()
        .into_iter()
        .map(|of| {
            let attributes = of.resource.unwrap_or_default().attributes;
            let tenants = attributes.into_iter().filter(|attribute| attribute.key == "tenant");
            let tenants: Vec<_> = tenants.filter_map(|tenant| tenant.value?.value).collect();
            (of.scope_spans[0].spans[0].name.clone(), tenants)
        })
        .collect();
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let text = |name: &str| vec![Value::StringValue(name.to_owned())];
    assert_eq!(told, [("http".to_owned(), text("shop")), ("zipkin".to_owned(), text("bank"))]);
    gateway.stop().await;
}
