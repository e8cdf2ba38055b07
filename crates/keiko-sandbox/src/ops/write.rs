//! Writing a whole file, at once or not at all.

use super::path::{FILE_BYTES_MAX, Found, Make, RelPath, Root, read_text};
use super::{OpError, Refusal};
use keiko_contracts::digest::Content;
use keiko_contracts::jail::WriteReport;
use keiko_contracts::say;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, openat, renameat, unlinkat};
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

const DIFF_BYTES_MAX: usize = 8 << 10;
/// Mode of a new file before the umask.
const NEW_FILE_MODE: u32 = 0o666;

/// Writes a file, making its folders. A file whose lines all end in CRLF keeps that when the new text has plain line
/// ends: readers are shown lines without carriage returns and cannot know.
///
/// # Errors
/// Refused for git's files, links, folders, text beyond the size limit.
pub(super) fn write(root: &Root, path: &str, text: &Content) -> Result<WriteReport, OpError> {
    let path = RelPath::parse(path)?;
    let text = text.text().ok_or_else(|| OpError::NoText {
        place: path.to_string(),
    })?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Refusal::new(say!(
            "the text for {path} is longer than {n} MiB",
            path,
            n = FILE_BYTES_MAX >> 20
        ))
        .into());
    }
    let (before, mode) = match root.find(&path)? {
        Found::File { file, size, mode } => (
            read_text(&path, file, size)
                .map(|b| String::from_utf8_lossy(&b).into_owned())
                .ok(),
            Some(mode),
        ),
        _ => (None, None),
    };
    let keep_crlf = !text.contains('\r') && before.as_deref().is_some_and(ends_in_crlf);
    let text = if keep_crlf {
        text.replace('\n', "\r\n").into()
    } else {
        std::borrow::Cow::Borrowed(text)
    };
    replace(root, &path, text.as_bytes(), mode, Make::Folders)?;
    Ok(WriteReport {
        path: path.to_string(),
        created: mode.is_none(),
        diff: diff(path.as_str(), before.as_deref().unwrap_or(""), &text).into(),
        matched: keep_crlf.then(|| "kept CRLF line ends".to_owned()),
    })
}

fn ends_in_crlf(text: &str) -> bool {
    let lines = text.matches('\n').count();
    lines > 0 && lines == text.matches("\r\n").count()
}

/// Puts bytes in the place of a file: written beside it, then renamed, so that nobody ever sees half of it. Nothing is
/// flushed to the disk: a workspace is put back to a recorded tree after a crash, not trusted.
///
/// # Errors
/// Refusals of [`Root::folder_of`]; errors of the disk.
pub(super) fn replace(
    root: &Root,
    path: &RelPath,
    bytes: &[u8],
    mode: Option<u32>,
    make: Make,
) -> Result<(), OpError> {
    let (folder, name) = root.folder_of(path, make)?;
    let failed = |error: std::io::Error| OpError::io("write", path, error);
    let mut tag = [0u8; 8];
    getrandom::fill(&mut tag).map_err(|error| failed(std::io::Error::other(error)))?;
    let beside = format!(".keiko-{:016x}", u64::from_le_bytes(tag));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(&folder, &beside, flags, Mode::from_raw_mode(NEW_FILE_MODE))
        .map_err(|errno| failed(errno.into()))?;
    let mut file = File::from(fd);
    let done = file
        .write_all(bytes)
        .and_then(|()| mode.map_or(Ok(()), |mode| Ok(fchmod(&file, Mode::from_raw_mode(mode))?)))
        .and_then(|()| Ok(renameat(&folder, &beside, &folder, name)?));
    done.map_err(|error| {
        // The first error is the one that counts; a file left behind would show in the tree.
        let _ = unlinkat(&folder, &beside, AtFlags::empty());
        failed(error)
    })
}

/// The change as a unified diff, cut at a line.
pub(super) fn diff(path: &str, before: &str, after: &str) -> String {
    let mut config = similar::TextDiff::configure();
    let diff = config
        .timeout(Duration::from_millis(500))
        .diff_lines(before, after);
    let old = if before.is_empty() {
        "/dev/null".to_owned()
    } else {
        format!("a/{path}")
    };
    let text = diff
        .unified_diff()
        .context_radius(3)
        .header(&old, &format!("b/{path}"))
        .to_string();
    if text.len() <= DIFF_BYTES_MAX {
        return text;
    }
    let end = text[..text.floor_char_boundary(DIFF_BYTES_MAX)]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    format!(
        "{}[{} more bytes of the difference]\n",
        &text[..end],
        text.len() - end
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_made_with_its_folders_and_then_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let made = write(&root, "src/new/run.sh", &"echo a\n".into()).unwrap();
        assert!(
            made.created
                && made
                    .diff
                    .text()
                    .unwrap()
                    .contains("+++ b/src/new/run.sh\n@@ -0,0 +1 @@\n+echo a"),
            "{made:?}"
        );
        let at = dir.path().join("src/new/run.sh");
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o751)).unwrap();
        let report = write(&root, "src/new/run.sh", &"echo b\n".into()).unwrap();
        assert!(!report.created && report.diff.text().unwrap().contains("-echo a\n+echo b"));
        assert_eq!(
            std::fs::metadata(&at).unwrap().permissions().mode() & 0o777,
            0o751
        );
        assert_eq!(std::fs::read_to_string(&at).unwrap(), "echo b\n");
        assert_eq!(
            std::fs::read_dir(at.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn crlf_files_stay_crlf() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("w.txt"), "a\r\nb\r\n").unwrap();
        let report = write(&Root::open(dir.path()).unwrap(), "w.txt", &"a\nc\n".into()).unwrap();
        assert_eq!(
            std::fs::read(dir.path().join("w.txt")).unwrap(),
            b"a\r\nc\r\n"
        );
        assert!(report.matched.is_some());
    }

    #[test]
    fn git_and_missing_text_are_not_written() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert!(matches!(
            write(&root, ".git/hooks/pre-commit", &"x".into()),
            Err(OpError::Refused(_))
        ));
        let mut gone = Content::new("x".repeat(1000));
        gone.release();
        assert!(matches!(
            write(&root, "f", &gone),
            Err(OpError::NoText { .. })
        ));
        assert!(!dir.path().join("f").exists());
    }

    #[test]
    fn a_long_difference_is_cut_at_a_line() {
        let after: String = (0..5000).map(|n| format!("line {n} ü\n")).collect();
        let text = diff("f", "", &after);
        assert!(
            text.len() < DIFF_BYTES_MAX + 100 && text.ends_with("more bytes of the difference]\n")
        );
    }
}
