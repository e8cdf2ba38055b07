//! States of the workspace: recording one, going back to one, comparing two. All of it inside the jail, with an index
//! and objects that the agent's own git never sees.

use super::inside::{on_state, succeeded};
use super::{Meta, Place};
use crate::recording::{BLOCKED, Found, LeftOut, Why};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::{End, TextReport, TreeId};
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_ports::Cancel;
use keiko_sandbox::jail::Jail;
use keiko_sandbox::spec::JailOutput;
use tokio_util::task::AbortOnDropHandle;

/// Stages everything but what git must leave out: see [`crate::recording`].
const STAGE: &str = r#"
stage() {
    rm -f "$GIT_DIR/index.lock"
    "$LOOK" jail-look "$GIT_DIR/info/exclude" /tmp/left-out > /tmp/looked || return
    if [ -s /tmp/left-out ]
    then git add -A --ignore-errors --pathspec-from-file=/tmp/left-out --pathspec-file-nul 2>/tmp/stage || cat /tmp/stage >&2
    else git add -A --ignore-errors . 2>/tmp/stage || cat /tmp/stage >&2
    fi
}
"#;

/// Takes away what would hold git up: a pipe of a name that it reads.
const CLEAR: &str = r#""$LOOK" jail-look "$GIT_DIR/info/exclude" /tmp/left-out --clear"#;

/// Longest restoring, milliseconds: half of it is worth nothing.
const RESTORE_MS: u32 = 300_000;
/// Longest recording, milliseconds.
const RECORD_MS: u32 = 240_000;
/// How long a recording goes on after somebody stopped the run: mostly it takes milliseconds.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// A recorded state.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) tree: TreeId,
    /// What is not part of it, and why.
    pub(crate) left_out: Vec<LeftOut>,
}

/// The tree of the workspace as it is now.
pub(crate) async fn record(jail: &Jail, place: &Place, cancel: &Cancel) -> Result<Recorded, Fault> {
    there(place)?;
    let script = format!(
        "{STAGE} stage; looked=$?; cat /tmp/looked; [ $looked = 0 ] || exit $looked; git write-tree"
    );
    let mut out = staged(jail, place, &script, cancel).await?;
    let mut cleared = Vec::new();
    if out.end == End::Exit(BLOCKED.into()) {
        let clear = on_state(jail, place, true, RECORD_MS, CLEAR, &[], Cancel::new()).await?;
        cleared = looked(&succeeded("recording the workspace", &clear)?)?
            .0
            .left_out;
        cleared.retain(|one| one.why == Why::Blocking);
        out = staged(jail, place, &script, cancel).await?;
    }
    if out.end == End::TimedOut {
        let what = say!(
            "recording the workspace took longer than {seconds} s",
            seconds = RECORD_MS / 1000
        );
        return Err(Fault::new(Code::RECORDING_TOO_SLOW, what)
            .hint("remove large files and folders, or name them in .gitignore"));
    }
    let said = succeeded("recording the workspace", &out)?;
    let (found, rest) = looked(&said)?;
    cleared.extend(found.left_out);
    Ok(Recorded {
        tree: tree_id(rest)?,
        left_out: cleared,
    })
}

/// A fault of its own when somebody removed the workspace behind the run: nothing that is said of it holds any more.
pub(crate) fn there(place: &Place) -> Result<(), Fault> {
    if place.meta().is_file() && place.tree().is_dir() && place.state().is_dir() {
        return Ok(());
    }
    Err(gone(place))
}

/// Said of a workspace that was there.
pub(crate) fn gone(place: &Place) -> Fault {
    let hint = "start a new run: what this one made is gone";
    Fault::new(
        Code::WORKSPACE_GONE,
        "the workspace of this run was removed while it was worked on",
    )
    .at(place.dir.display())
    .hint(hint)
}

/// Runs it to its end, also when somebody stops the run meanwhile, as long as it is quick.
async fn staged(
    jail: &Jail,
    place: &Place,
    script: &str,
    cancel: &Cancel,
) -> Result<JailOutput, Fault> {
    let (late, stopped) = (Cancel::new(), cancel.clone());
    let stop = late.clone();
    let _watch = AbortOnDropHandle::new(tokio::spawn(async move {
        stopped.cancelled().await;
        tokio::time::sleep(PATIENCE).await;
        stop.cancel();
    }));
    on_state(jail, place, false, RECORD_MS, script, &[], late).await
}

