//! The user's folder as it is found: what it is, where it stands. Nothing is run in it and nothing is written to it.

use super::git::HostGit;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::note::Unfinished;
use keiko_contracts::say;
use keiko_sandbox::foreign;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// A folder that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The folder, without symlinks: that of the repository where the folder that was asked for is a part of one.
    pub(crate) root: PathBuf,
    /// Its repository, if it has one.
    pub(crate) repo: Option<Repo>,
    /// What was asked for, relative to `root`; empty for all of it.
    pub(crate) part: PathBuf,
}

/// A repository of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repo {
    /// The private folder of this work tree: HEAD and index.
    pub(crate) git_dir: PathBuf,
    /// The shared folder: configuration, objects, branches.
    pub(crate) common_dir: PathBuf,
    /// The branch, unless HEAD is detached.
    pub(crate) branch: Option<String>,
    /// Name and URL of each remote. Passwords in URLs are left out.
    pub(crate) remotes: Vec<(String, String)>,
    /// `sha1` or `sha256`.
    pub(crate) object_format: String,
    /// Why nothing of its history is to be read.
    pub(crate) no_history: Option<String>,
    /// The history ends early.
    pub(crate) shallow: bool,
    /// What the user is in the middle of.
    pub(crate) unfinished: Option<Unfinished>,
}

/// Looks at a folder, and at the repository around it.
///
/// # Errors
/// KEI-5101 missing, KEI-5102 not a folder, KEI-5103 too broad, KEI-5104 unreadable or a symlink loop, KEI-5108 a `.git`
/// that belongs to something else, KEI-5161 one that would hold up whoever reads it.
pub(crate) fn look(git: &HostGit, path: &Path) -> Result<Found, Fault> {
    let found = look_at(git, path)?;
    if found.repo.is_some() {
        return Ok(found);
    }
    let home = home();
    let above = found
        .root
        .ancestors()
        .skip(1)
        .take_while(|dir| !is_system(dir) && Some(*dir) != home.as_deref());
    for dir in above {
        // What is wrong with a repository further up is not this folder's matter.
        let Ok(Some(git_dir)) = find_git_dir(dir) else {
            continue;
        };
        let Ok(repo) = read_repo(git, git_dir) else {
            break;
        };
        let part = found
            .root
            .strip_prefix(dir)
            .unwrap_or(Path::new(""))
            .to_owned();
        return Ok(Found {
            root: dir.to_owned(),
            repo: Some(repo),
            part,
        });
    }
    Ok(found)
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").and_then(|home| PathBuf::from(home).canonicalize().ok())
}

/// The same of this folder alone.
pub(crate) fn look_at(git: &HostGit, path: &Path) -> Result<Found, Fault> {
    let root = path.canonicalize().map_err(|e| unreachable(path, &e))?;
    if !root.is_dir() {
        return Err(
            Fault::new(Code::WORKSPACE_NO_FOLDER, "the workspace is not a folder")
                .at(path.display())
                .hint("give its folder: --workspace DIR"),
        );
    }
    if is_system(&root) || Some(&root) == home().as_ref() {
        let hint = "choose the folder of one project: --workspace DIR";
        return Err(Fault::new(
            Code::WORKSPACE_TOO_BROAD,
            "this folder is too broad to work in",
        )
        .at(root.display())
        .hint(hint));
    }
    std::fs::read_dir(&root).map_err(|e| unreachable(path, &e))?;
    let repo = match find_git_dir(&root)? {
        Some(git_dir) => Some(read_repo(git, git_dir)?),
        None => None,
    };
    Ok(Found {
        root,
        repo,
        part: PathBuf::new(),
    })
}

/// Folders that belong to the system with all that is in them.
const SYSTEM: [&str; 17] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share",
];
/// Folders that only hold the folders of others.
const SHARED: [&str; 14] = [
    "/",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/local",
    "/var",
    "/var/lib",
    "/var/tmp",
];

