//! Places that a model names: paths in the workspace, branches, revisions. Checked and brought to one form, so that
//! policy and approvals see what will be touched. The jail checks paths again, against symbolic links too.

use super::BadCall;

/// Longest path in bytes.
const PATH_MAX: usize = 1_000;
/// Longest branch name or revision in bytes.
const REF_MAX: usize = 200;

/// A file: relative to the workspace, never the root itself.
pub(super) fn file(field: &str, raw: &str) -> Result<String, BadCall> {
    let path = relative(field, raw)?;
    if path.is_empty() || raw.ends_with('/') {
        return Err(BadCall(format!(
            "`{field}` is the folder `{}`; expected a file",
            shown(raw)
        )));
    }
    Ok(path)
}

/// A file that is going to be changed. What git keeps for itself is not the agent's to write: hooks and configuration
/// there would run on the next git command.
pub(super) fn writable_file(field: &str, raw: &str) -> Result<String, BadCall> {
    let path = file(field, raw)?;
    if path
        .split('/')
        .any(|part| part.eq_ignore_ascii_case(".git"))
    {
        return Err(BadCall(format!(
            "`{field}` is inside `.git`, which only git writes"
        )));
    }
    Ok(path)
}

/// A folder, or a file where both will do; the root when absent.
pub(super) fn folder(field: &str, raw: Option<&str>) -> Result<String, BadCall> {
    raw.map_or(Ok(String::new()), |raw| relative(field, raw))
}

fn relative(field: &str, raw: &str) -> Result<String, BadCall> {
    let refuse = |why: &str| Err(BadCall(format!("`{field}` is `{}`: {why}", shown(raw))));
    if raw.len() > PATH_MAX {
        return refuse("longer than 1000 bytes");
    }
    if raw.trim().is_empty() {
        return refuse("empty; the root of the workspace is `.`");
    }
    if raw.chars().any(char::is_control) {
        return refuse("a path without control characters is expected");
    }
    let inside = match raw.strip_prefix("/workspace") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
        _ => raw,
    };
    let parts: Vec<&str> = inside
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if inside.starts_with('/') || parts.first() == Some(&"~") {
        return refuse("outside the workspace; give a path relative to it");
    }
    if parts.contains(&"..") {
        return refuse("`..` is not allowed; give a path from the root of the workspace");
    }
    Ok(parts.join("/"))
}

/// A branch name by git's own rules (`git check-ref-format --branch`).
pub(super) fn branch(field: &str, raw: &str) -> Result<String, BadCall> {
    let name = raw.strip_prefix("refs/heads/").unwrap_or(raw);
    let refuse = |why: &str| {
        Err(BadCall(format!(
            "`{field}` is `{}`, which git does not take as a branch name: {why}",
            shown(raw)
        )))
    };
    if name.is_empty() || name.len() > REF_MAX {
        return refuse("expected 1 to 200 bytes");
    }
    if name
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
    {
        return refuse("no spaces, control characters or any of ~ ^ : ? * [ \\");
    }
    if name.contains("..") || name.contains("@{") || name.contains("//") {
        return refuse("no `..`, `@{` or `//`");
    }
    if name.starts_with(['-', '/']) || name.ends_with(['/', '.']) || name == "@" || name == "HEAD" {
        return refuse("it must not begin with - or /, end with / or ., or be @ or HEAD");
    }
    if name
        .split('/')
        .any(|part| part.starts_with('.') || part.ends_with(".lock"))
    {
        return refuse("no part may begin with a dot or end with .lock");
    }
    Ok(name.to_owned())
}

/// A revision such as `HEAD~1`, a branch or a commit; never an option.
pub(super) fn revision(field: &str, raw: &str) -> Result<String, BadCall> {
    let fine = !raw.is_empty()
        && raw.len() <= REF_MAX
        && !raw.starts_with('-')
        && !raw.chars().any(|c| c.is_control() || c.is_whitespace());
    if fine {
        Ok(raw.to_owned())
    } else {
        Err(BadCall(format!(
            "`{field}` is `{}`; expected one revision such as HEAD~1, a branch or a commit",
            shown(raw)
        )))
    }
}

