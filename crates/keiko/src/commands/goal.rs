//! From what a person typed to what is asked for: everything is read and checked here, once.

use crate::cli::{self, Approval, Base, Install, InstallArgs, LimitArgs, RunArgs};
use keiko_app::folder::Place;
use keiko_app::goal::{GOAL_MAX, checked, too_long};
use keiko_app::start::Limits;
use keiko_contracts::approval::Installing;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::model::Effort;
use keiko_contracts::money::Micros;
use keiko_contracts::run::ApprovalMode;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::io::Read as _;
use std::path::Path;

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
    checked(bytes, &place)
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
    let message = say!(
        "the goal is several words, and {word} is none that can be joined to the others",
        word = format_args!("{odd:?}")
    );
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

/// Limits as they were typed.
pub(crate) fn limits(args: &LimitArgs) -> Result<Limits, Fault> {
    let number = |flag, text: &Option<String>, max| {
        text.as_deref()
            .map(|text| number(flag, text, max))
            .transpose()
    };
    Ok(Limits {
        budget: args.budget.as_deref().map(budget).transpose()?,
        max_steps: number("--max-steps", &args.max_steps, 10_000)?,
        max_seconds: number("--max-seconds", &args.max_seconds, 7 * 86_400)?,
    })
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
            Fault::new(
                Code::BUDGET_NO_AMOUNT,
                say!(
                    "{text} is not an amount of money: {why}",
                    text = format_args!("{:?}", error.text),
                    why = Said::from(error.why)
                ),
            )
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
pub(crate) fn approval(arg: Approval) -> ApprovalMode {
    match arg {
        Approval::Ask => ApprovalMode::Ask,
        Approval::Policy => ApprovalMode::Policy,
        Approval::Never => ApprovalMode::Never,
    }
}

/// How hard the model is to think.
pub(crate) fn effort(arg: cli::Effort) -> Effort {
    match arg {
        cli::Effort::Low => Effort::Low,
        cli::Effort::Medium => Effort::Medium,
        cli::Effort::High => Effort::High,
    }
}

/// What was said about installing.
pub(crate) fn install(args: &InstallArgs) -> Option<Installing> {
    args.install.map(|answer| match answer {
        Install::Yes => Installing::Yes,
        Install::Ask => Installing::Ask,
        Install::No => Installing::No,
    })
}

/// Where the work is to be, and whether with what is not committed.
pub(crate) fn place(args: &RunArgs) -> (Place, bool) {
    let place = match &args.workspace {
        _ if args.no_workspace => Place::Nowhere,
        Some(dir) => Place::At(dir.clone()),
        None => Place::Around,
    };
    (place, args.base == Base::Snapshot)
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
        let check = |args: LimitArgs| limits(&args);
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
}