/// Whether a folder, given without symlinks, is the system's own or holds what is everybody's: nobody's project.
#[must_use]
pub fn is_system(root: &Path) -> bool {
    // Memory that users may fill like /tmp.
    let free = root.starts_with("/dev/shm") && root != Path::new("/dev/shm");
    SHARED.iter().any(|dir| root == Path::new(dir))
        || (!free && SYSTEM.iter().any(|dir| root.starts_with(dir)))
}

fn unreachable(path: &Path, e: &std::io::Error) -> Fault {
    match e.kind() {
        ErrorKind::NotFound => Fault::new(Code::WORKSPACE_MISSING, "the workspace does not exist")
            .at(path.display())
            .hint("check the path: ls -ld DIR"),
        ErrorKind::NotADirectory => {
            Fault::new(Code::WORKSPACE_NO_FOLDER, "the workspace is not a folder")
                .at(path.display())
                .hint("give its folder: --workspace DIR")
        }
        _ => Fault::new(
            Code::WORKSPACE_UNREADABLE,
            say!("the workspace cannot be read: {error}", error = e),
        )
        .at(path.display())
        .hint("check symlinks and permissions: ls -ld DIR"),
    }
}

/// The repository's folder. A `.git` file is followed only where what it names points back, so that an unpacked archive
/// cannot name somebody else's repository.
fn find_git_dir(root: &Path) -> Result<Option<PathBuf>, Fault> {
    let dot_git = root.join(".git");
    let Ok(meta) = dot_git.symlink_metadata() else {
        return Ok(None);
    };
    let foreign = || foreign(&dot_git);
    if meta.is_dir() {
        // Only a linked work tree shares another folder's repository, and its `.git` is a file.
        if dot_git.join("commondir").symlink_metadata().is_ok() {
            return Err(foreign());
        }
        return Ok(dot_git.join("HEAD").is_file().then_some(dot_git));
    }
    if !meta.is_file() {
        return Err(foreign());
    }
    let text = read_small(&dot_git).ok_or_else(foreign)?;
    let target = text
        .trim()
        .strip_prefix("gitdir:")
        .map(str::trim)
        .ok_or_else(foreign)?;
    let git_dir = root.join(target).canonicalize().map_err(|_| foreign())?;
    let points_back = match read_small(&git_dir.join("gitdir")) {
        Some(back) => git_dir.join(back.trim()).canonicalize().ok() == dot_git.canonicalize().ok(),
        // A submodule: its configuration names the work tree.
        None => read_small(&git_dir.join("config"))
            .and_then(|c| {
                c.lines().find_map(|l| {
                    l.trim()
                        .strip_prefix("worktree")
                        .map(|v| v.trim_start_matches([' ', '=']).trim().to_owned())
                })
            })
            .is_some_and(|tree| git_dir.join(tree).canonicalize().ok().as_deref() == Some(root)),
    };
    if points_back {
        Ok(Some(git_dir))
    } else {
        Err(foreign())
    }
}

fn foreign(git_dir: &Path) -> Fault {
    let hint = "open the repository itself, or repair the link: git worktree repair";
    Fault::new(
        Code::GIT_OF_ANOTHER,
        "the .git entry does not belong to this folder",
    )
    .at(git_dir.display())
    .hint(hint)
}

/// What is looked through of a repository's own folder, and how deep.
const LOOKED_THROUGH: [(&str, usize); 5] = [
    ("objects", 3),
    ("refs", 32),
    ("info", 1),
    ("worktrees", 2),
    ("reftable", 1),
];
/// How many entries of it are looked at.
const ENTRIES: usize = 2_000_000;

fn trap(at: &Path) -> Fault {
    let what = "git's own folder holds a pipe or a device, which nobody can read";
    Fault::new(Code::GIT_HOLDS_A_PIPE, what)
        .at(at.display())
        .hint(say!("remove it: rm '{path}'", path = at.display()))
}

