//! From what a person typed to a [`StartRun`]: everything is read and checked here, once.

use crate::cli::{self, Approval, Base, LimitArgs, RunArgs};
use crate::config::RunConfig;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::Source;
use keiko_contracts::model::Effort;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{ApprovalMode, RunLimits};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest goal.
const GOAL_MAX: u64 = 256 << 10;

/// Reads the goal: plain words, `@FILE`, or `-`.
pub(crate) fn goal(text: &str) -> Result<String, Fault> {
    let (bytes, place) = if text == "-" {
        (
            read_limited(std::io::stdin().lock(), "standard input")?,
            "standard input".to_owned(),
        )
    } else if let Some(path) = text.strip_prefix('@') {
        (read_file(Path::new(path))?, path.to_owned())
    } else {
        (text.as_bytes().to_vec(), "the command line".to_owned())
    };
    if bytes.len() as u64 > GOAL_MAX {
        return Err(too_long(&place));
    }
    let text = String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'));
    let Some(text) = text else {
        return Err(Fault::new(Code::GOAL_NOT_TEXT, "the goal is not text")
            .at(place)
            .hint("write it in plain words, in UTF-8"));
    };
    if text.trim().is_empty() {
        return Err(Fault::new(Code::GOAL_EMPTY, "the goal is empty")
            .at(place)
            .hint("say what is to be done: keiko run \"Fix the failing date parser\""));
    }
    Ok(text.trim().to_owned())
}

/// A goal that was typed without quotes is joined when each word is one that a shell leaves as it is; otherwise nobody knows
/// what was meant.
pub(crate) fn words(first: &str, more: &[String]) -> Result<String, Fault> {
    if more.is_empty() {
        return goal(first);
    }
    let all: Vec<&str> = std::iter::once(first)
        .chain(more.iter().map(String::as_str))
        .collect();
    let is_plain = |word: &&str| {
        !word.is_empty()
            && !word.starts_with(['@', '-'])
            && word
                .chars()
                .all(|c| c.is_alphanumeric() || "_-.,:;!?/%+=#'’".contains(c))
    };
    if all.iter().all(is_plain) {
        return goal(&all.join(" "));
    }
    let odd = all
        .iter()
        .find(|word| !is_plain(word))
        .copied()
        .unwrap_or_default();
    let hint = match odd.starts_with('-') && odd.len() > 1 {
        true => "the options: keiko run --help; a goal with such a word stands in quotes",
        false => "put the goal in quotes: keiko run \"Fix the failing date parser\"",
    };
    let message =
        format!("the goal is several words, and {odd:?} is none that can be joined to the others");
    Err(Fault::new(Code::GOAL_UNQUOTED, message)
        .at("the command line")
        .hint(hint))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let fault = |error: std::io::Error| {
        Fault::new(
            Code::GOAL_FILE,
            say!("the goal's file cannot be read: {error}", error),
        )
        .at(path.display())
        .hint("check the path after the @")
    };
    // A pipe of that name must not be waited for.
    let flags = rustix::fs::OFlags::RDONLY
        | rustix::fs::OFlags::NONBLOCK
        | rustix::fs::OFlags::NOCTTY
        | rustix::fs::OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
    let file = std::fs::File::from(opened.map_err(|errno| fault(errno.into()))?);
    let meta = file.metadata().map_err(fault)?;
    if !meta.is_file() {
        return Err(
            Fault::new(Code::GOAL_FILE, "the goal's file is no plain file")
                .at(path.display())
                .hint("check the path after the @"),
        );
    }
    read_limited(file, &path.display().to_string())
}

fn read_limited(from: impl std::io::Read, place: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    from.take(GOAL_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Fault::new(
                Code::GOAL_FILE,
                say!("the goal cannot be read: {error}", error),
            )
            .at(place)
        })?;
    if bytes.len() as u64 > GOAL_MAX {
        Err(too_long(place))
    } else {
        Ok(bytes)
    }
}

fn too_long(place: &str) -> Fault {
    Fault::new(
        Code::GOAL_TOO_LONG,
        say!("the goal is longer than {n} KiB", n = GOAL_MAX >> 10),
    )
    .at(place)
    .hint("put the material into the workspace and say where it is")
}

/// Limits from the command line over those of the configuration.
pub(crate) fn limits(args: &LimitArgs, base: RunLimits) -> Result<RunLimits, Fault> {
    let mut limits = base;
    if let Some(text) = &args.budget {
        limits.budget = Some(budget(text)?);
    }
    if let Some(text) = &args.max_steps {
        limits.max_steps = number("--max-steps", text, 10_000)?;
    }
    if let Some(text) = &args.max_seconds {
        limits.max_seconds = number("--max-seconds", text, 7 * 86_400)?;
    }
    Ok(limits)
}

