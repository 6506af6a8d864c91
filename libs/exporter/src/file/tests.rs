use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use wholetrace_proto::otlp::{ResourceSpans, ScopeSpans, Span, TracesData};

use super::*;

fn settings(path: &Path) -> FileSettings {
    FileSettings {
        name: "file".to_owned(),
        path: path.to_owned(),
        append: true,
        create_directory: false,
        rotation: RotationSettings {
            max_bytes: 1 << 20,
            max_days: 0,
            max_backups: 100,
            localtime: false,
        },
    }
}

fn piece(name: &str) -> Bytes {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: name.to_owned(),
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    TracesData { resource_spans }.encode_to_vec().into()
}

fn batch(names: &[&str]) -> Batch {
    Batch::new(names.iter().map(|name| piece(name)).collect(), names.len() as u64)
}

/// The names of the spans in a file of lines, in order.
fn names(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let line = |line: &str| {
        let traces: serde_json::Value = serde_json::from_str(line).unwrap();
        let span = &traces["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        span["name"].as_str().unwrap().to_owned()
    };
    text.lines().map(line).collect()
}

#[tokio::test]
async fn each_piece_is_a_line_and_a_restart_goes_on_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    for _ in 0..2 {
        let exporter = FileExporter::open(settings(&path)).unwrap();
        assert_eq!(exporter.export(batch(&["a", "b"])).await, Ok(Accepted::default()));
    }
    assert_eq!(names(&path), ["a", "b", "a", "b"]);
}

#[tokio::test]
async fn without_append_a_restart_empties_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    let settings = FileSettings { append: false, ..settings(&path) };
    for name in ["a", "b"] {
        let exporter = FileExporter::open(settings.clone()).unwrap();
        exporter.export(batch(&[name])).await.unwrap();
    }
    assert_eq!(names(&path), ["b"]);
}

#[tokio::test]
async fn a_torn_line_is_cut_off_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    let whole = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"a\"}]}]}]}\n";
    for (before, kept) in [
        (format!("{whole}{{\"resourceSpans"), vec!["a", "b"]),
        (format!("{whole}{{\"resourceSpans\":{}", "x".repeat(200_000)), vec!["a", "b"]),
        (format!("{{\"resourceSpans\":{}", "x".repeat(200_000)), vec!["b"]),
        (format!("{whole}{{"), vec!["a", "b"]),
        (whole.to_owned(), vec!["a", "b"]),
        (String::new(), vec!["b"]),
    ] {
        fs::write(&path, before).unwrap();
        let exporter = FileExporter::open(settings(&path)).unwrap();
        exporter.export(batch(&["b"])).await.unwrap();
        assert_eq!(names(&path), kept);
    }
}

#[tokio::test]
async fn what_is_not_ours_is_not_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "first\nsecond").unwrap();
    let exporter = FileExporter::open(settings(&path)).unwrap();
    exporter.export(batch(&["a"])).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("first\nsecond\n{\"resourceSpans\":"), "{text}");
    assert!(text.ends_with('\n'));
}

#[tokio::test]
async fn a_full_file_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    let mut settings = settings(&path);
    settings.rotation.max_bytes = 300;
    settings.rotation.max_backups = 2;
    let exporter = FileExporter::open(settings).unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        // One of them is two thirds of a file.
        let piece = format!("{name}{}", " ".repeat(100));
        exporter.export(batch(&[&piece])).await.unwrap();
    }
    assert_eq!(names(&path)[0].trim(), "e");
    let mut backups = rotation::backups(&path).unwrap();
    backups.sort();
    let kept: Vec<_> = backups.iter().map(|(_, path)| names(path)[0].trim().to_owned()).collect();
    assert_eq!(kept, ["c", "d"]);
}