/// Git makes no links among its own files: one of them would bring in what another folder holds. Nor does it make pipes:
/// whoever opens one waits for ever. Sockets are only its helpers', and nobody waits for those.
fn refuse_traps(git_dir: &Path, common_dir: &Path) -> Result<(), Fault> {
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    if ["HEAD", "config", "packed-refs", "objects", "refs", "info"]
        .iter()
        .any(|name| is_link(&common_dir.join(name)))
    {
        return Err(foreign(common_dir));
    }
    let mut left = ENTRIES;
    let mut folders = vec![
        (git_dir.to_owned(), 0, true),
        (common_dir.to_owned(), 0, true),
    ];
    folders.extend(LOOKED_THROUGH.iter().map(|(name, depth)| {
        (
            common_dir.join(name),
            *depth,
            *name == "info" || *name == "worktrees",
        )
    }));
    while let Some((folder, depth, may_link)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            left = left.saturating_sub(1);
            if (kind.is_symlink() && !may_link) || left == 0 {
                return Err(foreign(common_dir));
            }
            // A link among the loose files of the folder is followed by git.
            let leads_to_trap = || {
                kind.is_symlink()
                    && entry
                        .path()
                        .metadata()
                        .is_ok_and(|meta| is_trap(meta.file_type()))
            };
            if is_trap(kind) || leads_to_trap() {
                return Err(trap(&entry.path()));
            }
            if kind.is_dir() && depth > 1 {
                folders.push((entry.path(), depth - 1, may_link));
            }
        }
    }
    Ok(())
}

fn is_trap(kind: std::fs::FileType) -> bool {
    kind.is_fifo() || kind.is_char_device() || kind.is_block_device()
}

/// Objects of another folder are not read: an unpacked archive could name any repository of the user's.
fn why_no_history(common_dir: &Path) -> Option<String> {
    let borrowed = common_dir
        .join("objects/info/alternates")
        .symlink_metadata()
        .is_ok();
    borrowed.then(|| {
        "it borrows objects from another repository (git repack -a -d makes it complete)".into()
    })
}

fn unfinished(git_dir: &Path) -> Option<Unfinished> {
    let there = |name: &str| git_dir.join(name).symlink_metadata().is_ok();
    let marks = [
        ("rebase-merge", Unfinished::Rebase),
        ("rebase-apply", Unfinished::Rebase),
        ("MERGE_HEAD", Unfinished::Merge),
        ("CHERRY_PICK_HEAD", Unfinished::CherryPick),
        ("REVERT_HEAD", Unfinished::Revert),
    ];
    marks
        .into_iter()
        .find(|(name, _)| there(name))
        .map(|(_, what)| what)
}

fn read_repo(git: &HostGit, git_dir: PathBuf) -> Result<Repo, Fault> {
    let common_dir = match read_small(&git_dir.join("commondir")) {
        Some(text) => {
            let common = git_dir
                .join(text.trim())
                .canonicalize()
                .map_err(|e| unreachable(&git_dir, &e))?;
            // A linked work tree's folder lies in its own repository: `<common>/worktrees/NAME`.
            let at_home = git_dir
                .canonicalize()
                .is_ok_and(|dir| dir.parent() == Some(&common.join("worktrees")));
            if !at_home {
                return Err(foreign(&git_dir));
            }
            common
        }
        None => git_dir.clone(),
    };
    refuse_traps(&git_dir, &common_dir)?;
    let head = read_small(&git_dir.join("HEAD")).unwrap_or_default();
    let branch = head
        .trim()
        .strip_prefix("ref: refs/heads/")
        .map(str::to_owned)
        .filter(|b| is_branch(b));
    let mut repo = Repo {
        branch,
        remotes: Vec::new(),
        object_format: "sha1".into(),
        no_history: why_no_history(&common_dir),
        shallow: read_small(&common_dir.join("shallow"))
            .is_some_and(|text| !text.trim().is_empty()),
        unfinished: unfinished(&git_dir),
        git_dir,
        common_dir,
    };
    for (key, value) in read_config(git, &repo.common_dir.join("config"))? {
        if key == "extensions.objectformat" && value == "sha256" {
            repo.object_format = value;
        } else if let Some(name) = key
            .strip_prefix("remote.")
            .and_then(|k| k.strip_suffix(".url"))
        {
            repo.remotes
                .push((name.to_owned(), without_password(&value)));
        }
    }
    Ok(repo)
}

