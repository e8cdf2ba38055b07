//! Listing files.

use super::path::{Found, RelPath, Root};
use super::walk::{Entry, Glob, walk};
use super::{OpError, Refusal, missing};
use keiko_contracts::jail::TextReport;
use keiko_contracts::say;

/// Entries in one listing.
const LISTED_MAX: usize = 5000;

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The folder, empty for the root.
    pub path: String,
    /// Glob on the path, if any; then only files are listed.
    pub glob: Option<String>,
    /// How deep; 0 is everything.
    pub depth: u32,
    /// How many entries at most; 0 is as many as fit.
    pub limit: u32,
}

/// Lists paths relative to the root, one a line, folders with a trailing `/`, in order. `total` counts what the limit
/// left out too.
///
/// # Errors
/// Refused when there is no such folder or the glob is none.
pub(crate) fn list(root: &Root, listing: &Listing) -> Result<TextReport, OpError> {
    let path = RelPath::parse(&listing.path)?;
    let glob = listing
        .glob
        .as_deref()
        .filter(|glob| !glob.is_empty())
        .map(Glob::parse)
        .transpose()?;
    match root.find(&path)? {
        Found::Folder => {}
        Found::Missing => return Err(missing(root, &path, "")),
        Found::File { .. } | Found::Special(_) => {
            return Err(
                Refusal::new(say!("{path} is not a folder; read it with read_file", path)).into(),
            );
        }
    }
    let depth = if listing.depth == 0 {
        usize::MAX
    } else {
        listing.depth as usize
    };
    let limit = if listing.limit == 0 {
        LISTED_MAX
    } else {
        (listing.limit as usize).min(LISTED_MAX)
    };
    let (mut text, mut total) = (String::new(), 0usize);
    walk(root, &path, &mut |entry: Entry| {
        let wanted = entry.depth <= depth
            && glob
                .as_ref()
                .is_none_or(|glob| !entry.is_folder && glob.matches(&entry.path));
        if wanted {
            total += 1;
            if total <= limit {
                text.push_str(&entry.path);
                text.push_str(if entry.is_folder { "/\n" } else { "\n" });
            }
        }
        true
    });
    Ok(TextReport {
        text: text.into(),
        total: u32::try_from(total).unwrap_or(u32::MAX),
        truncated: total > limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(
        path: &str,
        glob: Option<&str>,
        depth: u32,
        limit: u32,
    ) -> Result<(Vec<String>, u32, bool), String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            (".gitignore", "target/\n*.log\n"),
            (".git/config", ""),
            (".github/ci.yml", ""),
            ("src/a.rs", ""),
            ("src/deep/b.rs", ""),
            ("src/deep/run.log", ""),
            ("target/out.rs", ""),
            ("odd\nname", ""),
        ] {
            let at = dir.path().join(name);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, text).unwrap();
        }
        std::os::unix::fs::symlink("/", dir.path().join("src/root")).unwrap();
        let listing = Listing {
            path: path.into(),
            glob: glob.map(Into::into),
            depth,
            limit,
        };
        let report =
            list(&Root::open(dir.path()).unwrap(), &listing).map_err(|error| error.to_string())?;
        Ok((
            report
                .text
                .text()
                .unwrap()
                .lines()
                .map(Into::into)
                .collect(),
            report.total,
            report.truncated,
        ))
    }

    #[test]
    fn the_listing_is_what_git_sees_in_order() {
        let all = [
            "odd\\nname",
            "src/",
            "src/a.rs",
            "src/deep/",
            "src/deep/b.rs",
            "src/root",
        ];
        let (found, total, truncated) = lines("", None, 0, 0).unwrap();
        assert_eq!(
            found,
            [&[".github/", ".github/ci.yml", ".gitignore"], &all[..]].concat()
        );
        assert_eq!((total, truncated), (9, false));
        assert_eq!(
            lines("src", None, 1, 0).unwrap().0,
            ["src/a.rs", "src/deep/", "src/root"]
        );
        assert_eq!(
            lines("", None, 0, 2).unwrap(),
            (vec![".github/".into(), ".github/ci.yml".into()], 9, true)
        );
    }

    #[test]
    fn globs_mean_names_or_paths() {
        assert_eq!(
            lines("", Some("*.rs"), 0, 0).unwrap().0,
            ["src/a.rs", "src/deep/b.rs"]
        );
        assert_eq!(lines("", Some("src/*.rs"), 0, 0).unwrap().0, ["src/a.rs"]);
        assert!(lines("", Some("[z-a"), 0, 0).unwrap_err().contains("glob"));
    }

    #[test]
    fn an_ignored_folder_is_listed_when_named_and_a_link_is_not_followed() {
        assert_eq!(lines("target", None, 0, 0).unwrap().0, ["target/out.rs"]);
        assert!(lines("src/root", None, 0, 0).is_err());
        assert!(
            lines("nowhere", None, 0, 0)
                .unwrap_err()
                .contains("does not exist")
        );
    }
}