/// The line that the look printed, and what came after it.
fn looked(out: &[u8]) -> Result<(Found, &[u8]), Fault> {
    let end = out.iter().position(|b| *b == b'\n').unwrap_or(out.len());
    let found = serde_json::from_slice(&out[..end]);
    let found = found.map_err(|e| {
        Fault::new(
            Code::FAILED_IN_JAIL,
            say!("recording the workspace failed in the jail: {e}", e),
        )
        .hint(Step::Doctor)
    })?;
    Ok((found, out.get(end + 1..).unwrap_or_default()))
}

/// Puts the files back. New files go, ignored ones stay. What a changed `.gitignore` hid only shows once the old one is
/// back, hence the second round.
pub(crate) async fn restore(jail: &Jail, place: &Place, tree: &TreeId) -> Result<TreeId, Fault> {
    check(tree)?;
    there(place)?;
    let script = format!(
        r#"{STAGE}
git cat-file -e "$1^{{tree}}" || exit 3
"$LOOK" jail-look "$GIT_DIR/info/exclude" /tmp/left-out --clear > /dev/null
for round in 1 2 3; do
    stage
    [ "$(git write-tree)" = "$1" ] && break
    git read-tree --reset -u "$1" || exit 4
done
git write-tree"#
    );
    let out = on_state(
        jail,
        place,
        true,
        RESTORE_MS,
        &script,
        &[&tree.0],
        Cancel::new(),
    )
    .await?;
    let after = tree_id(&succeeded("restoring the workspace", &out)?)?;
    if after == *tree {
        return Ok(after);
    }
    Err(Fault::new(
        Code::NOT_PUT_BACK,
        "the workspace could not be put back to the recorded state",
    )
    .at(&tree.0)
    .hint(say!(
        "something in it resists: {step}",
        step = Step::OfRun {
            what: OfRun::Diff,
            run: None
        }
    )))
}

/// Puts the files of a tree back, but for some, which come from another tree, or go where that has none.
pub(crate) async fn without(
    jail: &Jail,
    place: &Place,
    tree: &TreeId,
    base: &TreeId,
    paths: &[String],
) -> Result<TreeId, Fault> {
    check(tree)?;
    check(base)?;
    there(place)?;
    // Each path is taken out before any is put in: a folder may stand where a file stood.
    let script = r#"tree=$1 base=$2
shift 2
export GIT_INDEX_FILE=/tmp/without GIT_LITERAL_PATHSPECS=1
git read-tree "$tree" || exit 3
if [ $# -gt 0 ]
then
    printf '%s\0' "$@" | git update-index -z --force-remove --stdin || exit 4
    git ls-tree -rz "$base" -- "$@" > /tmp/put-in || exit 5
    git update-index -z --replace --index-info < /tmp/put-in || exit 6
fi
git write-tree"#;
    let args: Vec<&str> = [tree.0.as_str(), base.0.as_str()]
        .into_iter()
        .chain(paths.iter().map(String::as_str))
        .collect();
    let out = on_state(jail, place, false, RECORD_MS, script, &args, Cancel::new()).await?;
    let mixed = tree_id(&succeeded("taking a part of the change out", &out)?)?;
    restore(jail, place, &mixed).await
}

/// The difference of two trees, or of one and the workspace.
pub(crate) async fn diff(
    jail: &Jail,
    place: &Place,
    from: &TreeId,
    to: Option<&TreeId>,
    cap: usize,
) -> Result<TextReport, Fault> {
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
    let out = on_state(
        jail,
        place,
        false,
        RECORD_MS,
        &script,
        &[&from.0, to.map_or("", |t| &t.0)],
        Cancel::new(),
    )
    .await?;
    if out.end != End::Exit(0) {
        succeeded("comparing", &out)?;
    }
    Ok(cut(out.stdout.text(), cap, out.stdout.omitted > 0))
}

/// A text as a report, cut at a line.
pub(crate) fn cut(text: String, cap: usize, cut_already: bool) -> TextReport {
    let total = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    if text.len() <= cap {
        return TextReport {
            text: text.into(),
            total,
            truncated: cut_already,
        };
    }
    let mut end = cap;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').map_or(end, |n| n + 1);
    TextReport {
        text: text[..end].to_owned().into(),
        total,
        truncated: true,
    }
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
        Err(
            Fault::new(Code::NO_TREE_ID, "this is not the id of a tree").at(tree
                .0
                .chars()
                .take(80)
                .collect::<String>()),
        )
    }
}

/// Forty or sixty-four hexadecimal digits.
pub(crate) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
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
        assert_eq!(
            (report.text.text_or_empty(), report.total, report.truncated),
            ("ab\ncdü\n", 3, true)
        );
        let report = cut("üü".into(), 3, false);
        assert_eq!(report.text.text_or_empty(), "ü");
    }
}
