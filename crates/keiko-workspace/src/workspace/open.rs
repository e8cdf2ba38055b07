//! Making a workspace: fetched, copied, committed, handed over; all or nothing.

use super::copy::{self, Caps, Copied, MADE, Watch, Wish};
use super::source::{self, Found, Repo};
use super::{
    Meta, Place, Workspaces, deps, io_fault, own, submodules, toolchain, write_atomically,
};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{BaseKind, CommitId, Opened, Source, TreeId};
use keiko_contracts::note::{NAMED_MAX, OpenNote};
use keiko_contracts::say;
use keiko_sandbox::foreign;
use keiko_sandbox::jail::Identity;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A branch name for a workspace whose source is on none.
const BRANCH: &str = "main";
/// Longest index of the user's that is read.
const INDEX_BYTES_MAX: u64 = 512 << 20;

impl Workspaces {
    /// Makes the workspace, or gives what was made before. What a crash left half done is done again from the start.
    ///
    /// # Errors
    /// KEI-5101 to KEI-5108 and KEI-5161 about the folder, KEI-5160 for Keiko's own, KEI-5109 about the disk, KEI-5112 for
    /// another source than before.
    pub(crate) fn open(
        &self,
        run: RunId,
        source: &Source,
        owner: Identity,
        watch: &Watch<'_>,
    ) -> Result<Meta, Fault> {
        let place = self.place(run);
        if let Some(meta) = self.meta(run)? {
            if meta.source != *source {
                return Err(Fault::new(
                    Code::WORKSPACE_OF_ANOTHER,
                    "the run's workspace was made from something else",
                )
                .at(run));
            }
            return Ok(meta);
        }
        copy::wipe(&place.dir)?;
        let spaces = Workspaces {
            git: self.git.stopped_by(watch.cancel),
            ..self.clone()
        };
        let maker = Maker {
            spaces: &spaces,
            place,
            watch,
        };
        let made = maker.make(source, owner);
        if made.is_err() {
            // The reason counts, not whether the rest could be removed: the next try removes it again.
            let _ = copy::wipe(&maker.place.dir);
        }
        made
    }
}

struct Maker<'a> {
    spaces: &'a Workspaces,
    place: Place,
    watch: &'a Watch<'a>,
}

/// What could be fetched.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// There is no commit yet.
    Unborn,
    /// The commit, and what is missing of its history.
    At(CommitId, Option<OpenNote>),
    /// Nothing, and why.
    Lost(String),
}

/// The files of a workspace as they were put there.
struct Filled {
    base: CommitId,
    tree: TreeId,
    kind: BaseKind,
    notes: Vec<OpenNote>,
}

/// Where the files of a workspace came from.
struct Came {
    /// How the repository names objects.
    format: String,
    /// The branch the user is on.
    branch: Option<String>,
    /// Remotes of the user's repository: name and URL.
    remotes: Vec<(String, String)>,
    /// The part of it that was asked for.
    part: PathBuf,
}

