//! Policies with budgets.

use fastrand::Rng;

use super::*;
use crate::testing::compile;

const PARTITIONS: u32 = 4;
const SPANS: u64 = 4;
/// Spans to keep in a second.
const GOAL: u64 = 800;

/// As much of what comes is kept as the budget has room for, over all partitions: through a crash, and
/// after it from the first second on.
#[tokio::test(start_paused = true)]
async fn a_budget_holds_for_all_partitions_through_a_crash() {
    let config = MemoryConfig { partitions: PARTITIONS, ..MemoryConfig::default() };
    let stand = Stand::over(config, 1 << 20);
    let limited = compile(serde_json::json!({
        "decision_wait": "5s",
        "policies": [ { "name": "limited", "type": "rate_limiting",
                        "rate_limiting": { "spans_per_second": GOAL } } ],
    }));
    let start = || {
        let run = stand.start();
        run.policies.replace(Arc::clone(&limited));
        run
    };
    let mut run = start();
    let (writer, mut rng) = (stand.log.log().spans.writer, Rng::with_seed(5));
    for number in 0..20_000_u64 {
        if number == 10_000 {
            run.kill().await;
            run = start();
        }
        let key = rng.u64(..) | 1;
        let span = |at| Span { key, id: number * SPANS + at, ..Span::default() };
        let spans: Vec<Span> = (0..SPANS).map(span).collect();
        let partition = Partition(rng.u32(..PARTITIONS));
        writer.append(partition, Record::spans(0, frame(&spans))).await.unwrap();
        sleep(Duration::from_micros(2_000)).await;
    }
    sleep(Duration::from_secs(10)).await;
    run.stop().await;

    let mut kept = std::collections::BTreeMap::<u64, u64>::new();
    let (mut changes, mut told) = (0, 0);
    for partition in (0..PARTITIONS).map(Partition) {
        let mut decided = std::collections::HashSet::new();
        for record in stand.log.frames(TopicName::Decisions, partition) {
            let batch = DecisionBatch::read(&record.payload).unwrap();
            (changes, told) = (changes + batch.rates().count(), told + batch.demands().count());
            for decision in batch.decisions().filter(|decision| decided.insert(decision.key)) {
                let second = (decision.decided_at_ms - 1_000_000) / 1_000;
                *kept.entry(second).or_default() += if decision.kept { SPANS } else { 0 };
            }
        }
    }
    let exported: std::collections::HashSet<u64> = stand.got().into_iter().collect();
    assert_eq!(exported.len() as u64, kept.values().sum::<u64>());
    let of = |from: u64, seconds: u64| -> u64 {
        kept.range(from..from + seconds).map(|(_, one)| one).sum()
    };
    let last = *kept.keys().last().unwrap();
    let ten: Vec<u64> = (8..last - 10).map(|from| of(from, 10)).collect();
    assert!(ten.iter().all(|kept| *kept < GOAL * 12), "{ten:?}");
    let all = of(8, 30) as f64 / (30 * GOAL) as f64;
    assert!((all - 1.0).abs() < 0.05, "{all}");
    // One of each for a partition and second, at most.
    let most = usize::try_from(u64::from(PARTITIONS) * (last + 10)).unwrap();
    assert!(changes > 0 && changes <= most && told <= most, "{changes} {told} {most}");
}
