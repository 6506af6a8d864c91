//! The real parts: whether they stand, and where.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
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

/// A port on loopback that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    listener.local_addr().expect("a bound address").port()
}
