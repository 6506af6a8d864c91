//! The real parts: whether they stand, and where.

use std::{
    net::TcpListener,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

/// The folder of the parts.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts")
}

/// What the parts were built to.
pub(crate) fn built(path: &str) -> PathBuf {
    folder().join(".build").join(path)
}

/// Whether `part` stands, after installing it if need be.
///
/// # Panics
/// With `CI=true`, when it does not.
pub(crate) fn stands(part: &str) -> bool {
    // One at a time: two builds would share a folder.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let output = Command::new("bash")
        .arg(folder().join("install.sh"))
        .arg(part)
        .output()
        .expect("bash runs the installer");
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains(&format!("ready {part}")) {
        return true;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "CI says by this variable that nothing may be skipped"
    )]
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!strict, "CI needs every part: {said}{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{}", said.trim());
    false
}

/// A port on loopback that nobody had a moment ago, and that nobody is given before it is used.
///
/// Not one of those that the system hands out (from 32768): a connection of another test could
/// take it before the process that it is for, or while that one is being restarted. Nor one of
/// the brokers' (`tests/parts/kafka/cluster`, below 26000), of `benches/` (26xxx and 27xxx) or of
/// `tests/deploy` (below 20000). Each process of tests begins somewhere else and goes round.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    static FIRST: LazyLock<u16> = LazyLock::new(|| fastrand::u16(..PORTS.end - PORTS.start));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut ports = PORTS.map(|_| {
        let number = TAKEN.fetch_add(1, Ordering::Relaxed).wrapping_add(*FIRST);
        PORTS.start + number % (PORTS.end - PORTS.start)
    });
    ports.find(is_free).expect("loopback has ports")
}

const PORTS: Range<u16> = 28_000..32_768;
