//! All error codes: what a user quotes, what the documentation lists, what a script matches. A number that was given
//! stays given; a new one goes into its area, and into `docs/errors.md`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

const PREFIX: &str = "KEI-";

/// A stable error code such as `KEI-2107`. Hundreds by area: 1xxx input and configuration, 2xxx policy and
/// approvals, 3xxx journal, 4xxx models, 5xxx sandbox and workspace, 6xxx runs, 9xxx internal.
///
/// The ones of this version are its constants; one that another version wrote down is read, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

/// A line of the table: a code, the name of its constant, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The code.
    pub code: Code,
    /// The name of its constant.
    pub name: &'static str,
    /// What it means, as `docs/errors.md` says it.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($number:literal $name:ident $meaning:literal)*) => {
        impl Code {
            $(
                #[doc = $meaning]
                pub const $name: Code = Code($number);
            )*
            /// All codes of this version, in their order.
            pub const ALL: &[Known] = &[$(Known {
                code: Code::$name,
                name: stringify!($name),
                meaning: $meaning,
            }),*];
        }
    };
}

codes! {
    // Input and configuration.
    1000 COMMAND_LINE "the command line cannot be read: an unknown option or command, a missing or wrong value"
    1101 NO_PLACE "`HOME` is not set, so there is no place to keep runs"
    1102 OWN_FOLDER "a folder of Keiko's cannot be made"
    1201 GOAL_FILE "the goal's file cannot be read, or is no plain file"
    1202 GOAL_TOO_LONG "the goal is longer than 256 KiB"
    1203 GOAL_NOT_TEXT "the goal is not text"
    1204 GOAL_EMPTY "the goal is empty"
    1205 GOAL_UNQUOTED "a goal without quotes holds a word that is none, such as `@file` or `*`"
    1210 BUDGET_NO_AMOUNT "the budget is not an amount"
    1211 LIMIT_NO_NUMBER "a limit is not a number, or out of range"
    1220 FOLDER_NOT_OPENED "the workspace cannot be opened (missing, no permission, a loop of links)"
    1221 FOLDER_IS_NONE "the workspace is no folder"
    1222 FOLDER_OF_SYSTEM "this folder belongs to the system, not to a project"
    1223 FOLDER_IS_HOME "your whole home folder is no workspace"
    1224 FOLDER_UNREADABLE "the workspace cannot be read"
    1225 FOLDER_NOT_UTF8 "the workspace's path is not UTF-8"
    1230 AGENT_UNKNOWN "there is no such agent, or its name is none"
    1231 AGENT_BROKEN "an agent's file cannot be used"
    1232 AGENT_NEEDS_FOLDER "this agent works in a folder, and none was given"
    1233 AGENT_UNWRITABLE "an agent's file cannot be written"
    1234 PLAN_INVALID "a plan cannot be carried out"
    1240 KILL_WITHOUT_REASON "a kill needs a reason"
    1241 STATE_UNKNOWN "`--state` is no state of a run"
    1242 AGE_IS_NONE "`--older-than` is no age"
    1243 SIZE_IS_NONE "`--keep` is no size"
    1244 ANSWER_UNREADABLE "the answer to a question cannot be read"
    1245 KILL_OF_NOTHING "a kill does not say what it stops"
    1250 NO_MANUAL_PAGE "there is no command of that name to have a manual page"
    1301 CONFIG_NO_TOML "a configuration file is no TOML"
    1302 KEY_UNKNOWN "there is no such key"
    1303 VALUE_WRONG "a value is wrong for its key"
    1304 CONFIG_UNREADABLE "a configuration file cannot be read"
    1305 NOT_FOR_PROJECTS "a project may not set this key"
    1306 SECRET_IN_CONFIG "a secret, or what looks like one, stands where none belongs"
    1307 VARIABLE_UNUSABLE "a variable of the environment is not usable, or sets a key twice"
    1308 CONFIG_UNWRITABLE "the configuration cannot be written"

    // Policy and approvals.
    2001 NO_PERMIT "an effect got no permit, for example because a kill came in between"
    2101 APPROVAL_UNKNOWN "there is no such approval"
    2102 APPROVAL_AMBIGUOUS "that is the beginning of several approvals"
    2103 APPROVAL_ANSWERED "this approval was answered already, or its run has ended"
    2104 MODEL_NOT_ALLOWED "the risk policy does not let the run ask a model"
    2105 APPROVAL_EXPIRED "this approval has expired, which counts as denied"
    2106 MODEL_DENIED "a person did not let the run ask its model, or nobody did in time"
    2107 MEMORY_UNWRITABLE "an answer cannot be remembered, or not be forgotten: what the system said"
    2108 MEMORY_UNREADABLE "the remembered answers cannot be read"
    2109 NOTHING_REMEMBERED "nothing is remembered for this folder"
    2110 NOT_TO_BE_REMEMBERED "only answers about installing packages can be remembered"

    // The journal.
    3001 RUN_CHANGED_MEANWHILE "another process changed this run in the meantime"
    3002 RUN_TAKEN_OVER "another process took this run over"
    3003 KILLED "a kill came"
    3004 COMMIT_TOO_LARGE "a commit is too large"
    3005 DISK_FULL "the disk is full; nothing was lost"
    3006 JOURNAL_BUSY "the journal is busy"
    3007 COMMIT_REFUSED "the journal does not take a commit"
    3008 JOURNAL_CLOSED "the journal is closed"
    3010 JOURNAL_NEWER "the journal was written by a newer Keiko"
    3011 NO_JOURNAL "the file is not a journal"
    3012 JOURNAL_LOCKED "the journal is locked"
    3013 DISK_FULL_AT_OPENING "the disk is full"
    3014 JOURNAL_NOT_PERMITTED "the journal may not be read or written"
    3015 JOURNAL_NOT_OPENED "the journal cannot be opened"
    3020 JOURNAL_DAMAGED "the journal is damaged"
    3021 CHAIN_BROKEN "a chain or a blob is not what was written"
    3022 JOURNAL_CUT "the end of the journal is missing, or an older copy went on"
    3023 JOURNAL_GONE "the journal is gone, and its anchor says how far it had come"
    3024 STILL_RUNNING "a kill could not be recorded, and processes that were told to stop still run"
    3025 STOP_UNWRITABLE "the order to stop could not be written"
    3030 JOURNAL_UNREADABLE "the journal cannot be read"
    3031 RUN_NEWER "a newer Keiko wrote events of this run"
    3032 EVENT_UNREADABLE "an event cannot be read"

    // Models.
    4001 MODEL_UNKNOWN "a name is no `vendor/model` and no profile"
    4002 KEY_MISSING "a vendor's key is missing"
    4003 KEY_UNUSABLE "a key or its file is not usable (permissions, length, characters)"
    4004 BASE_URL_IS_NONE "a base URL is none"
    4005 PRICE_IS_NONE "a price is none"
    4006 NO_HTTP_CLIENT "the HTTP client cannot be built"
    4007 PERMIT_FOR_ANOTHER "a permit was for another request"
    4008 NO_MODEL "no model is configured, or an agent needs one"
    4009 NO_PRICE "a budget is set and the model has no price"
    4101 KEY_REFUSED "the vendor refuses the key"
    4102 MODEL_UNKNOWN_TO_VENDOR "the vendor does not know the model"
    4103 NOBODY_ANSWERS "nobody answers at the address"
    4104 REQUEST_REFUSED "the vendor refuses the request"
    4105 TOO_MANY_REQUESTS "too many requests"
    4106 VENDOR_IN_TROUBLE "the vendor is in trouble"
    4107 NO_STREAM "the answer is not a stream of events: another kind of server"
    4108 REQUEST_TOO_LONG "the request is longer than the model can read"
    4109 NO_CREDIT "the account has no credit"
    4110 ANSWER_CUT "the answer ends before it is complete"
    4111 MODEL_ANSWER_UNREADABLE "the answer cannot be read"
    4112 ERROR_IN_ANSWER "the vendor reports an error within the answer"
    4113 NOTHING_IN_TIME "nothing came in time"
    4114 ANSWER_TOO_LARGE "the answer is larger than any real one"
    4115 ANSWER_WANTED_TOO_LONG "the request asks for a longer answer than the model writes"
    4116 REQUEST_READ_IN_PART "a server has read the request in part only, without saying so"
    4201 NO_RECORDING "there is no recording of this request"
    4202 RECORDING_OF_ANOTHER "the recording is of another request; the difference is shown"
    4203 RECORDING_UNUSABLE "a recording cannot be read or written"
    4301 SCRIPT_ENDED "a script has no turn left"
    4302 SCRIPT_EXPECTED_OTHER "a script expected something else"
    4303 SCRIPT_UNREADABLE "a script cannot be read"

    // Sandbox and workspace.
    5001 NO_BUBBLEWRAP "bubblewrap is not installed or cannot be started"
    5002 JAILS_NOT_PERMITTED "this machine does not permit jails"
    5003 NO_UNPRIVILEGED_USER "there is no unprivileged user for jails"
    5004 RUNTIME_FOLDER_UNUSABLE "the runtime folder of the sandbox cannot be used"
    5005 JAIL_NOT_MADE "a jail could not be made"
    5010 COMMAND_CANNOT_RUN "a command or a mount is none that can be run"
    5100 WORKSPACE_NOT_OPENED "the workspace could not be opened"
    5101 WORKSPACE_MISSING "the workspace does not exist"
    5102 WORKSPACE_NO_FOLDER "the workspace is not a folder"
    5103 WORKSPACE_TOO_BROAD "this folder is too broad to work in"
    5104 WORKSPACE_UNREADABLE "the workspace, or a file in it, cannot be read"
    5105 NO_GIT "git is not installed"
    5106 WORKSPACE_TOO_LARGE "the workspace is too large"
    5107 GIT_FAILED "git failed or did not end in time"
    5108 GIT_OF_ANOTHER "the `.git` entry does not belong to this folder"
    5109 WORKSPACE_IO "a file or folder of the workspace could not be made or read"
    5110 WORKSPACE_RECORD "the record of the workspace cannot be read or written"
    5111 RUN_WITHOUT_WORKSPACE "this run has no workspace"
    5112 WORKSPACE_OF_ANOTHER "the run's workspace was made from something else"
    5120 FAILED_IN_JAIL "something of Keiko's failed inside the jail"
    5121 NOT_PUT_BACK "the workspace could not be put back to a recorded state"
    5122 NO_TREE_ID "not the id of a tree or object"
    5123 ODD_FROM_JAIL "what came out of the jail is not what was asked for, or too large"
    5124 COMMAND_TEXT_MISSING "a text of a command was not read from its blob"
    5125 OPERATION_UNKNOWN "the sandbox does not know this operation"
    5126 OPERATION_ANSWER_LOST "the answer of an operation is too large, or the worker in the jail is gone"
    5130 NOT_INSTALLABLE "dependencies cannot be installed here, or something stands where they belong"
    5131 APPLY_CONFLICT "`apply` met a file that changed meanwhile, or something in the way; everything was put back"
    5132 NOWHERE_TO_APPLY "the run did not start from a folder, or the folder is gone"
    5133 UNDO_CONFLICT "`undo` met files that changed since; nothing was written"
    5134 NOTHING_APPLIED "nothing of this run is applied"
    5135 RESULT_MISSING "the result is not there to be applied, or cannot be read"
    5136 APPLIED_RECORD "the record of what was applied cannot be read or written"
    5140 NO_REMOTE "this is no remote or no branch that can be pushed to"
    5141 REMOTE_UNREACHABLE "the remote could not be reached"
    5142 REMOTE_MOVED "the commit does not continue the remote branch, or the branch has moved"
    5143 PUSH_STOPPED "the push was stopped"
    5144 PUSH_REFUSED "the remote refused the push"
    5150 PROXY_UNUSABLE "dependencies cannot be installed through the configured proxy"
    5160 WORKSPACE_IS_OWN "the folder is Keiko's own, lies in one of its own or holds one"
    5161 GIT_HOLDS_A_PIPE "the repository's `.git` holds a pipe or a device, which would hold up whoever reads it"
    5162 RECORDING_TOO_SLOW "recording the workspace took too long"
    5163 WORKSPACE_GONE "the run's workspace was removed while it was worked on; the run has failed"
    5164 GIT_REFUSES_RESULT "git refuses what is in the result"
    5165 WORKSPACE_PRUNED "the run's workspace was given back by `keiko runs prune`"
    5166 WORKSPACE_BUSY "a process works in a workspace that was to be given back"
    5201 PYTHON_LOST "a Python session was lost in a restart, with its variables"
    5401 NOTHING_CHANGED "this run changed nothing"
    5501 FILE_OPERATION_ODD "a file operation made no sense"
    5502 FILE_OPERATION_FAILED "a file operation failed on this machine"
    5503 TEXT_MISSING "a text was not read from its blob"
    5510 WORKER_GOT_NO_REQUEST "the worker in the jail got something that is no request"
    5511 WORKER_GONE "the worker in the jail is gone"
    5512 WORKER_ODD "the worker's answer makes no sense"
    5513 WORKER_OUT_OF_STEP "the worker's answers are out of step"
    5514 WORKER_REQUEST_UNWRITABLE "a request to the worker cannot be written"
    5520 KERNEL_UNREACHABLE "the Python kernel cannot be reached"
    5521 KERNEL_ENDED "the Python kernel ended"
    5522 KERNEL_NOT_READY "the Python kernel did not become ready"
    5523 KERNEL_LOST "the Python kernel was lost"
    5524 CELL_CANCELLED "a cell was cancelled"

    // Runs.
    6001 RUN_UNKNOWN "there is no such run"
    6002 RUN_LIVE "the run is live already, in another process or in this one"
    6003 RUN_ENDED "the run has ended"
    6004 RUN_AMBIGUOUS "that is the beginning of several runs"
    6010 EFFECT_NOT_UNDONE "the workspace cannot be put back to what it was before an effect"
    6011 RUN_EXISTS "a run of that id has begun before"
    6101 STEPS_USED_UP "the limit of steps is reached"
    6102 TIME_USED_UP "the time limit is reached"
    6103 BUDGET_USED_UP "the budget is used up"
    6120 NO_REPORT_YET "this run has no report yet"
    6121 REPORT_IN_WORDS "this run's agent reports in words only"
    6201 DONE_WITHOUT_EVIDENCE "the agent claimed to be done several times without evidence"
    6202 TESTS_NEED_A_PERSON "the tests could not be run again without a person"
    6203 TESTS_CHANGED "the result of a native agent changes existing tests, and nobody allowed it"
    6204 NOTHING_ANSWERED "a model answered several times with nothing"
    6205 RUN_NOT_ENDED "the run has not ended: there is no evidence card to check yet"
    6206 NO_SECRET_FOR_TESTS "no secret could be made for the reporter of tests"
    6220 IN_CIRCLES "a model went in circles: five answers in a row came to the same"
    6221 CUT_OFF "a model's answers were cut off at the output limit three times in a row"
    6222 CONTEXT_TOO_SMALL "the context of a model is too small for the run's rules and tools"
    6301 TOOL_UNKNOWN "no tool of that name is configured"

    // Faults of Keiko itself.
    9001 REQUEST_NOT_RENDERED "a model request was not rendered"
    9002 CORE_REFUSES "the run's core refuses an input"
    9003 NO_RANDOMNESS "the system gives no randomness"
    9004 OWN_FILE_MISSING "the program's own file cannot be found"
    9005 SANDBOX_SEARCH_FAILED "looking for the sandbox broke down"
    9006 CANNOT_START "the program cannot start"
    9007 BUILT_IN_NAME "a built-in name is none"
    9008 NO_JSON "something cannot be written as JSON"
    9009 MANUAL_PAGE_NOT_MADE "the manual page cannot be made"
    9010 DEMO_ACCOUNT "the account of a demonstration cannot be read or written"
    9011 DEMO_DOES_NOT_END "the run of `demo crash` does not come to its end"
    9012 NOT_DRIVEN_ON "the process does not drive the run any more"
}