/// True when the command line sets a limit.
pub(crate) fn sets_limits(args: &LimitArgs) -> bool {
    args.budget.is_some() || args.max_steps.is_some() || args.max_seconds.is_some()
}

/// Reads an amount of dollars.
pub(crate) fn budget(text: &str) -> Result<Micros, Fault> {
    text.parse()
        .map_err(|error: keiko_contracts::money::InvalidAmount| {
            let try_this = text.replace(',', ".");
            let hint = if try_this.parse::<Micros>().is_ok() {
                format!("--budget {try_this}")
            } else {
                "--budget 0.50".to_owned()
            };
            Fault::new(Code::BUDGET_NO_AMOUNT, crate::config::no_amount(&error))
                .at("--budget")
                .hint(hint)
        })
}

fn number(flag: &'static str, text: &str, max: u32) -> Result<u32, Fault> {
    match text.parse::<u32>() {
        Ok(n) if (1..=max).contains(&n) => Ok(n),
        _ => {
            let shown: String = text.chars().take(40).collect();
            Err(Fault::new(
                Code::LIMIT_NO_NUMBER,
                say!(
                    "{shown} is not a number from 1 to {max}",
                    shown = format_args!("{shown:?}"),
                    max
                ),
            )
            .at(flag)
            .hint(Said::words(format!("{flag} 40"))))
        }
    }
}

/// Who answers approvals.
pub(crate) fn approval(arg: Option<Approval>, config: &RunConfig) -> ApprovalMode {
    match arg {
        Some(Approval::Ask) => ApprovalMode::Ask,
        Some(Approval::Policy) => ApprovalMode::Policy,
        Some(Approval::Never) => ApprovalMode::Never,
        None => config.approval,
    }
}

/// How hard the model is to think.
pub(crate) fn effort(arg: Option<cli::Effort>, config: &RunConfig) -> Option<Effort> {
    match arg {
        Some(cli::Effort::Low) => Some(Effort::Low),
        Some(cli::Effort::Medium) => Some(Effort::Medium),
        Some(cli::Effort::High) => Some(Effort::High),
        None => config.effort,
    }
}

/// Where the work is: what was asked for, or this folder if it holds a project.
pub(crate) fn source(args: &RunArgs, home: Option<&Path>) -> Result<Option<Source>, Fault> {
    if args.no_workspace {
        return Ok(None);
    }
    let snapshot = args.base == Base::Snapshot;
    if let Some(dir) = &args.workspace {
        return folder(dir, home, snapshot).map(Some);
    }
    match project(home) {
        Some(root) => folder(&root, home, snapshot).map(Some),
        None => Ok(None),
    }
}

/// This folder holds files, so that somebody may expect them to be worked on.
pub(crate) fn holds_files() -> bool {
    std::fs::read_dir(".").is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        })
    })
}

/// The repository around the current folder, or this folder if it holds a manifest; never the home folder or the root.
pub(crate) fn project(home: Option<&Path>) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let project = std::iter::successors(Some(here.as_path()), |dir| dir.parent())
        .find(|dir| dir.join(".git").exists());
    let manifest = [
        "pyproject.toml",
        "package.json",
        "Cargo.toml",
        "go.mod",
        "setup.py",
        "requirements.txt",
    ]
    .iter()
    .any(|name| here.join(name).is_file());
    match (project, manifest) {
        (Some(root), _) if Some(root) != home && root != Path::new("/") => Some(root.to_owned()),
        (_, true) if Some(here.as_path()) != home => Some(here),
        _ => None,
    }
}

