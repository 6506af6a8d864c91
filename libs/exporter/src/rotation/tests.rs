use super::*;

fn settings() -> RotationSettings {
    RotationSettings { max_bytes: 1, max_days: 0, max_backups: 0, localtime: false }
}

fn listed(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn backups_have_the_time_in_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    fs::write(&path, "x").unwrap();
    rotate(&path, &settings()).unwrap();
    let names = listed(folder.path());
    // As in `traces-2026-01-02T03-04-05.678.json`.
    let shape: String =
        names[0].chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
    assert_eq!(shape, "traces-0000-00-00T00-00-00.000.json");
    assert_eq!(backups(&path).unwrap().len(), 1);
}

#[test]
fn files_filled_within_a_millisecond_get_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces");
    for _ in 0..20 {
        fs::write(&path, "x").unwrap();
        rotate(&path, &settings()).unwrap();
    }
    assert_eq!(backups(&path).unwrap().len(), 20);
}

#[test]
fn old_backups_are_deleted_and_other_files_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    let others = ["traces-notes.json", "traces-2001-01-01T00-00-00.000.txt", "a-traces.json"];
    for name in others.into_iter().chain(["traces-2001-01-01T00-00-00.000.json", "traces.json"]) {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    rotate(&path, &RotationSettings { max_days: 30, ..settings() }).unwrap();
    let names = listed(folder.path());
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(others.iter().all(|other| names.contains(&(*other).to_owned())));
    assert_eq!(backups(&path).unwrap().len(), 1);
}
