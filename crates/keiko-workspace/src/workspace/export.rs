//! Bringing objects out of the jail: a bundle is written inside, and fetched, checked, into our own repository. No git on
//! the host ever opens a repository that the jail can write.

use super::inside::{OUT, on_state, succeeded};
use super::tree::is_object_id;
use super::{Meta, Place, Workspaces, copy, io_fault};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::{CommitId, Opened, TreeId};
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_ports::Cancel;
use keiko_sandbox::jail::Jail;
use std::fs::File;
use std::path::Path;

/// Largest bundle.
const CAP: u64 = 2 << 30;
/// Longest packing, milliseconds.
const EXPORT_MS: u32 = 300_000;
/// Characters of a path that are shown.
const PATH_SHOWN: usize = 300;

/// What is brought out.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// A recorded state.
    Tree(TreeId),
    /// A commit of the agent's.
    Commit(CommitId),
}

impl Wanted {
    fn id(&self) -> &str {
        match self {
            Wanted::Tree(tree) => &tree.0,
            Wanted::Commit(commit) => &commit.0,
        }
    }
}

/// Objects of the agent's clone are read as data, with our configuration, not with the clone's.
const BUNDLE: &str = r#"
rm -f "$OUT/objects.bundle"
if [ "$1" = tree ]; then commit=$(git commit-tree "$2" -p "$3" -m Keiko) || exit 3
else GIT_ALTERNATE_OBJECT_DIRECTORIES=/workspace/.git/objects; export GIT_ALTERNATE_OBJECT_DIRECTORIES; commit=$2; fi
git update-ref refs/keiko/out "$commit" && git bundle create -q "$OUT/objects.bundle" refs/keiko/out "^$3"
status=$?
git update-ref -d refs/keiko/out
exit $status
"#;

impl Workspaces {
    /// Makes sure that our repository has a tree or a commit of a run. One at a time for a workspace, over processes too:
    /// what a waiting push would publish is looked at while another terminal allows that very push, and both would write
    /// the same bundle under the same reference.
    pub(crate) async fn export(
        &self,
        jail: &Jail,
        place: &Place,
        meta: &Meta,
        wanted: &Wanted,
    ) -> Result<(), Fault> {
        if !is_object_id(wanted.id()) {
            return Err(
                Fault::new(Code::NO_TREE_ID, "this is not the id of an object").at(wanted
                    .id()
                    .chars()
                    .take(80)
                    .collect::<String>()),
            );
        }
        let _turn = turn(place).await?;
        if self.has(place, wanted)? {
            return Ok(());
        }
        let kind = if matches!(wanted, Wanted::Tree(_)) {
            "tree"
        } else {
            "commit"
        };
        let script = format!("OUT={OUT}\n{BUNDLE}");
        let out = on_state(
            jail,
            place,
            false,
            EXPORT_MS,
            &script,
            &[kind, wanted.id(), &meta.opened.base.0],
            Cancel::new(),
        )
        .await?;
        succeeded("packing the result", &out)?;
        let taking = (self.clone(), place.clone(), wanted.clone());
        let taken = tokio::task::spawn_blocking(move || {
            let (spaces, place, wanted) = taking;
            spaces.take_in(&place, &wanted)
        });
        let taken = taken.await.map_err(|e| {
            Fault::new(
                Code::ODD_FROM_JAIL,
                say!("taking in the result was interrupted: {e}", e),
            )
        })??;
        match taken {
            Taken::Yes => Ok(()),
            Taken::Refused(stderr) => {
                let path = path_of(jail, place, wanted, &stderr).await;
                Err(refusal(&stderr, path.as_deref().unwrap_or(wanted.id())))
            }
        }
    }

    /// Whether our repository has it, with all that hangs on it: only what is under a reference counts.
    fn has(&self, place: &Place, wanted: &Wanted) -> Result<bool, Fault> {
        let reference = reference(wanted.id());
        let found = self
            .git
            .call(&place.repo(), ["rev-parse", "-q", "--verify", &reference])
            .try_run()?
            .ok;
        Ok(found || self.is_base(place, wanted)?)
    }

    fn is_base(&self, place: &Place, wanted: &Wanted) -> Result<bool, Fault> {
        let name = if matches!(wanted, Wanted::Tree(_)) {
            "refs/keiko/base^{tree}"
        } else {
            "refs/keiko/base"
        };
        Ok(self
            .git
            .call(&place.repo(), ["rev-parse", "--verify", name])
            .run()?
            .line()
            == wanted.id())
    }

    fn take_in(&self, place: &Place, wanted: &Wanted) -> Result<Taken, Fault> {
        let bundle = place.out().join("objects.bundle");
        let own = place.dir.join("incoming.bundle");
        let taken =
            copy_bundle(&bundle, &own).and_then(|()| self.fetch_bundle(place, &own, wanted));
        let _ = std::fs::remove_file(&own);
        let _ = std::fs::remove_file(&bundle);
        taken
    }

