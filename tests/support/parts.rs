//! The real parts: whether they stand, and where.

use std::{
    io::Write as _,
    net::{TcpListener, UdpSocket},
    ops::Range,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

/// The folder of the parts, whichever package of the workspace the test is of.
pub(crate) fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = own.map(|folder| folder.join("tests/parts"));
    folders.find(|parts| parts.is_dir()).expect("the workspace has the parts")
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
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
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
    tell_at_the_end(said.trim());
    false
}

/// Has one line told, when this process has ended, of all that was skipped.
///
/// The harness of the tests shows what a test prints only when it fails, and ends the process
/// without asking anybody. So a shell waits for its standard input to end, and then says it.
fn tell_at_the_end(skipped: &str) {
    static TELLER: Mutex<Option<ChildStdin>> = Mutex::new(None);
    const TELL: &str = r#"skipped=$(sort -u | sed 's/^skipped //' | paste -sd ';' | sed 's/;/; /g')
        echo "tests were skipped for want of: $skipped" >&2"#;
    let mut teller = TELLER.lock().unwrap_or_else(PoisonError::into_inner);
    if teller.is_none() {
        let mut shell = Command::new("bash");
        let shell = shell.args(["-c", TELL]).stdin(Stdio::piped()).stdout(Stdio::null());
        *teller = shell.spawn().expect("bash runs").stdin;
    }
    let told = teller.as_mut().map(|teller| writeln!(teller, "{skipped}"));
    assert!(told.is_some_and(|told| told.is_ok()), "the shell waits for what is skipped");
}

/// A port on loopback, for connections or datagrams, that nobody had a moment ago, and that nobody
/// is given before it is used.
///
/// Not one of those that the system hands out (from 32768): a connection of another test could
/// take it before the process that it is for, or while that one is being restarted. Nor one of
/// the brokers' (`tests/parts/kafka/cluster`, below 26000), of `benches/` (26xxx and 27xxx) or of
/// `tests/deploy` (below 20000). Each process of tests begins somewhere else and goes round.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    static FIRST: LazyLock<u16> = LazyLock::new(|| fastrand::u16(..PORTS.end - PORTS.start));
    let is_free = |port: &u16| {
        let address = ("127.0.0.1", *port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    let mut ports = PORTS.map(|_| {
        let number = TAKEN.fetch_add(1, Ordering::Relaxed).wrapping_add(*FIRST);
        PORTS.start + number % (PORTS.end - PORTS.start)
    });
    ports.find(is_free).expect("loopback has ports")
}

const PORTS: Range<u16> = 28_000..32_768;
