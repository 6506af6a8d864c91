//! What the same request takes in a Collector, whose receivers the program in `benches/receivers`
//! drives.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// CPU seconds per million spans: to receive them, and to write them as OTLP besides.
pub(crate) fn measure(program: &Path, protocol: &str, time: Duration, request: &[u8]) -> [f64; 2] {
    let mut child = Command::new(program)
        .arg(protocol)
        .arg(time.as_secs_f64().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program that `benches/receive` builds");
    let length = u32::try_from(request.len()).expect("some 100 KiB").to_le_bytes();
    // It answers when it has read all.
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&length).and_then(|()| stdin.write_all(request)).expect("it reads all");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the Collector's program: {}", output.status);
    let line = String::from_utf8(output.stdout).expect("numbers");
    let numbers: Vec<f64> =
        line.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    // A nanosecond each is a millisecond for a million.
    <[f64; 2]>::try_from(numbers).expect("two numbers").map(|nanoseconds| nanoseconds / 1e3)
}
