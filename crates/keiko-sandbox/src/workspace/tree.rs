//! States of the workspace: recording one, going back to one, comparing two. All of it inside the jail, with an index
//! and objects that the agent's own git never sees.

use super::inside::{on_state, succeeded, text};
use super::{Meta, Place};
use crate::jail::Jail;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::{TextReport, TreeId};

/// Stages everything. A repository inside the workspace is left out: git could only record its commit.
const STAGE: &str = r#"
stage() {
    rm -f "$GIT_DIR/index.lock"
    git add -A --ignore-errors . 2>/tmp/stage && return
    { printf '.\0'; find . -mindepth 2 -name .git -prune -printf ':(exclude,top,literal)%P\0' | sed -z 's,/\.git$,,'; } |
        git add -A --ignore-errors --pathspec-from-file=- --pathspec-file-nul 2>>/tmp/stage || cat /tmp/stage >&2
}
"#;

/// The tree of the workspace as it is now.
pub(crate) async fn record(jail: &Jail, place: &Place) -> Result<TreeId, Fault> {
    let script = format!("{STAGE} stage; git write-tree");
    let out = on_state(jail, place, false, &script, &[]).await?;
    tree_id(&succeeded("recording the workspace", &out)?)
}

/// Puts the files back. New files go, ignored ones stay. What a changed `.gitignore` hid only shows once the old one is
/// back, hence the second round.
pub(crate) async fn restore(jail: &Jail, place: &Place, tree: &TreeId) -> Result<TreeId, Fault> {
    check(tree)?;
    let script = format!(
        r#"{STAGE}
git cat-file -e "$1^{{tree}}" || exit 3
for round in 1 2 3; do
    stage
    [ "$(git write-tree)" = "$1" ] && break
    git read-tree --reset -u "$1" || exit 4
done
git write-tree"#
    );
    let out = on_state(jail, place, true, &script, &[&tree.0]).await?;
    let after = tree_id(&succeeded("restoring the workspace", &out)?)?;
    if after == *tree {
        return Ok(after);
    }
    Err(Fault::new(Code(5121), "the workspace could not be put back to the recorded state")
        .at(&tree.0)
        .hint("something in it resists: keiko runs diff"))
}

/// The difference of two trees, or of one and the workspace.
pub(crate) async fn diff(jail: &Jail, place: &Place, from: &TreeId, to: Option<&TreeId>, cap: usize) -> Result<TextReport, Fault> {
    check(from)?;
    if let Some(to) = to {
        check(to)?;
    }
    let script = format!(
        r#"{STAGE}
to=$2
[ -n "$to" ] || {{ stage; to=$(git write-tree); }}
git diff --no-color --no-ext-diff --no-textconv --no-renames "$1" "$to""#
    );
    let out = on_state(jail, place, false, &script, &[&from.0, to.map_or("", |t| &t.0)]).await?;
    if out.end != keiko_contracts::jail::End::Exit(0) {
        succeeded("comparing", &out)?;
    }
    Ok(cut(text(&out.stdout), cap, out.stdout.omitted > 0))
}

/// A text as a report, cut at a line.
pub(crate) fn cut(text: String, cap: usize, cut_already: bool) -> TextReport {
    let total = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    if text.len() <= cap {
        return TextReport { text: text.into(), total, truncated: cut_already };
    }
    let mut end = cap;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').map_or(end, |n| n + 1);
    TextReport { text: text[..end].to_owned().into(), total, truncated: true }
}

fn tree_id(out: &[u8]) -> Result<TreeId, Fault> {
    let tree = TreeId(String::from_utf8_lossy(out).trim().to_owned());
    check(&tree)?;
    Ok(tree)
}

fn check(tree: &TreeId) -> Result<(), Fault> {
    if is_object_id(&tree.0) {
        Ok(())
    } else {
        Err(Fault::new(Code(5122), "this is not the id of a tree").at(tree.0.chars().take(80).collect::<String>()))
    }
}

/// Forty or sixty-four hexadecimal digits.
pub(crate) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl Meta {
    /// The tree that the run began with.
    pub(crate) fn first_tree(&self) -> &TreeId {
        &self.opened.tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_ids_are_nothing_else() {
        assert!(is_object_id(&"0a".repeat(20)) && is_object_id(&"0a".repeat(32)));
        for bad in ["", "HEAD", "--all", &"0A".repeat(20), &"g0".repeat(20)] {
            assert!(!is_object_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_cut_ends_at_a_line() {
        let report = cut("ab\ncdü\nef\n".into(), 8, false);
        assert_eq!((report.text.text_or_empty(), report.total, report.truncated), ("ab\ncdü\n", 3, true));
        let report = cut("üü".into(), 3, false);
        assert_eq!(report.text.text_or_empty(), "ü");
    }
}