    fn fetch_bundle(&self, place: &Place, bundle: &Path, wanted: &Wanted) -> Result<Taken, Fault> {
        let spec = "+refs/keiko/out:refs/keiko/incoming";
        let path = bundle.to_string_lossy();
        let args = [
            "-c",
            "fetch.fsckObjects=true",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--",
            &path,
            spec,
        ];
        let said = self.git.call(&place.repo(), args).try_run()?;
        if !said.ok {
            return Ok(Taken::Refused(said.stderr));
        }
        let peeled = if matches!(wanted, Wanted::Tree(_)) {
            "refs/keiko/incoming^{tree}"
        } else {
            "refs/keiko/incoming^{commit}"
        };
        let got = self
            .git
            .call(&place.repo(), ["rev-parse", "--verify", peeled])
            .run()?
            .line();
        if got != wanted.id() {
            return Err(Fault::new(
                Code::ODD_FROM_JAIL,
                "what came out of the jail is not what was asked for",
            )
            .at(wanted.id()));
        }
        self.git
            .call(
                &place.repo(),
                ["update-ref", &reference(wanted.id()), "refs/keiko/incoming"],
            )
            .run()?;
        self.git
            .call(&place.repo(), ["update-ref", "-d", "refs/keiko/incoming"])
            .run()?;
        Ok(Taken::Yes)
    }
}

/// What came of taking objects in.
enum Taken {
    Yes,
    /// Git on the host does not want them; what it said.
    Refused(String),
}

fn refusal(stderr: &str, at: &str) -> Fault {
    let what = say!(
        "git refuses what is in the result: {why}",
        why = super::git::reason(stderr)
    );
    let hint = say!(
        "see what it is with {diff}, and have the agent change it: {resume}",
        diff = Step::OfRun {
            what: OfRun::Diff,
            run: None
        },
        resume = Step::Resume {
            run: None,
            more: None
        }
    );
    Fault::new(Code::GIT_REFUSES_RESULT, what).at(at).hint(hint)
}

/// Where the object that git names lies in what was wanted: its path, or that of the folder. Nothing when git names none,
/// or the jail cannot tell.
async fn path_of(jail: &Jail, place: &Place, wanted: &Wanted, stderr: &str) -> Option<String> {
    let object = stderr
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| is_object_id(word) && *word != wanted.id())?;
    let script = r#"export GIT_ALTERNATE_OBJECT_DIRECTORIES=/workspace/.git/objects
git ls-tree -r -t -z --format='%(objectname) %(path)' "$1" | grep -z -m 1 "^$2 ""#;
    let args = [wanted.id(), object];
    let out = on_state(jail, place, false, EXPORT_MS, script, &args, Cancel::new()).await;
    let out = succeeded("packing the result", &out.ok()?).ok()?;
    let entry = String::from_utf8_lossy(out.split(|b| *b == 0).next()?).into_owned();
    let (_, path) = entry.split_once(' ')?;
    (!path.is_empty()).then(|| path.chars().take(PATH_SHOWN).collect())
}

/// Waits for this workspace's turn to bring something out. It ends when the file is dropped, or with its process.
async fn turn(place: &Place) -> Result<File, Fault> {
    let path = place.dir.join("export.lock");
    let waited = tokio::task::spawn_blocking(move || {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| io_fault("write", &path, &e))?;
        file.lock().map_err(|e| io_fault("lock", &path, &e))?;
        Ok(file)
    });
    waited.await.map_err(|e| {
        Fault::new(
            Code::ODD_FROM_JAIL,
            say!("waiting for the workspace was interrupted: {e}", e),
        )
    })?
}

/// The reference in our repository of a run under which an exported state lies, or the one that it began with.
pub(crate) fn reference_of(tree: &TreeId, opened: &Opened) -> String {
    if opened.tree == *tree {
        "refs/keiko/base".into()
    } else {
        reference(&tree.0)
    }
}

fn reference(id: &str) -> String {
    format!("refs/keiko/exported/{id}")
}

/// Copies the bundle to where the jail cannot change it any more.
fn copy_bundle(from: &Path, to: &Path) -> Result<(), Fault> {
    let odd = || {
        Fault::new(
            Code::ODD_FROM_JAIL,
            "what came out of the jail is not a file of objects",
        )
        .at(from.display())
    };
    let file = copy::open_regular(from)
        .map_err(|e| io_fault("read", from, &e))?
        .ok_or_else(odd)?;
    let mut out = File::create(to).map_err(|e| io_fault("write", to, &e))?;
    let size = std::io::copy(&mut std::io::Read::take(file, CAP + 1), &mut out)
        .map_err(|e| io_fault("copy", from, &e))?;
    if size > CAP {
        return Err(Fault::new(
            Code::ODD_FROM_JAIL,
            "the result is too large to take out of the jail",
        )
        .hint("leave build results and data uncommitted: .gitignore"));
    }
    Ok(())
}