/// The settings of one file, without what it includes.
fn read_config(git: &HostGit, file: &Path) -> Result<Vec<(String, String)>, Fault> {
    if foreign::open_regular(file).ok().flatten().is_none() {
        return Ok(Vec::new());
    }
    let name = file.as_os_str();
    let said = git
        .call(
            Path::new("/dev/null"),
            [
                "config".as_ref(),
                "--no-includes".as_ref(),
                "--file".as_ref(),
                name,
                "--list".as_ref(),
                "-z".as_ref(),
            ],
        )
        .try_run()?;
    let text = String::from_utf8_lossy(&said.stdout);
    Ok(text
        .split('\0')
        .filter_map(|entry| entry.split_once('\n'))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect())
}

/// A URL without user name and password where it carries a password: what is journalled holds no secrets.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) if user.contains(':') || scheme.starts_with("http") => {
            format!("{scheme}://{host}{}", &rest[end..])
        }
        _ => url.to_owned(),
    }
}

/// The URL of a remote of the user's repository as it stands there, found by its journalled form.
pub(crate) fn full_remote(git: &HostGit, source: &Path, remote: &str) -> Option<String> {
    let repo = look(git, source).ok()?.repo?;
    let settings = read_config(git, &repo.common_dir.join("config")).ok()?;
    settings
        .into_iter()
        .find(|(k, v)| {
            k.starts_with("remote.") && k.ends_with(".url") && without_password(v) == remote
        })
        .map(|(_, v)| v)
}

/// Whether a text can be a branch's name (`git check-ref-format`, without starting git).
pub(crate) fn is_branch(name: &str) -> bool {
    let bad = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && !name.contains(bad)
        && !["..", "//", "@{", "/."].iter().any(|s| name.contains(s))
        && !name.split('/').any(|part| part.ends_with(".lock"))
        && name != "@"
        && name != "HEAD"
}