impl Maker<'_> {
    /// The folder whose dependencies are used: that of the run that is checked or gone on from, if it is still there.
    fn root_of(&self, source: &Source, found: Option<&Found>) -> Option<PathBuf> {
        let checked = match source {
            Source::Copy { of, .. } | Source::Result { of, .. } => self
                .spaces
                .must(*of)
                .ok()
                .and_then(|(_, meta)| meta.root)
                .filter(|root| root.is_dir()),
            Source::Folder { .. } | Source::Empty => None,
        };
        checked.or_else(|| found.map(|found| found.root.clone()))
    }

    fn make(&self, source: &Source, owner: Identity) -> Result<Meta, Fault> {
        let (mut found, snapshot) = match source {
            Source::Empty => (None, false),
            Source::Result { of, .. } => (self.found_by(*of)?, false),
            Source::Copy { path, .. } => {
                (Some(source::look(&self.spaces.git, Path::new(path))?), true)
            }
            Source::Folder { path, snapshot } => (
                Some(source::look(&self.spaces.git, Path::new(path))?),
                *snapshot,
            ),
        };
        for dir in [&self.place.dir, &self.place.tree(), &self.place.out()] {
            std::fs::create_dir_all(dir).map_err(|e| io_fault("make a folder", dir, &e))?;
        }
        write_atomically(&self.place.mask(), b"")?;
        if let (Some(around), Source::Folder { path, .. }) = (&found, source)
            && !around.part.as_os_str().is_empty()
            && !self.has_part(around)?
        {
            found = Some(source::look_at(&self.spaces.git, Path::new(path))?);
        }
        if let Some(found) = &found {
            own::refuse(&found.root, &self.spaces.own)?;
        }
        if let Source::Result { of, tree } = source {
            return self.go_on(source, *of, tree, found, owner);
        }
        let repo = found.as_ref().and_then(|f| f.repo.as_ref());
        let format = repo.map_or("sha1", |r| r.object_format.as_str());
        self.init(&self.place.repo(), format, true)?;
        let head = match repo {
            Some(repo) => self.fetch_head(repo, format, snapshot)?,
            None => Head::Unborn,
        };
        let mut notes = found.as_ref().map(about).unwrap_or_default();
        let head = match head {
            Head::Unborn => None,
            Head::At(commit, cut) => {
                notes.extend(cut);
                Some(commit)
            }
            Head::Lost(why) => {
                notes.push(OpenNote::WithoutHistory { why });
                None
            }
        };
        let mut filled = self.fill(found.as_ref(), head, snapshot)?;
        notes.append(&mut filled.notes);
        filled.notes = notes;
        let repo = found.as_ref().and_then(|f| f.repo.as_ref());
        let came = Came {
            format: format.to_owned(),
            branch: repo.and_then(|r| r.branch.clone()),
            remotes: repo.map(|r| r.remotes.clone()).unwrap_or_default(),
            part: found.as_ref().map(|f| f.part.clone()).unwrap_or_default(),
        };
        self.hand_over(source, found.as_ref(), filled, came, owner)
    }

    /// The folder that a run worked on, as it is now: nothing if it is not there any more, or that run had none.
    fn found_by(&self, run: RunId) -> Result<Option<Found>, Fault> {
        let root = self.spaces.must(run)?.1.root;
        Ok(root.and_then(|root| source::look(&self.spaces.git, &root).ok()))
    }

    /// Goes on from a state of another run, which lies in that run's repository of ours already.
    fn go_on(
        &self,
        source: &Source,
        of: RunId,
        tree: &TreeId,
        found: Option<Found>,
        owner: Identity,
    ) -> Result<Meta, Fault> {
        let (place, meta) = self.spaces.must(of)?;
        let git = &self.spaces.git;
        let format = git
            .call(&place.repo(), ["rev-parse", "--show-object-format"])
            .run()?
            .line();
        self.init(&self.place.repo(), &format, true)?;
        let reference = super::export::reference_of(tree, &meta.opened);
        let args: [OsString; 8] = [
            "fetch".into(),
            "--quiet".into(),
            "--no-tags".into(),
            "--no-write-fetch-head".into(),
            "--update-shallow".into(),
            "--".into(),
            place.repo().into(),
            format!("+{reference}:refs/keiko/head").into(),
        ];
        git.call(&self.place.repo(), args).run()?;
        let head = self.fetched()?;
        self.index(["read-tree", head.0.as_str()]).run()?;
        self.index(["checkout-index", "-q", "-a", "-f"]).run()?;
        let mut notes = meta.opened.notes.clone();
        if let Some(found) = &found {
            let again = self.submodules(found)?;
            notes.extend(
                again
                    .into_iter()
                    .filter(|note| !meta.opened.notes.contains(note)),
            );
        }
        let (base, got) = self.commit(Some(&head), Some(&head))?;
        if got != *tree {
            let what = "the files of the run that this one goes on from are not what was asked for";
            return Err(Fault::new(Code::ODD_FROM_JAIL, what).at(&tree.0));
        }
        let filled = Filled {
            base,
            tree: got,
            kind: BaseKind::Result,
            notes,
        };
        let came = Came {
            format,
            branch: meta.opened.branch,
            remotes: meta.opened.remotes,
            part: meta.opened.part.into(),
        };
        self.hand_over(source, found.as_ref(), filled, came, owner)
    }

    /// Makes the private clone of what was filled, finds the dependencies, gives all to its owner and writes the record.
    fn hand_over(
        &self,
        source: &Source,
        found: Option<&Found>,
        filled: Filled,
        came: Came,
        owner: Identity,
    ) -> Result<Meta, Fault> {
        let mut notes = filled.notes.clone();
        self.clone_out(
            &filled,
            came.branch.as_deref().unwrap_or(BRANCH),
            &came.format,
            found,
        )?;
        let rustup = keiko_sandbox::jail::rustup();
        let absent =
            rustup.and_then(|rustup| toolchain::absent(&self.place.tree(), &came.part, &rustup));
        notes.extend(
            absent
                .map(toolchain::Absent::note)
                .filter(|note| !filled.notes.contains(note)),
        );
        let root = self.root_of(source, found);
        let deps = root.as_deref().map(deps::find).unwrap_or_default();
        let deps = deps::make_mount_points(&self.place.tree(), deps)?;
        for dir in [self.place.tree(), self.place.state(), self.place.out()] {
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))
                .map_err(|e| io_fault("set the mode of", &dir, &e))?;
            copy::give(&dir, owner.uid, owner.gid)?;
        }
        let opened = Opened {
            base: filled.base,
            tree: filled.tree,
            kind: filled.kind,
            branch: came.branch,
            remotes: came.remotes,
            part: came.part.display().to_string(),
            notes,
        };
        let meta = Meta {
            version: 1,
            source: source.clone(),
            opened,
            root,
            deps,
            notes: Vec::new(),
        };
        let bytes = serde_json::to_vec(&meta).map_err(|e| {
            Fault::new(
                Code::WORKSPACE_RECORD,
                say!("the workspace's record cannot be written: {e}", e),
            )
        })?;
        write_atomically(&self.place.meta(), &bytes)?;
        Ok(meta)
    }

    /// Whether the repository around a folder has anything of it: one in an ignored folder is a project of its own.
    fn has_part(&self, found: &Found) -> Result<bool, Fault> {
        let Some(repo) = &found.repo else {
            return Ok(false);
        };
        self.init(&self.place.repo(), &repo.object_format, true)?;
        let listed = self.listed_by_user(repo)?;
        copy::wipe(&self.place.repo())?;
        Ok(listed
            .files
            .iter()
            .any(|path| path.starts_with(&found.part)))
    }

    fn init(&self, git_dir: &Path, format: &str, bare: bool) -> Result<(), Fault> {
        let format = format!("--object-format={format}");
        self.spaces
            .git
            .call(
                git_dir,
                ["init", "-q", "--template=", &format, "-b", BRANCH, "--bare"],
            )
            .run()?;
        if !bare {
            self.spaces
                .git
                .call(git_dir, ["config", "core.bare", "false"])
                .run()?;
        }
        Ok(())
    }

    /// Fetches the user's HEAD: with its history, else without, else not at all.
    fn fetch_head(&self, repo: &Repo, format: &str, or_files: bool) -> Result<Head, Fault> {
        if let Some(why) = &repo.no_history
            && or_files
        {
            return Ok(Head::Lost(why.clone()));
        }
        (self.watch.say)("reading the history".into());
        let said = self.fetch(repo, &[])?;
        if said.ok {
            return Ok(Head::At(self.fetched()?, None));
        }
        let unborn = said.stderr.contains("couldn't find remote ref HEAD")
            && repo
                .branch
                .as_ref()
                .is_some_and(|b| !has_branch(&repo.common_dir, b));
        if unborn {
            return Ok(Head::Unborn);
        }
        let why = super::git::reason(&said.stderr);
        self.begin_again(format)?;
        if self.fetch(repo, &["--depth=1"])?.ok {
            return Ok(Head::At(
                self.fetched()?,
                Some(OpenNote::HistoryCut { why }),
            ));
        }
        self.begin_again(format)?;
        if or_files {
            return Ok(Head::Lost(why));
        }
        let hint = "look at it: git fsck; or take the files as they are: --base snapshot";
        Err(super::git::refused("fetch", &said.stderr)
            .at(repo.git_dir.display())
            .hint(hint))
    }

    /// Tags come along where they lie on the way to HEAD: many projects have their version out of them.
    fn fetch(&self, repo: &Repo, more: &[&str]) -> Result<super::git::Printed, Fault> {
        let from: OsString = repo.git_dir.clone().into();
        let mut args: Vec<OsString> = [
            "-c",
            "fetch.fsckObjects=false",
            "fetch",
            "--quiet",
            "--no-write-fetch-head",
        ]
        .map(Into::into)
        .into();
        args.extend(
            [
                "--no-auto-maintenance",
                "--no-recurse-submodules",
                "--update-shallow",
            ]
            .map(Into::into),
        );
        args.extend(more.iter().map(Into::into));
        args.extend(["--".into(), from, "+HEAD:refs/keiko/head".into()]);
        self.spaces.git.call(&self.place.repo(), args).try_run()
    }

    fn fetched(&self) -> Result<CommitId, Fault> {
        Ok(CommitId(
            self.spaces
                .git
                .call(
                    &self.place.repo(),
                    ["rev-parse", "--verify", "refs/keiko/head^{commit}"],
                )
                .run()?
                .line(),
        ))
    }

    /// What a fetch that failed left behind is worth nothing.
    fn begin_again(&self, format: &str) -> Result<(), Fault> {
        copy::wipe(&self.place.repo())?;
        self.init(&self.place.repo(), format, true)
    }

    /// Puts the files into the tree and their objects into our repository.
    fn fill(
        &self,
        found: Option<&Found>,
        head: Option<CommitId>,
        snapshot: bool,
    ) -> Result<Filled, Fault> {
        let Some(found) = found else {
            let (base, tree) = self.commit(None, None)?;
            return Ok(Filled {
                base,
                tree,
                kind: BaseKind::Empty,
                notes: Vec::new(),
            });
        };
        let mut notes = Vec::new();
        if let Some(head) = &head {
            self.index(["read-tree", head.0.as_str()]).run()?;
        }
        if found.repo.is_some() && !snapshot {
            let kind = if head.is_some() {
                BaseKind::Head
            } else {
                BaseKind::Empty
            };
            if head.is_some() {
                self.index(["checkout-index", "-q", "-a", "-f"]).run()?;
            }
            notes.extend(self.submodules(found)?);
            let (base, tree) = self.commit(head.as_ref(), head.as_ref())?;
            return Ok(Filled {
                base,
                tree,
                kind,
                notes,
            });
        }
        let in_head = self.listed(None)?;
        let mut tracked = in_head.files.clone();
        if let Some(repo) = &found.repo {
            let listed = self.listed_by_user(repo)?;
            if let Some(what) = repo.unfinished {
                let (paths, count) = named(listed.unresolved.iter());
                notes.push(OpenNote::Unfinished { what, paths, count });
            }
            tracked.extend(listed.files);
        }
        let filtered = self.filtered(&in_head.files)?;
        let excludes = own_excludes(found);
        let wish = Wish {
            from: &found.root,
            to: &self.place.tree(),
            tracked: &tracked,
            left_out: &filtered,
            plain: found.repo.is_none(),
            excludes: &excludes,
            never: &self.spaces.own,
            caps: Caps::default(),
        };
        let copied = copy::snapshot(&wish, self.watch)?;
        self.stage(
            &in_head.files.difference(&filtered).cloned().collect(),
            &copied,
        )?;
        self.index(["checkout-index", "-q", "-f", "-z", "--stdin"])
            .stdin(nul_separated(filtered.iter()))
            .run()?;
        notes.extend(left_out(&filtered, &copied));
        notes.extend(self.submodules(found)?);
        let (base, tree) = self.commit(head.as_ref(), head.as_ref())?;
        let kind = match (&found.repo, &head) {
            (None, _) => BaseKind::Shadow,
            (Some(_), Some(head)) if *head == base => BaseKind::Head,
            (Some(_), _) => BaseKind::Snapshot,
        };
        Ok(Filled {
            base,
            tree,
            kind,
            notes,
        })
    }

    /// A call on the workspace's files with the index that becomes the clone's.
    fn index<const N: usize>(&self, args: [&str; N]) -> super::git::Call<'_> {
        self.spaces
            .git
            .call(&self.place.repo(), args)
            .env("GIT_WORK_TREE", self.place.tree())
            .env("GIT_INDEX_FILE", self.place.dir.join("index"))
    }

    fn listed(&self, index: Option<PathBuf>) -> Result<Listed, Fault> {
        let mut call = self.index(["ls-files", "-z", "--stage"]);
        if let Some(index) = index {
            call = call.env("GIT_INDEX_FILE", index);
        }
        Ok(Listed::parse(&call.run()?.stdout))
    }

    /// What the user's index tracks, read from a copy; nothing if it cannot be read (a split index, for example).
    fn listed_by_user(&self, repo: &Repo) -> Result<Listed, Fault> {
        let copy = self.place.dir.join("user-index");
        let Ok(Some(file)) = copy::open_regular(&repo.git_dir.join("index")) else {
            return Ok(Listed::default());
        };
        let mut out = std::fs::File::create(&copy).map_err(|e| io_fault("write", &copy, &e))?;
        std::io::copy(&mut std::io::Read::take(file, INDEX_BYTES_MAX), &mut out)
            .map_err(|e| io_fault("write", &copy, &e))?;
        let listed = self.listed(Some(copy.clone())).unwrap_or_default();
        let _ = std::fs::remove_file(&copy);
        Ok(listed)
    }

    /// Files that the user's git filters (large or encrypted ones): what lies in the folder is not what is committed, and
    /// may never be.
    fn filtered(&self, files: &BTreeSet<PathBuf>) -> Result<BTreeSet<PathBuf>, Fault> {
        if files.is_empty() {
            return Ok(BTreeSet::new());
        }
        let said = self
            .index(["check-attr", "--cached", "-z", "--stdin", "filter"])
            .stdin(nul_separated(files.iter()))
            .run()?;
        let fields: Vec<&[u8]> = said.stdout.split(|b| *b == 0).collect();
        let set = fields
            .chunks_exact(3)
            .filter(|f| !matches!(f[2], b"unspecified" | b"unset"));
        Ok(set
            .map(|f| PathBuf::from(OsString::from_vec(f[0].to_vec())))
            .collect())
    }

    /// Brings the index to what was copied, whatever `.gitignore` says.
    fn stage(&self, before: &BTreeSet<PathBuf>, copied: &Copied) -> Result<(), Fault> {
        let gone = before.difference(&copied.files);
        self.index(["update-index", "--force-remove", "-z", "--stdin"])
            .stdin(nul_separated(gone))
            .run()?;
        self.index(["update-index", "--add", "--replace", "-z", "--stdin"])
            .stdin(nul_separated(copied.files.iter()))
            .run()?;
        Ok(())
    }

    /// The files of submodules as they are checked out. They are no part of any tree: the workspace's git knows their
    /// folders as places of other repositories, and leaves what is in them alone.
    fn submodules(&self, found: &Found) -> Result<Vec<OpenNote>, Fault> {
        let listed = self.listed(None)?;
        submodules::take_along(
            &found.root,
            &self.place.tree(),
            &listed.submodules,
            &self.spaces.own,
            self.watch,
        )
    }

    /// Commits the index on top of `parent`, or gives `head` where that has the same tree.
    fn commit(
        &self,
        parent: Option<&CommitId>,
        head: Option<&CommitId>,
    ) -> Result<(CommitId, TreeId), Fault> {
        let tree = self.index(["write-tree"]).run()?.line();
        if let Some(head) = head {
            let of_head = self
                .index(["rev-parse", "--verify", &format!("{}^{{tree}}", head.0)])
                .run()?
                .line();
            if of_head == tree {
                return Ok((head.clone(), TreeId(tree)));
            }
        }
        let commit = match parent {
            Some(parent) => self
                .index([
                    "commit-tree",
                    &tree,
                    "-p",
                    &parent.0,
                    "-m",
                    "Workspace as it was found",
                ])
                .run()?
                .line(),
            None => self
                .index(["commit-tree", &tree, "-m", "Workspace as it was found"])
                .run()?
                .line(),
        };
        Ok((CommitId(commit), TreeId(tree)))
    }

    /// Makes the private clone and the repository of states out of ours.
    fn clone_out(
        &self,
        filled: &Filled,
        branch: &str,
        format: &str,
        found: Option<&Found>,
    ) -> Result<(), Fault> {
        let git = &self.spaces.git;
        let (repo, clone, state) = (
            self.place.repo(),
            self.place.tree().join(".git"),
            self.place.state(),
        );
        git.call(&repo, ["update-ref", "refs/keiko/base", &filled.base.0])
            .run()?;
        self.init(&clone, format, false)?;
        self.init(&state, format, true)?;
        copy::copy_dir(&repo.join("objects"), &clone.join("objects"))?;
        let shallow = repo.join("shallow");
        for dir in [&clone, &state] {
            if shallow.is_file() {
                std::fs::copy(&shallow, dir.join("shallow"))
                    .map_err(|e| io_fault("copy a file", &shallow, &e))?;
            }
            let index = self.place.dir.join("index");
            if index.is_file() {
                std::fs::copy(&index, dir.join("index"))
                    .map_err(|e| io_fault("copy a file", &index, &e))?;
            }
            let info = dir.join("info");
            std::fs::create_dir_all(&info).map_err(|e| io_fault("make a folder", &info, &e))?;
            write_atomically(
                &info.join("exclude"),
                excludes(filled.kind, found).as_bytes(),
            )?;
            for setting in [
                ["gc.auto", "0"],
                ["user.name", "Keiko"],
                ["user.email", "keiko@localhost"],
            ] {
                git.call(dir, ["config", setting[0], setting[1]]).run()?;
            }
        }
        let alternates = state.join("objects/info/alternates");
        write_atomically(
            &alternates,
            format!("{}/objects\n", super::inside::REPO).as_bytes(),
        )?;
        let tags = git
            .call(
                &repo,
                [
                    "for-each-ref",
                    "--format=create %(refname) %(objectname)",
                    "refs/tags",
                ],
            )
            .run()?;
        git.call(&clone, ["update-ref", "--stdin"])
            .stdin(tags.stdout)
            .run()?;
        let branch_ref = format!("refs/heads/{branch}");
        git.call(&clone, ["update-ref", &branch_ref, &filled.base.0])
            .run()?;
        git.call(&clone, ["symbolic-ref", "HEAD", &branch_ref])
            .run()?;
        Ok(())
    }
}