#[tokio::test]
async fn a_full_disk_is_tried_again() {
    let exporter = FileExporter::open(settings(Path::new("/dev/full"))).unwrap();
    let answer = exporter.export(batch(&["a"])).await;
    assert!(
        matches!(&answer, Err(ExportError::Retryable { message, .. })
            if message.starts_with("`/dev/full` cannot be written: No space left")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn spans_that_do_not_decode_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    let exporter = FileExporter::open(settings(&path)).unwrap();
    let bad = Batch::new(vec![piece("a"), Bytes::from_static(b"\x0a\xff")], 2);
    assert!(matches!(exporter.export(bad).await, Err(ExportError::Rejected { .. })));
    let alone = Batch::new(vec![Bytes::from_static(b"\x0a\xff")], 1);
    assert!(matches!(exporter.export(alone).await, Err(ExportError::Permanent { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn folders_are_made_if_so_configured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/traces.json");
    let error = FileExporter::open(settings(&path)).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    FileExporter::open(FileSettings { create_directory: true, ..settings(&path) }).unwrap();
    assert!(path.is_file());
}

/// A file that others move, delete or replace is not written to any more, and one that they change is
/// gone on with where it ends.
#[tokio::test]
async fn what_others_do_to_the_file_is_seen_before_anything_counts() {
    /// What is done, what then stands at the path, and what was moved elsewhere.
    type Row<'a> = (&'a str, fn(&Path, &Path), &'a [&'a str], Option<&'a [&'a str]>);
    let rows: [Row<'_>; 6] = [
        ("moved", |path, aside| fs::rename(path, aside).unwrap(), &["b"], Some(&["a"])),
        ("deleted", |path, _| fs::remove_file(path).unwrap(), &["b"], None),
        (
            "replaced",
            |path, aside| {
                fs::rename(path, aside).unwrap();
                fs::copy(aside, path).unwrap();
            },
            &["a", "b"],
            Some(&["a"]),
        ),
        (
            "emptied",
            |path, _| drop(File::options().write(true).truncate(true).open(path).unwrap()),
            &["b"],
            None,
        ),
        (
            "added to",
            |path, _| {
                let text = fs::read(path).unwrap();
                let mut file = File::options().append(true).open(path).unwrap();
                file.write_all(&text).unwrap();
                file.write_all(b"{\"resourceSpans").unwrap();
            },
            &["a", "a", "b"],
            None,
        ),
        (
            "in a folder that is another one",
            |path, _| {
                let folder = path.parent().unwrap();
                fs::rename(folder, folder.with_extension("old")).unwrap();
                fs::create_dir(folder).unwrap();
            },
            &["b"],
            None,
        ),
    ];
    for (what, change, expected, aside) in rows {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub").join("traces.json");
        let moved = folder.path().join("aside.json");
        let exporter =
            FileExporter::open(FileSettings { create_directory: true, ..settings(&path) }).unwrap();
        exporter.export(batch(&["a"])).await.unwrap();
        change(&path, &moved);
        exporter.export(batch(&["b"])).await.unwrap();
        assert_eq!(names(&path), expected, "{what}");
        if let Some(aside) = aside {
            assert_eq!(names(&moved), aside, "{what}");
        }
        exporter.export(batch(&["c"])).await.unwrap();
        assert_eq!(names(&path).last().unwrap(), "c", "{what}");
    }
}

/// A file that fails is opened again: what stands at its path may be on another disk.
#[tokio::test]
async fn a_file_that_fails_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    let exporter = FileExporter::open(settings(&path)).unwrap();
    exporter.export(batch(&["a"])).await.unwrap();
    // A handle that takes nothing, on a file that does.
    exporter.lines.lock().unwrap().file = File::open(&path).unwrap();
    let failed = exporter.export(batch(&["b"])).await.unwrap_err();
    assert!(failed.is_retryable(), "{failed}");
    exporter.export(batch(&["b"])).await.unwrap();
    assert_eq!(names(&path), ["a", "b"]);
}

/// Pipes and links to them are never renamed, however much goes through them; of a link to a file the
/// file is put aside.
#[tokio::test]
async fn only_files_are_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link.json"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("pipe", &link).unwrap();
    let small = |path: &Path| {
        let mut settings = settings(path);
        settings.rotation.max_bytes = 1;
        FileExporter::open(settings).unwrap()
    };
    for path in [&pipe, &link] {
        let exporter = small(path);
        for name in ["a", "b", "c"] {
            exporter.export(batch(&[name])).await.unwrap();
        }
    }
    let mut listed: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    listed.sort();
    assert_eq!(listed, ["link.json", "pipe"]);

    fs::remove_file(&link).unwrap();
    let file = folder.path().join("file.json");
    std::os::unix::fs::symlink("file.json", &link).unwrap();
    let exporter = small(&link);
    exporter.export(batch(&["a"])).await.unwrap();
    exporter.export(batch(&["b"])).await.unwrap();
    assert_eq!(names(&file), ["b"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(rotation::backups(&file).unwrap().len(), 1);
    // What it is for this process only stays where it is.
    assert_eq!(rotation::target_of(Path::new("/dev/stdout")).unwrap(), None);
    assert_eq!(rotation::target_of(Path::new("/dev/null")).unwrap(), None);
    std::os::unix::fs::symlink("/dev/stderr", folder.path().join("far")).unwrap();
    assert_eq!(rotation::target_of(&folder.path().join("far")).unwrap(), None);
}

/// After a rotation that failed half-way nothing stands at the path: it goes on as soon as a file can
/// be made there.
#[tokio::test]
async fn a_rotation_that_failed_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub").join("traces.json");
    let mut settings = FileSettings { create_directory: true, ..settings(&path) };
    settings.rotation.max_bytes = 1;
    let exporter = FileExporter::open(settings).unwrap();
    exporter.export(batch(&["a"])).await.unwrap();
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    for _ in 0..2 {
        let failed = exporter.export(batch(&["b"])).await.unwrap_err();
        assert!(failed.is_retryable(), "{failed}");
    }
    fs::create_dir(path.parent().unwrap()).unwrap();
    exporter.export(batch(&["b"])).await.unwrap();
    assert_eq!(names(&path), ["b"]);
}

/// A disk with so much room, which may not be able to cut files off.
struct Disk {
    bytes: Vec<u8>,
    room: usize,
    cuts: bool,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.room - self.bytes.len());
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Storage for Disk {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        if !self.cuts {
            return Err(io::ErrorKind::Other.into());
        }
        self.bytes.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    /// However much room there is at each moment, the disk holds what was acknowledged, and
    /// nothing else.
    #[test]
    fn prop_a_full_disk_tears_no_line(
        writes in proptest::collection::vec((1usize..40, 0usize..60, any::<bool>()), 1..30),
    ) {
        let mut disk = Disk { bytes: Vec::new(), room: 0, cuts: true };
        let mut acknowledged = Vec::new();
        for (len, more_room, cuts) in writes {
            disk.cuts = cuts;
            disk.room = disk.bytes.len() + more_room;
            let text = vec![b'x'; len];
            let before = acknowledged.len() as u64;
            match append_whole(&mut disk, before, &text) {
                Ok(()) => acknowledged.extend_from_slice(&text),
                Err(torn) if torn.is_left => {
                    // Whoever opens the file again cuts it off.
                    prop_assert!(!cuts);
                    disk.bytes.truncate(acknowledged.len());
                }
                Err(_) => {}
            }
            prop_assert_eq!(&disk.bytes, &acknowledged);
        }
    }
}