impl Code {
    /// A code that is not in the table, of another version or of a test: shipped code has none.
    #[must_use]
    pub const fn foreign(number: u16) -> Code {
        Code(number)
    }

    /// Its number, for what goes by areas.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// `KEI-nnnn`, of this version or another one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Code> {
        let number = text.strip_prefix(PREFIX)?;
        let is_plain = number.len() >= 4 && number.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| number.parse().ok().map(Code))?
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:04}", self.0)
    }
}

impl PartialEq<str> for Code {
    fn eq(&self, text: &str) -> bool {
        Code::parse(text) == Some(*self)
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Code::parse(&text)
            .ok_or_else(|| D::Error::custom(format_args!("{text:?} is no error code")))
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A stable error code.",
            "type": "string",
            "pattern": "^KEI-[0-9]{4,5}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_what_each_means() {
        assert!(Code::ALL.windows(2).all(|two| two[0].code < two[1].code));
        assert!(Code::ALL.iter().all(|known| !known.meaning.is_empty()));
    }

    #[test]
    fn a_code_of_another_version_is_read_and_what_is_none_is_not() {
        for code in ["KEI-6001", "KEI-0007", "KEI-7999", "KEI-12345"] {
            let read: Code = serde_json::from_value(code.into()).unwrap();
            assert_eq!((read.to_string().as_str(), read == code), (code, true));
        }
        for odd in [
            "",
            "KEI-",
            "KEI-60",
            "KEI-+001",
            "kei-6001",
            "KEI-99999",
            "6001",
        ] {
            assert_eq!(Code::parse(odd), None, "{odd}");
        }
    }
}