/// What an index lists.
#[derive(Debug, Default)]
struct Listed {
    files: BTreeSet<PathBuf>,
    submodules: BTreeSet<PathBuf>,
    /// Both sides of a merge still stand.
    unresolved: BTreeSet<PathBuf>,
}

impl Listed {
    fn parse(out: &[u8]) -> Listed {
        let mut listed = Listed::default();
        for entry in out.split(|b| *b == 0) {
            let Some(tab) = entry.iter().position(|b| *b == b'\t') else {
                continue;
            };
            let path = PathBuf::from(OsString::from_vec(entry[tab + 1..].to_vec()));
            if tab > 0 && entry[tab - 1] != b'0' {
                listed.unresolved.insert(path.clone());
            }
            let set = if entry.starts_with(b"160000") {
                &mut listed.submodules
            } else {
                &mut listed.files
            };
            set.insert(path);
        }
        listed
    }
}

fn nul_separated<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Vec<u8> {
    let mut out = Vec::new();
    for path in paths {
        out.extend_from_slice(path.as_os_str().as_bytes());
        out.push(0);
    }
    out
}

/// What no tree of the workspace holds: things that can be made again, and what the user's own repository excludes.
fn excludes(kind: BaseKind, found: Option<&Found>) -> String {
    let mut text: String = MADE
        .iter()
        .filter(|m| **m != "venv")
        .map(|m| format!("{m}/\n"))
        .collect();
    text.push_str("*.pyc\n.coverage\n");
    // What cargo makes is never a result, also where nobody wrote a .gitignore; a tracked folder stays tracked.
    text.push_str("target/\n");
    let ours = match kind {
        BaseKind::Shadow | BaseKind::Empty => true,
        BaseKind::Result => found.is_none_or(|found| found.repo.is_none()),
        BaseKind::Head | BaseKind::Snapshot => false,
    };
    if ours {
        text.push_str("venv/\n");
    }
    text.push_str(&found.map(own_excludes).unwrap_or_default());
    text
}

