//! The log fails or is full: a retryable answer within the append timeout, then all is well again.

use wholetrace_spanlog::{AppendError, Partition, TopicName, memory::AppendFault};

use crate::harness::{PROTOBUF, Running, post, request, span, traces};

#[tokio::test]
async fn what_the_log_refuses_is_answered_as_retryable_with_its_reason() {
    let gateway = Running::start("logfaults", "{}").await;
    for (error, reason, retry) in [
        (AppendError::Full { waiting: 9, limit: 8 }, "log_busy", (429, 1)),
        (AppendError::QuotaReached { used: 9, quota: 8 }, "log_quota", (503, 10)),
        (AppendError::DiskFull, "log_disk", (503, 10)),
        (AppendError::Failed("broken".to_owned()), "log_failed", (503, 5)),
    ] {
        gateway.log.refuse(TopicName::Spans, Some(error.clone()));
        let body = request(vec![span(1, reason)]);
        let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
        assert_eq!(answer.advice(), retry, "{error}");
        let counted = format!("reason=\"{reason}\"");
        let refused = "wholetrace_gateway_requests_refused_total";
        assert_eq!(gateway.count(refused, &counted), 1, "{error}");
        gateway.log.refuse(TopicName::Spans, None);
        let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
        assert_eq!(answer.status, 200, "{error}");
    }
    assert_eq!(gateway.names(), ["log_busy", "log_disk", "log_failed", "log_quota"]);
    gateway.stop().await;
}

/// A frame that fails refuses the requests with spans in it, and only those.
#[tokio::test]
async fn a_failed_frame_refuses_its_own_requests() {
    let gateway = Running::start("logframe", "{}").await;
    gateway.log.plan(TopicName::Spans, &AppendFault::FailBefore, 1);
    let body = request(vec![span(1, "failed")]);
    let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
    assert_eq!(answer.status, 503);
    gateway.post_good("good").await;
    assert_eq!(gateway.names(), ["good"]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_silent_log_is_not_waited_for_longer_than_the_append_timeout() {
    let gateway = Running::start("logsilent", r#"{"append_timeout": "100ms"}"#).await;
    gateway.log.hold(TopicName::Spans);
    let body = request(vec![span(1, "held")]);
    let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
    assert_eq!(answer.advice(), (503, 5));
    gateway.log.resume(TopicName::Spans);
    gateway.post_good("good").await;
    assert!(gateway.names().contains(&"good".to_owned()));
    gateway.stop().await;
}

/// While requests wait for a partition without a leader, those for others are served as ever.
#[tokio::test]
async fn a_stuck_partition_costs_the_others_nothing() {
    let gateway = Running::start("logonestuck", r#"{"append_timeout": "1m"}"#).await;
    let (address, traces) = (gateway.http(), traces());
    gateway.log.stick(TopicName::Spans, Partition(0), true);
    let mut waiting = Vec::new();
    for number in 1..=4 {
        waiting.push(tokio::spawn(async move {
            let body = request(vec![span(traces[0], "stuck")]);
            post(address, "/v1/traces", PROTOBUF, &body).await.status
        }));
        // One after the other, so that they do not share a frame; later ones gather.
        while number <= 2 && gateway.log.waiting(TopicName::Spans) < number {
            tokio::task::yield_now().await;
        }
    }
    for index in 0..30 {
        let body = request(vec![span(traces[1 + index % 3], "well")]);
        assert_eq!(post(address, "/v1/traces", PROTOBUF, &body).await.status, 200);
    }
    assert!(waiting.iter().all(|post| !post.is_finished()), "all were served before");
    gateway.log.stick(TopicName::Spans, Partition(0), false);
    for post in waiting {
        assert_eq!(post.await.unwrap(), 200);
    }
    gateway.stop().await;
}

/// A request with spans for a partition that is known to be stuck is told at once, and nothing of
/// it is written; once the partition answers, all is well again.
#[tokio::test]
async fn what_belongs_to_a_stuck_partition_is_refused_at_once() {
    let gateway = Running::start("logstuck", r#"{"append_timeout": "200ms"}"#).await;
    let (address, traces) = (gateway.http(), traces());
    let refused = |reason: &str| {
        let reason = format!("reason=\"{reason}\"");
        gateway.count("wholetrace_gateway_requests_refused_total", &reason)
    };
    gateway.log.stick(TopicName::Spans, Partition(2), true);
    let body = request(vec![span(traces[2], "first")]);
    let answer = post(address, "/v1/traces", PROTOBUF, &body).await;
    assert_eq!(answer.advice(), (503, 5));
    assert_eq!((refused("log_timeout"), refused("log_stuck")), (1, 0));
    let all = request(traces.map(|trace| span(trace, "all")).into());
    let answer = post(address, "/v1/traces", PROTOBUF, &all).await;
    assert_eq!(answer.advice(), (503, 5));
    assert_eq!((refused("log_timeout"), refused("log_stuck")), (1, 1));
    assert!(gateway.names().is_empty(), "nothing of it was written");
    gateway.log.stick(TopicName::Spans, Partition(2), false);
    let answer = post(address, "/v1/traces", PROTOBUF, &all).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(gateway.names(), ["all", "all", "all", "all", "first"]);
    gateway.stop().await;
}

/// More batches wait than may be on their way: the rest gathers, and all are answered.
#[tokio::test]
async fn requests_gather_while_the_log_is_slow() {
    let gateway = Running::start("loggather", "{}").await;
    gateway.log.hold(TopicName::Spans);
    let address = gateway.http();
    let posts: Vec<_> = (0..40)
        .map(|index| {
            tokio::spawn(async move {
                let body = request(vec![span(1, &format!("span {index:02}"))]);
                post(address, "/v1/traces", PROTOBUF, &body).await.status
            })
        })
        .collect();
    // All of the first batches are held before the log goes on.
    while gateway.log.appended(TopicName::Spans).0 == 0
        && gateway.log.release(TopicName::Spans, 1) == 0
    {
        tokio::task::yield_now().await;
    }
    gateway.log.resume(TopicName::Spans);
    for post in posts {
        assert_eq!(post.await.unwrap(), 200);
    }
    let wanted: Vec<String> = (0..40).map(|index| format!("span {index:02}")).collect();
    assert_eq!(gateway.names(), wanted);
    gateway.stop().await;
}

/// Shutting down: a request that is under way is answered, the log's answer included.
#[tokio::test]
async fn a_drain_answers_what_was_begun() {
    let gateway = Running::start("drain", "{}").await;
    gateway.log.hold(TopicName::Spans);
    let address = gateway.http();
    let begun = tokio::spawn(async move {
        post(address, "/v1/traces", PROTOBUF, &request(vec![span(1, "begun")])).await.status
    });
    while gateway.log.release(TopicName::Spans, 0) == 0
        && gateway.count("wholetrace_gateway_received_bytes_total", "http") == 0
    {
        tokio::task::yield_now().await;
    }
    gateway.shutdown.request();
    gateway.log.resume(TopicName::Spans);
    assert_eq!(begun.await.unwrap(), 200);
    assert_eq!(gateway.names(), ["begun"]);
    gateway.stop().await;
}
