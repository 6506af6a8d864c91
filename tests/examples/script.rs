//! The commands in the comment at the beginning of an example.

use std::{fs, path::Path};

/// The commands of the file, each on one line, without the comments behind them.
pub(crate) fn commands(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).expect("the example");
    let comment = text.lines().take_while(|line| line.starts_with('#'));
    let mut commands: Vec<String> = Vec::new();
    let mut continued = false;
    for line in comment {
        let Some(line) = line.strip_prefix("#   ") else { continue };
        let line = line.split(" # ").next().unwrap_or(line).trim();
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let (part, goes_on) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match commands.last_mut().filter(|_| continued) {
            Some(command) => *command = format!("{command} {}", part.trim()),
            None => commands.push(part.trim().to_owned()),
        }
        continued = goes_on;
    }
    assert!(!commands.is_empty(), "{file} says how it is used");
    commands
}

#[test]
fn commands_are_found() {
    let [jaeger, standalone, generate] = &commands("examples/jaeger.yaml")[..] else { panic!() };
    assert!(
        jaeger.starts_with("jaeger --set ") && jaeger.ends_with("=127.0.0.1:14318"),
        "{jaeger}"
    );
    assert_eq!(standalone, "wholetrace standalone --config examples/jaeger.yaml");
    assert!(generate.starts_with("wholetrace generate"), "{generate}");
    assert_eq!(commands("examples/cluster/run")[0], "examples/cluster/run start");
    assert_eq!(commands("examples/cluster/cluster.yaml").len(), 3);
}