/// What the user's own repository excludes beside its `.gitignore` files.
fn own_excludes(found: &Found) -> String {
    let file = found
        .repo
        .as_ref()
        .map(|repo| repo.common_dir.join("info/exclude"));
    file.and_then(|file| foreign::read_text(&file, 64 << 10))
        .unwrap_or_default()
}

/// What is to be known of the folder before anything of it was copied.
fn about(found: &Found) -> Vec<OpenNote> {
    let mut notes = Vec::new();
    if !found.part.as_os_str().is_empty() {
        notes.push(OpenNote::Part {
            repository: found.root.display().to_string(),
            part: found.part.display().to_string(),
        });
    }
    if found.repo.as_ref().is_some_and(|repo| repo.shallow) {
        notes.push(OpenNote::Shallow);
    }
    notes
}

/// What was not copied as it lies there.
fn left_out(filtered: &BTreeSet<PathBuf>, copied: &Copied) -> Vec<OpenNote> {
    let mut notes = Vec::new();
    if !filtered.is_empty() {
        let (paths, count) = named(filtered.iter());
        notes.push(OpenNote::Filtered { paths, count });
    }
    if !copied.credentials.is_empty() {
        let (paths, count) = named(copied.credentials.iter());
        notes.push(OpenNote::Credentials { paths, count });
    }
    if copied.ignored > 0 {
        let (paths, _) = named(copied.ignored_first.iter());
        notes.push(OpenNote::Ignored {
            paths,
            count: copied.ignored,
        });
    }
    notes
}

/// The first paths as text, and how many there are.
fn named<'a>(paths: impl ExactSizeIterator<Item = &'a PathBuf>) -> (Vec<String>, u32) {
    let count = u32::try_from(paths.len()).unwrap_or(u32::MAX);
    (
        paths
            .take(NAMED_MAX)
            .map(|path| path.display().to_string())
            .collect(),
        count,
    )
}

fn has_branch(common_dir: &Path, branch: &str) -> bool {
    let packed = foreign::read_text(&common_dir.join("packed-refs"), 64 << 20).unwrap_or_default();
    common_dir.join("refs/heads").join(branch).exists()
        || packed
            .lines()
            .any(|l| l.ends_with(&format!(" refs/heads/{branch}")))
}