/// A small text file in a folder that may be anybody's; nothing where there is no regular file that can be read.
#[must_use]
pub fn read_small(path: &Path) -> Option<String> {
    foreign::read_text(path, 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_leave_urls() {
        for (url, shown) in [
            (
                "https://me:secret@example.org/a.git",
                "https://example.org/a.git",
            ),
            (
                "https://token@example.org/a.git",
                "https://example.org/a.git",
            ),
            ("ssh://git@example.org/a.git", "ssh://git@example.org/a.git"),
            ("git@example.org:a.git", "git@example.org:a.git"),
            ("/srv/a@b.git", "/srv/a@b.git"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn branch_names() {
        for good in ["main", "feature/ä-1", "a.b"] {
            assert!(is_branch(good), "{good}");
        }
        for bad in [
            "", "-f", "a b", "a..b", "x.lock", "/a", "a/", "@", "a^", "HEAD", "a\n",
        ] {
            assert!(!is_branch(bad), "{bad:?}");
        }
    }

    /// An unpacked archive must not bring in what another folder of the operator's holds.
    #[test]
    fn a_repository_made_of_another_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim/.git");
        for folder in ["objects/pack", "refs/heads"] {
            std::fs::create_dir_all(victim.join(folder)).unwrap();
        }
        std::fs::write(victim.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        let git = HostGit::new(dir.path()).unwrap();
        let code = |name: &str, make: &dyn Fn(&Path)| {
            let root = dir.path().join(name);
            let own = root.join(".git");
            std::fs::create_dir_all(&own).unwrap();
            std::fs::write(own.join("HEAD"), "ref: refs/heads/main\n").unwrap();
            make(&own);
            look(&git, &root)
                .map(|found| found.repo.is_some())
                .map_err(|fault| fault.code.to_string())
        };
        let plain = |own: &Path| {
            for folder in ["objects/info", "objects/pack", "refs/heads"] {
                std::fs::create_dir_all(own.join(folder)).unwrap();
            }
        };
        let link = |from: &Path, to: &Path| std::os::unix::fs::symlink(from, to).unwrap();
        assert_eq!(code("plain", &plain), Ok(true));
        let refused = Err("KEI-5108".to_owned());
        assert_eq!(
            code("commondir", &|own| std::fs::write(
                own.join("commondir"),
                victim.display().to_string()
            )
            .unwrap()),
            refused
        );
        assert_eq!(
            code("objects", &|own| link(
                &victim.join("objects"),
                &own.join("objects")
            )),
            refused
        );
        assert_eq!(
            code("refs", &|own| link(&victim.join("refs"), &own.join("refs"))),
            refused
        );
        assert_eq!(
            code("pack", &|own| {
                plain(own);
                link(&victim.join("HEAD"), &own.join("objects/pack/pack-1.pack"));
            }),
            refused
        );
        // Nothing is read by way of an alternate either: the files come without a history.
        assert_eq!(
            code("alternates", &|own| {
                plain(own);
                std::fs::write(
                    own.join("objects/info/alternates"),
                    victim.join("objects").display().to_string(),
                )
                .unwrap();
            }),
            Ok(true)
        );
        let found = look(&git, &dir.path().join("alternates"))
            .unwrap()
            .repo
            .unwrap();
        assert!(found.no_history.is_some_and(|why| why.contains("borrows")));
        // Pipes, wherever git would open them.
        let fifo = |at: std::path::PathBuf| {
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                at,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        };
        for place in [
            "config",
            "packed-refs",
            "shallow",
            "index",
            "info/grafts",
            "objects/info/packs",
            "objects/pack/p.idx",
            "refs/heads/a/b/c/d/e/f",
        ] {
            let made = code(&place.replace('/', "_"), &|own| {
                plain(own);
                fifo(own.join(place));
            });
            assert_eq!(made, Err("KEI-5161".to_owned()), "{place}");
        }
        // A `.git` file that points into the archive itself, and from there to the victim.
        let root = dir.path().join("detour");
        std::fs::create_dir_all(root.join("fake")).unwrap();
        std::fs::write(root.join(".git"), "gitdir: fake\n").unwrap();
        std::fs::write(root.join("fake/HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(
            root.join("fake/gitdir"),
            root.join(".git").display().to_string(),
        )
        .unwrap();
        std::fs::write(root.join("fake/commondir"), victim.display().to_string()).unwrap();
        assert_eq!(
            look(&git, &root)
                .map(|found| found.repo.is_some())
                .map_err(|fault| fault.code.to_string()),
            refused
        );
    }

    #[test]
    fn odd_folders_are_coded() {
        let dir = tempfile::tempdir().unwrap();
        let git = HostGit::new(dir.path()).unwrap();
        let code = |p: &Path| look(&git, p).unwrap_err().code;
        assert_eq!(code(&dir.path().join("nowhere")), "KEI-5101");
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(code(&dir.path().join("file")), "KEI-5102");
        assert_eq!(code(&dir.path().join("file/below")), "KEI-5102");
        assert_eq!(code(Path::new("/")), "KEI-5103");
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        assert_eq!(code(&dir.path().join("loop")), "KEI-5104");
        if let Some(home) = std::env::var_os("HOME") {
            assert_eq!(code(Path::new(&home)), "KEI-5103");
        }
    }

    #[test]
    fn a_foreign_git_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let git = HostGit::new(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join("other")).unwrap();
        git.call(&dir.path().join("other/.git"), ["init", "-q", "--bare"])
            .run()
            .unwrap();
        let here = dir.path().join("here");
        std::fs::create_dir(&here).unwrap();
        std::fs::write(
            here.join(".git"),
            format!("gitdir: {}", dir.path().join("other/.git").display()),
        )
        .unwrap();
        assert_eq!(look(&git, &here).unwrap_err().code, "KEI-5108");
    }
}
