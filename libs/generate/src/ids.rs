//! Trace ids that somebody has chosen.

use std::path::Path;

use anyhow::Context as _;

/// The ids in a file, a line each.
///
/// # Errors
/// When the file cannot be read, or a line is no id, or there is none.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<[u8; 16]>> {
    let named = || format!("--ids `{}`", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    let id = |(number, line): (usize, &str)| {
        let id = Some(line).filter(|line| line.len() == 32 && !line.starts_with('+'));
        let id = id.and_then(|line| u128::from_str_radix(line, 16).ok()).filter(|id| *id != 0);
        let id = id.with_context(|| {
            let wanted = "32 hexadecimal digits, not all of them zeros, are wanted";
            format!("{}: line {number} is `{line}`, which is no trace id: {wanted}", named())
        })?;
        Ok(id.to_be_bytes())
    };
    let ids = (1..).zip(text.lines().map(str::trim)).map(id).collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(!ids.is_empty(), "{}: there is no id in it", named());
    Ok(ids)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_is_an_id() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ids");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("the file");
            super::read(&path).map_err(|error| format!("{error:#}"))
        };
        let (one, other) = ("00000000000000000000000000000001", "000102030405060708090a0b0c0d0e0f");
        let ids = read(&format!("{one}\n{other}\n")).expect("ids");
        assert_eq!(ids, [1_u128.to_be_bytes(), std::array::from_fn(|at| at as u8)]);
        for (wrong, said) in [
            ("", "there is no id in it"),
            (&format!("{one}\n\n") as &str, "line 2 is ``"),
            ("xyz", "line 1 is `xyz`, which is no trace id"),
            ("00000000000000000000000000000000", "not all of them zeros"),
            ("+0000000000000000000000000000001", "no trace id"),
        ] {
            let error = read(wrong).expect_err("it is wrong");
            assert!(error.contains(said) && error.contains("--ids"), "{error}");
        }
    }
}
