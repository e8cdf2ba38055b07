//! Where a kernel is found: a private folder with a connection file and sockets.

use super::KernelError;
use super::wire::Key;
use jupyter_protocol::connection_info::{ConnectionInfo, Transport};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// Where the folder stands inside the jail.
pub const INSIDE: &str = "/run/kernel";
/// The connection file in it.
pub const CONNECTION_FILE: &str = "kernel.json";
const SOCKET_PREFIX: &str = "k";

/// The channels that are used, by their number in the connection file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Shell = 1,
    Iopub = 2,
    Control = 4,
}

/// A kernel's place, before and while it runs.
#[derive(Debug)]
pub struct Connection {
    folder: PathBuf,
    pub(super) key: Key,
}

impl Connection {
    /// Makes the folder (mode 0700) with a connection file (0600) in it, with a fresh key. `inside` is the folder as the
    /// kernel sees it: [`INSIDE`] in a jail. `owner` is whom both shall belong to, if the kernel runs as another user.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn prepare(
        folder: &Path,
        inside: &str,
        owner: Option<(u32, u32)>,
    ) -> Result<Connection, KernelError> {
        let failed = |source: io::Error| KernelError::Io {
            what: "prepare the folder of the kernel",
            source: source.into(),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
        let key = Key::random().map_err(failed)?;
        let info = ConnectionInfo {
            ip: format!("{inside}/{SOCKET_PREFIX}"),
            transport: Transport::IPC,
            shell_port: Port::Shell as u16,
            iopub_port: Port::Iopub as u16,
            stdin_port: 3,
            control_port: Port::Control as u16,
            hb_port: 5,
            key: key.reveal().to_owned(),
            signature_scheme: "hmac-sha256".to_owned(),
            kernel_name: None,
        };
        let text = serde_json::to_vec(&info).map_err(|error| failed(error.into()))?;
        let file = folder.join(CONNECTION_FILE);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut file| file.write_all(&text))
            .map_err(failed)?;
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(&file, Some(user), Some(group)).map_err(failed)?;
            std::os::unix::fs::chown(folder, Some(user), Some(group)).map_err(failed)?;
        }
        Ok(Connection {
            folder: folder.to_owned(),
            key,
        })
    }

    /// Connects to a channel. The folder belongs to the kernel, which could put a link there to a socket of the host: the
    /// socket is opened without following links, and connected to through that very descriptor. That also makes the
    /// length of the folder's name unimportant (a socket's name has 108 bytes).
    pub(super) async fn connect(&self, port: Port) -> io::Result<UnixStream> {
        let socket = self.socket(&format!("{SOCKET_PREFIX}-{}", port as u16))?;
        UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
    }

    fn socket(&self, name: &str) -> io::Result<OwnedFd> {
        let folder = openat(
            CWD,
            &self.folder,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let socket = openat2(&folder, name, flags, Mode::empty(), resolve)?;
        let meta = rustix::fs::fstat(&socket)?;
        if FileType::from_raw_mode(meta.st_mode) != FileType::Socket {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a socket"));
        }
        Ok(socket)
    }
}

/// Starts a kernel out of the folder that is the first argument. It comes last on the search path: what the interpreter has
/// itself goes before it. Nothing is imported out of the folder where it starts, which is the project's.
const LENT: &str = "import sys; sys.path = [path for path in sys.path if path] + [sys.argv.pop(1)]; import runpy; \
                    runpy.run_module('ipykernel_launcher', run_name='__main__', alter_sys=True)";

/// The command that starts a kernel: `python` as seen where it runs, the folder that lends it ipykernel, if it has none
/// itself, and the connection file, both as seen there.
#[must_use]
pub fn command(python: &str, lent: Option<&str>, connection_file_inside: &str) -> Vec<String> {
    let start: &[&str] = match lent {
        Some(folder) => &[python, "-c", LENT, folder, "-f", connection_file_inside],
        None => &[
            python,
            "-m",
            "ipykernel_launcher",
            "-f",
            connection_file_inside,
        ],
    };
    start.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_and_the_key_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("kernel");
        let connection = Connection::prepare(&folder, INSIDE, None).unwrap();
        let again = Connection::prepare(&folder, INSIDE, None).unwrap();
        assert_ne!(connection.key.reveal(), again.key.reveal());
        assert_eq!(again.key.reveal().len(), 64);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&folder), mode(&folder.join(CONNECTION_FILE))),
            (0o700, 0o600)
        );
        let text = std::fs::read_to_string(folder.join(CONNECTION_FILE)).unwrap();
        assert!(
            text.contains("\"ip\":\"/run/kernel/k\"") && text.contains("\"transport\":\"ipc\""),
            "{text}"
        );
        assert!(!format!("{again:?}").contains(again.key.reveal()));
    }

    #[tokio::test]
    async fn a_link_in_place_of_a_socket_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("host.sock");
        let _listener = tokio::net::UnixListener::bind(&victim).unwrap();
        let folder = dir.path().join("a-very-long-name".repeat(8)).join("kernel");
        let connection = Connection::prepare(&folder, INSIDE, None).unwrap();
        std::os::unix::fs::symlink(&victim, folder.join("k-1")).unwrap();
        std::fs::write(folder.join("k-2"), "").unwrap();
        assert!(connection.connect(Port::Shell).await.is_err());
        assert!(connection.connect(Port::Iopub).await.is_err());
        std::fs::rename(&victim, folder.join("k-4")).unwrap();
        assert!(connection.connect(Port::Control).await.is_ok());
    }
}
