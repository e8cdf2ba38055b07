//! The git commands of the agent, in its own clone, inside the jail.

use super::inside::{git_env, script_spec, succeeded, tree_mount};
use super::source::is_branch;
use super::{Meta, Place, tree};
use keiko_contracts::code::Fault;
use keiko_contracts::digest::Content;
use keiko_contracts::jail::{CommitId, End, GitOp, JailBody};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_sandbox::jail::Jail;
use keiko_sandbox::spec::JailOutput;

/// Bytes of git's output that are reported.
const CAP: usize = 256 << 10;
/// Longest call, milliseconds: as for a command.
const LIMIT_MS: u32 = 120_000;

/// New files count, so the comparison goes over a throw-away index.
const DIFF: &str = r#"
cp "$(git rev-parse --git-path index)" /tmp/index 2>/dev/null
GIT_INDEX_FILE=/tmp/index; export GIT_INDEX_FILE
git add -A --ignore-errors . 2>/dev/null
git rev-parse -q --verify "$1^{commit}" >/dev/null || { echo "there is no revision $1" >&2; exit 9; }
git diff --cached --no-color --no-ext-diff --no-textconv --no-renames "$1" -- ${2:+"$2"}
"#;

const COMMIT: &str = r#"
rm -f .git/index.lock
git add -A . || exit 9
if git rev-parse -q --verify HEAD >/dev/null && git diff --cached --quiet HEAD; then git rev-parse HEAD; exit; fi
git commit -q --no-verify --allow-empty --allow-empty-message --cleanup=whitespace -F - || exit 9
git rev-parse HEAD
git diff-tree --root --no-commit-id --name-status --no-renames -r HEAD
"#;

/// Already being there is success: the same command again after a crash.
const BRANCH: &str = r#"
rm -f .git/index.lock
[ "$(git symbolic-ref -q HEAD)" = "refs/heads/$1" ] || git switch -q -c "$1" || exit 9
echo "on branch $1"
"#;

const CHECKOUT: &str = r#"
rm -f .git/index.lock
git rev-parse -q --verify "$1^{commit}" >/dev/null || { echo "there is no revision $1" >&2; exit 9; }
git checkout -q --force "$1" -- || exit 9
git log -1 --format='now at %h %s'
"#;

/// Does one. Whatever git refuses is told to the model in git's words.
pub(crate) async fn run(
    jail: &Jail,
    place: &Place,
    meta: &Meta,
    op: &GitOp,
    cancel: Cancel,
) -> Result<JailBody, Fault> {
    let (script, args, stdin, at) = match op {
        GitOp::Status => (
            "git status --short --branch".to_owned(),
            vec![],
            Vec::new(),
            None,
        ),
        GitOp::Diff { against, path } => {
            let against = against
                .clone()
                .unwrap_or_else(|| meta.opened.base.0.clone());
            (
                DIFF.to_owned(),
                vec![against, path.clone().unwrap_or_default()],
                Vec::new(),
                None,
            )
        }
        GitOp::Log { limit } => {
            let script =
                "git log --no-color --date=short --format='%h %ad %an: %s' -n \"$1\"".to_owned();
            (
                script,
                vec![(*limit).clamp(1, 1000).to_string()],
                Vec::new(),
                None,
            )
        }
        GitOp::Commit {
            message,
            at_seconds,
        } => (
            COMMIT.to_owned(),
            vec![],
            message.text_or_empty().as_bytes().to_vec(),
            Some(*at_seconds),
        ),
        GitOp::Branch { name } => {
            if !is_branch(name) {
                return Ok(refused(
                    say!(
                        "{name} cannot be the name of a branch",
                        name = format_args!("{name:?}")
                    ),
                    "",
                ));
            }
            (BRANCH.to_owned(), vec![name.clone()], Vec::new(), None)
        }
        GitOp::Checkout { revision } => (
            CHECKOUT.to_owned(),
            vec![revision.clone()],
            Vec::new(),
            None,
        ),
    };
    if let Some(odd) = args.iter().find(|a| a.starts_with('-') || a.contains('\0')) {
        return Ok(refused(
            say!(
                "{odd} is not a revision or a path",
                odd = format_args!("{odd:?}")
            ),
            "",
        ));
    }
    let mut env = git_env();
    if let Some(at) = at {
        for key in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
            env.insert(key.into(), format!("@{} +0000", at.max(0)));
        }
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut spec = script_spec(vec![tree_mount(place, true)], env, &script, &args, stdin);
    spec.limits.wall_ms = LIMIT_MS;
    let output = jail.run(spec, LiveSink::none(), cancel).await?;
    report(op, &output)
}

fn report(op: &GitOp, output: &JailOutput) -> Result<JailBody, Fault> {
    match output.end {
        End::Exit(0) => {}
        End::Exit(_) => {
            let said = output.stderr.text();
            let why = said
                .lines()
                .find(|l| !l.trim().is_empty())
                .unwrap_or("git refused it")
                .trim_start_matches("fatal: ")
                .to_owned();
            return Ok(refused(why, &said));
        }
        _ => {
            succeeded("git", output)?;
        }
    }
    let said = output.stdout.text();
    if matches!(op, GitOp::Commit { .. }) {
        let (commit, files) = said.split_once('\n').unwrap_or((&said, ""));
        if !tree::is_object_id(commit.trim()) {
            return Ok(refused("git did not say which commit it made", &said));
        }
        let summary = if files.trim().is_empty() {
            "nothing to commit"
        } else {
            files
        };
        return Ok(JailBody::Committed {
            commit: CommitId(commit.trim().to_owned()),
            summary: tree::cut(summary.to_owned(), CAP, false).text,
        });
    }
    Ok(JailBody::Text(tree::cut(
        said,
        CAP,
        output.stdout.omitted > 0,
    )))
}

fn refused(why: impl Into<Said>, nearest: &str) -> JailBody {
    JailBody::Refused {
        why: why.into(),
        nearest: Content::new(nearest.chars().take(2000).collect::<String>()),
    }
}
