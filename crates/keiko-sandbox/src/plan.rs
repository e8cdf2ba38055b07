//! What the supervisor tells the two stages of a jail, and what they answer: plain data over one inherited socket.
//!
//! Nothing of this ever stands in an argument list or an environment, where other processes could read it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// First argument of the outer stage.
pub(crate) const LAUNCH: &str = "jail-launch";
/// First argument of the inner stage.
pub(crate) const INIT: &str = "jail-init";
/// Where the binary of [`crate::jail::JailOptions::inner`] is seen inside every jail.
pub const SELF_INSIDE: &str = "/.keiko/keiko";
/// Largest message; a longer one is a mistake, not a plan.
const MESSAGE_MAX: u32 = 16 << 20;

/// Who files in workspaces must belong to, and who runs bubblewrap: numeric user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id on the host.
    pub uid: u32,
    /// Group id on the host.
    pub gid: u32,
}

/// Everything that the outer stage needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaunchPlan {
    /// The bubblewrap program.
    pub(crate) bwrap: PathBuf,
    /// Whom to become first; absent when the caller is unprivileged already.
    pub(crate) become_user: Option<Identity>,
    /// A folder that is used as a mount point in a private mount namespace. Set exactly when `become_user` is: only then
    /// are sources made reachable for a user who may not walk the path to them.
    pub(crate) stage: Option<PathBuf>,
    /// `cgroup.procs` files to join before anything else.
    pub(crate) join: Vec<PathBuf>,
    /// The file system, in order.
    pub(crate) layers: Vec<Layer>,
    /// What the inner stage does.
    pub(crate) init: InitPlan,
}

/// One step of building the file system. Order matters: a later layer hides an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Layer {
    /// A host folder or file.
    Bind {
        host: PathBuf,
        inside: String,
        writable: bool,
    },
    /// A symbolic link.
    Symlink { target: String, inside: String },
    /// A small read-only file made up for the jail.
    File { inside: String, text: String },
    /// Memory-backed folder with a size in bytes.
    Tmpfs { inside: String, bytes: u64 },
    /// A folder that stands in the read-only root.
    Dir { inside: String },
    /// The minimal `/dev`.
    Dev,
    /// A fresh `/proc`.
    Proc,
    /// Makes what is mounted there read-only.
    Seal { inside: String },
}

/// Everything that the inner stage needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InitPlan {
    /// The command.
    pub(crate) argv: Vec<String>,
    /// Its folder.
    pub(crate) cwd: String,
    /// Its whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Largest file, bytes.
    pub(crate) file_bytes: u64,
    /// Open files.
    pub(crate) open_files: u64,
    /// Processes and threads by rlimit, where no control group does it.
    pub(crate) processes: Option<u64>,
    /// Memory in bytes to hold by looking on, where no control group does it.
    pub(crate) watch_memory: Option<u64>,
    /// Folders that may be written.
    pub(crate) writable: Vec<String>,
    /// What must be seen where mounts belong.
    pub(crate) placed: Vec<Placed>,
    /// Where to hand over the socket on which the jail reaches the proxy of the host, if it has one: a descriptor that is
    /// left open for this process.
    pub(crate) gate: Option<i32>,
    /// Refuse to start without Landlock: the probe saw it work.
    pub(crate) need_landlock: bool,
}

/// A mount, as process 1 must find it: whoever put a link in its way while bubblewrap worked gets no jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placed {
    /// Inside.
    pub(crate) inside: String,
    /// Of the source on the host.
    pub(crate) device: u64,
    /// Of the source on the host.
    pub(crate) inode: u64,
}

/// What the stages tell the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    /// A stage could not do its work; nothing was run.
    Failed { what: String },
    /// All layers stand; the command is about to start.
    Locked(Locked),
    /// The command could not be started.
    NotStarted { why: String },
    /// The command ended.
    Done(Done),
}

/// What the inner stage found in force after locking itself in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Locked {
    /// Level of Landlock in force.
    pub(crate) landlock: LandlockState,
    /// No more sockets with abstract names and no signals out of the jail.
    pub(crate) scoped: bool,
}

/// Whether Landlock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LandlockState {
    /// Every rule that Keiko knows is enforced.
    Full,
    /// The kernel is older and enforces a part.
    Partial,
    /// The kernel has none.
    Absent,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Exit code.
    pub(crate) code: Option<i32>,
    /// Signal.
    pub(crate) signal: Option<i32>,
    /// Processor time of all that was waited for, milliseconds.
    pub(crate) cpu_ms: u64,
    /// Largest resident set of one process, KiB.
    pub(crate) peak_kib: u64,
    /// The inner stage ended it because of its memory.
    pub(crate) out_of_memory: bool,
}

/// What the supervisor asks of the inner stage: one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// SIGTERM to everything.
    Terminate,
    /// SIGKILL to everything.
    Kill,
}

impl Ask {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Ask::Terminate => b'T',
            Ask::Kill => b'K',
        }
    }
    pub(crate) fn from_byte(byte: u8) -> Option<Ask> {
        match byte {
            b'T' => Some(Ask::Terminate),
            b'K' => Some(Ask::Kill),
            _ => None,
        }
    }
}

/// One message as bytes: length (big-endian `u32`) and JSON.
pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).ok().filter(|n| *n <= MESSAGE_MAX);
    let length = length.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "command, environment and mounts are too long for a jail",
        )
    })?;
    let mut bytes = Vec::with_capacity(4 + body.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Checks the length of a coming message.
pub(crate) fn body_length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(header);
    if length > MESSAGE_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "message too long",
        ));
    }
    Ok(length as usize)
}

/// Reads one message, and not a byte more.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut header = [0; 4];
    from.read_exact(&mut header)?;
    let mut body = vec![0; body_length(header)?];
    from.read_exact(&mut body)?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

/// Writes one message.
pub(crate) fn write(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_and_nothing_after_it_is_touched() {
        let notice = Notice::NotStarted {
            why: "kein Programm „x“".into(),
        };
        let mut bytes = encode(&notice).unwrap();
        bytes.extend_from_slice(b"rest");
        let mut from = bytes.as_slice();
        assert_eq!(read::<Notice>(&mut from).unwrap(), notice);
        assert_eq!(from, b"rest");
    }

    #[test]
    fn a_hostile_length_allocates_nothing() {
        let error = read::<Notice>(&mut [0xff, 0xff, 0xff, 0xff, b'{'].as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn asks_are_one_byte() {
        for ask in [Ask::Terminate, Ask::Kill] {
            assert_eq!(Ask::from_byte(ask.byte()), Some(ask));
        }
        assert_eq!(Ask::from_byte(0), None);
    }
}
