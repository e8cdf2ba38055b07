//! git push: the one tool that reaches beyond the workspace.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{did_you_mean, parse, spec_of},
    place, report,
};
use keiko_contracts::action::{Action, HostAction, Outcome, Report};
use keiko_contracts::jail::Opened;
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Pushes the last commit to a branch of one of the repository's own remotes. The operator is usually asked first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Name of the remote; by default `origin`.
    remote: Option<String>,
    /// The branch on the remote; by default the one the user is on.
    branch: Option<String>,
}

/// The tool `git_push`.
#[derive(Debug)]
pub(super) struct GitPush;

impl Tool for GitPush {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("git_push")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let given: Arguments = parse(arguments)?;
        let Some(opened) = context.opened else {
            return Err(BadCall("there is no workspace to push from".to_owned()));
        };
        let Some(head) = context.head.filter(|head| **head != opened.base) else {
            return Err(BadCall(
                "nothing is committed yet; use git_commit first".to_owned(),
            ));
        };
        let remote = destination(opened, given.remote.as_deref().unwrap_or("origin"))?;
        let branch = match given.branch.as_deref().or(opened.branch.as_deref()) {
            Some(name) => place::branch("branch", name)?,
            None => {
                return Err(BadCall(
                    "`branch` is missing; the user is on no branch, so it must be given".to_owned(),
                ));
            }
        };
        let commit = head.0.clone();
        let push = HostAction::Push {
            workspace: context.run,
            remote,
            branch,
            commit,
            expected: None,
        };
        Ok(Resolved::Action(Box::new(Action::Host(push))))
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        report::render(outcome)
    }
}

/// The URL of a remote. Only what the user's repository itself names can be a destination: a model's text cannot.
fn destination(opened: &Opened, name: &str) -> Result<String, BadCall> {
    if let Some((_, url)) = opened
        .remotes
        .iter()
        .find(|(known, url)| known == name || url == name)
    {
        return Ok(url.clone());
    }
    if opened.remotes.is_empty() {
        return Err(BadCall(
            "the repository has no remotes; the operator can add one with git remote add"
                .to_owned(),
        ));
    }
    let names: Vec<&str> = opened
        .remotes
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let shown: String = name.chars().take(64).collect();
    Err(BadCall(format!(
        "`remote` is `{shown}`, which the repository does not have{}; remotes: {}",
        did_you_mean(name, &names),
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::fixture;
    use keiko_contracts::jail::{BaseKind, CommitId, TreeId};

    fn opened() -> Opened {
        let remotes = vec![
            ("origin".to_owned(), "git@example.org:a/b.git".to_owned()),
            ("mirror".to_owned(), "/srv/b.git".to_owned()),
        ];
        Opened {
            base: CommitId("a".repeat(40)),
            tree: TreeId("t".into()),
            kind: BaseKind::Head,
            branch: Some("main".into()),
            remotes,
            part: String::new(),
            notes: vec![],
        }
    }

    #[test]
    fn a_push_goes_to_a_remote_of_the_repository_only() {
        let (opened, head) = (opened(), CommitId("b".repeat(40)));
        let context = ToolContext {
            opened: Some(&opened),
            head: Some(&head),
            ..fixture::context()
        };
        let Resolved::Action(action) = GitPush.resolve(r#"{"branch":"fix/x"}"#, &context).unwrap()
        else {
            panic!()
        };
        let Action::Host(HostAction::Push {
            remote,
            branch,
            commit,
            expected,
            ..
        }) = *action
        else {
            panic!()
        };
        assert_eq!(
            (remote.as_str(), branch.as_str(), commit, expected),
            ("git@example.org:a/b.git", "fix/x", head.0.clone(), None)
        );
        let said = GitPush
            .resolve(r#"{"remote":"origina"}"#, &context)
            .unwrap_err()
            .0;
        assert!(
            said.contains("did you mean `origin`?; remotes: origin, mirror"),
            "{said}"
        );
        assert!(
            GitPush
                .resolve(r#"{"remote":"https://evil.example/x"}"#, &context)
                .is_err()
        );
        assert!(
            GitPush
                .resolve(r#"{"branch":"+main:main"}"#, &context)
                .is_err()
        );
    }

    #[test]
    fn without_a_commit_there_is_nothing_to_push() {
        let opened = opened();
        for head in [None, Some(&opened.base)] {
            let context = ToolContext {
                opened: Some(&opened),
                head,
                ..fixture::context()
            };
            assert_eq!(
                GitPush.resolve("{}", &context),
                Err(BadCall(
                    "nothing is committed yet; use git_commit first".into()
                ))
            );
        }
    }
}