/// Checks a folder to work on.
pub(crate) fn folder(dir: &Path, home: Option<&Path>, snapshot: bool) -> Result<Source, Fault> {
    let wrong = |code, why: Said, hint: &'static str| {
        Err(Fault::new(code, why).at(dir.display()).hint(hint))
    };
    let path: PathBuf = match std::fs::canonicalize(dir) {
        Ok(path) => path,
        Err(error) => {
            return wrong(
                Code::FOLDER_NOT_OPENED,
                say!("the workspace cannot be opened: {error}", error),
                "check the path: --workspace DIR",
            );
        }
    };
    if !path.is_dir() {
        return wrong(
            Code::FOLDER_IS_NONE,
            "the workspace is no folder".into(),
            "give the folder that the file is in",
        );
    }
    if home
        .and_then(|home| std::fs::canonicalize(home).ok())
        .is_some_and(|home| home == path)
    {
        return wrong(
            Code::FOLDER_IS_HOME,
            "your whole home folder is no workspace".into(),
            "give the folder of one project: --workspace DIR",
        );
    }
    if keiko_workspace::workspace::is_system(&path) {
        return wrong(
            Code::FOLDER_OF_SYSTEM,
            "this folder belongs to the system, not to a project".into(),
            "give the folder of one project: --workspace DIR",
        );
    }
    if let Err(error) = std::fs::read_dir(&path) {
        return wrong(
            Code::FOLDER_UNREADABLE,
            say!("the workspace cannot be read: {error}", error),
            "check who may read it: ls -ld",
        );
    }
    match path.into_os_string().into_string() {
        Ok(path) => Ok(Source::Folder { path, snapshot }),
        Err(_) => wrong(
            Code::FOLDER_NOT_UTF8,
            "the workspace's path is not UTF-8".into(),
            "rename the folder, or reach it through a symbolic link",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_that_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("goal.md");
        let at = format!("@{}", file.display());
        assert_eq!(goal(" \n").unwrap_err().code, "KEI-1204");
        assert_eq!(goal("@missing.md").unwrap_err().code, "KEI-1201");
        assert_eq!(
            goal(&format!("@{}", dir.path().display()))
                .unwrap_err()
                .code,
            "KEI-1201"
        );
        std::fs::write(&file, [0xff, 0xfe, 0, 1]).unwrap();
        assert_eq!(goal(&at).unwrap_err().code, "KEI-1203");
        std::fs::File::create(&file)
            .unwrap()
            .set_len(100 << 20)
            .unwrap();
        assert_eq!(goal(&at).unwrap_err().code, "KEI-1202");
        std::fs::write(&file, "Tu was\n").unwrap();
        assert_eq!(goal(&at).unwrap(), "Tu was");
    }

    #[test]
    fn words_without_quotes_are_joined_when_they_are_plain() {
        let joined = |all: &[&str]| {
            words(
                all[0],
                &all[1..]
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            joined(&["fix", "the", "tests,", "please!"]).unwrap(),
            "fix the tests, please!"
        );
        assert_eq!(
            joined(&["Reparieren", "Sie", "src/größe.py"]).unwrap(),
            "Reparieren Sie src/größe.py"
        );
        assert_eq!(joined(&["one thing"]).unwrap(), "one thing");
        for odd in [
            &["fix", "@goal.md"][..],
            &["@goal.md", "fix"],
            &["fix", "a b"],
            &["-", "fix"],
            &["fix", "*"],
            &["fix", ""],
        ] {
            let fault = joined(odd).unwrap_err();
            assert_eq!(fault.code, "KEI-1205", "{odd:?}");
            assert!(fault.hint.unwrap().contains("keiko run \""));
        }
        assert!(
            joined(&["--bugdet", "5", "fix"])
                .unwrap_err()
                .hint
                .unwrap()
                .contains("keiko run --help")
        );
    }

    #[test]
    fn limits_that_are_none() {
        let args = |budget: Option<&str>, steps: Option<&str>| LimitArgs {
            budget: budget.map(Into::into),
            max_steps: steps.map(Into::into),
            max_seconds: None,
        };
        let check = |args: LimitArgs| limits(&args, RunLimits::default());
        let error = check(args(Some("0,50"), None)).unwrap_err();
        assert_eq!(
            (
                error.code.to_string().as_str(),
                error.hint.as_ref().map(ToString::to_string).as_deref()
            ),
            ("KEI-1210", Some("--budget 0.50"))
        );
        for bad in ["-1", "nan", "", "1e9"] {
            assert_eq!(
                check(args(Some(bad), None)).unwrap_err().code,
                "KEI-1210",
                "{bad}"
            );
        }
        for bad in ["0", "-3", "x", "99999999"] {
            assert_eq!(
                check(args(None, Some(bad))).unwrap_err().code,
                "KEI-1211",
                "{bad}"
            );
        }
        assert_eq!(
            check(args(Some("0.50"), Some("7"))).unwrap().budget,
            Some(Micros(500_000))
        );
    }

    #[test]
    fn folders_that_are_no_workspace() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "").unwrap();
        let link = dir.path().join("loop");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        let code = |path: &Path| folder(path, Some(dir.path()), true).unwrap_err().code;
        for system in ["/", "/etc", "/proc/self", "/usr/lib", "/tmp", "/home"] {
            assert_eq!(code(Path::new(system)), "KEI-1222", "{system}");
        }
        assert_eq!(code(dir.path()), "KEI-1223");
        assert_eq!(code(&file), "KEI-1221");
        assert_eq!(code(&link), "KEI-1220");
        assert_eq!(code(&dir.path().join("missing")), "KEI-1220");
        let umlaut = dir.path().join("Grüße aus Köln");
        std::fs::create_dir(&umlaut).unwrap();
        assert!(folder(&umlaut, None, true).is_ok());
    }
}
