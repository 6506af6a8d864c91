//! Records that were damaged on a broker's disk.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
};

use super::{
    fleet::{Fleet, Layout},
    kafka::{AWAY, Kafka},
    load::{Load, RATE, Scale},
    oracle::{self, Sent, judge},
    process::{Process, wait_until},
    steady::{WATCHFUL, sampling},
};

const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
/// The partition that is damaged.
const PARTITION: u64 = 3;
/// A batch on the disk: its first offset, the length of what follows these two, and its records
/// behind a header of so many bytes in all.
const LENGTH_AT: u64 = 12;
const HEADER: u64 = 61;

/// The end of the damaged partition.
fn end(kafka: &Kafka, topic: &str) -> u64 {
    let said = kafka.tool(OFFSETS, &["--topic-partitions", &format!("{topic}:{PARTITION}")]);
    let end = said.lines().find_map(|line| line.strip_prefix(&format!("{topic}:{PARTITION}:")));
    end.expect("the partition has an end").parse().expect("an offset")
}

/// Flips a bit in the middle of the first batch at or behind `offset`.
fn damage(kafka: &Kafka, topic: &str, offset: u64) -> PathBuf {
    let name = format!("n1/data/{topic}-{PARTITION}/00000000000000000000.log");
    let path = kafka.folder().join(name);
    let mut file = File::options().read(true).write(true).open(&path).expect("the segment");
    let length = file.metadata().expect("its size").len();
    let mut at = 0;
    loop {
        assert!(at < length, "{} has no batch at {offset} or behind", path.display());
        file.seek(SeekFrom::Start(at)).expect("a batch");
        let mut head = [0; 12];
        file.read_exact(&mut head).expect("the head of a batch");
        let (first, size) = head.split_at(8);
        let first = u64::from_be_bytes(first.try_into().expect("eight bytes"));
        let size = u64::from(u32::from_be_bytes(size.try_into().expect("four bytes")));
        if first >= offset {
            let middle = at + HEADER + (LENGTH_AT + size - HEADER) / 2;
            file.seek(SeekFrom::Start(middle)).expect("within the batch");
            let mut byte = [0];
            file.read_exact(&mut byte).expect("a byte of it");
            file.seek(SeekFrom::Start(middle)).expect("the same byte");
            file.write_all(&[byte[0] ^ 0x10]).expect("the disk fails");
            return path;
        }
        at += LENGTH_AT + size;
    }
}

/// Scenario: a bit flips in a batch of spans on the disk of the only broker that has it, before the
/// samplers have come to it.
///
/// Guarantees: the samplers go on, none ends (I8); the batch is one gap: counted, told with its
/// place, and in the dead letters (I7); everything else arrives whole (I1, I2).
#[test]
fn a_damaged_record_is_a_gap_of_one_record() {
    let Some(kafka) = Kafka::start(&["--nodes", "1"]) else { return };
    let scale = Scale::of_this_run();
    let settings = format!("{WATCHFUL}    replication_factor: 1\n    min_insync_replicas: 1\n");
    let rest = sampling("3s");
    let layout = Layout { kafka: &settings, rest: &rest, ..Layout::of(&kafka.brokers) };
    let mut fleet = Fleet::new(&layout);
    fleet.create_topics();
    fleet.start(1, 0);
    fleet.expect(AWAY);
    fleet.expect(&[("that cannot be read", "the record that the scenario damages")]);
    let (topic, folder) = (format!("{}-spans", fleet.name), fleet.folder.path().to_owned());
    let options = ["--slow", "0", "--errors", "0", "--late", "0"];
    let send = |fleet: &Fleet, name: &str, traces: u64| {
        Load::named(name, fleet, scale, (traces, RATE), &options).finish()
    };

    let mut sent = send(&fleet, "before", 3_000);
    let from = end(&kafka, &topic);
    // So many that the partition has some which must be kept.
    let victims = send(&fleet, "victims", 1_000);
    let to = end(&kafka, &topic);
    assert!(from < to, "nothing went to partition {PARTITION}");
    sent.extend(send(&fleet, "behind", 3_000));
    // In order, or the broker would look for damage when it starts.
    kafka.node("stop", "1");
    let path = damage(&kafka, &topic, from);
    kafka.node("restart", "1");

    for _ in 0..2 {
        let number = fleet.add_sampler("");
        fleet.samplers[number].spawn();
    }
    fleet.samplers.iter_mut().for_each(Process::wait_ready);
    let kept = |sent: &[Sent]| judge(sent, &oracle::arrived(&folder, "kept"));
    let all = victims.len();
    let lossy = |sent: Vec<Sent>| sent.into_iter().map(Sent::that_may_be_lost);
    // The first sampler may meet it and hand the partition on before it has committed.
    let gaps = |fleet: &Fleet| -> Vec<f64> {
        let gaps = |sampler: &Process| {
            sampler.metric_with("wholetrace_sampler_gaps_total", "reason=\"damaged\"")
        };
        fleet.samplers.iter().map(gaps).collect()
    };
    wait_until("the gap is counted", || gaps(&fleet).contains(&1.0));
    // All that is not in the damaged batch.
    let missing = {
        let mut last = usize::MAX;
        wait_until("what is left of the victims arrives", || {
            std::thread::sleep(std::time::Duration::from_secs(5));
            let now = kept(&victims).wrong.iter().filter(|line| line.contains("missing")).count();
            let same = now == last;
            last = now;
            same
        });
        last
    };
    let must_be_kept = victims.iter().filter(|trace| trace.must_be_kept()).count();
    println!("{missing} of {must_be_kept} kept traces of {all} lost spans with the damaged batch");
    assert!(missing < must_be_kept, "more was lost than one batch of one partition");
    sent.extend(lossy(victims));
    sent.extend(send(&fleet, "after", 3_000));
    oracle::must_arrive(&sent, &folder);

    let gaps = gaps(&fleet);
    assert!(gaps.contains(&1.0) && gaps.iter().all(|gaps| *gaps <= 1.0), "one gap: {gaps:?}");
    let unreadable = |sampler: &Process| {
        sampler.metric_with("wholetrace_sampler_dead_letters_total", "reason=\"unreadable\"")
    };
    let unreadable: Vec<f64> = fleet.samplers.iter().map(unreadable).collect();
    assert_eq!(unreadable, gaps, "one dead letter for each");
    let dead_letters: u64 = (0..8)
        .map(|partition| {
            let dead_letters = format!("n1/data/{}-dead-letters-{partition}", fleet.name);
            let segment = kafka.folder().join(dead_letters).join("00000000000000000000.log");
            fs::metadata(segment).map_or(0, |file| file.len())
        })
        .sum();
    assert!(dead_letters > 0, "the dead letters are empty");
    let place = format!("{from}");
    let told = |sampler: &Process| {
        let said = sampler.output();
        said.lines().any(|line| line.contains("ERROR") && line.contains(&place))
    };
    assert!(fleet.samplers.iter().any(told), "nobody was told of {from} in {}", path.display());
    for sampler in &mut fleet.samplers {
        assert!(sampler.stop().success(), "{}", sampler.output());
    }
}