/// A glob such as `src/**/*.py`.
pub(super) fn glob(field: &str, raw: Option<&str>) -> Result<Option<String>, BadCall> {
    let Some(raw) = raw.filter(|raw| !raw.is_empty()) else {
        return Ok(None);
    };
    if raw.len() > PATH_MAX {
        return Err(BadCall(format!("`{field}` is longer than 1000 bytes")));
    }
    match globset::Glob::new(raw) {
        Ok(_) => Ok(Some(raw.to_owned())),
        Err(error) => Err(BadCall(format!(
            "`{field}` is `{}`, which is not a glob: {}; an example: src/**/*.py",
            shown(raw),
            error.kind()
        ))),
    }
}

fn shown(raw: &str) -> String {
    raw.chars()
        .take(80)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_has_one_form() {
        for raw in [
            "src/a.py",
            "./src/a.py",
            "/workspace/src/a.py",
            "src//./a.py",
            "/workspace//src/a.py",
        ] {
            assert_eq!(file("path", raw).unwrap(), "src/a.py", "{raw}");
        }
        for raw in [".", "./", "/workspace", "/workspace/"] {
            assert_eq!(folder("path", Some(raw)).unwrap(), "", "{raw}");
        }
        assert_eq!(folder("path", None).unwrap(), "");
        assert_eq!(file("path", "..a/b..").unwrap(), "..a/b..");
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for raw in [
            "",
            " ",
            "..",
            "a/../b",
            "../x",
            "/etc/passwd",
            "/workspacex/a",
            "/workspace/../etc",
            "~/x",
            "./~",
            "/workspace/~/x",
            "a\0b",
            "a\nb",
            "a/",
            ".",
        ] {
            assert!(file("path", raw).is_err(), "{raw:?}");
        }
        assert!(file("path", &"a".repeat(1_001)).is_err());
        assert!(file("path", &"a".repeat(1_000)).is_ok());
        for raw in [".git/config", "sub/.git/hooks/pre-commit", ".GIT/config"] {
            assert!(writable_file("path", raw).is_err(), "{raw}");
        }
        assert!(writable_file("path", ".gitignore").is_ok());
    }

    #[test]
    fn branch_names_follow_git() {
        for good in ["main", "fix/leap-year", "v1.2", "ümlaut", "a@b"] {
            assert_eq!(branch("name", good).unwrap(), good);
        }
        assert_eq!(branch("name", "refs/heads/x").unwrap(), "x");
        for bad in [
            "", "-d", "a b", "a..b", "a~1", "x.lock", "a/.b", "/a", "a/", "a.", "@", "a@{1}",
            "HEAD", "a//b", "a\\b", "a:b", "x\0",
        ] {
            assert!(branch("name", bad).is_err(), "{bad:?}");
        }
        assert!(
            revision("against", "--output=x").is_err() && revision("against", "HEAD~1").is_ok()
        );
    }

    #[test]
    fn globs_are_checked() {
        assert_eq!(
            glob("glob", Some("**/*.rs")).unwrap().as_deref(),
            Some("**/*.rs")
        );
        assert_eq!(glob("glob", Some("")).unwrap(), None);
        assert!(
            glob("glob", Some("[a"))
                .unwrap_err()
                .0
                .contains("not a glob")
        );
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_workspace(raw in "[a./~\\x00\\-]{0,24}|/workspace/[a./]{0,12}") {
            if let Ok(path) = file("path", &raw) {
                prop_assert!(!path.is_empty() && !path.starts_with('/'));
                prop_assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
                prop_assert_eq!(file("path", &path).unwrap(), path, "normalising twice changes nothing");
            }
        }
    }
}
